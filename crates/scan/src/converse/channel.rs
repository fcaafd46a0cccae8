//! A connection that is plain or wrapped in TLS, read and written under a deadline.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::client::TlsStream;

use nightlatch_probe::Stopped;

/// Bytes taken from the kernel at once.
const PIECE_BYTES: usize = 16 * 1024;

/// One open connection.
pub(super) enum Channel {
    /// As it came.
    Plain(TcpStream),
    /// After a handshake.
    Tls(Box<TlsStream<TcpStream>>),
}

/// What one read gave.
pub(super) enum Piece<'a> {
    /// Bytes; never empty.
    Bytes(&'a [u8]),
    /// Nothing more will come, and why. For a TLS connection the error text of the layer comes along.
    End(Stopped, Option<io::Error>),
}

/// A buffer that lives as long as a conversation.
pub(super) struct Buffer(Box<[u8]>);

impl Buffer {
    pub(super) fn new() -> Self {
        Self(vec![0; PIECE_BYTES].into_boxed_slice())
    }
}

impl Channel {
    /// Reads what is there, waiting until `deadline` for the first byte.
    pub(super) async fn read<'b>(&mut self, buffer: &'b mut Buffer, deadline: Instant) -> Piece<'b> {
        match timeout_at(deadline, AsyncReadExt::read(self, &mut buffer.0)).await {
            Err(_) => Piece::End(Stopped::Timeout, None),
            Ok(Ok(0)) => Piece::End(Stopped::Closed, None),
            Ok(Ok(length)) => Piece::Bytes(&buffer.0[..length]),
            Ok(Err(error)) => Piece::End(stopped(&error), Some(error)),
        }
    }

    /// Writes all of `bytes` before `deadline`.
    pub(super) async fn write(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Stopped> {
        let write = async {
            AsyncWriteExt::write_all(self, bytes).await?;
            AsyncWriteExt::flush(self).await
        };
        match timeout_at(deadline, write).await {
            Err(_) => Err(Stopped::Timeout),
            Ok(Err(error)) => Err(stopped(&error)),
            Ok(Ok(())) => Ok(()),
        }
    }

    /// Says good-bye where the protocol has a word for it; never waits long.
    pub(super) async fn close(mut self) {
        if let Self::Tls(stream) = &mut self {
            // A peer that does not read cannot hold us; whether it heard does not matter.
            let _ = tokio::time::timeout(Duration::from_millis(50), stream.shutdown()).await;
        }
    }
}

/// A TLS peer that closes without close_notify has closed all the same.
fn stopped(error: &io::Error) -> Stopped {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Stopped::Closed,
        _ => Stopped::Reset,
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Channel {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }
}
