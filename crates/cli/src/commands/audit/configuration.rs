//! The settings of an audit: command line over file over defaults.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use nightlatch_audit::{
    Baseline, FileChoices, KubernetesVersion, Rule, Settings, SettingsError, UnknownRule, read_settings, rule,
};
use nightlatch_finding::Severity;

use super::Audit;
use crate::{
    commands::{excerpt, read_text, write_whole},
    exit::Exit,
    failure::Failure,
};

/// The file that is looked for.
const FILE: &str = "nightlatch-audit.toml";
/// Longest configuration or baseline that is read, in bytes.
const BYTES_MAX: u64 = 64_000_000;

/// What holds for one audit.
pub(super) struct Chosen {
    pub(super) settings: Settings,
    pub(super) fail_on: Option<Severity>,
    /// Further kinds that embed a pod.
    pub(super) pod_templates: Vec<(String, String, String)>,
}

/// The command line over the file over the defaults.
pub(super) fn settings(audit: &Audit) -> Result<Chosen, Failure> {
    let mut settings = Settings::new(jiff::Zoned::now().date());
    let mut choices = FileChoices::default();
    if let Some(path) = file(audit) {
        let text = read_text(&path, BYTES_MAX)?;
        choices = read_settings(&text, &mut settings).map_err(|error| refused(&path, &text, &error))?;
    }
    if let Some(profile) = audit.profile {
        settings.profile = profile;
    }
    for word in &audit.rule {
        settings.only.push(known(word)?.id);
    }
    for word in &audit.skip {
        settings.disabled.push(known(word)?.id);
    }
    if let Some(word) = &audit.kubernetes_version {
        settings.kubernetes = Some(version(word)?);
    }
    if let Some(word) = &audit.pss_version {
        settings.pss = version(word)?;
    }
    Ok(Chosen { settings, fail_on: audit.fail_on.or(choices.fail_on), pod_templates: choices.pod_templates })
}

/// The file named, or the one found here or above; above the root of a repository nobody looks.
fn file(audit: &Audit) -> Option<PathBuf> {
    if let Some(path) = &audit.audit_config {
        return Some(path.clone());
    }
    let here = env::current_dir().ok()?;
    for folder in here.ancestors().take(64) {
        let path = folder.join(FILE);
        if path.is_file() {
            return Some(path);
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    None
}

fn refused(path: &Path, text: &str, error: &SettingsError) -> Failure {
    let failure = Failure::from_error(Exit::Usage, error)
        .while_doing(format!("cannot use the audit configuration {}", path.display()));
    let span = match error {
        SettingsError::Shape { span, .. } => span.clone(),
        SettingsError::Rule { span, .. } | SettingsError::Value { span, .. } => Some(span.clone()),
        _ => None,
    };
    let failure = match span {
        Some(span) => {
            let before = text.get(..span.start).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
            failure.excerpt(excerpt(text, line, column))
        }
        None => failure,
    };
    match error {
        SettingsError::Rule { nearest: Some(nearest), .. } => {
            failure.hint(format!("did you mean `{nearest}`?"))
        }
        SettingsError::Rule { .. } => {
            failure.hint("`nightlatch audit --list-rules --profile all` lists them")
        }
        _ => failure,
    }
}

/// The rule of a word.
pub(super) fn known(word: &str) -> Result<&'static Rule, Failure> {
    rule(word).map_err(|error: UnknownRule| {
        let failure = Failure::usage(&error);
        match error.nearest {
            Some(nearest) => failure.hint(format!("did you mean `{nearest}`?")),
            None => failure.hint("`nightlatch audit --list-rules --profile all` lists them"),
        }
    })
}

fn version(word: &str) -> Result<KubernetesVersion, Failure> {
    KubernetesVersion::parse(word).ok_or_else(|| {
        Failure::usage(format!("`{word}` is no version")).hint("expected such as 1.29 or latest")
    })
}

/// Reads a baseline.
pub(super) fn baseline(path: &Path) -> Result<Baseline, Failure> {
    let text = read_text(path, BYTES_MAX)?;
    Baseline::parse(&text).map_err(|error| {
        Failure::from_error(Exit::Usage, &error)
            .while_doing(format!("cannot use the baseline {}", path.display()))
    })
}

/// Writes a baseline, whole or not at all.
pub(super) fn write_baseline(path: &Path, baseline: &Baseline) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(baseline).map_err(Failure::bug)?;
    text.push('\n');
    write_whole(path, text.as_bytes())
}

/// True when a file exists that would be read; for `--watch`.
pub(super) fn watched_file(audit: &Audit) -> Option<PathBuf> {
    file(audit).filter(|path| fs::metadata(path).is_ok())
}
