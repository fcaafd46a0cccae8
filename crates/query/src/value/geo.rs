use std::ops::Range;

use crate::{Area, GEO_KM_DEFAULT, QueryError, QueryErrorKind, Test, lex::Value};

const EXPECTED: &str = "`lat,lon`, `lat,lon,km` or `top,left,bottom,right`";

/// Half the circumference of the Earth: a larger radius reaches nothing more.
const KM_MAX: f64 = 20_100.0;

/// The unquoted numbers together are one area; each quoted text is one; `*` is any position.
pub(super) fn areas(query: &str, values: &[Value]) -> Result<Vec<Test>, QueryError> {
    let mut tests = Vec::new();
    let mut run: Option<(String, Range<usize>)> = None;
    for value in values {
        super::no_sign(query, value, &[], EXPECTED)?;
        if !value.quoted && !value.is_star() {
            run = Some(match run.take() {
                Some((text, span)) => (text + "," + &value.text(), span.start..value.span.end),
                None => (value.text(), value.span.clone()),
            });
            continue;
        }
        if let Some((text, span)) = run.take() {
            tests.push(area(query, &text, span)?);
        }
        tests.push(if value.quoted { area(query, &value.text(), value.span.clone())? } else { Test::Exists });
    }
    if let Some((text, span)) = run {
        tests.push(area(query, &text, span)?);
    }
    Ok(tests)
}

/// One area from its numbers.
pub(super) fn area(query: &str, text: &str, span: Range<usize>) -> Result<Test, QueryError> {
    let fail = |kind, expected: &str| Err(QueryError::new(kind, query, span.clone(), expected));
    let numbers: Option<Vec<f64>> = text.split(',').map(|part| degrees(part.trim())).collect();
    let Some(numbers) = numbers else { return fail(QueryErrorKind::BadValue, EXPECTED) };
    let area = match numbers[..] {
        [latitude, longitude] => Area::Around { latitude, longitude, km: GEO_KM_DEFAULT },
        [latitude, longitude, km] => Area::Around { latitude, longitude, km },
        [top, left, bottom, right] => Area::Box { top, left, bottom, right },
        _ => return fail(QueryErrorKind::BadValue, EXPECTED),
    };
    let (latitudes, longitudes) = match area {
        Area::Around { latitude, longitude, .. } => ([latitude; 2], [longitude; 2]),
        Area::Box { top, left, bottom, right } => ([top, bottom], [left, right]),
    };
    if latitudes.iter().any(|d| d.abs() > 90.0) || longitudes.iter().any(|d| d.abs() > 180.0) {
        return fail(QueryErrorKind::OutOfRange, "latitudes from -90 to 90 and longitudes from -180 to 180");
    }
    match area {
        Area::Around { km, .. } if !(km > 0.0 && km <= KM_MAX) => {
            fail(QueryErrorKind::OutOfRange, "a radius from more than 0 to 20100 kilometres")
        }
        Area::Box { top, bottom, .. } if top < bottom => {
            fail(QueryErrorKind::ReversedRange, "the northern border first: `top,left,bottom,right`")
        }
        area => Ok(Test::Geo(area)),
    }
}

/// A plain decimal number; no exponent, no `inf`.
fn degrees(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    if plain { text.parse().ok() } else { None }
}
