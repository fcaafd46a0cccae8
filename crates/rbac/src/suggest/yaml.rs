//! Roles and bindings as YAML. Every word from the log is quoted unless it is harmless as it stands.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use crate::{Rule, Subject, SubjectKind};

pub(super) fn manifest(roles: &[(Subject, BTreeMap<String, Vec<Rule>>)]) -> String {
    let mut text = String::new();
    let mut taken = BTreeSet::new();
    for (subject, scopes) in roles {
        let name = name_for(subject, &mut taken);
        for (namespace, rules) in scopes.iter().filter(|(_, rules)| !rules.is_empty()) {
            let kind = if namespace.is_empty() { "ClusterRole" } else { "Role" };
            head(&mut text, kind, &name, namespace);
            text.push_str("rules:\n");
            for own in rules {
                rule(&mut text, own);
            }
            head(&mut text, &format!("{kind}Binding"), &name, namespace);
            let _ = write!(
                text,
                "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: {kind}\n  name: {name}\nsubjects:\n"
            );
            bound(&mut text, subject);
        }
    }
    text
}

fn head(text: &mut String, kind: &str, name: &str, namespace: &str) {
    if !text.is_empty() {
        text.push_str("---\n");
    }
    let _ =
        write!(text, "apiVersion: rbac.authorization.k8s.io/v1\nkind: {kind}\nmetadata:\n  name: {name}\n");
    if !namespace.is_empty() {
        let _ = writeln!(text, "  namespace: {}", word(namespace));
    }
}

fn rule(text: &mut String, rule: &Rule) {
    let list = |words: &[String]| words.iter().map(|own| word(own)).collect::<Vec<_>>().join(", ");
    let mut lead = "- ";
    for (key, words) in [
        ("apiGroups", &rule.groups),
        ("resources", &rule.resources),
        ("resourceNames", &rule.names),
        ("nonResourceURLs", &rule.paths),
        ("verbs", &rule.verbs),
    ] {
        if !words.is_empty() {
            let _ = writeln!(text, "{lead}{key}: [{}]", list(words));
            lead = "  ";
        }
    }
}

fn bound(text: &mut String, subject: &Subject) {
    let _ = match subject.kind {
        SubjectKind::ServiceAccount => writeln!(
            text,
            "- kind: ServiceAccount\n  name: {}\n  namespace: {}",
            word(&subject.name),
            word(&subject.namespace)
        ),
        _ => writeln!(
            text,
            "- apiGroup: rbac.authorization.k8s.io\n  kind: User\n  name: {}",
            word(&subject.name)
        ),
    };
}

/// Longest part of a name that is taken from the subject; with the rest it stays below what a label may hold.
const NAME_CHARS: usize = 48;

/// A name for the role that says whose it is, and is not taken.
fn name_for(subject: &Subject, taken: &mut BTreeSet<String>) -> String {
    let full = match subject.kind {
        SubjectKind::ServiceAccount => format!("{}-{}", subject.namespace, subject.name),
        _ => subject.name.clone(),
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let slug: String = full.chars().map(plain).take(NAME_CHARS).collect();
    let base = format!("suggested-{}", slug.trim_matches('-'));
    let base = base.trim_end_matches('-').to_owned();
    let mut name = base.clone();
    let mut number = 2;
    while !taken.insert(name.clone()) {
        name = format!("{base}-{number}");
        number += 1;
    }
    name
}

/// A word of YAML, in quotes unless it is plain beyond doubt.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '/' | '.' | '_');
    let starts_plain = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let has_meaning = ["true", "false", "yes", "no", "on", "off", "null", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str());
    if starts_plain && text.chars().all(is_plain) && !has_meaning {
        return text.to_owned();
    }
    // A string of JSON is one of YAML; what a terminal obeys is escaped in it.
    nightlatch_untrusted::json::to_string(text).unwrap_or_else(|_| "\"\"".to_owned())
}
