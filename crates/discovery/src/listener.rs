use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use nightlatch_scope::{Shuffled, TargetSet};
use nightlatch_wire::{Reply, TcpAnswer, Unreachable};

use crate::{
    Board, Cookie, Counts, Key,
    board::{By, Noted},
    sample::Telling,
    sweep::{add_alone, subtract_alone},
};

/// What a reply means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Heard {
    /// The target accepts connections. Said once for each.
    Open {
        /// Where in the order.
        position: u64,
        /// Which.
        target: SocketAddr,
    },
    /// The target refuses connections. Said once for each.
    Closed {
        /// Where in the order.
        position: u64,
        /// Which.
        target: SocketAddr,
    },
    /// Somebody says that the target cannot be reached. Said once for each, and not after the target has answered.
    Unreachable {
        /// Where in the order.
        position: u64,
        /// Which.
        target: SocketAddr,
        /// Why.
        reason: Unreachable,
    },
    /// Known already.
    Duplicate,
    /// A target that has answered before was asked again, to see what is lost, and answers once more.
    Again,
    /// It proves nothing: a wrong cookie, or not one of our addresses and ports.
    Forged,
    /// What it answers was not asked, or too long ago.
    Outside,
}

/// The half that judges what comes in. It changes nothing but the board and the counts, so that it can listen while the
/// other half sends. One thread listens: nobody else writes its counts.
#[derive(Debug)]
pub struct Listener {
    pub(crate) targets: Arc<TargetSet>,
    pub(crate) order: Shuffled,
    pub(crate) key: Key,
    pub(crate) sources: Vec<IpAddr>,
    pub(crate) board: Arc<Board>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) telling: Telling,
}

impl Listener {
    /// Judges one reply.
    pub fn hear(&self, reply: &Reply) -> Heard {
        match *reply {
            Reply::Tcp { from, to, acknowledgement, answer } => {
                self.answered(from, to, acknowledgement.wrapping_sub(1), answer)
            }
            Reply::Unreachable { source, target, sequence, reason, .. } => {
                self.turned_back(target, source, sequence, reason)
            }
        }
    }

    fn answered(&self, target: SocketAddr, to: SocketAddr, sequence: u32, answer: TcpAnswer) -> Heard {
        let position = match self.position(target, to, sequence) {
            Ok(position) => position,
            Err((heard, nth)) => {
                nth.inspect(|nth| self.telling.answered_again(target, *nth));
                return heard;
            }
        };
        match self.board.note(position, By::Target) {
            Noted::Outside => self.outside(),
            Noted::Again => self.duplicate(),
            Noted::First { changed, again } => {
                if changed {
                    subtract_alone(&self.counts.unreachable);
                }
                if again {
                    add_alone(&self.counts.second_answers);
                }
                self.telling.answered(position, target);
                match answer {
                    TcpAnswer::SynAck => {
                        add_alone(&self.counts.open);
                        Heard::Open { position, target }
                    }
                    TcpAnswer::Reset => {
                        add_alone(&self.counts.closed);
                        Heard::Closed { position, target }
                    }
                }
            }
        }
    }

    fn turned_back(&self, target: SocketAddr, from: SocketAddr, sequence: u32, reason: Unreachable) -> Heard {
        let position = match self.position(target, from, sequence) {
            Ok(position) => position,
            // Somebody's word for the target is not its answer.
            Err((heard, _)) => return heard,
        };
        match self.board.note(position, By::Somebody) {
            Noted::Outside => self.outside(),
            Noted::Again => self.duplicate(),
            Noted::First { .. } => {
                add_alone(&self.counts.unreachable);
                if reason == Unreachable::Prohibited {
                    add_alone(&self.counts.prohibited);
                }
                Heard::Unreachable { position, target, reason }
            }
        }
    }

    /// Which probe it was, if it proves that it saw one. Else what it is, and which it was of those that asked a target
    /// again.
    fn position(
        &self,
        target: SocketAddr,
        own: SocketAddr,
        sequence: u32,
    ) -> Result<u64, (Heard, Option<u16>)> {
        let cookie = self.key.cookie(target);
        let seen = Cookie { sequence, source_port: own.port() };
        if seen != cookie || !self.sources.contains(&own.ip()) {
            return Err(self.other(target, own.ip(), cookie, seen));
        }
        let position = self.targets.index_of(target).and_then(|index| self.order.position_of(index));
        position.ok_or_else(|| (self.outside(), None))
    }

    /// What an answer is that does not belong to the usual probe of its target.
    fn other(&self, target: SocketAddr, own: IpAddr, usual: Cookie, seen: Cookie) -> (Heard, Option<u16>) {
        let nth = self.sources.contains(&own).then(|| self.key.nth_again(target, usual, seen)).flatten();
        if nth.is_some() {
            return (Heard::Again, nth);
        }
        add_alone(&self.counts.forged);
        (Heard::Forged, None)
    }

    fn duplicate(&self) -> Heard {
        add_alone(&self.counts.duplicates);
        Heard::Duplicate
    }

    fn outside(&self) -> Heard {
        add_alone(&self.counts.outside);
        Heard::Outside
    }
}
