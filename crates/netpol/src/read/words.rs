//! Words of a text that may name another service.

/// The longest name of a host (RFC 1035, 2.3.4).
const NAME_BYTES_MAX: usize = 253;
/// Bytes of one text that are looked at.
const TEXT_BYTES_MAX: usize = 64 << 10;

/// Names of hosts in a text, each with `:port` when one follows. Words that are plain numbers are left out.
pub(super) fn hosts(text: &str) -> impl Iterator<Item = &str> {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':');
    text[..end]
        .split(move |c| !is_word(c))
        .map(|word| word.trim_matches(['.', ':', '-']))
        .filter(|word| word.len() <= NAME_BYTES_MAX && word.bytes().any(|b| b.is_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn hosts_are_found_in_addresses_of_all_kinds() {
        for (text, expected) in [
            (
                "postgres://user:pw@db.shop.svc:5432/orders?ssl=1",
                vec!["postgres", "user:pw", "db.shop.svc:5432", "orders", "ssl"],
            ),
            ("redis:6379,cache", vec!["redis:6379", "cache"]),
            ("http://api/", vec!["http", "api"]),
            ("8080 É db", vec!["db"]),
            ("", vec![]),
        ] {
            assert_eq!(super::hosts(text).collect::<Vec<_>>(), expected, "{text}");
        }
    }
}
