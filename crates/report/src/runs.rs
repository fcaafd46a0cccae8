//! What was scanned, when, under which scope, by whom.

use std::io::{self, Write};

use nightlatch_asset::Timestamp;

use crate::facets::thousands;
use crate::page::Page;
use crate::style::{Paint, Style};

/// One run of the scanner as it is listed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RunView {
    /// Identifier.
    pub id: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended; absent while it runs and when it was cut off.
    pub ended: Option<Timestamp>,
    /// How it stands, in one word: `finished`, `stopped`, `running`.
    pub state: String,
    /// Who started it.
    pub by: String,
    /// The scope file, or `loopback only`.
    pub scope: String,
    /// The targets as they were given.
    pub targets: String,
    /// Endpoints asked.
    pub asked: u64,
    /// Endpoints that answered.
    pub found: u64,
}

/// Columns that everything right of the identifier takes, gaps included.
const FIGURES: usize = 11 + 8 + 10 + 8 + 4;
/// Columns of an identifier as the scanner makes them.
const ID_COLUMNS: usize = 21;
/// Lines that one run's targets may take.
const TARGET_LINES_MAX: usize = 3;

/// Writes runs in the order given: a line with the figures, then who, scope and targets.
///
/// # Errors
/// What `out` reports.
pub fn runs(views: &[RunView], style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, style);
    if views.is_empty() {
        return page.text("no runs yet", Paint::Plain);
    }
    if page.style.columns() < ID_COLUMNS + FIGURES {
        return views.iter().try_for_each(|view| narrow(view, &mut page));
    }
    let longest = views.iter().map(|view| view.id.len()).max().unwrap_or(0).max(3);
    let widths = [longest.min(page.style.columns().saturating_sub(FIGURES)), 11, 8, 10, 8];
    let header = ["RUN", "STATE", "TOOK", "ASKED", "FOUND"];
    let cells: Vec<_> =
        header
            .iter()
            .zip(widths)
            .enumerate()
            .map(|(at, (name, width))| {
                if at < 2 {
                    page.cell(name, width, Paint::Bold)
                } else {
                    page.number(name, width, Paint::Bold)
                }
            })
            .collect();
    page.line(0, 1, &cells)?;
    for view in views {
        let cells = [
            page.cell(&view.id, widths[0], Paint::Plain),
            page.cell(&view.state, widths[1], state_paint(&view.state)),
            page.number(&took(view), widths[2], Paint::Plain),
            page.number(&thousands(view.asked), widths[3], Paint::Plain),
            page.number(&thousands(view.found), widths[4], Paint::Plain),
        ];
        page.line(0, 1, &cells)?;
        below(view, &mut page)?;
    }
    Ok(())
}

/// The same where the figures have no room beside the identifier.
fn narrow(view: &RunView, page: &mut Page<'_>) -> io::Result<()> {
    page.text(&view.id, Paint::Bold)?;
    let (took, asked, found) = (took(view), thousands(view.asked), thousands(view.found));
    let figures = format!("{}, took {took}, asked {asked}, found {found}", view.state);
    page.paragraph(2, "state   ", &figures, state_paint(&view.state), 2)?;
    below(view, page)
}

fn below(view: &RunView, page: &mut Page<'_>) -> io::Result<()> {
    let whose = format!("{}, scope {}", view.by, view.scope);
    page.paragraph(2, "by      ", &whose, Paint::Plain, 1)?;
    page.paragraph(2, "targets ", &view.targets, Paint::Plain, TARGET_LINES_MAX)
}

fn took(view: &RunView) -> String {
    let took = view.ended.map(|end| seconds(end.as_second().saturating_sub(view.started.as_second())));
    took.unwrap_or_else(|| "-".to_owned())
}

fn state_paint(state: &str) -> Paint {
    match state {
        "finished" => Paint::Green,
        "running" => Paint::Blue,
        _ => Paint::Yellow,
    }
}

/// `75` as `1m15s`.
fn seconds(all: i64) -> String {
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds:02}s"),
        _ => format!("{hours}h{minutes:02}m"),
    }
}
