use std::io;

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, timeout_at},
};

/// What one read brought.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Gain {
    /// So many bytes more.
    Bytes(usize),
    /// The peer has closed its side.
    End,
    /// The cap is reached; nothing was read.
    Full,
}

/// Why a conversation stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The deadline has passed.
    #[error("deadline reached")]
    Deadline,
    /// The peer broke the connection off.
    #[error("connection reset")]
    Reset,
    /// Anything else.
    #[error("connection failed")]
    Broken(#[source] io::Error),
}

impl From<io::Error> for StreamError {
    fn from(error: io::Error) -> Self {
        use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
        match error.kind() {
            ConnectionReset | ConnectionAborted | BrokenPipe | NotConnected => Self::Reset,
            _ => Self::Broken(error),
        }
    }
}

/// Largest single read, in bytes: what a peer can make this side set aside at once.
const READ_BYTES_MAX: usize = 16 << 10;
/// Room made before a read, in bytes; most answers fit.
const READ_BYTES_USUAL: usize = 4 << 10;

/// Waits for bytes and appends them to `into`, which never grows beyond `bytes_max`.
///
/// # Errors
/// When the deadline passes or the connection fails; what was read before stays in `into`.
pub async fn read_more<S: AsyncRead + Unpin>(
    stream: &mut S,
    into: &mut Vec<u8>,
    bytes_max: usize,
    deadline: Instant,
) -> Result<Gain, StreamError> {
    let room = bytes_max.saturating_sub(into.len()).min(READ_BYTES_MAX);
    if room == 0 {
        return Ok(Gain::Full);
    }
    into.reserve(room.min(READ_BYTES_USUAL));
    let mut limited = stream.take(room as u64);
    match timeout_at(deadline, limited.read_buf(into)).await {
        Err(_) => Err(StreamError::Deadline),
        Ok(Ok(0)) => Ok(Gain::End),
        Ok(Ok(bytes)) => Ok(Gain::Bytes(bytes)),
        Ok(Err(error)) => Err(error.into()),
    }
}

/// Writes all of `bytes` and flushes.
///
/// # Errors
/// When the deadline passes or the connection fails; part of it may have been sent.
pub async fn write_all<S: AsyncWrite + Unpin>(
    stream: &mut S,
    bytes: &[u8],
    deadline: Instant,
) -> Result<(), StreamError> {
    let write = async {
        stream.write_all(bytes).await?;
        stream.flush().await
    };
    match timeout_at(deadline, write).await {
        Err(_) => Err(StreamError::Deadline),
        Ok(outcome) => outcome.map_err(StreamError::from),
    }
}

/// Drops a connection with a reset, which frees both sides at once.
///
/// For peers that drip or send without end. A conversation that ended well is simply dropped: it says goodbye
/// in the ordinary way, and no log on the other side shows an error.
pub fn abort(stream: TcpStream) {
    // Without the option the connection closes in the ordinary way; nothing is lost by that.
    let _ = stream.set_zero_linger();
}
