//! Exemptions in place: comments and annotations.
//!
//! A comment `# nightlatch:ignore POD-001,POD-005 until=2027-01-31 node agent` exempts the value that begins on its
//! line, with all in it; when it stands alone on its line, the value that begins on the next line with anything on it.
//! An annotation `nightlatch.dev/ignore: "POD-001 container=init until=2027-01-31 node agent; POD-005 ..."` on an
//! object or on its pod template exempts the object.

use jiff::civil::Date;
use nightlatch_manifest::{Corpus, Node, Source, SourceId};

use crate::{UnknownRule, rule};

/// What a comment begins with.
pub const COMMENT_MARK: &str = "nightlatch:ignore";
/// The annotation.
pub const ANNOTATION: &str = "nightlatch.dev/ignore";

/// One exemption in place.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Exempt {
    pub rules: Vec<&'static str>,
    pub container: Option<String>,
    pub until: Option<Date>,
    pub reason: String,
}

/// What is wrong with the text of an exemption.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct BadExempt(pub String);

impl Exempt {
    /// Reads `RULE[,RULE...] [container=NAME] [until=DAY] [reason]`.
    pub(crate) fn parse(text: &str) -> Result<Self, BadExempt> {
        let mut exempt = Self { rules: Vec::new(), container: None, until: None, reason: String::new() };
        let mut words = text.split_whitespace().peekable();
        let mut goes_on = true;
        while goes_on {
            let Some(word) = words.next() else { break };
            goes_on = word.ends_with(',');
            for name in word.split(',').filter(|name| !name.is_empty()) {
                let found = rule(name).map_err(|UnknownRule { word, nearest }| {
                    BadExempt(match nearest {
                        Some(nearest) => format!("there is no rule `{word}`; `{nearest}` was probably meant"),
                        None => format!("there is no rule `{word}`"),
                    })
                })?;
                exempt.rules.push(found.id);
            }
        }
        if exempt.rules.is_empty() {
            return Err(BadExempt("an exemption names at least one rule, such as POD-001".into()));
        }
        while let Some(word) = words.next() {
            if let Some(name) = word.strip_prefix("container=") {
                exempt.container = Some(name.to_owned());
            } else if let Some(day) = word.strip_prefix("until=") {
                let day = day
                    .parse()
                    .map_err(|_| BadExempt("`until=` is followed by a day such as 2027-01-31".to_owned()))?;
                exempt.until = Some(day);
            } else {
                let rest: Vec<&str> = std::iter::once(word).chain(words.by_ref()).collect();
                exempt.reason = rest
                    .join(" ")
                    .trim_start_matches("reason=")
                    .trim_matches('"')
                    .chars()
                    .take(500)
                    .collect();
            }
        }
        Ok(exempt)
    }
}

/// An exempting comment: what it exempts and the line on which that begins.
#[derive(Clone, Debug)]
pub(crate) struct CommentExempt {
    pub source: SourceId,
    /// Line of the comment.
    pub line: u32,
    /// Line on which the exempt value begins.
    pub covers: u32,
    pub exempt: Result<Exempt, BadExempt>,
}

/// All exempting comments of a corpus.
pub(crate) fn comments(corpus: &Corpus) -> Vec<CommentExempt> {
    let mut found = Vec::new();
    for (index, source) in corpus.sources.iter().enumerate() {
        if !source.text.contains(COMMENT_MARK) {
            continue;
        }
        let id = SourceId(index as u32);
        for line in nightlatch_manifest::comment_lines(source, COMMENT_MARK) {
            let text = source.line(line);
            let Some(at) = text.find(COMMENT_MARK) else { continue };
            let Some((before, _)) = text[..at].rsplit_once('#') else { continue };
            let covers = if before.trim().is_empty() { next_line_with_content(source, line) } else { line };
            let exempt = Exempt::parse(&text[at + COMMENT_MARK.len()..]);
            found.push(CommentExempt { source: id, line, covers, exempt });
        }
    }
    found
}

fn next_line_with_content(source: &Source, after: u32) -> u32 {
    let last = source.line_starts().len() as u32;
    (after + 1..=last)
        .find(|&line| {
            let text = source.line(line).trim_start();
            !text.is_empty() && !text.starts_with('#') && !text.starts_with("---")
        })
        .unwrap_or(last)
}

/// The lines on which `node`, its key, and everything around it begin, innermost first, up to the document's root.
pub(crate) fn lines_around(source: &Source, node: Node<'_>) -> Vec<u32> {
    let mut lines = Vec::new();
    let mut at = Some(node);
    while let Some(node) = at {
        lines.push(source.place(node.key().unwrap_or(node).span().start).line);
        lines.push(source.place(node.span().start).line);
        at = node.parent();
    }
    lines.dedup();
    lines
}

/// False when no source has the annotation. A key may be written with escapes; texts with one that could be it are not
/// looked into further.
pub(crate) fn may_have_annotations(corpus: &Corpus) -> bool {
    corpus.sources.iter().any(|source| source.text.contains(ANNOTATION) || source.text.contains('\\'))
}

/// The exemptions in the annotation of a metadata node, each with the annotation's value for its place.
pub(crate) fn annotations<'a>(metadata: Node<'a>) -> Vec<(Node<'a>, Result<Exempt, BadExempt>)> {
    let Some(value) = metadata.get("annotations").and_then(|annotations| annotations.get(ANNOTATION)) else {
        return Vec::new();
    };
    value
        .text()
        .split(';')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .take(200)
        .map(|entry| (value, Exempt::parse(entry)))
        .collect()
}
