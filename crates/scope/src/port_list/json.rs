use std::io::BufRead;

use serde_json::Value;

use super::{
    Listing, address,
    source::{Mistake, Source},
    zmap,
};
use crate::PortSet;

/// Deepest nesting of one object.
const DEPTH_MAX: u32 = 16;

/// Reads objects one after the other, whatever stands between them: masscan's `-oJ` (an array, whose commas are not
/// where they should be in some versions, and which old ones end with `{finished: 1}`), its `-oD` and ZMap's lines.
///
/// Source: masscan, out-json.c and out-ndjson.c; ZMap, "Output Modules".
pub(super) fn read(
    source: &mut Source<impl BufRead>,
    ports: &PortSet,
    list: &mut Listing,
) -> Result<(), Mistake> {
    let mut array = 0i64;
    while let Some(piece) = next_object(source, &mut array)? {
        let Piece::Whole(text) = piece else {
            list.cut_off(source);
            return Ok(());
        };
        if text.iter().filter(|b| !b.is_ascii_whitespace()).eq(b"{finished:1}") {
            continue;
        }
        let object: Value = serde_json::from_slice(&text)
            .map_err(|error| source.mistake(format!("no JSON: {error}"), "an object on one result"))?;
        match (object.get("saddr"), object.get("ip").and_then(Value::as_str)) {
            (Some(_), _) => {
                zmap::result(source, |name| object.get(name).and_then(word), ports, list)?;
            }
            (None, Some(ip)) if ports.is_empty() => host(source, ip, &object, list)?,
            (None, Some(_)) => return Err(source.mistake("this list has ports", "no `--port`")),
            _ => return Err(source.mistake("this object names no host", "`ip` (masscan) or `saddr` (ZMap)")),
        }
    }
    if array > 0 {
        list.cut_off(source);
    }
    Ok(())
}

/// Reads masscan's object of a host: all ports in it, or one beside it.
fn host(source: &Source<impl BufRead>, ip: &str, object: &Value, list: &mut Listing) -> Result<(), Mistake> {
    let ip = address(source, ip)?;
    let one;
    let (ports, of_state) = match object.get("ports").and_then(Value::as_array) {
        Some(ports) => (ports.as_slice(), None),
        None => {
            one = [object.clone()];
            (&one[..], Some("data"))
        }
    };
    for port in ports {
        let field = |name: &str| port.get(name).and_then(word).unwrap_or_default();
        let holder = of_state.map_or(Some(port), |name| port.get(name));
        // What gave a banner was open.
        let state = match holder.and_then(|holder| holder.get("status")).and_then(word) {
            Some(state) => state,
            None if port.get("service").is_some() || field("rec_type") == "banner" => "open".to_owned(),
            None => return Err(source.mistake("a port without a state", "`status` or `service`")),
        };
        list.add(source, (ip, None), (&field("port"), &field("proto"), &state))?;
    }
    Ok(())
}

/// A value as one word, whether it was written as text, number or truth.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        _ => None,
    }
}

/// What stands in a file next.
enum Piece {
    Whole(Vec<u8>),
    /// The file ends in it.
    Half,
}

/// The next object, from brace to brace.
///
/// - `array`: how many brackets are open.
fn next_object(source: &mut Source<impl BufRead>, array: &mut i64) -> Result<Option<Piece>, Mistake> {
    loop {
        source.begin();
        match peek(source)? {
            None => return Ok(None),
            Some(b'{') => break,
            Some(b'[') if *array == 0 => *array += 1,
            Some(b']') if *array == 1 => *array -= 1,
            Some(b',' | b' ' | b'\t' | b'\r' | b'\n') => {}
            Some(_) => return Err(source.mistake("something between the objects", "a comma or a line break")),
        }
        source.consume(1);
    }
    let (mut text, mut depth, mut quoted, mut escaped) = (Vec::new(), 0u32, false, false);
    while let Some(byte) = peek(source)? {
        source.consume(1);
        text.push(byte);
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'{' | b'[' if depth == DEPTH_MAX => {
                return Err(source.mistake(format!("nested more than {DEPTH_MAX} deep"), "a list of ports"));
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok(Some(Piece::Whole(text)));
        }
    }
    Ok(Some(Piece::Half))
}

fn peek(source: &mut Source<impl BufRead>) -> Result<Option<u8>, Mistake> {
    match source.fill_buf() {
        Ok(bytes) => Ok(bytes.first().copied()),
        Err(error) => Err(source.too_long(error)),
    }
}
