use std::net::IpAddr;

use nightlatch_asset::{Record, Value, token};

use crate::{Area, Expr, Match, Test};

/// Mean radius of the Earth, in kilometres.
const EARTH_KM: f64 = 6_371.0;

/// Whether `record` is what `expr` asks for: the meaning of a query, by which every store is measured.
pub fn matches(expr: &Expr, record: &Record) -> bool {
    match expr {
        Expr::All => true,
        Expr::And(parts) => parts.iter().all(|part| matches(part, record)),
        Expr::Or(parts) => parts.iter().any(|part| matches(part, record)),
        Expr::Not(inner) => !matches(inner, record),
        Expr::Match(filter) => filter_matches(filter, record),
    }
}

fn filter_matches(filter: &Match, record: &Record) -> bool {
    let mut found = false;
    filter.field.values(record, &mut |value| {
        found = found || filter.tests.iter().any(|test| passes(test, &value));
    });
    found
}

fn passes(test: &Test, value: &Value<'_>) -> bool {
    match (test, value) {
        (Test::Exists, _) => true,
        (Test::Whole(whole), Value::Text(text)) => token::fold(text) == *whole,
        (Test::WholePattern(pattern), Value::Text(text)) => pattern.matches(&token::fold(text)),
        (Test::Phrase(phrase), Value::Text(text)) => has_phrase(text, phrase),
        (Test::WordPattern(pattern), Value::Text(text)) => {
            token::words(text).any(|word| pattern.matches(&word))
        }
        (Test::Number { min, max }, Value::Number(number)) => (min..=max).contains(&number),
        (Test::Net { address, prefix }, Value::Ip(ip)) => in_block(*ip, *address, *prefix),
        (Test::Date { from, until }, Value::Date(time)) => {
            from.is_none_or(|from| time.as_second() >= from.as_second())
                && until.is_none_or(|until| time.as_second() < until.as_second())
        }
        (Test::Flag(wanted), Value::Flag(flag)) => wanted == flag,
        (Test::Geo(area), Value::Geo { latitude, longitude }) => in_area(area, *latitude, *longitude),
        // A test of another type than the field's; the parser makes none.
        _ => false,
    }
}

/// Whether the words of `text`, as [`token::words`] cuts them, hold `phrase` in a row.
fn has_phrase(text: &str, phrase: &[String]) -> bool {
    let pieces: Vec<&str> =
        text.split(|c: char| !c.is_alphanumeric()).filter(|piece| !piece.is_empty()).collect();
    !phrase.is_empty()
        && pieces
            .windows(phrase.len())
            .any(|window| window.iter().zip(phrase).all(|(piece, word)| same_word(piece, word)))
}

/// Compares without making a new string where both are plain and short, which is nearly always.
fn same_word(piece: &str, word: &str) -> bool {
    if piece.is_ascii() && piece.len() <= token::WORD_BYTES_MAX {
        return piece.eq_ignore_ascii_case(word);
    }
    token::words(piece).next().is_some_and(|folded| folded == word)
}

/// Whether `ip` is inside the block; addresses of the other family never are.
fn in_block(ip: IpAddr, address: IpAddr, prefix: u8) -> bool {
    match (ip, address) {
        (IpAddr::V4(ip), IpAddr::V4(address)) => {
            let host_bits = 32u32.saturating_sub(prefix.into());
            (ip.to_bits() ^ address.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
        }
        (IpAddr::V6(ip), IpAddr::V6(address)) => {
            let host_bits = 128u32.saturating_sub(prefix.into());
            (ip.to_bits() ^ address.to_bits()).checked_shr(host_bits).unwrap_or(0) == 0
        }
        _ => false,
    }
}

impl Area {
    /// Whether a position, in degrees, is inside.
    pub fn holds(&self, latitude: f64, longitude: f64) -> bool {
        in_area(self, latitude, longitude)
    }
}

fn in_area(area: &Area, latitude: f64, longitude: f64) -> bool {
    match *area {
        Area::Around { latitude: to_latitude, longitude: to_longitude, km } => {
            haversine_km(latitude, longitude, to_latitude, to_longitude) <= km
        }
        Area::Box { top, left, bottom, right } => {
            let between = if left <= right {
                (left..=right).contains(&longitude)
            } else {
                longitude >= left || longitude <= right
            };
            between && (bottom..=top).contains(&latitude)
        }
    }
}

/// Distance on a sphere between two positions in degrees, in kilometres.
///
/// Source: the haversine formula, hav(d/r) = hav(Δφ) + cos φ1 cos φ2 hav(Δλ).
fn haversine_km(latitude_1: f64, longitude_1: f64, latitude_2: f64, longitude_2: f64) -> f64 {
    let half_sine = |degrees: f64| (degrees.to_radians() / 2.0).sin();
    let (across, along) = (half_sine(latitude_2 - latitude_1), half_sine(longitude_2 - longitude_1));
    let haversine =
        across * across + latitude_1.to_radians().cos() * latitude_2.to_radians().cos() * along * along;
    2.0 * EARTH_KM * haversine.sqrt().min(1.0).asin()
}
