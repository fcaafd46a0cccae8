//! Everybody's reach at once.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, ValueHint};
use nightlatch_netpol::{Engine, PortSet, Protocol};
use nightlatch_report::Style;
use nightlatch_untrusted::{terminal_cut, terminal_width};
use serde_json::{Value, json};

use super::{
    draw,
    input::{Input, Port},
    picture::{Look, Picture, WORKLOADS_MAX},
};
use crate::{exit::Exit, failure::Failure, say::say, session::Session};

/// What every workload reaches of every other, as a table, a picture or a page
///
/// More than 60 workloads are shown by namespace: a cell is the share of pairs that may connect.
///
/// Examples:
///   nightlatch net matrix deploy/
///   nightlatch net matrix deploy/ --port 5432 --svg reach.svg
///   nightlatch net matrix deploy/ --html reach.html
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Matrix {
    #[command(flatten)]
    input: Input,
    /// Only this port: 443 or 53/udp
    #[arg(long, short, value_name = "PORT", value_parser = number)]
    port: Option<(Protocol, u16)>,
    /// Draw the matrix and the graph into this file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    svg: Option<PathBuf>,
    /// Write a page with both pictures and all answers in words
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    html: Option<PathBuf>,
    /// Workloads that are shown one by one; of more, namespaces are
    #[arg(long, value_name = "N", default_value_t = WORKLOADS_MAX, value_parser = rows, help_heading = "Output")]
    max_workloads: usize,
    /// As a JSON object
    #[arg(long, help_heading = "Output")]
    json: bool,
}

fn number(text: &str) -> Result<(Protocol, u16), String> {
    let port = Port::parse(text)?;
    match port.port {
        nightlatch_netpol::PortMatch::Range(number, _) => Ok((port.protocol, number)),
        _ => Err("a name means another port on each workload: give the number".to_owned()),
    }
}

fn rows(text: &str) -> Result<usize, String> {
    let wrong = || "expected a number from 1 to 118".to_owned();
    text.parse().ok().filter(|rows| (1..super::picture::ROWS_MAX - 1).contains(rows)).ok_or_else(wrong)
}

impl Matrix {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let (_, network) = self.input.read(session)?;
        let engine = Engine::new(&network);
        let wanted =
            self.port.map_or_else(PortSet::all, |(protocol, number)| PortSet::port(protocol, number));
        let picture = Picture::new(&engine, &wanted, self.max_workloads);
        let title = match self.port {
            Some((protocol, number)) => format!("Who can reach whom on {protocol} {number}"),
            None => "Who can reach whom".to_owned(),
        };
        let mut written = false;
        for (path, text) in [
            (&self.svg, draw::svg as fn(&Picture, &str) -> String),
            (&self.html, draw::html as fn(&Picture, &str) -> String),
        ] {
            let Some(path) = path else { continue };
            let doing = |error: io::Error| {
                Failure::from(error).while_doing(format_args!("writing {}", path.display()))
            };
            fs::write(path, text(&picture, &title)).map_err(doing)?;
            written = true;
            if session.chatty() {
                say(format_args!("wrote {}", path.display()));
            }
        }
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            super::super::json_line(&as_json(&picture), &mut out)?;
        } else if !written {
            table(&picture, session.style(), &mut out)?;
        }
        out.flush()?;
        Ok(Exit::Clean)
    }
}

/// Columns of a row's name, and of a cell.
const NAME_COLUMNS: usize = 28;
const CELL_COLUMNS: usize = 4;

fn table(picture: &Picture, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let n = picture.items.len();
    let width = style.width.max(Style::WIDTH_MIN);
    let names = NAME_COLUMNS.min(width / 2);
    let per_block = ((width - names - 5) / CELL_COLUMNS).max(1);
    let cut = |text: &str| {
        let shown = if style.unicode { text.to_owned() } else { text.replace(|c: char| !c.is_ascii(), "?") };
        let mut shown = terminal_cut(&shown, names);
        if !style.unicode {
            shown = shown.replace('…', "~");
        }
        let gap = names.saturating_sub(terminal_width(&shown));
        format!("{shown}{}", " ".repeat(gap))
    };
    for start in (0..n).step_by(per_block) {
        let columns = start..(start + per_block).min(n);
        let heads: String = columns.clone().map(|column| format!("{:>CELL_COLUMNS$}", column + 1)).collect();
        writeln!(out, "     {}{heads}", " ".repeat(names))?;
        for row in 0..n {
            let cells: String = columns.clone().map(|column| symbol(picture, row, column)).collect();
            writeln!(out, "{:>4} {}{cells}", row + 1, cut(&picture.name(row)))?;
        }
        writeln!(out)?;
    }
    let legend = match picture.collapsed {
        true => {
            "percent of the pairs that may connect, of row to column; .: none; ?: depends; u: not evaluated"
        }
        false => {
            "row to column: #: every port; +: some ports; .: none; ?: depends; u: not evaluated; -: itself"
        }
    };
    for line in wrapped(legend, width) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let full = lines.last().is_some_and(|line| !line.is_empty() && line.len() + 1 + word.len() > width);
        if full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

fn symbol(picture: &Picture, row: usize, column: usize) -> String {
    let cell = picture.cell(row, column);
    let text = match cell.look() {
        Look::Itself => "-".to_owned(),
        Look::None => ".".to_owned(),
        Look::Depends => "?".to_owned(),
        Look::Unknown => "u".to_owned(),
        Look::All | Look::Some if picture.collapsed => cell.percent().to_string(),
        Look::All => "#".to_owned(),
        Look::Some => "+".to_owned(),
    };
    format!("{text:>CELL_COLUMNS$}")
}

fn as_json(picture: &Picture) -> Value {
    let n = picture.items.len();
    let mut cells = Vec::new();
    for row in 0..n {
        for column in 0..n {
            let cell = picture.cell(row, column);
            if matches!(cell.look(), Look::None | Look::Itself) {
                continue;
            }
            cells.push(json!({
                "from": picture.name(row), "to": picture.name(column), "pairs": cell.pairs, "every_port": cell.all,
                "some_ports": cell.some, "depends": cell.depends, "unknown": cell.unknown, "ports": cell.ports,
            }));
        }
    }
    json!({"items": (0..n).map(|item| picture.name(item)).collect::<Vec<_>>(), "by_namespace": picture.collapsed, "cells": cells})
}
