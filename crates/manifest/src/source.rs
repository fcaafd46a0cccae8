//! One text that was read, and places in it.

use std::sync::{Arc, OnceLock};

use nightlatch_untrusted::Text;

/// Which [`Source`] of a [`crate::Corpus`]; an index.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct SourceId(pub u32);

/// A half-open range of bytes in one source.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// First byte after it.
    pub end: u32,
}

/// A place for people: both numbers count from 1, the column in characters.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Place {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters (not bytes), from 1.
    pub column: u32,
}

/// One text: a file, one member of a rendered chart, one page of a cluster's answer, standard input.
#[derive(Debug)]
pub struct Source {
    /// What to call it: a path relative to where the user stands, `-` for standard input, `cluster:NAME` for a cluster.
    pub name: Text,
    /// The whole text. A byte order mark at its start is part of it, so that spans are those of the file.
    pub text: Arc<str>,
    lines: OnceLock<Vec<u32>>,
}

impl Source {
    /// Takes a text of less than 4 GiB; longer ones are for the reader to refuse.
    pub fn new(name: impl Into<Text>, text: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), text: text.into(), lines: OnceLock::new() }
    }

    /// The place of a byte. Lines end with `\n`, `\r\n` or a lone `\r`, as YAML 1.2 (5.4) has it.
    pub fn place(&self, offset: u32) -> Place {
        let lines = self.line_starts();
        let line = lines.partition_point(|&start| start <= offset).saturating_sub(1);
        let start = lines.get(line).copied().unwrap_or(0) as usize;
        let end = (offset as usize).clamp(start, self.text.len());
        let column = self.text.as_bytes()[start..end].iter().filter(|&&byte| byte & 0xC0 != 0x80).count();
        Place { line: line as u32 + 1, column: column as u32 + 1 }
    }

    /// The text of a line without its end; empty when there is none. Lines count from 1.
    pub fn line(&self, line: u32) -> &str {
        let lines = self.line_starts();
        let index = line.saturating_sub(1) as usize;
        let Some(&start) = lines.get(index) else { return "" };
        let end = lines.get(index + 1).map_or(self.text.len(), |&end| end as usize);
        self.text.get(start as usize..end).unwrap_or("").trim_end_matches(['\r', '\n'])
    }

    /// Where each line starts, in bytes; the first is 0. Made when first asked for.
    pub fn line_starts(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let bytes = self.text.as_bytes();
            let mut starts = vec![0];
            starts.extend(
                memchr::memchr2_iter(b'\n', b'\r', bytes)
                    .filter(|&at| bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n'))
                    .map(|at| at as u32 + 1),
            );
            starts
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters_and_any_line_end() {
        let source = Source::new("a", "ä: 1\r\nb: 2\rc\n");
        let check = |offset, line, column| assert_eq!(source.place(offset), Place { line, column });
        check(0, 1, 1);
        check(2, 1, 2);
        check(7, 2, 1);
        check(12, 3, 1);
        check(900, 4, 1);
        assert_eq!(source.line(2), "b: 2");
        assert_eq!(source.line(9), "");
    }
}
