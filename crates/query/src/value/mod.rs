//! Turns the values of one filter into tests of the field's type.

mod date;
mod geo;
mod net;
mod number;
mod words;

use std::ops::Range;

use nightlatch_asset::{Field, Kind, Timestamp, nearest, token};

use crate::{
    QueryError, QueryErrorKind, Test, Warning,
    lex::{Sign, Value},
};

pub(crate) use date::seen;
pub(crate) use net::ALL_IPV6;
pub use words::closed_words;

/// What reading a value needs to know besides the value.
pub(crate) struct Context<'a> {
    pub(crate) query: &'a str,
    pub(crate) now: Timestamp,
    pub(crate) warnings: &'a mut Vec<Warning>,
}

/// The tests that `values` mean for `field`; as many as there are values, or more for quoted lists and serial
/// numbers, or fewer for positions.
pub(crate) fn tests(
    field: Field,
    values: Vec<Value>,
    context: &mut Context<'_>,
) -> Result<Vec<Test>, QueryError> {
    let kind = field.info().kind;
    if kind == Kind::Geo {
        return geo::areas(context.query, &values);
    }
    let mut tests = Vec::with_capacity(values.len());
    for value in values {
        let literal = kind == Kind::Text || (kind == Kind::Keyword && value.sign == Some(Sign::Equal));
        if value.has_quoted_star() && value.sign.is_none() {
            let message =
                "`*` in quotes is no wildcard; leave the quotes away and write `\\ ` for a space".into();
            context.warnings.push(Warning { span: value.span.clone(), message });
        }
        if literal {
            tests.push(test(field, &value, context)?);
            continue;
        }
        for part in value.split() {
            tests.push(test(field, &part, context)?);
            if field == Field::SslSerial
                && part.sign.is_none()
                && let Some(serial) = words::hexadecimal(&part.text()).map(Test::Whole)
                && !tests.contains(&serial)
            {
                tests.push(serial);
            }
        }
    }
    Ok(tests)
}

fn test(field: Field, value: &Value, context: &mut Context<'_>) -> Result<Test, QueryError> {
    let query = context.query;
    if value.sign.is_none() && value.is_star() {
        return Ok(Test::Exists);
    }
    let kind = field.info().kind;
    if value.has_wildcard() && !matches!(kind, Kind::Keyword | Kind::Text) {
        let hint = match kind {
            Kind::Ip => "write a block, such as `net:192.0.2.0/24`",
            Kind::Number { .. } | Kind::Ladder(_) | Kind::Date => {
                "write a range, such as `8000-8100` or `>=8000`"
            }
            _ => "",
        };
        let expected = format!("a value of `{}` without wildcards", field.name());
        return Err(
            QueryError::new(QueryErrorKind::NotComparable, query, value.span.clone(), expected).hint(hint)
        );
    }
    match kind {
        Kind::Keyword => words::keyword(query, field, value),
        Kind::Text => words::text(query, field, value),
        Kind::Number { min, max } => number::number(query, value, min, max),
        Kind::Ladder(ladder) => number::ladder(query, field, value, ladder),
        Kind::Ip => net::net(value, context),
        Kind::Date => date::date(query, context.now, value),
        Kind::Flag => flag(query, value).map(Test::Flag),
        Kind::Geo => geo::area(query, &value.text(), value.span.clone()),
    }
}

/// Reads a truth value.
pub(crate) fn flag(query: &str, value: &Value) -> Result<bool, QueryError> {
    no_sign(query, value, &[Sign::Equal], "`true` or `false`")?;
    let text = token::fold(&value.text());
    match text.as_str() {
        "true" | "1" | "yes" => Ok(true),
        "false" | "0" | "no" => Ok(false),
        _ => Err(QueryError::new(QueryErrorKind::BadValue, query, value.span.clone(), "`true` or `false`")
            .nearest(nearest(&text, ["true", "false", "yes", "no"]))),
    }
}

/// Refuses signs other than `allowed`.
fn no_sign(query: &str, value: &Value, allowed: &[Sign], expected: &str) -> Result<(), QueryError> {
    match value.sign {
        Some(sign) if !allowed.contains(&sign) => {
            Err(QueryError::new(QueryErrorKind::NotComparable, query, value.span.clone(), expected).hint(
                "`<` and `>` work for numbers, times, `exposure` and `severity`; quote the value if they belong to it",
            ))
        }
        _ => Ok(()),
    }
}

/// Inclusive bounds from a sign or a range, checked.
fn bounds(
    query: &str,
    span: &Range<usize>,
    sign: Option<Sign>,
    (first, last): (i64, i64),
    (min, max): (i64, i64),
) -> Result<(i64, i64), QueryError> {
    let fail = |kind, expected: String| Err(QueryError::new(kind, query, span.clone(), expected));
    if first > last {
        return fail(QueryErrorKind::ReversedRange, "the smaller bound first".into());
    }
    if first != last && sign.is_some_and(|sign| sign != Sign::Equal) {
        return fail(QueryErrorKind::BadValue, "either a range or a comparison, not both".into());
    }
    match sign {
        None | Some(Sign::Equal) => Ok((first, last)),
        Some(Sign::GreaterOrEqual) => Ok((first, max)),
        Some(Sign::LessOrEqual) => Ok((min, first)),
        Some(Sign::Greater) if first < max => Ok((first + 1, max)),
        Some(Sign::Less) if first > min => Ok((min, first - 1)),
        Some(Sign::Greater) => {
            fail(QueryErrorKind::OutOfRange, "a value that something can be greater than".into())
        }
        Some(Sign::Less) => {
            fail(QueryErrorKind::OutOfRange, "a value that something can be less than".into())
        }
    }
}
