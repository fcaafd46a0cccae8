//! Discovery by raw packets: one thread sends, one listens, and what is open goes on to the conversations.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use nightlatch_asset::Observation;
use nightlatch_discovery::{
    Counts, Governor, Heard, Listener, Nanos, Next, Pacer, Probe, Seen, Settings, Shard, Sweep,
};
use nightlatch_netio::raw;
use nightlatch_scope::{Scope, TargetSet};
use nightlatch_wire::Reply;
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    Cancel, Opened, ScanError, SweepSnapshot,
    ledger::Fate,
    run::{Answered, Shared},
    trail::Trail,
    waiting::{Backlog, Hits, Waiting},
    way::{self, WayNews},
    worker,
};

/// Sockets for raw packets, opened while the process had the right to.
#[derive(Debug)]
pub struct Wire {
    /// Sends.
    pub sender: raw::Sender,
    /// Receives.
    pub ring: raw::Ring,
    /// Keeps this machine's own TCP quiet about the answers; `None` where that may not be had.
    pub drop_rule: Option<raw::DropRule>,
    /// What we send from.
    pub sources: Vec<IpAddr>,
    /// Ports that nothing else of this machine uses.
    pub source_ports: raw::SourcePorts,
    /// Says when the way to the targets is another one; `None` where that cannot be had.
    pub watch: Option<raw::WayWatch>,
}

/// How fast probes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SweepRate {
    /// So many a second, fewer while packets are lost.
    Fixed(u64),
    /// As many as get through without loss.
    Search,
}

/// Discovery by raw packets.
#[derive(Debug)]
pub struct SweepPlan {
    /// The sockets.
    pub wire: Wire,
    /// How fast.
    pub rate: SweepRate,
    /// Most probes a second to one /24 or /64.
    pub per_network_pps: Option<u32>,
    /// Probes a target that does not answer gets.
    pub probes: u8,
    /// How long after the last probe answers are waited for.
    pub cooldown: Duration,
    /// Which part of the order.
    pub shard: Shard,
    /// After this long nothing more is sent, and the run can be resumed.
    pub max_duration: Option<Duration>,
    /// Takes what is open, and nothing is asked of it.
    pub only: Option<HitSink>,
}

/// What is done with open ports.
type TakeHits = dyn FnMut(&[Hit]) -> io::Result<()> + Send;

/// Takes open ports as they are found, those that came together at once.
pub struct HitSink(pub Box<TakeHits>);

impl std::fmt::Debug for HitSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HitSink")
    }
}

/// How the endpoints of a scan are found.
#[derive(Debug, Default)]
pub enum Discovery {
    /// By connecting to each.
    #[default]
    Connect,
    /// By raw packets.
    Sweep(Box<SweepPlan>),
}

/// An open port.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hit {
    /// Where in the order.
    pub position: u64,
    /// Which.
    pub target: SocketAddr,
    /// When its answer came.
    pub time: Timestamp,
}

/// What both threads and the rest of the scan tell each other.
#[derive(Debug)]
pub(crate) struct Tracks {
    pub(crate) counts: Arc<Counts>,
    /// Positions: the first of this session, the first that is not ours any more, and how far the walks are.
    pub(crate) start: u64,
    pub(crate) end: u64,
    pub(crate) low: AtomicU64,
    pub(crate) high: AtomicU64,
    pub(crate) probes: u64,
    /// Packets that left.
    pub(crate) sent: AtomicU64,
    /// The rate in force.
    pub(crate) rate_pps: AtomicU64,
    pub(crate) ring_drops: AtomicU64,
    pub(crate) kernel_drops: AtomicU64,
    /// Open ports that wait to be asked.
    pub(crate) backlog: Backlog,
    /// What becomes of the way to the targets.
    pub(crate) way: WayNews,
    /// Nothing more is sent or waited for.
    over: AtomicBool,
    /// Whether everything was sent.
    pub(crate) complete: AtomicBool,
    error: Mutex<Option<io::Error>>,
    notes: Mutex<Vec<String>>,
    unsent: Mutex<raw::Unsent>,
}

/// Open ports that may wait for a conversation before sending pauses.
const WAITING_MAX: u64 = 1 << 15;
/// Frames that are handed to the kernel at once.
const BATCH: usize = 2048;
/// How long a thread waits at most before it looks whether it is to stop.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often the rate is looked at.
const LOOK_EVERY_NANOS: Nanos = 10_000_000;
/// How often everything is waited for that was handed to threads, from the rate on at which there may be some.
const MARK_EVERY: Nanos = 100_000_000;
const THREADS_FROM_PPS: u64 = 100_000;
/// Waits shorter than this are not worth a sleep.
const SPIN: Nanos = 30_000;
/// Scans that are slower than that ask no sample again: they are in nobody's way.
const SAMPLE_FROM_PPS: u64 = 2_500;
/// Where a search for the highest rate begins.
const SEARCH_FROM_PPS: u64 = 400_000;
/// Reasons that are remembered.
const NOTES_MAX: usize = 64;

impl Tracks {
    fn fail(&self, error: io::Error) {
        lock(&self.error).get_or_insert(error);
        self.over.store(true, Relaxed);
    }

    pub(crate) fn note(&self, text: String) {
        let mut notes = lock(&self.notes);
        if notes.len() < NOTES_MAX {
            notes.push(text);
        }
    }

    pub(crate) fn low(&self) -> u64 {
        self.low.load(Relaxed)
    }

    pub(crate) fn waiting(&self) -> u64 {
        self.backlog.waiting()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Relaxed)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Relaxed)
    }

    pub(crate) fn open(&self) -> u64 {
        self.counts.open.load(Relaxed)
    }

    pub(crate) fn closed(&self) -> u64 {
        self.counts.closed.load(Relaxed)
    }

    pub(crate) fn refused(&self) -> u64 {
        self.counts.refused.load(Relaxed)
    }

    /// Positions that are done, those on which only a part of the probes are sent counted as that part.
    pub(crate) fn walked(&self) -> u64 {
        let (low, high) = (self.low() - self.start, self.high.load(Relaxed) - self.start);
        if self.is_complete() {
            self.end - self.start
        } else {
            (low * (self.probes - 1) + high) / self.probes
        }
    }

    pub(crate) fn snapshot(&self) -> SweepSnapshot {
        let counts = &self.counts;
        let unsent = self.unsent();
        SweepSnapshot {
            sent: self.sent.load(Relaxed),
            rate_pps: self.rate_pps.load(Relaxed),
            open: self.open(),
            closed: self.closed(),
            unreachable: counts.unreachable.load(Relaxed),
            prohibited: counts.prohibited.load(Relaxed),
            waiting: self.waiting(),
            drops: self.ring_drops.load(Relaxed),
            saved: counts.saved.load(Relaxed),
            second_answers: counts.second_answers.load(Relaxed),
            again_judged: counts.again_judged.load(Relaxed),
            again_replied: counts.again_replied.load(Relaxed),
            duplicates: counts.duplicates.load(Relaxed),
            forged: counts.forged.load(Relaxed),
            outside: counts.outside.load(Relaxed),
            damaged: counts.damaged.load(Relaxed),
            unsent: unsent.refused + unsent.lost,
            first_unsent: unsent.first.map(|(ip, why)| format!("{ip}: {why}")),
        }
    }

    /// Why the sweep broke off.
    pub(crate) fn take_error(&self) -> Option<io::Error> {
        lock(&self.error).take()
    }

    /// What the user should know, since the last call.
    pub(crate) fn take_notes(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.notes))
    }

    /// What did not leave.
    pub(crate) fn unsent(&self) -> raw::Unsent {
        lock(&self.unsent).clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A sweep under way.
pub(crate) struct Running {
    pub(crate) tracks: Arc<Tracks>,
    pub(crate) hits: Hits,
    threads: Vec<thread::JoinHandle<()>>,
    _held: (Option<raw::DropRule>, raw::SourcePorts),
}

impl Running {
    /// Starts both threads; from now on packets leave.
    ///
    /// # Errors
    /// When a thread cannot be had, or no randomness.
    pub(crate) fn start(
        plan: SweepPlan,
        targets: Arc<TargetSet>,
        scope: Arc<Scope>,
        seed: [u64; 2],
        start: u64,
        cancel: Cancel,
    ) -> io::Result<Self> {
        let SweepPlan { mut wire, rate, per_network_pps, probes, cooldown, shard, max_duration, .. } = plan;
        let mut secret = [0; 16];
        getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
        let positions = shard.positions(targets.len());
        let mut settings = Settings::new(seed, secret, wire.sources, wire.source_ports.range());
        settings.probes = probes;
        settings.cooldown = nanos(cooldown);
        settings.shard = shard;
        settings.start = start;
        settings.per_network_pps = per_network_pps;
        let Sweep { sender: walker, listener, counts } = Sweep::new(targets, scope, &settings);
        let first = positions.start.max(start).min(positions.end);
        let tracks = Arc::new(Tracks {
            counts,
            start: first,
            end: positions.end,
            low: AtomicU64::new(first),
            high: AtomicU64::new(first),
            probes: u64::from(probes.max(1)),
            sent: AtomicU64::new(0),
            rate_pps: AtomicU64::new(0),
            ring_drops: AtomicU64::new(0),
            kernel_drops: AtomicU64::new(0),
            backlog: Backlog::default(),
            way: WayNews::default(),
            over: AtomicBool::new(false),
            complete: AtomicBool::new(false),
            error: Mutex::default(),
            notes: Mutex::default(),
            unsent: Mutex::default(),
        });
        wire.sender.start(BATCH)?;
        let (waiting, hits) = Waiting::new();
        let clock = Instant::now();
        let governor = match rate {
            SweepRate::Fixed(rate) => Governor::fixed(rate, 0),
            SweepRate::Search => Governor::searching(SEARCH_FROM_PPS, 0),
        };
        let sending = Sending {
            sender: wire.sender,
            walker,
            pacer: Pacer::new(governor.rate_pps(), 0),
            trail: Trail::new(probes),
            marked: 0,
            has_sample: governor.rate_pps() >= SAMPLE_FROM_PPS,
            governor,
            tracks: tracks.clone(),
            cancel,
            clock,
            stop_at: max_duration.map(nanos),
        };
        let listening = Listening {
            ring: wire.ring,
            listener,
            tracks: tracks.clone(),
            waiting,
            replies: Vec::with_capacity(REPLIES),
            has_told: false,
            counted: clock,
            kernel_drops_before: kernel_drops(),
        };
        let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
            thread::Builder::new().name(name.to_owned()).spawn(run)
        };
        let mut threads = vec![
            spawn("listener", Box::new(move || listening.run()))?,
            spawn("sender", Box::new(move || sending.run()))?,
        ];
        if let Some(watch) = wire.watch {
            let tracks = tracks.clone();
            threads.push(spawn("way", Box::new(move || way::watch(watch, &tracks)))?);
        }
        Ok(Self { tracks, hits, threads, _held: (wire.drop_rule, wire.source_ports) })
    }

    /// Gives up: nothing more is sent or listened to.
    pub(crate) fn end(self) -> Arc<Tracks> {
        self.tracks.over.store(true, Relaxed);
        drop(self.hits);
        for thread in self.threads {
            if thread.join().is_err() {
                self.tracks.fail(io::Error::other("a thread of discovery broke off; this is a bug"));
            }
        }
        self.tracks
    }
}

fn nanos(duration: Duration) -> Nanos {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

struct Sending {
    sender: raw::Sender,
    walker: nightlatch_discovery::Sender,
    pacer: Pacer,
    governor: Governor,
    /// How far it was, and when that was looked at last.
    trail: Trail,
    marked: Nanos,
    has_sample: bool,
    tracks: Arc<Tracks>,
    cancel: Cancel,
    clock: Instant,
    stop_at: Option<Nanos>,
}

impl Sending {
    fn run(mut self) {
        if let Err(error) = raw::restrict_sender() {
            self.tracks.note(format!("the sending thread could not be restricted: {error}"));
        }
        if let Err(error) = self.go() {
            self.tracks.fail(error);
        }
        *lock(&self.tracks.unsent) = self.sender.unsent().clone();
        self.publish();
        if let Some(why) = self.tracks.way.take_lost() {
            self.tracks.fail(io::Error::other(format!("the way to the targets has changed: {why}")));
        }
        self.tracks.over.store(true, Relaxed);
    }

    fn go(&mut self) -> io::Result<()> {
        let mut batch = self.sender.batch(BATCH)?;
        let mut is_stopping = false;
        let mut last_look = 0;
        // Frames that were given up: what is done stays what it was.
        let mut is_cut_off = false;
        // A target that is asked again, on its way into a batch.
        let mut again = None;
        while !self.tracks.over.load(Relaxed) {
            let now = nanos(self.clock.elapsed());
            let is_enough = || self.cancel.is_stopping() || self.tracks.way.is_lost();
            if !is_stopping && (is_enough() || self.stop_at.is_some_and(|at| now >= at)) {
                is_stopping = true;
                self.walker.stop(now);
                is_cut_off = !batch.is_empty();
                batch.clear();
            }
            if now - last_look >= LOOK_EVERY_NANOS {
                last_look = now;
                self.look(now);
                if let Some(link) = self.tracks.way.take_link() {
                    self.sender.follow(link, &mut batch);
                }
                if self.has_sample && again.is_none() && !is_stopping && !self.is_held() {
                    again = self.walker.ask_again(now);
                }
            }
            if !is_stopping && self.is_held() {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            let mut room = self.pacer.allowance(now).min(batch.capacity() as u64) as usize;
            if !is_stopping && now - self.marked >= self.mark_every() {
                if batch.is_empty() {
                    self.mark(now)?;
                } else {
                    // First what is left of the last one.
                    room = room.min(batch.len());
                }
            }
            let mut until = self.pacer.next_at();
            let mut full = place(again.as_ref(), room);
            loop {
                while batch.len() < full {
                    match self.walker.next(now) {
                        Next::Probe(probe) => push(&mut batch, &probe),
                        Next::Wait(at) => {
                            until = at.max(now + SPIN);
                            break;
                        }
                        Next::Done => {
                            self.tracks.complete.store(!is_stopping, Relaxed);
                            self.sender.flush()?;
                            if !is_cut_off {
                                self.tracks.low.store(self.walker.low(), Relaxed);
                            }
                            return Ok(());
                        }
                    }
                }
                if batch.len() >= room {
                    break;
                }
                let Some(probe) = again.take() else { break };
                push(&mut batch, &probe);
                full = room;
            }
            if !batch.is_empty() && room > 0 {
                let sent = self.sender.send(&mut batch)? as u64;
                self.pacer.sent(sent, now);
                self.tracks.sent.fetch_add(sent, Relaxed);
                if sent > 0 {
                    continue;
                }
            }
            pause(self.clock, until);
        }
        Ok(())
    }

    /// How often is marked how far it is: what takes frames a moment before they leave is waited for each time.
    fn mark_every(&self) -> Nanos {
        let is_direct = matches!(self.sender.kind(), raw::SenderKind::Packet | raw::SenderKind::Ip);
        if is_direct && self.pacer.rate_pps() < THREADS_FROM_PPS { LOOK_EVERY_NANOS } else { MARK_EVERY }
    }

    /// Everything that was taken from the walks is in the kernel: a run that is killed goes on from here.
    fn mark(&mut self, now: Nanos) -> io::Result<()> {
        self.marked = now;
        match self.sender.flush() {
            Ok(()) => {}
            // A device that takes nothing for seconds: later, then.
            Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(()),
            Err(error) => return Err(error),
        }
        if let Some(low) = self.trail.mark(self.walker.low(), now) {
            self.tracks.low.store(low, Relaxed);
        }
        Ok(())
    }

    /// Whether nothing may be sent for now.
    fn is_held(&self) -> bool {
        self.tracks.waiting() >= WAITING_MAX || self.tracks.way.is_held()
    }

    /// Says how far it is, and adjusts the rate.
    fn look(&mut self, now: Nanos) {
        self.publish();
        let counts = &self.tracks.counts;
        let first = counts.probed.load(Relaxed);
        let seen = Seen {
            sent: self.tracks.sent.load(Relaxed),
            first,
            later: (counts.sent.load(Relaxed) + counts.saved.load(Relaxed)).saturating_sub(first),
            answered: counts.answered(),
            second_answers: counts.second_answers.load(Relaxed),
            unreachable: counts.unreachable.load(Relaxed),
            ring_drops: self.tracks.ring_drops.load(Relaxed),
            kernel_drops: self.tracks.kernel_drops.load(Relaxed),
            again_judged: counts.again_judged.load(Relaxed),
            again_replied: counts.again_replied.load(Relaxed),
        };
        let before = self.governor.rate_pps();
        let reason = self.governor.look(seen, now);
        let rate = self.governor.rate_pps();
        if rate != before {
            self.pacer.set_rate(rate, now);
            self.tracks.rate_pps.store(rate, Relaxed);
        }
        if let Some(reason) = reason {
            self.tracks.note(format!("slower, {rate} a second: {reason}"));
        }
    }

    fn publish(&self) {
        self.tracks.high.store(self.walker.high(), Relaxed);
        self.tracks.rate_pps.store(self.pacer.rate_pps(), Relaxed);
    }
}

#[inline]
fn push(batch: &mut raw::Batch, probe: &Probe) {
    batch.push(probe.target, probe.cookie.source_port, probe.cookie.sequence);
}

/// After how many of the `room` probes of a batch that one goes which asks again: at any place with the same chance, since
/// who lets a number of packets through lets the first of a batch through.
fn place(again: Option<&Probe>, room: usize) -> usize {
    match again {
        // The cookie is random for everybody who does not know the key.
        Some(probe) if room > 0 => probe.cookie.sequence as usize % room,
        _ => room,
    }
}

/// Waits until a moment of the clock, but never longer than it may take to notice a stop.
fn pause(clock: Instant, until: Nanos) {
    let now = nanos(clock.elapsed());
    match until.saturating_sub(now) {
        0..=SPIN => std::hint::spin_loop(),
        wait => thread::sleep(Duration::from_nanos(wait).min(LOOK_EVERY)),
    }
}

struct Listening {
    ring: raw::Ring,
    listener: Listener,
    tracks: Arc<Tracks>,
    waiting: Waiting,
    /// Not judged yet; empty between two calls.
    replies: Vec<Reply>,
    /// That some found no room.
    has_told: bool,
    counted: Instant,
    kernel_drops_before: u64,
}

/// Replies that are judged together.
const REPLIES: usize = 64;
/// How often what was dropped is asked for.
const COUNT_EVERY: Duration = Duration::from_millis(20);
/// One line of sixteen numbers for each processor, the second of which counts dropped packets
/// (Linux, `net/core/net-procfs.c`).
const SOFTNET: &str = "/proc/net/softnet_stat";

/// Packets that the kernel of this machine dropped unseen because it was behind; 0 where it does not say.
fn kernel_drops() -> u64 {
    let text = std::fs::read_to_string(SOFTNET).unwrap_or_default();
    let second = |line: &str| u64::from_str_radix(line.split_ascii_whitespace().nth(1)?, 16).ok();
    text.lines().filter_map(second).sum()
}

impl Listening {
    fn run(mut self) {
        loop {
            // Asked first: what arrived before the end is still heard.
            let is_over = self.tracks.over.load(Relaxed);
            if let Err(error) =
                self.listen(if is_over && self.waiting.is_empty() { Duration::ZERO } else { LOOK_EVERY })
            {
                return self.tracks.fail(error);
            }
            self.waiting.pass_on(&self.tracks.backlog);
            if !self.has_told && self.tracks.backlog.left_out() > 0 {
                self.has_told = true;
                let text = "more ports answer at once than can wait to be asked; a resumed run asks the rest";
                self.tracks.note(text.to_owned());
            }
            if self.waiting.is_closed() || (is_over && self.waiting.is_empty()) {
                return;
            }
        }
    }

    fn listen(&mut self, wait: Duration) -> io::Result<()> {
        let (listener, counts, waiting) = (&self.listener, &self.tracks.counts, &mut self.waiting);
        let replies = &mut self.replies;
        // What comes in one go came within milliseconds.
        let mut heard_at = None;
        let mut hear = |replies: &mut Vec<Reply>| {
            listener.hear_all(replies, |heard| {
                if let Heard::Open { position, target } = heard {
                    let time = *heard_at.get_or_insert_with(Timestamp::now);
                    waiting.add(Hit { position, target, time });
                }
            });
            replies.clear();
        };
        let received = self.ring.receive(wait, |packet, checksum| match Reply::read(packet, checksum) {
            Ok(reply) => {
                replies.push(reply);
                if replies.len() == REPLIES {
                    hear(replies);
                }
            }
            Err(why) => counts.ignore(why),
        });
        hear(replies);
        received?;
        if self.counted.elapsed() >= COUNT_EVERY {
            self.counted = Instant::now();
            self.tracks.ring_drops.store(self.ring.drops()?, Relaxed);
            let drops = kernel_drops().saturating_sub(self.kernel_drops_before);
            self.tracks.kernel_drops.store(drops, Relaxed);
        }
        Ok(())
    }
}

/// Asks what is found open, as it is found, until the sweep is over and everything was asked.
pub(crate) async fn ask_hits<P, F>(
    shared: &Arc<Shared>,
    (mut running, mut only): (Running, Option<HitSink>),
    prober: Arc<P>,
    answers: mpsc::Sender<Answered>,
) where
    P: Fn(Opened) -> F + Send + Sync + 'static,
    F: Future<Output = Vec<Observation>> + Send + 'static,
{
    let mut asking = JoinSet::new();
    let at_a_time = shared.plan.conversations.max(1);
    let given_up = async {
        shared.cancel.stopping().await;
        tokio::select! {
            () = tokio::time::sleep(shared.plan.grace) => {}
            () = shared.cancel.stopping_now() => {}
        }
    };
    tokio::pin!(given_up);
    loop {
        tokio::select! {
            biased;
            () = &mut given_up => break,
            Some(_) = asking.join_next(), if !asking.is_empty() => {}
            hit = running.hits.next(), if asking.len() < at_a_time => match (hit, &mut only) {
                (None, _) if asking.is_empty() => {
                    running.tracks.backlog.empty();
                    break;
                }
                // Nothing more comes: `next` would say so again at once.
                (None, _) => _ = asking.join_next().await,
                (Some(hit), None) => {
                    shared.ledger().begin(hit.position);
                    running.tracks.backlog.take(1);
                    asking.spawn(worker::ask_open(shared.clone(), prober.clone(), answers.clone(), hit.position));
                }
                (Some(hit), Some(sink)) => {
                    let mut batch = vec![hit];
                    batch.extend(running.hits.rest());
                    if let Err(error) = sink.0(&batch) {
                        shared.fail(ScanError::Sink(error.into()));
                        break;
                    }
                    batch.iter().for_each(|hit| shared.settle(hit.position, Fate::Open));
                    running.tracks.backlog.take(batch.len() as u64);
                }
            },
        }
    }
    asking.shutdown().await;
    drop(answers);
    let tracks = running.end();
    if let Some(error) = tracks.take_error() {
        shared.fail(ScanError::Sweep(error));
    }
}
