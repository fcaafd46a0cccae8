//! Where the findings of one rule are kept until the report is written.

use std::ops::Index;

use crate::Found;

/// Findings of one block.
const BLOCK: usize = 64;

/// Findings in the order found, in blocks: a list that grows by being copied would take twice the memory, and of an estate
/// there are tens of thousands.
#[derive(Debug, Default)]
pub(crate) struct Kept<'a> {
    /// All but the last have [`BLOCK`] findings.
    blocks: Vec<Vec<Found<'a>>>,
}

impl<'a> Kept<'a> {
    pub(crate) fn push(&mut self, found: Found<'a>) {
        match self.blocks.last_mut().filter(|block| block.len() < BLOCK) {
            Some(block) => block.push(found),
            None => {
                // Most rules find little.
                let capacity = if self.blocks.is_empty() { 1 } else { BLOCK };
                let mut block = Vec::with_capacity(capacity);
                block.push(found);
                self.blocks.push(block);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.blocks.last().map_or(0, |last| (self.blocks.len() - 1) * BLOCK + last.len())
    }

    pub(crate) fn last(&self) -> Option<&Found<'a>> {
        self.blocks.last()?.last()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Found<'a>> {
        self.blocks.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Found<'a>> {
        self.blocks.iter_mut().flatten()
    }

    /// Drops those of which `keeps` says so, asked in order.
    pub(crate) fn retain(&mut self, mut keeps: impl FnMut(&Found<'a>) -> bool) {
        for found in std::mem::take(&mut self.blocks).into_iter().flatten() {
            if keeps(&found) {
                self.push(found);
            }
        }
    }
}

impl<'a> Index<usize> for Kept<'a> {
    type Output = Found<'a>;

    fn index(&self, index: usize) -> &Found<'a> {
        &self.blocks[index / BLOCK][index % BLOCK]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nightlatch_manifest::{Document, Format, Kind, SourceId, Span, TreeBuilder};

    use super::*;
    use crate::Subject;

    fn document() -> Option<Document> {
        let mut tree = TreeBuilder::new(SourceId(0), 0, Format::Yaml, Arc::from("x"));
        let span = Span { start: 0, end: 1 };
        tree.scalar_slice(span, Kind::String, span);
        tree.finish(1)
    }

    #[test]
    fn what_is_kept_is_what_was_found() {
        let document = document();
        let Some(document) = &document else { panic!("the tree has a node") };
        let subject = Subject::document(document, "File", "x");
        for count in [0, 1, 63, 64, 65, 128, 200] {
            let mut kept = Kept::default();
            for number in 0..count {
                kept.push(Found::new(subject, document.root(), number.to_string()));
            }
            let told =
                |kept: &Kept<'_>| kept.iter().map(|found| found.message.to_string()).collect::<Vec<_>>();
            let all: Vec<String> = (0..count).map(|number| number.to_string()).collect();
            let check = |kept: &mut Kept<'_>, expected: &[String]| {
                assert_eq!(told(kept), expected);
                assert_eq!(kept.len(), expected.len());
                assert_eq!(kept.last().map(|found| found.message.to_string()).as_ref(), expected.last());
                for (index, text) in expected.iter().enumerate() {
                    assert_eq!(kept[index].message, *text);
                }
                let backwards = kept.iter_mut().rev().map(|found| found.message.to_string());
                assert!(backwards.eq(expected.iter().rev().cloned()));
            };
            check(&mut kept, &all);
            kept.retain(|found| !found.message.ends_with('3'));
            let left: Vec<String> = all.into_iter().filter(|text| !text.ends_with('3')).collect();
            check(&mut kept, &left);
        }
    }
}
