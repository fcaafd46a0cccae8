//! SARIF 2.1.0 of an audit, with the fields that code scanning pages read: levels, scores, fingerprints, places, fixes,
//! suppressions.
//!
//! Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", sections 3.13 to 3.57.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use nightlatch_finding::audit::{AuditFinding, AuditReport, Location, NoticeKind, Replacement, SuppressedBy};
use nightlatch_untrusted::json::to_writer;
use serde_json::{Value, json};

use super::{RuleTexts, cut, reference_url, subject_text};
use crate::sarif::{SCHEMA, level, score};

/// Longest message, in characters.
const MESSAGE_CHARS_MAX: usize = 2_000;
/// Where to read about the rules in general.
const INFORMATION: &str = "https://kubernetes.io/docs/concepts/security/";

/// Writes the report as one SARIF log.
///
/// - `text_of`: gives the text of a file, so that edits can be told by line and column; nothing leaves fixes out.
///
/// # Errors
/// What `out` reports.
pub fn sarif(
    report: &AuditReport,
    rules: RuleTexts<'_>,
    text_of: &dyn Fn(&str) -> Option<std::sync::Arc<str>>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let used: BTreeSet<&str> = report.findings.iter().map(|finding| &*finding.rule).collect();
    let index: BTreeMap<&str, usize> = used.iter().enumerate().map(|(index, id)| (*id, index)).collect();
    let described: Vec<Value> = used.iter().map(|id| rule(id, report, rules)).collect();
    write!(out, "{{\"$schema\":\"{SCHEMA}\",\"version\":\"2.1.0\",\"runs\":[{{\"tool\":")?;
    let driver = json!({"driver": {
        "name": "nightlatch",
        "version": env!("CARGO_PKG_VERSION"),
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": described,
    }});
    to_writer(&mut *out, &driver).map_err(io::Error::from)?;
    write!(out, ",\"results\":[")?;
    for (number, finding) in report.findings.iter().enumerate() {
        if number > 0 {
            out.write_all(b",\n")?;
        }
        to_writer(&mut *out, &result(finding, index[&*finding.rule], text_of)).map_err(io::Error::from)?;
    }
    let notifications: Vec<Value> = report.notices.iter().map(notification).collect();
    let unreadable = report.notices.iter().any(|notice| notice.kind == NoticeKind::Unreadable);
    out.write_all(b"],\"invocations\":")?;
    let invocations = json!([{
        "executionSuccessful": !unreadable,
        "toolExecutionNotifications": notifications,
    }]);
    to_writer(&mut *out, &invocations).map_err(io::Error::from)?;
    let automation = json!({"id": format!("nightlatch/audit/{}/", report.profile)});
    out.write_all(b",\"automationDetails\":")?;
    to_writer(&mut *out, &automation).map_err(io::Error::from)?;
    out.write_all(b",\"columnKind\":\"unicodeCodePoints\"}]}\n")
}

fn rule(id: &str, report: &AuditReport, rules: RuleTexts<'_>) -> Value {
    let worst = report
        .findings
        .iter()
        .filter(|finding| finding.rule == id)
        .map(|finding| finding.severity)
        .max()
        .unwrap_or_default();
    let Some(text) = rules(id) else {
        return json!({"id": id, "shortDescription": {"text": id}});
    };
    let mut help = format!("{}\n\nFix: {}", text.rationale, text.remediation);
    let mut tags = vec!["security".to_owned()];
    for reference in text.references {
        help.push_str(&format!("\n- {reference}"));
        tags.push((*reference).to_owned());
    }
    let mut page = format!("{}\n\n**Fix:** {}\n", text.rationale, text.remediation);
    if !text.example.is_empty() {
        page.push_str(&format!("\n```yaml\n{}\n```\n", text.example));
    }
    for reference in text.references {
        match reference_url(reference) {
            Some(url) => page.push_str(&format!("\n- [{reference}]({url})")),
            None => page.push_str(&format!("\n- {reference}")),
        }
    }
    let url = text.references.iter().find_map(|reference| reference_url(reference));
    json!({
        "id": id,
        "name": pascal_case(text.name),
        "shortDescription": {"text": text.title},
        "fullDescription": {"text": text.rationale},
        "help": {"text": help, "markdown": page},
        "helpUri": url.as_deref().unwrap_or(INFORMATION),
        "defaultConfiguration": {"level": level(text.severity)},
        "properties": {"tags": tags, "precision": "high", "security-severity": score(worst.max(text.severity))},
    })
}

fn result(
    finding: &AuditFinding,
    index: usize,
    text_of: &dyn Fn(&str) -> Option<std::sync::Arc<str>>,
) -> Value {
    let subject = subject_text(&finding.subject);
    let message = format!("{}: {}", subject, cut(&finding.message, MESSAGE_CHARS_MAX));
    let logical =
        json!([{"fullyQualifiedName": format!("{subject}{}", finding.pointer.raw()), "kind": "resource"}]);
    let mut location = json!({"logicalLocations": logical});
    if let Some(at) = &finding.location {
        location["physicalLocation"] = physical(at);
    } else {
        location["physicalLocation"] = json!({"artifactLocation": {"uri": "cluster"}});
    }
    let related: Vec<Value> = finding
        .related
        .iter()
        .enumerate()
        .map(|(id, related)| {
            let mut value = json!({"id": id, "message": {"text": cut(&related.message, MESSAGE_CHARS_MAX)}});
            if let Some(at) = &related.location {
                value["physicalLocation"] = physical(at);
            }
            value
        })
        .collect();
    let mut result = json!({
        "ruleId": finding.rule,
        "ruleIndex": index,
        "kind": "fail",
        "level": level(finding.severity),
        "message": {"text": message},
        "locations": [location],
        "partialFingerprints": {"nightlatchFinding/v1": finding.fingerprint},
        "properties": {"severity": finding.severity, "security-severity": score(finding.severity)},
    });
    if !related.is_empty() {
        result["relatedLocations"] = Value::Array(related);
    }
    if let Some(suppression) = &finding.suppressed {
        let kind = match suppression.by {
            SuppressedBy::Comment | SuppressedBy::Annotation => "inSource",
            SuppressedBy::Config | SuppressedBy::Baseline => "external",
        };
        result["suppressions"] = json!([{"kind": kind, "justification": suppression.reason}]);
        if suppression.by == SuppressedBy::Baseline {
            result["baselineState"] = json!("unchanged");
        }
    }
    if let Some(fix) = &finding.fix
        && let Some(changes) = changes(&fix.edits, text_of)
    {
        result["fixes"] =
            json!([{"description": {"text": cut(&fix.text, MESSAGE_CHARS_MAX)}, "artifactChanges": changes}]);
    }
    result
}

fn notification(notice: &nightlatch_finding::audit::Notice) -> Value {
    let level = if notice.kind == NoticeKind::Unreadable { "error" } else { "warning" };
    let mut value = json!({"level": level, "message": {"text": cut(&notice.message, MESSAGE_CHARS_MAX)}});
    if let Some(at) = &notice.location {
        value["locations"] = json!([{"physicalLocation": physical(at)}]);
    }
    value
}

fn physical(at: &Location) -> Value {
    json!({
        "artifactLocation": {"uri": uri(at.file.raw())},
        "region": {"startLine": at.line, "startColumn": at.column, "endLine": at.end_line, "endColumn": at.end_column},
    })
}

fn changes(edits: &[Replacement], text_of: &dyn Fn(&str) -> Option<std::sync::Arc<str>>) -> Option<Value> {
    if edits.is_empty() {
        return None;
    }
    let mut files: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for edit in edits {
        let text = text_of(edit.file.raw())?;
        let (line, column) = place(&text, edit.start as usize);
        let (end_line, end_column) = place(&text, edit.end as usize);
        files.entry(edit.file.raw()).or_default().push(json!({
            "deletedRegion": {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column},
            "insertedContent": {"text": edit.text},
        }));
    }
    Some(
        files
            .into_iter()
            .map(|(file, replacements)| json!({"artifactLocation": {"uri": uri(file)}, "replacements": replacements}))
            .collect(),
    )
}

/// Line and column of a byte, both from 1.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset.min(text.len())).unwrap_or("");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}

/// A path as a relative reference (RFC 3986, 4.2).
fn uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    if path.starts_with('/') {
        out.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(byte as char)
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// `pod/host-pid` as `PodHostPid`, as SARIF wants names (3.49.7).
fn pascal_case(name: &str) -> String {
    name.split(['/', '-', '_'])
        .filter_map(|word| {
            let mut chars = word.chars();
            chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str())
        })
        .collect()
}
