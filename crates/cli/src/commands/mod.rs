//! One file for each command.

mod alert;
mod audit;
mod completions;
mod config;
mod corpus;
mod count;
mod demo;
mod enrich;
mod export;
mod findings;
mod fingerprint;
mod host;
mod import;
mod key;
mod man;
mod net;
mod port_lists;
mod question;
mod rbac;
mod reference;
mod report;
mod runs;
mod scan;
mod scope;
mod search;
mod serve;
mod stats;

use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
};

use clap::Subcommand;
use nightlatch_scope::Target;

use crate::{exit::Exit, failure::Failure, session::Session};

macro_rules! commands {
    ($( $(#[$attribute:meta])* $name:ident($module:ident) ),* $(,)?) => {
        /// Every command.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $( $(#[$attribute])* $name($module::$name), )*
        }

        impl Command {
            /// `root` with one command and no other; nothing for a word that is not the name of one.
            pub(crate) fn alone(root: clap::Command, word: &str) -> Option<clap::Command> {
                $(
                    if word == stringify!($module) {
                        let command = clap::Command::new(stringify!($module));
                        return Some(root.subcommand(<$module::$name as clap::Args>::augment_args(command)));
                    }
                )*
                None
            }

            /// Does what was asked.
            pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
                match self {
                    $( Self::$name(command) => command.run(session), )*
                }
            }
        }
    };
}

commands! {
    Scan(scan),
    Audit(audit),
    Findings(findings),
    Rbac(rbac),
    Net(net),
    Search(search),
    Count(count),
    Stats(stats),
    Host(host),
    Export(export),
    Import(import),
    Runs(runs),
    Report(report),
    Scope(scope),
    Fingerprint(fingerprint),
    Enrich(enrich),
    Serve(serve),
    Key(key),
    Alert(alert),
    Config(config),
    Demo(demo),
    Completions(completions),
    Man(man),
    #[command(hide = true)]
    Reference(reference),
}

/// Writes a file whole or not at all: beside it first, then renamed. A file that is replaced keeps its permissions.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed =
        |error: io::Error| Failure::from(error).while_doing(format!("cannot write {}", path.display()));
    // What a link points to is replaced, not the link; a device is written to as it is.
    let place = match fs::metadata(path) {
        Ok(found) if !found.is_file() => return fs::write(path, bytes).map_err(failed),
        Ok(_) => fs::canonicalize(path).map_err(failed)?,
        Err(_) => path.to_owned(),
    };
    let mut name = place.as_os_str().to_owned();
    name.push(format!(".part-{}", std::process::id()));
    let part = std::path::PathBuf::from(name);
    let written = (|| {
        let mut file = fs::File::create_new(&part)?;
        if let Ok(found) = fs::metadata(&place) {
            file.set_permissions(found.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, &place)
    })();
    written.map_err(|error| {
        // The error that matters is already on its way.
        let _ = fs::remove_file(&part);
        failed(error)
    })
}

/// Finds a field by name; a slip of the pen gets the nearest name.
pub(crate) fn field_named(name: &str) -> Result<nightlatch_asset::Field, Failure> {
    nightlatch_asset::Field::named(name).map_err(|unknown| {
        let failure = Failure::usage(&unknown);
        match unknown.nearest {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`nightlatch search --help` lists the fields"),
        }
    })
}

/// Finds several.
pub(crate) fn fields_named(names: &[String]) -> Result<Vec<nightlatch_asset::Field>, Failure> {
    names.iter().map(|name| field_named(name.trim())).collect()
}

/// Reads a text file of at most `bytes_max` bytes.
pub(crate) fn read_text(path: &Path, bytes_max: u64) -> Result<String, Failure> {
    match read_text_if_there(path, bytes_max)? {
        Some(text) => Ok(text),
        None => Err(unreadable(path, io::ErrorKind::NotFound.into())),
    }
}

/// Reads a text file that may be missing. Every other reason not to read it is an error: a file that is there and
/// cannot be read says something.
pub(crate) fn read_text_if_there(path: &Path, bytes_max: u64) -> Result<Option<String>, Failure> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, error)),
    };
    text(file, path, bytes_max).map(Some)
}

/// All that `input` holds, as text.
///
/// - `name`: the file, or a word such as `standard input`.
pub(crate) fn text(input: impl Read, name: &Path, bytes_max: u64) -> Result<String, Failure> {
    let mut bytes = Vec::new();
    input.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| unreadable(name, error))?;
    if bytes.len() as u64 > bytes_max {
        return Err(Failure::usage(format!("{} is larger than {bytes_max} bytes", name.display())));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..valid]);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Failure::usage(format!("{}:{line}:{column}: not UTF-8 text", name.display()))
            .hint("save it as UTF-8, without other encodings in it")
    })
}

fn unreadable(path: &Path, error: io::Error) -> Failure {
    let mut failure =
        Failure::from_error(Exit::Usage, &error).while_doing(format!("cannot read {}", path.display()));
    failure.exit = Exit::Usage;
    failure
}

/// Reads one target of the command line.
pub(crate) fn target(text: &str) -> Result<Target, Failure> {
    text.parse().map_err(|error: nightlatch_scope::TargetSyntax| {
        let (shown, at) = without_credentials(text, error.at);
        Failure::usage(format!("target `{shown}`: {error}")).excerpt(excerpt(&shown, 1, at + 1))
    })
}

/// A URL as it may be shown: what stands before the `@` can be a password. Gives the place `at`, too.
fn without_credentials(text: &str, at: usize) -> (String, usize) {
    let start = text.find("://").map_or(0, |at| at + 3);
    let authority = text[start..].split(['/', '?', '#']).next().unwrap_or_default();
    let Some(length) = authority.rfind('@').filter(|_| start > 0) else {
        return (text.to_owned(), text.get(..at).map_or(0, |before| before.chars().count()));
    };
    (format!("{}***{}", &text[..start], &text[start + length..]), text[..start].chars().count())
}

/// Writes one JSON object on a line of its own.
pub(crate) fn json_line<T: serde::Serialize + ?Sized>(value: &T, out: &mut dyn Write) -> io::Result<()> {
    nightlatch_untrusted::json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    writeln!(out)
}

/// Columns of a line that are shown around a mistake; a line may be as long as the file.
const EXCERPT_BEFORE: usize = 50;
const EXCERPT_AFTER: usize = 25;

/// The line of a text with a caret below the column, safe for a terminal.
pub(crate) fn excerpt(text: &str, line: usize, column: usize) -> String {
    let content = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let before_count = column.saturating_sub(1);
    let skipped = before_count.saturating_sub(EXCERPT_BEFORE);
    let lead = if skipped > 0 { "…" } else { "" };
    let before: String = content.chars().skip(skipped).take(before_count - skipped).collect();
    let mut rest = content.chars().skip(before_count);
    let after: String = rest.by_ref().take(EXCERPT_AFTER).collect();
    let trail = if rest.next().is_some() { "…" } else { "" };
    let (before, after) = (nightlatch_untrusted::terminal(&before), nightlatch_untrusted::terminal(&after));
    let indent = nightlatch_untrusted::terminal_width(lead) + nightlatch_untrusted::terminal_width(&before);
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let shown = format!("{number} | {lead}{before}{after}{trail}");
    format!("{gutter} |\n{}\n{gutter} | {}^", shown.trim_end(), " ".repeat(indent))
}

/// The runtime of commands that talk to the network.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::from(e).while_doing("cannot start the network runtime"))
}

/// The fields by name with their help, for `search --help`.
pub(crate) fn field_help() -> String {
    let mut text = String::from("Fields:\n");
    for info in nightlatch_asset::CATALOGUE {
        text.push_str(&format!("  {:<24} {}\n", info.name, info.help));
    }
    text.push_str(
        "\nhas_FIELD:true asks whether there is a value; before: and after: take dates or 7d, 12h.",
    );
    text
}

/// The fields that can be counted, for `stats --help`.
pub(crate) fn facet_help() -> String {
    let names: Vec<&str> =
        nightlatch_asset::CATALOGUE.iter().filter(|info| info.facet).map(|info| info.name).collect();
    format!("Fields that can be counted: {}", names.join(", "))
}

/// Who runs the program, for the record of a run.
pub(crate) fn user() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|n| std::env::var(n).ok());
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_shows_the_place_and_no_more() {
        assert_eq!(excerpt("a\nb c", 2, 3), "  |\n2 | b c\n  |   ^");
        assert_eq!(excerpt("\x1b[x", 1, 2), "  |\n1 | \\u{1b}[x\n  |       ^");
        let long = format!("{}X{}", "漢".repeat(100_000), "b".repeat(100_000));
        let shown = excerpt(&long, 1, 100_001);
        assert!(shown.contains("…漢") && shown.contains("Xb"), "{shown}");
        assert!(shown.lines().all(|line| line.chars().count() < 120), "{shown}");
    }

    #[test]
    fn text_that_is_not_utf8_is_named_with_its_place() {
        let failure = text(&b"ok\nab\xffc"[..], Path::new("f"), 100).unwrap_err();
        assert!(format!("{failure:?}").contains("f:2:3: not UTF-8"), "{failure:?}");
        assert!(text(&b"12345"[..], Path::new("f"), 4).is_err());
    }

    #[test]
    fn credentials_are_not_repeated() {
        let failure = target("http://user:geheim@192.0.2.1:80/x").unwrap_err();
        assert!(!format!("{failure:?}").contains("geheim"), "{failure:?}");
    }
}
