//! Lines for a terminal: neutralised, cut or wrapped to the width, coloured last.

use std::io::{self, Write};

use nightlatch_untrusted::{terminal, terminal_width};

use crate::style::{Paint, Style};

/// Writes lines in one style.
pub(crate) struct Page<'w> {
    out: &'w mut dyn Write,
    pub(crate) style: Style,
}

/// A cell of a line: already of the wanted number of columns.
pub(crate) struct Cell {
    shown: String,
    paint: Paint,
}

impl<'w> Page<'w> {
    pub(crate) fn new(out: &'w mut dyn Write, style: Style) -> Self {
        Self { out, style }
    }

    /// Foreign text as it may be shown here: on one line, without anything a terminal obeys.
    pub(crate) fn shown(&self, text: &str) -> String {
        let safe = terminal(text);
        if self.style.unicode || safe.is_ascii() {
            return safe;
        }
        let mut out = String::with_capacity(safe.len() * 2);
        for c in safe.chars() {
            if c.is_ascii() {
                out.push(c);
            } else {
                out.extend(c.escape_unicode());
            }
        }
        out
    }

    /// `text` cut to at most `columns`, with a sign where something was left out.
    pub(crate) fn cut(&self, text: &str, columns: usize) -> String {
        let shown = self.shown(text);
        if terminal_width(&shown) <= columns {
            return shown;
        }
        let sign = self.style.ellipsis();
        let sign = if terminal_width(sign) <= columns { sign } else { "" };
        let mut out = prefix(&shown, columns - terminal_width(sign)).to_owned();
        out.push_str(sign);
        out
    }

    /// A cell of exactly `columns`, filled up with spaces on the right.
    pub(crate) fn cell(&self, text: &str, columns: usize, paint: Paint) -> Cell {
        let mut shown = self.cut(text, columns);
        let used = terminal_width(&shown);
        shown.extend(std::iter::repeat_n(' ', columns.saturating_sub(used)));
        Cell { shown, paint }
    }

    /// As [`Page::cell`], filled up on the left: for numbers.
    pub(crate) fn number(&self, text: &str, columns: usize, paint: Paint) -> Cell {
        let cut = self.cut(text, columns);
        let fill = columns.saturating_sub(terminal_width(&cut));
        Cell { shown: format!("{:fill$}{cut}", ""), paint }
    }

    /// Cells with `gap` spaces between them; spaces at the end of the line are dropped.
    pub(crate) fn line(&mut self, indent: usize, gap: usize, cells: &[Cell]) -> io::Result<()> {
        let mut pending = indent;
        for (position, cell) in cells.iter().enumerate() {
            if position > 0 {
                pending += gap;
            }
            let body = cell.shown.trim_end_matches(' ');
            let lead = body.len() - body.trim_start_matches(' ').len();
            if body.is_empty() {
                pending += cell.shown.len();
                continue;
            }
            write!(self.out, "{:1$}", "", pending + lead)?;
            self.paint(&body[lead..], cell.paint)?;
            pending = cell.shown.len() - body.len();
        }
        writeln!(self.out)
    }

    /// A line of text, cut to the width; as every line, without spaces at its end.
    pub(crate) fn text(&mut self, text: &str, paint: Paint) -> io::Result<()> {
        let shown = self.cut(text, self.style.columns());
        self.paint(shown.trim_end_matches(' '), paint)?;
        writeln!(self.out)
    }

    pub(crate) fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// `label` and then `text`, wrapped at words under itself, in at most `lines_max` lines.
    pub(crate) fn paragraph(
        &mut self,
        indent: usize,
        label: &str,
        text: &str,
        paint: Paint,
        lines_max: usize,
    ) -> io::Result<()> {
        let hang = indent + terminal_width(label);
        let columns = self.style.columns().saturating_sub(hang).max(1);
        let lines = self.wrap(text, columns, lines_max);
        for (number, line) in lines.iter().enumerate() {
            if number == 0 {
                write!(self.out, "{:indent$}", "")?;
                self.paint(label, Paint::Dim)?;
            } else {
                write!(self.out, "{:hang$}", "")?;
            }
            self.paint(line, paint)?;
            writeln!(self.out)?;
        }
        Ok(())
    }

    fn paint(&mut self, shown: &str, paint: Paint) -> io::Result<()> {
        match paint.parameters().filter(|_| self.style.colour && !shown.is_empty()) {
            Some(parameters) => write!(self.out, "\x1b[{parameters}m{shown}\x1b[0m"),
            None => self.out.write_all(shown.as_bytes()),
        }
    }

    /// Breaks at spaces, and inside words that are wider than a line; the last line says when it was cut.
    pub(crate) fn wrap(&self, text: &str, columns: usize, lines_max: usize) -> Vec<String> {
        let shown = self.shown(text);
        let mut rest = shown.trim();
        let mut lines = Vec::new();
        while !rest.is_empty() {
            if lines.len() + 1 == lines_max {
                lines.push(self.cut(rest, columns));
                break;
            }
            let (line, tail) = split_line(rest, columns);
            lines.push(line.trim_end().to_owned());
            rest = tail.trim_start();
        }
        lines
    }
}

/// The longest beginning of already neutralised `shown` that takes at most `columns`.
fn prefix(shown: &str, columns: usize) -> &str {
    let mut used = 0;
    let mut encoded = [0; 4];
    for (at, c) in shown.char_indices() {
        used += terminal_width(c.encode_utf8(&mut encoded));
        if used > columns {
            return &shown[..at];
        }
    }
    shown
}

fn split_line(rest: &str, columns: usize) -> (&str, &str) {
    let fits = prefix(rest, columns);
    if fits.len() == rest.len() {
        return (rest, "");
    }
    let next_is_space = rest[fits.len()..].starts_with(' ');
    let end = if next_is_space { Some(fits.len()) } else { fits.rfind(' ').filter(|at| *at > 0) };
    // A single character wider than the line still has to move on.
    let first = rest.chars().next().map_or(rest.len(), char::len_utf8);
    rest.split_at(end.unwrap_or(fits.len()).max(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(text: &str, columns: usize, lines_max: usize) -> Vec<String> {
        let mut out = Vec::new();
        Page::new(&mut out, Style { unicode: true, ..Style::PLAIN }).wrap(text, columns, lines_max)
    }

    #[test]
    fn words_are_kept_whole_where_they_fit() {
        assert_eq!(wrapped("one two three", 7, 9), ["one two", "three"]);
        assert_eq!(wrapped("one two three", 8, 9), ["one two", "three"]);
        assert_eq!(wrapped("abcdefgh ij", 4, 9), ["abcd", "efgh", "ij"]);
        assert_eq!(wrapped("  ", 4, 9), Vec::<String>::new());
        assert_eq!(wrapped("one two three", 7, 1), ["one tw…"]);
        assert_eq!(wrapped("漢字漢字", 5, 9), ["漢字", "漢字"]);
    }

    #[test]
    fn ascii_terminals_get_ascii() {
        let mut out = Vec::new();
        let page = Page::new(&mut out, Style::PLAIN);
        assert_eq!(page.cut("Grüße an alle", 12), "Gr\\u{fc}\\...");
        assert_eq!(page.cut("abcdef", 2), "ab");
        assert_eq!(page.cut("abcdef", 5), "ab...");
    }
}
