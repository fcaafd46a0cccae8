use nightlatch_asset::{Field, nearest, token};

use super::bounds;
use crate::{QueryError, QueryErrorKind, Test, lex::Value};

/// `80`, `8000-8100`, `8000..8100`, `>=8000`; negative numbers as well: `-5--3`.
pub(super) fn number(query: &str, value: &Value, min: i64, max: i64) -> Result<Test, QueryError> {
    let text = value.text();
    let fail = |kind, expected: String| QueryError::new(kind, query, value.span.clone(), expected);
    let Some((first, last)) = range(&text) else {
        let hint = match text.strip_suffix(['-', '.']) {
            Some(open) if range(open).is_some() => format!("for an open range write `>={open}`"),
            _ if text.starts_with("!=") => "exclude with a minus before the field".to_owned(),
            _ => String::new(),
        };
        return Err(fail(
            QueryErrorKind::BadValue,
            "a whole number, such as `80`, `8000-8100` or `>=8000`".into(),
        )
        .hint(hint));
    };
    let (Some(first), Some(last)) = (within(first, min, max), within(last, min, max)) else {
        return Err(fail(QueryErrorKind::OutOfRange, format!("{min} to {max}")));
    };
    let (min, max) = bounds(query, &value.span, value.sign, (first, last), (min, max))?;
    Ok(Test::Number { min, max })
}

fn within(digits: &str, min: i64, max: i64) -> Option<i64> {
    digits.parse().ok().filter(|n| (min..=max).contains(n))
}

/// Both bounds as digits with sign; the same twice for a single number.
fn range(text: &str) -> Option<(&str, &str)> {
    let (first, rest) = integer(text)?;
    if rest.is_empty() {
        return Some((first, first));
    }
    let (last, rest) = integer(rest.strip_prefix("..").or_else(|| rest.strip_prefix('-'))?)?;
    rest.is_empty().then_some((first, last))
}

/// Cuts an optional minus and digits off.
fn integer(text: &str) -> Option<(&str, &str)> {
    let sign = usize::from(text.starts_with('-'));
    let digits = text.bytes().skip(sign).take_while(u8::is_ascii_digit).count();
    (digits > 0).then(|| text.split_at(sign + digits))
}

/// `high`, `>=readable`, `limited..controllable`.
pub(super) fn ladder(
    query: &str,
    field: Field,
    value: &Value,
    words: &'static [&'static str],
) -> Result<Test, QueryError> {
    let text = token::fold(&value.text());
    let (first, last) = text.split_once("..").unwrap_or((&text, &text));
    let index = |word: &str| {
        let found = words.iter().position(|known| *known == word);
        found.and_then(|at| i64::try_from(at).ok()).ok_or_else(|| {
            let expected = format!("a word of `{}`: {}", field.name(), words.join(", "));
            QueryError::new(QueryErrorKind::UnknownWord, query, value.span.clone(), expected)
                .nearest(nearest(word, words.iter().copied()))
        })
    };
    let top = i64::try_from(words.len()).unwrap_or(i64::MAX) - 1;
    let (min, max) = bounds(query, &value.span, value.sign, (index(first)?, index(last)?), (0, top))?;
    Ok(Test::Number { min, max })
}
