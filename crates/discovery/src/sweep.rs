use std::{
    net::IpAddr,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use nightlatch_scope::{Scope, Shuffled, TargetSet};
use nightlatch_wire::Ignored;

use crate::{Board, Key, Listener, Nanos, SECOND, Sender, Shard, sample, sender::Shared};

/// What a sweep does.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Key of the order; machines that share a sweep, and a run that is resumed, need the same one.
    pub seed: [u64; 2],
    /// Key of the cookies: 16 bytes from a good source of randomness, for this sweep only.
    pub secret: [u8; 16],
    /// Our own addresses: a reply to any other is not for us.
    pub sources: Vec<IpAddr>,
    /// What probes come from.
    pub source_ports: RangeInclusive<u16>,
    /// Probes a target that does not answer gets, 1 to 8.
    pub probes: u8,
    /// Least time between two of them.
    pub gap: Nanos,
    /// How long after the last probe answers are waited for.
    pub cooldown: Nanos,
    /// Which part of the order.
    pub shard: Shard,
    /// Position to go on at; 0 for the beginning of the shard.
    pub start: u64,
    /// Most probes a second to one /24 or /64; `None` for no bound.
    pub per_network_pps: Option<u32>,
}

impl Settings {
    /// Two probes, a second apart, and three seconds of patience: the whole order, no bound for single networks.
    pub fn new(
        seed: [u64; 2],
        secret: [u8; 16],
        sources: Vec<IpAddr>,
        source_ports: RangeInclusive<u16>,
    ) -> Self {
        Self {
            seed,
            secret,
            sources,
            source_ports,
            probes: 2,
            gap: SECOND,
            cooldown: 3 * SECOND,
            shard: Shard::WHOLE,
            start: 0,
            per_network_pps: None,
        }
    }
}

/// Both halves of one discovery.
#[derive(Debug)]
pub struct Sweep {
    /// Says what goes out.
    pub sender: Sender,
    /// Judges what comes in.
    pub listener: Listener,
    /// What both count.
    pub counts: Arc<Counts>,
}

impl Sweep {
    /// A sweep over `targets` as far as `scope` allows them; asked again for every single probe.
    pub fn new(targets: Arc<TargetSet>, scope: Arc<Scope>, settings: &Settings) -> Self {
        let total = targets.len();
        let order = Shuffled::new(total, settings.seed);
        let shard = settings.shard.positions(total);
        let positions = shard.start.max(settings.start).min(shard.end)..shard.end;
        let board = Arc::new(Board::new(positions.start, positions.end));
        let key = Key::new(&settings.secret, settings.source_ports.clone());
        let counts = Arc::new(Counts::default());
        let (telling, told) = sample::telling();
        let listener = Listener {
            targets: targets.clone(),
            order: order.clone(),
            key: key.clone(),
            sources: settings.sources.clone(),
            board: board.clone(),
            counts: counts.clone(),
            telling,
        };
        let shared = Shared { targets, scope, order, key, board, counts: counts.clone() };
        let sender = Sender::new(shared, told, positions, settings);
        Self { sender, listener, counts }
    }
}

/// Takes no room, and lets what follows begin on a cache line of its own: both halves count a million times a second.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Apart;

macro_rules! counts {
    ($($(#[$sent_doc:meta])* $sent:ident,)*; $($(#[$heard_doc:meta])* $heard:ident,)*) => {
        /// What happened so far. Each count is written by one half, and anybody may read.
        #[derive(Debug, Default)]
        #[repr(C)]
        pub struct Counts {
            $($(#[$sent_doc])* pub $sent: AtomicU64,)*
            apart: Apart,
            $($(#[$heard_doc])* pub $heard: AtomicU64,)*
        }
    };
}

counts! {
    /// Probes handed out.
    sent,
    /// Targets that were probed at least once.
    probed,
    /// Further probes that were saved, because the target had answered.
    saved,
    /// Targets that the scope does not allow.
    refused,
    /// Packets to targets that had answered and were asked again, to see what is lost; not among `sent`.
    asked_again,
    /// Of those, the ones that have had their time to be answered.
    again_judged,
    /// Of those, the ones that were.
    again_replied,;
    /// Targets that accept connections.
    open,
    /// Targets that refuse them.
    closed,
    /// Targets that somebody said cannot be reached, and that did not answer themselves.
    unreachable,
    /// Of those, the ones that a filter turned back.
    prohibited,
    /// Targets that answered only when they were probed again: what the first probe, or its answer, was lost of.
    second_answers,
    /// Answers that came before.
    duplicates,
    /// Packets that look like answers and carry a wrong proof.
    forged,
    /// Answers to what was not asked, or too long ago.
    outside,
    /// Packets that are no answer at all.
    ignored,
    /// Of those, the ones that were cut off or had a wrong checksum.
    damaged,
}

impl Counts {
    /// Counts a packet that says nothing. For who listens only.
    pub fn ignore(&self, why: Ignored) {
        add_alone(&self.ignored);
        if matches!(why, Ignored::Truncated | Ignored::Checksum) {
            add_alone(&self.damaged);
        }
    }

    /// Targets that anybody answered for.
    pub fn answered(&self) -> u64 {
        [&self.open, &self.closed, &self.unreachable].map(|count| count.load(Ordering::Relaxed)).iter().sum()
    }
}

/// Adds to a count that only the caller's half writes: a tenth of the cost of adding for many, at a million a second.
#[inline]
pub(crate) fn add_alone(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
}

/// Adds several.
#[inline]
pub(crate) fn add_some_alone(count: &AtomicU64, more: u64) {
    count.store(count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
}

/// Takes from one.
#[inline]
pub(crate) fn subtract_alone(count: &AtomicU64) {
    count.store(count.load(Ordering::Relaxed).saturating_sub(1), Ordering::Relaxed);
}

#[cfg(test)]
mod tests;
