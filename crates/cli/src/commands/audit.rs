//! The audit of configuration.

mod book;
mod configuration;
mod fix;
mod output;
mod reference;
mod watch;

pub(crate) use reference::{rule_index, rule_pages};

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, ValueHint};
use nightlatch_audit::{Baseline, Context, Judged, Profile, Settings, audit, rule};
use nightlatch_finding::{
    Severity,
    audit::{AuditReport, NoticeKind, Reported},
};
use nightlatch_manifest::Corpus;
use nightlatch_report::audit::RuleText;

use self::output::{Format, Grouping};
use super::corpus::CorpusArgs;
use crate::{exit::Exit, failure::Failure, say::say, session::Session};

/// Audit Kubernetes, Docker, Compose, node and cloud configuration
///
/// Says for each broken control what is wrong, where (file, line, column), why it matters and the smallest fix. Nothing is
/// sent anywhere. What the input cannot show is unknown: never passed and never failed.
///
/// Examples:
///   nightlatch audit deploy/
///   helm template shop | nightlatch audit - --fail-on high
///   kubectl get -A -o yaml all,netpol,roles,rolebindings | nightlatch audit - --full
///   nightlatch audit . --profile cis --verdicts
///   nightlatch audit . --report sarif=audit.sarif --baseline known.json
///   nightlatch audit --explain POD-001
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Audit {
    #[command(flatten)]
    corpus: CorpusArgs,

    /// Which rules: default, pss-baseline, pss-restricted, cis, cis-docker, nsa, attack, all
    #[arg(long, short, value_name = "NAME", help_heading = "Rules", value_parser = profile)]
    profile: Option<Profile>,
    /// Only this rule, by identifier or name; may be repeated or a list
    #[arg(long, value_name = "RULE", value_delimiter = ',', help_heading = "Rules")]
    rule: Vec<String>,
    /// Not this rule; may be repeated or a list
    #[arg(long, value_name = "RULE", value_delimiter = ',', help_heading = "Rules")]
    skip: Vec<String>,
    /// Settings of the audit [default: nightlatch-audit.toml here or above, up to the repository's root]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Rules")]
    audit_config: Option<PathBuf>,
    /// The version of the cluster, such as 1.29 [default: what the input says, else the newest]
    #[arg(long, value_name = "VERSION", help_heading = "Rules")]
    kubernetes_version: Option<String>,
    /// The version of the Pod Security Standards [default: latest]
    #[arg(long, value_name = "VERSION", help_heading = "Rules")]
    pss_version: Option<String>,

    /// Exit code 1 when something at or above this severity is found
    #[arg(long, value_name = "SEVERITY", help_heading = "Gate")]
    fail_on: Option<Severity>,
    /// Count only what is not in this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Gate")]
    baseline: Option<PathBuf>,
    /// Write what is found now as the baseline of later audits
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Gate")]
    write_baseline: Option<PathBuf>,

    /// How to print: text, json, sarif, junit, html, markdown
    #[arg(long, value_name = "FORMAT", default_value = "text", help_heading = "Output")]
    format: Format,
    /// As one JSON object; the same as --format json
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Write there instead of standard output
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    output: Option<PathBuf>,
    /// Also write FORMAT=FILE; may be repeated
    #[arg(long, value_name = "FORMAT=FILE", help_heading = "Output")]
    report: Vec<String>,
    /// Put findings together by rule or by file
    #[arg(long, value_name = "HOW", default_value = "rule", help_heading = "Output")]
    group: Grouping,
    /// List every finding and notice
    #[arg(long, help_heading = "Output")]
    all: bool,
    /// Show what each rule of the profile came to instead of findings
    #[arg(long, help_heading = "Output")]
    verdicts: bool,

    /// Keep the findings in the data directory under NAME, to be searched and drawn beside observations
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", help_heading = "Book")]
    store: Option<String>,
    /// Explain what scans found open: match the newest observations of the data directory with what publishes them
    #[arg(long, help_heading = "Book")]
    with_scans: bool,

    /// Show the patches that mend what can be mended; nothing is written
    #[arg(long, help_heading = "Fix")]
    fix: bool,
    /// With --fix: write the patched files
    #[arg(long, requires = "fix", help_heading = "Fix")]
    write: bool,

    /// Audit again whenever a file changes, until Ctrl-C
    #[arg(long, conflicts_with_all = ["fix", "output", "write_baseline"], help_heading = "Output")]
    watch: bool,

    /// Tell all about one rule and end
    #[arg(long, value_name = "RULE", conflicts_with = "paths", help_heading = "Rules")]
    explain: Option<String>,
    /// Print the schema of the JSON report and end
    #[arg(long, conflicts_with = "paths", help_heading = "Output")]
    schema: bool,
    /// List the rules of the profile and end
    #[arg(long, conflicts_with = "paths", help_heading = "Rules")]
    list_rules: bool,
}

fn profile(text: &str) -> Result<Profile, String> {
    text.parse().map_err(|error: nightlatch_audit::UnknownProfile| error.to_string())
}

impl Audit {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        if let Some(word) = &self.explain {
            return output::explain(configuration::known(word)?, session);
        }
        if self.schema {
            flushed(|out| writeln!(out, "{}", schema()))?;
            return Ok(Exit::Clean);
        }
        let configuration::Chosen { mut settings, fail_on, pod_templates } = configuration::settings(self)?;
        if self.list_rules {
            return output::list(&settings, self.is_json(), session);
        }
        settings.with_fixes = self.shows_fixes();
        if self.with_scans {
            settings.outside = book::outside(session)?;
        }
        let baseline = self.baseline.as_deref().map(configuration::baseline).transpose()?;
        if self.watch {
            return watch::watch(self, baseline.as_ref(), session);
        }
        let mut corpus = self.corpus.read(session)?;
        corpus.pod_templates = pod_templates;
        if self.fix {
            return fix::fix(self, corpus, &settings, session);
        }
        if !self.keeps_findings() {
            let context = Context::new(&corpus, &settings);
            let judged = Judged::of(&context);
            output::print(self, judged.reported(), &corpus, session)?;
            return Ok(exit(judged.reported(), fail_on));
        }
        let (report, mended) = self.judge(&corpus, &settings, baseline.as_ref());
        if let Some(path) = &self.write_baseline {
            configuration::write_baseline(path, &Baseline::of(&report))?;
        }
        output::print(self, Reported::from(&report), &corpus, session)?;
        if let Some(name) = &self.store {
            book::store(name, &self.corpus, &report, session)?;
        }
        if mended > 0 && session.chatty() {
            say(format_args!(
                "note: {} mended that the baseline holds; --write-baseline makes a shorter one",
                if mended == 1 { "1 finding is".to_owned() } else { format!("{mended} findings are") }
            ));
        }
        Ok(exit(Reported::from(&report), fail_on))
    }

    /// Whether all findings are needed at once. Otherwise each is made when it is printed: thirty thousand of them are
    /// more than everything else.
    fn keeps_findings(&self) -> bool {
        self.baseline.is_some() || self.write_baseline.is_some() || self.store.is_some()
    }

    fn judge(&self, corpus: &Corpus, settings: &Settings, baseline: Option<&Baseline>) -> (AuditReport, u64) {
        let mut report = audit(corpus, settings);
        let mended = baseline.map_or(0, |baseline| baseline.apply(&mut report));
        (report, mended)
    }

    /// Making a patch for each of ten thousand findings takes as long as finding them.
    fn shows_fixes(&self) -> bool {
        let with_patches = |format| matches!(format, Format::Json | Format::Sarif);
        let further =
            self.report.iter().any(|wanted| wanted.starts_with("json=") || wanted.starts_with("sarif="));
        self.fix || self.json || with_patches(self.format) || further || self.store.is_some()
    }

    fn is_json(&self) -> bool {
        self.json || self.format == Format::Json
    }
}

/// Findings at the threshold come first: they are what a gate asks. Then what could not be read: an audit of a part is
/// never clean.
fn exit(reported: Reported<'_>, fail_on: Option<Severity>) -> Exit {
    let worst = reported.marks().filter(|mark| !mark.is_exempt).map(|mark| mark.severity).max();
    let fails = fail_on.is_some_and(|threshold| worst.is_some_and(|worst| worst >= threshold));
    let unreadable = reported.report.notices.iter().any(|notice| notice.kind == NoticeKind::Unreadable);
    match (fails, unreadable) {
        (true, _) => Exit::Findings,
        (false, true) => Exit::Usage,
        (false, false) => Exit::Clean,
    }
}

/// What reports tell of a rule.
fn rule_text(id: &str) -> Option<RuleText<'static>> {
    let rule = rule(id).ok()?;
    Some(RuleText {
        id: rule.id,
        name: rule.name,
        title: rule.title,
        severity: rule.severity,
        rationale: rule.rationale,
        remediation: rule.remediation,
        references: rule.references,
        example: rule.example,
    })
}

/// The names of the profiles that a rule is in.
fn profiles_of(rule: &nightlatch_audit::Rule) -> Vec<&'static str> {
    Profile::ALL.into_iter().filter(|profile| profile.selects(rule)).map(Profile::as_str).collect()
}

/// Writes through a buffer that is flushed, so that a full disk is an error and not a loss.
fn flushed(write: impl FnOnce(&mut dyn io::Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    write(&mut out)?;
    out.flush()?;
    Ok(())
}

/// The schema of the JSON report (JSON Schema 2020-12), as it is committed under `schemas/`.
fn schema() -> String {
    serde_json::to_string_pretty(&schemars::schema_for!(AuditReport)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_committed_schema_is_what_the_code_says() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/audit.schema.json");
        let fresh = super::schema() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &fresh).expect("the schema can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == fresh, "schemas/audit.schema.json is stale; run this test with UPDATE=1");
    }
}
