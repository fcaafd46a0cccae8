//! NetworkPolicies written as YAML.

use std::fmt::Write as _;

use crate::{Operator, Peer, Policy, PortMatch, PortRule, Rule, Selector};

/// All policies, one document each.
pub(super) fn documents(policies: &[Policy]) -> String {
    let mut out = String::new();
    for (at, policy) in policies.iter().enumerate() {
        if at > 0 {
            out.push_str("---\n");
        }
        document(&mut out, policy);
    }
    out
}

fn document(out: &mut String, policy: &Policy) {
    out.push_str("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n");
    let _ = writeln!(out, "  name: {}", scalar(&policy.name));
    if !policy.namespace.is_empty() {
        let _ = writeln!(out, "  namespace: {}", scalar(&policy.namespace));
    }
    out.push_str("spec:\n");
    selector(out, "  ", "podSelector", &policy.selector);
    out.push_str("  policyTypes:\n");
    for (word, rules) in [("Ingress", &policy.ingress), ("Egress", &policy.egress)] {
        if rules.is_some() {
            let _ = writeln!(out, "    - {word}");
        }
    }
    for (key, peers_key, list) in [("ingress", "from", &policy.ingress), ("egress", "to", &policy.egress)] {
        let Some(list) = list.as_ref().filter(|list| !list.is_empty()) else { continue };
        let _ = writeln!(out, "  {key}:");
        list.iter().for_each(|one| rule(out, peers_key, one));
    }
}

fn rule(out: &mut String, peers_key: &str, rule: &Rule) {
    if rule.peers.is_empty() && rule.ports.is_empty() {
        return out.push_str("    - {}\n");
    }
    let mut lead = "    - ";
    if !rule.peers.is_empty() {
        let _ = writeln!(out, "{lead}{peers_key}:");
        lead = "      ";
        rule.peers.iter().for_each(|one| peer(out, one));
    }
    if !rule.ports.is_empty() {
        let _ = writeln!(out, "{lead}ports:");
        rule.ports.iter().for_each(|one| port(out, one));
    }
}

fn peer(out: &mut String, peer: &Peer) {
    let mut part = String::new();
    match peer {
        Peer::Pods { namespaces, pods } => {
            if let Some(namespaces) = namespaces {
                selector(&mut part, "          ", "namespaceSelector", namespaces);
            }
            if namespaces.is_none() || !pods.is_everything() {
                selector(&mut part, "          ", "podSelector", pods);
            }
        }
        Peer::Block { net, except } => {
            let _ = writeln!(part, "          ipBlock:\n            cidr: {}", scalar(&net.to_string()));
            if !except.is_empty() {
                part.push_str("            except:\n");
                except.iter().for_each(|hole| {
                    let _ = writeln!(part, "              - {}", scalar(&hole.to_string()));
                });
            }
        }
    }
    // The first line carries the hyphen of the list.
    out.push_str("        - ");
    out.push_str(part.trim_start());
}

fn port(out: &mut String, rule: &PortRule) {
    let _ = writeln!(out, "        - protocol: {}", rule.protocol.unwrap_or_default());
    match &rule.port {
        PortMatch::Any => {}
        PortMatch::Name(name) => {
            let _ = writeln!(out, "          port: {}", scalar(name));
        }
        PortMatch::Range(from, to) => {
            let _ = writeln!(out, "          port: {from}");
            if from != to {
                let _ = writeln!(out, "          endPort: {to}");
            }
        }
    }
}

fn selector(out: &mut String, indent: &str, key: &str, selector: &Selector) {
    if selector.is_everything() {
        let _ = writeln!(out, "{indent}{key}: {{}}");
        return;
    }
    let _ = writeln!(out, "{indent}{key}:");
    let single = |operator: &Operator| match operator {
        Operator::In(values) if values.len() == 1 => values.first().cloned(),
        _ => None,
    };
    let requirements = selector.requirements();
    // Equality twice over one key cannot be written as a mapping.
    let plain = |at: usize| {
        single(&requirements[at].operator)
            .filter(|_| at == 0 || requirements[at - 1].key != requirements[at].key)
    };
    let (labels, expressions): (Vec<usize>, Vec<usize>) =
        (0..requirements.len()).partition(|&at| plain(at).is_some());
    if !labels.is_empty() {
        let _ = writeln!(out, "{indent}  matchLabels:");
        for at in labels {
            let value = plain(at).unwrap_or_default();
            let _ = writeln!(out, "{indent}    {}: {}", scalar(&requirements[at].key), scalar(&value));
        }
    }
    if expressions.is_empty() {
        return;
    }
    let _ = writeln!(out, "{indent}  matchExpressions:");
    for at in expressions {
        let (word, values): (_, &[Box<str>]) = match &requirements[at].operator {
            Operator::In(values) => ("In", values),
            Operator::NotIn(values) => ("NotIn", values),
            Operator::Exists => ("Exists", &[]),
            Operator::DoesNotExist => ("DoesNotExist", &[]),
        };
        let _ = writeln!(out, "{indent}    - key: {}", scalar(&requirements[at].key));
        let _ = writeln!(out, "{indent}      operator: {word}");
        if !values.is_empty() {
            let shown: Vec<String> = values.iter().map(|value| scalar(value)).collect();
            let _ = writeln!(out, "{indent}      values: [{}]", shown.join(", "));
        }
    }
}

/// A string as YAML reads it back: plain where nobody could take it for something else, else in double quotes.
fn scalar(text: &str) -> String {
    let plain = text.len() > 1
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/'))
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text));
    if plain {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out.push('"');
    out
}

/// Words that are not strings in YAML 1.1.
const WORDS: [&str; 8] = ["true", "false", "yes", "no", "on", "off", "null", "y"];
