use nightlatch_asset::Failure;

/// Why no more bytes of a conversation come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Stopped {
    /// The peer closed its side in good order.
    Closed,
    /// The peer reset the connection, or it broke otherwise.
    Reset,
    /// The deadline passed.
    Timeout,
    /// Whoever drives the conversation has seen enough, or used up its budget.
    Enough,
}

impl Stopped {
    /// The failure when nothing usable came before.
    pub fn failure(self) -> Failure {
        match self {
            Stopped::Closed => Failure::Closed,
            Stopped::Reset => Failure::Reset,
            Stopped::Timeout => Failure::Timeout,
            Stopped::Enough => Failure::Budget,
        }
    }
}
