//! Names of addresses: DNS questions for PTR records and their answers, as bytes.
//!
//! Nothing here opens a socket. Source: RFC 1035, sections 3.1, 4.1 and 5.1; RFC 3596, section 2.5.

use std::net::{IpAddr, SocketAddr};

use nightlatch_asset::Text;

/// Most names taken from one answer.
pub const NAMES_MAX: usize = 16;

/// Largest message that is looked at, in bytes: what fits into a UDP datagram.
pub const MESSAGE_BYTES_MAX: usize = 65_535;

/// Most servers taken from `resolv.conf`, as the C library does.
pub const NAMESERVERS_MAX: usize = 3;

/// Aliases followed inside one answer (RFC 2317 delegates small blocks with one).
const ALIASES_MAX: usize = 8;

/// Records of an answer section that are looked at.
const RECORDS_MAX: usize = 256;

/// Longest name on the wire, in bytes.
const NAME_BYTES_MAX: usize = 255;

const HEADER_BYTES: usize = 12;
const TYPE_CNAME: u16 = 5;
const TYPE_PTR: u16 = 12;
const CLASS_IN: u16 = 1;

/// Flag bits of the second word of the header.
const FLAG_RESPONSE: u16 = 0x8000;
const FLAG_TRUNCATED: u16 = 0x0200;
const FLAG_RECURSION_DESIRED: u16 = 0x0100;

/// What a resolver said about an address.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PtrAnswer {
    /// Names, lower case, without the dot at the end; none when the address has none. Bytes that are no
    /// printable ASCII are written as `\ddd`.
    pub names: Vec<Text>,
    /// The answer did not fit: ask again over TCP, or be content.
    pub truncated: bool,
}

/// Why bytes are no answer to the question.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PtrError {
    /// Another transaction, or another question: a stray or forged packet, to be passed over.
    #[error("not an answer to this question")]
    Foreign,
    /// The resolver refused or failed; `2` is "server failure", `5` "refused".
    #[error("resolver answered with code {0}")]
    Refused(u8),
    /// The bytes are no DNS message.
    #[error("malformed at byte {0}")]
    Malformed(usize),
}

/// The name under which the names of `ip` are kept, such as `1.2.0.192.in-addr.arpa`.
pub fn reverse_name(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let mut name = String::with_capacity(72);
            for byte in v6.octets().iter().rev() {
                name.push_str(&format!("{:x}.{:x}.", byte & 0xf, byte >> 4));
            }
            name + "ip6.arpa"
        }
    }
}

/// The question for the names of `ip`, with recursion desired: one datagram.
///
/// - `id`: random, and new for every question; an answer must repeat it.
pub fn query(id: u16, ip: IpAddr) -> Vec<u8> {
    let mut message = Vec::with_capacity(HEADER_BYTES + 80);
    for word in [id, FLAG_RECURSION_DESIRED, 1, 0, 0, 0] {
        message.extend(word.to_be_bytes());
    }
    for label in reverse_name(ip).split('.') {
        // At most 8 bytes: "in-addr".
        message.push(label.len() as u8);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(TYPE_PTR.to_be_bytes());
    message.extend(CLASS_IN.to_be_bytes());
    message
}

/// Reads the answer to [`query`] with the same `id` and `ip`. Total: any bytes give an answer or an error.
///
/// # Errors
/// [`PtrError`]. That an address has no name is no error.
pub fn parse(message: &[u8], id: u16, ip: IpAddr) -> Result<PtrAnswer, PtrError> {
    let message = &message[..message.len().min(MESSAGE_BYTES_MAX)];
    let mut reader = Reader { message, at: 0 };
    let (found, flags) = (reader.word()?, reader.word()?);
    let (questions, answers) = (reader.word()?, reader.word()?);
    let asked = reverse_name(ip);
    if found != id || flags & FLAG_RESPONSE == 0 {
        return Err(PtrError::Foreign);
    }
    reader.skip(4)?;
    if questions != 1 || reader.name()? != asked || reader.word()? != TYPE_PTR || reader.word()? != CLASS_IN {
        return Err(PtrError::Foreign);
    }
    let truncated = flags & FLAG_TRUNCATED != 0;
    match flags & 0xf {
        0 => {}
        // The name does not exist.
        3 => return Ok(PtrAnswer { names: Vec::new(), truncated }),
        code => return Err(PtrError::Refused(code as u8)),
    }
    let records = records(&mut reader, answers, truncated)?;
    Ok(PtrAnswer { names: names_of(asked, &records), truncated })
}

struct Record {
    owner: String,
    kind: u16,
    target: String,
}

/// The records of the answer section that lead on; of a truncated message as far as it goes.
fn records(reader: &mut Reader<'_>, count: u16, truncated: bool) -> Result<Vec<Record>, PtrError> {
    let mut records = Vec::new();
    for _ in 0..usize::from(count).min(RECORDS_MAX) {
        match reader.record() {
            Ok(Some(record)) => records.push(record),
            Ok(None) => {}
            Err(_) if truncated => break,
            Err(error) => return Err(error),
        }
    }
    Ok(records)
}

fn names_of(asked: String, records: &[Record]) -> Vec<Text> {
    let mut owner = asked;
    for _ in 0..ALIASES_MAX {
        match records.iter().find(|record| record.kind == TYPE_CNAME && record.owner == owner) {
            Some(alias) => owner.clone_from(&alias.target),
            None => break,
        }
    }
    let mut names: Vec<Text> = Vec::new();
    for record in records.iter().filter(|record| record.kind == TYPE_PTR && record.owner == owner) {
        let name = Text::from(record.target.as_str());
        if !name.is_empty() && !names.contains(&name) && names.len() < NAMES_MAX {
            names.push(name);
        }
    }
    names
}

/// The addresses of the resolvers named in the text of `/etc/resolv.conf`, port 53, at most
/// [`NAMESERVERS_MAX`]. Lines that cannot be read are passed over, as the C library does; an address
/// with a zone (`fe80::1%eth0`) is one of them.
pub fn nameservers(resolv_conf: &str) -> Vec<SocketAddr> {
    let lines = resolv_conf.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()).flatten()
    });
    lines
        .filter_map(|word| word.parse::<IpAddr>().ok())
        .map(|ip| SocketAddr::new(ip, 53))
        .take(NAMESERVERS_MAX)
        .collect()
}

/// Reads forward through a message; every step says where it failed.
struct Reader<'m> {
    message: &'m [u8],
    at: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8, PtrError> {
        let byte = *self.message.get(self.at).ok_or(PtrError::Malformed(self.at))?;
        self.at += 1;
        Ok(byte)
    }

    fn word(&mut self) -> Result<u16, PtrError> {
        Ok(u16::from_be_bytes([self.byte()?, self.byte()?]))
    }

    fn skip(&mut self, bytes: usize) -> Result<(), PtrError> {
        if self.message.len() - self.at < bytes {
            return Err(PtrError::Malformed(self.at));
        }
        self.at += bytes;
        Ok(())
    }

    /// A PTR or CNAME record of the internet class; none for another one.
    fn record(&mut self) -> Result<Option<Record>, PtrError> {
        let owner = self.name()?;
        let (kind, class) = (self.word()?, self.word()?);
        self.skip(4)?;
        let length = usize::from(self.word()?);
        let start = self.at;
        self.skip(length)?;
        if class != CLASS_IN || !matches!(kind, TYPE_PTR | TYPE_CNAME) {
            return Ok(None);
        }
        let mut inside = Reader { message: self.message, at: start };
        let target = inside.name()?;
        if inside.at != self.at {
            return Err(PtrError::Malformed(start));
        }
        Ok(Some(Record { owner, kind, target }))
    }

    /// A name in lower case, without the root's dot. Pointers must lead backwards, so that no name loops.
    fn name(&mut self) -> Result<String, PtrError> {
        let mut name = String::new();
        let mut bytes = 0;
        let mut limit = self.at;
        let mut after = None;
        loop {
            let start = self.at;
            let length = self.byte()?;
            match length >> 6 {
                0 if length == 0 => break,
                0 => {
                    bytes += usize::from(length) + 1;
                    if bytes > NAME_BYTES_MAX {
                        return Err(PtrError::Malformed(start));
                    }
                    if !name.is_empty() {
                        name.push('.');
                    }
                    for _ in 0..length {
                        push_byte(&mut name, self.byte()?);
                    }
                }
                3 => {
                    let target = usize::from(length & 0x3f) << 8 | usize::from(self.byte()?);
                    after.get_or_insert(self.at);
                    if target >= limit {
                        return Err(PtrError::Malformed(start));
                    }
                    limit = target;
                    self.at = target;
                }
                _ => return Err(PtrError::Malformed(start)),
            }
        }
        self.at = after.unwrap_or(self.at);
        Ok(name)
    }
}

/// As in a zone file: a dot or backslash inside a label, and what is not printable, is escaped.
fn push_byte(name: &mut String, byte: u8) {
    match byte {
        b'.' | b'\\' => {
            name.push('\\');
            name.push(char::from(byte));
        }
        b'!'..=b'~' => name.push(char::from(byte.to_ascii_lowercase())),
        _ => name.push_str(&format!("\\{byte:03}")),
    }
}

#[cfg(test)]
mod tests;
