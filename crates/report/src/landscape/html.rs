use std::io::{self, Write};

use nightlatch_asset::Exposure;
use nightlatch_untrusted::html as escaped;

use super::{Landscape, Panel, Share, StepWidth, chart, percent};
use crate::{
    html_document::{self, StyleSource},
    owner::About,
    when::second,
};

/// Writes the landscape as one page.
///
/// # Errors
/// What `out` reports.
pub fn html(landscape: &Landscape, about: &About, style: StyleSource, out: &mut dyn Write) -> io::Result<()> {
    html_document::begin("The landscape", style, out)?;
    write!(out, "<p class=\"quiet\">As of {} UTC", second(about.generated))?;
    if !about.query.is_empty() {
        write!(out, "; only what matches <code>{}</code>", about.query.for_html())?;
    }
    if let Some((oldest, newest)) = landscape.last_seen() {
        write!(out, "; last seen between {} and {} UTC", second(oldest), second(newest))?;
    }
    writeln!(out, ".</p>\n<p class=\"verdict\">{}</p>", escaped(&landscape.summary()))?;
    if landscape.total().services > 0 {
        writeln!(
            out,
            "<p>{} could not be told apart as a product; {} keep strangers out, but have a finding.</p>",
            landscape.unidentified(),
            landscape.with_findings_only()
        )?;
        panels(landscape, out)?;
        severities(landscape, out)?;
        shares("By provider", "provider", landscape.providers(), landscape.total(), out)?;
        shares("By region", "region", landscape.regions(), landscape.total(), out)?;
        time(landscape, out)?;
    }
    html_document::end(out)
}

fn number(count: u64) -> String {
    format!("<td class=\"number\">{count}</td>")
}

fn panels(landscape: &Landscape, out: &mut dyn Write) -> io::Result<()> {
    let (panels, rest) = landscape.panels();
    let rows: Vec<(&str, Share)> = panels.iter().map(|panel| (panel.name.as_str(), panel.share())).collect();
    writeln!(out, "<section aria-labelledby=\"panels\">\n<h2 id=\"panels\">Panels by product</h2>")?;
    out.write_all(
        b"<p class=\"quiet\">Beside each bar: services without credentials (in front) / all services.</p>\n",
    )?;
    chart::bars("Services by product; open ones in front. The table below says the same.", &rows, out)?;
    write!(out, "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">Product</th>")?;
    for name in ["Services", "Without credentials", "Share"] {
        write!(out, "<th scope=\"col\" class=\"number\">{name}</th>")?;
    }
    for state in Exposure::ALL.iter().rev() {
        write!(out, "<th scope=\"col\" class=\"number\">{state}</th>")?;
    }
    writeln!(out, "</tr></thead>\n<tbody>")?;
    let others = Panel { name: "all others".to_owned(), ..rest };
    let others = (others.share().services > 0).then_some(&others);
    for panel in panels.into_iter().chain(others) {
        let Share { services, open } = panel.share();
        write!(
            out,
            "<tr><th scope=\"row\">{}</th>{}{}<td class=\"number\">{}</td>",
            escaped(&panel.name),
            number(services),
            number(open),
            percent(open, services)
        )?;
        for count in panel.by_exposure.iter().rev() {
            out.write_all(number(*count).as_bytes())?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody>\n</table></div>\n</section>")
}

fn severities(landscape: &Landscape, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<section aria-labelledby=\"severity\">\n<h2 id=\"severity\">How bad</h2>\n<table>\n<thead><tr>\
         <th scope=\"col\">Severity</th><th scope=\"col\" class=\"number\">Open services</th>\
         <th scope=\"col\" class=\"number\">Share</th></tr></thead>\n<tbody>"
    )?;
    for (severity, count) in landscape.severities() {
        writeln!(
            out,
            "<tr><th scope=\"row\"><span class=\"severity {severity}\">{severity}</span></th>{}\
             <td class=\"number\">{}</td></tr>",
            number(count),
            percent(count, landscape.total().open)
        )?;
    }
    writeln!(out, "</tbody>\n</table>\n</section>")
}

fn shares(
    title: &str,
    id: &str,
    (rows, rest): (Vec<(&str, Share)>, Share),
    total: Share,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{title}</h2>")?;
    if rows.is_empty() {
        return writeln!(out, "<p>Not known: no file that says it was configured.</p>\n</section>");
    }
    chart::bars(
        &format!("Services {}; open ones in front. The table below says the same.", title.to_lowercase()),
        &rows,
        out,
    )?;
    writeln!(
        out,
        "<div class=\"scroll\"><table>\n<thead><tr><th scope=\"col\">{id}</th><th scope=\"col\" class=\"number\">Services</th>\
         <th scope=\"col\" class=\"number\">of all</th><th scope=\"col\" class=\"number\">Without credentials</th>\
         <th scope=\"col\" class=\"number\">of all such</th></tr></thead>\n<tbody>"
    )?;
    let others = (rest.services > 0).then_some(("not known, and all others", rest));
    for (name, share) in rows.into_iter().chain(others) {
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th>{}<td class=\"number\">{}</td>{}<td class=\"number\">{}</td></tr>",
            escaped(name),
            number(share.services),
            percent(share.services, total.services),
            number(share.open),
            percent(share.open, total.open)
        )?;
    }
    writeln!(out, "</tbody>\n</table></div>\n</section>")
}

fn time(landscape: &Landscape, out: &mut dyn Write) -> io::Result<()> {
    let (width, steps, before) = landscape.steps();
    let word = if width == StepWidth::Week { "week" } else { "month" };
    writeln!(out, "<section aria-labelledby=\"time\">\n<h2 id=\"time\">Over time</h2>")?;
    writeln!(
        out,
        "<p>Services by the {word} in which they were first seen; those that are open now in front.</p>"
    )?;
    chart::columns(
        &format!("Services first seen in each {word}. The table below says the same."),
        &steps,
        out,
    )?;
    writeln!(
        out,
        "<table>\n<thead><tr><th scope=\"col\">First seen</th><th scope=\"col\" class=\"number\">Services</th>\
         <th scope=\"col\" class=\"number\">Open now</th></tr></thead>\n<tbody>"
    )?;
    if before.services > 0 {
        writeln!(
            out,
            "<tr><th scope=\"row\">before</th>{}{}</tr>",
            number(before.services),
            number(before.open)
        )?;
    }
    for step in &steps {
        writeln!(
            out,
            "<tr><th scope=\"row\">{}</th>{}{}</tr>",
            escaped(&step.start),
            number(step.share.services),
            number(step.share.open)
        )?;
    }
    writeln!(out, "</tbody>\n</table>\n</section>")
}
