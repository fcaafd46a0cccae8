//! The scan result: what answers, how far it opens, why, and how to shut it. Worst first.

use std::collections::BTreeSet;
use std::io::{self, Write};

use nightlatch_asset::{Exposure, Observation, Proof, Record, Severity, Transport};
use nightlatch_untrusted::terminal_width;

use crate::facets::thousands;
use crate::host::minute;
use crate::page::{Cell, Page};
use crate::style::{Paint, Style};

const SEVERITY_COLUMNS: usize = 8;
const STATE_COLUMNS: usize = 13;
const PRODUCT_COLUMNS: (usize, usize) = (7, 24);
const VERSION_COLUMNS: (usize, usize) = (7, 16);
const WHERE_COLUMNS: (usize, usize) = (5, 24);
const GAP: usize = 1;
/// Below this, product and version have no columns of their own.
const NARROW_COLUMNS: usize = 60;

/// With at least this room right of the columns, why and fix stand beside them instead of below.
const REASON_COLUMNS_MIN: usize = 70;
/// Indentation of the lines below a row.
const INDENT: usize = 4;
/// Lines that one reason may take below a row, and beside it.
const REASON_LINES_MAX: usize = 3;
const REASON_LINES_BESIDE_MAX: usize = 4;
/// Side findings named in a row.
const FINDINGS_MAX: usize = 6;

/// Writes records in the order given, and [`summary`]. Neighbours of one reason and one remedy share the lines that
/// tell them: a thousand alike are read as a list of addresses.
///
/// # Errors
/// What `out` reports.
pub fn table(records: &[Record], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, style);
    if records.is_empty() {
        return page.text("nothing answered", Paint::Plain);
    }
    let layout = Layout::of(records, &page);
    layout.header(&mut page)?;
    for group in records.chunk_by(|a, b| Reason::of(&a.observation) == Reason::of(&b.observation)) {
        layout.group(group, &mut page)?;
    }
    page.blank()?;
    page.paragraph(0, "", &summary(records), Paint::Bold, usize::MAX)
}

/// Puts the worst severity first, then the highest exposure, what is known before what is not, product by product,
/// and then by address.
pub fn worst_first(records: &mut [Record]) {
    records.sort_by(|a, b| {
        let (a, b) = (&a.observation, &b.observation);
        let class = |seen: &Observation| {
            let verdict = &seen.verdict;
            std::cmp::Reverse((verdict.severity, verdict.exposure, verdict.product.is_some()))
        };
        let name = |seen: &Observation| (seen.ip, seen.port, seen.transport);
        class(a)
            .cmp(&class(b))
            .then_with(|| a.verdict.product.cmp(&b.verdict.product))
            .then_with(|| a.verdict.why.cmp(&b.verdict.why))
            .then_with(|| name(a).cmp(&name(b)))
    });
}

/// What stands below a row, or beside it.
#[derive(Eq, PartialEq)]
struct Reason<'o> {
    why: String,
    also: String,
    fix: &'o str,
}

impl<'o> Reason<'o> {
    fn of(seen: &'o Observation) -> Self {
        let fix = seen.verdict.fix.as_ref().map_or("", |fix| fix.raw());
        Self { why: why(seen), also: also(seen), fix }
    }
}

/// One sentence: services, hosts and how many of each state, such as
/// `3 services on 2 hosts: 1 controllable, 2 limited; worst severity critical`.
pub fn summary(records: &[Record]) -> String {
    let hosts: BTreeSet<_> = records.iter().map(|record| record.observation.ip).collect();
    let verdicts = || records.iter().map(|record| &record.observation.verdict);
    let states: Vec<String> = Exposure::ALL
        .into_iter()
        .rev()
        .map(|state| (state, verdicts().filter(|verdict| verdict.exposure == state).count()))
        .filter(|(_, count)| *count > 0)
        .map(|(state, count)| format!("{} {state}", thousands(count as u64)))
        .collect();
    let counted = |count: usize, noun: &str| {
        format!("{} {noun}{}", thousands(count as u64), if count == 1 { "" } else { "s" })
    };
    let mut line = format!("{} on {}", counted(records.len(), "service"), counted(hosts.len(), "host"));
    if let Some(worst) = verdicts().map(|verdict| verdict.severity).max() {
        line.push_str(&format!(": {}; worst severity {worst}", states.join(", ")));
    }
    line
}

struct Layout {
    product: usize,
    version: usize,
    place: usize,
    /// Columns for why and for fix, where they stand beside the row.
    beside: Option<(usize, usize)>,
    /// Whether product and version stand below the row: the terminal is too narrow for them.
    narrow: bool,
}

impl Layout {
    /// The address comes first and is never cut; version and product share what it leaves.
    fn of(rows: &[Record], page: &Page<'_>) -> Self {
        let widths = |text: fn(&Observation) -> String| {
            rows.iter().map(move |row| terminal_width(&page.shown(&text(&row.observation))))
        };
        let narrow = page.style.columns() < NARROW_COLUMNS;
        let (place_min, place_max) = WHERE_COLUMNS;
        let room = page.style.columns().saturating_sub(SEVERITY_COLUMNS + STATE_COLUMNS + 2 * GAP);
        if narrow {
            return Self { product: 0, version: 0, place: room.min(place_max), beside: None, narrow };
        }
        let place = widths(place).filter(|width| *width <= place_max).max().unwrap_or(0).max(place_min);
        let room = room.saturating_sub(place + 2 * GAP);
        let wanted = |text, (min, max)| widths(text).max().unwrap_or(0).clamp(min, max);
        let version = wanted(version, VERSION_COLUMNS).min(room / 2);
        let product = wanted(product, PRODUCT_COLUMNS).min(room - version);
        let rest = room.saturating_sub(version + product + 2 * GAP);
        let beside = (rest >= REASON_COLUMNS_MIN).then(|| (rest * 11 / 20, rest - rest * 11 / 20));
        Self { product, version, place, beside, narrow }
    }

    fn header(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mut names = vec![("SEVERITY", SEVERITY_COLUMNS), ("STATE", STATE_COLUMNS)];
        if !self.narrow {
            names.extend([("PRODUCT", self.product), ("VERSION", self.version)]);
        }
        names.push(("WHERE", self.place));
        if let Some((why, fix)) = self.beside {
            names.extend([("WHY", why), ("FIX", fix)]);
        }
        let cells: Vec<_> = names.iter().map(|(name, width)| page.cell(name, *width, Paint::Bold)).collect();
        page.line(0, GAP, &cells)
    }

    /// Rows of one reason: below them, or beside them line by line.
    fn group(&self, rows: &[Record], page: &mut Page<'_>) -> io::Result<()> {
        let Some(first) = rows.first() else { return Ok(()) };
        let Reason { why, also, fix } = Reason::of(&first.observation);
        let Some((why_columns, fix_columns)) = self.beside else {
            for row in rows {
                page.line(0, GAP, &self.cells(&row.observation, page))?;
                self.below(row, page)?;
            }
            let lines_max = if self.narrow { 2 * REASON_LINES_MAX } else { REASON_LINES_MAX };
            page.paragraph(INDENT, "why  ", &why, Paint::Plain, lines_max)?;
            page.paragraph(INDENT, "also ", &also, Paint::Plain, lines_max)?;
            return page.paragraph(INDENT, "fix  ", fix, Paint::Plain, lines_max);
        };
        let why = page.wrap(&why, why_columns, REASON_LINES_BESIDE_MAX);
        let fix = page.wrap(fix, fix_columns, REASON_LINES_BESIDE_MAX);
        for line in 0..rows.len().max(why.len()).max(fix.len()) {
            let part = |lines: &[String]| lines.get(line).cloned().unwrap_or_default();
            let mut cells =
                rows.get(line).map_or_else(|| self.blank(page), |row| self.cells(&row.observation, page));
            cells.push(page.cell(&part(&why), why_columns, Paint::Plain));
            cells.push(page.cell(&part(&fix), fix_columns, Paint::Plain));
            page.line(0, GAP, &cells)?;
            // With several rows the line below belongs to its row; the reason goes on after it.
            if let Some(row) = rows.get(line).filter(|_| rows.len() > 1) {
                self.below(row, page)?;
            }
        }
        if rows.len() == 1 {
            self.below(first, page)?;
        }
        page.paragraph(INDENT, "also ", &also, Paint::Plain, REASON_LINES_MAX)
    }

    fn cells(&self, seen: &Observation, page: &Page<'_>) -> Vec<Cell> {
        let verdict = &seen.verdict;
        let mut cells = vec![
            page.cell(verdict.severity.as_str(), SEVERITY_COLUMNS, verdict.severity.into()),
            page.cell(verdict.exposure.as_str(), STATE_COLUMNS, verdict.exposure.into()),
        ];
        if !self.narrow {
            cells.push(page.cell(&product(seen), self.product, name_paint(seen)));
            cells.push(page.cell(&version(seen), self.version, Paint::Plain));
        }
        let place = if self.fits(seen) { place(seen) } else { String::new() };
        cells.push(page.cell(&place, self.place, Paint::Plain));
        cells
    }

    fn blank(&self, page: &Page<'_>) -> Vec<Cell> {
        [SEVERITY_COLUMNS, STATE_COLUMNS, self.product, self.version, self.place]
            .map(|width| page.cell("", width, Paint::Plain))
            .into()
    }

    fn fits(&self, seen: &Observation) -> bool {
        terminal_width(&place(seen)) <= self.place
    }

    /// What a row has no room for.
    fn below(&self, row: &Record, page: &mut Page<'_>) -> io::Result<()> {
        let seen = &row.observation;
        let name = seen.asked_as.as_ref().map(|name| name.raw());
        let at = match (self.fits(seen), name) {
            (false, Some(name)) => format!("{} ({name})", place(seen)),
            (false, None) => place(seen),
            (true, Some(name)) => name.to_owned(),
            (true, None) => String::new(),
        };
        page.paragraph(INDENT, "at   ", &at, Paint::Plain, REASON_LINES_MAX)?;
        if !row.latest {
            let (from, to) = (minute(seen.time), minute(row.last_seen));
            let when = if from == to { from } else { format!("{from} to {to}") };
            page.paragraph(
                INDENT,
                "seen ",
                &format!("{when}, superseded since"),
                Paint::Plain,
                REASON_LINES_MAX,
            )?;
        }
        if self.narrow {
            let name = format!("{} {}", product(seen), version(seen));
            page.paragraph(INDENT, "is   ", &name, name_paint(seen), REASON_LINES_MAX)?;
        }
        Ok(())
    }
}

fn name_paint(seen: &Observation) -> Paint {
    if seen.verdict.product.is_some() { Paint::Bold } else { Paint::Dim }
}

/// Address and port; the transport only where it is not TCP.
pub(crate) fn place(seen: &Observation) -> String {
    match seen.transport {
        Transport::Tcp => seen.endpoint().socket().to_string(),
        Transport::Udp => seen.endpoint().to_string(),
    }
}

/// The product, or in parentheses what was spoken when it is not known.
pub(crate) fn product(seen: &Observation) -> String {
    match &seen.verdict.product {
        Some(product) => product.raw().to_owned(),
        None => format!("({})", seen.protocol),
    }
}

fn version(seen: &Observation) -> String {
    seen.verdict.version.as_ref().map(|version| version.raw().to_owned()).unwrap_or_default()
}

/// The reason, and how sure it is where that is less than sure.
pub(crate) fn why(seen: &Observation) -> String {
    let verdict = &seen.verdict;
    let mut why = verdict.why.raw().to_owned();
    if why.is_empty() {
        return why;
    }
    if verdict.proof == Some(Proof::Inferred) {
        why.push_str(" (inferred)");
    }
    why
}

/// The side findings, worst first.
pub(crate) fn also(seen: &Observation) -> String {
    let mut findings: Vec<(Severity, &str)> =
        seen.verdict.findings.iter().map(|finding| (finding.severity, finding.id.as_str())).collect();
    findings.sort_by_key(|(severity, _)| std::cmp::Reverse(*severity));
    let mut names: Vec<String> =
        findings.iter().take(FINDINGS_MAX).map(|(severity, id)| format!("{id} ({severity})")).collect();
    if findings.len() > FINDINGS_MAX {
        names.push(format!("{} more", findings.len() - FINDINGS_MAX));
    }
    names.join(", ")
}
