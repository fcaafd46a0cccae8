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

/// Replies whose proofs are computed side by side.
const TOGETHER: usize = 16;
/// The position of what has none.
const NOWHERE: u64 = u64::MAX;

/// What a reply says of the probe it answers, and what that should have been.
#[derive(Clone, Copy)]
struct Claim {
    target: SocketAddr,
    /// Our own end.
    own: SocketAddr,
    seen: Cookie,
    /// The cookie of the target.
    usual: Cookie,
}

impl Claim {
    fn of(reply: &Reply, key: &Key) -> Self {
        let (target, own, sequence) = match *reply {
            Reply::Tcp { from, to, acknowledgement, .. } => (from, to, acknowledgement.wrapping_sub(1)),
            Reply::Unreachable { source, target, sequence, .. } => (target, source, sequence),
        };
        let seen = Cookie { sequence, source_port: own.port() };
        Self { target, own, seen, usual: key.cookie(target) }
    }
}

impl Listener {
    /// Judges one reply.
    pub fn hear(&self, reply: &Reply) -> Heard {
        let claim = Claim::of(reply, &self.key);
        let mut position = [self.number(&claim)];
        self.order.positions_of(&mut position);
        self.judge(reply, &claim, position[0])
    }

    /// As [`Listener::hear`] for each, in order, and sooner: what takes long for one, its cookie and its position, does not
    /// wait for what is looked up and noted of the one before.
    pub fn hear_all(&self, replies: &[Reply], mut each: impl FnMut(Heard)) {
        let mut rest = replies;
        while let Some((replies, others)) = rest.split_first_chunk::<TOGETHER>() {
            rest = others;
            let claims = replies.each_ref().map(|reply| Claim::of(reply, &self.key));
            let mut positions = claims.each_ref().map(|claim| self.number(claim));
            self.order.positions_of(&mut positions);
            for ((reply, claim), position) in replies.iter().zip(&claims).zip(positions) {
                each(self.judge(reply, claim, position));
            }
        }
        rest.iter().for_each(|reply| each(self.hear(reply)));
    }

    /// The number of the target that was asked, if the reply proves that its sender saw the probe.
    #[inline]
    fn number(&self, claim: &Claim) -> u64 {
        if claim.seen != claim.usual || !self.sources.contains(&claim.own.ip()) {
            return NOWHERE;
        }
        self.targets.index_of(claim.target).unwrap_or(NOWHERE)
    }

    /// - `position`: of what has proved itself.
    fn judge(&self, reply: &Reply, claim: &Claim, position: u64) -> Heard {
        match *reply {
            _ if position == NOWHERE => self.other(reply, claim),
            Reply::Tcp { answer, .. } => self.answered(claim.target, position, answer),
            Reply::Unreachable { reason, .. } => self.turned_back(claim.target, position, reason),
        }
    }

    fn answered(&self, target: SocketAddr, position: u64, answer: TcpAnswer) -> Heard {
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

    fn turned_back(&self, target: SocketAddr, position: u64, reason: Unreachable) -> Heard {
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

    /// What a reply is that does not belong to the usual probe of one of the targets.
    fn other(&self, reply: &Reply, claim: &Claim) -> Heard {
        let &Claim { target, own, seen, usual } = claim;
        let is_ours = self.sources.contains(&own.ip());
        if is_ours && seen == usual {
            return self.outside();
        }
        if is_ours && let Some(nth) = self.key.nth_again(target, usual, seen) {
            // Somebody's word for the target is not its answer.
            if matches!(reply, Reply::Tcp { .. }) {
                self.telling.answered_again(target, nth);
            }
            return Heard::Again;
        }
        add_alone(&self.counts.forged);
        Heard::Forged
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
