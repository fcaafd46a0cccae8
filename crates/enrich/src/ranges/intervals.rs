//! Nested blocks flattened to disjoint intervals.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;

use super::formats::AWS_EVERYTHING;
use super::{Block, Label};

/// Sorted disjoint intervals, both ends included, each with the index of a label.
#[derive(Debug)]
pub(super) struct Intervals<T>(Vec<(T, T, u32)>);

impl<T> Default for Intervals<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Copy + Ord> Intervals<T> {
    pub(super) fn find(&self, key: T) -> Option<u32> {
        let after = self.0.partition_point(|(start, _, _)| *start <= key);
        let (_, end, label) = self.0.get(after.checked_sub(1)?)?;
        (key <= *end).then_some(*label)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// An address family's numbers, as far as flattening needs them.
trait Number: Copy + Ord {
    fn next(self) -> Option<Self>;
    fn before(self) -> Option<Self>;
}

impl Number for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn before(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

impl Number for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
    fn before(self) -> Option<Self> {
        self.checked_sub(1)
    }
}

/// Resolves overlaps: the smallest block wins. Blocks are powers of two, so two of them are disjoint or
/// one holds the other.
pub(super) fn flatten(blocks: Vec<Block>) -> (Intervals<u32>, Intervals<u128>, Vec<Label>) {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    for block in blocks {
        match block.ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shr(block.length.into()).unwrap_or(0);
                let start = u32::from(ip) & !mask;
                v4.push((start, start | mask, block.label));
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shr(block.length.into()).unwrap_or(0);
                let start = u128::from(ip) & !mask;
                v6.push((start, start | mask, block.label));
            }
        }
    }
    let mut labels = Labels::default();
    let v4 = sweep(v4, &mut labels);
    let v6 = sweep(v6, &mut labels);
    (v4, v6, labels.list)
}

#[derive(Default)]
struct Labels {
    list: Vec<Label>,
    index: HashMap<Label, u32>,
}

impl Labels {
    fn index_of(&mut self, label: &Label) -> u32 {
        if let Some(index) = self.index.get(label) {
            return *index;
        }
        let index = self.list.len() as u32;
        self.list.push(label.clone());
        self.index.insert(label.clone(), index);
        index
    }
}

/// A block whose end has not been reached yet.
struct Open<T> {
    start: T,
    end: T,
    label: Label,
}

/// Larger blocks first at the same start, so that the open blocks are always nested.
fn sweep<T: Number>(mut blocks: Vec<(T, T, Label)>, labels: &mut Labels) -> Intervals<T> {
    blocks.sort_by_key(|(start, end, label)| (*start, Reverse(*end), label.file));
    let mut sweep = Sweep { out: Vec::new(), open: Vec::new(), at: None, labels };
    for (start, end, label) in blocks {
        sweep.close_before(Some(start));
        sweep.open(Open { start, end, label });
    }
    sweep.close_before(None);
    Intervals(sweep.out)
}

struct Sweep<'l, T> {
    out: Vec<(T, T, u32)>,
    open: Vec<Open<T>>,
    /// The first address of the innermost open block that is not written yet.
    at: Option<T>,
    labels: &'l mut Labels,
}

impl<T: Number> Sweep<'_, T> {
    fn open(&mut self, mut block: Open<T>) {
        if let Some(outer) = self.open.last_mut() {
            if (outer.start, outer.end) == (block.start, block.end) {
                merge(&mut outer.label, block.label);
                return;
            }
            if block.label.region.is_none() && block.label.file == outer.label.file {
                block.label.region.clone_from(&outer.label.region);
            }
            let label = outer.label.clone();
            self.write(block.start.before(), &label);
        }
        self.at = Some(block.start);
        self.open.push(block);
    }

    /// Writes what is left of every open block that ends before `until`.
    fn close_before(&mut self, until: Option<T>) {
        while let Some(block) = self.open.pop_if(|block| until.is_none_or(|until| block.end < until)) {
            self.write(Some(block.end), &block.label);
            // After the very last address there is nothing left of the outer blocks either.
            self.at = block.end.next();
        }
    }

    fn write(&mut self, to: Option<T>, label: &Label) {
        let (Some(from), Some(to)) = (self.at, to) else { return };
        if from > to {
            return;
        }
        let index = self.labels.index_of(label);
        match self.out.last_mut() {
            Some((_, last, same)) if *same == index && last.next() == Some(from) => *last = to,
            _ => self.out.push((from, to, index)),
        }
    }
}

/// Two labels of one block: of the same file each gives what the other lacks, and the word for
/// everything (`AMAZON`) gives way to a service; of two files the first stays.
fn merge(kept: &mut Label, other: Label) {
    if kept.file != other.file {
        return;
    }
    let says_nothing = kept.service.as_deref().is_none_or(|service| service == AWS_EVERYTHING);
    if says_nothing && other.service.is_some() {
        kept.service = other.service;
    }
    if kept.region.is_none() {
        kept.region = other.region;
    }
}
