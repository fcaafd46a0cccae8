//! How values and times are shown, and in which order rows come: the same for every backend.

use std::{cmp::Ordering, cmp::Reverse};

use jiff::{Timestamp, tz::TimeZone};
use nightlatch_asset::{Field, Kind, Record, Value};

use crate::{Sort, Step};

/// A value as a facet shows it: text as stored, ladders as their word, numbers in decimal, flags as `true` or
/// `false`. Times and positions have no such form.
pub fn facet_value(field: Field, value: &Value<'_>) -> Option<String> {
    Some(match (field.info().kind, value) {
        (Kind::Ladder(words), Value::Number(index)) => {
            (*words.get(usize::try_from(*index).ok()?)?).to_owned()
        }
        (_, Value::Text(text)) => text.clone().into_owned(),
        (_, Value::Number(number)) => number.to_string(),
        (_, Value::Ip(ip)) => ip.to_string(),
        (_, Value::Flag(flag)) => flag.to_string(),
        (_, Value::Date(_) | Value::Geo { .. }) => return None,
    })
}

/// The start of the step that `time` is in, UTC: `2026-09-21T10:00:00Z` for hours, else `2026-09-21`.
pub fn step_label(time: Timestamp, step: Step) -> String {
    let date = TimeZone::UTC.to_datetime(time);
    match step {
        Step::Hour => format!("{}T{:02}:00:00Z", date.date(), date.hour()),
        Step::Day => date.date().to_string(),
        Step::Month => date.date().first_of_month().to_string(),
    }
}

/// The order of rows; total, as no two records of a store have the same id.
pub fn order(sort: Sort, a: &Record, b: &Record) -> Ordering {
    let (x, y) = (&a.observation, &b.observation);
    let by_sort = match sort {
        Sort::Newest => y.time.cmp(&x.time),
        Sort::Oldest => x.time.cmp(&y.time),
        Sort::Address => (x.ip, x.port).cmp(&(y.ip, y.port)),
        Sort::Severity => {
            let worst = |o: &nightlatch_asset::Observation| {
                (Reverse(o.verdict.severity), Reverse(o.verdict.exposure), Reverse(o.time))
            };
            worst(x).cmp(&worst(y))
        }
    };
    by_sort.then(b.id.cmp(&a.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_begin_where_the_calendar_says() {
        let time: Timestamp = "2026-09-21T10:59:59.999Z".parse().unwrap();
        assert_eq!(step_label(time, Step::Hour), "2026-09-21T10:00:00Z");
        assert_eq!(step_label(time, Step::Day), "2026-09-21");
        assert_eq!(step_label(time, Step::Month), "2026-09-01");
    }

    #[test]
    fn facet_values_read_as_people_write_them() {
        assert_eq!(facet_value(Field::Exposure, &Value::Number(3)).as_deref(), Some("readable"));
        assert_eq!(facet_value(Field::Port, &Value::Number(6443)).as_deref(), Some("6443"));
        assert_eq!(facet_value(Field::Exposure, &Value::Number(99)), None);
        assert_eq!(facet_value(Field::SslExpired, &Value::Flag(true)).as_deref(), Some("true"));
        assert_eq!(facet_value(Field::Time, &Value::Date(Timestamp::UNIX_EPOCH)), None);
    }
}
