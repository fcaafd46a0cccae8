//! Chosen fields of records, one record a line: `search --fields ip_str,port`.

use std::io::{self, Write};

use nightlatch_asset::{Exposure, Field, Kind, Record, Value};
use nightlatch_untrusted::terminal;

/// Separates the values of a field that has several.
const SEVERAL: &str = ";";

/// The values of `field` as one raw text; empty when there is none. Not for showing as it is.
pub fn field_text(record: &Record, field: Field) -> String {
    let mut text = String::new();
    let mut first = true;
    field.values(record, &mut |value| {
        if !std::mem::take(&mut first) {
            text.push_str(SEVERAL);
        }
        push_value(&mut text, field, &value);
    });
    text
}

fn push_value(text: &mut String, field: Field, value: &Value<'_>) {
    match value {
        Value::Text(word) => text.push_str(word),
        Value::Number(number) => match field.info().kind {
            Kind::Ladder(words) => {
                let word = usize::try_from(*number).ok().and_then(|at| words.get(at));
                text.push_str(word.copied().unwrap_or(Exposure::Unknown.as_str()));
            }
            _ => text.push_str(&number.to_string()),
        },
        Value::Ip(ip) => text.push_str(&ip.to_string()),
        Value::Date(time) => text.push_str(&time.to_string()),
        Value::Flag(flag) => text.push_str(if *flag { "true" } else { "false" }),
        Value::Geo { latitude, longitude } => text.push_str(&format!("{latitude},{longitude}")),
    }
}

/// Writes the names of `fields`, separated by `separator`.
///
/// # Errors
/// What `out` reports.
pub fn fields_header(fields: &[Field], separator: &str, out: &mut dyn Write) -> io::Result<()> {
    let names: Vec<&str> = fields.iter().map(|field| field.name()).collect();
    writeln!(out, "{}", names.join(separator))
}

/// Writes one line a record: the values of `fields`, separated by `separator` (a tab, mostly). Values are
/// neutralised for a terminal, so that each record is one line and no value holds a tab.
///
/// # Errors
/// What `out` reports.
pub fn fields<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    fields: &[Field],
    separator: &str,
    out: &mut dyn Write,
) -> io::Result<()> {
    for record in records {
        for (position, field) in fields.iter().enumerate() {
            if position > 0 {
                out.write_all(separator.as_bytes())?;
            }
            out.write_all(terminal(&field_text(record, *field)).as_bytes())?;
        }
        out.write_all(b"\n")?;
    }
    Ok(())
}
