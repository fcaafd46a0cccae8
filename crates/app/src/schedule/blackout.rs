use std::{fmt, str::FromStr};

use jiff::{Zoned, civil::Weekday};
use serde::{Deserialize, Serialize};

/// When nothing is sent: days of the week and a part of the day, which may go over midnight.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct Blackout {
    /// Bit 0 is Monday; the day on which the time begins.
    days: u8,
    /// Minutes after midnight, first and behind the last; equal means the whole day.
    from: u16,
    until: u16,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const EVERY_DAY: u8 = 0x7f;
const DAY_MINUTES: u16 = 24 * 60;

impl Blackout {
    /// Whether it covers a moment.
    pub fn covers(&self, moment: &Zoned) -> bool {
        let minute = u16::try_from(i32::from(moment.hour()) * 60 + i32::from(moment.minute())).unwrap_or(0);
        let day = index(moment.weekday());
        let on = |day: u8| self.days & (1 << day) != 0;
        if self.from < self.until {
            return on(day) && (self.from..self.until).contains(&minute);
        }
        // Over midnight: what is left of today's, or what is left of yesterday's.
        (on(day) && minute >= self.from) || (on((day + 6) % 7) && minute < self.until)
    }
}

fn index(day: Weekday) -> u8 {
    u8::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}

impl FromStr for Blackout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is no blackout, expected days and times such as \"mon-fri 08:00-18:00\" or \"22:00-06:00\"",
                nightlatch_untrusted::terminal_cut(text, 60)
            )
        };
        let lower = text.trim().to_ascii_lowercase();
        let (days, times) = lower.rsplit_once(' ').unwrap_or(("", &lower));
        let (from, until) = times.split_once('-').ok_or_else(wrong)?;
        let from = minutes(from).filter(|from| *from < DAY_MINUTES).ok_or_else(wrong)?;
        let until = minutes(until).ok_or_else(wrong)?;
        let days = read_days(days.trim()).ok_or_else(wrong)?;
        if from == until {
            return Err(wrong());
        }
        // 24:00 is the midnight at the end of the day.
        Ok(Self { days, from, until })
    }
}

fn read_days(text: &str) -> Option<u8> {
    if text.is_empty() || text == "daily" {
        return Some(EVERY_DAY);
    }
    let number = |name: &str| DAYS.iter().position(|day| *day == name);
    let mut days = 0u8;
    for part in text.split(',') {
        let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        let (first, last) = (number(first)?, number(last)?);
        let length = (last + 7 - first) % 7;
        (0..=length).for_each(|step| days |= 1 << ((first + step) % 7));
    }
    Some(days)
}

fn minutes(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two = |text: &str| (text.len() == 2).then(|| text.parse::<u16>().ok()).flatten();
    let (hour, minute) = (two(hour)?, two(minute)?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY_MINUTES).then_some(total)
}

impl TryFrom<String> for Blackout {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Blackout> for String {
    fn from(blackout: Blackout) -> Self {
        blackout.to_string()
    }
}

impl fmt::Display for Blackout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.days != EVERY_DAY {
            let days: Vec<&str> = DAYS
                .iter()
                .enumerate()
                .filter(|(day, _)| self.days & (1 << day) != 0)
                .map(|(_, n)| *n)
                .collect();
            write!(f, "{} ", days.join(","))?;
        }
        let clock = |minutes: u16| (minutes / 60, minutes % 60);
        let ((from, from_minute), (until, until_minute)) = (clock(self.from), clock(self.until));
        write!(f, "{from:02}:{from_minute:02}-{until:02}:{until_minute:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_hours_are_covered() {
        // 2026-11-26 is a Thursday.
        for (blackout, moment, covered) in [
            ("mon-fri 08:00-18:00", "2026-11-26T08:00:00+00:00[UTC]", true),
            ("mon-fri 08:00-18:00", "2026-11-26T18:00:00+00:00[UTC]", false),
            ("mon-fri 08:00-18:00", "2026-11-28T12:00:00+00:00[UTC]", false),
            ("sat,sun 00:00-24:00", "2026-11-28T23:59:00+00:00[UTC]", true),
            ("22:00-06:00", "2026-11-26T05:59:00+00:00[UTC]", true),
            ("22:00-06:00", "2026-11-26T21:59:00+00:00[UTC]", false),
            ("wed 22:00-06:00", "2026-11-26T01:00:00+00:00[UTC]", true),
            ("thu 22:00-06:00", "2026-11-26T01:00:00+00:00[UTC]", false),
            ("sat-mon 10:00-11:00", "2026-11-29T10:30:00+00:00[UTC]", true),
        ] {
            let parsed: Blackout = blackout.parse().unwrap();
            assert_eq!(parsed.covers(&moment.parse().unwrap()), covered, "{blackout} at {moment}");
            assert_eq!(parsed.to_string().parse(), Ok(parsed), "{blackout}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in [
            "",
            "8-18",
            "08:00",
            "08:00-08:00",
            "25:00-26:00",
            "08:60-09:00",
            "mo 08:00-09:00",
            "08:00-24:01",
        ] {
            assert!(text.parse::<Blackout>().is_err(), "{text}");
        }
    }
}
