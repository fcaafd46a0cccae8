//! The body of a stream: lines as they come, without a copy of what all listeners share.

use std::{
    collections::VecDeque,
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::{Bytes, HttpBody};
use http_body::Frame;
use nightlatch_app::Live;
use tokio::sync::mpsc;

/// Items that wait for one listener; what comes on top waits in the hub, where all share it.
pub(super) const QUEUE_ITEMS: usize = 64;

/// Something for one listener.
pub(super) enum Item {
    /// An observation, shared by all.
    Live(Arc<Live>),
    /// A line of this listener's own.
    Text(Box<str>),
    /// A sign of life.
    Heartbeat,
}

/// The line of an observation as bytes that keep it alive.
struct Shared(Arc<Live>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.line.as_bytes()
    }
}

/// Items as the body of an answer.
pub(super) struct Lines {
    items: mpsc::Receiver<Item>,
    events: bool,
    frames: VecDeque<Bytes>,
}

impl Lines {
    pub(super) fn new(items: mpsc::Receiver<Item>, events: bool) -> Self {
        Self { items, events, frames: VecDeque::new() }
    }

    fn write(&mut self, item: Item) {
        let (before, after): (&'static [u8], &'static [u8]) =
            if self.events { (b"data: ", b"\n\n") } else { (b"", b"\n") };
        let line = match item {
            Item::Live(live) => Bytes::from_owner(Shared(live)),
            Item::Text(text) => Bytes::from(text.into_string()),
            Item::Heartbeat => {
                let beat: &'static [u8] = if self.events { b": alive\n\n" } else { b"\n" };
                return self.frames.push_back(Bytes::from_static(beat));
            }
        };
        if !before.is_empty() {
            self.frames.push_back(Bytes::from_static(before));
        }
        self.frames.extend([line, Bytes::from_static(after)]);
    }
}

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Poll::Ready(Some(Ok(Frame::data(frame))));
            }
            match ready!(self.items.poll_recv(context)) {
                Some(item) => self.write(item),
                None => return Poll::Ready(None),
            }
        }
    }
}
