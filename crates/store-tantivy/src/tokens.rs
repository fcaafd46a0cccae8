//! How text becomes terms: exactly as [`nightlatch_asset::token`] cuts and folds it.

use nightlatch_asset::token::{WORD_BYTES_MAX, fold};
use tantivy::tokenizer::{Token, TokenStream, Tokenizer, TokenizerManager};

/// Name of [`Words`] in the schema.
pub(crate) const WORDS: &str = "words";
/// Name of [`Whole`] in the schema.
pub(crate) const WHOLE: &str = "whole";

/// Longest whole value that is a term by itself; a longer one is cut and told apart by a hash.
/// The engine drops terms from 65,531 bytes on.
const WHOLE_BYTES_MAX: usize = 60_000;

/// Both tokenizers under their names.
pub(crate) fn tokenizers() -> TokenizerManager {
    let manager = TokenizerManager::default();
    manager.register(WORDS, Words::default());
    manager.register(WHOLE, Whole::default());
    manager
}

/// The term that stands for a whole value, which is folded already.
pub(crate) fn whole_term(folded: &str) -> std::borrow::Cow<'_, str> {
    if folded.len() <= WHOLE_BYTES_MAX {
        return folded.into();
    }
    let mut cut = WHOLE_BYTES_MAX;
    while !folded.is_char_boundary(cut) {
        cut -= 1;
    }
    let hash = crc32fast::hash(folded.as_bytes());
    format!("{}\0{hash:08x}{:x}", &folded[..cut], folded.len()).into()
}

/// Words in lower case with their positions.
#[derive(Clone, Default)]
pub(crate) struct Words {
    token: Token,
}

/// The words of one text.
pub(crate) struct WordStream<'a> {
    token: &'a mut Token,
    text: &'a str,
    at: usize,
}

impl Tokenizer for Words {
    type TokenStream<'a> = WordStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WordStream<'a> {
        self.token.reset();
        WordStream { token: &mut self.token, text, at: 0 }
    }
}

impl TokenStream for WordStream<'_> {
    fn advance(&mut self) -> bool {
        let Some((from, to)) = next_word(self.text, self.at) else { return false };
        self.at = to;
        self.token.position = self.token.position.wrapping_add(1);
        self.token.offset_from = from;
        self.token.offset_to = to;
        fold_word_into(&self.text[from..to], &mut self.token.text);
        true
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

/// Byte range of the next run of letters and digits at or after `at`.
fn next_word(text: &str, at: usize) -> Option<(usize, usize)> {
    let is_word = |c: char| if c.is_ascii() { c.is_ascii_alphanumeric() } else { c.is_alphanumeric() };
    let from = at + text.get(at..)?.find(is_word)?;
    let rest = text.get(from..)?;
    let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
    Some((from, from + length))
}

fn fold_word_into(word: &str, out: &mut String) {
    out.clear();
    if word.is_ascii() {
        out.push_str(&word[..word.len().min(WORD_BYTES_MAX)]);
        out.make_ascii_lowercase();
    } else {
        out.push_str(&word.to_lowercase());
        if out.len() > WORD_BYTES_MAX {
            let mut cut = WORD_BYTES_MAX;
            while !out.is_char_boundary(cut) {
                cut -= 1;
            }
            out.truncate(cut);
        }
    }
}

/// The whole value in lower case.
#[derive(Clone, Default)]
pub(crate) struct Whole {
    token: Token,
}

/// The one term of a whole value.
pub(crate) struct WholeStream<'a> {
    token: &'a mut Token,
    done: bool,
}

impl Tokenizer for Whole {
    type TokenStream<'a> = WholeStream<'a>;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> WholeStream<'a> {
        self.token.reset();
        self.token.position = 0;
        self.token.offset_to = text.len();
        self.token.text.push_str(&whole_term(&fold(text)));
        WholeStream { token: &mut self.token, done: false }
    }
}

impl TokenStream for WholeStream<'_> {
    fn advance(&mut self) -> bool {
        !std::mem::replace(&mut self.done, true)
    }

    fn token(&self) -> &Token {
        self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        self.token
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_asset::token::words;
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &str) -> Vec<(usize, String)> {
        let mut tokenizer = Words::default();
        let mut stream = tokenizer.token_stream(text);
        let mut cut = Vec::new();
        while stream.advance() {
            cut.push((stream.token().position, stream.token().text.clone()));
        }
        cut
    }

    proptest! {
        #[test]
        fn words_are_those_of_the_catalogue(text in "(\\PC|[a-zA-Z0-9ÄÖÜßİΣ\\-\\. \r\n]){0,200}") {
            let expected: Vec<_> = words(&text).enumerate().collect();
            prop_assert_eq!(cut(&text), expected);
        }

        #[test]
        fn long_words_too(text in "[a-zäİ]{60,120} [A-Z]{70,100}") {
            let expected: Vec<_> = words(&text).enumerate().collect();
            prop_assert_eq!(cut(&text), expected);
        }
    }

    #[test]
    fn whole_values_too_long_for_a_term_stay_distinct() {
        let long = "x".repeat(100_000);
        let other = format!("{}y", &long[1..]);
        assert_ne!(whole_term(&long), whole_term(&other));
        assert!(whole_term(&long).len() < 65_000);
        assert_eq!(whole_term("short"), "short");
    }
}
