use std::net::SocketAddr;

use nightlatch_wire::{SLOT_BYTES, SLOT_BYTES_V4, SynTemplate};

use super::bpf::Part;

/// Frames that a lane holds.
pub(super) const LANE_FRAMES: usize = 2048;
/// Bytes of a lane: all of its frames may be long ones.
pub(super) const LANE_BYTES: usize = LANE_FRAMES << LONG_SHIFT;
/// Bytes from one frame to the next, as a power of two: whole cache lines.
const SHORT_SHIFT: u32 = SLOT_BYTES_V4.trailing_zeros();
const LONG_SHIFT: u32 = 7;

const _: () = assert!(SLOT_BYTES_V4.is_power_of_two() && SLOT_BYTES <= 1 << LONG_SHIFT);

/// A part of the memory that the kernel sends from, filled in place: frames are written where it reads them.
///
/// It sends frames of one length at a time. Of a path there are two lengths, one for each family: short ones (IPv4) grow
/// from the front, long ones from the back, so that either kind stands together whatever the order they come in.
#[derive(Debug)]
pub(super) struct Lane {
    /// Where it begins in the shared memory.
    start: usize,
    slots: Part,
    short: Kind,
    long: Kind,
}

/// Frames of one kind that are in a lane.
#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    count: usize,
    frame_bytes: usize,
}

/// Frames of one length that stand one after the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Stretch {
    /// Where the first one begins in the shared memory.
    pub(super) start: usize,
    /// Bytes from one to the next, as a power of two.
    pub(super) shift: u32,
    pub(super) count: usize,
    pub(super) frame_bytes: usize,
}

impl Lane {
    /// - `start`: where `slots`, of [`LANE_BYTES`], begin in the shared memory.
    pub(super) fn new(start: usize, slots: Part) -> Self {
        Self { start, slots, short: Kind::default(), long: Kind::default() }
    }

    /// Writes a SYN into it; `None` when it is full, else the frame's length, 0 when the template has none for `target`.
    #[inline]
    pub(super) fn push(
        &mut self,
        template: &SynTemplate,
        target: SocketAddr,
        source_port: u16,
        sequence: u32,
    ) -> Option<usize> {
        if self.len() >= LANE_FRAMES {
            return None;
        }
        let is_short = template.slot_bytes() == SLOT_BYTES_V4;
        let (offset, kind) = if is_short {
            (self.short.count << SHORT_SHIFT, &mut self.short)
        } else {
            (long_offset(self.long.count + 1), &mut self.long)
        };
        let slot = self.slots.slice_mut(offset, template.slot_bytes())?;
        let length = template.write(target, source_port, sequence, slot);
        if length > 0 {
            *kind = Kind { count: kind.count + 1, frame_bytes: length };
        }
        Some(length)
    }

    /// Frames in it.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.short.count + self.long.count
    }

    /// Forgets what is in it.
    pub(super) fn clear(&mut self) {
        (self.short, self.long) = (Kind::default(), Kind::default());
    }

    /// Whether both are parts of the same memory.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.slots.is_beside(&other.slots)
    }

    /// What is in it, by length.
    pub(super) fn stretches(&self) -> impl Iterator<Item = Stretch> + use<> {
        let of = |offset, shift, Kind { count, frame_bytes }: Kind| Stretch {
            start: self.start + offset,
            shift,
            count,
            frame_bytes,
        };
        let all = [of(0, SHORT_SHIFT, self.short), of(long_offset(self.long.count), LONG_SHIFT, self.long)];
        all.into_iter().filter(|stretch| stretch.count > 0)
    }

    /// Moves the frames `left` of a stretch to its beginning, and returns the stretch that they are.
    ///
    /// - `left`: numbers in ascending order, 0 is the first.
    pub(super) fn keep(&mut self, stretch: Stretch, left: &[usize]) -> Stretch {
        let Some(first) = stretch.start.checked_sub(self.start) else { return stretch };
        for (to, from) in left.iter().enumerate() {
            let place = |at: usize| first + (at << stretch.shift);
            self.slots.copy_within(place(*from), place(to), 1 << stretch.shift);
        }
        Stretch { count: left.len(), ..stretch }
    }

    /// Has every frame in it begin with `bytes`.
    pub(super) fn begin_with(&mut self, bytes: &[u8]) {
        for stretch in self.stretches() {
            for at in 0..stretch.count {
                let offset = stretch.start - self.start + (at << stretch.shift);
                if let Some(slot) = self.slots.slice_mut(offset, bytes.len()) {
                    slot.copy_from_slice(bytes);
                }
            }
        }
    }

    /// The frames, short ones first.
    #[cfg(test)]
    pub(super) fn frames(&self) -> Vec<&[u8]> {
        let of = |stretch: Stretch| {
            (0..stretch.count).filter_map(move |at| {
                self.slots.slice(stretch.start - self.start + (at << stretch.shift), stretch.frame_bytes)
            })
        };
        self.stretches().flat_map(of).collect()
    }
}

/// Where the last of `count` long frames begins.
fn long_offset(count: usize) -> usize {
    LANE_BYTES - (count << LONG_SHIFT)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use nightlatch_wire::Link;

    use super::*;

    const START: usize = 3 * LANE_BYTES;

    fn templates() -> [SynTemplate; 2] {
        let link = Link::Ethernet { source: [1; 6], destination: [2; 6], vlan: Some(7) };
        [SynTemplate::v4(link, Ipv4Addr::LOCALHOST), SynTemplate::v6(link, Ipv6Addr::LOCALHOST)]
    }

    /// Pushes as many frames as there is room for, numbered, those of IPv6 where `is_long` says so.
    fn filled(is_long: impl Fn(u32) -> bool) -> (Lane, Vec<Vec<u8>>) {
        let mut lane = Lane::new(START, Part::anonymous(LANE_BYTES));
        let mut expected = Vec::new();
        for number in 0.. {
            let long = is_long(number);
            let template = &templates()[usize::from(long)];
            let ip: IpAddr = if long { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() };
            let target = SocketAddr::new(ip, 80);
            let mut frame = vec![0; SLOT_BYTES];
            let length = template.write(target, 9, number, &mut frame);
            match lane.push(template, target, 9, number) {
                Some(pushed) => assert_eq!(pushed, length),
                None => break,
            }
            frame.truncate(length);
            expected.push(frame);
        }
        (lane, expected)
    }

    #[test]
    fn every_mix_of_families_fills_it_and_each_stands_together() {
        for every in [1, 2, 3, 1000, u32::MAX] {
            for turned in [false, true] {
                let (lane, mut expected) = filled(|number| (number % every == every - 1) != turned);
                assert_eq!((lane.len(), expected.len()), (LANE_FRAMES, LANE_FRAMES));
                let mut frames: Vec<Vec<u8>> = lane.frames().into_iter().map(<[u8]>::to_vec).collect();
                frames.sort_unstable();
                expected.sort_unstable();
                assert!(frames == expected, "{every} {turned}");
                let stretches: Vec<Stretch> = lane.stretches().collect();
                assert_eq!(stretches.iter().map(|stretch| stretch.count).sum::<usize>(), LANE_FRAMES);
                for Stretch { start, shift, count, frame_bytes } in stretches {
                    assert!(start >= START && start + (count << shift) <= START + LANE_BYTES);
                    assert!(frame_bytes <= 1 << shift);
                }
            }
        }
    }

    #[test]
    fn what_is_left_moves_to_the_front() {
        let (mut lane, _) = filled(|number| number % 2 == 1);
        for stretch in lane.stretches().collect::<Vec<_>>() {
            let frame = |lane: &Lane, at: usize| {
                lane.slots
                    .slice(stretch.start - START + (at << stretch.shift), stretch.frame_bytes)
                    .unwrap()
                    .to_vec()
            };
            let (second, last) = (frame(&lane, 1), frame(&lane, stretch.count - 1));
            let kept = lane.keep(stretch, &[1, stretch.count - 1]);
            assert_eq!((kept.start, kept.count), (stretch.start, 2));
            assert_eq!((frame(&lane, 0), frame(&lane, 1)), (second, last));
        }
    }

    #[test]
    fn the_beginning_of_every_frame_changes_and_nothing_else() {
        let (mut lane, before) = filled(|number| number % 3 == 0);
        lane.begin_with(&[9; 12]);
        let mut before: Vec<Vec<u8>> =
            before.into_iter().map(|frame| [&[9; 12], &frame[12..]].concat()).collect();
        before.sort_unstable();
        let mut after: Vec<Vec<u8>> = lane.frames().into_iter().map(<[u8]>::to_vec).collect();
        after.sort_unstable();
        assert!(before == after);
        lane.clear();
        assert_eq!((lane.len(), lane.stretches().count()), (0, 0));
    }

    #[test]
    fn a_target_of_another_family_takes_no_room() {
        let mut lane = Lane::new(0, Part::anonymous(LANE_BYTES));
        assert_eq!(lane.push(&templates()[0], SocketAddr::from((Ipv6Addr::LOCALHOST, 80)), 9, 1), Some(0));
        assert_eq!(lane.len(), 0);
    }
}
