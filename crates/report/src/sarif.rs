//! SARIF 2.1.0: what is open as results of a scanner, for code scanning pages and result viewers.
//!
//! Results are written as they come, the rules after them: a million records need no memory.
//!
//! Source: OASIS, "Static Analysis Results Interchange Format (SARIF) Version 2.1.0", sections 3.13 to 3.27 and 3.49.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use nightlatch_asset::{Exposure, Record, Severity, Text, Timestamp};
use nightlatch_untrusted::json::to_writer;
use serde_json::{Value, json};

use crate::{
    open::is_open,
    remedy::{FINDING_STEPS, products, remedy},
};

pub(crate) const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
const INFORMATION: &str = "https://cwe.mitre.org/data/definitions/306.html";
/// Longest part of a message that comes from outside, in characters.
const MESSAGE_CHARS_MAX: usize = 2_000;

/// Writes one SARIF log.
pub struct Sarif<'w> {
    out: &'w mut dyn Write,
    results: u64,
    /// What is written of each rule, by identifier; only identifiers that the program carries, so a bounded number.
    rules: BTreeMap<String, Rule>,
}

struct Rule {
    worst: Severity,
    title: String,
    help: Vec<String>,
    url: &'static str,
    weaknesses: Vec<String>,
}

impl<'w> Sarif<'w> {
    /// Begins the log.
    ///
    /// # Errors
    /// What `out` reports; so for all below.
    pub fn new(out: &'w mut dyn Write) -> io::Result<Self> {
        write!(out, "{{\"$schema\":\"{SCHEMA}\",\"version\":\"2.1.0\",\"runs\":[{{\"results\":[")?;
        Ok(Self { out, results: 0, rules: BTreeMap::new() })
    }

    /// Writes a result for the state of a record that is open, and one for each finding; nothing for any other.
    ///
    /// # Errors
    /// As [`Sarif::new`].
    pub fn write(&mut self, record: &Record) -> io::Result<()> {
        if !is_open(record) {
            return Ok(());
        }
        let verdict = &record.observation.verdict;
        if verdict.exposure >= Exposure::Readable {
            let rule = self.exposure_rule(record);
            let text = format!("{}: {}", verdict.exposure, verdict.why.raw());
            self.result(&rule, verdict.severity, &text, record)?;
        }
        for finding in verdict.findings.iter().filter(|finding| finding.severity > Severity::Info) {
            let rule = self.finding_rule(&finding.id, finding.severity, &finding.title);
            let text = if finding.title.is_empty() { &finding.id } else { &finding.title };
            self.result(&rule, finding.severity, text, record)?;
        }
        Ok(())
    }

    /// Ends the log and says how many results are in it.
    ///
    /// - `time`: when the report is made.
    ///
    /// # Errors
    /// As [`Sarif::new`].
    pub fn finish(self, time: Timestamp) -> io::Result<u64> {
        let rules: Vec<Value> = self.rules.iter().map(|(id, rule)| rule.as_json(id)).collect();
        let tool = json!({"driver": {
            "name": "nightlatch",
            "version": env!("CARGO_PKG_VERSION"),
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": rules,
        }});
        let invocations = json!([{"executionSuccessful": true, "endTimeUtc": time.to_string()}]);
        self.out.write_all(b"],\"tool\":")?;
        to_writer(&mut *self.out, &tool)?;
        self.out.write_all(b",\"invocations\":")?;
        to_writer(&mut *self.out, &invocations)?;
        self.out.write_all(b",\"columnKind\":\"utf16CodeUnits\"}]}\n")?;
        Ok(self.results)
    }

    fn exposure_rule(&mut self, record: &Record) -> String {
        let seen = &record.observation;
        let known = products::of(seen);
        let id = format!("exposure/{}", known.map_or("other", |product| product.id));
        let rule = self.rules.entry(id.clone()).or_insert_with(|| {
            let advice = remedy(record);
            let name = known.map_or("A service", |product| product.name);
            // Of a product that is not ours the advice may be foreign: none of it goes into a rule.
            let help = match known {
                Some(product) => std::iter::once(product.summary)
                    .chain(product.steps.iter().copied())
                    .map(str::to_owned)
                    .collect(),
                None => vec!["Find out what answers here and who needs it.".to_owned()],
            };
            let weaknesses = advice.references.iter().filter_map(|reference| {
                let id = reference.title.split(':').next().filter(|id| id.starts_with("CWE-"))?;
                Some(format!("external/cwe/{}", id.to_lowercase()))
            });
            Rule {
                worst: Severity::Info,
                title: format!("{name} lets strangers in"),
                help,
                url: advice.references.iter().find_map(|reference| reference.url).unwrap_or(INFORMATION),
                weaknesses: weaknesses.collect(),
            }
        });
        rule.worst = rule.worst.max(seen.verdict.severity);
        id
    }

    fn finding_rule(&mut self, finding: &str, severity: Severity, title: &str) -> String {
        let known = FINDING_STEPS.iter().find(|(id, _)| *id == finding);
        let id = format!("finding/{}", known.map_or("other", |(id, _)| *id));
        let rule = self.rules.entry(id.clone()).or_insert_with(|| Rule {
            worst: Severity::Info,
            // The title of a known finding is the fingerprint's; an import may say anything.
            title: match known {
                Some((id, _)) if title.is_empty() => (*id).to_owned(),
                Some(_) => short(title),
                None => "A finding from elsewhere".to_owned(),
            },
            help: known.map_or_else(Vec::new, |(_, step)| vec![(*step).to_owned()]),
            url: INFORMATION,
            weaknesses: Vec::new(),
        });
        rule.worst = rule.worst.max(severity);
        id
    }

    fn result(&mut self, rule: &str, severity: Severity, text: &str, record: &Record) -> io::Result<()> {
        let seen = &record.observation;
        let verdict = &seen.verdict;
        let endpoint = seen.endpoint();
        let name = verdict.product.as_ref().map_or("service", Text::raw);
        let version = verdict.version.as_ref().map_or_else(String::new, |v| format!(" {}", v.raw()));
        let fix = remedy(record).summary;
        let message = format!("{name}{version} on {endpoint} is {text}. Fix: {}", fix.raw());
        let result = json!({
            "ruleId": rule,
            "kind": "fail",
            "level": level(severity),
            "message": {"text": short(&message)},
            "locations": [{
                "physicalLocation": {"artifactLocation": {"uri": format!("{}://{}", endpoint.transport, endpoint.socket())}},
                "logicalLocations": [{"fullyQualifiedName": endpoint.to_string(), "kind": "resource"}],
            }],
            "partialFingerprints": {"endpoint/v1": format!("{rule}@{endpoint}")},
            "properties": {
                "severity": severity,
                "exposure": verdict.exposure,
                "proof": verdict.proof,
                "confidence": verdict.confidence,
                "owner": seen.owner,
                "firstSeen": record.first_seen,
                "lastSeen": record.last_seen,
                "evidence": verdict.evidence,
            },
        });
        if self.results > 0 {
            self.out.write_all(b",\n")?;
        }
        self.results += 1;
        to_writer(&mut *self.out, &result).map_err(io::Error::from)
    }
}

impl Rule {
    fn as_json(&self, id: &str) -> Value {
        let help = if self.help.is_empty() { self.title.clone() } else { self.help.join("\n") };
        let tags: Vec<&str> =
            std::iter::once("security").chain(self.weaknesses.iter().map(String::as_str)).collect();
        json!({
            "id": id,
            "shortDescription": {"text": self.title},
            "help": {"text": help},
            "helpUri": self.url,
            "defaultConfiguration": {"level": level(self.worst)},
            "properties": {"tags": tags, "security-severity": score(self.worst)},
        })
    }
}

/// The three levels of SARIF.
pub(crate) fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// A number in the band that code scanning pages give each word: over 9 critical, 7 high, 4 medium.
pub(crate) fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "2.5",
        Severity::Info => "0.0",
    }
}

fn short(text: &str) -> String {
    text.chars().take(MESSAGE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use nightlatch_asset::Finding;
    use nightlatch_untrusted::{hostile, is_dangerous};

    use super::*;
    use crate::{
        samples::{bare, docker, kubernetes, poisoned, time},
        tests::written,
    };

    fn log(records: &[Record]) -> (String, Value) {
        let text = written(|out| {
            let mut sarif = Sarif::new(out)?;
            records.iter().try_for_each(|record| sarif.write(record))?;
            sarif.finish(time("2026-09-22T08:00:00Z")).map(|_| ())
        });
        let value = serde_json::from_str(&text).unwrap();
        (text, value)
    }

    /// What the standard requires (sections 3.13, 3.14, 3.18, 3.19, 3.27, 3.49), so far as we write it.
    fn assert_valid(log: &Value) {
        assert_eq!(log["version"], "2.1.0");
        let run = &log["runs"][0];
        let driver = &run["tool"]["driver"];
        assert_eq!(driver["name"], "nightlatch");
        assert!(run["invocations"][0]["executionSuccessful"].is_boolean());
        let rules: Vec<&str> =
            driver["rules"].as_array().unwrap().iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        for result in run["results"].as_array().unwrap() {
            assert!(rules.contains(&result["ruleId"].as_str().unwrap()), "{result}");
            assert!(!result["message"]["text"].as_str().unwrap().is_empty());
            assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
            let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
            assert!(uri.starts_with("tcp://"), "{uri}");
            assert!(result["partialFingerprints"]["endpoint/v1"].is_string());
        }
        for rule in driver["rules"].as_array().unwrap() {
            assert!(rule["shortDescription"]["text"].is_string() && rule["help"]["text"].is_string());
            assert!(rule["helpUri"].as_str().unwrap().starts_with("https://"));
        }
    }

    #[test]
    fn what_is_open_is_a_result_with_its_rule() {
        let mut finding = kubernetes();
        finding.observation.verdict.findings = vec![Finding {
            id: "end-of-life".into(),
            severity: Severity::Low,
            title: "No more fixes".into(),
        }];
        let (_, log) = log(&[docker(), finding, bare("192.0.2.1", 80)]);
        assert_valid(&log);
        let results = log["runs"][0]["results"].as_array().unwrap();
        let shown: Vec<_> =
            results.iter().map(|r| (r["ruleId"].as_str().unwrap(), r["level"].as_str().unwrap())).collect();
        assert_eq!(
            shown,
            [
                ("exposure/docker-engine", "error"),
                ("finding/other", "warning"),
                ("finding/end-of-life", "note")
            ]
        );
        let rules = &log["runs"][0]["tool"]["driver"]["rules"];
        assert_eq!(rules[0]["properties"]["security-severity"], "9.5");
        assert_eq!(rules[0]["properties"]["tags"][1], "external/cwe/cwe-306");
        assert!(results[0]["message"]["text"].as_str().unwrap().contains("192.0.2.7:2375/tcp"));
        assert_eq!(
            results[1]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"],
            "tcp://192.0.2.7:2375"
        );
    }

    #[test]
    fn without_results_it_is_still_a_log() {
        let (_, log) = log(&[]);
        assert_valid(&log);
        assert_eq!(log["runs"][0]["results"], json!([]));
    }

    #[test]
    fn hostile_text_makes_no_rule() {
        let records: Vec<Record> = hostile::CORPUS.iter().map(|text| poisoned(text)).collect();
        let (text, log) = log(&records);
        assert_valid(&log);
        assert!(!text.contains(|c| c != '\n' && is_dangerous(c)));
        let rules = log["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap();
        let ids: Vec<_> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
        assert_eq!(ids, ["exposure/other", "finding/other"]);
    }
}
