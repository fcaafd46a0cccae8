//! One finding as JSON, exactly as `Serialize` has it; a test compares them. An estate has tens of thousands, and
//! asking of every name of a field whether it needs an escape took as long as finding them.

use nightlatch_finding::audit::{AuditFinding, Fix, Location, Related, Replacement, Subject};
use nightlatch_untrusted::json::to_writer;
use serde::Serialize;

/// A finding with its places, its message and its fix.
const USUAL_BYTES: usize = 2048;

/// Appends the finding to `out`.
pub(super) fn write(finding: &AuditFinding, out: &mut Vec<u8>) {
    // Most are shorter, and a buffer that is large enough is not asked to grow at every word.
    out.reserve(USUAL_BYTES);
    start(out, "{\"rule\":", &finding.rule);
    start(out, ",\"name\":", &finding.name);
    start(out, ",\"severity\":", finding.severity.as_str());
    out.extend_from_slice(b",\"subject\":");
    subject(&finding.subject, out);
    if let Some(at) = &finding.location {
        out.extend_from_slice(b",\"location\":");
        location(at, out);
    }
    if let Some(at) = &finding.key_location {
        out.extend_from_slice(b",\"key_location\":");
        location(at, out);
    }
    if !finding.pointer.is_empty() {
        start(out, ",\"pointer\":", finding.pointer.raw());
    }
    start(out, ",\"message\":", finding.message.raw());
    if !finding.related.is_empty() {
        out.extend_from_slice(b",\"related\":");
        list(&finding.related, out, related);
    }
    if let Some(own) = &finding.fix {
        out.extend_from_slice(b",\"fix\":");
        fix(own, out);
    }
    start(out, ",\"fingerprint\":", &finding.fingerprint);
    if let Some(own) = &finding.suppressed {
        out.extend_from_slice(b",\"suppressed\":");
        // Few are exempt.
        any(own, out);
    }
    out.push(b'}');
}

fn subject(subject: &Subject, out: &mut Vec<u8>) {
    out.push(b'{');
    if !subject.api_version.is_empty() {
        start(out, "\"api_version\":", subject.api_version.raw());
        out.push(b',');
    }
    start(out, "\"kind\":", subject.kind.raw());
    if let Some(namespace) = &subject.namespace {
        start(out, ",\"namespace\":", namespace.raw());
    }
    start(out, ",\"name\":", subject.name.raw());
    if let Some(container) = &subject.container {
        start(out, ",\"container\":", container.raw());
    }
    out.push(b'}');
}

fn location(at: &Location, out: &mut Vec<u8>) {
    start(out, "{\"file\":", at.file.raw());
    count(out, ",\"line\":", at.line);
    count(out, ",\"column\":", at.column);
    count(out, ",\"end_line\":", at.end_line);
    count(out, ",\"end_column\":", at.end_column);
    out.push(b'}');
}

fn related(related: &Related, out: &mut Vec<u8>) {
    start(out, "{\"message\":", related.message.raw());
    if let Some(at) = &related.location {
        out.extend_from_slice(b",\"location\":");
        location(at, out);
    }
    out.push(b'}');
}

fn fix(fix: &Fix, out: &mut Vec<u8>) {
    start(out, "{\"text\":", fix.text.raw());
    if !fix.edits.is_empty() {
        out.extend_from_slice(b",\"edits\":");
        list(&fix.edits, out, replacement);
    }
    out.push(b'}');
}

fn replacement(edit: &Replacement, out: &mut Vec<u8>) {
    start(out, "{\"file\":", edit.file.raw());
    count(out, ",\"start\":", edit.start);
    count(out, ",\"end\":", edit.end);
    start(out, ",\"text\":", edit.text.raw());
    out.push(b'}');
}

fn list<T>(items: &[T], out: &mut Vec<u8>, one: impl Fn(&T, &mut Vec<u8>)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        one(item, out);
    }
    out.push(b']');
}

/// What stands before a text, and the text.
#[inline]
fn start(out: &mut Vec<u8>, before: &'static str, text: &str) {
    out.extend_from_slice(before.as_bytes());
    quoted(out, text);
}

fn quoted(out: &mut Vec<u8>, text: &str) {
    if needs_no_escape(text.as_bytes()) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        any(text, out);
    }
}

/// What stands before a number, and the number.
#[inline]
fn count(out: &mut Vec<u8>, before: &'static str, number: u32) {
    out.extend_from_slice(before.as_bytes());
    let mut digits = [0; 10];
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

fn any(value: &(impl Serialize + ?Sized), out: &mut Vec<u8>) {
    // Neither a vector nor these values refuse anything.
    let _ = to_writer(out, value);
}

/// True for printable ASCII without quotes and backslashes. Without an early end, so that many bytes are looked at in one
/// step.
fn needs_no_escape(bytes: &[u8]) -> bool {
    let is_plain = |b: &u8| (b' '..0x7f).contains(b) & (*b != b'"') & (*b != b'\\');
    bytes.chunks(32).all(|chunk| chunk.iter().fold(true, |plain, b| plain & is_plain(b)))
}

#[cfg(test)]
mod tests {
    use nightlatch_finding::{
        Severity,
        audit::{AuditFinding, Fix, Location, Related, Replacement, Subject, SuppressedBy, Suppression},
    };
    use nightlatch_untrusted::{Text, json::to_string};

    use super::{count, write};

    /// With everything that a finding may have when `text` is told, else with nothing that it need not have.
    fn finding(text: Option<&str>, number: u32) -> AuditFinding {
        let own = || Text::from(text.unwrap_or(""));
        let at = || Location { file: own(), line: number, column: 1, end_line: 10, end_column: u32::MAX };
        let edit = || Replacement { file: own(), start: number, end: 99, text: own() };
        let some = text.is_some();
        AuditFinding {
            rule: text.unwrap_or("POD-001").to_owned().into(),
            name: "pod/privileged".into(),
            severity: Severity::High,
            subject: Subject {
                api_version: own(),
                kind: own(),
                namespace: some.then(own),
                name: own(),
                container: some.then(own),
            },
            location: some.then(at),
            key_location: some.then(at),
            pointer: own(),
            message: own(),
            related: if some {
                vec![
                    Related { message: own(), location: Some(at()) },
                    Related { message: own(), location: None },
                ]
            } else {
                Vec::new()
            },
            fix: some.then(|| Fix { text: own(), edits: vec![edit(), edit()] }),
            fingerprint: "00ff".to_owned(),
            suppressed: some.then(|| Suppression {
                by: SuppressedBy::Annotation,
                reason: own(),
                until: Some("2026-01-01".to_owned()),
            }),
        }
    }

    #[test]
    fn a_finding_is_written_as_its_fields_say() {
        let long = "x".repeat(70) + "\"";
        let texts = [
            "",
            "plain",
            "it's {a} <b>&",
            "\"",
            "a\\b",
            "tab\t",
            "\u{1b}[31m",
            "\r\n",
            "ä",
            "\u{202e}abc",
            "\u{7f}",
            "\u{0}",
            "😀\u{e0001}",
            &long,
        ];
        for text in texts.into_iter().map(Some).chain([None]) {
            for number in [0, 9, 10, u32::MAX] {
                let mut finding = finding(text, number);
                let check = |finding: &AuditFinding| {
                    let mut written = Vec::new();
                    write(finding, &mut written);
                    assert_eq!(String::from_utf8(written).ok(), to_string(finding).ok());
                };
                check(&finding);
                finding.fix = Some(Fix::default());
                check(&finding);
            }
        }
        for severity in Severity::ALL {
            let finding = AuditFinding { severity, ..finding(None, 1) };
            let mut written = Vec::new();
            write(&finding, &mut written);
            assert_eq!(String::from_utf8(written).ok(), to_string(&finding).ok());
        }
    }

    #[test]
    fn numbers_are_written_as_everywhere() {
        for number in [0, 7, 10, 99, 100, 65_535, 1_000_000, u32::MAX] {
            let mut written = Vec::new();
            count(&mut written, "", number);
            assert_eq!(written, number.to_string().into_bytes());
        }
    }
}
