//! What a plain scalar is.
//!
//! As the reader of Kubernetes has it (go-yaml v2 below `sigs.k8s.io/yaml`), which resolves as YAML 1.1 did, `y` and
//! `n` included; dates and numbers with colons stay text. The table in the tests was recorded from `kubectl`.

use crate::Kind;

/// The kind of a plain scalar.
pub(crate) fn resolve(text: &str) -> Kind {
    let bytes = text.as_bytes();
    let Some(&first) = bytes.first() else { return Kind::Null };
    match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => number(text),
        b'~' if bytes.len() == 1 => Kind::Null,
        b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'y' | b'Y' | b'o' | b'O' if bytes.len() <= 5 => word(text),
        _ => Kind::String,
    }
}

fn word(text: &str) -> Kind {
    match text {
        "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" | "yes" | "Yes" | "YES" | "no" | "No"
        | "NO" | "on" | "On" | "ON" | "off" | "Off" | "OFF" | "y" | "Y" | "n" | "N" => Kind::Bool,
        _ => Kind::String,
    }
}

fn number(text: &str) -> Kind {
    if matches!(
        text,
        ".inf"
            | ".Inf"
            | ".INF"
            | "+.inf"
            | "+.Inf"
            | "+.INF"
            | "-.inf"
            | "-.Inf"
            | "-.INF"
            | ".nan"
            | ".NaN"
            | ".NAN"
    ) {
        return Kind::Float;
    }
    let possible = |byte: u8| byte.is_ascii_hexdigit() || b"_+-.xXoOeEbB".contains(&byte);
    if !text.bytes().all(possible) {
        return Kind::String;
    }
    let without;
    let plain = if text.contains('_') {
        without = text.replace('_', "");
        &without
    } else {
        text
    };
    if is_whole(plain) {
        Kind::Int
    } else if is_float(plain) {
        Kind::Float
    } else {
        Kind::String
    }
}

/// What Go's `strconv.ParseInt` or `ParseUint` take with base 0.
fn is_whole(plain: &str) -> bool {
    let (negative, digits) = match plain.as_bytes() {
        [b'-', ..] => (true, &plain[1..]),
        [b'+', ..] => (false, &plain[1..]),
        _ => (false, plain),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', _, ..] => (8, &digits[2..]),
        // The reader cuts `0b` off before it looks for a sign.
        [b'0', b'b' | b'B', b'-', ..] => (2, &digits[3..]),
        [b'0', b'b' | b'B', _, ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    let in_base = !digits.is_empty() && digits.bytes().all(|byte| (byte as char).is_digit(radix));
    in_base
        && match u64::from_str_radix(digits, radix) {
            Ok(value) => !negative || value <= 1 << 63,
            Err(_) => false,
        }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, in the range of a double.
fn is_float(plain: &str) -> bool {
    let unsigned = plain.strip_prefix(['-', '+']).unwrap_or(plain);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let has_shape = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    let exponent_ok = exponent.is_none_or(|exponent| {
        let power = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !power.is_empty() && digits(power)
    });
    has_shape && exponent_ok && plain.parse::<f64>().is_ok_and(f64::is_finite)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded with `kubectl annotate --local -o json` of kubectl 1.32 (and `.inf`, `.nan`, which it refuses as JSON).
    #[test]
    fn scalars_are_what_kubectl_makes_of_them() {
        let check = |kind, texts: &str| {
            for text in texts.split_whitespace() {
                assert_eq!(resolve(text), kind, "{text}");
            }
        };
        check(Kind::Bool, "y Y yes Yes YES n N no On on OFF off True TRUE");
        check(Kind::Null, "~ null Null NULL");
        check(
            Kind::Int,
            "0x1F 0X1F 0o17 0O17 0b11 -0b1 017 1_000 +5 18446744073709551615 -0x1 1__0 1_ -0o17",
        );
        check(Kind::Int, "0b-1 0x_1 +0b11 +0x1 -017 00 -0 0_7");
        check(
            Kind::Float,
            "08 09.5 1e3 1e+3 1E5 1.5 .5 5. 99999999999999999999 -.5 0. 1.e1 -08 +1.5e3 +.5 1_.5 1.5_0",
        );
        check(Kind::Float, ".inf .NaN .Inf");
        check(
            Kind::String,
            "yEs tRue nULL 1:30 2001-01-01 2001-01-01T00:00:00Z = << 0xg _1 1e400 .e1 0.0.0 1.2.3 <",
        );
        check(Kind::String, "0b 0x ._ +. + --1 0o8 1e+ 0x1p4 . -");
    }
}
