//! Numbers and times as pages show them.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 door`, `2 doors`; the plural is made with an `s`.
pub(crate) fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", thousands(number), if number == 1 { "" } else { "s" })
}

/// A share as whole per cent; `<1 %` for what is there and rounds to nothing.
pub(crate) fn percent(part: u64, whole: u64) -> String {
    if whole == 0 || part == 0 {
        return "0 %".to_owned();
    }
    match (u128::from(part) * 200 / u128::from(whole)).div_ceil(2) {
        0 => "<1 %".to_owned(),
        100 if part < whole => ">99 %".to_owned(),
        whole => format!("{whole} %"),
    }
}

/// `2026-09-21 10:15` UTC.
pub(crate) fn minute(time: Timestamp) -> String {
    let date = TimeZone::UTC.to_datetime(time);
    format!("{} {:02}:{:02}", date.date(), date.hour(), date.minute())
}

/// `2026-09-21` UTC.
pub(crate) fn day(time: Timestamp) -> String {
    TimeZone::UTC.to_datetime(time).date().to_string()
}

/// How long before `now`, in the largest unit that fits: `3 h ago`; `in 2 d` for what is to come.
pub(crate) fn ago(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second().saturating_sub(time.as_second());
    let length = length(SignedDuration::from_secs(seconds));
    match seconds {
        -59..60 => "just now".to_owned(),
        60.. => format!("{length} ago"),
        _ => format!("in {length}"),
    }
}

/// A duration in its largest unit, without a sign: `45 s`, `3 min`, `5 h`, `2 d`, `7 mo`, `3 y`.
pub(crate) fn length(duration: SignedDuration) -> String {
    const UNITS: [(u64, &str); 6] =
        [(31_536_000, "y"), (2_592_000, "mo"), (86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let seconds = duration.as_secs().unsigned_abs();
    let (size, unit) = UNITS.into_iter().find(|(size, _)| seconds >= *size).unwrap_or((1, "s"));
    format!("{} {unit}", seconds / size)
}

/// A text in pieces, those between backticks marked as code; one whose backticks do not come in pairs is one piece.
pub(crate) fn coded(text: &str) -> Vec<(bool, String)> {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return vec![(false, text.to_owned())];
    }
    let pieces = parts.into_iter().enumerate().map(|(at, part)| (at % 2 == 1, part.to_owned()));
    pieces.filter(|(_, piece)| !piece.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_backticks_is_code() {
        let piece = |is_code: bool, text: &str| (is_code, text.to_owned());
        for (text, expected) in [
            ("Set `a: b`.", vec![piece(false, "Set "), piece(true, "a: b"), piece(false, ".")]),
            ("`a` and `b`", vec![piece(true, "a"), piece(false, " and "), piece(true, "b")]),
            ("no code", vec![piece(false, "no code")]),
            ("one ` alone", vec![piece(false, "one ` alone")]),
            ("", vec![]),
        ] {
            assert_eq!(coded(text), expected, "{text}");
        }
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(thousands(12), "12");
        assert_eq!(counted(1, "door"), "1 door");
        assert_eq!(counted(2000, "door"), "2,000 doors");
        assert_eq!(percent(0, 0), "0 %");
        assert_eq!(percent(1, 3), "33 %");
        assert_eq!(percent(1, 100_000), "<1 %");
        assert_eq!(percent(99_999, 100_000), ">99 %");
        assert_eq!(percent(3, 3), "100 %");
    }

    #[test]
    fn times_read_well() {
        let now: Timestamp = "2026-09-21T10:15:00Z".parse().unwrap();
        let at = |seconds: i64| Timestamp::from_second(now.as_second() + seconds).unwrap();
        assert_eq!(ago(at(-5), now), "just now");
        assert_eq!(ago(at(-61), now), "1 min ago");
        assert_eq!(ago(at(-90_000), now), "1 d ago");
        assert_eq!(ago(at(86_400 * 800), now), "in 2 y");
        assert_eq!(minute(now), "2026-09-21 10:15");
        assert_eq!(day(now), "2026-09-21");
    }
}
