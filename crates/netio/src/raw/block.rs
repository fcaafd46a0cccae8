use nightlatch_wire::Checksum;

/// Where things are in a block of a TPACKET_V3 ring (`linux/if_packet.h`): the descriptor of the block, and the header of
/// each packet in it.
mod at {
    pub(super) const BLOCK_PACKETS: usize = 12;
    pub(super) const BLOCK_FIRST: usize = 16;
    pub(super) const NEXT: usize = 0;
    pub(super) const SNAP_LENGTH: usize = 12;
    pub(super) const LENGTH: usize = 16;
    pub(super) const STATUS: usize = 20;
    pub(super) const NETWORK: usize = 26;
}
/// Offset of the block's status in its descriptor.
pub(super) const BLOCK_STATUS: usize = 8;
const CHECKSUM_NOT_READY: u32 = libc::TP_STATUS_CSUMNOTREADY;
const CHECKSUM_VALID: u32 = libc::TP_STATUS_CSUM_VALID;

/// What a walk over a block came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Walked {
    /// Packets handed out.
    pub(crate) packets: usize,
    /// Packets that were longer than what is kept of them; they were handed out as far as they are there.
    pub(crate) cut: usize,
    /// Whether the block contradicted itself; what follows the contradiction was not looked at.
    pub(crate) broken: bool,
}

/// Hands each packet of a block, from its IP header on, to `each`. Nothing outside `block` is touched, whatever the
/// numbers in it say.
pub(crate) fn walk(block: &[u8], mut each: impl FnMut(&[u8], Checksum)) -> Walked {
    let mut walked = Walked::default();
    let (Some(count), Some(first)) = (long(block, at::BLOCK_PACKETS), long(block, at::BLOCK_FIRST)) else {
        return Walked { broken: true, ..walked };
    };
    let mut start = first as usize;
    for left in (0..count).rev() {
        let Some((packet, next)) = packet(block, start, &mut walked, &mut each) else {
            walked.broken = true;
            return walked;
        };
        walked.packets += usize::from(packet);
        if left == 0 {
            break;
        }
        // Always forward, so that the walk ends.
        match start.checked_add(next) {
            Some(further) if next > 0 => start = further,
            _ => {
                walked.broken = true;
                return walked;
            }
        }
    }
    walked
}

/// One packet: whether it was handed out, and how far the next is.
fn packet(
    block: &[u8],
    start: usize,
    walked: &mut Walked,
    each: &mut impl FnMut(&[u8], Checksum),
) -> Option<(bool, usize)> {
    let header = block.get(start..)?;
    let next = long(header, at::NEXT)? as usize;
    let (kept, length) = (long(header, at::SNAP_LENGTH)?, long(header, at::LENGTH)?);
    let status = long(header, at::STATUS)?;
    let network = usize::from(u16::from_ne_bytes(*header.get(at::NETWORK..)?.first_chunk()?));
    let bytes = header.get(network..)?.get(..kept as usize)?;
    walked.cut += usize::from(kept < length);
    let vouched = status & (CHECKSUM_NOT_READY | CHECKSUM_VALID) != 0;
    each(bytes, if vouched { Checksum::Vouched } else { Checksum::Verify });
    Some((true, next))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Walks over any bytes as if the kernel had left them in its ring; for the fuzzer.
#[doc(hidden)]
pub fn walk_any(block: &[u8]) -> usize {
    let mut bytes = 0usize;
    walk(block, |packet, _| bytes = bytes.wrapping_add(packet.len()));
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A block as the kernel writes it.
    fn block(packets: &[(&[u8], u32)]) -> Vec<u8> {
        let mut bytes = vec![0; 48];
        bytes[at::BLOCK_PACKETS..][..4].copy_from_slice(&(packets.len() as u32).to_ne_bytes());
        bytes[at::BLOCK_FIRST..][..4].copy_from_slice(&48u32.to_ne_bytes());
        for (packet, status) in packets {
            let start = bytes.len();
            let size = (68 + 12 + packet.len()).next_multiple_of(16);
            bytes.resize(start + size, 0xee);
            let header = &mut bytes[start..];
            header[at::NEXT..][..4].copy_from_slice(&(size as u32).to_ne_bytes());
            header[at::SNAP_LENGTH..][..4].copy_from_slice(&(packet.len() as u32).to_ne_bytes());
            header[at::LENGTH..][..4].copy_from_slice(&(packet.len() as u32).to_ne_bytes());
            header[at::STATUS..][..4].copy_from_slice(&status.to_ne_bytes());
            header[at::NETWORK..][..2].copy_from_slice(&80u16.to_ne_bytes());
            header[80..][..packet.len()].copy_from_slice(packet);
        }
        bytes
    }

    #[test]
    fn the_packets_of_a_block_come_in_order() {
        let bytes = block(&[(b"one", 0), (b"", CHECKSUM_NOT_READY), (b"three", CHECKSUM_VALID)]);
        let mut seen = Vec::new();
        let walked = walk(&bytes, |packet, checksum| seen.push((packet.to_vec(), checksum)));
        assert_eq!(walked, Walked { packets: 3, cut: 0, broken: false });
        let expected = [
            (b"one".to_vec(), Checksum::Verify),
            (Vec::new(), Checksum::Vouched),
            (b"three".to_vec(), Checksum::Vouched),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn contradictions_end_the_walk() {
        let good = block(&[(b"one", 0), (b"two", 0)]);
        for (at, value) in [
            (at::BLOCK_FIRST, u32::MAX),
            (48 + at::NEXT, 0),
            (48 + at::NEXT, u32::MAX),
            (48 + at::SNAP_LENGTH, 1 << 20),
            (48 + at::NETWORK, u32::MAX),
            (at::BLOCK_PACKETS, u32::MAX),
        ] {
            let mut bytes = good.clone();
            bytes[at..][..4].copy_from_slice(&value.to_ne_bytes());
            assert!(walk(&bytes, |_, _| ()).broken, "{at} = {value}");
        }
        assert!(walk(&[], |_, _| ()).broken);
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_to_an_end(
            mut bytes in proptest::collection::vec(any::<u8>(), 0..600),
            count in any::<u32>(), first in 0u32..700,
        ) {
            if bytes.len() >= 48 {
                bytes[at::BLOCK_PACKETS..][..4].copy_from_slice(&count.to_ne_bytes());
                bytes[at::BLOCK_FIRST..][..4].copy_from_slice(&first.to_ne_bytes());
            }
            let size = bytes.len();
            let walked = walk(&bytes, |packet, _| assert!(packet.len() <= size));
            prop_assert!(walked.packets <= size.max(1));
        }

        #[test]
        fn a_flipped_number_never_leaves_the_block(at in 0usize..176, value in any::<u32>()) {
            let mut bytes = block(&[(b"first packet", 0), (b"second packet", 0)]);
            let at = at.min(bytes.len() - 4);
            bytes[at..][..4].copy_from_slice(&value.to_ne_bytes());
            let size = bytes.len();
            walk(&bytes, |packet, _| assert!(packet.len() <= size));
        }
    }
}
