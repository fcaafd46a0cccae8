//! One connection to a house, from the greeting to the end.

use std::{
    io,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use crate::{
    RecordedPort,
    choice::{Reply, to_bytes, to_http},
    recording::Answer,
    request::{BODY_BYTES_MAX, Cut, HEAD_BYTES_MAX, HttpRequest},
};

/// How long a house waits for the next byte of a stranger before it hangs up.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(30);
/// Most bytes of unanswered requests kept for one connection.
const INBOX_BYTES_MAX: usize = HEAD_BYTES_MAX + BODY_BYTES_MAX;

/// Talks with one stranger until either side has had enough; counts the requests it answers.
pub(crate) async fn attend(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    port: &RecordedPort,
    answered: &AtomicU64,
) -> io::Result<()> {
    if let Some(greeting) = &port.greeting {
        stream.write_all(&greeting.bytes).await?;
        stream.flush().await?;
        if greeting.closed {
            return stream.shutdown().await;
        }
    }
    let mut inbox = Vec::new();
    loop {
        while let Some((reply, used)) = next_reply(port, &inbox) {
            inbox.drain(..used.min(inbox.len()));
            answered.fetch_add(1, Relaxed);
            stream.write_all(&reply.bytes).await?;
            stream.flush().await?;
            if reply.close {
                return stream.shutdown().await;
            }
        }
        if inbox.len() >= INBOX_BYTES_MAX || !read_more(&mut stream, &mut inbox).await? {
            return stream.shutdown().await;
        }
    }
}

/// Says to a stranger without TLS what was recorded for strangers without TLS, and hangs up.
pub(crate) async fn dismiss(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    answer: Option<&Answer>,
) -> io::Result<()> {
    // The request is read first: closing on unread bytes would reset the connection and lose the answer.
    let mut inbox = Vec::new();
    read_more(&mut stream, &mut inbox).await?;
    if let Some(answer) = answer {
        stream.write_all(&answer.bytes).await?;
    }
    stream.shutdown().await
}

/// Whether more bytes came before the end of the stream and the end of patience.
async fn read_more(stream: &mut (impl AsyncRead + Unpin), inbox: &mut Vec<u8>) -> io::Result<bool> {
    match timeout(IDLE_MAX, stream.read_buf(inbox)).await {
        Ok(read) => Ok(read? > 0),
        Err(_) => Ok(false),
    }
}

/// The reply to the request at the start of `inbox`, once it is whole, and its length.
fn next_reply(port: &RecordedPort, inbox: &[u8]) -> Option<(Reply, usize)> {
    if inbox.is_empty() {
        return None;
    }
    match HttpRequest::cut(inbox) {
        Cut::More => None,
        Cut::Whole(request, used) => {
            let hang_up = Reply { bytes: Vec::new(), close: true };
            Some((to_http(port, &request).unwrap_or(hang_up), used))
        }
        Cut::Other => to_bytes(port, inbox),
    }
}
