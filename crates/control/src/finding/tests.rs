use nightlatch_finding::{
    Severity,
    audit::{AuditFinding, AuditReport, Location, Subject, SuppressedBy, Suppression},
};

use super::*;

fn finding(rule: &str, severity: Severity, namespace: &str, message: &str) -> AuditFinding {
    AuditFinding {
        rule: rule.to_owned().into(),
        name: format!("pod/{}", rule.to_lowercase()).into(),
        severity,
        subject: Subject {
            kind: "Deployment".into(),
            namespace: Some(namespace.into()),
            name: "web".into(),
            ..Subject::default()
        },
        location: Some(Location {
            file: "deploy/web.yaml".into(),
            line: 1,
            column: 1,
            end_line: 1,
            end_column: 2,
        }),
        key_location: None,
        pointer: "".into(),
        message: message.into(),
        related: Vec::new(),
        fix: None,
        fingerprint: format!("{rule}-{namespace}"),
        suppressed: None,
    }
}

fn report(findings: Vec<AuditFinding>) -> AuditReport {
    AuditReport { findings, ..AuditReport::default() }
}

fn control() -> (tempfile::TempDir, Control) {
    let folder = tempfile::tempdir().unwrap();
    let control = Control::open(folder.path()).unwrap();
    (folder, control)
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn what_is_seen_again_is_the_same_and_what_is_gone_is_mended() {
    let (_folder, control) = control();
    let a = finding("POD-001", Severity::Critical, "shop", "privileged");
    let b = finding("POD-005", Severity::High, "ops", "host PID");
    let twice = report(vec![a.clone(), b.clone(), b.clone()]);
    assert_eq!(
        control.store_audit("repo", &twice, at(1)).unwrap(),
        StoredAudit { new: 3, again: 0, mended: 0 }
    );
    let once = report(vec![b.clone()]);
    assert_eq!(
        control.store_audit("repo", &once, at(2)).unwrap(),
        StoredAudit { new: 0, again: 1, mended: 2 }
    );
    assert_eq!(
        control.store_audit("other", &once, at(2)).unwrap(),
        StoredAudit { new: 1, again: 0, mended: 0 }
    );
    let all = |query: &str| control.findings(&FindingQuery::parse(query).unwrap(), 100, 0).unwrap();
    let (open, total) = all("input:repo");
    assert_eq!((open.len(), total), (1, 1));
    assert_eq!((open[0].first_seen, open[0].last_seen, open[0].mended), (at(1), at(2), None));
    assert_eq!(open[0].finding, b);
    assert_eq!(control.finding(open[0].id).unwrap().as_ref(), Some(&open[0]));
    assert_eq!(control.finding(i64::MAX).unwrap(), None);
    assert_eq!(all("is:mended").1, 2);
    assert_eq!(
        control.store_audit("repo", &twice, at(3)).unwrap(),
        StoredAudit { new: 2, again: 1, mended: 0 }
    );
    assert_eq!(all("is:mended").1, 0);
}

#[test]
fn queries_find_what_they_say() {
    let (_folder, control) = control();
    let mut exempt = finding("POD-001", Severity::Critical, "ops", "privileged 100% of_it");
    exempt.suppressed = Some(Suppression { by: SuppressedBy::Comment, reason: "".into(), until: None });
    let findings = vec![
        finding("POD-001", Severity::Critical, "shop", "container app is Privileged"),
        finding("POD-005", Severity::High, "ops", "host PID: 100% of_it"),
        finding("POD-018", Severity::Low, "ops", "no profile"),
        exempt,
    ];
    control.store_audit("repo", &report(findings), at(1)).unwrap();
    let check = |text: &str, rules: &[&str]| {
        let query = FindingQuery::parse(text).unwrap();
        let (found, total) = control.findings(&query, 100, 0).unwrap();
        let found: Vec<&str> = found.iter().map(|stored| &*stored.finding.rule).collect();
        assert_eq!((found.as_slice(), total as usize), (rules, rules.len()), "{text}");
    };
    check("", &["POD-001", "POD-005", "POD-018"]);
    check("severity:>=high", &["POD-001", "POD-005"]);
    check("severity:low", &["POD-018"]);
    check("namespace:ops", &["POD-005", "POD-018"]);
    check("namespace:ops,shop -rule:POD-018", &["POD-001", "POD-005"]);
    check("privileged", &["POD-001"]);
    check("\"app is privileged\"", &["POD-001"]);
    check("!privileged severity:>low", &["POD-005"]);
    check("rule:POD-00*", &["POD-001", "POD-005"]);
    check("namespace:\"\"", &[]);
    check("-namespace:\"\" severity:low", &["POD-018"]);
    check("input:\"repo\" severity:low", &["POD-018"]);
    check("input:\"repo,other\"", &[]);
    check("100%", &["POD-005"]);
    check("100_", &[]);
    check("is:exempt", &["POD-001"]);
    check("file:deploy/*", &["POD-001", "POD-005", "POD-018"]);
    check("'; DROP TABLE finding; --", &[]);
    let facet = |facet| {
        let counts = control.finding_facet(&FindingQuery::default(), facet, 10).unwrap();
        counts.into_iter().map(|(value, count)| (value.raw().to_owned(), count)).collect::<Vec<_>>()
    };
    assert_eq!(
        facet(FindingFacet::Severity),
        [("critical".into(), 1), ("high".into(), 1), ("low".into(), 1)]
    );
    assert_eq!(facet(FindingFacet::Namespace), [("ops".into(), 2), ("shop".into(), 1)]);
}

#[test]
fn mistakes_say_where() {
    let check = |text: &str, at: usize, part: &str| {
        let error = FindingQuery::parse(text).unwrap_err();
        assert!(error.at == at && error.message.contains(part), "{text}: {error:?}");
    };
    check("severity:severe", 0, "unknown severity");
    check("a nmespace:x", 2, "no field `nmespace`");
    check("is:new", 0, "open, mended or exempt");
    check("rule:", 0, "followed by a value");
    assert!(FindingQuery::parse("registry.example/app:1").is_ok());
}

#[test]
fn terms_are_added_to_a_question() {
    let (_folder, control) = control();
    let findings = vec![
        finding("POD-001", Severity::Critical, "shop", "a"),
        finding("POD-005", Severity::High, "ops", "b"),
    ];
    control.store_audit("my repo", &report(findings.clone()), at(1)).unwrap();
    control.store_audit("my repo", &report(findings[..1].to_vec()), at(2)).unwrap();
    let count = |query: FindingQuery| control.findings(&query, 10, 0).unwrap().1;
    let and = |field: &str, value: &str| FindingQuery::default().and(field, value);
    assert_eq!(count(and("input", "my repo").unwrap()), 1);
    assert_eq!(count(and("input", "my repo").unwrap().of_any_state()), 2);
    assert_eq!(count(and("is", "mended").unwrap()), 1);
    assert_eq!(count(and("severity", ">=high").unwrap().and("namespace", "shop,ops").unwrap()), 1);
    assert_eq!(count(and("rule", "POD-001\" OR 1=1").unwrap()), 0);
    for (field, value) in [("severity", "worst"), ("is", "gone"), ("words", "x"), ("rule", ",")] {
        assert!(and(field, value).is_err(), "{field}:{value}");
    }
}
