//! Wildcards tried on many values: the pattern is taken apart once.

use nightlatch_query::{GlobPart, Pattern};

/// A pattern ready to be tried.
pub(crate) struct Glob {
    parts: Vec<GlobPart>,
    prefix: String,
}

impl Glob {
    /// Takes `pattern` apart.
    pub(crate) fn new(pattern: &Pattern) -> Self {
        Self { parts: pattern.parts().collect(), prefix: pattern.literal_prefix() }
    }

    /// What every match starts with.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// As [`Pattern::matches`], without allocating.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let (mut part, mut at) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
            match self.parts.get(part) {
                Some(GlobPart::Any) => {
                    part += 1;
                    retry = Some((part, at));
                    continue;
                }
                Some(GlobPart::One) => {}
                Some(GlobPart::Char(expected)) if *expected == c => {}
                _ => {
                    let Some((after_star, from)) = retry else { return false };
                    let skipped = text.get(from..).and_then(|rest| rest.chars().next());
                    let from = from + skipped.map_or(1, char::len_utf8);
                    retry = Some((after_star, from));
                    (part, at) = (after_star, from);
                    continue;
                }
            }
            part += 1;
            at += c.len_utf8();
        }
        self.parts.iter().skip(part).all(|part| *part == GlobPart::Any)
    }

    /// Words that every match holds: those that stand between separators in the literal runs.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut run = String::new();
        let mut open_start = false;
        for part in &self.parts {
            match part {
                GlobPart::Char(c) => run.push(*c),
                GlobPart::One | GlobPart::Any => {
                    add_words(&run, open_start, true, &mut words);
                    run.clear();
                    open_start = true;
                }
            }
        }
        add_words(&run, open_start, false, &mut words);
        words
    }
}

/// Adds the words of `run`; one that touches an open end may go on beyond it and is left out.
fn add_words(run: &str, open_start: bool, open_end: bool, words: &mut Vec<String>) {
    // Lower-casing can change where non-ASCII words end, so only plain runs are taken at their word.
    if !run.is_ascii() {
        return;
    }
    let is_word = |c: char| c.is_ascii_alphanumeric();
    let from = if open_start { run.find(|c| !is_word(c)).unwrap_or(run.len()) } else { 0 };
    let to = if open_end { run.rfind(|c| !is_word(c)).map_or(0, |at| at + 1) } else { run.len() };
    if let Some(inner) = run.get(from..to) {
        words.extend(nightlatch_asset::token::words(inner));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn agrees_with_the_query_language(glob in "[ab*?ä\\\\]{0,8}", text in "[abä]{0,10}") {
            let pattern = Pattern { glob };
            prop_assert_eq!(Glob::new(&pattern).matches(&text), pattern.matches(&text));
        }
    }

    #[test]
    fn words_stand_between_separators() {
        let words = |glob: &str| Glob::new(&Pattern { glob: glob.into() }).words();
        assert_eq!(words("*server: nginx/1.*"), ["nginx", "1"]);
        assert_eq!(words("server: ng*"), ["server"]);
        assert_eq!(words("a?b"), [""; 0]);
        assert_eq!(words("*.example.com"), ["example", "com"]);
    }
}
