//! Lines that fit a terminal, and places in files.

use std::io::{self, Write};

use nightlatch_manifest::{Corpus, SourceId};
use nightlatch_rbac::{Anchor, Authorizer, RuleGrant, risk};
use nightlatch_report::Style;
use nightlatch_untrusted::{terminal, terminal_width};
use serde_json::{Value, json};

/// Where something stands: `file:line`.
pub(crate) fn place(corpus: &Corpus, source: SourceId, offset: u32) -> String {
    let Some(own) = corpus.sources.get(source.0 as usize) else { return String::new() };
    format!("{}:{}", own.name.raw(), own.place(offset).line)
}

/// Where an anchor stands; empty for what no file holds.
pub(crate) fn anchored(corpus: &Corpus, at: Option<Anchor>) -> String {
    at.map(|at| place(corpus, at.source, at.span.start)).unwrap_or_default()
}

/// A grant in words: its binding, role and rule, each with its place.
pub(crate) fn grant_lines(
    authorizer: &Authorizer,
    corpus: &Corpus,
    grant: RuleGrant,
) -> Vec<(String, String)> {
    let policy = authorizer.policy();
    let mut lines = Vec::new();
    if let Some(binding) = policy.bindings.get(grant.binding as usize) {
        let shipped = if binding.at.is_none() { " (shipped with Kubernetes)" } else { "" };
        lines.push((format!("{}{shipped}", binding.describe()), anchored(corpus, binding.at)));
    }
    if let Some(role) = policy.roles.get(grant.role as usize) {
        let rule = role.rules.get(grant.rule as usize);
        let from = role.from.get(grant.rule as usize).filter(|from| **from != role.name);
        let from = from.map(|from| format!(" from {from}")).unwrap_or_default();
        let what = rule.map(risk::show_rule).unwrap_or_default();
        let text = format!("{} rule {}{from}: {what}", risk::show_role(role), grant.rule + 1);
        lines.push((text, anchored(corpus, rule.and_then(|rule| rule.at).or(role.at))));
    }
    lines
}

/// A grant as JSON.
pub(crate) fn grant_json(authorizer: &Authorizer, corpus: &Corpus, grant: RuleGrant) -> Value {
    let policy = authorizer.policy();
    let binding = policy.bindings.get(grant.binding as usize);
    let role = policy.roles.get(grant.role as usize);
    let rule = role.and_then(|role| role.rules.get(grant.rule as usize));
    let from = role.and_then(|role| role.from.get(grant.rule as usize));
    json!({
        "binding": binding.map(|own| json!({
            "kind": own.kind(), "namespace": own.namespace, "name": own.name,
            "at": anchored(corpus, own.at), "origin": own.origin,
        })),
        "role": role.map(|own| json!({
            "kind": own.kind, "namespace": own.namespace, "name": own.name,
            "at": anchored(corpus, own.at), "origin": own.origin,
        })),
        "rule": grant.rule + 1,
        "rule_from": from,
        "rule_at": anchored(corpus, rule.and_then(|rule| rule.at)),
        "grants": rule,
    })
}

/// Writes lines that are wrapped at words and never hold what a terminal obeys.
pub(crate) struct Page<'o> {
    out: &'o mut dyn Write,
    style: Style,
}

impl<'o> Page<'o> {
    pub(crate) fn new(out: &'o mut dyn Write, style: Style) -> Self {
        Self { out, style }
    }

    /// A paragraph: `lead` once, further lines indented by `hang` columns.
    pub(crate) fn text(&mut self, lead: &str, text: &str, hang: usize) -> io::Result<()> {
        let width = self.style.width.max(Style::WIDTH_MIN);
        let mut line = self.shown(lead);
        let mut is_empty = line.trim().is_empty();
        for word in text.split(' ').filter(|word| !word.is_empty()) {
            for part in self.pieces(word, width.saturating_sub(hang).max(8)) {
                let gap = usize::from(!line.is_empty() && !line.ends_with(' '));
                if !is_empty && terminal_width(&line) + gap + terminal_width(&part) > width {
                    writeln!(self.out, "{}", line.trim_end())?;
                    line = " ".repeat(hang);
                } else if gap == 1 {
                    line.push(' ');
                }
                line.push_str(&part);
                is_empty = false;
            }
        }
        writeln!(self.out, "{}", line.trim_end())
    }

    /// A statement and its place at the right edge where there is room, else on a line of its own.
    pub(crate) fn placed(&mut self, lead: &str, text: &str, at: &str, hang: usize) -> io::Result<()> {
        let whole = format!("{}{}", self.shown(lead), self.shown(text));
        let at = self.shown(at);
        let width = self.style.width.max(Style::WIDTH_MIN);
        if at.is_empty() {
            return self.text(lead, text, hang);
        }
        let room = width.saturating_sub(terminal_width(&whole) + terminal_width(&at));
        if room >= 2 && terminal_width(&whole) + 2 <= width {
            return writeln!(self.out, "{whole}{}{at}", " ".repeat(room));
        }
        self.text(lead, text, hang)?;
        self.text(&" ".repeat(hang), &at, hang)
    }

    pub(crate) fn blank(&mut self) -> io::Result<()> {
        writeln!(self.out)
    }

    /// A heading.
    pub(crate) fn head(&mut self, text: &str) -> io::Result<()> {
        let shown = self.shown(text);
        match self.style.colour {
            true => writeln!(self.out, "\x1b[1m{shown}\x1b[0m"),
            false => writeln!(self.out, "{shown}"),
        }
    }

    fn shown(&self, text: &str) -> String {
        let safe = terminal(text);
        if self.style.unicode {
            return safe;
        }
        let escaped = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\u{{{:x}}}", c as u32) };
        safe.chars().map(escaped).collect()
    }

    /// A word in pieces that fit.
    fn pieces(&self, word: &str, width: usize) -> Vec<String> {
        let mut pieces = vec![String::new()];
        for c in self.shown(word).chars() {
            let last = pieces.last().map_or(0, |piece| terminal_width(piece));
            if last + 2 > width {
                pieces.push(String::new());
            }
            if let Some(piece) = pieces.last_mut() {
                piece.push(c);
            }
        }
        pieces
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(width: usize, write: impl Fn(&mut Page<'_>)) -> Vec<String> {
        let mut out = Vec::new();
        write(&mut Page::new(&mut out, Style { width, colour: false, unicode: false }));
        String::from_utf8(out).expect("only text is written").lines().map(str::to_owned).collect()
    }

    #[test]
    fn lines_fit_whatever_stands_in_them() {
        let long = "x".repeat(300);
        for text in ["a b c", &long, "\x1b[31mred\x1b[0m", "ä \u{202e} b", ""] {
            for width in [40, 80] {
                let all = lines(width, |page| {
                    page.text("  ", text, 4).expect("memory");
                    page.placed("- ", text, &format!("{text}.yaml:3"), 6).expect("memory");
                });
                for line in &all {
                    assert!(
                        line.len() <= width && line.chars().all(|c| c.is_ascii() && !c.is_control()),
                        "{line:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_place_stands_at_the_right_edge_where_there_is_room() {
        let short = lines(40, |page| page.placed("  ", "RoleBinding web/x", "a.yaml:3", 4).expect("memory"));
        assert_eq!(short, ["  RoleBinding web/x             a.yaml:3"]);
        let long = lines(40, |page| {
            page.placed("  ", "RoleBinding web/a-very-long-name", "a.yaml:3", 4).expect("memory")
        });
        assert_eq!(long, ["  RoleBinding web/a-very-long-name", "    a.yaml:3"]);
    }
}
