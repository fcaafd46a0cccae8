use std::{fmt, ops::Range};

use nightlatch_untrusted::{terminal, terminal_cut, terminal_width};

/// Columns of the query that a drawing shows before and after the place of the error.
const AROUND_COLUMNS: usize = 36;

/// Columns of the query that a message repeats.
const FOUND_COLUMNS: usize = 60;

/// What is found where nothing is, and where only white space is.
const END: &str = "end of query";
const SPACE: &str = "a space";

/// What is wrong with a query.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum QueryErrorKind {
    /// No field has this name.
    UnknownField,
    /// A closed list of words does not hold this one.
    UnknownWord,
    /// A value is needed and there is none.
    MissingValue,
    /// The value is not of the field's type.
    BadValue,
    /// The value is of the right type and outside the bounds.
    OutOfRange,
    /// The first bound is greater than the second.
    ReversedRange,
    /// `<`, `>`, `=` or a wildcard on a field that cannot be asked so.
    NotComparable,
    /// A wildcard with too little text around it.
    BroadPattern,
    /// Nothing that could be searched for: punctuation only.
    NoWords,
    /// A double quote that is never closed.
    UnclosedQuote,
    /// An opening parenthesis that is never closed.
    UnclosedParenthesis,
    /// A closing parenthesis without an opening one.
    StrayParenthesis,
    /// An operator or parenthesis with nothing to work on.
    MissingTerm,
    /// Two terms without a space between them.
    Glued,
    /// `history:` or `latest:` inside an alternative, a negation or parentheses, or given twice.
    Misplaced,
    /// More bytes than a query may have.
    TooLong,
    /// More nesting than a query may have.
    TooDeep,
    /// More words and values than a query may have.
    TooMany,
}

impl QueryErrorKind {
    const fn phrase(self) -> &'static str {
        match self {
            Self::UnknownField => "unknown field",
            Self::UnknownWord => "unknown word",
            Self::MissingValue => "missing value before",
            Self::BadValue => "bad value",
            Self::OutOfRange => "value out of range",
            Self::ReversedRange => "reversed range",
            Self::NotComparable => "impossible comparison",
            Self::BroadPattern => "too broad a wildcard",
            Self::NoWords => "no letter or digit to search for in",
            Self::UnclosedQuote => "unclosed quote",
            Self::UnclosedParenthesis => "unclosed parenthesis",
            Self::StrayParenthesis => "unopened parenthesis",
            Self::MissingTerm => "missing word or filter before",
            Self::Glued => "missing space before",
            Self::Misplaced => "misplaced",
            Self::TooLong => "query too long",
            Self::TooDeep => "query nested too deeply at",
            Self::TooMany => "too many words and values at",
        }
    }
}

/// Why a query was refused, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct QueryError {
    /// The sort of mistake.
    pub kind: QueryErrorKind,
    /// Bytes of the query to point at; empty at the end of the query.
    pub span: Range<usize>,
    /// What stands there, safe to show; `end of query` where there is nothing, `a space` for white space.
    pub found: String,
    /// What should stand there.
    pub expected: String,
    /// The most similar known field or word, if one is similar.
    pub nearest: Option<String>,
    /// What to do, in one line; may be empty.
    pub hint: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.kind.phrase())?;
        if [END, SPACE].contains(&self.found.as_str()) {
            f.write_str(&self.found)?;
        } else {
            write!(f, "`{}`", self.found)?;
        }
        write!(f, ", expected {}", self.expected)
    }
}

impl QueryError {
    pub(crate) fn new(
        kind: QueryErrorKind,
        query: &str,
        span: Range<usize>,
        expected: impl Into<String>,
    ) -> Self {
        let found = match query.get(span.clone()) {
            Some("") | None => END.to_owned(),
            Some(space) if space.chars().all(char::is_whitespace) => SPACE.to_owned(),
            Some(text) => terminal_cut(text, FOUND_COLUMNS),
        };
        Self { kind, span, found, expected: expected.into(), nearest: None, hint: String::new() }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    pub(crate) fn nearest(mut self, nearest: Option<impl Into<String>>) -> Self {
        self.nearest = nearest.map(Into::into);
        self
    }

    /// Draws the line of `query` with carets under the place, then the advice; safe for a terminal.
    ///
    /// - `query`: the text that was parsed; long lines are cut around the place.
    /// - returns lines without a newline at the end.
    pub fn render(&self, query: &str) -> String {
        let mut out = self.to_string();
        let (shown, indent, width) = self.drawing(query);
        out.push_str(&format!("\n  {shown}\n  {}{}", " ".repeat(indent), "^".repeat(width)));
        if let Some(nearest) = &self.nearest {
            out.push_str(&format!("\nhint: did you mean `{}`?", terminal(nearest)));
        }
        if !self.hint.is_empty() {
            out.push_str("\nhint: ");
            out.push_str(&terminal(&self.hint));
        }
        out
    }

    /// The line around the span as it is shown, the column of the first caret and the number of carets.
    fn drawing(&self, query: &str) -> (String, usize, usize) {
        let start = floor_boundary(query, self.span.start);
        let end = floor_boundary(query, self.span.end).max(start);
        let line_start = query[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = query[start..].find('\n').map_or(query.len(), |at| start + at);
        let end = end.min(line_end).max(start);
        let before = shown_tail(&query[line_start..start]);
        let marked = terminal_cut(&query[start..end], 2 * AROUND_COLUMNS);
        let after = terminal_cut(&query[end..line_end], AROUND_COLUMNS);
        let (indent, width) = (terminal_width(&before), terminal_width(&marked).max(1));
        (format!("{before}{marked}{after}"), indent, width)
    }
}

/// The end of `text`, neutralised, with a leading `…` where something was left out.
fn shown_tail(text: &str) -> String {
    let mut used = 0;
    for (at, c) in text.char_indices().rev() {
        used += terminal_width(&terminal(c.encode_utf8(&mut [0; 4])));
        if used > AROUND_COLUMNS {
            return format!("…{}", terminal(&text[at + c.len_utf8()..]));
        }
    }
    terminal(text)
}

fn floor_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use nightlatch_asset::Timestamp;

    use crate::parse;

    fn drawn(query: &str) -> String {
        parse(query, Timestamp::UNIX_EPOCH).unwrap_err().render(query)
    }

    #[test]
    fn the_caret_stands_under_the_mistake() {
        assert_eq!(
            drawn("country:DE prot:443"),
            "unknown field `prot`, expected a field name\n  country:DE prot:443\n             ^^^^\nhint: did you mean `port`?"
        );
        assert_eq!(
            drawn("a OR"),
            "missing word or filter before end of query, expected a word, a phrase, a filter or `(`\n  a OR\n      ^"
        );
    }

    #[test]
    fn spaces_are_named() {
        assert_eq!(
            drawn("port: 80"),
            "missing value before a space, expected a value\n  port: 80\n       ^\n\
             hint: no space after `:` and `,`; `field:*` means any value, `-field:*` none"
        );
    }

    #[test]
    fn what_a_terminal_obeys_is_shown_not_sent() {
        let drawn = drawn("\u{1b}[2J\u{202e} port:99999999\u{7}");
        assert!(!drawn.contains(['\u{1b}', '\u{202e}', '\u{7}']), "{drawn}");
        let mut lines = drawn.lines().skip(1);
        let (query, carets) = (lines.next().unwrap(), lines.next().unwrap());
        assert_eq!(query.find("99999999"), carets.find('^'));
    }

    #[test]
    fn long_and_multi_line_queries_are_cut_around_the_place() {
        let query = format!("first\n{} port:70000 {}", "a ".repeat(500), "b ".repeat(500));
        let drawn = drawn(&query);
        assert!(drawn.lines().all(|line| line.chars().count() < 200), "{drawn}");
        let lines: Vec<_> = drawn.lines().collect();
        let column = |line: &str, c: char| line.chars().position(|x| x == c);
        assert_eq!(column(lines[1], '7'), column(lines[2], '^'));
        assert!(lines[1].contains("port:70000"));
    }
}
