use std::{
    io, mem,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    Batch, Device, Path, RawError, User,
    lane::Lane,
    live_run::{Runner, cannot_take},
    restrict::restrict_sender,
    sender::Unsent,
};

/// Lanes for each thread: one that the kernel sends, and one that waits to be. The caller fills one more.
const LANES_EACH: usize = 2;
/// How often frames that the device did not take are offered again before they count as lost.
const OFFERS_MAX: usize = 200;
/// How long a full device is given before the next offer.
const DEVICE_FULL_PAUSE: Duration = Duration::from_micros(50);
/// How long the threads may keep all lanes before the sender takes them for stuck.
const LANE_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends whole Ethernet frames by live frames (`BPF_PROG_RUN` with `BPF_F_TEST_XDP_LIVE_FRAMES`), from Linux 5.18 on.
///
/// A program in the kernel copies each frame from memory shared with this process into a page and redirects it to the
/// device; nothing is allocated, and no socket, queue, routing or firewall is passed. Nor a packet tap: a capture on the
/// device does not see what leaves this way, one at the far end does. A batch lies in that memory, and
/// [`send`](Self::send) only exchanges it for an empty one: threads of its own run the program over the full ones
/// meanwhile, each a program of its own. Which frames the device took is known exactly (see [`Runner`]); those it did not
/// take are offered again.
///
/// Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. Everything in the kernel goes when the descriptors are closed.
#[derive(Debug)]
pub(super) struct LiveSender {
    /// Lanes for the threads; `None` once closed.
    full: Option<SyncSender<Lane>>,
    done: Receiver<Done>,
    free: Vec<Lane>,
    /// Lanes that the threads have, or that wait for them.
    out: usize,
    threads: Vec<JoinHandle<()>>,
    device: String,
    holders: Vec<String>,
}

/// What became of a lane.
#[derive(Debug)]
struct Done {
    lane: Lane,
    /// Frames that the device did not take although they were offered again and again.
    lost: u64,
    /// Times frames were offered again.
    again: u64,
    error: Option<io::Error>,
}

impl LiveSender {
    /// Loads the programs for `device` and starts `count` threads (at least one), which become `user` where one is named.
    pub(super) fn open(device: &Device, count: usize, user: Option<&User>) -> Result<Self, RawError> {
        let count = count.max(1);
        let lanes = count * LANES_EACH + 1;
        let (runners, free) = Runner::open(device, count, lanes)?;
        let (full, work) = sync_channel(lanes);
        let (finished, done) = sync_channel(lanes);
        let work = Arc::new(Mutex::new(work));
        let (holders, threads) = (Vec::new(), Vec::new());
        let mut sender =
            Self { full: Some(full), done, free, out: 0, threads, device: device.name.clone(), holders };
        for runner in runners {
            sender.holders.push(runner.holder().to_owned());
            sender.threads.push(start(runner, work.clone(), finished.clone(), user.cloned())?);
        }
        Ok(sender)
    }

    /// Names of the devices that only exist to hold the programs, see [`Runner`].
    pub(super) fn holders(&self) -> &[String] {
        &self.holders
    }

    /// An empty batch that [`send`](Self::send) takes; `None` while all lanes are in use.
    pub(super) fn batch(&mut self, path: &Path) -> Option<Batch> {
        Some(Batch::in_lane(path, self.free.pop()?))
    }

    /// Takes all of `batch`, which is one of [`batch`](Self::batch), and waits for a lane to give in return if none is
    /// free.
    ///
    /// What is taken leaves at once and by itself; losses show in `unsent` at a later call, or at
    /// [`flush`](Self::flush).
    pub(super) fn send(&mut self, batch: &mut Batch, unsent: &mut Unsent) -> io::Result<usize> {
        let count = batch.len();
        if count == 0 {
            return Ok(0);
        }
        while let Ok(done) = self.done.try_recv() {
            self.take_back(done, unsent)?;
        }
        if self.free.is_empty() && self.out > 0 {
            self.wait(unsent)?;
        }
        let Some(empty) = self.free.pop() else {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "all memory of the sender is lent out"));
        };
        let Some(lane) = batch.lane_mut().filter(|lane| lane.is_beside(&empty)) else {
            self.free.push(empty);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a batch of another sender"));
        };
        match self.full.as_ref().map(|full| full.try_send(mem::replace(lane, empty))) {
            Some(Ok(())) => {
                self.out += 1;
                Ok(count)
            }
            Some(Err(TrySendError::Full(full) | TrySendError::Disconnected(full))) => {
                self.free.push(mem::replace(lane, full));
                Err(stopped())
            }
            None => Err(stopped()),
        }
    }

    /// Waits until all that was taken has left or is lost.
    pub(super) fn flush(&mut self, unsent: &mut Unsent) -> io::Result<()> {
        while self.out > 0 {
            self.wait(unsent)?;
        }
        Ok(())
    }

    fn wait(&mut self, unsent: &mut Unsent) -> io::Result<()> {
        let done = self.done.recv_timeout(LANE_TIMEOUT).map_err(|_| stopped())?;
        self.take_back(done, unsent)
    }

    fn take_back(&mut self, done: Done, unsent: &mut Unsent) -> io::Result<()> {
        self.out -= 1;
        self.free.push(done.lane);
        unsent.lost += done.lost;
        unsent.full += done.again;
        match done.error {
            None => Ok(()),
            Some(error) => Err(explain(&self.device, &error)),
        }
    }
}

impl Drop for LiveSender {
    fn drop(&mut self) {
        // The threads end when they have done what they were given; each lane takes them a bounded time.
        self.full = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the threads that send live frames do not answer")
}

/// Says what an error of the kernel means for live frames.
fn explain(device: &str, error: &io::Error) -> io::Error {
    let text = match error.raw_os_error() {
        Some(libc::ENETDOWN) => format!("the interface {device} went down"),
        Some(libc::ENODEV | libc::EINVAL) => format!("the interface {device} is gone"),
        Some(libc::EMSGSIZE) => format!("a frame is larger than {device} takes (its MTU is too small)"),
        Some(libc::EOPNOTSUPP | libc::ENXIO) => format!("{}; use `--sender packet`", cannot_take(device)),
        _ => format!("{device} does not take live frames: {error}"),
    };
    io::Error::new(error.kind(), text)
}

/// Starts a thread and waits until it is who it is to be.
fn start(
    runner: Runner,
    work: Arc<Mutex<Receiver<Lane>>>,
    finished: SyncSender<Done>,
    user: Option<User>,
) -> Result<JoinHandle<()>, RawError> {
    let (tell, told) = sync_channel(1);
    let thread = thread::Builder::new()
        .name("live-frames".to_owned())
        .spawn(move || {
            let _ = tell.send(user.map_or(Ok(()), |user| user.become_with_rights()));
            // What cannot be given up, the process has anyway.
            let _ = runner.give_up_rights();
            let _ = restrict_sender();
            run_lanes(&runner, &work, &finished);
        })
        .map_err(|source| RawError::System { wanted: "starting a thread".to_owned(), source })?;
    told.recv()
        .unwrap_or_else(|_| Err(stopped()))
        .map_err(|source| RawError::System { wanted: "going on as another user".to_owned(), source })?;
    Ok(thread)
}

fn run_lanes(runner: &Runner, work: &Mutex<Receiver<Lane>>, finished: &SyncSender<Done>) {
    loop {
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(lane) = next else { return };
        if finished.send(run_lane(runner, lane)).is_err() {
            return;
        }
    }
}

fn run_lane(runner: &Runner, mut lane: Lane) -> Done {
    let (mut lost, mut again, mut error) = (0, 0, None);
    for mut stretch in lane.stretches() {
        let mut offers = 0;
        while stretch.count > 0 && error.is_none() && offers < OFFERS_MAX {
            if offers > 0 {
                again += 1;
                thread::sleep(DEVICE_FULL_PAUSE);
            }
            offers += 1;
            match runner.run(stretch) {
                Ok(left) => stretch = lane.keep(stretch, &left),
                Err((unsent, reason)) => (stretch.count, error) = (unsent, Some(reason)),
            }
        }
        lost += stretch.count as u64;
    }
    lane.clear();
    Done { lane, lost, again, error }
}
