//! The `nightlatch` command: one file for each subcommand, backends chosen, everything wired.

// Both panic where nobody reads; `say` and a writer that reports do not.
#![deny(clippy::print_stderr, clippy::print_stdout)]

mod catalogue;
mod commands;
mod config;
mod discovery;
mod exit;
mod failure;
mod privileges;
mod progress;
mod resolver;
mod say;
mod session;
mod survey;
mod words;

use std::{ffi::OsString, panic, process::ExitCode};

use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser};

use crate::{commands::Command, exit::Exit, say::say, session::Session};

/// A scan makes many small values on one thread and drops them on another, where the C library's allocator spends a
/// third of the processor time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Finds container control planes, admin consoles and data services that stand open.
///
/// Nightlatch asks only what it may: fixed metadata, counts and permission answers, inside the scope you
/// declare. Start with `nightlatch demo`, then `nightlatch scope init` and `nightlatch scan`.
#[derive(Debug, Parser)]
#[command(name = "nightlatch", version, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 clean, 1 found at or above --fail-on, 2 wrong command or file, \
    3 network, permission or storage refused, 4 bug, 130 interrupted.")]
struct Cli {
    #[command(flatten)]
    global: session::Global,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    // A hook instead of the default one: a panic message may quote what a server sent.
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(|l| format!("{}:{}", l.file(), l.line())).unwrap_or_default();
        let what = info.payload_as_str().unwrap_or("no message");
        say(format_args!("bug: {} ({place})", nightlatch_untrusted::terminal(what)));
        say("hint: this is a mistake in nightlatch; please report it with the command you ran");
    }));
    match panic::catch_unwind(run) {
        Ok(exit) => exit.into(),
        Err(_) => Exit::Bug.into(),
    }
}

fn run() -> Exit {
    let arguments: Vec<OsString> = arguments().collect();
    let matches = match tree_for(&arguments).color(colour_of_help()).try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => {
            let exit = if error.use_stderr() { Exit::Usage } else { Exit::Clean };
            // Nothing can be done about a closed standard error.
            let _ = error.print();
            return exit;
        }
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return Exit::Usage;
        }
    };
    let session = Session::new(cli.global);
    match cli.command.run(&session) {
        Ok(exit) => exit,
        Err(failure) => {
            failure.print(session.colour_errors());
            failure.exit
        }
    }
}

/// The command tree as far as these arguments need it: options of all other commands take longer to describe, and more
/// memory, than a small audit.
fn tree_for(arguments: &[OsString]) -> clap::Command {
    let word = arguments.get(1).and_then(|word| word.to_str());
    word.and_then(|word| Command::alone(root(), word)).unwrap_or_else(Cli::command)
}

/// [`Cli`] without its commands.
fn root() -> clap::Command {
    let named = clap::Command::new("nightlatch").version(env!("CARGO_PKG_VERSION")).max_term_width(100);
    session::Global::augment_args(named).subcommand_required(true).arg_required_else_help(true)
}

/// Help and mistakes of the command line are printed before `--color` is read, so it is looked for here.
fn colour_of_help() -> ColorChoice {
    let words: Vec<_> = std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let spaced = words.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1].as_str());
    match spaced.chain(words.iter().filter_map(|word| word.strip_prefix("--color="))).last() {
        Some("never") => ColorChoice::Never,
        Some("always") => ColorChoice::Always,
        _ => ColorChoice::Auto,
    }
}

/// The arguments, with two habits of people understood that option parsers read otherwise: nmap's `-iL FILE`, and
/// a negation in a query, `-port:22` or `-word`, which becomes `!port:22` and means the same.
fn arguments() -> impl Iterator<Item = OsString> {
    let mut asks = false;
    std::env::args_os().map(move |argument| {
        asks = asks || QUESTIONS.iter().any(|command| argument == *command);
        understood(argument, asks)
    })
}

/// The commands that take a query.
const QUESTIONS: [&str; 5] = ["search", "count", "stats", "export", "report"];
/// Letters behind a minus sign from which they are a word: options of one letter may be written together.
const WORD_BYTES_MIN: usize = 3;

/// - `asks`: whether the command takes a query.
fn understood(argument: OsString, asks: bool) -> OsString {
    if argument == "-iL" {
        return OsString::from("--input-list");
    }
    match argument.to_str().and_then(|text| text.strip_prefix('-')) {
        Some(rest) if is_negated(rest) || (asks && is_word(rest)) => OsString::from(format!("!{rest}")),
        _ => argument,
    }
}

fn is_word(rest: &str) -> bool {
    rest.len() >= WORD_BYTES_MIN && rest.starts_with(char::is_alphanumeric)
}

/// A filter, a phrase or a group behind a minus sign, and no option.
fn is_negated(rest: &str) -> bool {
    let name_bytes =
        rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_')).count();
    rest.starts_with(['"', '(']) || (name_bytes > 0 && rest.as_bytes().get(name_bytes) == Some(&b':'))
}

/// The whole command tree, for completions, man pages and the reference.
pub(crate) fn command_tree() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negations_are_queries_and_options_are_options() {
        for (given, expected) in [
            ("-port:22", "!port:22"),
            ("-http.status:404", "!http.status:404"),
            ("-\"a b\"", "!\"a b\""),
            ("-(a OR b)", "!(a OR b)"),
            ("-iL", "--input-list"),
            ("-p", "-p"),
            ("-q", "-q"),
            ("--data", "--data"),
            ("-", "-"),
            ("a-b:c", "a-b:c"),
        ] {
            assert_eq!(understood(given.into(), false), expected, "{given}");
            assert_eq!(understood(given.into(), true), expected, "{given}");
        }
        assert_eq!(understood("-redis".into(), true), "!redis");
        for option in ["-redis", "-qh", "--explain", "-5"] {
            assert_eq!(understood(option.into(), false), option);
        }
        for option in ["-qh", "--explain", "-5"] {
            assert_eq!(understood(option.into(), true), option);
        }
    }

    #[test]
    fn the_command_tree_is_sound() {
        command_tree().debug_assert();
    }

    #[test]
    fn a_command_alone_says_what_it_says_among_all() {
        let said = |tree: clap::Command, words: &[&str]| {
            let words = ["nightlatch"].iter().chain(words);
            let parsed = tree.color(ColorChoice::Always).try_get_matches_from(words);
            parsed.map_or_else(
                |error| error.render().ansi().to_string(),
                |matches| format!("{:?}", Cli::from_arg_matches(&matches)),
            )
        };
        let tree = command_tree();
        for name in tree.get_subcommands().map(clap::Command::get_name) {
            for more in [&["--help"][..], &["-h"], &["--no-such"], &["--data"], &["-q", "--color", "x"], &[]]
            {
                let words: Vec<&str> = [name].iter().chain(more).copied().collect();
                let arguments: Vec<OsString> =
                    ["nightlatch"].iter().chain(&words).map(OsString::from).collect();
                let alone = tree_for(&arguments);
                assert!(alone.get_subcommands().count() == 1, "{name}");
                assert_eq!(said(alone, &words), said(command_tree(), &words), "{words:?}");
            }
        }
        for words in [&["--help"][..], &["help"], &["no-such"], &[]] {
            let arguments: Vec<OsString> = ["nightlatch"].iter().chain(words).map(OsString::from).collect();
            assert_eq!(said(tree_for(&arguments), words), said(command_tree(), words));
        }
    }
}
