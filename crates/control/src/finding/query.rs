//! Questions about findings: `severity:>=high namespace:shop,ops -rule:POD-018 "docker.sock"`.

use nightlatch_finding::Severity;

use super::Value;

/// Terms that are read of one query; more would be a mistake.
const TERMS_MAX: usize = 50;

/// A question about findings: all terms must hold.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FindingQuery {
    terms: Vec<Term>,
    /// True when the query itself says which states it wants.
    has_state: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Term {
    negated: bool,
    what: What,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum What {
    /// The words contain this text.
    Word(String),
    /// A column is one of these; `*` stands for anything.
    Column(&'static str, Vec<String>),
    /// The severity compares so.
    Severity(&'static str, Severity),
    /// What became of it.
    State(State),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Open,
    Mended,
    Exempt,
}

/// What is wrong with a query, and where.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct BadFindingQuery {
    /// What is wrong and what was expected.
    pub message: String,
    /// Byte of the query at which it is wrong.
    pub at: usize,
}

/// Fields and the columns they are kept in.
const FIELDS: [(&str, &str); 8] = [
    ("rule", "rule"),
    ("check", "name"),
    ("kind", "kind"),
    ("namespace", "namespace"),
    ("name", "object"),
    ("container", "container"),
    ("file", "file"),
    ("input", "input"),
];

impl FindingQuery {
    /// Reads a query: words and phrases, `field:value`, `field:a,b`, `field:"one value"`, `severity:>=high`, `is:open|mended|exempt`, and a
    /// leading `-` or `!` for not. Without `is:` only what is open and not exempt matches. Empty matches all of that.
    ///
    /// # Errors
    /// [`BadFindingQuery`] with the byte at which it is wrong.
    pub fn parse(text: &str) -> Result<Self, BadFindingQuery> {
        let mut query = Self::default();
        for (at, word) in words(text) {
            if query.terms.len() >= TERMS_MAX {
                return Err(BadFindingQuery {
                    message: format!("a query has at most {TERMS_MAX} terms"),
                    at,
                });
            }
            let (negated, body) = match word.strip_prefix(['-', '!']) {
                Some(rest) if !rest.is_empty() => (true, rest),
                _ => (false, word),
            };
            let what = what(body, at)?;
            query.has_state |= matches!(what, What::State(_));
            query.terms.push(Term { negated, what });
        }
        Ok(query)
    }

    /// The same question with one more term: `field` and `value` as in [`FindingQuery::parse`], without quotes around
    /// what has blanks in it.
    ///
    /// # Errors
    /// [`BadFindingQuery`] when there is no such field, or its values are others.
    pub fn and(mut self, field: &str, value: &str) -> Result<Self, BadFindingQuery> {
        if field != "severity" && field != "is" && !FIELDS.iter().any(|(name, _)| *name == field) {
            return Err(BadFindingQuery { message: format!("there is no field `{field}`"), at: 0 });
        }
        let what = what(&format!("{field}:{value}"), 0)?;
        self.has_state |= matches!(what, What::State(_));
        self.terms.push(Term { negated: false, what });
        Ok(self)
    }

    /// The same question about what is mended or exempt as well.
    #[must_use]
    pub fn of_any_state(self) -> Self {
        Self { has_state: true, ..self }
    }

    /// The condition and its values, for `WHERE`.
    pub(super) fn as_sql(&self) -> (String, Vec<Value>) {
        let mut parts = Vec::new();
        let mut values: Vec<Value> = Vec::new();
        if !self.has_state {
            parts.push("mended IS NULL AND exempt = 0".to_owned());
        }
        for term in &self.terms {
            let part = term.what.as_sql(&mut values);
            parts.push(if term.negated { format!("NOT ({part})") } else { format!("({part})") });
        }
        if parts.is_empty() {
            parts.push("1".to_owned());
        }
        (parts.join(" AND "), values)
    }
}

impl What {
    fn as_sql(&self, values: &mut Vec<Value>) -> String {
        match self {
            Self::Word(word) => {
                values.push(Box::new(format!("%{}%", escaped(word))));
                "words LIKE ? ESCAPE '\\'".to_owned()
            }
            Self::Column(column, wanted) => {
                let parts: Vec<String> = wanted
                    .iter()
                    .map(|value| {
                        values.push(Box::new(escaped(value).replace('*', "%")));
                        format!("{column} LIKE ? ESCAPE '\\'")
                    })
                    .collect();
                parts.join(" OR ")
            }
            Self::Severity(operator, severity) => format!("severity {operator} {}", *severity as i64),
            Self::State(State::Open) => "mended IS NULL AND exempt = 0".to_owned(),
            Self::State(State::Mended) => "mended IS NOT NULL".to_owned(),
            Self::State(State::Exempt) => "mended IS NULL AND exempt = 1".to_owned(),
        }
    }
}

/// What `LIKE` would take for wildcards stands for itself.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_")
}

fn what(body: &str, at: usize) -> Result<What, BadFindingQuery> {
    let bad = |message: String| Err(BadFindingQuery { message, at });
    if let Some(phrase) = body.strip_prefix('"') {
        return Ok(What::Word(phrase.trim_end_matches('"').to_lowercase()));
    }
    let Some((field, value)) = body.split_once(':') else { return Ok(What::Word(body.to_lowercase())) };
    // Quoted, it is one value, also with commas in it, and also an empty one.
    let is_quoted = value.starts_with('"');
    let value = value.trim_matches('"');
    if field == "severity" {
        let (operator, word) = [(">=", ">="), ("<=", "<="), (">", ">"), ("<", "<")]
            .into_iter()
            .find_map(|(sign, operator)| Some((operator, value.strip_prefix(sign)?)))
            .unwrap_or(("=", value));
        return match word.parse() {
            Ok(severity) => Ok(What::Severity(operator, severity)),
            Err(error) => bad(format!("{error}")),
        };
    }
    if field == "is" {
        return match value {
            "open" => Ok(What::State(State::Open)),
            "mended" => Ok(What::State(State::Mended)),
            "exempt" => Ok(What::State(State::Exempt)),
            _ => bad("`is:` is followed by open, mended or exempt".to_owned()),
        };
    }
    let Some((_, column)) = FIELDS.iter().find(|(name, _)| *name == field) else {
        // An image or an address has a colon too; only a single lower-case word looks like a field.
        if !field.is_empty() && field.len() <= 20 && field.bytes().all(|byte| byte.is_ascii_lowercase()) {
            let known: Vec<&str> = FIELDS.iter().map(|(name, _)| *name).collect();
            return bad(format!(
                "there is no field `{field}`; fields are severity, is, {}; quotes make it a phrase",
                known.join(", ")
            ));
        }
        return Ok(What::Word(body.to_lowercase()));
    };
    let wanted: Vec<String> = if is_quoted {
        vec![value.to_owned()]
    } else {
        value.split(',').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    };
    if wanted.is_empty() {
        return bad(format!("`{field}:` is followed by a value"));
    }
    Ok(What::Column(column, wanted))
}

/// Words with where they start; quotes keep spaces.
fn words(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut start = None;
    let mut quoted = false;
    for (at, c) in text.char_indices() {
        match (c, start) {
            ('"', _) => {
                quoted = !quoted;
                start = start.or(Some(at));
            }
            (c, Some(from)) if c.is_whitespace() && !quoted => {
                found.push((from, &text[from..at]));
                start = None;
            }
            (c, None) if !c.is_whitespace() => start = Some(at),
            _ => {}
        }
    }
    if let Some(from) = start {
        found.push((from, &text[from..]));
    }
    found
}

/// The word of a stored severity.
pub(super) fn severity_word(number: i64) -> &'static str {
    Severity::ALL.into_iter().find(|severity| *severity as i64 == number).map_or("info", Severity::as_str)
}
