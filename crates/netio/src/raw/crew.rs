use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{
    Batch, Path,
    restrict::restrict_sender,
    sender::{Backend, Unsent},
};

/// Batches for each thread: one that is sent, and one that waits to be.
const BATCHES_EACH: usize = 2;
/// How long the caller waits for a batch to fill.
const WAIT: Duration = Duration::from_millis(1);
/// How long a thread may keep a batch before it counts as stuck.
const STUCK: Duration = Duration::from_secs(5);

/// Threads that send batches side by side, each by a socket of its own: one processor does not take packets through the
/// kernel as fast as one makes them.
#[derive(Debug)]
pub(super) struct Crew {
    /// Batches to be sent; `None` once closed.
    full: Option<SyncSender<Batch>>,
    done: Receiver<Done>,
    idle: Vec<Batch>,
    /// Batches that are filled and not back yet.
    out: usize,
    is_closing: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

/// What became of a batch.
#[derive(Debug)]
struct Done {
    batch: Batch,
    unsent: Unsent,
    error: Option<io::Error>,
}

impl Crew {
    /// Starts a thread for each of `backends`, for batches of up to `capacity` frames that take `path`.
    ///
    /// # Errors
    /// When a thread cannot be had.
    pub(super) fn start(backends: Vec<Backend>, path: &Path, capacity: usize) -> io::Result<Self> {
        let count = backends.len() * BATCHES_EACH;
        let (full, work) = sync_channel(count);
        let (finished, done) = sync_channel(count);
        let work = Arc::new(Mutex::new(work));
        let is_closing = Arc::new(AtomicBool::new(false));
        let start = |backend| {
            let (work, finished, is_closing) = (work.clone(), finished.clone(), is_closing.clone());
            thread::Builder::new()
                .name("sender".to_owned())
                .spawn(move || send_batches(backend, &work, &finished, &is_closing))
        };
        let threads = backends.into_iter().map(start).collect::<Result<_, _>>()?;
        let idle = (0..count).map(|_| Batch::new(path, capacity)).collect();
        Ok(Self { full: Some(full), done, idle, out: 0, is_closing: is_closing.clone(), threads })
    }

    /// Takes all of `batch`, or nothing when every thread is busy; waits a millisecond at most.
    ///
    /// # Errors
    /// What stopped a batch before.
    pub(super) fn send(&mut self, batch: &mut Batch, path: &Path, unsent: &mut Unsent) -> io::Result<usize> {
        while let Ok(done) = self.done.try_recv() {
            self.take_back(done, unsent)?;
        }
        if self.idle.is_empty() {
            match self.done.recv_timeout(WAIT) {
                Ok(done) => self.take_back(done, unsent)?,
                Err(RecvTimeoutError::Timeout) => return Ok(0),
                Err(RecvTimeoutError::Disconnected) => return Err(stopped()),
            }
        }
        let (Some(mut full), Some(way)) = (self.idle.pop(), self.full.as_ref()) else { return Ok(0) };
        if full.link() != path.link {
            full.follow(path);
        }
        std::mem::swap(batch, &mut full);
        let count = full.len();
        match way.try_send(full) {
            Ok(()) => {
                self.out += 1;
                Ok(count)
            }
            Err(TrySendError::Full(mut full) | TrySendError::Disconnected(mut full)) => {
                std::mem::swap(batch, &mut full);
                self.idle.push(full);
                Err(stopped())
            }
        }
    }

    /// Waits until all that was taken has left.
    ///
    /// # Errors
    /// What stopped a batch.
    pub(super) fn flush(&mut self, unsent: &mut Unsent) -> io::Result<()> {
        while self.out > 0 {
            let done = self.done.recv_timeout(STUCK).map_err(|_| stopped())?;
            self.take_back(done, unsent)?;
        }
        Ok(())
    }

    fn take_back(&mut self, done: Done, unsent: &mut Unsent) -> io::Result<()> {
        let Done { mut batch, unsent: more, error } = done;
        self.out -= 1;
        unsent.add(more);
        unsent.lost += batch.len() as u64;
        batch.clear();
        self.idle.push(batch);
        error.map_or(Ok(()), Err)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.is_closing.store(true, Ordering::Relaxed);
        self.full = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn stopped() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "a thread that sends does not answer")
}

fn send_batches(
    mut backend: Backend,
    work: &Mutex<Receiver<Batch>>,
    finished: &SyncSender<Done>,
    is_closing: &AtomicBool,
) {
    // Where the kernel has no seccomp, the thread that fills the batches says so.
    let _ = restrict_sender();
    loop {
        let next = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(mut batch) = next else { return };
        let (mut unsent, mut error) = (Unsent::default(), None);
        while !batch.is_empty() && error.is_none() && !is_closing.load(Ordering::Relaxed) {
            error = backend.send(&mut batch, &mut unsent).err();
        }
        if error.is_none() {
            error = backend.flush(&mut unsent).err();
        }
        if finished.send(Done { batch, unsent, error }).is_err() {
            return;
        }
    }
}
