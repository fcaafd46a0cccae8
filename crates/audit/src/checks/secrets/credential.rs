//! Credentials in values: asked by every check that meets a value, so that all say the same of the same value.

use nightlatch_credential::{Confidence, Detection, detect, scan_arguments};
use nightlatch_finding::Severity;
use nightlatch_manifest::Node;

/// What to say of the credentials in one value. It names kinds and masked forms, never the value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Said {
    /// Ends a sentence such as "the variable holds a credential: ...".
    pub(crate) what: String,
    /// True when none of them is more than a guess: such cases are judged a step milder.
    pub(crate) is_guess: bool,
    /// True when all of them are private keys.
    pub(crate) is_private_key: bool,
}

impl Said {
    /// The severity, a step milder than `usual` for what is only a guess.
    pub(crate) fn severity(&self, usual: Severity) -> Severity {
        match usual {
            Severity::Critical if self.is_guess => Severity::High,
            Severity::High if self.is_guess => Severity::Medium,
            Severity::Medium if self.is_guess => Severity::Low,
            _ => usual,
        }
    }
}

/// Judges the value of a name (an environment variable, a key); nothing when there is no credential in it.
pub(crate) fn in_value(name: Option<&str>, value: &str) -> Option<Said> {
    say(value, &detect(name, value))
}

/// Judges the arguments of a command, program included: those with a credential, in order.
pub(crate) fn in_arguments<'a>(words: &[Node<'a>]) -> Vec<(Node<'a>, Said)> {
    let texts: Vec<&str> = words.iter().map(|word| word.text()).collect();
    let mut found: Vec<(usize, Vec<Detection>)> = Vec::new();
    for (index, one) in scan_arguments(&texts) {
        match found.last_mut() {
            Some((last, list)) if *last == index => list.push(one),
            _ => found.push((index, vec![one])),
        }
    }
    let node = |index: usize| words.get(index).copied();
    found.into_iter().filter_map(|(index, list)| Some((node(index)?, say(texts[index], &list)?))).collect()
}

/// Kinds that are named one by one in a sentence.
const NAMED_MAX: usize = 3;

/// Puts detections in words.
pub(crate) fn say(text: &str, found: &[Detection]) -> Option<Said> {
    let first = found.first()?;
    let is_lines = text.trim().contains('\n');
    let mut parts: Vec<String> = found.iter().take(NAMED_MAX).map(|one| words(text, one, is_lines)).collect();
    if found.len() > NAMED_MAX {
        parts.push(format!("{} more", found.len() - NAMED_MAX));
    }
    let surest = found.iter().map(|one| one.confidence).max().unwrap_or(first.confidence);
    Some(Said {
        what: parts.join(", "),
        is_guess: surest == Confidence::Low,
        is_private_key: found.iter().all(|one| one.kind.is_private_key()),
    })
}

/// `password (12 characters) of db.password on line 3`.
fn words(text: &str, one: &Detection, is_lines: bool) -> String {
    let mut said = format!("{} ({})", one.kind.title(), one.masked);
    if let Some(name) = one.name.clone().and_then(|name| text.get(name)) {
        said.push_str(&format!(" of `{}`", name.trim_start_matches('-')));
    }
    if is_lines {
        let line = text.as_bytes().iter().take(one.span.start).filter(|&&byte| byte == b'\n').count() + 1;
        if line > 1 {
            said.push_str(&format!(" on line {line} of the value"));
        }
    }
    said
}
