use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::{
    IPV4_HEADER, IPV6_HEADER, TCP,
    checksum::{Sum, pseudo_header},
};

/// Room of one frame in a batch: the longest frame, rounded up to whole 32-byte halves of a cache line.
pub const SLOT_BYTES: usize = 96;
/// Room of one frame of IPv4: a cache line.
pub const SLOT_BYTES_V4: usize = 64;
/// The longest frame: Ethernet with a VLAN tag, IPv6, TCP with one option.
pub const FRAME_BYTES_MAX: usize = 18 + IPV6_HEADER + TCP_BYTES;
const FRAME_BYTES_MAX_V4: usize = 18 + IPV4_HEADER + TCP_BYTES;
/// TCP header with the option that says the segment size. Hosts exist that answer a SYN only when it has options
/// (Durumeric et al., "Ten Years of ZMap", 2024, section 4.3).
const TCP_BYTES: usize = 24;
/// Hops a probe may take: what Linux and the BSDs give a SYN.
const HOPS: u8 = 64;
/// Receive window of a SYN: 44 segments of 1460 bytes, as Linux offers.
const WINDOW: u16 = 64_240;
const SYN: u8 = 0x02;
const _: () = assert!(FRAME_BYTES_MAX <= SLOT_BYTES && FRAME_BYTES_MAX_V4 <= SLOT_BYTES_V4);

/// What stands before the IP header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Link {
    /// Nothing: tunnels, and sockets on which the kernel adds what the device wants.
    Bare,
    /// An Ethernet header (IEEE 802.3), with an 802.1Q tag where `vlan` names one (1 to 4094).
    Ethernet {
        /// The device's own address.
        source: [u8; 6],
        /// The next hop's address.
        destination: [u8; 6],
        /// Virtual network.
        vlan: Option<u16>,
    },
}

impl Link {
    /// Bytes of the header: 0, 14 or 18.
    pub const fn header_bytes(self) -> usize {
        match self {
            Self::Bare => 0,
            Self::Ethernet { vlan: None, .. } => 14,
            Self::Ethernet { vlan: Some(_), .. } => 18,
        }
    }

    fn write(self, ether_type: u16, frame: &mut [u8; SLOT_BYTES]) -> usize {
        let Self::Ethernet { source, destination, vlan } = self else { return 0 };
        frame[..6].copy_from_slice(&destination);
        frame[6..12].copy_from_slice(&source);
        let at = match vlan {
            None => 12,
            Some(vlan) => {
                frame[12..14].copy_from_slice(&0x8100u16.to_be_bytes());
                frame[14..16].copy_from_slice(&(vlan & 0x0fff).to_be_bytes());
                16
            }
        };
        frame[at..at + 2].copy_from_slice(&ether_type.to_be_bytes());
        at + 2
    }
}

/// Frames that carry a SYN from one address, all alike but for whom they go to and what they carry as proof.
///
/// All that does not change is written, and summed, once.
#[derive(Clone, Debug)]
pub struct SynTemplate {
    frame: [u8; SLOT_BYTES],
    length: usize,
    /// Where the IP header begins.
    ip: usize,
    source: IpAddr,
    /// Sums of what does not change, of the IPv4 header and of the TCP segment with its pseudo header.
    ip_sum: Sum,
    tcp_sum: Sum,
}

impl SynTemplate {
    /// Frames of IPv4 (RFC 791) from `source`.
    pub fn v4(link: Link, source: Ipv4Addr) -> Self {
        let mut frame = [0; SLOT_BYTES];
        let ip = link.write(0x0800, &mut frame);
        let tcp = ip + IPV4_HEADER;
        frame[ip] = 0x45;
        frame[ip + 2..ip + 4].copy_from_slice(&((IPV4_HEADER + TCP_BYTES) as u16).to_be_bytes());
        // "Don't fragment": of such datagrams the identification means nothing (RFC 6864).
        frame[ip + 6] = 0x40;
        frame[ip + 8] = HOPS;
        frame[ip + 9] = TCP;
        frame[ip + 12..ip + 16].copy_from_slice(&source.octets());
        let ip_sum = Sum::default().bytes(&frame[ip..tcp]);
        Self::with_tcp(frame, ip, tcp, IpAddr::V4(source), ip_sum, 1460)
    }

    /// Frames of IPv6 (RFC 8200) from `source`.
    pub fn v6(link: Link, source: Ipv6Addr) -> Self {
        let mut frame = [0; SLOT_BYTES];
        let ip = link.write(0x86dd, &mut frame);
        let tcp = ip + IPV6_HEADER;
        frame[ip] = 0x60;
        frame[ip + 4..ip + 6].copy_from_slice(&(TCP_BYTES as u16).to_be_bytes());
        frame[ip + 6] = TCP;
        frame[ip + 7] = HOPS;
        frame[ip + 8..ip + 24].copy_from_slice(&source.octets());
        Self::with_tcp(frame, ip, tcp, IpAddr::V6(source), Sum::default(), 1440)
    }

    /// - `mss`: largest segment we would take: 1500 bytes of Ethernet without both headers (RFC 6691).
    fn with_tcp(
        mut frame: [u8; SLOT_BYTES],
        ip: usize,
        tcp: usize,
        source: IpAddr,
        ip_sum: Sum,
        mss: u16,
    ) -> Self {
        frame[tcp + 12] = (TCP_BYTES as u8 / 4) << 4;
        frame[tcp + 13] = SYN;
        frame[tcp + 14..tcp + 16].copy_from_slice(&WINDOW.to_be_bytes());
        frame[tcp + 20..tcp + 22].copy_from_slice(&[2, 4]);
        frame[tcp + 22..tcp + 24].copy_from_slice(&mss.to_be_bytes());
        let nobody = match source {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let tcp_sum =
            pseudo_header(source, nobody, TCP_BYTES as u32, TCP).bytes(&frame[tcp..tcp + TCP_BYTES]);
        Self { frame, length: tcp + TCP_BYTES, ip, source, ip_sum, tcp_sum }
    }

    /// The address that frames come from.
    pub fn source(&self) -> IpAddr {
        self.source
    }

    /// Bytes of every frame.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Room that a frame takes: [`SLOT_BYTES_V4`], or [`SLOT_BYTES`] for IPv6.
    pub fn slot_bytes(&self) -> usize {
        match self.source {
            IpAddr::V4(_) => SLOT_BYTES_V4,
            IpAddr::V6(_) => SLOT_BYTES,
        }
    }

    /// Writes the frame for `target` into `slot` and returns its length; 0 when the target is of the other family, or the
    /// slot shorter than [`slot_bytes`](Self::slot_bytes). What of the slot is behind that stays as it was.
    ///
    /// - `sequence`: initial sequence number; who answers acknowledges `sequence + 1` (RFC 9293, section 3.4).
    #[inline]
    pub fn write(&self, target: SocketAddr, source_port: u16, sequence: u32, slot: &mut [u8]) -> usize {
        let written = match (target.ip(), self.source) {
            (IpAddr::V4(to), IpAddr::V4(_)) => self.write_v4(to, target.port(), source_port, sequence, slot),
            (IpAddr::V6(to), IpAddr::V6(_)) => self.write_v6(to, target.port(), source_port, sequence, slot),
            _ => None,
        };
        written.map_or(0, |()| self.length)
    }

    // Both look at the slot's length once, and then at places that are known: this is done for every packet.

    #[inline]
    fn write_v4(
        &self,
        to: Ipv4Addr,
        port: u16,
        source_port: u16,
        sequence: u32,
        slot: &mut [u8],
    ) -> Option<()> {
        let slot = slot.first_chunk_mut::<SLOT_BYTES_V4>()?;
        *slot = *self.frame.first_chunk()?;
        let packet = slot.get_mut(self.ip..)?.first_chunk_mut::<{ IPV4_HEADER + TCP_BYTES }>()?;
        let (header, segment) = packet.split_first_chunk_mut::<IPV4_HEADER>()?;
        let identification = (sequence >> 16) as u16;
        header[4..6].copy_from_slice(&identification.to_be_bytes());
        header[16..20].copy_from_slice(&to.octets());
        let sum = self.ip_sum.word(identification).long(to.to_bits());
        header[10..12].copy_from_slice(&sum.finish().to_be_bytes());
        let sum = self.tcp_sum.long(to.to_bits());
        write_segment(segment.first_chunk_mut()?, sum, source_port, port, sequence);
        Some(())
    }

    #[inline]
    fn write_v6(
        &self,
        to: Ipv6Addr,
        port: u16,
        source_port: u16,
        sequence: u32,
        slot: &mut [u8],
    ) -> Option<()> {
        let slot = slot.first_chunk_mut::<SLOT_BYTES>()?;
        *slot = self.frame;
        let packet = slot.get_mut(self.ip..)?.first_chunk_mut::<{ IPV6_HEADER + TCP_BYTES }>()?;
        let (header, segment) = packet.split_first_chunk_mut::<IPV6_HEADER>()?;
        header[24..40].copy_from_slice(&to.octets());
        let sum = self.tcp_sum.bytes(&to.octets());
        write_segment(segment.first_chunk_mut()?, sum, source_port, port, sequence);
        Some(())
    }
}

/// - `sum`: of what does not change and of the address.
#[inline]
fn write_segment(segment: &mut [u8; TCP_BYTES], sum: Sum, source_port: u16, port: u16, sequence: u32) {
    let sum = sum.word(source_port).word(port).long(sequence);
    segment[..2].copy_from_slice(&source_port.to_be_bytes());
    segment[2..4].copy_from_slice(&port.to_be_bytes());
    segment[4..8].copy_from_slice(&sequence.to_be_bytes());
    segment[16..18].copy_from_slice(&sum.finish().to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tcp_sum;

    fn links() -> impl Strategy<Value = Link> {
        let ethernet = (any::<[u8; 6]>(), any::<[u8; 6]>(), proptest::option::of(1u16..4095));
        prop_oneof![
            Just(Link::Bare),
            ethernet.prop_map(|(source, destination, vlan)| Link::Ethernet { source, destination, vlan }),
        ]
    }

    proptest! {
        #[test]
        fn every_frame_of_ipv4_is_whole(
            link in links(), source in any::<u32>(), to in any::<u32>(), ports in any::<(u16, u16)>(),
            sequence in any::<u32>(),
        ) {
            let (source, to) = (Ipv4Addr::from_bits(source), Ipv4Addr::from_bits(to));
            let (template, to_them) = (SynTemplate::v4(link, source), SocketAddr::from((to, ports.1)));
            let mut slot = [0xff; SLOT_BYTES];
            prop_assert_eq!(template.write(to_them, ports.0, sequence, &mut slot[..SLOT_BYTES_V4 - 1]), 0);
            let length = template.write(to_them, ports.0, sequence, &mut slot);
            prop_assert!(length <= template.slot_bytes() && slot[SLOT_BYTES_V4..].iter().all(|byte| *byte == 0xff));
            let packet = &slot[link.header_bytes()..length];
            prop_assert_eq!(packet.len(), 44);
            prop_assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
            prop_assert_eq!(Sum::default().bytes(&packet[..20]).finish(), 0);
            prop_assert_eq!(&packet[12..20], &[source.octets(), to.octets()].concat()[..]);
            prop_assert_eq!(tcp_sum(source.into(), to.into(), &packet[20..]).finish(), 0);
            prop_assert_eq!(&packet[20..24], &[ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat()[..]);
            prop_assert_eq!(&packet[24..28], &sequence.to_be_bytes());
            prop_assert_eq!((packet[32], packet[33]), (0x60, SYN));
        }

        #[test]
        fn every_frame_of_ipv6_is_whole(
            link in links(), source in any::<u128>(), to in any::<u128>(), ports in any::<(u16, u16)>(),
            sequence in any::<u32>(),
        ) {
            let (source, to) = (Ipv6Addr::from_bits(source), Ipv6Addr::from_bits(to));
            let (template, to_them) = (SynTemplate::v6(link, source), SocketAddr::from((to, ports.1)));
            let mut slot = [0xff; SLOT_BYTES];
            prop_assert_eq!(template.write(to_them, ports.0, sequence, &mut slot[..SLOT_BYTES_V4]), 0);
            let length = template.write(to_them, ports.0, sequence, &mut slot);
            prop_assert!(length <= template.slot_bytes());
            let packet = &slot[link.header_bytes()..length];
            prop_assert_eq!(packet.len(), 64);
            prop_assert_eq!(&packet[8..24], &source.octets());
            prop_assert_eq!(&packet[24..40], &to.octets());
            prop_assert_eq!(tcp_sum(source.into(), to.into(), &packet[40..]).finish(), 0);
        }
    }

    #[test]
    fn the_other_family_is_not_written() {
        let template = SynTemplate::v4(Link::Bare, Ipv4Addr::LOCALHOST);
        assert_eq!(template.write((Ipv6Addr::LOCALHOST, 80).into(), 1, 2, &mut [0; SLOT_BYTES]), 0);
    }

    #[test]
    fn a_tag_stands_between_the_addresses_and_the_type() {
        let link = Link::Ethernet { source: [1; 6], destination: [2; 6], vlan: Some(7) };
        let mut slot = [0; SLOT_BYTES];
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        assert_eq!(SynTemplate::v4(link, Ipv4Addr::LOCALHOST).write(to, 1, 2, &mut slot), 62);
        assert_eq!(&slot[..18], &[2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 0x81, 0, 0, 7, 8, 0]);
    }
}
