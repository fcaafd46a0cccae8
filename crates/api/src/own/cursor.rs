//! Where the next page begins, as a token that means nothing to anybody else.

use crate::{
    params::Params,
    trouble::{Trouble, shown},
};

/// Rows of a page that does not say how many.
pub(super) const LIMIT_DEFAULT: u32 = 100;
/// Bytes of a token: where, and of which question.
const TOKEN_DIGITS: usize = 24;

/// A place in a result.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Cursor(pub(super) u64);

impl Cursor {
    /// The cursor among the parameters; none for the first page.
    ///
    /// - `question`: what is paged; a token of another question is refused.
    pub(super) fn of(params: &Params, question: &str) -> Result<Option<Self>, Trouble> {
        let Some(token) = params.text("cursor").filter(|token| !token.is_empty()) else { return Ok(None) };
        Self::read(token, question).map(Some).ok_or_else(|| {
            Trouble::bad_value("cursor", format!("is none of this question: `{}`", shown(token)))
        })
    }

    fn read(token: &str, question: &str) -> Option<Self> {
        let right = token.len() == TOKEN_DIGITS && token.bytes().all(|b| b.is_ascii_hexdigit());
        let (at, mark) = token.split_at_checked(16).filter(|_| right)?;
        let at = u64::from_str_radix(at, 16).ok()? ^ MASK;
        (u32::from_str_radix(mark, 16).ok()? == digest(question, at)).then_some(Self(at))
    }

    pub(super) fn token(self, question: &str) -> String {
        format!("{:016x}{:08x}", self.0 ^ MASK, digest(question, self.0))
    }
}

/// So that nobody counts on what is in a token.
const MASK: u64 = 0x6e69_6768_746c_6174;

/// FNV-1a over the question and the place.
fn digest(question: &str, at: u64) -> u32 {
    let bytes = question.bytes().chain(at.to_be_bytes());
    bytes.fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The place in a list that is held whole.
pub(super) fn offset(params: &Params, question: &str) -> Result<usize, Trouble> {
    let cursor = Cursor::of(params, question)?;
    Ok(cursor.map_or(0, |cursor| usize::try_from(cursor.0).unwrap_or(usize::MAX)))
}

/// Rows of a page: what the parameters say, at most what the key gets.
pub(super) fn limit(params: &Params, most: u32) -> Result<u32, Trouble> {
    Ok(params.number("limit", 1, most)?.unwrap_or(LIMIT_DEFAULT.min(most)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_of_one_question() {
        let token = Cursor(12_345).token("a");
        assert_eq!(Cursor::read(&token, "a"), Some(Cursor(12_345)));
        assert_eq!(Cursor::read(&token, "b"), None);
        let flipped: String = token.chars().map(|c| if c == 'f' { '0' } else { 'f' }).collect();
        for wrong in ["", "x", "00", &token[1..], &flipped, "ääääääääääää", &"f".repeat(1_000_000)]
        {
            assert_eq!(Cursor::read(wrong, "a"), None);
        }
    }
}
