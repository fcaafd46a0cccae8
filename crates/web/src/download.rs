//! Files that are written while they are read: bounded memory, however much there is.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::{HeaderValue, header},
    response::Response,
};
use hyper::body::Frame;
use nightlatch_app::AppError;
use nightlatch_asset::Record;
use nightlatch_store::{Selection, Snapshot};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::{Web, fault::Fault, visit::Visit};

/// Bytes that are sent at a time.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks that wait for a slow reader; then the writer waits.
const CHUNKS_WAITING: usize = 4;

/// Files that are written at a time, by all together; each keeps a thread busy.
pub(crate) const DOWNLOADS_AT_ONCE: usize = 6;

impl Web {
    /// Room for one more file.
    pub(crate) fn slot(&self, visit: &Visit) -> Result<OwnedSemaphorePermit, Fault> {
        self.downloads.clone().try_acquire_owned().map_err(|_| visit.fault(AppError::Busy))
    }
}

/// What a browser does with a file.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Show<'n> {
    /// Shows it.
    Here,
    /// Keeps it under this name.
    As(&'n str),
}

/// A file that `write` writes on a thread of its own.
///
/// - `slot`: from [`Web::slot`]; given back when the file is written, or nobody reads it any more.
pub(crate) fn download(
    slot: OwnedSemaphorePermit,
    kind: &'static str,
    show: Show<'_>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Response {
    let (sender, receiver) = mpsc::channel(CHUNKS_WAITING);
    tokio::task::spawn_blocking(move || {
        let failed = sender.clone();
        let mut pipe = io::BufWriter::with_capacity(CHUNK_BYTES, Pipe(sender));
        let written = write(&mut pipe).and_then(|()| pipe.flush());
        drop(slot);
        if let Err(error) = written {
            // Who goes away early is no failure of ours.
            if error.kind() != io::ErrorKind::BrokenPipe {
                tracing::warn!(error = %nightlatch_untrusted::log_field(&error.to_string()), "a download broke off");
            }
            // The reader learns that the file is not whole: the transfer breaks off. It may be gone as well.
            let _ = failed.blocking_send(Err(error));
        }
    });
    let mut response = Response::new(Body::new(Chunks(receiver)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Show::As(name) = show
        && let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\""))
    {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// Hands every record selected to `write`, until that fails.
pub(crate) fn each(
    snapshot: &Arc<dyn Snapshot>,
    selection: &Selection,
    write: &mut dyn FnMut(&Record) -> io::Result<()>,
) -> io::Result<()> {
    let mut failed = Ok(());
    let exported = snapshot.export(selection, &mut |record| match write(&record) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Err(error);
            ControlFlow::Break(())
        }
    });
    failed.and(exported.map_err(io::Error::other))
}

/// What is written becomes chunks; an error when nobody reads any more.
struct Pipe(mpsc::Sender<io::Result<Bytes>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let chunk = Bytes::copy_from_slice(bytes);
        self.0.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Chunks as the body of a response.
struct Chunks(mpsc::Receiver<io::Result<Bytes>>);

impl HttpBody for Chunks {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}
