use crate::Pattern;

/// One element of a glob.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum GlobPart {
    /// This character.
    Char(char),
    /// Any one character.
    One,
    /// Any run of characters, also none.
    Any,
}

impl Pattern {
    /// The elements, escapes undone.
    pub fn parts(&self) -> impl Iterator<Item = GlobPart> + '_ {
        let mut chars = self.glob.chars();
        std::iter::from_fn(move || {
            Some(match chars.next()? {
                '*' => GlobPart::Any,
                '?' => GlobPart::One,
                '\\' => GlobPart::Char(chars.next().unwrap_or('\\')),
                c => GlobPart::Char(c),
            })
        })
    }

    /// The characters before the first wildcard.
    pub fn literal_prefix(&self) -> String {
        self.parts()
            .map_while(|part| match part {
                GlobPart::Char(c) => Some(c),
                GlobPart::One | GlobPart::Any => None,
            })
            .collect()
    }

    /// Whether the pattern stands for all of `folded`, a text folded by `nightlatch_asset::token::fold`.
    ///
    /// Time is at most the product of both lengths.
    pub fn matches(&self, folded: &str) -> bool {
        let parts: Vec<GlobPart> = self.parts().collect();
        let text: Vec<char> = folded.chars().collect();
        // On a mismatch only the last `*` has to be tried longer: earlier ones matched as early as possible.
        let (mut part, mut at) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        while at < text.len() {
            match parts.get(part) {
                Some(GlobPart::Any) => {
                    retry = Some((part + 1, at));
                    part += 1;
                    continue;
                }
                Some(GlobPart::One) => {}
                Some(GlobPart::Char(c)) if text.get(at) == Some(c) => {}
                _ => match retry {
                    Some((after_star, from)) => {
                        retry = Some((after_star, from + 1));
                        (part, at) = (after_star, from + 1);
                        continue;
                    }
                    None => return false,
                },
            }
            part += 1;
            at += 1;
        }
        parts.iter().skip(part).all(|part| *part == GlobPart::Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_stand_for_whole_texts() {
        let check = |glob: &str, text: &str, expected: bool| {
            assert_eq!(Pattern { glob: glob.into() }.matches(text), expected, "{glob} on {text}");
        };
        check("kube*", "kubernetes", true);
        check("kube*", "kube", true);
        check("kube*", "akube", false);
        check("*.example.com", "a.b.example.com", true);
        check("*.example.com", "example.com", false);
        check("1.2?.*", "1.20.3", true);
        check("1.2?.*", "1.2.3", false);
        check("a*b*c", "axxbxxbyyc", true);
        check("a*b*c", "axxbxxbyyd", false);
        check("\\*\\?", "*?", true);
        check("\\*x", "yx", false);
        check("gr?ß*", "grüße", true);
        check("gr?ß*", "grüß gott", true);
        check("gr?ß*", "graß", true);
        check("gro?", "groß", true);
        check("**", "", true);
        check("?", "", false);
    }

    #[test]
    fn the_prefix_ends_at_the_first_wildcard() {
        assert_eq!(Pattern { glob: "a\\*b?c".into() }.literal_prefix(), "a*b");
        assert_eq!(Pattern { glob: "*x".into() }.literal_prefix(), "");
    }
}
