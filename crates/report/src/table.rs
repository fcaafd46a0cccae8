//! The scan result: what answers, how far it opens, why, and how to shut it. Worst first.

use std::collections::BTreeSet;
use std::io::{self, Write};

use nightlatch_asset::{Exposure, Observation, Proof, Record, Severity, Transport};
use nightlatch_untrusted::terminal_width;

use crate::facets::thousands;
use crate::page::Page;
use crate::style::{Paint, Style};

const SEVERITY_COLUMNS: usize = 8;
const STATE_COLUMNS: usize = 13;
const PRODUCT_COLUMNS: (usize, usize) = (7, 24);
const VERSION_COLUMNS: (usize, usize) = (7, 16);
const WHERE_COLUMNS: (usize, usize) = (5, 24);
const GAP: usize = 1;

/// With at least this room right of the columns, why and fix stand beside them instead of below.
const REASON_COLUMNS_MIN: usize = 70;
/// Indentation of the lines below a row.
const INDENT: usize = 4;
/// Lines that one reason may take below a row, and beside it.
const REASON_LINES_MAX: usize = 3;
const REASON_LINES_BESIDE_MAX: usize = 4;
/// Side findings named in a row.
const FINDINGS_MAX: usize = 6;

/// Writes the table, worst severity first, then highest exposure, then by address, and [`summary`].
///
/// # Errors
/// What `out` reports.
pub fn table(records: &[Record], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, style);
    if records.is_empty() {
        return page.text("nothing answered", Paint::Plain);
    }
    let mut rows: Vec<&Observation> = records.iter().map(|record| &record.observation).collect();
    rows.sort_by_key(|seen| {
        let verdict = &seen.verdict;
        (std::cmp::Reverse((verdict.severity, verdict.exposure)), seen.ip, seen.port, seen.transport)
    });
    let layout = Layout::of(&rows, &page);
    layout.header(&mut page)?;
    for seen in rows {
        layout.row(seen, &mut page)?;
    }
    page.blank()?;
    page.paragraph(0, "", &summary(records), Paint::Bold, usize::MAX)
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
}

impl Layout {
    /// The address comes first and is never cut; version and product share what it leaves.
    fn of(rows: &[&Observation], page: &Page<'_>) -> Self {
        let widths = |text: fn(&Observation) -> String| {
            rows.iter().map(move |seen| terminal_width(&page.shown(&text(seen))))
        };
        let (place_min, place_max) = WHERE_COLUMNS;
        let place = widths(place).filter(|width| *width <= place_max).max().unwrap_or(0).max(place_min);
        let fixed = SEVERITY_COLUMNS + STATE_COLUMNS + 4 * GAP + place;
        let room = page.style.columns().saturating_sub(fixed);
        let wanted = |text, (min, max)| widths(text).max().unwrap_or(0).clamp(min, max);
        let version = wanted(version, VERSION_COLUMNS).min(room / 2);
        let product = wanted(product, PRODUCT_COLUMNS).min(room - version);
        let rest = room.saturating_sub(version + product + 2 * GAP);
        let beside = (rest >= REASON_COLUMNS_MIN).then(|| (rest * 11 / 20, rest - rest * 11 / 20));
        Self { product, version, place, beside }
    }

    fn header(&self, page: &mut Page<'_>) -> io::Result<()> {
        let mut names = vec![
            ("SEVERITY", SEVERITY_COLUMNS),
            ("STATE", STATE_COLUMNS),
            ("PRODUCT", self.product),
            ("VERSION", self.version),
            ("WHERE", self.place),
        ];
        if let Some((why, fix)) = self.beside {
            names.extend([("WHY", why), ("FIX", fix)]);
        }
        let cells: Vec<_> = names.iter().map(|(name, width)| page.cell(name, *width, Paint::Bold)).collect();
        page.line(0, GAP, &cells)
    }

    fn row(&self, seen: &Observation, page: &mut Page<'_>) -> io::Result<()> {
        let verdict = &seen.verdict;
        let place = place(seen);
        let fits = terminal_width(&place) <= self.place;
        let known = if verdict.product.is_some() { Paint::Bold } else { Paint::Dim };
        let mut cells = vec![
            page.cell(verdict.severity.as_str(), SEVERITY_COLUMNS, verdict.severity.into()),
            page.cell(verdict.exposure.as_str(), STATE_COLUMNS, verdict.exposure.into()),
            page.cell(&product(seen), self.product, known),
            page.cell(&version(seen), self.version, Paint::Plain),
            page.cell(if fits { &place } else { "" }, self.place, Paint::Plain),
        ];
        let (why, fix) = (why(seen), verdict.fix.as_ref().map_or("", |fix| fix.raw()));
        let Some((why_columns, fix_columns)) = self.beside else {
            page.line(0, GAP, &cells)?;
            self.below(seen, fits, &why, fix, page)?;
            return Ok(());
        };
        let why = page.wrap(&why, why_columns, REASON_LINES_BESIDE_MAX);
        let fix = page.wrap(fix, fix_columns, REASON_LINES_BESIDE_MAX);
        for line in 0..why.len().max(fix.len()).max(1) {
            let part = |lines: &[String]| lines.get(line).cloned().unwrap_or_default();
            cells.push(page.cell(&part(&why), why_columns, Paint::Plain));
            cells.push(page.cell(&part(&fix), fix_columns, Paint::Plain));
            page.line(0, GAP, &cells)?;
            cells = self.blank(page);
        }
        self.below(seen, fits, "", "", page)
    }

    fn blank(&self, page: &Page<'_>) -> Vec<crate::page::Cell> {
        [SEVERITY_COLUMNS, STATE_COLUMNS, self.product, self.version, self.place]
            .map(|width| page.cell("", width, Paint::Plain))
            .into()
    }

    fn below(
        &self,
        seen: &Observation,
        fits: bool,
        why: &str,
        fix: &str,
        page: &mut Page<'_>,
    ) -> io::Result<()> {
        let name = seen.asked_as.as_ref().map(|name| name.raw());
        let at = match (fits, name) {
            (false, Some(name)) => format!("{} ({name})", place(seen)),
            (false, None) => place(seen),
            (true, Some(name)) => name.to_owned(),
            (true, None) => String::new(),
        };
        page.paragraph(INDENT, "at   ", &at, Paint::Plain, REASON_LINES_MAX)?;
        page.paragraph(INDENT, "why  ", why, Paint::Plain, REASON_LINES_MAX)?;
        page.paragraph(INDENT, "also ", &also(seen), Paint::Plain, REASON_LINES_MAX)?;
        page.paragraph(INDENT, "fix  ", fix, Paint::Plain, REASON_LINES_MAX)
    }
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
