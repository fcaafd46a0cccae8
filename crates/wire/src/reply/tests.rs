use proptest::prelude::*;

use super::*;
use crate::{Link, SLOT_BYTES, SynTemplate};

const PROBE: (u16, u16, u32) = (61_000, 6443, 0xdead_beef);

/// Our probe as it is on the wire, from the IP header on.
fn probe(v6: bool) -> Vec<u8> {
    let mut slot = [0; SLOT_BYTES];
    let (template, target) = if v6 {
        (SynTemplate::v6(Link::Bare, US6), SocketAddr::from((THEM6, PROBE.1)))
    } else {
        (SynTemplate::v4(Link::Bare, US4), SocketAddr::from((THEM4, PROBE.1)))
    };
    let length = template.write(target, PROBE.0, PROBE.2, &mut slot);
    slot[..length].to_vec()
}

const US4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const THEM4: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const US6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const THEM6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 7, 0, 0, 0, 0, 7);

fn packet(from: IpAddr, to: IpAddr, protocol: u8, body: &[u8]) -> Vec<u8> {
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 60, protocol, 0, 0];
            header[2..4].copy_from_slice(&((20 + body.len()) as u16).to_be_bytes());
            header.extend(from.octets().into_iter().chain(to.octets()));
            let sum = Sum::default().bytes(&header).finish();
            header[10..12].copy_from_slice(&sum.to_be_bytes());
            [&header, body].concat()
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let mut header = vec![0x60, 0, 0, 0, 0, 0, protocol, 60];
            header[4..6].copy_from_slice(&(body.len() as u16).to_be_bytes());
            header.extend(from.octets().into_iter().chain(to.octets()));
            [&header, body].concat()
        }
        _ => unreachable!(),
    }
}

fn segment(from: IpAddr, to: IpAddr, flags: u8) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(PROBE.1.to_be_bytes().into_iter().chain(PROBE.0.to_be_bytes()));
    segment.extend(7u32.to_be_bytes().into_iter().chain((PROBE.2 + 1).to_be_bytes()));
    segment.extend([0x50, flags, 1, 0, 0, 0, 0, 0]);
    let sum = pseudo_header(from, to, segment.len() as u32, TCP).bytes(&segment).finish();
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

fn answer(v6: bool, flags: u8) -> Vec<u8> {
    let (us, them) = ends(v6);
    packet(them, us, TCP, &segment(them, us, flags))
}

fn ends(v6: bool) -> (IpAddr, IpAddr) {
    if v6 { (US6.into(), THEM6.into()) } else { (US4.into(), THEM4.into()) }
}

fn unreachable(v6: bool, kind: u8, code: u8, quoted: usize) -> Vec<u8> {
    let (us, _) = ends(v6);
    let router: IpAddr = if v6 { "2001:db8::ff".parse().unwrap() } else { "192.0.2.254".parse().unwrap() };
    let mut message = vec![kind, code, 0, 0, 0, 0, 0, 0];
    message.extend(&probe(v6)[..quoted]);
    let protocol = if v6 { ICMPV6 } else { ICMP };
    let start = if v6 { pseudo_header(router, us, message.len() as u32, ICMPV6) } else { Sum::default() };
    let sum = start.bytes(&message).finish();
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    packet(router, us, protocol, &message)
}

#[test]
fn answers_are_read_in_both_families() {
    for v6 in [false, true] {
        let (us, them) = ends(v6);
        for (flags, wanted) in [(SYN | ACK, TcpAnswer::SynAck), (RST | ACK, TcpAnswer::Reset)] {
            let reply = Reply::read(&answer(v6, flags), Checksum::Verify);
            let (from, to) = (SocketAddr::new(them, PROBE.1), SocketAddr::new(us, PROBE.0));
            let wanted = Reply::Tcp { from, to, acknowledgement: PROBE.2 + 1, answer: wanted };
            assert_eq!(reply, Ok(wanted));
        }
        for flags in [SYN, RST, ACK, FIN | ACK, SYN | RST | ACK, SYN | FIN | ACK, 0] {
            assert_eq!(Reply::read(&answer(v6, flags), Checksum::Verify), Err(Ignored::OtherSegment));
        }
    }
}

#[test]
fn who_turns_a_probe_back_is_read_with_the_probe() {
    let cases = [
        (false, 3, 1, Some(Unreachable::Host)),
        (false, 3, 3, Some(Unreachable::Port)),
        (false, 3, 13, Some(Unreachable::Prohibited)),
        (false, 11, 0, Some(Unreachable::Expired)),
        (false, 3, 4, None),
        (false, 8, 0, None),
        (true, 1, 0, Some(Unreachable::Host)),
        (true, 1, 1, Some(Unreachable::Prohibited)),
        (true, 1, 4, Some(Unreachable::Port)),
        (true, 2, 0, None),
        (true, 135, 0, None),
    ];
    for (v6, kind, code, wanted) in cases {
        let header = if v6 { 40 } else { 20 };
        let reply = Reply::read(&unreachable(v6, kind, code, header + 8), Checksum::Verify);
        let Some(wanted) = wanted else {
            assert_eq!(reply, Err(Ignored::OtherProtocol), "{kind} {code}");
            continue;
        };
        let Ok(Reply::Unreachable { source, target, sequence, reason, .. }) = reply else {
            panic!("{kind} {code}: {reply:?}")
        };
        let (us, them) = ends(v6);
        assert_eq!((source, target), (SocketAddr::new(us, PROBE.0), SocketAddr::new(them, PROBE.1)));
        assert_eq!((sequence, reason), (PROBE.2, wanted));
        let short = Reply::read(&unreachable(v6, kind, code, header + 7), Checksum::Verify);
        assert_eq!(short, Err(Ignored::Truncated));
    }
}

#[test]
fn what_is_not_whole_is_not_believed() {
    for v6 in [false, true] {
        let good = answer(v6, SYN | ACK);
        for length in 0..good.len() {
            assert!(Reply::read(&good[..length], Checksum::Vouched).is_err(), "{length}");
        }
        let padded = [&good[..], &[0xaa; 9]].concat();
        assert!(Reply::read(&padded, Checksum::Verify).is_ok());
        let mut wrong = good.clone();
        *wrong.last_mut().unwrap() ^= 1;
        assert_eq!(Reply::read(&wrong, Checksum::Verify), Err(Ignored::Checksum));
        assert!(Reply::read(&wrong, Checksum::Vouched).is_ok());
    }
    let mut fragment = answer(false, SYN | ACK);
    fragment[6] = 0x20;
    fragment[10..12].copy_from_slice(&[0, 0]);
    let sum = Sum::default().bytes(&fragment[..20]).finish();
    fragment[10..12].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(Reply::read(&fragment, Checksum::Verify), Err(Ignored::Fragment));
}

proptest! {
    #[test]
    fn any_bytes_are_survived(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), version in 0u8..3) {
        if let Some(first) = bytes.first_mut() {
            *first = [0x45, 0x60, *first][usize::from(version)];
        }
        for checksum in [Checksum::Verify, Checksum::Vouched] {
            let _ = Reply::read(&bytes, checksum);
        }
    }

    #[test]
    fn one_wrong_bit_is_noticed(v6 in any::<bool>(), bit in 0usize..8 * 40, reset in any::<bool>()) {
        let good = answer(v6, ACK | if reset { RST } else { SYN });
        let bit = bit % (good.len() * 8);
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        let (good, bad) = (Reply::read(&good, Checksum::Verify), Reply::read(&bad, Checksum::Verify));
        // In the header of IPv6 a few fields are in no checksum: traffic class, flow label, hops.
        prop_assert!(bad.is_err() || (v6 && bad == good), "{bad:?}");
    }
}
