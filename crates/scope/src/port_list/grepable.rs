use std::io::BufRead;

use super::{
    Listing, address,
    source::{Mistake, Source},
};

/// Reads what Nmap and masscan write with `-oG`: fields apart by tabs, `Host: ADDRESS (NAME)` and
/// `Ports: PORT/STATE/PROTOCOL/..., ...` among them. The name is one of reverse DNS as often as not, so it is not used.
///
/// Source: Nmap Reference Guide, "Grepable Output"; masscan, out-grepable.c.
pub(super) fn read(source: &mut Source<impl BufRead>, list: &mut Listing) -> Result<(), Mistake> {
    let (mut begun, mut ended) = (false, false);
    while let Some((line, whole)) = source.next_line()? {
        if line.starts_with('#') {
            begun |= line.contains(" scan initiated ");
            ended |= line.contains(" done at ");
        } else if !line.trim().is_empty() {
            host(source, &line, whole, list)?;
        }
        if !whole {
            list.cut_off(source);
        }
    }
    if begun && !ended {
        list.cut_off(source);
    }
    Ok(())
}

/// Reads the line of a host.
fn host(source: &Source<impl BufRead>, line: &str, whole: bool, list: &mut Listing) -> Result<(), Mistake> {
    let field = |name: &str| line.split('\t').find_map(|field| field.strip_prefix(name));
    let Some(host) = field("Host: ") else {
        return match whole {
            true => Err(source.mistake("this line names no host", "`Host: ADDRESS (NAME)` among its fields")),
            false => Ok(()),
        };
    };
    let Some(ports) = field("Ports: ") else { return Ok(()) };
    let ip = address(source, host.split(' ').next().unwrap_or_default())?;
    let mut entries: Vec<&str> = ports.split(',').map(str::trim).collect();
    // The last one may be half of itself, unless a field follows.
    if !whole && line.ends_with(ports) {
        entries.pop();
    }
    for entry in entries.iter().filter(|entry| !entry.is_empty()) {
        // A version in the last fields may hold a comma: what goes on without a number is no port.
        let mut parts = entry.split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(port), Some(state), Some(protocol)) if port.bytes().all(|b| b.is_ascii_digit()) => {
                list.add(source, (ip, None), (port, protocol, state))?;
            }
            _ => {}
        }
    }
    Ok(())
}
