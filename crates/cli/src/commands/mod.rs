//! One file for each command.

mod completions;
mod count;
mod demo;
mod enrich;
mod export;
mod fingerprint;
mod host;
mod import;
mod man;
mod question;
mod reference;
mod runs;
mod scan;
mod scope;
mod search;
mod stats;

use clap::Subcommand;

use crate::{exit::Exit, failure::Failure, session::Session};

macro_rules! commands {
    ($( $(#[$attribute:meta])* $name:ident($module:ident) ),* $(,)?) => {
        /// Every command.
        #[derive(Debug, Subcommand)]
        pub(crate) enum Command {
            $( $(#[$attribute])* $name($module::$name), )*
        }

        impl Command {
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
    Search(search),
    Count(count),
    Stats(stats),
    Host(host),
    Export(export),
    Import(import),
    Runs(runs),
    Scope(scope),
    Fingerprint(fingerprint),
    Enrich(enrich),
    Demo(demo),
    Completions(completions),
    Man(man),
    #[command(hide = true)]
    Reference(reference),
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
pub(crate) fn read_text(path: &std::path::Path, bytes_max: u64) -> Result<String, Failure> {
    use std::io::Read;
    let doing = || format!("cannot read {}", path.display());
    let unreadable = |e: std::io::Error| {
        let mut failure = Failure::from_error(Exit::Usage, &e).while_doing(doing());
        failure.exit = Exit::Usage;
        failure
    };
    let file = std::fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > bytes_max {
        return Err(Failure::usage(format!("{} is larger than {bytes_max} bytes", path.display())));
    }
    String::from_utf8(bytes).map_err(|e| {
        let line = e.as_bytes()[..e.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        Failure::usage(format!("{}:{line}: not UTF-8 text", path.display()))
    })
}

/// The line of a text with a caret below the column, safe for a terminal.
pub(crate) fn excerpt(text: &str, line: usize, column: usize) -> String {
    let content = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let before: String = content.chars().take(column.saturating_sub(1)).collect();
    let indent = nightlatch_untrusted::terminal_width(&nightlatch_untrusted::terminal(&before));
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    format!(
        "{gutter} |\n{number} | {}\n{gutter} | {}^",
        nightlatch_untrusted::terminal(content),
        " ".repeat(indent)
    )
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

/// Who runs the program, for the record of a run.
pub(crate) fn user() -> String {
    let name = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(|n| std::env::var(n).ok());
    name.filter(|name| !name.is_empty())
        .unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
}
