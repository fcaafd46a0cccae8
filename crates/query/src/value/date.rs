use jiff::{SignedDuration, civil};
use nightlatch_asset::Timestamp;

use super::no_sign;
use crate::{
    QueryError, QueryErrorKind, Test,
    lex::{Sign, Value},
};

const EXPECTED: &str =
    "a time in UTC, such as `2026-09-21`, `2026-09-21T10:15:00Z`, `21/09/2026`, or `7d` for seven days ago";

/// 1900-01-01, before anything that could have been seen, in seconds of Unix time.
const EARLIEST: i64 = -2_208_988_800;

/// Longest look back of a relative time.
const BACK_SECONDS_MAX: i64 = 100 * 365 * DAY;

const DAY: i64 = 86_400;

/// A stretch of time that a text names: a day, a minute, a second; or everything since a relative time.
#[derive(Clone, Copy)]
struct Stretch {
    from: Timestamp,
    /// First second after it; `None` for a relative time.
    until: Option<Timestamp>,
}

/// `2026-09-21`, `>=2026-09-21T10:00Z`, `2026-09-01..2026-09-30`, `<7d`.
///
/// A date is all its seconds: `<=2026-09-21` includes the whole day. A relative time alone means since then.
pub(super) fn date(query: &str, now: Timestamp, value: &Value) -> Result<Test, QueryError> {
    let text = value.text();
    let stretch = |text: &str| stretch(query, now, value, text);
    let fail = |kind, expected| Err(QueryError::new(kind, query, value.span.clone(), expected));
    let (from, until) = match (text.split_once(".."), value.sign) {
        (Some((first, last)), None | Some(Sign::Equal)) => {
            let (first, last) = (stretch(first)?, stretch(last)?);
            (Some(first.from), Some(last.until.unwrap_or(last.from)))
        }
        (Some(_), Some(_)) => {
            return fail(QueryErrorKind::BadValue, "either a range or a comparison, not both");
        }
        (None, sign) => signed(stretch(&text)?, sign),
    };
    if from.zip(until).is_some_and(|(from, until)| from >= until) {
        return fail(QueryErrorKind::ReversedRange, "the earlier time first");
    }
    Ok(Test::Date { from, until })
}

fn signed(stretch: Stretch, sign: Option<Sign>) -> (Option<Timestamp>, Option<Timestamp>) {
    let after = stretch.until.unwrap_or(stretch.from);
    match sign {
        None | Some(Sign::Equal) => (Some(stretch.from), stretch.until),
        Some(Sign::GreaterOrEqual) => (Some(stretch.from), None),
        Some(Sign::Greater) => (Some(after), None),
        Some(Sign::Less) => (None, Some(stretch.from)),
        Some(Sign::LessOrEqual) => (None, Some(after)),
    }
}

/// `after:X` (from the beginning of X on) and `before:X` (up to the beginning of X).
pub(crate) fn seen(query: &str, now: Timestamp, value: &Value, after: bool) -> Result<Test, QueryError> {
    no_sign(query, value, &[], EXPECTED)?;
    let bound = Some(stretch(query, now, value, &value.text())?.from);
    Ok(if after { Test::Date { from: bound, until: None } } else { Test::Date { from: None, until: bound } })
}

fn stretch(query: &str, now: Timestamp, value: &Value, text: &str) -> Result<Stretch, QueryError> {
    let fail = |kind, expected| QueryError::new(kind, query, value.span.clone(), expected);
    let found = match relative(text) {
        Some(seconds) => back(now, seconds),
        None => absolute(text).ok_or_else(|| {
            fail(QueryErrorKind::BadValue, EXPECTED)
                .hint("relative times count s, m (minutes), h, d, w or y, such as `12h`")
        })?,
    };
    match found {
        Some(stretch) if stretch.from.as_second() >= EARLIEST => Ok(stretch),
        _ => Err(fail(QueryErrorKind::OutOfRange, "a time from 1900 to 9999, at most 100 years back")),
    }
}

/// Seconds of `7d`; `i64::MAX` for more than fit.
fn relative(text: &str) -> Option<i64> {
    let unit = match text.chars().next_back()? {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => DAY,
        'w' => 7 * DAY,
        'y' => 365 * DAY,
        _ => return None,
    };
    let digits = &text[..text.len() - 1];
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(unit))
}

fn back(now: Timestamp, seconds: i64) -> Option<Stretch> {
    if seconds > BACK_SECONDS_MAX {
        return None;
    }
    let second = now.as_second().checked_sub(seconds)?;
    Some(Stretch { from: Timestamp::from_second(second).ok()?, until: None })
}

/// `None` when it is no time at all, `Some(None)` when it is one that cannot be represented.
fn absolute(text: &str) -> Option<Option<Stretch>> {
    let (day, clock) = match text.split_once(['T', 't', ' ']) {
        Some((day, clock)) => (day, Some(clock)),
        None => (text, None),
    };
    let date = calendar_day(day)?;
    let (clock, seconds, offset) = match clock {
        Some(clock) => wall_clock(clock)?,
        None => (civil::Time::midnight(), DAY, 0),
    };
    let start = date.to_datetime(clock).in_tz("UTC").ok().map(|zoned| zoned.timestamp());
    let shift = |at: Timestamp, seconds: i64| at.checked_add(SignedDuration::from_secs(seconds)).ok();
    let from = start.and_then(|start| shift(start, -offset));
    Some(from.and_then(|from| Some(Stretch { from, until: Some(shift(from, seconds)?) })))
}

/// `2026-09-21`, or `21/09/2026` as Shodan writes it.
fn calendar_day(text: &str) -> Option<civil::Date> {
    let parts = |separator| {
        let mut parts = text.split(separator);
        let three = (parts.next()?, parts.next()?, parts.next()?);
        parts.next().is_none().then_some(three)
    };
    let (year, month, day) = match parts('-') {
        Some(iso) => iso,
        None => parts('/').map(|(day, month, year)| (year, month, day))?,
    };
    if year.len() != 4 {
        return None;
    }
    civil::Date::new(digits(year)?, digits(month)?, digits(day)?).ok()
}

/// Time of day, its width in seconds, and the offset from UTC in seconds.
fn wall_clock(text: &str) -> Option<(civil::Time, i64, i64)> {
    let zone_at = text.find(['Z', 'z', '+', '-']).unwrap_or(text.len());
    let (clock, zone) = text.split_at(zone_at);
    let mut parts = clock.split(':');
    let (hour, minute) = (digits(parts.next()?)?, digits(parts.next()?)?);
    let (second, width) = match parts.next() {
        Some(second) => (second.split('.').next().and_then(digits)?, 1),
        None => (0, 60),
    };
    if parts.next().is_some() {
        return None;
    }
    Some((civil::Time::new(hour, minute, second, 0).ok()?, width, utc_offset(zone)?))
}

fn utc_offset(zone: &str) -> Option<i64> {
    let (sign, rest) = match zone.chars().next() {
        None | Some('Z' | 'z') => return (zone.len() <= 1).then_some(0),
        Some('+') => (1, &zone[1..]),
        _ => (-1, zone.get(1..)?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes): (i8, i8) = (digits(hours)?, digits(minutes)?);
    let valid = hours < 24 && minutes < 60;
    valid.then(|| sign * (i64::from(hours) * 3_600 + i64::from(minutes) * 60))
}

/// A number of at most four digits and nothing else.
fn digits<N: TryFrom<i32>>(text: &str) -> Option<N> {
    let plain = !text.is_empty() && text.len() <= 4 && text.bytes().all(|b| b.is_ascii_digit());
    if plain { N::try_from(text.parse::<i32>().ok()?).ok() } else { None }
}
