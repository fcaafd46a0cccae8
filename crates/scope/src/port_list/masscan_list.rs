use std::io::BufRead;

use super::{
    Listing, address,
    source::{Mistake, Source},
};

/// Reads what masscan writes with `-oL`: `STATE PROTOCOL PORT ADDRESS TIME` lines, and `banner` lines that go on with
/// what was read there.
///
/// Source: masscan, out-text.c.
pub(super) fn read(source: &mut Source<impl BufRead>, list: &mut Listing) -> Result<(), Mistake> {
    let (mut begun, mut ended) = (false, false);
    while let Some((line, whole)) = source.next_line()? {
        begun |= line.starts_with("#masscan");
        ended = line.starts_with("# end");
        let mut words = line.split_ascii_whitespace();
        let Some(state) = words.next().filter(|word| !word.starts_with('#')) else { continue };
        let (Some(protocol), Some(port), Some(ip)) = (words.next(), words.next(), words.next()) else {
            if !whole {
                list.cut_off(source);
                continue;
            }
            return Err(source.mistake("the line is too short", "STATE PROTOCOL PORT ADDRESS TIME"));
        };
        // Only what follows the address proves that the address is all there.
        if !whole && words.next().is_none() {
            list.cut_off(source);
            continue;
        }
        // A banner comes from a port that was called open before.
        let state = if state == "banner" { "open" } else { state };
        list.add(source, (address(source, ip)?, None), (port, protocol, state))?;
    }
    if begun && !ended {
        list.cut_off(source);
    }
    Ok(())
}
