use nightlatch_control::ControlError;
use nightlatch_store::StoreError;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// The store refused; some of its errors are the caller's (`TooBroad`, `NotAFacet`).
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The control database refused.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Too many questions wait for an answer.
    #[error("the server is busy; ask again in a few seconds")]
    Busy,
    /// The caller asked for something that cannot be.
    #[error("{0}")]
    Invalid(String),
    /// What was asked for is outside the scope.
    #[error("{0}")]
    OutOfScope(String),
    /// What was asked for is not there.
    #[error("there is no {kind} `{id}`")]
    Unknown {
        /// What it would be.
        kind: &'static str,
        /// The name.
        id: String,
    },
    /// Something stands in the way for now.
    #[error("{0}")]
    Conflict(String),
    /// The operating system refused.
    #[error("{0}")]
    World(String),
    /// A mistake in nightlatch.
    #[error("this is a mistake in nightlatch; the log says more")]
    Bug,
}
