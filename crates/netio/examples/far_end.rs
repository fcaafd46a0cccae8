//! The far end of a lab: `far_end DEVICE SECONDS [MASK VALUE] PREFIX...` drops what goes to dead addresses of the prefixes, by
//! XDP, and ends by itself. An address is alive when its last bits under MASK are VALUE.
//!
//! ```text
//! nsenter --net=FAR cargo run -p nightlatch-netio --features lab --example far_end -- far0 60 63 5 10.0.0.0/10
//! ```

use std::{env, error::Error, net::IpAddr, thread, time::Duration};

use nightlatch_netio::raw::FarEnd;

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = env::args().skip(1).collect();
    let (prefixes, words): (Vec<&String>, Vec<&String>) = words.iter().partition(|word| word.contains('/'));
    let (device, seconds, alive) = match words.as_slice() {
        [device, seconds] => (device, seconds, None),
        [device, seconds, mask, value] => (device, seconds, Some((mask.parse()?, value.parse()?))),
        _ => return Err("usage: far_end DEVICE SECONDS [MASK VALUE] PREFIX...".into()),
    };
    let prefixes = prefixes.iter().map(|text| prefix(text)).collect::<Result<Vec<_>, _>>()?;
    let _far_end = FarEnd::attach(device, &prefixes, alive)?;
    thread::sleep(Duration::from_secs(seconds.parse::<u64>()?.min(3600)));
    Ok(())
}

fn prefix(text: &str) -> Result<(IpAddr, u8), Box<dyn Error>> {
    let (ip, bits) = text.split_once('/').ok_or("a prefix has a slash")?;
    Ok((ip.parse()?, bits.parse()?))
}
