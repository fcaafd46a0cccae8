//! The line that shows how a scan is getting on.

use std::{
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use nightlatch_scan::{Progress, Snapshot};
use tokio::{sync::oneshot, task::JoinHandle, time::interval};

use crate::{say::say, session};

const EVERY: Duration = Duration::from_millis(200);
/// Columns assumed where the terminal does not say.
const COLUMNS_DEFAULT: usize = 80;

/// A line that is being drawn.
pub(crate) struct Line(Option<(oneshot::Sender<()>, JoinHandle<()>)>);

/// Draws the line on standard error until it is ended; not at all where nobody would see it.
///
/// - `notes`: whether what the scan has to say meanwhile is said, each on a line of its own.
pub(crate) fn show(progress: Arc<Progress>, wanted: bool, notes: bool) -> Line {
    if !wanted && !notes {
        return Line(None);
    }
    let (end, mut ended) = oneshot::channel();
    let drawing = tokio::spawn(async move {
        let mut tick = interval(EVERY);
        loop {
            tokio::select! {
                _ = tick.tick() => {
                    for note in progress.take_notes().into_iter().filter(|_| notes) {
                        if wanted {
                            draw("");
                        }
                        say(note);
                    }
                    if wanted {
                        draw(&fitting(&text(&progress.snapshot()), session::columns()));
                    }
                }
                _ = &mut ended => break,
            }
        }
        if wanted {
            draw("");
        }
        for note in progress.take_notes().into_iter().filter(|_| notes) {
            say(note);
        }
    });
    Line(Some((end, drawing)))
}

impl Line {
    /// Wipes the line.
    pub(crate) async fn end(self) {
        if let Some((end, drawing)) = self.0 {
            // The drawing task may be gone already; then there is no line either.
            let _ = end.send(());
            let _ = drawing.await;
        }
    }
}

fn draw(text: &str) {
    let mut err = io::stderr().lock();
    // A progress line that cannot be drawn is no reason to stop.
    let _ = write!(err, "\r\x1b[K{text}").and_then(|()| err.flush());
}

/// A line that were wrapped could not be drawn over again: a narrow terminal gets the beginning.
fn fitting(line: &str, columns: Option<usize>) -> String {
    nightlatch_untrusted::terminal_cut(line, columns.unwrap_or(COLUMNS_DEFAULT).saturating_sub(1))
}

/// Numbers only: nothing that a server sent can get in here.
fn text(now: &Snapshot) -> String {
    let done = now.done;
    let share = if now.total == 0 { 100.0 } else { done as f64 * 100.0 / now.total as f64 };
    let eta = now.eta.map_or_else(|| "--:--".to_owned(), clock);
    if let Some(sweep) = &now.sweep {
        return format!(
            "{share:5.1} % sent {} {}/s open {} probed {} known {} drops {} ETA {eta}",
            shorter(sweep.sent),
            shorter(sweep.rate_pps),
            shorter(sweep.open),
            shorter(now.tally.open),
            shorter(now.identified),
            shorter(sweep.drops),
        );
    }
    format!(
        "{share:5.1} %  {} of {}  {}/s  open {}  known {}  ETA {eta}",
        short(done),
        short(now.total),
        short(now.rate as u64),
        short(now.tally.open),
        short(now.identified),
    )
}

fn short(number: u64) -> String {
    match number {
        0..=99_999 => number.to_string(),
        100_000..=9_999_999 => format!("{}k", number / 1_000),
        10_000_000..=9_999_999_999 => format!("{}M", number / 1_000_000),
        _ => format!("{}G", number / 1_000_000_000),
    }
}

/// Four characters at most, up to a million million.
fn shorter(number: u64) -> String {
    match number {
        0..=9_999 => number.to_string(),
        10_000..=999_999 => format!("{}k", number / 1_000),
        1_000_000..=9_999_999 => format!("{}.{}M", number / 1_000_000, number / 100_000 % 10),
        10_000_000..=999_999_999 => format!("{}M", number / 1_000_000),
        1_000_000_000..=9_999_999_999 => format!("{}.{}G", number / 1_000_000_000, number / 100_000_000 % 10),
        _ => format!("{}G", number / 1_000_000_000),
    }
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..=3_599 => format!("{:02}:{:02}", seconds / 60, seconds % 60),
        3_600..=359_999 => format!("{}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_scan::SweepSnapshot;

    use super::*;

    #[test]
    fn the_line_fits_eighty_columns() {
        let tally = nightlatch_scan::Tally { open: 4_000_000, closed: 10_000_000_000, ..Default::default() };
        let now = Snapshot {
            total: 16_777_216 * 1_000,
            tally,
            sent: 1,
            in_flight: 1,
            identified: 4_000_000,
            observations: 1,
            elapsed: Duration::ZERO,
            rate: 1_250_000.0,
            eta: Some(Duration::from_secs(300_000)),
            done: 10_004_000_000,
            sweep: None,
        };
        let line = text(&now);
        assert!(line.len() < 80, "{line}");
        assert_eq!(fitting(&line, None), line);
        assert!(fitting(&line, Some(40)).chars().count() <= 39);
        let sweep = SweepSnapshot {
            sent: 9_999_999_999,
            rate_pps: 9_999_999,
            open: 99_999,
            drops: 99_999,
            ..Default::default()
        };
        let line = text(&Snapshot { sweep: Some(sweep), ..now });
        assert!(line.len() < 80, "{line}");
    }
}
