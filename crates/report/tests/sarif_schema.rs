//! What we write is SARIF 2.1.0 by the official JSON schema, as the package `pydantic-sarif` carries it.
//!
//! Needs that package beside the interpreter in `NIGHTLATCH_PYTHON`; `./test` installs it and runs this with
//! `--ignored`; without it, this fails.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test, also in the functions around it")]

use std::{fs, process::Command};

use nightlatch_asset::Record;
use nightlatch_report::Sarif;
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
