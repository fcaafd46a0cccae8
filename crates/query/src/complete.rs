use std::ops::Range;

use nightlatch_asset::{CATALOGUE, Field, Kind};

use crate::{closed_words, parse::PSEUDO_FIELDS};

/// Most suggestions at once.
const SUGGESTIONS_MAX: usize = 40;

/// One way to go on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Suggestion {
    /// Bytes of the given text to replace.
    pub replace: Range<usize>,
    /// What to put there.
    pub text: String,
    /// One line about it.
    pub help: &'static str,
}

/// Ways to go on after `prefix_text`, the part of a query before the cursor: field names, and the words of
/// fields that have a closed list. Sorted as the catalogue is; nothing inside quotes.
pub fn complete(prefix_text: &str) -> Vec<Suggestion> {
    if prefix_text.matches('"').count() % 2 == 1 {
        return Vec::new();
    }
    let start =
        prefix_text.rfind(|c: char| c.is_whitespace() || c == '(').map_or(0, |at| next_char(prefix_text, at));
    let signs = prefix_text[start..].len() - prefix_text[start..].trim_start_matches(['-', '!']).len();
    let start = start + signs;
    match prefix_text[start..].split_once(':') {
        None => names(&prefix_text[start..], start..prefix_text.len()),
        Some((name, values)) => {
            let value = values.rsplit(',').next().unwrap_or(values).trim_start_matches(['<', '>', '=']);
            words(&name.to_ascii_lowercase(), value, prefix_text.len() - value.len()..prefix_text.len())
        }
    }
}

fn next_char(text: &str, at: usize) -> usize {
    at + text[at..].chars().next().map_or(0, char::len_utf8)
}

fn names(typed: &str, replace: Range<usize>) -> Vec<Suggestion> {
    let typed = typed.to_ascii_lowercase();
    let fields = CATALOGUE.iter().flat_map(|info| {
        std::iter::once(info.name).chain(info.aliases.iter().copied()).map(|name| (name, info.help))
    });
    fields
        .chain(PSEUDO_FIELDS)
        .filter(|(name, _)| name.starts_with(&typed))
        .take(SUGGESTIONS_MAX)
        .map(|(name, help)| Suggestion { replace: replace.clone(), text: format!("{name}:"), help })
        .collect()
}

fn words(name: &str, typed: &str, replace: Range<usize>) -> Vec<Suggestion> {
    const FLAGS: &[&str] = &["true", "false"];
    let typed = typed.to_ascii_lowercase();
    let (words, help) = match Field::named(name) {
        Ok(field) => match field.info().kind {
            Kind::Ladder(words) => (words, field.info().help),
            Kind::Flag => (FLAGS, field.info().help),
            _ => (closed_words(field).unwrap_or(&[]), field.info().help),
        },
        Err(_) if name.starts_with("has_") || matches!(name, "history" | "latest") => (FLAGS, ""),
        Err(_) => (&[][..], ""),
    };
    words
        .iter()
        .filter(|word| word.starts_with(&typed))
        .map(|word| Suggestion { replace: replace.clone(), text: (*word).to_owned(), help })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(prefix: &str) -> Vec<String> {
        complete(prefix).into_iter().map(|s| format!("{}{}", &prefix[..s.replace.start], s.text)).collect()
    }

    #[test]
    fn names_and_closed_words_are_completed() {
        assert_eq!(texts("expo"), ["exposure:"]);
        assert_eq!(texts("a -(sever"), ["a -(severity:"]);
        assert_eq!(texts("-expo"), ["-exposure:"]);
        assert_eq!(texts("exposure:>=r"), ["exposure:>=readable"]);
        assert_eq!(texts("severity:high,c"), ["severity:high,critical"]);
        assert_eq!(texts("transport:"), ["transport:tcp", "transport:udp"]);
        assert_eq!(texts("ssl.cert.expired:t"), ["ssl.cert.expired:true"]);
        assert_eq!(texts("has_ssl:f"), ["has_ssl:false"]);
        assert_eq!(texts("hist"), ["history:"]);
    }

    #[test]
    fn nothing_is_offered_where_anything_may_stand() {
        assert!(texts("title:\"expo").is_empty());
        assert!(texts("org:x").is_empty());
        assert!(texts("nosuch:x").is_empty());
        assert!(texts("Grüße\u{2003}ä").is_empty());
        assert_eq!(texts("").len(), SUGGESTIONS_MAX);
    }
}
