use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use nightlatch_wire::Link;

use super::{
    Batch, Path, RawError, Route, User, crew::Crew, live::LiveSender, packet::PacketSender,
    through_ip::IpSender, xdp::XdpSender,
};

/// Which way packets are handed to the kernel.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SenderKind {
    /// `packet` where all targets have one next hop, else `ip`.
    #[default]
    Auto,
    /// Raw IP sockets: the kernel routes each packet. Any device.
    Ip,
    /// Packet sockets: whole Ethernet frames to one next hop.
    Packet,
    /// AF_XDP: frames in shared memory. The driver must support it.
    Xdp,
    /// Frames that a program in the kernel takes from shared memory (`BPF_PROG_RUN`, live frames).
    Live,
}

impl SenderKind {
    /// All of them with their names on the command line.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("auto", Self::Auto),
        ("ip", Self::Ip),
        ("packet", Self::Packet),
        ("xdp", Self::Xdp),
        ("live", Self::Live),
    ];
}

impl fmt::Display for SenderKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES.iter().find(|row| row.1 == *self).map_or("auto", |row| row.0))
    }
}

impl FromStr for SenderKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::NAMES.iter().find(|row| row.0 == text).map(|row| row.1);
        known.ok_or_else(|| format!("not a sender; there are {}", Self::NAMES.map(|row| row.0).join(", ")))
    }
}

/// What did not leave, since the sender was opened.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Unsent {
    /// Targets that this machine's own kernel refused to send to; they were skipped.
    pub refused: u64,
    /// The first of them, and why.
    pub first: Option<(IpAddr, &'static str)>,
    /// How often the device or the socket was full, and sending was tried again later.
    pub full: u64,
    /// Frames that were taken from a batch and then given up, because the device took them at no try.
    pub lost: u64,
}

impl Unsent {
    pub(super) fn refuse(&mut self, target: SocketAddr, why: &'static str) {
        self.refused += 1;
        self.first.get_or_insert((target.ip(), why));
    }

    pub(super) fn add(&mut self, other: Self) {
        self.refused += other.refused;
        self.first = self.first.take().or(other.first);
        self.full += other.full;
        self.lost += other.lost;
    }
}

/// Sends batches.
#[derive(Debug)]
pub struct Sender {
    work: Work,
    path: Path,
    kind: SenderKind,
    note: Option<String>,
    unsent: Unsent,
}

/// Who sends.
#[derive(Debug)]
enum Work {
    /// The caller.
    Own(Backend),
    /// Threads that are not started yet.
    Waiting(Vec<Backend>),
    /// Threads.
    Crew(Crew),
}

#[derive(Debug)]
pub(super) enum Backend {
    Ip(IpSender),
    Packet(PacketSender),
    Xdp(XdpSender),
    Live(LiveSender),
}

impl Backend {
    pub(super) fn send(&mut self, batch: &mut Batch, unsent: &mut Unsent) -> io::Result<usize> {
        match self {
            Self::Ip(sender) => sender.send(batch, unsent),
            Self::Packet(sender) => sender.send(batch, unsent),
            Self::Xdp(sender) => sender.send(batch, unsent),
            Self::Live(sender) => sender.send(batch, unsent),
        }
    }

    pub(super) fn flush(&mut self, unsent: &mut Unsent) -> io::Result<()> {
        match self {
            Self::Ip(_) | Self::Packet(_) => Ok(()),
            Self::Xdp(sender) => sender.flush(unsent),
            Self::Live(sender) => sender.flush(unsent),
        }
    }

    /// Another one like this, for another thread; `None` where one is all there can be, with the reason in `note`.
    fn another(&self, path: &Path, note: &mut Option<String>) -> Result<Option<Self>, RawError> {
        Ok(match (self, &path.device) {
            (Self::Ip(_), _) => Some(Self::Ip(IpSender::open(path)?)),
            (Self::Packet(_), Some(device)) => Some(Self::Packet(PacketSender::open(device)?)),
            (Self::Xdp(sender), _) => match sender.another() {
                Ok(another) => Some(Self::Xdp(another)),
                Err(why) => {
                    *note = Some(why);
                    None
                }
            },
            (Self::Packet(_) | Self::Live(_), _) => None,
        })
    }
}

impl Sender {
    /// Opens the sender `kind` for what `route` says, and says in a sentence why this one.
    ///
    /// # Errors
    /// A missing right, a route that this kind cannot take, or the system's own.
    pub fn open(kind: SenderKind, route: &Route) -> Result<(Self, String), RawError> {
        Self::open_with(kind, route, 0, None)
    }

    /// As [`open`](Self::open), and has threads send, each by a socket of its own, where there can be more than one; they
    /// begin with [`start`](Self::start). For rates that one processor does not reach.
    ///
    /// - `threads`: how many; where it is 0 the caller sends (`live` has one of its own at least).
    /// - `user`: whom a thread that is started here becomes before it sends.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_with(
        kind: SenderKind,
        route: &Route,
        threads: usize,
        user: Option<&User>,
    ) -> Result<(Self, String), RawError> {
        let (sender, why) = Self::open_one(kind, route, threads, user)?;
        Ok((if threads > 0 { sender.with_threads(threads)? } else { sender }, why))
    }

    fn open_one(
        kind: SenderKind,
        route: &Route,
        threads: usize,
        user: Option<&User>,
    ) -> Result<(Self, String), RawError> {
        match (kind, route) {
            (SenderKind::Auto | SenderKind::Packet, Route::One(path)) => Self::packet(path),
            (SenderKind::Auto, Route::Many { reason, path }) => {
                Self::ip(path, &format!("the kernel routes each packet, because {reason}"))
            }
            (SenderKind::Ip, route) => {
                Self::ip(route.path(), "it was asked for; the kernel routes each packet")
            }
            (SenderKind::Packet | SenderKind::Xdp | SenderKind::Live, Route::Many { reason, .. }) => {
                Err(RawError::Unsupported {
                    wanted: format!("the sender `{kind}`"),
                    why: format!("{reason}; use `--sender ip`"),
                })
            }
            (SenderKind::Xdp | SenderKind::Live, Route::One(path)) => Self::fast(kind, path, threads, user),
        }
    }

    fn packet(path: &Path) -> Result<(Self, String), RawError> {
        let (Some(device), Link::Ethernet { .. }) = (&path.device, path.link) else {
            return Err(RawError::Unsupported {
                wanted: "the sender `packet`".to_owned(),
                why: "the way has no Ethernet device; use `--sender ip`".to_owned(),
            });
        };
        let backend = Backend::Packet(PacketSender::open(device)?);
        let why = match path.next_hop {
            Some(next) => format!("all targets leave by {} through {next}", device.name),
            None => format!("all targets leave by {}", device.name),
        };
        Ok((Self::new(backend, path.clone(), SenderKind::Packet), format!("packet: {why}")))
    }

    fn fast(
        kind: SenderKind,
        path: &Path,
        threads: usize,
        user: Option<&User>,
    ) -> Result<(Self, String), RawError> {
        let (Some(device), Link::Ethernet { .. }) = (&path.device, path.link) else {
            return Err(RawError::Unsupported {
                wanted: format!("the sender `{kind}`"),
                why: "the way has no Ethernet device; use `--sender ip`".to_owned(),
            });
        };
        let (backend, how) = match kind {
            SenderKind::Live => {
                let sender = LiveSender::open(device, threads, user)?;
                let held = match sender.holders() {
                    [one] => format!("{one}, which stays down, holds its program"),
                    all => format!("{}, which stay down, hold its programs", all.join(" and ")),
                };
                let how = format!("the kernel sends from shared memory; {held}");
                (Backend::Live(sender), how)
            }
            _ => (Backend::Xdp(XdpSender::open(device)?), "frames go to the driver by AF_XDP".to_owned()),
        };
        let why = format!("{kind}: it was asked for; {how}");
        Ok((Self::new(backend, path.clone(), kind), why))
    }

    fn ip(path: &Path, why: &str) -> Result<(Self, String), RawError> {
        let path = path.bare();
        let backend = Backend::Ip(IpSender::open(&path)?);
        Ok((Self::new(backend, path, SenderKind::Ip), format!("ip: {why}")))
    }

    fn new(backend: Backend, path: Path, kind: SenderKind) -> Self {
        Self { work: Work::Own(backend), path, kind, note: None, unsent: Unsent::default() }
    }

    /// Has `count` threads send; those of `live` run already.
    fn with_threads(mut self, count: usize) -> Result<Self, RawError> {
        self.work = match self.work {
            Work::Own(backend) if !matches!(backend, Backend::Live(_)) => {
                let (mut all, mut why) = (vec![backend], None);
                while all.len() < count
                    && let Some(last) = all.last()
                    && let Some(another) = last.another(&self.path, &mut why)?
                {
                    all.push(another);
                }
                self.note = why.map(|why| format!("{} of {count} threads send, because {why}", all.len()));
                Work::Waiting(all)
            }
            work => work,
        };
        Ok(self)
    }

    /// Starts the threads of [`open_with`](Self::open_with). They may do what the caller may, so the caller has
    /// given up its rights before.
    ///
    /// - `capacity`: of the batches that will be sent.
    ///
    /// # Errors
    /// When a thread cannot be had.
    pub fn start(&mut self, capacity: usize) -> io::Result<()> {
        if let Work::Waiting(backends) = &mut self.work {
            let backends = std::mem::take(backends);
            self.work = Work::Crew(Crew::start(backends, &self.path, capacity)?);
        }
        Ok(())
    }

    /// What the user should know of the threads that send; nothing where they are as they should be.
    pub fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// Which one it is; never `Auto`.
    pub fn kind(&self) -> SenderKind {
        self.kind
    }

    /// An empty batch of the frames this sender takes, with room for about `capacity` of them.
    ///
    /// # Errors
    /// `live` lends out the memory that it sends from: when all of it is in use there is no other batch.
    pub fn batch(&mut self, capacity: usize) -> io::Result<Batch> {
        match &mut self.work {
            Work::Own(Backend::Live(live)) => live.batch(&self.path).ok_or_else(|| {
                io::Error::new(io::ErrorKind::WouldBlock, "the sender `live` has no memory for another batch")
            }),
            _ => Ok(Batch::new(&self.path, capacity)),
        }
    }

    /// From now on frames begin with `link`, those that wait in `batch` as well. For another next hop on the same device;
    /// a link of another shape changes nothing.
    pub fn follow(&mut self, link: Link, batch: &mut Batch) {
        if link.header_bytes() == self.path.link.header_bytes() {
            self.path.link = link;
            batch.follow(&self.path);
        }
    }

    /// What did not leave so far.
    pub fn unsent(&self) -> &Unsent {
        &self.unsent
    }

    /// Sends what is in `batch`, or its first part, and removes from it what was sent or refused ([`Sender::unsent`]).
    /// Returns how many left. What remains in the batch did not fit and is to be sent again; it waits for room a
    /// millisecond at most.
    ///
    /// # Errors
    /// When nothing left and trying again does not help: the interface is down or gone, or the system's own reason.
    pub fn send(&mut self, batch: &mut Batch) -> io::Result<usize> {
        let is_lent = batch.lane_mut().is_some();
        if batch.link().header_bytes() != self.path.link.header_bytes()
            || is_lent != (self.kind == SenderKind::Live)
        {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a batch of frames for another kind of sender",
            ));
        }
        match &mut self.work {
            Work::Own(backend) => backend.send(batch, &mut self.unsent),
            Work::Crew(crew) => crew.send(batch, &self.path, &mut self.unsent),
            Work::Waiting(_) => {
                Err(io::Error::other("the threads that send were not started; this is a bug"))
            }
        }
    }

    /// Waits until what [`send`](Self::send) took has left, or is counted as lost: `xdp`, `live` and
    /// threads take frames a millisecond before they leave. At the end of a scan, and before anything that must come after.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    pub fn flush(&mut self) -> io::Result<()> {
        match &mut self.work {
            Work::Own(backend) => backend.flush(&mut self.unsent),
            Work::Crew(crew) => crew.flush(&mut self.unsent),
            Work::Waiting(_) => Ok(()),
        }
    }
}
