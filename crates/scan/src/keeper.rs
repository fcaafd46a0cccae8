use std::{
    io,
    sync::{Arc, Mutex, PoisonError, mpsc as std_mpsc},
    thread,
    time::{Duration, Instant},
};

use nightlatch_asset::Observation;
use tokio::sync::{
    mpsc::{Receiver, error::TryRecvError},
    oneshot,
};

use crate::{
    ScanError, Sink,
    checkpoint::CheckpointFile,
    ledger::Fate,
    run::{Answered, Shared},
};

/// How often what is done is written down, beside each acknowledged batch.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(100);
/// Observations that make a batch full.
const BATCH_MAX: usize = 1024;
/// How long a batch waits to become full: stores are fond of large ones.
const BATCH_WAIT: Duration = Duration::from_millis(250);
/// How often a waiting batch looks for more.
const BATCH_LOOK: Duration = Duration::from_millis(5);

/// Writes down what is done.
pub(crate) struct Keeper {
    shared: Arc<Shared>,
    file: Mutex<Kept>,
}

struct Kept {
    checkpoint: Option<CheckpointFile>,
    /// Version of the ledger that the checkpoint shows.
    version: u64,
}

impl Keeper {
    pub(crate) fn new(shared: Arc<Shared>, checkpoint: Option<CheckpointFile>) -> Self {
        Self { shared, file: Mutex::new(Kept { checkpoint, version: 0 }) }
    }

    /// Writes the checkpoint when anything has changed.
    fn keep(&self) {
        self.write(|_| Ok(()));
    }

    /// Writes the last checkpoint and flushes it to the device.
    pub(crate) fn settle(&self) {
        self.write(CheckpointFile::flush);
    }

    fn write(&self, then: impl FnOnce(&mut CheckpointFile) -> io::Result<()>) {
        let mut kept = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { checkpoint: Some(checkpoint), version } = &mut *kept else { return };
        // The ledger is held for the copy only, not for the write.
        let marks = {
            let ledger = self.shared.ledger();
            (ledger.version() != *version).then(|| (ledger.version(), ledger.marks()))
        };
        let written = match marks {
            Some((now, marks)) => checkpoint.write(&marks).map(|()| *version = now),
            None => Ok(()),
        };
        if let Err(error) = written.and_then(|()| then(checkpoint)) {
            self.shared.fail(ScanError::Checkpoint(error));
        }
    }
}

/// A thread that writes the checkpoint in time, for endpoints that have nothing to store.
pub(crate) struct Clock {
    stop: std_mpsc::Sender<()>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Clock {
    pub(crate) fn start(keeper: Arc<Keeper>) -> Self {
        let (stop, stopped) = std_mpsc::channel();
        let thread = thread::Builder::new().name("checkpoint".to_owned()).spawn(move || {
            while stopped.recv_timeout(CHECKPOINT_EVERY) == Err(std_mpsc::RecvTimeoutError::Timeout) {
                keeper.keep();
            }
        });
        // Without the thread checkpoints are rarer, and still there with every batch and at the end.
        Self { stop, thread: thread.ok() }
    }

    pub(crate) fn stop(self) {
        drop(self.stop);
        if let Some(thread) = self.thread {
            // A panic in the thread leaves the last checkpoint to `settle`, which comes next.
            let _ = thread.join();
        }
    }
}

/// Hands observations to the sink, from a thread of its own, until all workers are gone. The result is the
/// number of observations acknowledged, and the sink.
pub(crate) fn store<S: Sink + 'static>(
    keeper: Arc<Keeper>,
    mut answered: Receiver<Answered>,
    mut sink: S,
) -> oneshot::Receiver<(u64, Option<S>)> {
    let (done, result) = oneshot::channel();
    thread::spawn(move || {
        let mut stored = 0;
        while let Some(batch) = gather(&mut answered) {
            match store_batch(&keeper, batch, &mut sink) {
                Ok(count) => stored += count,
                Err(error) => {
                    keeper.shared.fail(error);
                    break;
                }
            }
        }
        // Whoever still waits to send learns that nothing more is taken.
        drop(answered);
        // The receiver is gone only when the scan itself was dropped.
        let _ = done.send((stored, Some(sink)));
    });
    result
}

fn store_batch(keeper: &Keeper, batch: Vec<Answered>, sink: &mut impl Sink) -> Result<u64, ScanError> {
    let positions: Vec<u64> = batch.iter().map(|answered| answered.position).collect();
    let observations: Vec<Observation> =
        batch.into_iter().flat_map(|answered| answered.observations).collect();
    sink.store(&observations).map_err(ScanError::Sink)?;
    keeper.shared.weigh(&observations);
    let mut ledger = keeper.shared.ledger();
    for position in positions {
        ledger.complete(position, Fate::Open);
    }
    drop(ledger);
    keeper.keep();
    keeper.shared.progress.count_stored(observations.len() as u64);
    Ok(observations.len() as u64)
}

/// The next batch: at least one answer, and what else comes within a moment. `None` at the end.
fn gather(answered: &mut Receiver<Answered>) -> Option<Vec<Answered>> {
    let first = answered.blocking_recv()?;
    let began = Instant::now();
    let mut count = first.observations.len();
    let mut batch = vec![first];
    while count < BATCH_MAX {
        match answered.try_recv() {
            Ok(next) => {
                count += next.observations.len();
                batch.push(next);
            }
            Err(TryRecvError::Empty) if began.elapsed() < BATCH_WAIT => thread::sleep(BATCH_LOOK),
            Err(TryRecvError::Empty | TryRecvError::Disconnected) => break,
        }
    }
    Some(batch)
}
