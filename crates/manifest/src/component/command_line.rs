//! Words of a command line, and the program and flags in them.

use super::{ComponentKind, Flag};
use crate::Node;

/// One word and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Word<'a> {
    pub(super) text: String,
    pub(super) node: Node<'a>,
}

/// A program that was found in words.
#[derive(Debug)]
pub(super) struct Found<'a> {
    pub(super) kind: ComponentKind,
    pub(super) flags: Vec<Flag<'a>>,
    /// True when a word is a variable that stands for more words.
    pub(super) has_variable: bool,
    /// True when the program is k3s or RKE2, which gives its parts flags of its own.
    pub(super) is_supervised: bool,
}

/// Programs that run another one: their own name, and their flags, stand before it.
const WRAPPERS: [&str; 15] = [
    "exec",
    "nohup",
    "sudo",
    "env",
    "tini",
    "dumb-init",
    "go-runner",
    "kube-log-runner",
    "nice",
    "ionice",
    "time",
    "setsid",
    "stdbuf",
    "catatonit",
    "flock",
];
const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "zsh", "busybox"];

/// The programs in the words of one command.
pub(super) fn programs<'a>(words: &[Word<'a>]) -> Vec<Found<'a>> {
    if let Some(script) = script(words) {
        return statements(&script.text)
            .iter()
            .flat_map(|statement| {
                let words: Vec<Word<'a>> =
                    split(statement).into_iter().map(|text| Word { text, node: script.node }).collect();
                program(&words)
            })
            .collect();
    }
    program(words)
}

/// The script of `sh -c SCRIPT`.
fn script<'w, 'a>(words: &'w [Word<'a>]) -> Option<&'w Word<'a>> {
    let shell = words.iter().position(|word| SHELLS.contains(&base_name(&word.text)))?;
    if !words[..shell].iter().all(|word| is_wrapper(&word.text)) {
        return None;
    }
    let rest = &words[shell + 1..];
    let flag = rest.iter().position(|word| is_command_flag(&word.text))?;
    rest[flag + 1..].iter().find(|word| !word.text.starts_with('-'))
}

/// `-c`, `-ec`, `-xec`.
fn is_command_flag(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|flags| !flags.starts_with('-') && flags.ends_with('c'))
}

fn base_name(word: &str) -> &str {
    word.rsplit('/').next().unwrap_or(word)
}

fn is_wrapper(word: &str) -> bool {
    WRAPPERS.contains(&base_name(word))
        || word.starts_with('-')
        || word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        })
}

/// The program of one simple command.
fn program<'a>(words: &[Word<'a>]) -> Vec<Found<'a>> {
    let Some(at) = words.iter().position(|word| !is_wrapper(&word.text)) else { return Vec::new() };
    let rest = &words[at + 1..];
    let name = base_name(&words[at].text);
    if name == "hyperkube" {
        let Some(kind) = rest.first().and_then(|word| ComponentKind::of_hyperkube(&word.text)) else {
            return Vec::new();
        };
        return vec![found(kind, &rest[1..])];
    }
    if matches!(name, "k3s" | "rke2") {
        return super::k3s::of_flags(&flags(rest).0);
    }
    ComponentKind::of(name).map(|kind| found(kind, rest)).into_iter().collect()
}

/// A program and the words behind its name.
pub(super) fn found<'a>(kind: ComponentKind, words: &[Word<'a>]) -> Found<'a> {
    let (flags, has_variable) = flags(words);
    Found { kind, flags, has_variable, is_supervised: false }
}

/// The flags in words, and whether a word stands for others that are not known.
pub(super) fn flags<'a>(words: &[Word<'a>]) -> (Vec<Flag<'a>>, bool) {
    let mut found: Vec<Flag<'a>> = Vec::new();
    let mut has_variable = false;
    let mut words = words.iter().peekable();
    while let Some(word) = words.next() {
        let Some(flag) = word.text.strip_prefix("--").or_else(|| short(&word.text)) else {
            has_variable |= word.text.starts_with('$');
            continue;
        };
        if flag.is_empty() {
            continue;
        }
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(unquoted(value).to_owned())),
            None => {
                // `--flag value`; a bare flag is followed by another flag or by nothing.
                let value = words.next_if(|next| !next.text.starts_with('-') || is_number(&next.text));
                (flag, value.map(|value| value.text.clone()))
            }
        };
        found.push(Flag { name: name.replace('_', "-"), value, node: word.node });
    }
    (found, has_variable)
}

/// `-H` of dockerd and `-f`, `-v` and the like; Go's own flags (etcd) may have one dash.
fn short(word: &str) -> Option<&str> {
    word.strip_prefix('-').filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))
}

fn is_number(word: &str) -> bool {
    word.len() > 1 && word[1..].bytes().all(|byte| byte.is_ascii_digit())
}

fn unquoted(value: &str) -> &str {
    let inner = |quote: char| value.strip_prefix(quote).and_then(|value| value.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value)
}

/// A script cut into simple commands at `;`, `&&`, `||`, `|`, `&` and line ends outside quotes.
fn statements(script: &str) -> Vec<String> {
    let mut found = vec![String::new()];
    let mut quote = None;
    let mut characters = script.chars().peekable();
    while let Some(character) = characters.next() {
        let last = found.last_mut();
        let Some(last) = last else { break };
        match (character, quote) {
            ('\\', None | Some('"')) => {
                // A continued line is one.
                if characters.next_if_eq(&'\n').is_some() {
                    last.push(' ');
                } else {
                    last.push('\\');
                    last.extend(characters.next());
                }
            }
            ('\'' | '"', None) => {
                quote = Some(character);
                last.push(character);
            }
            (_, Some(open)) if open == character => {
                quote = None;
                last.push(character);
            }
            ('>', None) => {
                // `2>&1` is no end of a command.
                last.push(character);
                last.extend(characters.next_if_eq(&'&'));
            }
            (';' | '&' | '|' | '\n', None) => found.push(String::new()),
            _ => last.push(character),
        }
    }
    found
}

/// Words of a command, quotes and backslashes undone as a POSIX shell does; variables stay as written. What is not closed
/// ends with the text.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\'', None) | ('"', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (_, Some(open)) if open == character => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(characters.next()),
            (' ' | '\t' | '\n' | '\r', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        let check = |text: &str, expected: &[&str]| assert_eq!(split(text), expected, "{text}");
        check("a  b", &["a", "b"]);
        check("a 'b c' \"d e\" f\\ g", &["a", "b c", "d e", "f g"]);
        check("--x='1 2'y", &["--x=1 2y"]);
        check("'' \"\"", &["", ""]);
        check("'open", &["open"]);
        check("", &[]);
        let found = statements("a; b && c 2>&1 | d\ne 'f;g' \\\n h");
        let found: Vec<&str> =
            found.iter().map(|statement| statement.trim()).filter(|text| !text.is_empty()).collect();
        assert_eq!(found, ["a", "b", "c 2>&1", "d", "e 'f;g'   h"]);
    }
}
