use std::io::BufRead;

use super::{
    Listing, address, port_of,
    source::{Mistake, Source},
};
use crate::PortSet;

/// Words that mean yes in ZMap's `success`.
const YES: &[&str] = &["1", "true", "True", "TRUE"];

/// Reads what ZMap writes without JSON: addresses, one a line, or CSV with a header.
///
/// Source: ZMap, "Output Modules" and the fields of its `tcp_synscan` module.
pub(super) fn read(
    source: &mut Source<impl BufRead>,
    ports: &PortSet,
    list: &mut Listing,
) -> Result<(), Mistake> {
    let mut columns: Option<Columns> = None;
    let mut first = true;
    while let Some((line, whole)) = source.next_line()? {
        let text = line.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if std::mem::take(&mut first) {
            columns = Columns::of(text);
            if columns.is_some() {
                continue;
            }
        }
        // Half an address is an address, and half a port a port.
        if !whole {
            list.cut_off(source);
            continue;
        }
        match &columns {
            Some(columns) => columns.read(source, &cells(text), ports, list)?,
            None if text.contains(',') => {
                return Err(source.mistake("the columns have no names", "a header, or one address a line"));
            }
            None => each_port(source, text, ports, list)?,
        }
    }
    Ok(())
}

/// Adds an address on the ports that were given beside the list.
pub(super) fn each_port(
    source: &Source<impl BufRead>,
    ip: &str,
    ports: &PortSet,
    list: &mut Listing,
) -> Result<(), Mistake> {
    let ip = address(source, ip)?;
    if ports.is_empty() {
        return Err(source.mistake("this list has no ports", "`--port`, which says what was scanned"));
    }
    ports.as_slice().iter().try_for_each(|port| list.open(source, ip, None, *port))
}

/// Adds one result of ZMap, however it was written.
pub(super) fn result(
    source: &Source<impl BufRead>,
    field: impl Fn(&str) -> Option<String>,
    ports: &PortSet,
    list: &mut Listing,
) -> Result<(), Mistake> {
    let Some(ip) = field("saddr") else {
        return Err(source.mistake("there is no `saddr`", "the address that answered"));
    };
    let refused = field("success").is_some_and(|word| !YES.contains(&word.as_str()))
        || field("classification").is_some_and(|word| word != "synack");
    if refused {
        list.0.not_open += 1;
        return Ok(());
    }
    match field("sport") {
        None => each_port(source, &ip, ports, list),
        Some(_) if !ports.is_empty() => Err(source.mistake("this list has ports (`sport`)", "no `--port`")),
        Some(port) => list.open(source, address(source, &ip)?, None, port_of(source, &port)?),
    }
}

/// The names of the columns.
struct Columns(Vec<String>);

impl Columns {
    /// A first line is a header when a column is called `saddr`.
    fn of(line: &str) -> Option<Self> {
        let names = cells(line);
        names.iter().any(|name| name == "saddr").then_some(Self(names))
    }

    fn read(
        &self,
        source: &Source<impl BufRead>,
        cells: &[String],
        ports: &PortSet,
        list: &mut Listing,
    ) -> Result<(), Mistake> {
        if cells.len() != self.0.len() {
            let what = format!("{} columns instead of {}", cells.len(), self.0.len());
            return Err(source.mistake(what, "as many as the header has"));
        }
        let field = |name: &str| {
            let at = self.0.iter().position(|column| column == name)?;
            cells.get(at).cloned().filter(|cell| !cell.is_empty())
        };
        result(source, field, ports, list)
    }
}

/// Takes a line of CSV apart; no field of ZMap holds a line break.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut cell, mut quoted) = (Vec::new(), String::new(), false);
    for character in line.chars() {
        match character {
            // A doubled quote closes and opens again; that it is lost is no loss to addresses and numbers.
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            other => cell.push(other),
        }
    }
    cells.push(cell.trim().to_owned());
    cells
}
