//! Charts as SVG, drawn here: no script, no inline style; what they show is written beside them as well.

use std::io::{self, Write};

use nightlatch_untrusted::html;

use super::{Share, Step};

const WIDTH: u64 = 720;
const LABEL: u64 = 200;
/// Room behind the longest bar for two numbers.
const NUMBERS: u64 = 150;
const ROW: u64 = 22;
const COLUMN_HEIGHT: u64 = 140;
/// Characters of a label that fit beside the bars.
const LABEL_CHARS: usize = 28;

/// Horizontal bars: all services, and in front of them those that are open.
pub(super) fn bars(title: &str, rows: &[(&str, Share)], out: &mut dyn Write) -> io::Result<()> {
    let most = rows.iter().map(|(_, share)| share.services).max().unwrap_or(0).max(1);
    let height = ROW * rows.len() as u64;
    let room = WIDTH - LABEL - NUMBERS;
    writeln!(
        out,
        "<svg role=\"img\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" aria-label=\"{}\">",
        html(title)
    )?;
    for (place, (name, share)) in rows.iter().enumerate() {
        let y = ROW * place as u64;
        let all = scaled(share.services, most, room);
        let open = scaled(share.open, most, room);
        writeln!(
            out,
            "<text x=\"0\" y=\"{}\">{}</text><rect class=\"bar-none\" x=\"{LABEL}\" y=\"{}\" width=\"{all}\" height=\"16\"/>\
             <rect class=\"bar-open\" x=\"{LABEL}\" y=\"{}\" width=\"{open}\" height=\"16\"/>\
             <text x=\"{}\" y=\"{}\">{} / {}</text>",
            y + 14,
            html(&label(name)),
            y + 2,
            y + 2,
            LABEL + all + 6,
            y + 14,
            share.open,
            share.services
        )?;
    }
    writeln!(out, "</svg>")
}

/// Columns over time.
pub(super) fn columns(title: &str, steps: &[Step], out: &mut dyn Write) -> io::Result<()> {
    let most = steps.iter().map(|step| step.share.services).max().unwrap_or(0).max(1);
    let (width, height) = (WIDTH, COLUMN_HEIGHT + 24);
    let slot = (WIDTH / steps.len().max(1) as u64).clamp(8, 60);
    writeln!(
        out,
        "<svg role=\"img\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" aria-label=\"{}\">\
         <line class=\"axis\" x1=\"0\" y1=\"{COLUMN_HEIGHT}\" x2=\"{width}\" y2=\"{COLUMN_HEIGHT}\"/>",
        html(title)
    )?;
    // A name below every so many columns, so that names do not touch.
    let stride = (76 / slot).max(1);
    for (place, step) in (0_u64..).zip(steps) {
        let x = place * slot;
        let all = scaled(step.share.services, most, COLUMN_HEIGHT);
        let open = scaled(step.share.open, most, COLUMN_HEIGHT);
        let bar = slot - 2;
        write!(
            out,
            "<rect class=\"bar-none\" x=\"{x}\" y=\"{}\" width=\"{bar}\" height=\"{all}\"/>\
             <rect class=\"bar-open\" x=\"{x}\" y=\"{}\" width=\"{bar}\" height=\"{open}\"/>",
            COLUMN_HEIGHT - all,
            COLUMN_HEIGHT - open
        )?;
        if place % stride == 0 {
            write!(out, "<text x=\"{x}\" y=\"{}\">{}</text>", height - 6, html(&step.start))?;
        }
        out.write_all(b"\n")?;
    }
    writeln!(out, "</svg>")
}

/// At least one unit for what is not nothing.
fn scaled(count: u64, most: u64, room: u64) -> u64 {
    match count {
        0 => 0,
        _ => u64::try_from(u128::from(count) * u128::from(room) / u128::from(most)).unwrap_or(room).max(1),
    }
}

fn label(name: &str) -> String {
    if name.chars().count() <= LABEL_CHARS {
        return name.to_owned();
    }
    name.chars().take(LABEL_CHARS - 1).chain(['…']).collect()
}
