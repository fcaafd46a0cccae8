//! Values of flags as Go programs read them.

use std::time::Duration;

/// A boolean as Go's `strconv.ParseBool` reads it; nothing for any other word, which stops the program.
pub(crate) fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

/// A duration as Go's `time.ParseDuration` reads it: `1h30m`, `0`, `0s`, `1.5s`. Negative ones become zero.
pub(crate) fn go_duration(text: &str) -> Option<Duration> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(Duration::ZERO);
    }
    let mut seconds = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        rest = &rest[digits..];
        let unit_len = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        seconds += number * unit_seconds(&rest[..unit_len])?;
        rest = &rest[unit_len..];
    }
    if negative {
        return Some(Duration::ZERO);
    }
    Duration::try_from_secs_f64(seconds).ok()
}

fn unit_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "h" => 3600.0,
        "m" => 60.0,
        "s" => 1.0,
        "ms" => 1e-3,
        "us" | "\u{b5}s" | "\u{3bc}s" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    })
}

/// The items of a list between commas, without the blanks around them and without empty ones.
pub(crate) fn items(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// The last value of `key` in a list of `key=value` pairs, such as `--feature-gates` takes.
pub(crate) fn pair<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    items(text)
        .filter_map(|item| item.split_once('='))
        .filter(|(own, _)| own.trim() == key)
        .map(|(_, v)| v.trim())
        .last()
}

/// True when a value is filled in later, by a template or the environment, so that nothing can be said of it.
pub(crate) fn is_placeholder(text: &str) -> bool {
    text.contains('$') || text.contains("{{") || (text.contains('<') && text.contains('>'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        let check = |text, seconds: Option<f64>| {
            assert_eq!(go_duration(text).map(|duration| duration.as_secs_f64()), seconds, "{text}");
        };
        check("0", Some(0.0));
        check("0s", Some(0.0));
        check("1h30m", Some(5400.0));
        check("1.5s", Some(1.5));
        check("300ms", Some(0.3));
        check("-5s", Some(0.0));
        check("5", None);
        check("", None);
        check("1y", None);
        check("..s", None);
        check("99999999999999999999999h", None);
    }

    #[test]
    fn booleans_and_pairs() {
        assert_eq!(go_bool("F"), Some(false));
        assert_eq!(go_bool("no"), None);
        assert_eq!(pair("A=true, B=false,A=false", "A"), Some("false"));
        assert_eq!(pair("AB=true", "A"), None);
        assert_eq!(items(" a,,b ").collect::<Vec<_>>(), ["a", "b"]);
        assert!(is_placeholder("https://$(IP):1") && !is_placeholder("::1"));
    }
}
