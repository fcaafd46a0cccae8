//! Packets as bytes and as fields: what discovery sends, and what comes back.
//!
//! Pure: nothing here opens a socket. [`SynTemplate`] writes whole frames for the handful of devices there are (with
//! Ethernet, with a VLAN tag, with nothing before the IP header); [`Reply::read`] reads what may answer them, bounded,
//! from the IP header on.

mod checksum;
mod reply;
mod syn;

pub use checksum::{Sum, tcp_sum};
pub use reply::{Checksum, Ignored, Reply, TcpAnswer, Unreachable};
pub use syn::{FRAME_BYTES_MAX, Link, SLOT_BYTES, SLOT_BYTES_V4, SynTemplate};

/// Protocol number of TCP (IANA, Assigned Internet Protocol Numbers).
const TCP: u8 = 6;
/// Bytes of an IPv4 header without options (RFC 791).
const IPV4_HEADER: usize = 20;
/// Bytes of an IPv6 header (RFC 8200).
const IPV6_HEADER: usize = 40;
