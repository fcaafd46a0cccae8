use std::io::{self, Write};

use nightlatch_asset::{Proof, Text};
use nightlatch_untrusted::markdown as escaped;

use super::{About, Item, OwnerReport, states};
use crate::{
    remedy::Remedy,
    when::{day, second, times},
};

/// Writes the reports as one Markdown document.
///
/// # Errors
/// What `out` reports.
pub fn markdown(reports: &[OwnerReport], about: &About, out: &mut dyn Write) -> io::Result<()> {
    match reports {
        [one] => writeln!(out, "# Open services: {}\n", escaped(one.name()))?,
        _ => writeln!(out, "# Open services by owner\n")?,
    }
    write!(out, "As of {} UTC", second(about.generated))?;
    if !about.query.is_empty() {
        write!(out, "; only what matches: {}", about.query.for_markdown())?;
    }
    writeln!(out, ".")?;
    if reports.is_empty() {
        writeln!(out, "\nNothing was seen.")?;
    }
    if reports.len() > 1 {
        writeln!(out, "\n| owner | services | open | how bad |\n| --- | ---: | ---: | --- |")?;
        for report in reports {
            let summary = escaped(&report.summary());
            writeln!(
                out,
                "| {} | {} | {} | {summary} |",
                escaped(report.name()),
                report.services,
                report.open
            )?;
        }
    }
    for report in reports {
        let heading = if reports.len() == 1 { "Summary" } else { report.name() };
        owner(heading, report, out)?;
    }
    Ok(())
}

fn owner(heading: &str, report: &OwnerReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n## {}\n\n{}\n", escaped(heading), report.summary())?;
    let all: Vec<String> = states(report).map(|(state, count)| format!("{count} {state}")).collect();
    if !all.is_empty() {
        writeln!(out, "- Services by state: {}", escaped(&all.join(", ")))?;
    }
    if let Some((oldest, newest)) = report.last_seen {
        writeln!(out, "- Last seen: between {} and {} UTC", second(oldest), second(newest))?;
    }
    if !report.run.0.is_empty() {
        writeln!(out, "- Last run: {}", escaped(&report.run.0))?;
    }
    for (place, item) in report.items.iter().enumerate() {
        service(place + 1, item, out)?;
    }
    if report.left_out() > 0 {
        writeln!(out, "\n**{} more are open** and not listed here.", report.left_out())?;
    }
    Ok(())
}

fn service(number: usize, item: &Item, out: &mut dyn Write) -> io::Result<()> {
    let record = &item.record;
    let seen = &record.observation;
    let verdict = &seen.verdict;
    let endpoint = escaped(&seen.endpoint().to_string());
    writeln!(out, "\n### {number}. {}: {} on {endpoint}\n", item.severity, escaped(&item.name()))?;
    if !verdict.why.is_empty() {
        writeln!(out, "{}\n", verdict.why.for_markdown())?;
    }
    let proof = match verdict.proof {
        Some(Proof::Proven) => ", proven",
        Some(Proof::Inferred) => ", inferred",
        None => "",
    };
    writeln!(out, "- State: {}{proof}, confidence {}", verdict.exposure, verdict.confidence)?;
    writeln!(out, "- Since: port first seen {}, this answer {}", day(record.first_seen), day(seen.time))?;
    writeln!(out, "- Last seen: {} UTC, {}", second(record.last_seen), times(record))?;
    let names: Vec<&str> = seen.asked_as.iter().chain(&seen.hostnames).map(Text::raw).take(6).collect();
    if !names.is_empty() {
        writeln!(out, "- Names: {}", escaped(&names.join(", ")))?;
    }
    if !verdict.facts.is_empty() {
        let facts: Vec<String> =
            verdict.facts.iter().map(|(name, value)| format!("{name} {}", value.raw())).collect();
        writeln!(out, "- Facts: {}", escaped(&facts.join(", ")))?;
    }
    let remedy = item.remedy();
    for (finding, what) in verdict.findings.iter().zip(&remedy.findings) {
        let title =
            if finding.title.is_empty() { String::new() } else { format!(" {}", escaped(&finding.title)) };
        let step = what.step.map_or_else(String::new, |step| format!(" Fix: {}", escaped(step)));
        writeln!(out, "- Also {}: {}{title}{step}", finding.severity, escaped(&finding.id))?;
    }
    for piece in &verdict.evidence {
        writeln!(
            out,
            "- Evidence: {} answered {}",
            piece.asked.for_markdown(),
            piece.answered.for_markdown()
        )?;
    }
    fix(&remedy, out)
}

fn fix(remedy: &Remedy, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n**How to shut it.** {}\n", remedy.summary.for_markdown())?;
    for (place, step) in remedy.steps.iter().enumerate() {
        writeln!(out, "{}. {}", place + 1, step.for_markdown())?;
    }
    for rule in &remedy.network {
        // Only our own words, an address and a port are in a rule: no fence can be closed from inside.
        writeln!(out, "\nUntil then, {}: {}\n\n```text\n{}```", rule.title, rule.note, rule.text)?;
    }
    if remedy.references.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nTo read:\n")?;
    for reference in &remedy.references {
        let address = reference.url.map_or_else(String::new, |url| format!(" <{url}>"));
        writeln!(out, "- {}{address}", reference.title)?;
    }
    Ok(())
}
