//! Exit codes: what a script may rely on.

use std::process::ExitCode;

/// How the command ended.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Nothing at or above `--fail-on`.
    Clean = 0,
    /// Something at or above `--fail-on`.
    Findings = 1,
    /// The command line or a file is wrong.
    Usage = 2,
    /// The network, a permission or the storage refused.
    World = 3,
    /// A bug in Nightlatch.
    Bug = 4,
    /// Stopped by Ctrl-C; what was found is kept. 128 + SIGINT, as shells expect.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// For the reference page and `--help`.
pub(crate) const TABLE: &[(Exit, &str)] = &[
    (Exit::Clean, "done; nothing at or above --fail-on"),
    (Exit::Findings, "done; something at or above --fail-on was found"),
    (
        Exit::Usage,
        "the command line, a query or a file is wrong; nothing was done, but import stored the good lines",
    ),
    (Exit::World, "the network, a permission or the storage refused"),
    (Exit::Bug, "a bug in nightlatch"),
    (Exit::Interrupted, "stopped by Ctrl-C; what was found is kept"),
];
