//! Credentials in values and texts: what they are, where, and how sure that is. Values are never repeated.
//!
//! - [`detect`] judges one value with the name it stands under: an environment variable, a key of a file.
//! - [`scan_text`] searches a text in whatever notation (YAML, JSON, properties, INI, XML, shell, SQL, source code).
//! - [`scan_arguments`] searches the arguments of a command.
//!
//! Three kinds of evidence are told apart. A *shape* (a prefix with the right length and alphabet, with the checksum
//! where the issuer defines one, a decodable key or token) needs no name. A *name* such as `DB_PASSWORD` makes a
//! literal count, unless it is a stand-in, a reference, a path, a number or a word. A name that only *may* be one
//! needs a value that looks drawn at random.
//!
//! Pure, and linear in the length of the text: one automaton finds the places, every reader has a bound.

mod address;
mod arguments;
mod assignment;
mod certificate;
mod checksum;
mod detection;
mod entropy;
mod jwt;
mod kind;
mod landmarks;
mod name;
mod pem;
mod scan;
mod shapes;
mod value;
mod words;

pub use arguments::scan_arguments;
pub use certificate::{Subject, subject};
pub use detection::{Confidence, Detection, mask};
pub use kind::Kind;

/// Longest text that is searched, in bytes; what comes after is not.
pub const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Finds the credentials in one value.
///
/// - `name`: what it stands under (`DB_PASSWORD`, `spring.datasource.password`); without one only shapes count.
/// - `value`: as the program would read it: quotes and escapes undone.
/// - returns the detections in order of place; spans are bytes of `value`.
///
/// A value of several lines, or with `name=value` in it, is searched as a text as well.
pub fn detect(name: Option<&str>, value: &str) -> Vec<Detection> {
    let mut found = scan_text(name, value);
    let trimmed = value.trim();
    let is_structure = trimmed.contains('\n') || (trimmed.starts_with('{') && trimmed.contains(':'));
    let Some(known) = name.and_then(name::judge).filter(|_| !is_structure) else { return found };
    if found.iter().any(|one| !one.kind.is_generic()) {
        return found;
    }
    let start = value.len() - value.trim_start().len();
    if let Some(whole) = scan::judge(value, &known, start..start + trimmed.len()) {
        found.retain(|one| one.span.end <= whole.span.start || one.span.start >= whole.span.end);
        found.push(whole);
    }
    scan::settle(found)
}

/// Finds the credentials in a text: shapes anywhere, and values of sensitive names in any common notation.
///
/// - `file_name`: what the text is called, when it has a name (the key of a ConfigMap): source code is told by its ending.
/// - returns the detections in order of place, at most 10,000; they do not overlap.
pub fn scan_text(file_name: Option<&str>, text: &str) -> Vec<Detection> {
    scan::scan(pem::clip(text, TEXT_BYTES_MAX), file_name)
}

/// True when a name alone promises a credential (`DB_PASSWORD`, `apiKey`), whatever its value.
pub fn is_sensitive_name(name: &str) -> bool {
    name::judge(name)
        .is_some_and(|known| matches!(known.promise, name::Promise::Password | name::Promise::Secret))
}

/// True for values that stand where a credential would and are none: empty, a stand-in such as `<your-token>`, a
/// reference such as `$(VAR)` or `vault:...`, a path, a number, an address.
pub fn is_stand_in(value: &str) -> bool {
    value::is_something_else(value.trim())
}
