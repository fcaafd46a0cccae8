use std::ops::Range;

use nightlatch_asset::{CATALOGUE, Field, Timestamp, nearest};

use crate::{
    CLAUSES_MAX, DEPTH_MAX, Expr, Match, QUERY_BYTES_MAX, QueryError, QueryErrorKind, Test,
    lex::{Filter, Lexer, Token, TokenKind, Value},
    value::{self, Context},
};

/// A query understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// What is asked for: flat (no `And` directly inside an `And`, no `Or` inside an `Or`, none of one).
    pub expr: Expr,
    /// `Some(true)` for `history:true`, `Some(false)` for `latest:true`, `None` when the query does not say.
    pub history: Option<bool>,
    /// What was understood differently from what was written.
    pub warnings: Vec<Warning>,
}

/// Something in a query that was mended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Warning {
    /// Bytes of the query.
    pub span: Range<usize>,
    /// What was done, a lowercase fragment, safe to show.
    pub message: String,
}

/// Reads a query.
///
/// - `text`: at most [`QUERY_BYTES_MAX`] bytes; empty means everything.
/// - `now`: what relative times such as `7d` count back from.
///
/// # Errors
/// [`QueryError`] with the place of the first mistake.
pub fn parse(text: &str, now: Timestamp) -> Result<Parsed, QueryError> {
    if text.len() > QUERY_BYTES_MAX {
        let expected = format!("at most {QUERY_BYTES_MAX} bytes");
        return Err(QueryError::new(QueryErrorKind::TooLong, text, QUERY_BYTES_MAX..text.len(), expected)
            .hint("ask several shorter queries"));
    }
    let mut lexer = Lexer::new(text);
    let token = lexer.next()?;
    let mut parser = Parser { lexer, token, now, depth: 0, clauses: 0, view: None, warnings: Vec::new() };
    let expr = match parser.token.kind {
        TokenKind::End => Expr::All,
        _ => parser.or()?,
    };
    if let TokenKind::Close = parser.token.kind {
        return Err(parser
            .error(
                QueryErrorKind::StrayParenthesis,
                parser.token.span.clone(),
                "an opening parenthesis before it",
            )
            .hint("remove it, or quote it if you search for it"));
    }
    Ok(Parsed { expr, history: parser.view.map(|(history, _)| history), warnings: parser.warnings })
}

/// Names that are understood in queries and are no field.
pub(crate) const PSEUDO_FIELDS: [(&str, &str); 6] = [
    (
        "after",
        "Seen at this time or later: a date, a time, or `7d` for the last seven days; also an old answer that \
         was seen again. `time:>=` asks for answers that were new then.",
    ),
    ("before", "Seen earlier than this, for the first time."),
    ("history", "`true` asks all observations ever stored, not only the newest of each endpoint."),
    ("latest", "`true`, the default, asks the newest observation of each endpoint."),
    ("has_ssl", "Whether TLS was spoken; also `has_tls`. `has_x` works for every field x."),
    ("has_ipv6", "Whether the address is an IPv6 address."),
];

/// Filters of other services that cannot be answered here, and what can be asked instead.
const ELSEWHERE: [(&str, &str); 10] = [
    ("vuln", "vulnerabilities are not guessed from versions; ask `product:` and `version:`, or `finding:`"),
    ("has_vuln", "vulnerabilities are not guessed from versions; ask `has_finding:true`"),
    ("vulns", "vulnerabilities are not guessed from versions; ask `product:` and `version:`, or `finding:`"),
    ("has_screenshot", "no screenshots are taken"),
    ("http.html", "page bodies are not kept; ask `http.title:` or `http.html_hash:`"),
    ("html", "page bodies are not kept; ask `http.title:` or `http.html_hash:`"),
    ("http.component", "ask `product:`"),
    ("ssl.jarm", "no JARM is taken; ask `ssl.cipher.name:` or `ssl.version:`"),
    ("device", "ask `product:` or `tag:`"),
    ("http", "put text with a colon in double quotes, such as `\"http://example.com\"`"),
];

struct Parser<'a> {
    lexer: Lexer<'a>,
    token: Token,
    now: Timestamp,
    depth: usize,
    clauses: usize,
    view: Option<(bool, Range<usize>)>,
    warnings: Vec<Warning>,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<Token, QueryError> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.token, next))
    }

    fn error(&self, kind: QueryErrorKind, span: Range<usize>, expected: impl Into<String>) -> QueryError {
        QueryError::new(kind, self.lexer.text, span, expected)
    }

    fn or(&mut self) -> Result<Expr, QueryError> {
        let mut branches = Vec::new();
        let mut several = false;
        loop {
            match self.and()? {
                Expr::Or(inner) => branches.extend(inner),
                other => branches.push(other),
            }
            if !matches!(self.token.kind, TokenKind::Or) {
                break;
            }
            several = true;
            self.advance()?;
        }
        if several && let Some((_, span)) = &self.view {
            return Err(self
                .error(
                    QueryErrorKind::Misplaced,
                    span.clone(),
                    "it beside the whole query, not in an alternative",
                )
                .hint("put the alternatives in parentheses: `(a OR b) history:true`"));
        }
        Ok(one_or(branches, Expr::Or))
    }

    fn and(&mut self) -> Result<Expr, QueryError> {
        let mut parts = Vec::new();
        loop {
            match self.unary()? {
                Some(Expr::And(inner)) => parts.extend(inner),
                Some(other) => parts.push(other),
                None => {}
            }
            match self.token.kind {
                TokenKind::And => drop(self.advance()?),
                TokenKind::End | TokenKind::Close | TokenKind::Or => break,
                _ => {}
            }
        }
        Ok(one_or(parts, Expr::And))
    }

    /// `None` for `history:` and `latest:`, which choose the view and filter nothing.
    fn unary(&mut self) -> Result<Option<Expr>, QueryError> {
        let token = self.advance_into_term()?;
        match token.kind {
            TokenKind::Not => {
                self.enter(&token.span)?;
                let inner = self.unary()?.unwrap_or(Expr::All);
                self.depth -= 1;
                Ok(Some(Expr::Not(Box::new(inner))))
            }
            TokenKind::Open => self.group(token.span).map(Some),
            TokenKind::Word(value) => self.word(value).map(Some),
            TokenKind::Filter(filter) => self.filter(filter, token.span),
            TokenKind::End | TokenKind::Close | TokenKind::Or | TokenKind::And => {
                Err(self.missing_term(token.span))
            }
        }
    }

    /// Takes the token that begins a term; leaves what cannot begin one, and says so.
    fn advance_into_term(&mut self) -> Result<Token, QueryError> {
        match self.token.kind {
            TokenKind::End | TokenKind::Close | TokenKind::Or | TokenKind::And => {
                Err(self.missing_term(self.token.span.clone()))
            }
            _ => self.advance(),
        }
    }

    fn missing_term(&self, span: Range<usize>) -> QueryError {
        self.error(QueryErrorKind::MissingTerm, span, "a word, a phrase, a filter or `(`")
    }

    fn enter(&mut self, span: &Range<usize>) -> Result<(), QueryError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let expected = format!("at most {DEPTH_MAX} parentheses and negations inside each other");
            return Err(self.error(QueryErrorKind::TooDeep, span.clone(), expected));
        }
        Ok(())
    }

    fn group(&mut self, open: Range<usize>) -> Result<Expr, QueryError> {
        self.enter(&open)?;
        let inner = if let TokenKind::End = self.token.kind { Expr::All } else { self.or()? };
        self.depth -= 1;
        match self.token.kind {
            TokenKind::Close => drop(self.advance()?),
            _ => {
                return Err(self
                    .error(QueryErrorKind::UnclosedParenthesis, open, "a closing `)`")
                    .hint("close it, or quote it if you search for it"));
            }
        }
        Ok(inner)
    }

    fn word(&mut self, value: Value) -> Result<Expr, QueryError> {
        if value.is_star() {
            self.count(1, &value.span)?;
            return Ok(Expr::All);
        }
        if let lower @ ("or" | "and" | "not") = &self.lexer.text[value.span.clone()] {
            let message = format!(
                "`{lower}` in lower case is a word; the operator is `{}`",
                lower.to_ascii_uppercase()
            );
            self.warnings.push(Warning { span: value.span.clone(), message });
        } else if !value.quoted
            && let Some(message) = meant_otherwise(&self.lexer.text[value.span.clone()])
        {
            self.warnings.push(Warning { span: value.span.clone(), message });
        }
        self.matching(Field::Data, vec![value])
    }

    fn matching(&mut self, field: Field, values: Vec<Value>) -> Result<Expr, QueryError> {
        let span = values.first().zip(values.last()).map_or(0..0, |(a, b)| a.span.start..b.span.end);
        let mut context = Context { query: self.lexer.text, now: self.now, warnings: &mut self.warnings };
        let tests = value::tests(field, values, &mut context)?;
        self.count(tests.len(), &span)?;
        Ok(Expr::Match(Match { field, tests }))
    }

    fn count(&mut self, clauses: usize, span: &Range<usize>) -> Result<(), QueryError> {
        self.clauses += clauses;
        if self.clauses <= CLAUSES_MAX {
            return Ok(());
        }
        let expected = format!("at most {CLAUSES_MAX} words and values");
        Err(self.error(QueryErrorKind::TooMany, span.clone(), expected).hint("ask several shorter queries"))
    }

    fn filter(&mut self, filter: Filter, span: Range<usize>) -> Result<Option<Expr>, QueryError> {
        let name = self.lexer.text[filter.name.clone()].to_ascii_lowercase();
        let wanted = match name.as_str() {
            "history" | "latest" => return self.choose_view(&name, &filter.values, span).map(|()| None),
            "after" | "before" => return self.seen(&name, filter.values).map(Some),
            name => name.strip_prefix("has_"),
        };
        if let Some(part) = wanted {
            return self.has(part, &filter).map(Some);
        }
        match Field::named(&name) {
            Ok(field) => self.matching(field, filter.values).map(Some),
            Err(_) => Err(self.unknown_field(&name, filter.name, span)),
        }
    }

    fn unknown_field(&self, name: &str, at: Range<usize>, term: Range<usize>) -> QueryError {
        let error = self.error(QueryErrorKind::UnknownField, at, "a field name");
        if let Some((_, hint)) = ELSEWHERE.iter().find(|(known, _)| *known == name) {
            return error.hint(*hint);
        }
        let term = &self.lexer.text[term];
        if term.parse::<std::net::IpAddr>().is_ok() {
            return error.hint(format!("to look for an address, write `net:{term}`"));
        }
        let names =
            CATALOGUE.iter().flat_map(|info| std::iter::once(info.name).chain(info.aliases.iter().copied()));
        let pseudo = PSEUDO_FIELDS.iter().map(|(name, _)| *name);
        let near = nearest(name, names.chain(pseudo));
        let hint = if near.is_some() { "" } else { "to search for the text itself, put it in double quotes" };
        error.nearest(near).hint(hint)
    }

    /// `has_x:true` asks for any value of x, `has_x:false` for none.
    fn has(&mut self, part: &str, filter: &Filter) -> Result<Expr, QueryError> {
        let (field, test) = match part {
            "ssl" | "tls" => (Field::SslClientCertificate, Test::Exists),
            "http" => (Field::HttpStatus, Test::Exists),
            "ipv6" => (Field::Ip, value::ALL_IPV6),
            _ => match Field::named(part) {
                Ok(field) => (field, Test::Exists),
                Err(unknown) => {
                    let name = format!("has_{part}");
                    let error = self.unknown_field(&name, filter.name.clone(), filter.name.clone());
                    return Err(match unknown.nearest {
                        Some(near) => error.nearest(Some(format!("has_{near}"))).hint(""),
                        None => error,
                    });
                }
            },
        };
        let wanted = self.flag(&filter.values)?;
        let expr = Expr::Match(Match { field, tests: vec![test] });
        Ok(if wanted { expr } else { Expr::Not(Box::new(expr)) })
    }

    /// The one truth value of a filter that takes no list.
    fn flag(&mut self, values: &[Value]) -> Result<bool, QueryError> {
        let value = self.only(values)?;
        self.count(1, &value.span)?;
        value::flag(self.lexer.text, value)
    }

    fn only<'v>(&self, values: &'v [Value]) -> Result<&'v Value, QueryError> {
        match values {
            [value] => Ok(value),
            [_, second, ..] => {
                Err(self.error(QueryErrorKind::BadValue, second.span.clone(), "one value, not a list"))
            }
            [] => Err(self.missing_term(self.token.span.clone())),
        }
    }

    fn choose_view(&mut self, name: &str, values: &[Value], span: Range<usize>) -> Result<(), QueryError> {
        let history = self.flag(values)? == (name == "history");
        if self.depth > 0 {
            return Err(self
                .error(QueryErrorKind::Misplaced, span, "it beside the whole query, not inside")
                .hint(format!("move it to the end; `{name}:false` means the opposite")));
        }
        if self.view.is_some() {
            return Err(self.error(QueryErrorKind::Misplaced, span, "`history:` or `latest:` only once"));
        }
        self.view = Some((history, span));
        Ok(())
    }

    /// `after:` is inclusive, `before:` exclusive. An answer that did not change is one record from when it was
    /// first seen to when it was last seen: `after:` asks about the one end, `before:` about the other.
    fn seen(&mut self, name: &str, values: Vec<Value>) -> Result<Expr, QueryError> {
        let value = self.only(&values)?;
        self.count(1, &value.span)?;
        let test = value::seen(self.lexer.text, self.now, value, name == "after")?;
        let field = if name == "after" { Field::LastSeen } else { Field::Time };
        Ok(Expr::Match(Match { field, tests: vec![test] }))
    }
}

/// What a word without a field looks like, where it is searched in responses and something else is likely meant.
fn meant_otherwise(word: &str) -> Option<String> {
    if word.contains(['\u{201c}', '\u{201d}', '\u{201e}', '\u{ab}', '\u{bb}']) {
        return Some(format!("the quotes in `{word}` join no words; write `\"`"));
    }
    let (address, length) = word.split_once('/').unwrap_or((word, "0"));
    if address.parse::<std::net::IpAddr>().is_ok() && length.parse::<u8>().is_ok() {
        return Some(format!("`{word}` is looked for in responses; to find the address, write `net:{word}`"));
    }
    let (name, compared) = word.split_at(word.find(['=', '<', '>'])?);
    let value = compared.strip_prefix('=').unwrap_or(compared);
    let is_field = Field::named(&name.to_ascii_lowercase()).is_ok() && !value.is_empty();
    is_field.then(|| format!("`{word}` is looked for in responses; to ask the field, write `{name}:{value}`"))
}

/// One stays itself, none is everything, several are `combine`d.
fn one_or(mut parts: Vec<Expr>, combine: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.len() {
        0 => Expr::All,
        1 => parts.remove(0),
        _ => combine(parts),
    }
}
