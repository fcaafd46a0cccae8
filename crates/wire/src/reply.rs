use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{
    IPV4_HEADER, IPV6_HEADER, TCP,
    checksum::{Sum, pseudo_header, tcp_sum},
};

const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const ACK: u8 = 0x10;

/// Whether the checksum of a segment can be looked at. Between two namespaces of one machine no network card has made
/// one, and the kernel says so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Checksum {
    /// The packet came over a wire: the checksum in it counts.
    Verify,
    /// The kernel says that it is right, or that nobody has made it yet.
    Vouched,
}

/// What a packet means for a discovery that sends nothing but SYN.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reply {
    /// A segment of the target itself.
    Tcp {
        /// Who answers.
        from: SocketAddr,
        /// Which of our addresses and ports was answered.
        to: SocketAddr,
        /// The next sequence number that the target expects: one after that of the probe.
        acknowledgement: u32,
        /// Yes or no.
        answer: TcpAnswer,
    },
    /// Somebody, a router, a firewall or the host itself, says that a probe did not arrive.
    Unreachable {
        /// Who says so.
        reporter: IpAddr,
        /// Our address and port, as the probe that is quoted had them.
        source: SocketAddr,
        /// Where the probe was going.
        target: SocketAddr,
        /// The probe's sequence number.
        sequence: u32,
        /// Why.
        reason: Unreachable,
    },
}

/// A target's answer to a SYN (RFC 9293, section 3.10.7).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TcpAnswer {
    /// SYN and ACK: something listens.
    SynAck,
    /// RST and ACK: nothing does.
    Reset,
}

/// Why a probe was turned back (RFC 792, RFC 1812 section 5.2.7.1, RFC 4443).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Unreachable {
    /// No way to the network or host, or the host did not answer its router.
    Host,
    /// The host says that it does not speak the protocol, or that nothing is at the port.
    Port,
    /// A filter says that it may not pass.
    Prohibited,
    /// Its hops were used up.
    Expired,
}

/// Why a packet says nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Ignored {
    /// Cut off before its headers end, or its lengths contradict each other.
    #[error("truncated")]
    Truncated,
    /// Not of a version or protocol that answers a SYN.
    #[error("another protocol")]
    OtherProtocol,
    /// A part of a larger packet: no answer to a SYN is that large.
    #[error("a fragment")]
    Fragment,
    /// A checksum is wrong.
    #[error("wrong checksum")]
    Checksum,
    /// A segment that no SYN is answered with.
    #[error("another kind of segment")]
    OtherSegment,
}

impl Reply {
    /// Reads a packet from its IP header on. What follows the packet (padding of short frames) is not looked at.
    ///
    /// - `checksum`: whether that of TCP is to be verified. Those of IPv4 and ICMP always are.
    ///
    /// # Errors
    /// Why it says nothing; it is then to be counted and forgotten.
    pub fn read(packet: &[u8], checksum: Checksum) -> Result<Self, Ignored> {
        match packet.first().ok_or(Ignored::Truncated)? >> 4 {
            4 => ipv4(packet, checksum),
            6 => ipv6(packet, checksum),
            _ => Err(Ignored::OtherProtocol),
        }
    }
}

fn ipv4(packet: &[u8], checksum: Checksum) -> Result<Reply, Ignored> {
    let (header, payload) = ipv4_parts(packet)?;
    if Sum::default().bytes(header).finish() != 0 {
        return Err(Ignored::Checksum);
    }
    let total = usize::from(word(packet, 2)?);
    let body = total.checked_sub(header.len()).and_then(|length| payload.get(..length));
    let body = body.ok_or(Ignored::Truncated)?;
    // More fragments follow, or it is not the first.
    if word(header, 6)? & 0x3fff != 0 {
        return Err(Ignored::Fragment);
    }
    let (from, to) = (v4_at(header, 12)?, v4_at(header, 16)?);
    match header.get(9) {
        Some(&TCP) => tcp(from, to, body, checksum),
        Some(&ICMP) => icmp(from, body),
        _ => Err(Ignored::OtherProtocol),
    }
}

fn ipv6(packet: &[u8], checksum: Checksum) -> Result<Reply, Ignored> {
    let (header, payload) = packet.split_at_checked(IPV6_HEADER).ok_or(Ignored::Truncated)?;
    let body = payload.get(..usize::from(word(header, 4)?)).ok_or(Ignored::Truncated)?;
    let (from, to) = (v6_at(header, 8)?, v6_at(header, 24)?);
    match header.get(6) {
        Some(&TCP) => tcp(from, to, body, checksum),
        Some(&ICMPV6) => icmpv6(from, to, body),
        // The header of a fragment (RFC 8200, section 4.5).
        Some(44) => Err(Ignored::Fragment),
        _ => Err(Ignored::OtherProtocol),
    }
}

/// The header with its options, and what follows.
fn ipv4_parts(packet: &[u8]) -> Result<(&[u8], &[u8]), Ignored> {
    let first = *packet.first().ok_or(Ignored::Truncated)?;
    let length = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || length < IPV4_HEADER {
        return Err(Ignored::Truncated);
    }
    packet.split_at_checked(length).ok_or(Ignored::Truncated)
}

fn tcp(from: IpAddr, to: IpAddr, segment: &[u8], checksum: Checksum) -> Result<Reply, Ignored> {
    let flags = *segment.get(13).ok_or(Ignored::Truncated)?;
    let data = usize::from(*segment.get(12).ok_or(Ignored::Truncated)? >> 4) * 4;
    if data < 20 || data > segment.len() {
        return Err(Ignored::Truncated);
    }
    let answer = match flags & (FIN | SYN | RST | ACK) {
        flags if flags == SYN | ACK => TcpAnswer::SynAck,
        flags if flags == RST | ACK => TcpAnswer::Reset,
        // Without an acknowledgement nothing shows that it answers our probe.
        _ => return Err(Ignored::OtherSegment),
    };
    if checksum == Checksum::Verify && tcp_sum(from, to, segment).finish() != 0 {
        return Err(Ignored::Checksum);
    }
    Ok(Reply::Tcp {
        from: SocketAddr::new(from, word(segment, 0)?),
        to: SocketAddr::new(to, word(segment, 2)?),
        acknowledgement: long(segment, 8)?,
        answer,
    })
}

fn icmp(reporter: IpAddr, message: &[u8]) -> Result<Reply, Ignored> {
    let reason = match message.get(..2).ok_or(Ignored::Truncated)? {
        [3, 0 | 1 | 5..=8 | 11 | 12] => Unreachable::Host,
        [3, 2 | 3] => Unreachable::Port,
        [3, 9 | 10 | 13..=15] => Unreachable::Prohibited,
        [11, 0] => Unreachable::Expired,
        _ => return Err(Ignored::OtherProtocol),
    };
    if Sum::default().bytes(message).finish() != 0 {
        return Err(Ignored::Checksum);
    }
    // The quoted header's own checksum and length may have been changed on the way (RFC 5508, section 4): the cookie
    // in the sequence number is what proves it.
    let (header, quoted) = ipv4_parts(message.get(8..).ok_or(Ignored::Truncated)?)?;
    if header.get(9) != Some(&TCP) {
        return Err(Ignored::OtherProtocol);
    }
    quoted_probe(reporter, v4_at(header, 12)?, v4_at(header, 16)?, quoted, reason)
}

fn icmpv6(from: IpAddr, to: IpAddr, message: &[u8]) -> Result<Reply, Ignored> {
    let reason = match message.get(..2).ok_or(Ignored::Truncated)? {
        [1, 0 | 2 | 3] => Unreachable::Host,
        [1, 4] => Unreachable::Port,
        [1, 1 | 5..=7] => Unreachable::Prohibited,
        [3, 0] => Unreachable::Expired,
        _ => return Err(Ignored::OtherProtocol),
    };
    if pseudo_header(from, to, message.len() as u32, ICMPV6).bytes(message).finish() != 0 {
        return Err(Ignored::Checksum);
    }
    let quoted = message.get(8..).ok_or(Ignored::Truncated)?;
    let (header, quoted) = quoted.split_at_checked(IPV6_HEADER).ok_or(Ignored::Truncated)?;
    if header.first().is_none_or(|first| first >> 4 != 6) || header.get(6) != Some(&TCP) {
        return Err(Ignored::OtherProtocol);
    }
    quoted_probe(from, v6_at(header, 8)?, v6_at(header, 24)?, quoted, reason)
}

/// Eight bytes of the probe come back at least (RFC 792): its ports and its sequence number.
fn quoted_probe(
    reporter: IpAddr,
    source: IpAddr,
    target: IpAddr,
    segment: &[u8],
    reason: Unreachable,
) -> Result<Reply, Ignored> {
    Ok(Reply::Unreachable {
        reporter,
        source: SocketAddr::new(source, word(segment, 0)?),
        target: SocketAddr::new(target, word(segment, 2)?),
        sequence: long(segment, 4)?,
        reason,
    })
}

fn word(bytes: &[u8], at: usize) -> Result<u16, Ignored> {
    array(bytes, at).map(u16::from_be_bytes)
}

fn long(bytes: &[u8], at: usize) -> Result<u32, Ignored> {
    array(bytes, at).map(u32::from_be_bytes)
}

fn v4_at(bytes: &[u8], at: usize) -> Result<IpAddr, Ignored> {
    array(bytes, at).map(|octets: [u8; 4]| Ipv4Addr::from(octets).into())
}

fn v6_at(bytes: &[u8], at: usize) -> Result<IpAddr, Ignored> {
    array(bytes, at).map(|octets: [u8; 16]| Ipv6Addr::from(octets).into())
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Ignored> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or(Ignored::Truncated)
}

#[cfg(test)]
mod tests;
