//! Comments that say something to us.

use crate::{Corpus, Document, Input, Kind, NodeId, Source, SourceId};

impl Corpus {
    /// The lines (from 1) of a source in whose comment `mark` stands. What looks like a comment inside a text is none.
    pub fn comment_lines(&self, id: SourceId, mark: &str) -> Vec<u32> {
        let source = self.source(id);
        let documents = self.documents.iter().filter(|document| document.source == id);
        lines(source, documents, mark)
    }
}

/// The lines (from 1) of a source in whose comment `mark` stands, for callers that have no corpus: reads the source again
/// when the mark stands in it at all.
pub fn comment_lines(source: &Source, mark: &str) -> Vec<u32> {
    if !source.text.contains(mark) {
        return Vec::new();
    }
    let corpus = Corpus::read([Input { name: source.name.clone(), bytes: source.text.as_bytes().to_vec() }]);
    lines(source, corpus.documents.iter(), mark)
}

fn lines<'d>(source: &Source, documents: impl Iterator<Item = &'d Document>, mark: &str) -> Vec<u32> {
    let text: &str = &source.text;
    // Where a comment starts, for each mark that may be in one.
    let mut starts: Vec<u32> = Vec::new();
    for (at, _) in text.match_indices(mark) {
        let line_start = text[..at].rfind(['\n', '\r']).map_or(0, |end| end + 1);
        let before = &text[line_start..at];
        let hash = before.char_indices().find(|&(index, c)| {
            c == '#'
                && (index == 0
                    || before[..index].ends_with([' ', '\t'])
                    || before[..index].ends_with('\u{FEFF}'))
        });
        starts.extend(hash.map(|(index, _)| (line_start + index) as u32));
    }
    if starts.is_empty() {
        return Vec::new();
    }
    starts.dedup();
    let mut is_text = vec![false; starts.len()];
    for document in documents {
        for (id, slot) in document.slots.iter().enumerate() {
            if matches!(slot.kind, Kind::Mapping | Kind::Sequence) {
                continue;
            }
            let first = starts.partition_point(|&at| at <= slot.span.start);
            for (index, &at) in
                starts.iter().enumerate().skip(first).take_while(|&(_, &at)| at < slot.span.end)
            {
                is_text[index] |= !is_behind_header(document, NodeId(id as u32), at);
            }
        }
    }
    let comments = starts.into_iter().zip(is_text).filter(|(_, is_text)| !is_text);
    let mut found: Vec<u32> = comments.map(|(at, _)| source.place(at).line).collect();
    found.dedup();
    found
}

/// True for a comment in the line of a block scalar's `|`.
fn is_behind_header(document: &Document, node: NodeId, at: u32) -> bool {
    let start = document.node(node).span().start as usize;
    document
        .text()
        .get(start..at as usize)
        .is_some_and(|text| text.starts_with(['|', '>']) && !text.contains(['\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_comments_count() {
        let text = "# nl:x\na: \"# nl:x\"  # nl:x\nb: |  # nl:x\n  # nl:x\n  t\nc: a#nl:x\nd: '\n  # nl:x'\n  # nl:x nl:x\n";
        let source = Source::new("a.yaml".to_owned(), text);
        assert_eq!(comment_lines(&source, "nl:x"), [1, 2, 3, 9]);
    }
}
