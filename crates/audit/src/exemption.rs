//! Whether an exemption of the configuration file covers a finding.

use nightlatch_finding::audit::AuditFinding;

use crate::{Exemption, Rule};

pub(crate) fn matches(exemption: &Exemption, rule: &Rule, finding: &AuditFinding) -> bool {
    let subject = &finding.subject;
    let raw =
        |text: &Option<nightlatch_untrusted::Text>| text.as_ref().map_or("", |text| text.raw()).to_owned();
    let file = finding.location.as_ref().map_or("", |location| location.file.raw());
    let pointer_covers = exemption.pointer.is_empty()
        || finding
            .pointer
            .raw()
            .strip_prefix(exemption.pointer.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    (exemption.rule.is_empty() || exemption.rule == rule.id)
        && pointer_covers
        && fits(&exemption.kind, subject.kind.raw())
        && fits(&exemption.namespace, &raw(&subject.namespace))
        && fits(&exemption.name, subject.name.raw())
        && fits(&exemption.container, &raw(&subject.container))
        && fits(&exemption.file, file)
}

/// An empty pattern fits all; `*` stands for any run of characters.
fn fits(pattern: &str, text: &str) -> bool {
    if pattern.is_empty() {
        return true;
    }
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or("");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn stars_stand_for_anything() {
        let check = |pattern, text, expected| assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        check("", "web", true);
        check("web", "web", true);
        check("web", "web2", false);
        check("web*", "web2", true);
        check("*-agent", "node-agent", true);
        check("a*b*c", "axxbyyc", true);
        check("a*b*c", "axxcyyb", false);
        check("*", "", true);
        check("a*a", "a", false);
    }
}
