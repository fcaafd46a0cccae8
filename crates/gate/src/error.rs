use std::{io, net::SocketAddr, path::PathBuf};

/// Why the door cannot be opened. Each says which setting is meant and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GateError {
    /// A setting cannot be obeyed.
    #[error("`server.{setting}`: {problem}")]
    Setting {
        /// Its name in `[server]`.
        setting: &'static str,
        /// What is wrong and what to do.
        problem: String,
    },
    /// A file that a setting names cannot be read.
    #[error("`server.{setting}`: cannot read `{}`", .path.display())]
    File {
        /// The setting's name in `[server]`.
        setting: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another program listens there.
    #[error(
        "`server.listen`: another program listens on {address}; stop it, or choose another port in nightlatch.toml"
    )]
    PortTaken {
        /// Where.
        address: SocketAddr,
    },
    /// Listening is refused for another reason.
    #[error("`server.listen`: cannot listen on {address}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness")]
    Random,
    /// The listener broke.
    #[error("the listener broke")]
    Broken(#[source] io::Error),
}

impl GateError {
    pub(crate) fn setting(setting: &'static str, problem: impl Into<String>) -> Self {
        Self::Setting { setting, problem: problem.into() }
    }
}
