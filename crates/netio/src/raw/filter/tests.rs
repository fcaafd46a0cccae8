use proptest::prelude::*;

use super::*;

/// Runs a program as the kernel does: a load outside the packet refuses it. `kind` is the packet's type.
pub(crate) fn run(program: &[Instruction], packet: &[u8], kind: u32) -> u32 {
    let (mut a, mut x, mut at) = (0u32, 0u32, 0usize);
    let load = |at: u32, size: usize| {
        let bytes = packet.get(at as usize..)?.get(..size)?;
        Some(bytes.iter().fold(0u32, |sum, byte| sum << 8 | u32::from(*byte)))
    };
    loop {
        let i = program[at];
        at += 1;
        let jump = |yes: bool| usize::from(if yes { i.if_true } else { i.if_false });
        let loaded = match i.code {
            op::LOAD_WORD if i.value == PACKET_TYPE => Some(kind),
            op::LOAD_WORD => load(i.value, 4),
            op::LOAD_HALF => load(i.value, 2),
            op::LOAD_BYTE => load(i.value, 1),
            op::LOAD_HALF_X => load(i.value.wrapping_add(x), 2),
            op::LOAD_BYTE_X => load(i.value.wrapping_add(x), 1),
            _ => Some(a),
        };
        let Some(loaded) = loaded else { return 0 };
        a = loaded;
        match i.code {
            op::LOAD_X_HEADER => match load(i.value, 1) {
                Some(byte) => x = 4 * (byte & 0x0f),
                None => return 0,
            },
            op::AND => a &= i.value,
            op::SHIFT_LEFT => a <<= i.value,
            op::ADD_X => a = a.wrapping_add(x),
            op::A_TO_X => x = a,
            op::JUMP_EQUAL => at += jump(a == i.value),
            op::JUMP_GREATER => at += jump(a > i.value),
            op::JUMP_AT_LEAST => at += jump(a >= i.value),
            op::JUMP_ANY_BIT => at += jump(a & i.value != 0),
            op::RETURN => return i.value,
            _ => {}
        }
    }
}

const PORTS: RangeInclusive<u16> = 61_440..=62_463;

/// IPv4 with `options` words of options around `payload`.
fn v4(protocol: u8, options: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let header = 20 + 4 * usize::from(options);
    let mut packet = vec![1; header];
    packet[0] = 0x45 + options;
    packet[2..4].copy_from_slice(&((header + payload.len()) as u16).to_be_bytes());
    packet[6..8].copy_from_slice(&fragment.to_be_bytes());
    packet[9] = protocol;
    packet.extend_from_slice(payload);
    packet
}

fn v6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0; 40];
    packet[0] = 0x60;
    packet[4..6].copy_from_slice(&(payload.len() as u16).to_be_bytes());
    packet[6] = next;
    packet.extend_from_slice(payload);
    packet
}

fn segment(from: u16, to: u16, flags: u8) -> Vec<u8> {
    let mut segment = vec![0; 20];
    segment[..2].copy_from_slice(&from.to_be_bytes());
    segment[2..4].copy_from_slice(&to.to_be_bytes());
    segment[12] = 0x50;
    segment[13] = flags;
    segment
}

fn icmp(kind: u8, quoted: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, 1, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(quoted);
    message
}

fn passes_v4(packet: &[u8]) -> bool {
    run(&ipv4(&PORTS), packet, PACKET_HOST) == SNAP_BYTES
}

fn passes_v6(packet: &[u8]) -> bool {
    run(&ipv6(&PORTS), packet, PACKET_HOST) == SNAP_BYTES
}

#[test]
fn only_what_is_for_this_host_passes() {
    let packet = v4(6, 0, 0, &segment(80, 61_440, 0x12));
    assert!(passes_v4(&packet));
    for kind in 1..=7 {
        assert_eq!(run(&ipv4(&PORTS), &packet, kind), 0);
        assert_eq!(run(&ipv6(&PORTS), &v6(6, &segment(80, 61_440, 0x12)), kind), 0);
    }
}

#[test]
fn truncated_packets_are_refused() {
    let packet = v4(1, 2, 0, &icmp(3, &v4(6, 1, 0, &segment(61_440, 80, 2)[..8])));
    assert!(passes_v4(&packet));
    // Up to the quoted source port everything is needed.
    let needed = 28 + 8 + 24 + 2;
    for length in 0..packet.len() {
        assert_eq!(passes_v4(&packet[..length]), length >= needed, "{length}");
    }
}

proptest! {
    #[test]
    fn tcp_passes_when_it_answers_a_syn_to_our_ports(
        options in 0u8..=10, fragment in prop_oneof![4 => Just(0u16), 1 => any::<u16>()],
        port in prop_oneof![61_000u16..63_000, any::<u16>()],
        flags in prop_oneof![Just(0x12u8), Just(0x14), Just(0x52), any::<u8>()],
    ) {
        let answers = matches!(flags & 0x17, 0x12 | 0x14) && PORTS.contains(&port);
        let whole = fragment & 0x3fff == 0;
        prop_assert_eq!(passes_v4(&v4(6, options, fragment, &segment(9, port, flags))), answers && whole);
        prop_assert_eq!(passes_v6(&v6(6, &segment(9, port, flags))), answers);
    }

    #[test]
    fn icmp_passes_when_it_is_about_tcp_from_our_ports(
        options in 0u8..=10, inner in 0u8..=10, kind in prop_oneof![Just(3u8), Just(11), Just(1), any::<u8>()],
        protocol in prop_oneof![3 => Just(6u8), 1 => any::<u8>()],
        port in prop_oneof![61_000u16..63_000, any::<u16>()],
    ) {
        let quoted = segment(port, 80, 2);
        let ours = protocol == 6 && PORTS.contains(&port);
        let packet = v4(1, options, 0, &icmp(kind, &v4(protocol, inner, 0, &quoted)));
        prop_assert_eq!(passes_v4(&packet), ours && matches!(kind, 3 | 11));
        let packet = v6(58, &icmp(kind, &v6(protocol, &quoted)));
        prop_assert_eq!(passes_v6(&packet), ours && matches!(kind, 1 | 3));
    }

    #[test]
    fn other_protocols_and_extension_headers_are_refused(protocol in any::<u8>(), rest in proptest::collection::vec(any::<u8>(), 0..80)) {
        if !matches!(protocol, 1 | 6) {
            prop_assert!(!passes_v4(&v4(protocol, 0, 0, &rest)));
        }
        if !matches!(protocol, 6 | 58) {
            prop_assert!(!passes_v6(&v6(protocol, &rest)));
        }
    }

    #[test]
    fn whatever_passes_is_read_or_counted(rest in proptest::collection::vec(any::<u8>(), 0..120)) {
        // Programs end on any bytes.
        run(&ipv4(&PORTS), &rest, PACKET_HOST);
        run(&ipv6(&PORTS), &rest, PACKET_HOST);
    }
}
