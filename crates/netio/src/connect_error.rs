use std::io;

use rustix::io::Errno;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host answered that nothing listens: closed.
    #[error("connection refused")]
    Refused,
    /// The host broke the handshake off: closed, in its way.
    #[error("connection reset during the handshake")]
    Reset,
    /// Nothing answered in time: filtered.
    #[error("no answer in time")]
    Timeout,
    /// A router, or this machine, knows no way to the host: filtered.
    #[error("host or network unreachable")]
    Unreachable(#[source] io::Error),
    /// This machine does not let the packet out, by a firewall rule or because the address is a broadcast one.
    #[error("the local system forbids the connection")]
    Permission(#[source] io::Error),
    /// This machine has run out of descriptors, local ports or memory. Nothing is said about the target.
    #[error("the local system has no resources for another connection")]
    LocalResources(#[source] io::Error),
    /// Anything else. Nothing is said about the target.
    #[error("connection failed")]
    Other(#[source] io::Error),
}

impl ConnectError {
    /// Sorts what the system said. Source: connect(2), socket(2), tcp(7).
    pub(crate) fn from_io(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::CONNREFUSED) => Self::Refused,
            Some(Errno::CONNRESET | Errno::CONNABORTED | Errno::PIPE) => Self::Reset,
            Some(Errno::TIMEDOUT) => Self::Timeout,
            Some(
                Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN | Errno::NETDOWN | Errno::NOPROTOOPT,
            ) => Self::Unreachable(error),
            Some(Errno::ACCESS | Errno::PERM) => Self::Permission(error),
            // EADDRNOTAVAIL on connect means that every local port towards this endpoint is taken; EAGAIN the
            // same for the routing cache and for port tables.
            Some(
                Errno::MFILE
                | Errno::NFILE
                | Errno::NOBUFS
                | Errno::NOMEM
                | Errno::ADDRNOTAVAIL
                | Errno::AGAIN,
            ) => Self::LocalResources(error),
            _ => Self::Other(error),
        }
    }
}
