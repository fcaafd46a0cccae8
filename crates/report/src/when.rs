//! Times as reports write them, UTC.

use nightlatch_asset::{Record, Timestamp};

/// `2026-09-21 10:15:00`.
pub(crate) fn second(time: Timestamp) -> String {
    let text = time.to_string();
    text.get(..19).map_or_else(|| text.clone(), |text| text.replace('T', " "))
}

/// `2026-09-21`.
pub(crate) fn day(time: Timestamp) -> String {
    time.to_string().get(..10).map_or_else(|| time.to_string(), str::to_owned)
}

/// Whole days from `first` to `last`; 0 when they are in the wrong order.
pub(crate) fn days_between(first: Timestamp, last: Timestamp) -> u64 {
    u64::try_from(last.duration_since(first).as_hours() / 24).unwrap_or(0)
}

/// `3 days`, `1 day`, `less than a day`.
pub(crate) fn span(first: Timestamp, last: Timestamp) -> String {
    match days_between(first, last) {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

/// `once`, `12 times`: how often this answer was seen.
pub(crate) fn times(record: &Record) -> String {
    if record.times_seen == 1 { "once".to_owned() } else { format!("{} times", record.times_seen) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short_and_spans_are_whole_days() {
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        let first = time("2026-09-21T10:15:59.9Z");
        assert_eq!((second(first).as_str(), day(first).as_str()), ("2026-09-21 10:15:59", "2026-09-21"));
        assert_eq!(span(first, time("2026-09-22T10:15:58Z")), "less than a day");
        assert_eq!(span(first, time("2026-09-22T10:16:00Z")), "1 day");
        assert_eq!(span(first, time("2026-10-21T10:16:00Z")), "30 days");
        assert_eq!(span(time("2027-01-01T00:00:00Z"), first), "less than a day");
    }
}
