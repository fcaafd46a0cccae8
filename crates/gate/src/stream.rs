//! Streams: how many may be open, and when they must end.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use crate::{Caller, Gate, Refused};

/// How often it is looked whether the key of an open stream is still good.
const CHECK: Duration = Duration::from_secs(2);

/// Streams that are open, by key.
#[derive(Default)]
pub(crate) struct Streams(Mutex<Open>);

#[derive(Default)]
struct Open {
    all: usize,
    by_key: HashMap<String, usize>,
}

impl Streams {
    fn take(&self, key: &str, most: usize) -> Result<(), Refused> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = open.by_key.get(key).copied().unwrap_or(0);
        // One key may have half of them: the others are not locked out by it.
        if open.all >= most || own >= most.div_ceil(2) {
            return Err(Refused::TooManyStreams);
        }
        open.all += 1;
        open.by_key.insert(key.to_owned(), own + 1);
        Ok(())
    }

    fn give_back(&self, key: &str) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.all = open.all.saturating_sub(1);
        if let Some(own) = open.by_key.get_mut(key) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                open.by_key.remove(key);
            }
        }
    }

    pub(crate) fn open(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

/// Permission for one open stream: keep it as long as the stream is open, and end the stream when
/// [`StreamPass::ended`] returns.
pub struct StreamPass {
    gate: Arc<Gate>,
    key: String,
    stopping: watch::Receiver<bool>,
    next_check: Instant,
}

impl Gate {
    /// Asks for permission to open a stream.
    ///
    /// # Errors
    /// [`Refused::TooManyStreams`] or [`Refused::Stopping`].
    pub fn stream(self: &Arc<Self>, caller: &Caller) -> Result<StreamPass, Refused> {
        if self.is_stopping() {
            return Err(Refused::Stopping);
        }
        self.streams.take(&caller.key.id, self.settings.streams_max)?;
        Ok(StreamPass {
            gate: self.clone(),
            key: caller.key.id.clone(),
            stopping: self.stopping.subscribe(),
            next_check: Instant::now() + CHECK,
        })
    }
}

impl StreamPass {
    /// Returns when the stream must end: the server stops, or the key was revoked or has expired. Made for
    /// `tokio::select!` in a loop: nothing is lost when it is dropped and called again.
    pub async fn ended(&mut self) {
        loop {
            tokio::select! {
                _ = self.stopping.wait_for(|stopping| *stopping) => return,
                () = tokio::time::sleep_until(self.next_check) => {}
            }
            if !self.gate.keyring.is_still_good(&self.key).await {
                return;
            }
            self.next_check = Instant::now() + CHECK;
        }
    }
}

impl Drop for StreamPass {
    fn drop(&mut self) {
        self.gate.streams.give_back(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_have_half_of_the_streams() {
        let streams = Streams::default();
        assert_eq!(streams.take("a", 4), Ok(()));
        assert_eq!(streams.take("a", 4), Ok(()));
        assert_eq!(streams.take("a", 4), Err(Refused::TooManyStreams));
        assert_eq!(streams.take("b", 4), Ok(()));
        assert_eq!(streams.take("c", 4), Ok(()));
        assert_eq!(streams.take("d", 4), Err(Refused::TooManyStreams));
        streams.give_back("b");
        assert_eq!(streams.take("d", 4), Ok(()));
        assert_eq!((streams.open(), streams.0.lock().unwrap().by_key.len()), (4, 3));
    }
}
