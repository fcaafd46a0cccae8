//! Random queries about values that are there.

use jiff::Timestamp;
use nightlatch_asset::{CATALOGUE, Field, Kind, Record, Value, token};
use nightlatch_query::{Area, Expr, Match, Pattern, Test, closed_words};

use crate::synthetic::Draw;

/// Longest literal text taken into a pattern, in characters.
const PATTERN_CHARS_MAX: u64 = 12;

/// A tree of at most `depth` levels of combination.
pub(super) fn tree(draw: &mut Draw, records: &[Record], depth: u64) -> Expr {
    let parts = |draw: &mut Draw| {
        let count = 2 + draw.below(2);
        (0..count).map(|_| tree(draw, records, depth - 1)).collect()
    };
    match draw.below(if depth == 0 { 50 } else { 100 }) {
        0 => Expr::All,
        1..50 => filter(draw, records),
        50..72 => Expr::And(parts(draw)),
        72..88 => Expr::Or(parts(draw)),
        _ => Expr::Not(Box::new(tree(draw, records, depth - 1))),
    }
}

fn filter(draw: &mut Draw, records: &[Record]) -> Expr {
    let field = draw.choose(CATALOGUE).map_or(Field::Data, |info| info.field);
    let count = 1 + draw.zipf(4);
    let tests = (0..count).map(|_| some_test(draw, field, records)).collect();
    Expr::Match(Match { field, tests })
}

/// A test that some record passes, if any has the field.
fn some_test(draw: &mut Draw, field: Field, records: &[Record]) -> Test {
    for _ in 0..8 {
        let Some(record) = draw.choose(records) else { break };
        let values = field.collect(record);
        if let Some(value) = draw.choose(&values)
            && let Some(test) = test(draw, field, value)
        {
            return test;
        }
    }
    Test::Exists
}

fn test(draw: &mut Draw, field: Field, value: &Value<'_>) -> Option<Test> {
    if draw.per_mille(30) {
        return Some(Test::Exists);
    }
    match (field.info().kind, value) {
        (Kind::Keyword, Value::Text(text)) => Some(keyword(draw, field, text)),
        (Kind::Text, Value::Text(text)) => words(draw, field, text),
        (Kind::Number { min, max }, Value::Number(number)) => Some(range(draw, *number, min, max, 3_000)),
        (Kind::Ladder(words), Value::Number(number)) => {
            Some(range(draw, *number, 0, words.len() as i64 - 1, 3))
        }
        (Kind::Ip, Value::Ip(ip)) => Some(block(draw, *ip)),
        (Kind::Date, Value::Date(time)) => dates(draw, *time),
        (Kind::Flag, Value::Flag(flag)) => Some(Test::Flag(*flag)),
        (Kind::Geo, Value::Geo { latitude, longitude }) => Some(Test::Geo(area(draw, *latitude, *longitude))),
        _ => None,
    }
}

fn keyword(draw: &mut Draw, field: Field, text: &str) -> Test {
    let folded = token::fold(text);
    if closed_words(field).is_none()
        && draw.per_mille(350)
        && let Some(pattern) = pattern(draw, &folded, field == Field::Domain)
    {
        return Test::WholePattern(pattern);
    }
    Test::Whole(folded)
}

fn words(draw: &mut Draw, field: Field, text: &str) -> Option<Test> {
    let words: Vec<String> = token::words(text).collect();
    let whole = field.info().facet;
    match draw.below(100) {
        0..15 if whole => return Some(Test::Whole(token::fold(text))),
        15..25 if whole => {
            let found = pattern(draw, &token::fold(text), field == Field::Hostname)?;
            // Without punctuation it would be a pattern for one word.
            let punctuated =
                found.glob.chars().any(|c| !c.is_alphanumeric() && !matches!(c, '*' | '?' | '\\'));
            return punctuated.then_some(Test::WholePattern(found));
        }
        25..45 => {
            let word = draw.choose(&words)?;
            let plain = word.chars().all(char::is_alphanumeric);
            return plain
                .then(|| pattern(draw, word, field == Field::Hostname))
                .flatten()
                .map(Test::WordPattern);
        }
        45..50 => {
            let scattered: Option<Vec<String>> = (0..2).map(|_| draw.choose(&words).cloned()).collect();
            return scattered.map(Test::Phrase);
        }
        _ => {}
    }
    let start = draw.below(words.len() as u64) as usize;
    let phrase: Vec<String> = words.into_iter().skip(start).take(1 + draw.zipf(4) as usize).collect();
    (!phrase.is_empty()).then_some(Test::Phrase(phrase))
}

/// Some of `text` and wildcards; at least two characters before the first one, or anywhere for names.
fn pattern(draw: &mut Draw, text: &str, may_lead: bool) -> Option<Pattern> {
    let chars: Vec<char> = text.chars().collect();
    if chars.len() < 3 || chars.contains(&'\u{307}') {
        return None;
    }
    let escaped = |chars: &[char]| -> String {
        chars
            .iter()
            .flat_map(|c| matches!(c, '*' | '?' | '\\').then_some('\\').into_iter().chain([*c]))
            .collect()
    };
    if may_lead && draw.per_mille(400) {
        let from = 1 + draw.below(chars.len() as u64 - 2) as usize;
        return Some(Pattern { glob: format!("*{}", escaped(&chars[from..])) });
    }
    let front = (2 + draw.below(PATTERN_CHARS_MAX) as usize).min(chars.len() - 1);
    let glob = match draw.below(3) {
        0 => escaped(&chars[..front]) + "*",
        1 => format!("{}?{}", escaped(&chars[..front]), escaped(chars.get(front + 1..front + 4)?)) + "*",
        _ => format!("{}*{}", escaped(&chars[..front]), escaped(&chars[chars.len() - 1..])),
    };
    Some(Pattern { glob })
}

fn range(draw: &mut Draw, number: i64, min: i64, max: i64, width: u64) -> Test {
    let below = draw.below(width) as i64;
    let above = draw.below(width) as i64;
    let (low, high) = ((number - below).max(min), (number + above).min(max));
    match draw.below(6) {
        0..3 => Test::Number { min: number, max: number },
        3 => Test::Number { min: low, max: high },
        4 => Test::Number { min: low, max },
        _ => Test::Number { min, max: high },
    }
}

fn block(draw: &mut Draw, ip: std::net::IpAddr) -> Test {
    match ip {
        std::net::IpAddr::V4(v4) => {
            let prefix = draw.below(33) as u8;
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Test::Net { address: std::net::Ipv4Addr::from_bits(v4.to_bits() & mask).into(), prefix }
        }
        std::net::IpAddr::V6(v6) => {
            let prefix = draw.below(129) as u8;
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Test::Net { address: std::net::Ipv6Addr::from_bits(v6.to_bits() & mask).into(), prefix }
        }
    }
}

fn dates(draw: &mut Draw, time: Timestamp) -> Option<Test> {
    let second = time.as_second();
    let at = |second| Timestamp::from_second(second).ok();
    let (before, after) = (draw.below(900_000) as i64, draw.below(900_000) as i64);
    Some(match draw.below(6) {
        0 => Test::Date { from: at(second), until: None },
        1 => Test::Date { from: None, until: at(second) },
        2 => Test::Date { from: at(second), until: at(second + 1) },
        3 => Test::Date { from: at(second - before), until: None },
        4 => Test::Date { from: None, until: at(second + after) },
        _ => Test::Date { from: at(second - before), until: at(second + after + 1) },
    })
}

fn area(draw: &mut Draw, latitude: f64, longitude: f64) -> Area {
    // In steps of a quarter of a degree, so that borders do not fall on positions of the corpus by rounding.
    let mut off = |wide: u64| (draw.below(wide) as f64 + 0.5) / 4.0;
    match off(40) {
        small if small < 5.0 => Area::Around { latitude, longitude, km: small * 100.0 },
        _ => {
            let (top, bottom) = ((latitude + off(40)).min(90.0), (latitude - off(40)).max(-90.0));
            let (left, right) = ((longitude - off(80)).max(-180.0), (longitude + off(80)).min(180.0));
            match off(10) < 0.5 {
                true => Area::Box { top, left: right, bottom, right: left },
                false => Area::Box { top, left, bottom, right },
            }
        }
    }
}
