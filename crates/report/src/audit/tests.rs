use nightlatch_finding::audit::{
    AuditFinding, AuditReport, Fix, InputSummary, Notice, Related, Replacement, RuleOutcome, Subject,
    SuppressedBy, Suppression, Verdict,
};

use nightlatch_untrusted::hostile;

use super::*;
use crate::{html_document::StyleSource, style::Style};

fn rule_text(id: &str) -> Option<RuleText<'static>> {
    (id == "POD-001").then_some(RuleText {
        id: "POD-001",
        name: "pod/privileged",
        title: "Container runs privileged",
        severity: Severity::Critical,
        rationale: "It can do what the node can.",
        remediation: "Set it to false.",
        references: &["CIS 5.2.2", "PSS baseline", "T1611", "CVE-2020-8554"],
        example: "securityContext:\n  privileged: false",
    })
}

#[test]
fn json_is_the_fields_of_the_report_behind_the_version() {
    for report in [filled("a \"b\" \u{1b}"), AuditReport::default()] {
        let mut written = Vec::new();
        json(&report, &mut written).unwrap();
        let fields = nightlatch_untrusted::json::to_string(&report).unwrap();
        let expected = fields.replacen('{', "{\"schema\":1,", 1) + "\n";
        assert_eq!(String::from_utf8(written).unwrap(), expected);
    }
}

fn place(text: &str, line: u32) -> Location {
    Location { file: text.into(), line, column: 3, end_line: line, end_column: 9 }
}

fn filled(text: &str) -> AuditReport {
    let finding = AuditFinding {
        rule: "POD-001".into(),
        name: "pod/privileged".into(),
        severity: Severity::Critical,
        subject: Subject {
            api_version: "v1".into(),
            kind: text.into(),
            namespace: Some(text.into()),
            name: text.into(),
            container: Some(text.into()),
        },
        location: Some(place(text, 2)),
        key_location: None,
        pointer: text.into(),
        message: text.into(),
        related: vec![Related { message: text.into(), location: Some(place(text, 7)) }],
        fix: Some(Fix {
            text: text.into(),
            edits: vec![Replacement { file: text.into(), start: 3, end: 5, text: text.into() }],
        }),
        fingerprint: "0123456789abcdef".into(),
        suppressed: None,
    };
    let exempt = AuditFinding {
        suppressed: Some(Suppression { by: SuppressedBy::Comment, reason: text.into(), until: None }),
        ..finding.clone()
    };
    let outcome = RuleOutcome {
        rule: "POD-001".into(),
        name: "pod/privileged".into(),
        title: "Container runs privileged".into(),
        severity: Severity::Critical,
        verdict: Verdict::Unknown,
        failed: 1,
        passed: 2,
        unknown: 3,
        suppressed: 1,
        why_unknown: vec![text.into()],
        references: vec!["CIS 5.2.2".into()],
    };
    AuditReport {
        profile: "default".into(),
        findings: vec![finding, exempt],
        rules: vec![outcome],
        notices: vec![Notice {
            kind: NoticeKind::Unreadable,
            location: Some(place(text, 1)),
            message: text.into(),
        }],
        input: InputSummary { sources: 2, objects: 1, ..InputSummary::default() },
    }
}

fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn all(foreign: &str) -> Vec<(&'static str, String)> {
    let report = filled(foreign);
    let text_of = |_: &str| Some(std::sync::Arc::from("abc\ndef"));
    vec![
        ("text", written(|out| text(&report, &rule_text, TextOptions::default(), Style::PLAIN, out))),
        (
            "file",
            written(|out| {
                let options = TextOptions { group: Group::File, ..TextOptions::default() };
                text(&report, &rule_text, options, Style::PLAIN, out)
            }),
        ),
        ("table", written(|out| profile_table(&report, Style::PLAIN, out))),
        ("json", written(|out| json(&report, out))),
        ("sarif", written(|out| sarif(&report, &rule_text, &text_of, out))),
        ("junit", written(|out| junit(&report, &rule_text, out))),
        ("markdown", written(|out| markdown(&report, &rule_text, out))),
        ("html", written(|out| html(&report, &rule_text, StyleSource::Inline, out))),
    ]
}

#[test]
fn nothing_foreign_is_obeyed_by_any_reader() {
    let sample = "\u{1b}[31m</script><img src=x onerror=alert(1)>|`=cmd`\u{202e}\n\u{0}]]>";
    let everything = hostile::CORPUS.iter().chain([&sample]).flat_map(|foreign| all(foreign));
    for (format, text) in everything {
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\0']), "{format}: {text}");
        if ["html", "junit", "markdown"].contains(&format) {
            assert!(!text.contains("<img"), "{format}: {text}");
        }
        if ["text", "file", "table"].contains(&format) {
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{format}: {text}");
        }
    }
}

#[test]
fn programs_read_what_was_written() {
    let foreign = "a<b>\u{1b}";
    let outputs = all(foreign);
    let json: serde_json::Value = serde_json::from_str(&outputs[3].1).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["findings"][0]["subject"]["name"], foreign);
    let sarif: serde_json::Value = serde_json::from_str(&outputs[4].1).unwrap();
    let run = &sarif["runs"][0];
    assert_eq!(run["tool"]["driver"]["rules"][0]["id"], "POD-001");
    assert_eq!(run["results"][0]["locations"][0]["physicalLocation"]["region"]["startLine"], 2);
    assert_eq!(
        run["results"][0]["fixes"][0]["artifactChanges"][0]["replacements"][0]["deletedRegion"]["endLine"],
        2
    );
    assert_eq!(run["results"][1]["suppressions"][0]["kind"], "inSource");
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
}

#[test]
fn what_is_exempt_is_not_counted() {
    let report = filled("web");
    assert!(
        audit_summary(&report)
            .starts_with("1 finding: 1 critical; 1 exempt; 1 object in 2 files; 1 part not readable")
    );
}

#[test]
fn references_lead_somewhere() {
    let check = |reference, url: Option<&str>| assert_eq!(reference_url(reference).as_deref(), url);
    check("T1552.007", Some("https://attack.mitre.org/techniques/T1552/007/"));
    check("CVE-2020-8554", Some("https://www.cve.org/CVERecord?id=CVE-2020-8554"));
    check("CIS 5.2.2", None);
}

#[test]
fn what_many_files_have_in_common_is_told_once() {
    let mut report = filled("web");
    let notice = |file: &str, message: &str| Notice {
        kind: NoticeKind::Unreadable,
        location: Some(place(file, 1)),
        message: message.into(),
    };
    report.notices = (0..50).map(|n| notice(&format!("t/{n}.yaml"), "a template")).collect();
    report.notices.insert(1, notice("x.yaml", "no YAML"));
    let told = |notices_max| {
        let options = TextOptions { notices_max, ..TextOptions::default() };
        let text = written(|out| text(&report, &rule_text, options, Style::PLAIN, out));
        text.lines().filter(|line| line.starts_with("not read ")).map(str::to_owned).collect::<Vec<_>>()
    };
    let few = told(10);
    assert_eq!(few.len(), 2, "{few:?}");
    assert!(few[0].contains("t/0.yaml") && few[0].ends_with("and 49 more: a template"), "{few:?}");
    assert_eq!(told(usize::MAX).len(), 51, "--all lists each");
}
