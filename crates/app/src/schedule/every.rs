use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use crate::AppError;

/// Shortest and longest time between two runs.
const SECONDS_MIN: i64 = 60;
const SECONDS_MAX: i64 = 366 * 86_400;

/// How often: a length of time, or a crontab line.
#[derive(Clone, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Every {
    /// So long after the last one began, in seconds.
    Seconds(i64),
    /// Minute, hour, day of month, month, day of week, as in crontab(5).
    Crontab(String),
}

impl Every {
    /// Checks the crontab line, which needs the time zone.
    pub(crate) fn check(&self, zone: &TimeZone) -> Result<(), AppError> {
        match self {
            Self::Seconds(_) => Ok(()),
            Self::Crontab(line) => crontab(line, zone)
                .map(drop)
                .map_err(|error| AppError::Invalid(format!("crontab line: {error}"))),
        }
    }

    /// The next time, which may have passed already.
    ///
    /// - `last`: when it last began; the first of a length of time is due at once;
    /// - `since`: from when on it counts.
    pub(crate) fn next(
        &self,
        last: Option<Timestamp>,
        since: Timestamp,
        zone: &TimeZone,
    ) -> Option<Timestamp> {
        match self {
            Self::Seconds(seconds) => match last {
                Some(last) => last.checked_add(SignedDuration::from_secs(*seconds)).ok(),
                None => Some(since),
            },
            Self::Crontab(line) => {
                let from = last.unwrap_or(since);
                let found = crontab(line, zone).ok()?.find_next(cronexpr::MakeTimestamp(from)).ok()?;
                Some(found.timestamp())
            }
        }
    }
}

fn crontab(line: &str, zone: &TimeZone) -> Result<cronexpr::Crontab, String> {
    let fields = line.split_whitespace().count();
    if fields != 5 {
        return Err(format!("expected five fields, found {fields}; the time zone is a setting of its own"));
    }
    let zone = zone.iana_name().unwrap_or("UTC");
    cronexpr::parse_crontab(&format!("{line} {zone}")).map_err(|error| error.to_string().replace('\n', " "))
}

impl FromStr for Every {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let expected = "expected a length of time such as 30m, 6h or 1d, or a crontab line of five fields";
        if text.len() > 200 {
            return Err(expected.to_owned());
        }
        if text.split_whitespace().count() >= 5 {
            return Ok(Self::Crontab(text.to_owned()));
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let scale = match unit.trim() {
            "m" | "min" => 60,
            "h" => 3_600,
            "d" => 86_400,
            "w" => 7 * 86_400,
            _ => return Err(expected.to_owned()),
        };
        let seconds = number.parse::<i64>().ok().and_then(|number| number.checked_mul(scale));
        let seconds = seconds.filter(|seconds| (SECONDS_MIN..=SECONDS_MAX).contains(seconds));
        seconds.map(Self::Seconds).ok_or_else(|| format!("{expected}; from 1m to 366d"))
    }
}

impl TryFrom<String> for Every {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Every> for String {
    fn from(every: Every) -> Self {
        every.to_string()
    }
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seconds(seconds) if seconds % 86_400 == 0 => write!(f, "{}d", seconds / 86_400),
            Self::Seconds(seconds) if seconds % 3_600 == 0 => write!(f, "{}h", seconds / 3_600),
            Self::Seconds(seconds) => write!(f, "{}m", seconds / 60),
            Self::Crontab(line) => f.write_str(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn lengths_of_time_are_read_and_written() {
        for (text, seconds, written) in
            [("6h", 21_600, "6h"), ("90m", 5_400, "90m"), ("24h", 86_400, "1d"), ("1w", 604_800, "7d")]
        {
            let every: Every = text.parse().unwrap();
            assert_eq!(every, Every::Seconds(seconds), "{text}");
            assert_eq!(every.to_string(), written);
        }
        for text in ["", "6", "h", "0m", "-5m", "6 hours", "99999999999999999999d", "400d", "* * * *"] {
            assert!(text.parse::<Every>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_crontab_line_means_what_crontab_says() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (line, after, next) in [
            ("30 2 * * *", "2026-11-26T00:00:00Z", "2026-11-26T01:30:00Z"),
            // Monday is 1, as in crontab(5).
            ("0 12 * * 1", "2026-11-26T00:00:00Z", "2026-11-30T11:00:00Z"),
            ("0 12 * * mon-fri", "2026-11-27T12:00:00Z", "2026-11-30T11:00:00Z"),
            ("*/15 * * * *", "2026-11-26T10:01:00Z", "2026-11-26T10:15:00Z"),
        ] {
            let every: Every = line.parse().unwrap();
            every.check(&berlin).unwrap();
            assert_eq!(every.next(Some(at(after)), at(after), &berlin), Some(at(next)), "{line}");
        }
        for line in ["61 * * * *", "a b c d e", "* * * * * * *", "* * * * 9"] {
            let every: Every = line.parse().unwrap();
            assert!(every.check(&berlin).is_err(), "{line}");
        }
    }

    #[test]
    fn the_first_of_a_length_is_due_at_once_and_missed_ones_once() {
        let every: Every = "6h".parse().unwrap();
        let zone = TimeZone::UTC;
        assert_eq!(every.next(None, at("2026-11-26T00:00:00Z"), &zone), Some(at("2026-11-26T00:00:00Z")));
        let days_ago = at("2026-11-20T00:00:00Z");
        let next = every.next(Some(days_ago), days_ago, &zone).unwrap();
        assert_eq!(
            next,
            at("2026-11-20T06:00:00Z"),
            "long due, and once: the next counts from when it begins"
        );
    }
}
