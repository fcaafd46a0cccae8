use std::io::{self, Write};

use nightlatch_asset::{Proof, Text};
use nightlatch_untrusted::html as escaped;

use super::{About, Item, OwnerReport, states};
use crate::{
    html_document::{self, StyleSource},
    remedy::Remedy,
    when::{day, second, times},
};

/// Host names of one service that are written.
const NAMES_MAX: usize = 6;

/// Writes the reports as one page.
///
/// # Errors
/// What `out` reports.
pub fn html(
    reports: &[OwnerReport],
    about: &About,
    style: StyleSource,
    out: &mut dyn Write,
) -> io::Result<()> {
    let title = match reports {
        [one] => format!("Open services: {}", one.name()),
        _ => "Open services by owner".to_owned(),
    };
    html_document::begin(&title, style, out)?;
    write!(out, "<p class=\"quiet\">As of {} UTC", second(about.generated))?;
    if !about.query.is_empty() {
        write!(out, "; only what matches <code>{}</code>", about.query.for_html())?;
    }
    out.write_all(b".</p>\n")?;
    if reports.is_empty() {
        out.write_all(b"<p class=\"verdict\">Nothing was seen.</p>\n")?;
    }
    if reports.len() > 1 {
        overview(reports, out)?;
    }
    for (number, report) in reports.iter().enumerate() {
        let heading = if reports.len() == 1 { "Summary" } else { report.name() };
        owner(number + 1, heading, report, out)?;
    }
    html_document::end(out)
}

fn overview(reports: &[OwnerReport], out: &mut dyn Write) -> io::Result<()> {
    out.write_all(
        b"<h2>Summary</h2>\n<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Owner</th>\
          <th scope=\"col\" class=\"number\">Services</th><th scope=\"col\" class=\"number\">Open</th>\
          <th scope=\"col\">How bad</th></tr></thead>\n<tbody>\n",
    )?;
    for (number, report) in reports.iter().enumerate() {
        writeln!(
            out,
            "<tr><th scope=\"row\"><a href=\"#owner-{}\">{}</a></th><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td>{}</td></tr>",
            number + 1,
            escaped(report.name()),
            report.services,
            report.open,
            escaped(&report.summary())
        )?;
    }
    out.write_all(b"</tbody>\n</table></div>\n")
}

fn owner(number: usize, heading: &str, report: &OwnerReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<section aria-labelledby=\"owner-{number}\">")?;
    writeln!(out, "<h2 id=\"owner-{number}\">{}</h2>", escaped(heading))?;
    writeln!(out, "<p class=\"verdict\">{}</p>", escaped(&report.summary()))?;
    out.write_all(b"<dl>\n")?;
    let all: Vec<String> = states(report).map(|(state, count)| format!("{count} {state}")).collect();
    term("Services by state", &all.join(", "), out)?;
    if let Some((oldest, newest)) = report.last_seen {
        term("Last seen", &format!("between {} and {} UTC", second(oldest), second(newest)), out)?;
    }
    term("Last run", &report.run.0, out)?;
    out.write_all(b"</dl>\n")?;
    for (place, item) in report.items.iter().enumerate() {
        service(&format!("service-{number}-{}", place + 1), item, out)?;
    }
    if report.left_out() > 0 {
        writeln!(out, "<p><strong>{} more are open</strong> and not listed here.</p>", report.left_out())?;
    }
    out.write_all(b"</section>\n")
}

/// One line of a list of facts; nothing for an empty value.
fn term(name: &str, value: &str, out: &mut dyn Write) -> io::Result<()> {
    if value.is_empty() {
        return Ok(());
    }
    writeln!(out, "<dt>{name}</dt><dd>{}</dd>", escaped(value))
}

fn service(id: &str, item: &Item, out: &mut dyn Write) -> io::Result<()> {
    let record = &item.record;
    let seen = &record.observation;
    let verdict = &seen.verdict;
    let severity = item.severity;
    writeln!(out, "<article aria-labelledby=\"{id}\">")?;
    writeln!(
        out,
        "<h3 id=\"{id}\"><span class=\"severity {severity}\">{severity}</span> {} on {}</h3>",
        escaped(&item.name()),
        seen.endpoint()
    )?;
    if !verdict.why.is_empty() {
        writeln!(out, "<p>{}</p>", verdict.why.for_html())?;
    }
    out.write_all(b"<dl>\n")?;
    let proof = match verdict.proof {
        Some(Proof::Proven) => ", proven",
        Some(Proof::Inferred) => ", inferred",
        None => "",
    };
    term("State", &format!("{}{proof}, confidence {}", verdict.exposure, verdict.confidence), out)?;
    term(
        "Since",
        &format!("port first seen {}, this answer {}", day(record.first_seen), day(seen.time)),
        out,
    )?;
    term("Last seen", &format!("{} UTC, {}", second(record.last_seen), times(record)), out)?;
    let names: Vec<&str> =
        seen.asked_as.iter().chain(&seen.hostnames).map(Text::raw).take(NAMES_MAX).collect();
    term("Names", &names.join(", "), out)?;
    let facts: Vec<String> =
        verdict.facts.iter().map(|(name, value)| format!("{name}: {}", value.raw())).collect();
    term("Facts", &facts.join(", "), out)?;
    out.write_all(b"</dl>\n")?;
    let remedy = item.remedy();
    findings(item, &remedy, out)?;
    evidence(item, out)?;
    fix(&remedy, out)?;
    out.write_all(b"</article>\n")
}

fn findings(item: &Item, remedy: &Remedy, out: &mut dyn Write) -> io::Result<()> {
    let findings = &item.record.observation.verdict.findings;
    if findings.is_empty() {
        return Ok(());
    }
    out.write_all(b"<h4>Also found</h4>\n<ul>\n")?;
    for (finding, what) in findings.iter().zip(&remedy.findings) {
        let title = if finding.title.is_empty() { &finding.id } else { &finding.title };
        let step = what.step.map_or_else(String::new, |step| format!(" <em>Fix:</em> {}", escaped(step)));
        let severity = finding.severity;
        writeln!(
            out,
            "<li><span class=\"severity {severity}\">{severity}</span> {} <code>{}</code>{step}</li>",
            escaped(title),
            escaped(&finding.id)
        )?;
    }
    out.write_all(b"</ul>\n")
}

fn evidence(item: &Item, out: &mut dyn Write) -> io::Result<()> {
    let evidence = &item.record.observation.verdict.evidence;
    if evidence.is_empty() {
        return Ok(());
    }
    out.write_all(b"<h4>Evidence</h4>\n<ul>\n")?;
    for piece in evidence {
        writeln!(
            out,
            "<li><code>{}</code> answered <code>{}</code></li>",
            piece.asked.for_html(),
            piece.answered.for_html()
        )?;
    }
    out.write_all(b"</ul>\n")
}

fn fix(remedy: &Remedy, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<h4>How to shut it</h4>\n<p>{}</p>", remedy.summary.for_html())?;
    if !remedy.steps.is_empty() {
        out.write_all(b"<ol>\n")?;
        for step in &remedy.steps {
            writeln!(out, "<li>{}</li>", step.for_html())?;
        }
        out.write_all(b"</ol>\n")?;
    }
    if !remedy.network.is_empty() {
        out.write_all(b"<details>\n<summary>Until then: close the port in the network</summary>\n")?;
        for rule in &remedy.network {
            writeln!(
                out,
                "<p><strong>{}</strong>. {}</p>\n<pre>{}</pre>",
                escaped(rule.title),
                escaped(rule.note),
                escaped(&rule.text)
            )?;
        }
        out.write_all(b"</details>\n")?;
    }
    if remedy.references.is_empty() {
        return Ok(());
    }
    out.write_all(b"<p class=\"quiet\">To read: ")?;
    for (place, reference) in remedy.references.iter().enumerate() {
        let comma = if place == 0 { "" } else { "; " };
        let title = escaped(reference.title);
        match reference.url {
            Some(url) => write!(out, "{comma}<a href=\"{}\" rel=\"noreferrer\">{title}</a>", escaped(url))?,
            None => write!(out, "{comma}{title}")?,
        }
    }
    out.write_all(b".</p>\n")
}
