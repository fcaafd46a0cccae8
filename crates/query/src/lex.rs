//! Cuts a query into operators, parentheses and terms. Every character is read once.

use std::ops::Range;

use crate::{QueryError, QueryErrorKind};

/// One element of a query.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) span: Range<usize>,
    pub(crate) kind: TokenKind,
}

#[derive(Debug)]
pub(crate) enum TokenKind {
    End,
    Open,
    Close,
    Or,
    And,
    Not,
    /// A word or phrase without a field.
    Word(Value),
    Filter(Filter),
}

/// `name:value,value`
#[derive(Debug)]
pub(crate) struct Filter {
    pub(crate) name: Range<usize>,
    /// Never empty.
    pub(crate) values: Vec<Value>,
}

/// A comparison sign before a value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sign {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
}

/// One value, with the knowledge of what was escaped.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) span: Range<usize>,
    pub(crate) sign: Option<Sign>,
    pub(crate) quoted: bool,
    chars: Vec<Lit>,
}

#[derive(Clone, Copy, Debug)]
struct Lit {
    at: usize,
    c: char,
    escaped: bool,
}

impl Value {
    /// The text itself, escapes undone.
    pub(crate) fn text(&self) -> String {
        self.chars.iter().map(|lit| lit.c).collect()
    }

    /// True when a `*` or `?` in it stands for something else.
    pub(crate) fn has_wildcard(&self) -> bool {
        !self.quoted && self.chars.iter().any(Lit::is_wildcard)
    }

    /// True when a `*` stands in quotes, where it is a character like any other.
    pub(crate) fn has_quoted_star(&self) -> bool {
        self.quoted && self.chars.iter().any(|lit| lit.c == '*' && !lit.escaped)
    }

    /// True for `*`, alone or repeated.
    pub(crate) fn is_star(&self) -> bool {
        !self.quoted && !self.chars.is_empty() && self.chars.iter().all(|lit| lit.c == '*' && !lit.escaped)
    }

    /// The characters that stand for themselves.
    pub(crate) fn literals(&self) -> impl Iterator<Item = char> + '_ {
        self.chars.iter().filter(|lit| self.quoted || !lit.is_wildcard()).map(|lit| lit.c)
    }

    /// The characters before the first wildcard.
    pub(crate) fn literals_in_front(&self) -> usize {
        self.chars.iter().take_while(|lit| !lit.is_wildcard()).count()
    }

    /// As a glob: literal `*`, `?` and `\` escaped, runs of `*` made one; not yet folded.
    pub(crate) fn glob(&self) -> String {
        let mut out = String::with_capacity(self.chars.len());
        let mut after_star = false;
        for lit in &self.chars {
            let wildcard = lit.is_wildcard();
            let star = wildcard && lit.c == '*';
            if star && after_star {
                continue;
            }
            if !wildcard && matches!(lit.c, '*' | '?' | '\\') {
                out.push('\\');
            }
            out.push(lit.c);
            after_star = star;
        }
        out
    }

    /// The parts between commas of a quoted value, white space around them removed; else itself.
    pub(crate) fn split(self) -> Vec<Self> {
        if !self.quoted {
            return vec![self];
        }
        self.chars
            .split(|lit| lit.c == ',' && !lit.escaped)
            .map(|part| {
                let part = trimmed(part);
                let span = match (part.first(), part.last()) {
                    (Some(first), Some(last)) => first.at..last.at + last.c.len_utf8(),
                    _ => self.span.clone(),
                };
                Self { span, sign: self.sign, quoted: true, chars: part.to_vec() }
            })
            .collect()
    }
}

impl Lit {
    const fn is_wildcard(&self) -> bool {
        !self.escaped && matches!(self.c, '*' | '?')
    }
}

fn trimmed(mut part: &[Lit]) -> &[Lit] {
    while let [first, rest @ ..] = part
        && first.c.is_whitespace()
    {
        part = rest;
    }
    while let [rest @ .., last] = part
        && last.c.is_whitespace()
    {
        part = rest;
    }
    part
}

/// Where in the query we are.
pub(crate) struct Lexer<'a> {
    pub(crate) text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next element; `End` again and again after the last one.
    pub(crate) fn next(&mut self) -> Result<Token, QueryError> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.bump();
        }
        let start = self.at;
        let kind = match self.peek() {
            None => TokenKind::End,
            Some('(') => self.single(TokenKind::Open),
            Some(')') => self.single(TokenKind::Close),
            Some('-' | '!') => self.negation()?,
            Some('|') if self.rest().starts_with("||") => self.double(TokenKind::Or),
            Some('&') if self.rest().starts_with("&&") => self.double(TokenKind::And),
            Some(_) => match self.name_before_colon() {
                Some(name) => self.filter(name)?,
                None => self.word()?,
            },
        };
        Ok(Token { span: start..self.at, kind })
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) {
        self.at += self.peek().map_or(0, char::len_utf8);
    }

    fn single(&mut self, kind: TokenKind) -> TokenKind {
        self.at += 1;
        kind
    }

    fn double(&mut self, kind: TokenKind) -> TokenKind {
        self.at += 2;
        kind
    }

    fn negation(&mut self) -> Result<TokenKind, QueryError> {
        let start = self.at;
        self.bump();
        if self.peek().is_none_or(|c| c.is_whitespace() || c == ')') {
            let error = self.error(QueryErrorKind::MissingTerm, self.here());
            let sign = &self.text[start..self.at];
            return Err(QueryError {
                expected: format!("what `{sign}` excludes, directly after it"),
                ..error
            }
            .hint(format!(
                "write `{sign}word` without a space, or quote the `{sign}` if you search for it"
            )));
        }
        Ok(TokenKind::Not)
    }

    /// Length of a field name that a colon follows.
    fn name_before_colon(&self) -> Option<usize> {
        let rest = self.rest().as_bytes();
        if !rest.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_') {
            return None;
        }
        let length = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || b"_.-".contains(b)).count();
        (rest.get(length) == Some(&b':')).then_some(length)
    }

    fn filter(&mut self, name_bytes: usize) -> Result<TokenKind, QueryError> {
        let name = self.at..self.at + name_bytes;
        self.at = name.end + 1;
        let mut values = vec![self.value()?];
        while self.peek() == Some(',') {
            self.bump();
            values.push(self.value()?);
        }
        self.boundary()?;
        Ok(TokenKind::Filter(Filter { name, values }))
    }

    fn value(&mut self) -> Result<Value, QueryError> {
        let start = self.at;
        let sign = self.sign();
        let value = if self.peek() == Some('"') { self.quoted()? } else { self.unquoted(true)? };
        let empty = value.chars.iter().all(|lit| lit.c.is_whitespace());
        if empty && !(value.quoted && sign == Some(Sign::Equal) && !value.chars.is_empty()) {
            let span = if value.quoted { value.span } else { self.here() };
            return Err(QueryError {
                expected: "a value".into(),
                ..self.error(QueryErrorKind::MissingValue, span)
            }
            .hint("no space after `:` and `,`; `field:*` means any value, `-field:*` none"));
        }
        Ok(Value { span: start..self.at, sign, ..value })
    }

    fn sign(&mut self) -> Option<Sign> {
        const SIGNS: [(&str, Sign); 5] = [
            (">=", Sign::GreaterOrEqual),
            ("<=", Sign::LessOrEqual),
            (">", Sign::Greater),
            ("<", Sign::Less),
            ("=", Sign::Equal),
        ];
        let (text, sign) = SIGNS.into_iter().find(|(text, _)| self.rest().starts_with(text))?;
        self.at += text.len();
        Some(sign)
    }

    fn word(&mut self) -> Result<TokenKind, QueryError> {
        let start = self.at;
        let value = if self.peek() == Some('"') { self.quoted()? } else { self.unquoted(false)? };
        let kind = match &self.text[start..self.at] {
            "OR" => return Ok(TokenKind::Or),
            "AND" => return Ok(TokenKind::And),
            "NOT" => return Ok(TokenKind::Not),
            _ => TokenKind::Word(value),
        };
        self.boundary()?;
        Ok(kind)
    }

    fn unquoted(&mut self, comma_ends: bool) -> Result<Value, QueryError> {
        let start = self.at;
        let mut chars = Vec::new();
        while let Some(c) = self.peek() {
            if c.is_whitespace() || matches!(c, '(' | ')' | '"') || (comma_ends && c == ',') {
                break;
            }
            chars.push(self.lit(c)?);
        }
        Ok(Value { span: start..self.at, sign: None, quoted: false, chars })
    }

    fn quoted(&mut self) -> Result<Value, QueryError> {
        let start = self.at;
        self.bump();
        let mut chars = Vec::new();
        while let Some(c) = self.peek() {
            if c == '"' {
                self.bump();
                return Ok(Value { span: start..self.at, sign: None, quoted: true, chars });
            }
            chars.push(self.lit(c)?);
        }
        let error = self.error(QueryErrorKind::UnclosedQuote, start..start + 1);
        Err(QueryError { expected: "a closing `\"`".into(), ..error }.hint("write `\\\"` for a quote itself"))
    }

    fn lit(&mut self, c: char) -> Result<Lit, QueryError> {
        let at = self.at;
        self.bump();
        if c != '\\' {
            return Ok(Lit { at, c, escaped: false });
        }
        let Some(c) = self.peek() else {
            let error = self.error(QueryErrorKind::BadValue, at..self.at);
            return Err(QueryError { expected: "a character after the backslash".into(), ..error }
                .hint("write `\\\\` for a backslash itself"));
        };
        let at = self.at;
        self.bump();
        Ok(Lit { at, c, escaped: true })
    }

    /// A term must end where a space, a closing parenthesis or nothing follows.
    fn boundary(&self) -> Result<(), QueryError> {
        if self.peek().is_none_or(|c| c.is_whitespace() || c == ')') {
            return Ok(());
        }
        let error = self.error(QueryErrorKind::Glued, self.here());
        Err(QueryError { expected: "a space".into(), ..error }.hint(
            "put a text that holds quotes or parentheses in double quotes, and `\\` before a quote in it",
        ))
    }

    /// The next character, or the end.
    fn here(&self) -> Range<usize> {
        self.at..self.at + self.peek().map_or(0, char::len_utf8)
    }

    fn error(&self, kind: QueryErrorKind, span: Range<usize>) -> QueryError {
        QueryError::new(kind, self.text, span, "")
    }
}
