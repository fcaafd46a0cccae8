//! The stored form of an observation: every field, compact, without names.
//!
//! Written into the journal and beside each document. What repeats from one observation to the next
//! (verdict, place, network) comes first and what is unique comes last, so that a block compresses well.
//! Integers are LEB128; texts carry their length; hexadecimal digits are packed two to a byte.

mod read;
mod write;

use std::{collections::BTreeSet, net::IpAddr};

use nightlatch_asset::{Observation, RunId, Transport};

use read::Reader;
use write::Writer;

/// First byte of every stored form; a change of the layout takes the next number.
const LAYOUT: u8 = 1;

/// Why a stored form cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("stored observation makes no sense at byte {at}")]
pub struct Malformed {
    /// Offset of the first byte that makes no sense.
    pub at: usize,
}

/// Appends the stored form of `o` to `out`.
pub fn encode(o: &Observation, out: &mut Vec<u8>) {
    let mut w = Writer { out, ip: o.ip.to_string() };
    w.byte(LAYOUT);
    w.byte(match (o.ip.is_ipv6(), o.transport) {
        (false, Transport::Tcp) => 0,
        (false, Transport::Udp) => 1,
        (true, Transport::Tcp) => 2,
        (true, Transport::Udp) => 3,
    });
    w.number(o.port.into());
    w.str(&o.protocol);
    w.str(&o.run.0);
    w.verdict(&o.verdict);
    w.option(o.place.as_ref(), Writer::place);
    w.option(o.network.as_ref(), Writer::network);
    w.option(o.cloud.as_ref(), Writer::cloud);
    w.opt_text(o.owner.as_ref());
    w.opt_text(o.os.as_ref());
    w.number(o.tags.len() as u64);
    o.tags.iter().for_each(|t| w.text(t));
    w.text(&o.data);
    w.option(o.http.as_ref(), Writer::http);
    w.option(o.tls.as_ref(), Writer::tls);
    w.texts(&o.hostnames);
    w.texts(&o.domains);
    w.opt_text(o.asked_as.as_ref());
    w.time(o.time);
    match o.ip {
        IpAddr::V4(ip) => w.out.extend(ip.octets()),
        IpAddr::V6(ip) => w.out.extend(ip.octets()),
    }
}

/// Reads one stored form, which must fill `bytes`.
///
/// # Errors
/// [`Malformed`] when `bytes` is not what [`encode`] writes; never panics, never allocates more than
/// a small multiple of `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Observation, Malformed> {
    // Texts may say "my address", which is written last so that it does not disturb compression.
    let mut r = Reader { bytes, at: 0, ip: String::new() };
    if r.byte()? != LAYOUT {
        return Err(Malformed { at: 0 });
    }
    let kind = r.choice(4)?;
    let ip = r.address(kind >= 2)?;
    let transport = if kind % 2 == 0 { Transport::Tcp } else { Transport::Udp };
    let observation = Observation {
        ip,
        transport,
        port: r.small()?,
        protocol: r.string()?,
        run: RunId(r.string()?),
        verdict: r.verdict()?,
        place: r.option(Reader::place)?,
        network: r.option(Reader::network)?,
        cloud: r.option(Reader::cloud)?,
        owner: r.opt_text()?,
        os: r.opt_text()?,
        tags: r.list(Reader::text)?.into_iter().collect::<BTreeSet<_>>(),
        data: r.text()?,
        http: r.option(Reader::http)?,
        tls: r.option(Reader::tls)?,
        hostnames: r.list(Reader::text)?,
        domains: r.list(Reader::text)?,
        asked_as: r.opt_text()?,
        time: r.time()?,
    };
    if r.at != r.bytes.len() {
        return Err(Malformed { at: r.at });
    }
    Ok(observation)
}

/// Ways to write a text; the first number of every text is `length * 4 + way`.
mod way {
    /// The bytes follow.
    pub(super) const PLAIN: u64 = 0;
    /// Lower-case hexadecimal, packed; the length counts bytes.
    pub(super) const HEX_LOWER: u64 = 1;
    /// Upper-case hexadecimal, packed; the length counts bytes.
    pub(super) const HEX_UPPER: u64 = 2;
    /// The address of the observation; the length is 0.
    pub(super) const ADDRESS: u64 = 3;
}

/// Digits from which packing pays.
const HEX_DIGITS_MIN: usize = 8;
/// Degrees are written as ten-thousandths where that is exact, as files of places have them.
const DEGREE_PARTS: f64 = 10_000.0;

/// Ten-thousandths of a degree, if `degrees` is exactly such a number.
pub(crate) fn whole_parts(degrees: f64) -> Option<i64> {
    let parts = (degrees * DEGREE_PARTS).round();
    if parts.abs() >= 1e12 {
        return None;
    }
    let parts = parts as i64;
    // By its bits: minus zero is another value than zero.
    (degrees_of_parts(parts).to_bits() == degrees.to_bits()).then_some(parts)
}

/// The degrees that [`whole_parts`] came from.
pub(crate) fn degrees_of_parts(parts: i64) -> f64 {
    parts as f64 / DEGREE_PARTS
}

/// Appends `value` in LEB128.
pub(crate) fn write_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads a LEB128 number and how many bytes it took.
pub(crate) fn read_number(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        let part = u64::from(byte & 0x7f);
        let shift = 7 * index as u32;
        if shift == 63 && part > 1 {
            return None;
        }
        value |= part << shift;
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// Appends `value`, small when it is near zero.
pub(crate) fn write_signed(out: &mut Vec<u8>, value: i64) {
    write_number(out, zigzag(value));
}

/// Reads what [`write_signed`] wrote, and how many bytes it took.
pub(crate) fn read_signed(bytes: &[u8]) -> Option<(i64, usize)> {
    read_number(bytes).map(|(value, used)| (unzigzag(value), used))
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

fn unzigzag(value: u64) -> i64 {
    ((value >> 1) as i64) ^ -((value & 1) as i64)
}

fn pack_hex(text: &str) -> Option<(Vec<u8>, u64)> {
    let digits = text.as_bytes();
    if digits.len() < HEX_DIGITS_MIN || !digits.len().is_multiple_of(2) {
        return None;
    }
    let way = if digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'a'..=b'f')) {
        way::HEX_LOWER
    } else if digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'A'..=b'F')) {
        way::HEX_UPPER
    } else {
        return None;
    };
    let value = |digit: u8| if digit.is_ascii_digit() { digit - b'0' } else { (digit | 0x20) - b'a' + 10 };
    Some((digits.chunks_exact(2).map(|pair| (value(pair[0]) << 4) | value(pair[1])).collect(), way))
}

fn unpack_hex(bytes: &[u8], digits: &[u8; 16]) -> String {
    let digit = |value: u8| char::from(digits[usize::from(value & 15)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests;
