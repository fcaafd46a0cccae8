//! The search tree of a database, looked at before anything walks it: a damaged or malicious one may share its nodes
//! so that a file of a kilobyte has 2^128 ends, or none at all.
//!
//! Source: MaxMind DB File Format Specification 2.0, section "Binary Search Tree Section".

/// Why a tree cannot be walked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Knot {
    #[error("its tree leads back to itself")]
    Cycle,
    #[error("its tree is deeper than an address has bits")]
    Deep,
    #[error("its tree has more ends than its nodes allow")]
    Wide,
    #[error("its tree is cut off")]
    Cut,
}

/// Ends for each node, at most: two links, of which files of IPv6 repeat the part of IPv4 up to three times.
const ENDS_PER_NODE_MAX: u64 = 8;
/// Nodes looked at for a sample, at most.
const VISITS_MAX: usize = 1 << 20;

/// A tree in its file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tree<'b> {
    pub(super) bytes: &'b [u8],
    pub(super) nodes: u32,
    /// 24, 28 or 32.
    pub(super) record_bits: u16,
    /// Bits of an address: 32 or 128.
    pub(super) depth_max: usize,
}

/// A node whose ends are being counted.
struct Frame {
    node: u32,
    right: bool,
    height: u8,
    ends: u64,
}

/// Heights that are none.
const UNSEEN: u8 = u8::MAX;
const OPEN: u8 = u8::MAX - 1;

impl Tree<'_> {
    /// The record on one side of a node: a node if smaller than their number, nothing if equal, else data.
    fn record(&self, node: u32, right: bool) -> Result<u32, Knot> {
        let length = usize::from(self.record_bits) / 4;
        let start = node as usize * length;
        let bytes = self.bytes.get(start..start + length).ok_or(Knot::Cut)?;
        let number = |bytes: &[u8]| bytes.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        Ok(match (bytes, right) {
            ([left @ .., _, _, _, _], false) if length == 8 => number(left),
            ([_, _, _, _, right @ ..], true) if length == 8 => number(right),
            ([left @ .., middle, _, _, _], false) if length == 7 => {
                number(left) | u32::from(middle >> 4) << 24
            }
            ([_, _, _, middle, right @ ..], true) if length == 7 => {
                number(right) | u32::from(middle & 15) << 24
            }
            ([left @ .., _, _, _], false) => number(left),
            (bytes, _) => number(bytes.get(3..).unwrap_or_default()),
        })
    }

    /// Checks in linear time that every walk over the tree ends, and soon.
    pub(super) fn check(&self) -> Result<(), Knot> {
        if self.nodes == 0 {
            return Ok(());
        }
        let count = self.nodes as usize;
        let (mut heights, mut ends) = (vec![UNSEEN; count], vec![0_u64; count]);
        let mut path = vec![Frame { node: 0, right: false, height: 0, ends: 0 }];
        heights[0] = OPEN;
        while let Some(top) = path.last() {
            let record = self.record(top.node, top.right)?;
            let at = record as usize;
            let (height, below) = match heights.get(at).copied() {
                None => (0, 1),
                Some(OPEN) => return Err(Knot::Cycle),
                Some(UNSEEN) => {
                    if path.len() >= self.depth_max {
                        return Err(Knot::Deep);
                    }
                    heights[at] = OPEN;
                    path.push(Frame { node: record, right: false, height: 0, ends: 0 });
                    continue;
                }
                Some(height) => (height, ends[at]),
            };
            if path.len() + usize::from(height) > self.depth_max {
                return Err(Knot::Deep);
            }
            self.close(&mut path, &mut heights, &mut ends, height, below);
        }
        let most = u64::from(self.nodes).saturating_mul(ENDS_PER_NODE_MAX);
        if ends[0] > most { Err(Knot::Wide) } else { Ok(()) }
    }

    /// Adds what is below one side of the last node of `path`, and goes up as far as both sides are done.
    fn close(&self, path: &mut Vec<Frame>, heights: &mut [u8], ends: &mut [u64], height: u8, below: u64) {
        let (mut height, mut below) = (height, below);
        while let Some(top) = path.last_mut() {
            top.height = top.height.max(height.saturating_add(1));
            top.ends = top.ends.saturating_add(below);
            if !top.right {
                top.right = true;
                return;
            }
            (height, below) = (top.height.min(OPEN - 1), top.ends);
            heights[top.node as usize] = height;
            ends[top.node as usize] = below;
            path.pop();
        }
    }

    /// An address of each of the first ends that hold data, as a number of as many bits as an address has.
    pub(super) fn sample(&self, ends_max: usize) -> Result<Vec<u128>, Knot> {
        let mut found = Vec::new();
        let mut left = vec![(0_u32, 0_u128, 0_usize)];
        let mut visits = 0;
        while let Some((node, address, depth)) = left.pop() {
            visits += 1;
            if visits > VISITS_MAX || found.len() >= ends_max || node >= self.nodes {
                break;
            }
            for right in [true, false] {
                let record = self.record(node, right)?;
                let address = address | u128::from(right) << (self.depth_max - 1 - depth);
                if record > self.nodes {
                    found.push(address);
                } else if record < self.nodes {
                    if depth + 1 >= self.depth_max {
                        return Err(Knot::Deep);
                    }
                    left.push((record, address, depth + 1));
                }
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes with records of 32 bits.
    fn wide(nodes: &[(u32, u32)]) -> Vec<u8> {
        nodes.iter().flat_map(|(left, right)| [left.to_be_bytes(), right.to_be_bytes()]).flatten().collect()
    }

    fn check(nodes: &[(u32, u32)], expected: Result<(), Knot>) {
        let bytes = wide(nodes);
        let tree = Tree { bytes: &bytes, nodes: nodes.len() as u32, record_bits: 32, depth_max: 32 };
        assert_eq!(tree.check(), expected, "{nodes:?}");
    }

    #[test]
    fn trees_are_told_from_knots() {
        check(&[], Ok(()));
        check(&[(1, 99)], Ok(()));
        check(&[(1, 2), (3, 50), (3, 3)], Ok(()));
        check(&[(1, 2), (2, 2), (60, 3)], Ok(()));
        check(&[(0, 9)], Err(Knot::Cycle));
        check(&[(1, 1), (9, 0)], Err(Knot::Cycle));
        let doubled: Vec<_> = (1..=30).map(|next| (next, next)).collect();
        check(&doubled, Err(Knot::Wide));
        let long: Vec<_> = (1..=33).map(|next| (next, 99)).collect();
        check(&long, Err(Knot::Deep));
        check(&long[..31], Ok(()));
    }

    #[test]
    fn a_shared_part_counts_at_its_deepest() {
        // Node 1 heads 31 levels; it is met at depth 1, and again at depth 2 by way of the last node.
        let mut nodes: Vec<_> = (2..=31).map(|next| (next, 99)).collect();
        nodes.insert(0, (1, 32));
        nodes.push((99, 99));
        nodes.push((1, 99));
        check(&nodes, Err(Knot::Deep));
    }

    #[test]
    fn a_tree_that_is_cut_off_says_so() {
        let bytes = wide(&[(1, 2)]);
        let tree = Tree { bytes: &bytes, nodes: 2, record_bits: 32, depth_max: 32 };
        assert_eq!(tree.check(), Err(Knot::Cut));
        assert_eq!(tree.sample(9), Err(Knot::Cut));
    }

    #[test]
    fn records_of_all_sizes_are_read() {
        let records = |bytes: &[u8], record_bits| {
            let tree = Tree { bytes, nodes: 1, record_bits, depth_max: 32 };
            (tree.record(0, false).unwrap(), tree.record(0, true).unwrap())
        };
        assert_eq!(records(&[1, 2, 3, 4, 5, 6], 24), (0x01_0203, 0x04_0506));
        assert_eq!(records(&[1, 2, 3, 0xab, 4, 5, 6], 28), (0xa01_0203, 0xb04_0506));
        assert_eq!(records(&[1, 2, 3, 4, 5, 6, 7, 8], 32), (0x0102_0304, 0x0506_0708));
    }

    #[test]
    fn samples_are_addresses_below_which_there_is_data() {
        let bytes = wide(&[(1, 9), (2, 8)]);
        let tree = Tree { bytes: &bytes, nodes: 2, record_bits: 32, depth_max: 32 };
        assert_eq!(tree.sample(9), Ok(vec![1 << 31, 1 << 30]));
        let knot = wide(&[(0, 0)]);
        let knot = Tree { bytes: &knot, nodes: 1, record_bits: 32, depth_max: 128 };
        assert_eq!(knot.sample(9), Err(Knot::Deep));
    }
}
