use std::{
    fs,
    io::{self, Write},
    net::IpAddr,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueHint};
use nightlatch_scope::{Explanation, HostName, Scope as Authorised, Target, template};
use nightlatch_untrusted::terminal;

use crate::{exit::Exit, failure::Failure, say::say, session::Session};

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
        #[command(flatten)]
        file: ScopeFile,
    },
    /// Say by which lines of the file an address may or may not be scanned
    Explain {
        /// IPv4 or IPv6 address
        ip: IpAddr,
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
        if self.path.is_none() && !path.exists() {
            return Ok(Authorised::loopback_only());
        }
        let text = super::read_text(&path, SCOPE_BYTES_MAX)?;
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
            Action::Check { targets, file } => check(targets, &file.read(session)?),
            Action::Explain { ip, file } => explain(&file.read(session)?.explain(*ip)),
        }
    }
}

fn init(path: &Path, session: &Session) -> Result<Exit, Failure> {
    let failed = |e: io::Error| Failure::from(e).while_doing(format!("cannot write {}", path.display()));
    if path.exists() {
        return Err(Failure::usage(format!("{} exists already; nothing was changed", path.display()))
            .hint("edit it, or name another file with --scope"));
    }
    if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
        fs::create_dir_all(dir).map_err(failed)?;
    }
    let mut file = fs::File::create_new(path).map_err(failed)?;
    file.write_all(template().as_bytes()).map_err(failed)?;
    if session.chatty() {
        say(format_args!(
            "wrote {}; list what you are authorised to scan, then `nightlatch scope check TARGET`",
            path.display()
        ));
    }
    Ok(Exit::Clean)
}

fn check(targets: &[String], scope: &Authorised) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    let mut exit = Exit::Clean;
    for text in targets {
        let target: Target = text.parse().map_err(|error: nightlatch_scope::TargetSyntax| {
            Failure::usage(format!("target `{text}`: {error}"))
        })?;
        match refusal(&target, scope)? {
            None => writeln!(out, "{}: in scope", terminal(text))?,
            Some(reason) => {
                exit = Exit::Findings;
                writeln!(out, "{}: {}", terminal(text), lines(&reason))?;
            }
        }
    }
    Ok(exit)
}

/// Why a target may not be scanned. Names are resolved; one address outside refuses the name.
fn refusal(target: &Target, scope: &Authorised) -> Result<Option<String>, Failure> {
    let addresses = match target {
        Target::Range(range) => {
            let ranges = nightlatch_scope::AddressSet::from(vec![*range]).subtract(scope.allowed());
            let first = ranges.ranges().next().map(|range| range.first());
            return Ok(first.and_then(|ip| reason(scope, ip)).map(|text| {
                let count = ranges.count();
                if count == 1 {
                    text
                } else {
                    format!("{count} addresses are out of scope, the first: {text}")
                }
            }));
        }
        Target::Endpoint(socket) => vec![socket.ip()],
        Target::Name { host, .. } => resolve(host)?,
    };
    Ok(addresses.into_iter().find_map(|ip| reason(scope, ip)))
}

fn reason(scope: &Authorised, ip: IpAddr) -> Option<String> {
    scope.explain(ip).refused.map(|refused| refused.to_string())
}

fn resolve(host: &HostName) -> Result<Vec<IpAddr>, Failure> {
    super::runtime()?
        .block_on(nightlatch_netio::resolve(host.as_str(), RESOLVE_PATIENCE))
        .map_err(|error| Failure::from_error(Exit::World, &error))
}

fn explain(explanation: &Explanation) -> Result<Exit, Failure> {
    let mut out = io::stdout().lock();
    match &explanation.refused {
        None => writeln!(out, "{} may be scanned", explanation.ip)?,
        Some(refused) => writeln!(out, "{}", lines(&refused.to_string()))?,
    }
    if explanation.loopback {
        writeln!(out, "  loopback needs no block")?;
    }
    if let Some(why) = explanation.never_sent {
        writeln!(out, "  nothing is ever sent to it: {why}")?;
    }
    if let Some((range, line)) = &explanation.excluded_by {
        writeln!(out, "  line {line} excludes {range}")?;
    }
    for (at, matching) in explanation.blocks.iter().enumerate() {
        let role = if at == 0 { "decides" } else { "is wider" };
        writeln!(out, "  line {}: block {} {role}", matching.block.line, matching.net)?;
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
    Ok(if explanation.refused.is_some() { Exit::Findings } else { Exit::Clean })
}

fn allowed(yes: bool) -> String {
    if yes { "allowed".to_owned() } else { "not allowed".to_owned() }
}

fn lines(text: &str) -> String {
    text.lines().map(terminal).collect::<Vec<_>>().join("\n")
}
