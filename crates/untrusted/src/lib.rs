//! Text that came from outside, and the only ways it may leave again.
//!
//! [`Text`] has no `Display`: whoever wants to show it must say where it goes, and each exit
//! neutralises what is dangerous there. A terminal obeys escape sequences, a browser obeys markup, a
//! spreadsheet obeys formulas, a log reader believes line breaks, and everybody believes bidirectional
//! overrides. Nothing is dropped without a trace: what cannot be shown is shown as its escape.

mod csv;
pub mod hostile;
mod html;
pub mod json;
mod log;
mod markdown;
mod suspicious;
mod terminal;

pub use csv::csv_field;
pub use html::html;
pub use log::log_field;
pub use markdown::markdown;
pub use suspicious::is_dangerous;
pub use terminal::{terminal, terminal_cut, terminal_width};

use compact_str::CompactString;
use serde::{Deserialize, Serialize};

/// Text from outside: a banner, a header, a host name, a certificate subject, a line of a foreign file.
///
/// The bytes are valid UTF-8 and otherwise untouched. It serialises as a plain string; writers that
/// print JSON use [`json::to_string`], which escapes what a terminal would obey.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(CompactString);

impl Text {
    /// Takes text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// Takes text of our own, which is not copied.
    pub const fn of_program(text: &'static str) -> Self {
        Self(CompactString::const_new(text))
    }

    /// Takes at most `bytes_max` bytes, replacing what is not UTF-8 by U+FFFD and never splitting a
    /// character.
    pub fn from_bytes(bytes: &[u8], bytes_max: usize) -> Self {
        let mut cut = bytes.len().min(bytes_max);
        if cut < bytes.len() {
            // Step back over at most three continuation bytes so that the cut does not itself make a U+FFFD.
            let mut steps = 0;
            while cut > 0 && steps < 3 && bytes[cut] & 0xC0 == 0x80 {
                cut -= 1;
                steps += 1;
            }
        }
        Self(String::from_utf8_lossy(&bytes[..cut]).into())
    }

    /// The raw text, for matching, storing and hashing; never for showing.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// True when there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Safe for a terminal: one line, no escape sequence, no override. See [`terminal()`].
    pub fn for_terminal(&self) -> String {
        terminal(&self.0)
    }

    /// Safe as HTML text and inside a quoted attribute. See [`html()`].
    pub fn for_html(&self) -> String {
        html(&self.0)
    }

    /// Safe as one CSV field, quoted where needed. See [`csv_field`].
    pub fn for_csv(&self) -> String {
        csv_field(&self.0)
    }

    /// Safe as Markdown text or table cell. See [`markdown()`].
    pub fn for_markdown(&self) -> String {
        markdown(&self.0)
    }

    /// Safe as a value in a log line. See [`log_field`].
    pub fn for_log(&self) -> String {
        log_field(&self.0)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

#[cfg(test)]
mod tests;
