//! Whether the body of a request has come to its end: tells a slow client from a slow server.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
};
use hyper::body::{Frame, SizeHint};

/// Knows whether something of a body is still to come.
#[derive(Clone, Debug)]
pub(crate) struct Unread(Arc<AtomicBool>);

impl Unread {
    /// Watches the body of a request.
    pub(crate) fn of(request: Request) -> (Request, Self) {
        let unread = Self(Arc::new(AtomicBool::new(!request.body().is_end_stream())));
        let watched = unread.clone();
        (request.map(|body| Body::new(Watched { body, unread: watched })), unread)
    }

    /// Whether something is still to come.
    pub(crate) fn is_unread(&self) -> bool {
        self.0.load(Relaxed)
    }
}

struct Watched {
    body: Body,
    unread: Unread,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.unread.0.store(false, Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
