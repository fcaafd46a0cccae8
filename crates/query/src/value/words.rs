use nightlatch_asset::{Field, nearest, token};

use super::no_sign;
use crate::{
    PATTERN_BYTES_MAX, PATTERN_LITERALS_MIN, Pattern, QueryError, QueryErrorKind, Test,
    lex::{Sign, Value},
};

/// The words a keyword field can hold, where the list is closed.
pub fn closed_words(field: Field) -> Option<&'static [&'static str]> {
    match field {
        Field::Transport => Some(&["tcp", "udp"]),
        Field::Proof => Some(&["inferred", "proven"]),
        Field::Confidence => Some(&["low", "medium", "high"]),
        Field::SslClientCertificate => Some(&["not-requested", "requested", "required"]),
        _ => None,
    }
}

/// A value of a keyword field: whole, or with wildcards.
pub(super) fn keyword(query: &str, field: Field, value: &Value) -> Result<Test, QueryError> {
    no_sign(query, value, &[Sign::Equal], "a value that is compared as a whole")?;
    if value.sign.is_none() && value.has_wildcard() {
        return pattern(query, field, value).map(Test::WholePattern);
    }
    let text = value.text();
    if field == Field::Cpe
        && let Some(pattern) = cpe22(&token::fold(&text))
    {
        return Ok(Test::WholePattern(pattern));
    }
    if text.is_empty() {
        return Err(QueryError::new(QueryErrorKind::MissingValue, query, value.span.clone(), "a value")
            .hint("write `\\,` for a comma that belongs to the value"));
    }
    normal(query, field, value, token::fold(&text)).map(Test::Whole)
}

/// What a name of CPE 2.2 (`cpe:/a:docker:docker`, as Shodan's `cpe`) means for names of CPE 2.3, as they are
/// kept: all that begin with these parts. None for other text.
fn cpe22(folded: &str) -> Option<Pattern> {
    let mut glob = String::from("cpe:2.3");
    for part in folded.strip_prefix("cpe:/")?.trim_end_matches(':').split(':') {
        glob.push(':');
        if part.is_empty() {
            glob.push('*');
        }
        for c in part.chars() {
            if matches!(c, '*' | '?' | '\\') {
                glob.push('\\');
            }
            glob.push(c);
        }
    }
    glob.push_str(":*");
    (glob.len() <= PATTERN_BYTES_MAX).then_some(Pattern { glob })
}

/// A decimal number, as Shodan's `ssl.cert.serial` takes it, in lower-case hexadecimal digits; none for other
/// text, and for numbers longer than a serial number can be.
///
/// Source: RFC 5280, section 4.1.2.2 (at most 20 octets, which are 49 decimal digits).
pub(super) fn hexadecimal(text: &str) -> Option<String> {
    const DIGITS_MAX: usize = 49;
    if text.is_empty() || text.len() > DIGITS_MAX || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // Least significant first, each below 16.
    let mut digits: Vec<u32> = Vec::new();
    for decimal in text.bytes() {
        let mut carry = u32::from(decimal - b'0');
        for digit in &mut digits {
            carry += *digit * 10;
            *digit = carry % 16;
            carry /= 16;
        }
        if carry > 0 {
            digits.push(carry);
        }
    }
    let hexadecimal: String = digits.iter().rev().filter_map(|digit| char::from_digit(*digit, 16)).collect();
    Some(if hexadecimal.is_empty() { "0".to_owned() } else { hexadecimal })
}

/// Brings a folded value to the form it is stored in, and refuses what no record can hold.
fn normal(query: &str, field: Field, value: &Value, text: String) -> Result<String, QueryError> {
    let fail = |kind, expected: String| Err(QueryError::new(kind, query, value.span.clone(), expected));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match field {
        Field::Asn if digits(&text) => Ok(format!("as{text}")),
        Field::Asn if !text.strip_prefix("as").is_some_and(digits) => {
            fail(QueryErrorKind::BadValue, "a number, such as `AS64496`".into())
        }
        Field::Country if text.len() != 2 || !text.bytes().all(|b| b.is_ascii_lowercase()) => {
            let error = QueryError::new(
                QueryErrorKind::BadValue,
                query,
                value.span.clone(),
                "a code of two letters, such as `DE`",
            );
            Err(error.hint("to search by name, ask `country_name:`"))
        }
        Field::SslFingerprint => Ok(text.replace(':', "")),
        Field::SslSerial => {
            let digits = text.replace(':', "");
            // Stored without zeros in front.
            let told = digits.trim_start_matches('0');
            Ok(if told.is_empty() { digits.chars().take(1).collect() } else { told.to_owned() })
        }
        _ => match closed_words(field) {
            Some(words) if !words.contains(&text.as_str()) => {
                let expected = format!("a word of `{}`: {}", field.name(), words.join(", "));
                Err(QueryError::new(QueryErrorKind::UnknownWord, query, value.span.clone(), expected)
                    .nearest(nearest(&text, words.iter().copied())))
            }
            _ => Ok(text),
        },
    }
}

/// A value of a text field: words in a row, one word with wildcards, or the whole value.
pub(super) fn text(query: &str, field: Field, value: &Value) -> Result<Test, QueryError> {
    no_sign(query, value, &[Sign::Equal], "words")?;
    // Fields that cannot be counted by value keep no whole value to compare with.
    let whole = field.info().facet;
    let words_only = |hint: &str| {
        let expected = format!("words or a phrase, as `{}` is searched by words", field.name());
        QueryError::new(QueryErrorKind::NotComparable, query, value.span.clone(), expected).hint(hint)
    };
    if value.sign == Some(Sign::Equal) {
        return match whole {
            true => Ok(Test::Whole(token::fold(&value.text()))),
            false => Err(words_only("`hash:` finds equal responses")),
        };
    }
    if value.has_wildcard() {
        if value.literals().all(char::is_alphanumeric) {
            return pattern(query, field, value).map(Test::WordPattern);
        }
        return match whole {
            true => pattern(query, field, value).map(Test::WholePattern),
            false => Err(words_only("a wildcard works inside one word; separate the words by spaces")),
        };
    }
    let words: Vec<String> = token::words(&value.text()).collect();
    if words.is_empty() {
        return Err(QueryError::new(QueryErrorKind::NoWords, query, value.span.clone(), "letters or digits")
            .hint("punctuation separates words and is not searched"));
    }
    Ok(Test::Phrase(words))
}

fn pattern(query: &str, field: Field, value: &Value) -> Result<Pattern, QueryError> {
    let fail =
        |expected: String| QueryError::new(QueryErrorKind::BroadPattern, query, value.span.clone(), expected);
    let glob = token::fold(&value.glob());
    if glob.len() > PATTERN_BYTES_MAX {
        return Err(fail(format!("at most {PATTERN_BYTES_MAX} bytes in a text with wildcards")));
    }
    let anywhere = matches!(field, Field::Hostname | Field::Domain);
    let literals = if anywhere { value.literals().count() } else { value.literals_in_front() };
    if literals < PATTERN_LITERALS_MIN {
        let place = if anywhere { "besides" } else { "before" };
        let expected = format!("at least {PATTERN_LITERALS_MIN} characters {place} the wildcard");
        return Err(fail(expected).hint("only `hostname:` and `domain:` may begin with a wildcard"));
    }
    Ok(Pattern { glob })
}
