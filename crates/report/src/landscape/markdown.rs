use std::io::{self, Write};

use nightlatch_untrusted::markdown as escaped;

use super::{Landscape, Panel, Share, StepWidth, percent};
use crate::{owner::About, when::second};

/// Writes the landscape as a Markdown document.
///
/// # Errors
/// What `out` reports.
pub fn markdown(landscape: &Landscape, about: &About, out: &mut dyn Write) -> io::Result<()> {
    write!(out, "# The landscape\n\nAs of {} UTC", second(about.generated))?;
    if !about.query.is_empty() {
        write!(out, "; only what matches: {}", about.query.for_markdown())?;
    }
    if let Some((oldest, newest)) = landscape.last_seen() {
        write!(out, "; last seen between {} and {} UTC", second(oldest), second(newest))?;
    }
    writeln!(out, ".\n\n{}", landscape.summary())?;
    if landscape.total().services == 0 {
        return Ok(());
    }
    let (panels, rest) = landscape.panels();
    writeln!(out, "\n## Panels by product\n\n| product | services | without credentials | share |")?;
    writeln!(out, "| --- | ---: | ---: | ---: |")?;
    let others = Panel { name: "all others".to_owned(), ..rest };
    let others = (others.share().services > 0).then_some(&others);
    for panel in panels.into_iter().chain(others) {
        let Share { services, open } = panel.share();
        writeln!(out, "| {} | {services} | {open} | {} |", escaped(&panel.name), percent(open, services))?;
    }
    writeln!(out, "\n## How bad\n\n| severity | open services |\n| --- | ---: |")?;
    for (severity, count) in landscape.severities() {
        writeln!(out, "| {severity} | {count} |")?;
    }
    shares("provider", landscape.providers(), landscape.total(), out)?;
    shares("region", landscape.regions(), landscape.total(), out)?;
    let (width, steps, before) = landscape.steps();
    let word = if width == StepWidth::Week { "week" } else { "month" };
    writeln!(
        out,
        "\n## Over time\n\n| first seen in the {word} of | services | open now |\n| --- | ---: | ---: |"
    )?;
    if before.services > 0 {
        writeln!(out, "| before | {} | {} |", before.services, before.open)?;
    }
    for step in &steps {
        writeln!(out, "| {} | {} | {} |", step.start, step.share.services, step.share.open)?;
    }
    Ok(())
}

fn shares(
    what: &str,
    (rows, rest): (Vec<(&str, Share)>, Share),
    total: Share,
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(out, "\n## By {what}\n")?;
    if rows.is_empty() {
        return writeln!(out, "Not known: no file that says it was configured.");
    }
    writeln!(out, "| {what} | services | of all | without credentials | of all such |")?;
    writeln!(out, "| --- | ---: | ---: | ---: | ---: |")?;
    let others = (rest.services > 0).then_some(("not known, and all others", rest));
    for (name, share) in rows.into_iter().chain(others) {
        let (of_all, of_open) = (percent(share.services, total.services), percent(share.open, total.open));
        writeln!(out, "| {} | {} | {of_all} | {} | {of_open} |", escaped(name), share.services, share.open)?;
    }
    Ok(())
}
