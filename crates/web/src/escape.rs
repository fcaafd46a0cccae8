//! The one way foreign text enters a page.

use std::fmt::{self, Write};

use askama::filters::Escaper;

/// Escapes as [`nightlatch_untrusted::html`] does: markup becomes text, and what would turn the reading direction or
/// hide is shown as `\u{..}`. `askama.toml` puts it on every value of every template.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shown;

impl Escaper for Shown {
    fn write_escaped_str<W: Write>(&self, mut dest: W, string: &str) -> fmt::Result {
        let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '&' | '<' | '>' | '"' | '\'') || c == ' ';
        if string.chars().all(plain) {
            return dest.write_str(string);
        }
        dest.write_str(&nightlatch_untrusted::html(string))
    }
}

/// A banner as lines: CR LF and lone CR become line feeds, which a page may show as they are.
pub(crate) fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

/// The first `chars_max` characters of `text`, with `…` where something was left out.
pub(crate) fn cut(text: &str, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_untrusted::{hostile, is_dangerous};

    use super::*;

    #[test]
    fn every_attack_of_the_corpus_leaves_as_text() {
        for attack in hostile::CORPUS {
            let mut out = String::new();
            Shown.write_escaped_str(&mut out, attack).unwrap();
            assert_eq!(out, nightlatch_untrusted::html(attack));
            assert!(!out.contains(['<', '>', '"', '\'']), "{out}");
            assert!(!out.chars().any(|c| is_dangerous(c) && !matches!(c, '\n' | '\t')), "{out:?}");
        }
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        assert_eq!(cut("äöü", 2), "äö…");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(lines("a\r\nb\rc"), "a\nb\nc");
    }
}
