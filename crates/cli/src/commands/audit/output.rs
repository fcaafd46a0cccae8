//! Prints an audit.

use std::{
    collections::HashMap,
    io::{self, Write},
    path::Path,
    sync::Arc,
};

use clap::ValueEnum;
use nightlatch_audit::{Rule, Settings};
use nightlatch_finding::audit::Reported;
use nightlatch_manifest::Corpus;
use nightlatch_report::{
    StyleSource,
    audit::{
        Group, TextOptions, explain as explain_text, html, json, junit, markdown, profile_table, sarif, text,
    },
};
use nightlatch_untrusted::terminal_width;

use super::{Audit, flushed, profiles_of, rule_text};
use crate::{commands::write_whole, exit::Exit, failure::Failure, session::Session};

/// How to print.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
    Sarif,
    Junit,
    Html,
    Markdown,
}

/// How findings are put together.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(super) enum Grouping {
    Rule,
    File,
}

/// Prints a report as asked, and writes the further ones.
pub(super) fn print(
    audit: &Audit,
    reported: Reported<'_>,
    corpus: &Corpus,
    session: &Session,
) -> Result<(), Failure> {
    for wanted in &audit.report {
        let (format, path) = wanted
            .split_once('=')
            .and_then(|(format, path)| Some((Format::from_str(format, true).ok()?, path)))
            .ok_or_else(|| {
                Failure::usage(format!("`--report {wanted}` is no FORMAT=FILE"))
                    .hint("FORMAT is one of text, json, sarif, junit, html, markdown")
            })?;
        let mut bytes = Vec::new();
        write(audit, format, reported, corpus, session, false, &mut bytes)?;
        write_whole(Path::new(path), &bytes)?;
    }
    let format = if audit.json { Format::Json } else { audit.format };
    match &audit.output {
        Some(path) => {
            let mut bytes = Vec::new();
            write(audit, format, reported, corpus, session, false, &mut bytes)?;
            write_whole(path, &bytes)
        }
        None => flushed(|out| write(audit, format, reported, corpus, session, true, out)),
    }
}

fn write(
    audit: &Audit,
    format: Format,
    reported: Reported<'_>,
    corpus: &Corpus,
    session: &Session,
    to_terminal: bool,
    out: &mut dyn Write,
) -> io::Result<()> {
    let style = if to_terminal { session.style() } else { nightlatch_report::Style::PLAIN };
    match format {
        Format::Text if audit.verdicts => profile_table(reported.report, style, out),
        Format::Text => {
            let mut options = TextOptions {
                group: match audit.group {
                    Grouping::Rule => Group::Rule,
                    Grouping::File => Group::File,
                },
                ..TextOptions::default()
            };
            if audit.all {
                options.listed_max = usize::MAX;
                options.notices_max = usize::MAX;
                options.related_max = usize::MAX;
            }
            text(reported, &rule_text, options, style, out)
        }
        Format::Json => json(reported, out),
        Format::Sarif => {
            let texts: HashMap<&str, &Arc<str>> =
                corpus.sources.iter().map(|source| (source.name.raw(), &source.text)).collect();
            sarif(&reported.whole(), &rule_text, &|name| texts.get(name).map(|text| Arc::clone(text)), out)
        }
        Format::Junit => junit(&reported.whole(), &rule_text, out),
        Format::Html => html(&reported.whole(), &rule_text, StyleSource::Inline, out),
        Format::Markdown => markdown(&reported.whole(), &rule_text, out),
    }
}

/// Tells all about one rule.
pub(super) fn explain(rule: &Rule, session: &Session) -> Result<Exit, Failure> {
    let Some(text) = rule_text(rule.id) else { return Err(Failure::bug("a rule without its text")) };
    flushed(|out| explain_text(&text, &profiles_of(rule), session.style(), out))?;
    Ok(Exit::Clean)
}

/// Lists the rules that would run.
pub(super) fn list(settings: &Settings, as_json: bool, session: &Session) -> Result<Exit, Failure> {
    let columns = session.style().width;
    flushed(|out| {
        for rule in settings.selected() {
            let severity = settings.severity_of(rule);
            if as_json {
                let line = serde_json::json!({
                    "rule": rule.id, "name": rule.name, "title": rule.title, "severity": severity, "tier": rule.tier,
                    "references": rule.references, "profiles": profiles_of(rule),
                });
                writeln!(out, "{line}")?;
                continue;
            }
            let line = format!("{} {:8} {:40} {}", rule.id, severity, rule.name, rule.title);
            let cut: String = line.chars().take(columns).collect();
            debug_assert!(terminal_width(&cut) <= columns);
            writeln!(out, "{}", cut.trim_end())?;
        }
        Ok(())
    })?;
    Ok(Exit::Clean)
}
