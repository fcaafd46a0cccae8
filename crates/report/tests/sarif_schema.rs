//! What we write is SARIF 2.1.0 by the official JSON schema, as the package `pydantic-sarif` carries it.
//!
//! Needs that package beside the interpreter in `NIGHTLATCH_PYTHON`; `./test` installs it and runs this with
//! `--ignored`; without it, this fails.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test, also in the functions around it")]

use std::{fs, process::Command};

use nightlatch_asset::Record;
use nightlatch_finding::audit::AuditReport;
use nightlatch_report::{Sarif, audit};
use nightlatch_untrusted::hostile;
use serde_json::json;

const NEEDED: &str =
    "needs `pip install pydantic-sarif==0.1.1`, then name its interpreter in NIGHTLATCH_PYTHON";

/// Exit code 0 when all files fit the schema, and 1 when one does not.
const VALIDATE: &str = "
import json, sys
from pydantic import ValidationError
from pydantic_sarif import model
schema = model.StaticAnalysisResultsFormatSarifVersion210JsonSchema
for path in sys.argv[1:]:
    try:
        schema.parse_obj(json.load(open(path)))
    except ValidationError as error:
        print(path, error)
        sys.exit(1)
";

fn record(text: &str, exposure: &str) -> Record {
    serde_json::from_value(json!({
        "id": 7, "first_seen": "2026-08-01T00:00:00Z", "last_seen": "2026-09-21T10:15:00Z", "times_seen": 9, "latest": true,
        "observation": {
            "ip": "2001:db8::7", "port": 2375, "protocol": "http", "time": "2026-09-20T00:00:00Z", "owner": text,
            "verdict": {
                "fingerprint": "docker-engine", "product": text, "version": text, "exposure": exposure,
                "severity": "critical", "why": text,
                "findings": [{"id": "end-of-life", "severity": "low", "title": text}, {"id": text, "severity": "high"}],
                "evidence": [{"request": "version", "class": "T1", "asked": text, "answered": text}],
            },
        },
    }))
    .unwrap()
}

/// The answer of the validator for these logs.
fn fits(logs: &[Vec<u8>]) -> bool {
    let dir = tempfile::tempdir().unwrap();
    let files: Vec<_> = (0..logs.len()).map(|number| dir.path().join(format!("{number}.sarif"))).collect();
    for (path, log) in files.iter().zip(logs) {
        fs::write(path, log).unwrap();
    }
    let python = std::env::var("NIGHTLATCH_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(&python)
        .args(["-c", VALIDATE])
        .args(&files)
        .output()
        .unwrap_or_else(|error| panic!("cannot run `{python}` ({error}); {NEEDED}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!complaint.contains("ModuleNotFoundError"), "{complaint}\n{NEEDED}");
    output.status.success()
}

fn log(records: &[Record]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sarif = Sarif::new(&mut out).unwrap();
    records.iter().for_each(|record| sarif.write(record).unwrap());
    sarif.finish("2026-09-22T08:00:00Z".parse().unwrap()).unwrap();
    out
}

#[test]
#[ignore = "needs pydantic-sarif; ./test installs it and runs this"]
fn every_log_fits_the_schema_and_a_wrong_one_does_not() {
    let records: Vec<Record> = ["plain text"]
        .iter()
        .chain(hostile::CORPUS)
        .flat_map(|text| [record(text, "controllable"), record(text, "limited")])
        .collect();
    let all = log(&records);
    assert!(fits(&[all.clone(), log(&[])]));
    let wrong = String::from_utf8(all).unwrap().replace("\"level\":\"error\"", "\"level\":\"awful\"");
    assert!(!fits(&[wrong.into_bytes()]), "the validator accepts anything");
}

/// An audit with everything that its log can hold, `text` in every place that is foreign.
fn audited(text: &str) -> Vec<u8> {
    let place = json!({"file": text, "line": 2, "column": 3, "end_line": 2, "end_column": 9});
    let subject =
        json!({"api_version": "v1", "kind": text, "namespace": text, "name": text, "container": text});
    let finding = |suppressed: serde_json::Value| {
        json!({
            "rule": "POD-001", "name": "pod/privileged", "severity": "critical", "subject": subject, "location": place,
            "pointer": text, "message": text, "related": [{"message": text, "location": place}, {"message": text}],
            "fix": {"text": text, "edits": [{"file": text, "start": 1, "end": 2, "text": text}]},
            "fingerprint": "0123456789abcdef", "suppressed": suppressed,
        })
    };
    let report: AuditReport = serde_json::from_value(json!({
        "profile": "default",
        "findings": [
            finding(json!(null)),
            finding(json!({"by": "comment", "reason": text})),
            finding(json!({"by": "baseline", "reason": text, "until": "2027-01-31"})),
        ],
        "rules": [],
        "notices": [{"kind": "unreadable", "location": place, "message": text}, {"kind": "warning", "message": text}],
        "input": {"sources": 1, "bytes": 2, "documents": 3, "objects": 4, "workloads": 5, "unknown": {}},
    }))
    .unwrap();
    let rule = |id: &str| {
        Some(audit::RuleText {
            id: if id == "POD-001" { "POD-001" } else { "?" },
            name: "pod/privileged",
            title: "Container runs privileged",
            severity: nightlatch_asset::Severity::Critical,
            rationale: "why",
            remediation: "how",
            references: &["CIS 5.2.2", "T1611"],
            example: "privileged: false",
        })
    };
    let mut out = Vec::new();
    audit::sarif(&report, &rule, &|_| Some("abc".into()), &mut out).unwrap();
    out
}

#[test]
#[ignore = "needs pydantic-sarif; ./test installs it and runs this"]
fn audits_fit_the_schema() {
    let logs: Vec<Vec<u8>> =
        hostile::CORPUS.iter().map(|text| audited(text)).chain([audited("web.yaml")]).collect();
    assert!(fits(&logs));
}
