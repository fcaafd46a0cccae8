//! What every command shares: where data lives, how output looks.

use std::{
    env,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum, ValueHint};
use nightlatch_report::Style;
use nightlatch_store::{Snapshot, Store};
use nightlatch_store_tantivy::{Options, TantivyStore};

use nightlatch_app::private;

use crate::{exit::Exit, failure::Failure, privileges, say::say};

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Data directory [default: $XDG_DATA_HOME/nightlatch, else ~/.local/share/nightlatch]
    #[arg(long, global = true, value_name = "DIR", env = "NIGHTLATCH_DATA", value_hint = ValueHint::DirPath)]
    pub(crate) data: Option<PathBuf>,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: Colour,
    /// Nothing on standard error but errors
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// One invocation.
#[derive(Debug)]
pub(crate) struct Session {
    global: Global,
}

/// Columns assumed where the output is not a terminal.
const COLUMNS_DEFAULT: usize = 100;

impl Session {
    pub(crate) fn new(global: Global) -> Self {
        Self { global }
    }

    /// Whether a data directory was named on the command line or in the environment.
    pub(crate) fn names_data_dir(&self) -> bool {
        self.global.data.is_some()
    }

    /// The data directory.
    pub(crate) fn data_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.global.data {
            return Ok(dir.clone());
        }
        let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
        // Of who called `sudo`: what that finds is looked at without it.
        let caller = || privileges::caller().and_then(|caller| caller.home);
        absolute("XDG_DATA_HOME")
            .or_else(|| caller().or_else(|| absolute("HOME")).map(|home| home.join(".local/share")))
            .map(|base| base.join("nightlatch"))
            .ok_or_else(|| {
                Failure::usage("no data directory: HOME is not set").hint("name one with --data DIR")
            })
    }

    /// The words that begin a command on the same data, for the shell: what people are told to type must work.
    pub(crate) fn again(&self) -> String {
        match &self.global.data {
            Some(dir) => format!("nightlatch --data {}", shell_word(&dir.display().to_string())),
            None => "nightlatch".to_owned(),
        }
    }

    /// Everything stored so far, frozen.
    pub(crate) fn snapshot(&self) -> Result<Box<dyn Snapshot>, Failure> {
        self.snapshot_of(&self.data_dir()?)
    }

    /// Everything stored in a data directory.
    pub(crate) fn snapshot_of(&self, dir: &Path) -> Result<Box<dyn Snapshot>, Failure> {
        let reader = TantivyStore::read(dir)?;
        if let Some(error) = reader.unfinished()
            && self.chatty()
        {
            let why = Failure::from_error(Exit::World, error).in_one_line();
            say(format_args!(
                "warning: the newest observations are missing, a writer was stopped before it could finish: {why}"
            ));
        }
        Ok(reader.snapshot()?)
    }

    /// The store of the data directory, for writing.
    pub(crate) fn writer(&self) -> Result<Box<dyn Store>, Failure> {
        self.writer_of(&self.data_dir()?)
    }

    /// The store of a data directory, for writing; made where there is none.
    pub(crate) fn writer_of(&self, dir: &Path) -> Result<Box<dyn Store>, Failure> {
        private::make_dir(dir).map_err(|error| {
            Failure::from(error).while_doing(format!("cannot make the data directory {}", dir.display()))
        })?;
        Ok(Box::new(TantivyStore::open(dir, Options::default())?))
    }

    /// How standard output looks.
    pub(crate) fn style(&self) -> Style {
        let terminal = io::stdout().is_terminal();
        Style {
            width: columns().unwrap_or(COLUMNS_DEFAULT),
            colour: self.colour(terminal),
            unicode: unicode_locale(),
        }
    }

    /// Whether errors are coloured.
    pub(crate) fn colour_errors(&self) -> bool {
        self.colour(io::stderr().is_terminal())
    }

    /// Whether a progress line may be drawn on standard error.
    pub(crate) fn progress(&self) -> bool {
        !self.global.quiet && io::stderr().is_terminal()
    }

    /// Whether remarks may be printed on standard error.
    pub(crate) fn chatty(&self) -> bool {
        !self.global.quiet
    }

    fn colour(&self, terminal: bool) -> bool {
        match self.global.color {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => {
                let plain = env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
                    || env::var_os("TERM").is_some_and(|term| term == "dumb");
                terminal && !plain
            }
        }
    }
}

/// One word of a shell, quoted where it has to be.
pub(crate) fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+:@%,".contains(c);
    match !text.is_empty() && text.chars().all(plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// Width of the terminal: `COLUMNS` where a shell or a test sets it, else what the terminal says.
pub(crate) fn columns() -> Option<usize> {
    let set = env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    set.or_else(|| terminal_size::terminal_size().map(|(width, _)| usize::from(width.0)))
        .map(|columns: usize| columns.clamp(40, 400))
}

fn unicode_locale() -> bool {
    let locale =
        ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(|n| env::var(n).ok().filter(|v| !v.is_empty()));
    locale.is_some_and(|l| l.to_ascii_lowercase().contains("utf"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shell_words_are_quoted_where_they_have_to_be() {
        for (text, word) in
            [("/a/b.c", "/a/b.c"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("", "''"), ("$x", "'$x'")]
        {
            assert_eq!(shell_word(text), word);
        }
    }
}
