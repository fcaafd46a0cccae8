//! `/api/v1/observations/export`: every banner of a query as gzip'ed lines of JSON, as fast as it is taken.

use std::{
    convert::Infallible,
    io::{self, Write},
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::State,
    http::header,
    response::IntoResponse,
};
use http_body::Frame;
use nightlatch_banner::Writer;
use nightlatch_gate::Caller;
use tokio::sync::mpsc;

use super::observations::selection;
use crate::{
    Api,
    params::Params,
    trouble::{Reply, Trouble},
};

/// Pieces that wait for a slow client, and bytes of a piece.
const QUEUE_PIECES: usize = 8;
const PIECE_BYTES: usize = 64 * 1024;

/// The banners of a query: `*.json.gz`, as the `shodan` command line reads it.
#[utoipa::path(get, path = "/api/v1/observations/export", tag = "observations", params(
    ("query" = Option<String>, Query, description = "The query; everything when absent."),
), responses((status = 200, description = "One banner a line, compressed.", content_type = "application/gzip", body = Vec<u8>)))]
pub(super) async fn export(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    params.only(&["query"])?;
    let selection = selection(&params)?;
    // A key with a limit of its own gets no more this way, and never silently less.
    if let Some(most) = caller.key.results_max.map(u64::from) {
        let wanted = selection.clone();
        let total = api.app.ask(move |snapshot| snapshot.count(&wanted)).await?;
        if total > most {
            return Err(Trouble::bad_value(
                "query",
                format!("finds {total} observations; this key gets at most {most} at once"),
            ));
        }
    }
    let place = api.exports.take(&caller.key.id)?;
    let (sender, pieces) = mpsc::channel(QUEUE_PIECES);
    let (app, snapshot) = (api.app.clone(), api.app.snapshot());
    tokio::spawn(async move {
        let work = move || {
            let mut writer = Writer::new(Pieces { sender, piece: Vec::with_capacity(PIECE_BYTES) });
            let mut broken = None;
            let exported = snapshot.export(&selection, &mut |record| match writer.write(&record) {
                Ok(_) => ControlFlow::Continue(()),
                Err(error) => {
                    broken = Some(error);
                    ControlFlow::Break(())
                }
            });
            match (exported, broken) {
                // The client went away.
                (_, Some(_)) => {}
                (Ok(()), None) => {
                    if let Ok((mut pieces, _)) = writer.finish() {
                        let _ = pieces.flush();
                    }
                }
                // What was begun stays without its end, so that the client sees that it is not whole.
                (Err(error), None) => tracing::error!(error = %error, "an export broke off"),
            }
        };
        let _ = app.blocking(work).await;
        drop(place);
    });
    let headers = [
        (header::CONTENT_TYPE, "application/gzip"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"nightlatch.json.gz\""),
    ];
    Ok((headers, Body::new(Export(pieces))).into_response())
}

/// Writes into the queue of a client, and waits while it is full.
struct Pieces {
    sender: mpsc::Sender<Bytes>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES));
        self.sender.blocking_send(piece.into()).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

struct Export(mpsc::Receiver<Bytes>);

impl HttpBody for Export {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
