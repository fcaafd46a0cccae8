use std::{
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueHint};
use nightlatch_app::private;
use nightlatch_scope::{
    AddressRange, AddressSet, Explanation, HostName, Scope as Authorised, Target, template,
};
use nightlatch_untrusted::terminal;
use serde::Serialize;
use serde_json::json;

use crate::{
    exit::Exit,
    failure::Failure,
    say::{safe_lines, say},
    session::Session,
};

/// The file that says what may be scanned: make it, check targets against it, explain an address
#[derive(Debug, Args)]
pub(crate) struct Scope {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write a scope file to fill in
    Init {
        #[command(flatten)]
        file: ScopeFile,
    },
    /// Say whether targets may be scanned; exit code 1 when one may not
    Check {
        /// Addresses, CIDR blocks, ranges, host names, host:port, URLs
        #[arg(required = true, value_name = "TARGET")]
        targets: Vec<String>,
        /// One JSON object for each target
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ScopeFile,
    },
    /// Say by which lines of the file an address may or may not be scanned
    Explain {
        /// IPv4 or IPv6 address
        ip: IpAddr,
        /// As a JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        file: ScopeFile,
    },
}

/// Which scope file is meant.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ScopeFile {
    /// Scope file [default: scope.toml in the data directory]
    #[arg(long = "scope", value_name = "FILE", env = "NIGHTLATCH_SCOPE", value_hint = ValueHint::FilePath)]
    pub(crate) path: Option<PathBuf>,
}

/// How long one name may take to resolve.
const RESOLVE_PATIENCE: std::time::Duration = std::time::Duration::from_secs(10);
/// Largest scope file that is read, in bytes.
const SCOPE_BYTES_MAX: u64 = 16 * 1024 * 1024;

impl ScopeFile {
    /// Where the file is or would be.
    pub(crate) fn place(&self, session: &Session) -> Result<PathBuf, Failure> {
        match &self.path {
            Some(path) => Ok(path.clone()),
            None => Ok(session.data_dir()?.join("scope.toml")),
        }
    }

    /// Reads the scope. A file that was named must exist; without the default one only loopback is in scope.
    pub(crate) fn read(&self, session: &Session) -> Result<Authorised, Failure> {
        let path = self.place(session)?;
        let text = match &self.path {
            Some(path) => super::read_text(path, SCOPE_BYTES_MAX)?,
            None => match super::read_text_if_there(&path, SCOPE_BYTES_MAX)? {
                Some(text) => text,
                None => return Ok(Authorised::loopback_only()),
            },
        };
        Authorised::parse(&text, &path).map_err(|error| {
            let excerpt = super::excerpt(&text, error.line as usize, error.column as usize);
            Failure::usage(&error).excerpt(excerpt)
        })
    }
}

impl Scope {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        match &self.action {
            Action::Init { file } => init(&file.place(session)?, session),
            Action::Check { targets, json, file } => check(targets, *json, &file.read(session)?),
            Action::Explain { ip, json, file } => explain(&file.read(session)?.explain(*ip), *json),
        }
    }
}

fn init(path: &Path, session: &Session) -> Result<Exit, Failure> {
    let failed = |e: io::Error| Failure::from(e).while_doing(format!("cannot write {}", path.display()));
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        private::make_dir(dir).map_err(failed)?;
    }
    match private::create_whole(path, template().as_bytes()) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Failure::usage(format!("{} exists already; nothing was changed", path.display()))
                .hint("edit it, or name another file with --scope"));
        }
        Err(error) => return Err(failed(error)),
    }
    if session.chatty() {
        say(format_args!(
            "wrote {}; list what you are authorised to scan, then `nightlatch scope check TARGET`",
            path.display()
        ));
    }
    Ok(Exit::Clean)
}

/// What the scope says about one target.
#[derive(Serialize)]
struct Checked<'t> {
    target: &'t str,
    in_scope: bool,
    /// Stretches of addresses that may not be scanned, at most a few.
    refused: Vec<Stretch>,
    /// How many more there are.
    refused_more: usize,
    /// What would make it authorised; absent where no line would help.
    lines_to_add: Option<String>,
}

#[derive(Serialize)]
struct Stretch {
    addresses: String,
    count: u128,
    why: String,
}

fn check(targets: &[String], json: bool, scope: &Authorised) -> Result<Exit, Failure> {
    let targets =
        targets.iter().map(|text| Ok((text, super::target(text)?))).collect::<Result<Vec<_>, Failure>>()?;
    let mut out = io::stdout().lock();
    let mut all_outside = AddressSet::default();
    for (text, target) in &targets {
        let outside = addresses(target)?.subtract(scope.allowed());
        let checked = checked(text, &outside, scope);
        if json {
            super::json_line(&checked, &mut out)?;
        } else {
            print_checked(&checked, &mut out)?;
        }
        all_outside = all_outside.union(&outside);
    }
    if !json {
        print_lines_to_add(scope.refuse(&all_outside).lines_to_add().as_deref(), &mut out)?;
    }
    Ok(if all_outside.is_empty() { Exit::Clean } else { Exit::Findings })
}

/// The addresses that a target means; every address of a name.
fn addresses(target: &Target) -> Result<AddressSet, Failure> {
    Ok(match target {
        Target::Range(range) => vec![*range].into(),
        Target::Endpoint(socket) => vec![AddressRange::single(socket.ip())].into(),
        Target::Name { host, .. } => {
            resolve(host)?.into_iter().map(AddressRange::single).collect::<Vec<_>>().into()
        }
    })
}

fn checked<'t>(text: &'t str, outside: &AddressSet, scope: &Authorised) -> Checked<'t> {
    let refused = scope.refuse(outside);
    Checked {
        target: text,
        in_scope: outside.is_empty(),
        refused: outside
            .ranges()
            .zip(&refused.reasons)
            .map(|(range, why)| Stretch {
                addresses: range.to_string(),
                count: range.count(),
                why: why.to_string(),
            })
            .collect(),
        refused_more: refused.more,
        lines_to_add: refused.lines_to_add(),
    }
}

fn print_checked(checked: &Checked<'_>, out: &mut dyn Write) -> io::Result<()> {
    let target = terminal(checked.target);
    if checked.in_scope {
        return writeln!(out, "{target}: in scope");
    }
    for stretch in &checked.refused {
        writeln!(out, "{target}: {}", terminal(&stretch.why))?;
    }
    match checked.refused_more {
        0 => Ok(()),
        more => writeln!(out, "{target}: and {more} more stretches of addresses"),
    }
}

fn print_lines_to_add(lines: Option<&str>, out: &mut dyn Write) -> io::Result<()> {
    match lines {
        Some(lines) => writeln!(out, "\n{}", to_add(lines)),
        None => Ok(()),
    }
}

/// What to do about a refusal, with the lines to copy.
pub(crate) fn to_add(lines: &str) -> String {
    format!(
        "If you are authorised to scan it, add to the scope file (`nightlatch scope init` makes one):\n\n{}",
        safe_lines(lines)
    )
}

fn resolve(host: &HostName) -> Result<Vec<IpAddr>, Failure> {
    super::runtime()?
        .block_on(nightlatch_netio::resolve(host.as_str(), RESOLVE_PATIENCE))
        .map_err(|error| Failure::from_error(Exit::World, &error))
}

fn explain(explanation: &Explanation, json: bool) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    if json {
        super::json_line(&explained(explanation), &mut out)?;
    } else {
        print_explained(explanation, &mut out)?;
    }
    Ok(if explanation.refused.is_some() { Exit::Findings } else { Exit::Clean })
}

fn explained(explanation: &Explanation) -> serde_json::Value {
    let rights = &explanation.permissions;
    let blocks: Vec<_> = explanation
        .blocks
        .iter()
        .enumerate()
        .map(|(at, matching)| {
            json!({ "net": matching.net.to_string(), "line": matching.block.line, "decides": at == 0 })
        })
        .collect();
    json!({
        "ip": explanation.ip,
        "in_scope": explanation.refused.is_none(),
        "why": explanation.refused.as_ref().map(ToString::to_string),
        "loopback": explanation.loopback,
        "never_sent": explanation.never_sent,
        "excluded_by": explanation.excluded_by.as_ref()
            .map(|(range, line)| json!({ "addresses": range.to_string(), "line": line })),
        "blocks": blocks,
        "owner": rights.owner,
        "contact": rights.contact,
        "rate_pps": rights.rate_pps,
        "t3": rights.t3,
        "sample": rights.sample,
        "counts": rights.counts,
        "lines_to_add": explanation.refused.as_ref().and_then(|refused| refused.lines_to_add()),
    })
}

fn print_explained(explanation: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    match &explanation.refused {
        None => writeln!(out, "{} may be scanned", explanation.ip)?,
        Some(refused) => writeln!(out, "{}", terminal(&refused.to_string()))?,
    }
    if explanation.loopback {
        writeln!(out, "  loopback needs no block")?;
    }
    if let Some((range, line)) = &explanation.excluded_by {
        writeln!(out, "  line {line} excludes {range}")?;
    }
    for (at, matching) in explanation.blocks.iter().enumerate() {
        let role = if at == 0 { "decides" } else { "is wider" };
        writeln!(out, "  line {}: block {} {role}", matching.block.line, matching.net)?;
    }
    if let Some(refused) = &explanation.refused {
        return print_lines_to_add(refused.lines_to_add().as_deref(), out);
    }
    let rights = &explanation.permissions;
    let words = [
        ("owner", rights.owner.clone()),
        ("contact", rights.contact.clone()),
        ("rate", rights.rate_pps.map(|rate| format!("{rate} connections a second"))),
        ("questions spelt as POST (t3)", Some(allowed(rights.t3))),
        ("samples", Some(allowed(rights.sample))),
        ("counts", Some(allowed(rights.counts))),
    ];
    for (name, value) in words {
        if let Some(value) = value {
            writeln!(out, "  {name}: {}", terminal(&value))?;
        }
    }
    Ok(())
}

fn allowed(yes: bool) -> String {
    if yes { "allowed".to_owned() } else { "not allowed".to_owned() }
}
