use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread::{self, JoinHandle},
    time::Duration,
};

use nightlatch_wire::SLOT_BYTES;

use super::{
    Batch, Device, RawError, User,
    bpf::Part,
    live_run::{LANE_FRAMES, Runner, SLOT_STRIDE, cannot_take},
    restrict::restrict_sender,
    sender::Unsent,
};

/// Lanes that frames wait in: one is filled while the kernel sends another and a third waits.
const LANES: usize = 3;
/// How often frames that the device did not take are offered again before they count as lost.
const OFFERS_MAX: usize = 200;
/// How long a full device is given before the next offer.
const DEVICE_FULL_PAUSE: Duration = Duration::from_micros(50);
/// How long the worker may keep a lane before the sender takes it for stuck.
const LANE_TIMEOUT: Duration = Duration::from_secs(5);

/// Sends whole Ethernet frames by live frames (`BPF_PROG_RUN` with `BPF_F_TEST_XDP_LIVE_FRAMES`), from Linux 5.18 on.
///
/// A program in the kernel copies each frame from memory shared with this process into a page and redirects it to the
/// device; nothing is allocated, and no socket, queue, routing or firewall is passed. Nor a packet tap: a capture on the
/// device does not see what leaves this way, one at the far end does. A thread of its own runs the program over one lane
/// while [`send`](Self::send) fills the other. Which frames the device took is known exactly (see [`Runner`]); those it
/// did not take are offered again.
///
/// Needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON. Everything in the kernel goes when the descriptors are closed.
#[derive(Debug)]
pub(super) struct LiveSender {
    /// Lanes for the worker; `None` once closed.
    full: Option<SyncSender<Lane>>,
    done: Receiver<Done>,
    free: Vec<Lane>,
    worker: Option<JoinHandle<()>>,
    device: String,
    holder: String,
}

/// Frames in the shared memory, by length: the kernel takes one length in a run.
#[derive(Debug)]
pub(super) struct Lane {
    /// Number of its first slot.
    pub(super) first_slot: usize,
    slots: Part,
    runs: Vec<Run>,
}

/// Frames of one length that stand one after the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Run {
    frame_bytes: usize,
    first: usize,
    count: usize,
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
    /// Loads the programs for `device` and starts the thread, which becomes `user` where one is named.
    pub(super) fn open(device: &Device, user: Option<&User>) -> Result<Self, RawError> {
        let (runner, parts) = Runner::open(device, LANES)?;
        let holder = runner.holder().to_owned();
        let free = parts.into_iter().enumerate().map(|(at, slots)| Lane {
            first_slot: at * LANE_FRAMES,
            slots,
            runs: Vec::new(),
        });
        let (full, work) = sync_channel(LANES);
        let (finished, done) = sync_channel(LANES);
        let user = user.cloned();
        let (tell, told) = sync_channel(1);
        let worker = thread::Builder::new()
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
        Ok(Self {
            full: Some(full),
            done,
            free: free.collect(),
            worker: Some(worker),
            device: device.name.clone(),
            holder,
        })
    }

    /// Name of the device that only exists to hold the program, see [`Runner`].
    pub(super) fn holder(&self) -> &str {
        &self.holder
    }

    /// Takes the first frames of `batch`, as many as a lane holds, and waits for a lane if none is free.
    ///
    /// What is taken leaves at once and by itself; losses show in `unsent` at a later call, or at
    /// [`flush`](Self::flush).
    pub(super) fn send(&mut self, batch: &mut Batch, unsent: &mut Unsent) -> io::Result<usize> {
        if batch.is_empty() {
            return Ok(0);
        }
        while let Ok(done) = self.done.try_recv() {
            self.take_back(done, unsent)?;
        }
        if self.free.is_empty() {
            self.wait(unsent)?;
        }
        let Some(mut lane) = self.free.pop() else { return Ok(0) };
        let count = batch.len().min(LANE_FRAMES);
        lane.fill(batch, count);
        match self.full.as_ref().map(|full| full.try_send(lane)) {
            Some(Ok(())) => {
                batch.remove_first(count);
                Ok(count)
            }
            Some(Err(TrySendError::Full(lane) | TrySendError::Disconnected(lane))) => {
                self.free.push(lane);
                Err(stopped())
            }
            None => Err(stopped()),
        }
    }

    /// Waits until all that was taken has left or is lost.
    pub(super) fn flush(&mut self, unsent: &mut Unsent) -> io::Result<()> {
        while self.free.len() < LANES {
            self.wait(unsent)?;
        }
        Ok(())
    }

    fn wait(&mut self, unsent: &mut Unsent) -> io::Result<()> {
        let done = self.done.recv_timeout(LANE_TIMEOUT).map_err(|_| stopped())?;
        self.take_back(done, unsent)
    }

    fn take_back(&mut self, done: Done, unsent: &mut Unsent) -> io::Result<()> {
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
        // The worker ends when it has done what it was given; each lane takes it a bounded time.
        self.full = None;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the thread that sends live frames does not answer")
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

impl Lane {
    /// Copies the first `total` frames of `batch` in, those of a length together.
    fn fill(&mut self, batch: &Batch, total: usize) {
        self.runs.clear();
        let mut first = 0;
        let mut lengths: Vec<usize> = batch.frames().take(1).map(<[u8]>::len).collect();
        let mut at = 0;
        // Of a batch there are two or three lengths; those that are met on the way are appended.
        while let Some(&frame_bytes) = lengths.get(at) {
            at += 1;
            let mut count = 0;
            for frame in batch.frames().take(total) {
                if frame.len() == frame_bytes {
                    self.slots.write((first + count) * SLOT_STRIDE, frame);
                    count += 1;
                } else if !lengths.contains(&frame.len()) {
                    lengths.push(frame.len());
                }
            }
            self.runs.push(Run { frame_bytes, first, count });
            first += count;
        }
    }
}

fn run_lanes(runner: &Runner, work: &Receiver<Lane>, finished: &SyncSender<Done>) {
    while let Ok(lane) = work.recv() {
        if finished.send(run_lane(runner, lane)).is_err() {
            return;
        }
    }
}

fn run_lane(runner: &Runner, mut lane: Lane) -> Done {
    let (mut lost, mut again, mut error) = (0, 0, None);
    for Run { frame_bytes, first, mut count } in std::mem::take(&mut lane.runs) {
        let mut offers = 0;
        while count > 0 && error.is_none() && offers < OFFERS_MAX {
            if offers > 0 {
                again += 1;
                thread::sleep(DEVICE_FULL_PAUSE);
            }
            offers += 1;
            match runner.run(lane.first_slot + first, count, frame_bytes.min(SLOT_BYTES)) {
                Ok(left) => {
                    for (at, from) in left.iter().enumerate() {
                        lane.slots.copy_within(
                            (first + from) * SLOT_STRIDE,
                            (first + at) * SLOT_STRIDE,
                            SLOT_STRIDE,
                        );
                    }
                    count = left.len();
                }
                Err((unsent, reason)) => (count, error) = (unsent, Some(reason)),
            }
        }
        lost += count as u64;
    }
    Done { lane, lost, again, error }
}
