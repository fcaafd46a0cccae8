//! TOML: containerd and CRI-O.

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::Out;
use crate::{Format, Kind, Span, TreeBuilder};

/// Reads the text from byte `start` on as one document.
pub(super) fn read(out: &mut Out<'_>, start: usize) {
    let text = out.text.clone();
    let body = &text[start..];
    let table = match DeTable::parse(body) {
        Ok(table) => table,
        Err(error) => {
            let at = start + error.span().map_or(0, |span| span.start);
            out.error(at, &format!("not valid TOML: {}", error.message()));
            return;
        }
    };
    let mut writer =
        Writer { start, end: text.len(), tree: out.builder(Format::Toml), depth_max: out.limits.depth_max };
    match writer.table(table.get_ref(), 0..body.len(), 0) {
        Ok(()) => {
            let document = writer.tree.finish(text.len() as u32);
            out.push(document);
        }
        Err(at) => {
            let most = out.limits.depth_max;
            out.error(at, &format!("the document is nested deeper than {most} levels"));
        }
    }
}

struct Writer {
    start: usize,
    end: usize,
    tree: TreeBuilder,
    depth_max: u32,
}

type Range = std::ops::Range<usize>;

impl Writer {
    fn span(&self, range: &Range) -> Span {
        let place = |at: usize| (self.start + at).min(self.end) as u32;
        Span { start: place(range.start), end: place(range.end) }
    }

    fn table(&mut self, table: &DeTable<'_>, range: Range, depth: u32) -> Result<(), usize> {
        let span = self.span(&range);
        if depth >= self.depth_max {
            return Err(span.start as usize);
        }
        self.tree.open(span.start, Kind::Mapping);
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut end = span.end;
        for (key, value) in entries {
            self.scalar(&key.span(), Kind::String, key.get_ref());
            self.value(value, depth + 1)?;
            end = end.max(self.span(&value.span()).end);
        }
        self.tree.close(end);
        Ok(())
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, depth: u32) -> Result<(), usize> {
        let range = value.span();
        match value.get_ref() {
            DeValue::String(text) => self.scalar(&range, Kind::String, text),
            DeValue::Integer(number) => {
                let prefix = match number.radix() {
                    16 => "0x",
                    8 => "0o",
                    2 => "0b",
                    _ => "",
                };
                self.scalar(&range, Kind::Int, &format!("{prefix}{}", number.as_str()));
            }
            DeValue::Float(number) => self.scalar(&range, Kind::Float, number.as_str()),
            DeValue::Boolean(value) => self.scalar(&range, Kind::Bool, if *value { "true" } else { "false" }),
            DeValue::Datetime(date) => self.scalar(&range, Kind::String, &date.to_string()),
            DeValue::Table(table) => self.table(table, range, depth)?,
            DeValue::Array(items) => {
                let span = self.span(&range);
                if depth >= self.depth_max {
                    return Err(span.start as usize);
                }
                self.tree.open(span.start, Kind::Sequence);
                for item in items.iter() {
                    self.value(item, depth + 1)?;
                }
                self.tree.close(span.end);
            }
        }
        Ok(())
    }

    fn scalar(&mut self, range: &Range, kind: Kind, text: &str) {
        let span = self.span(range);
        if self.tree.text().get(span.start as usize..span.end as usize) == Some(text) {
            self.tree.scalar_slice(span, kind, span);
        } else {
            self.tree.scalar_text(span, kind, text);
        }
    }
}
