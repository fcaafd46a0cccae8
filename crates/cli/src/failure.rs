//! Errors as people meet them: what is wrong, where, and what to do. Printed once, at the edge.

use std::{error::Error, fmt, io};

use nightlatch_control::ControlError;
use nightlatch_store::StoreError;
use nightlatch_untrusted::terminal;

use crate::{
    exit::Exit,
    say::{self, safe_lines},
};

/// A command that could not do its work.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) exit: Exit,
    /// What is wrong, then why, outermost first.
    messages: Vec<String>,
    /// Several lines that show the place, already safe for a terminal.
    excerpt: Option<String>,
    /// What to do.
    hint: Option<String>,
    /// The reader of our output went away: not worth a word.
    silent: bool,
}

impl Failure {
    /// The command line or a file is wrong.
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// The world refused.
    pub(crate) fn world(message: impl fmt::Display) -> Self {
        Self::new(Exit::World, message)
    }

    /// Nightlatch itself is wrong.
    pub(crate) fn bug(message: impl fmt::Display) -> Self {
        Self::new(Exit::Bug, message).hint("please report it with the command you ran")
    }

    fn new(exit: Exit, message: impl fmt::Display) -> Self {
        Self { exit, messages: vec![message.to_string()], excerpt: None, hint: None, silent: false }
    }

    /// From an error with its chain of sources.
    pub(crate) fn from_error(exit: Exit, error: &dyn Error) -> Self {
        let mut failure = Self::new(exit, error);
        let mut source = error.source();
        while let Some(cause) = source {
            failure.messages.push(cause.to_string());
            source = cause.source();
        }
        failure
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds lines that show the place; they must be safe for a terminal already.
    #[must_use]
    pub(crate) fn excerpt(mut self, lines: String) -> Self {
        self.excerpt = Some(lines);
        self
    }

    /// Puts what was being done before the reason.
    #[must_use]
    pub(crate) fn while_doing(mut self, what: impl fmt::Display) -> Self {
        self.messages.insert(0, what.to_string());
        self
    }

    /// What is wrong and why, for a remark; safe for a terminal.
    pub(crate) fn in_one_line(&self) -> String {
        terminal(&self.messages.join(": "))
    }

    /// Prints to standard error. Everything foreign in it is neutralised, line breaks included.
    pub(crate) fn print(&self, colour: bool) {
        if self.silent {
            return;
        }
        let (red, bold, reset) = if colour { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
        let mut messages = self.messages.iter();
        let first = messages.next().map(|m| safe_lines(m)).unwrap_or_default();
        let mut lines = vec![format!("{red}error{reset}{bold}:{reset} {first}")];
        lines.extend(messages.map(|cause| format!("  because: {}", safe_lines(cause))));
        lines.extend(self.excerpt.clone());
        lines.extend(self.hint.iter().map(|hint| format!("{bold}hint:{reset} {}", safe_lines(hint))));
        say::write(&lines.join("\n"));
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        let exit = match &error {
            StoreError::TooBroad { .. } | StoreError::NotAFacet { .. } | StoreError::Absent { .. } => {
                Exit::Usage
            }
            _ => Exit::World,
        };
        Self::from_error(exit, &error)
    }
}

impl From<ControlError> for Failure {
    fn from(error: ControlError) -> Self {
        let exit = match &error {
            ControlError::Unknown { .. } => Exit::Usage,
            _ => Exit::World,
        };
        Self::from_error(exit, &error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let mut failure = Self::from_error(Exit::World, &error);
        if error.kind() == io::ErrorKind::BrokenPipe {
            failure.silent = true;
            failure.exit = Exit::Clean;
        }
        failure
    }
}
