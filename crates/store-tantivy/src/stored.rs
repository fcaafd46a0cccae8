//! The stored form of an observation: every field, compact, without names.
//!
//! Written into the journal and beside each document. What repeats from one observation to the next
//! (verdict, place, network) comes first and what is unique comes last, so that a block compresses well.
//! Integers are LEB128; texts carry their length; hexadecimal digits are packed two to a byte.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use jiff::Timestamp;
use nightlatch_asset::{
    Certificate, ClientCertificate, Cloud, Confidence, Evidence, Exposure, Favicon, Finding, Http, Network,
    Observation, Place, Proof, RequestClass, RunId, Severity, Text, Tls, Transport, Verdict,
};

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

struct Writer<'a> {
    out: &'a mut Vec<u8>,
    ip: String,
}

impl Writer<'_> {
    fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    fn number(&mut self, value: u64) {
        write_number(self.out, value);
    }

    fn signed(&mut self, value: i64) {
        write_signed(self.out, value);
    }

    fn str(&mut self, text: &str) {
        if text == self.ip {
            self.number(way::ADDRESS);
        } else if let Some((packed, way)) = pack_hex(text) {
            self.number(((packed.len() as u64) << 2) | way);
            self.out.extend(packed);
        } else {
            self.number(((text.len() as u64) << 2) | way::PLAIN);
            self.out.extend(text.as_bytes());
        }
    }

    fn text(&mut self, text: &Text) {
        self.str(text.raw());
    }

    fn texts(&mut self, texts: &[Text]) {
        self.number(texts.len() as u64);
        texts.iter().for_each(|t| self.text(t));
    }

    fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.byte(value.is_some().into());
        if let Some(value) = value {
            write(self, value);
        }
    }

    fn opt_text(&mut self, text: Option<&Text>) {
        self.option(text, Self::text);
    }

    fn time(&mut self, time: Timestamp) {
        self.signed(time.as_second());
        self.signed(time.subsec_nanosecond().into());
    }

    fn degrees(&mut self, degrees: &f64) {
        match whole_parts(*degrees) {
            Some(parts) => {
                self.byte(1);
                self.signed(parts);
            }
            None => {
                self.byte(0);
                self.out.extend(degrees.to_bits().to_le_bytes());
            }
        }
    }

    fn verdict(&mut self, v: &Verdict) {
        self.opt_text(v.fingerprint.as_ref());
        self.opt_text(v.product.as_ref());
        self.opt_text(v.version.as_ref());
        self.texts(&v.cpe);
        self.byte(v.exposure as u8);
        self.byte(v.proof.map_or(0, |p| p as u8 + 1));
        self.byte(v.severity as u8);
        self.byte(v.confidence as u8);
        self.text(&v.why);
        self.str(&v.rule);
        self.opt_text(v.fix.as_ref());
        self.number(v.findings.len() as u64);
        for finding in &v.findings {
            self.str(&finding.id);
            self.byte(finding.severity as u8);
            self.str(&finding.title);
        }
        self.number(v.facts.len() as u64);
        for (name, value) in &v.facts {
            self.str(name);
            self.text(value);
        }
        self.number(v.evidence.len() as u64);
        for evidence in &v.evidence {
            self.str(&evidence.request);
            self.byte(evidence.class as u8);
            self.text(&evidence.asked);
            self.text(&evidence.answered);
        }
    }

    fn place(&mut self, p: &Place) {
        self.opt_text(p.country_code.as_ref());
        self.opt_text(p.country_name.as_ref());
        self.opt_text(p.region.as_ref());
        self.opt_text(p.city.as_ref());
        self.opt_text(p.postal.as_ref());
        self.option(p.latitude.as_ref(), Self::degrees);
        self.option(p.longitude.as_ref(), Self::degrees);
    }

    fn network(&mut self, n: &Network) {
        self.option(n.asn.as_ref(), |w, asn| w.number((*asn).into()));
        self.opt_text(n.org.as_ref());
        self.opt_text(n.isp.as_ref());
    }

    fn cloud(&mut self, c: &Cloud) {
        self.text(&c.provider);
        self.opt_text(c.region.as_ref());
        self.opt_text(c.service.as_ref());
    }

    fn http(&mut self, h: &Http) {
        self.number(h.status.into());
        self.opt_text(h.title.as_ref());
        self.opt_text(h.server.as_ref());
        self.opt_text(h.location.as_ref());
        self.option(h.favicon.as_ref(), |w, f: &Favicon| {
            w.text(&f.path);
            w.out.extend(f.hash.to_le_bytes());
        });
        self.number(h.body_bytes);
        self.text(&h.host);
        self.out.extend(h.html_hash.to_le_bytes());
        self.out.extend(h.headers_hash.to_le_bytes());
    }

    fn tls(&mut self, t: &Tls) {
        self.text(&t.version);
        self.opt_text(t.cipher.as_ref());
        self.opt_text(t.alpn.as_ref());
        self.byte(t.client_certificate as u8);
        self.opt_text(t.failure.as_ref());
        self.number(t.chain.len() as u64);
        t.chain.iter().for_each(|c| self.certificate(c));
    }

    fn certificate(&mut self, c: &Certificate) {
        self.byte(c.self_signed.into());
        self.text(&c.signature_algorithm);
        self.text(&c.key_type);
        self.number(c.key_bits.into());
        self.text(&c.subject);
        self.opt_text(c.subject_cn.as_ref());
        self.text(&c.issuer);
        self.opt_text(c.issuer_cn.as_ref());
        self.texts(&c.sans);
        self.time(c.not_before);
        self.time(c.not_after);
        self.text(&c.serial);
        self.text(&c.sha256);
        self.text(&c.sha1);
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    ip: String,
}

impl<'a> Reader<'a> {
    fn malformed<T>(&self) -> Result<T, Malformed> {
        Err(Malformed { at: self.at })
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let part = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end));
        let part = part.ok_or(Malformed { at: self.at })?;
        self.at += count;
        Ok(part)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| Malformed { at })
    }

    /// Cuts the address off the end.
    fn address(&mut self, v6: bool) -> Result<IpAddr, Malformed> {
        let length = if v6 { 16 } else { 4 };
        let start = self.bytes.len().checked_sub(length).ok_or(Malformed { at: self.at })?;
        let (rest, tail) = self.bytes.split_at(start);
        self.bytes = rest;
        let ip = match (<[u8; 4]>::try_from(tail), <[u8; 16]>::try_from(tail)) {
            (Ok(v4), _) => IpAddr::from(v4),
            (_, Ok(v6)) => IpAddr::from(v6),
            _ => return self.malformed(),
        };
        self.ip = ip.to_string();
        Ok(ip)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    fn choice(&mut self, choices: u8) -> Result<u8, Malformed> {
        let at = self.at;
        let byte = self.byte()?;
        if byte < choices { Ok(byte) } else { Err(Malformed { at }) }
    }

    fn number(&mut self) -> Result<u64, Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (value, used) = read_number(rest).ok_or(Malformed { at: self.at })?;
        self.at += used;
        Ok(value)
    }

    fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        let at = self.at;
        T::try_from(self.number()?).map_err(|_| Malformed { at })
    }

    fn signed(&mut self) -> Result<i64, Malformed> {
        Ok(unzigzag(self.number()?))
    }

    fn string(&mut self) -> Result<String, Malformed> {
        let at = self.at;
        let head = self.number()?;
        let length = usize::try_from(head >> 2).map_err(|_| Malformed { at })?;
        match head & 3 {
            way::PLAIN => {
                let bytes = self.take(length)?;
                Ok(std::str::from_utf8(bytes).map_err(|_| Malformed { at })?.to_owned())
            }
            way::ADDRESS if length == 0 => Ok(self.ip.clone()),
            way::HEX_LOWER => Ok(unpack_hex(self.take(length)?, b"0123456789abcdef")),
            way::HEX_UPPER => Ok(unpack_hex(self.take(length)?, b"0123456789ABCDEF")),
            _ => Err(Malformed { at }),
        }
    }

    fn text(&mut self) -> Result<Text, Malformed> {
        self.string().map(Text::new)
    }

    fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.choice(2)? == 1 { read(self).map(Some) } else { Ok(None) }
    }

    fn opt_text(&mut self) -> Result<Option<Text>, Malformed> {
        self.option(Self::text)
    }

    fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        // No capacity in advance: the count is foreign, and every element takes at least a byte.
        let count = self.number()?;
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(read(self)?);
        }
        Ok(list)
    }

    fn time(&mut self) -> Result<Timestamp, Malformed> {
        let at = self.at;
        let seconds = self.signed()?;
        let nanos = i32::try_from(self.signed()?).map_err(|_| Malformed { at })?;
        Timestamp::new(seconds, nanos).map_err(|_| Malformed { at })
    }

    fn degrees(&mut self) -> Result<f64, Malformed> {
        if self.choice(2)? == 1 {
            Ok(self.signed()? as f64 / DEGREE_PARTS)
        } else {
            Ok(f64::from_bits(u64::from_le_bytes(self.array()?)))
        }
    }

    fn severity(&mut self) -> Result<Severity, Malformed> {
        let index = self.choice(Severity::ALL.len() as u8)?;
        Ok(Severity::ALL[usize::from(index)])
    }

    fn verdict(&mut self) -> Result<Verdict, Malformed> {
        Ok(Verdict {
            fingerprint: self.opt_text()?,
            product: self.opt_text()?,
            version: self.opt_text()?,
            cpe: self.list(Self::text)?,
            exposure: Exposure::ALL[usize::from(self.choice(Exposure::ALL.len() as u8)?)],
            proof: [None, Some(Proof::Inferred), Some(Proof::Proven)][usize::from(self.choice(3)?)],
            severity: self.severity()?,
            confidence: [Confidence::Low, Confidence::Medium, Confidence::High][usize::from(self.choice(3)?)],
            why: self.text()?,
            rule: self.string()?,
            fix: self.opt_text()?,
            findings: self
                .list(|r| Ok(Finding { id: r.string()?, severity: r.severity()?, title: r.string()? }))?,
            facts: self.list(|r| Ok((r.string()?, r.text()?)))?.into_iter().collect::<BTreeMap<_, _>>(),
            evidence: self.list(|r| {
                Ok(Evidence {
                    request: r.string()?,
                    class: [RequestClass::T0, RequestClass::T1, RequestClass::T2, RequestClass::T3]
                        [usize::from(r.choice(4)?)],
                    asked: r.text()?,
                    answered: r.text()?,
                })
            })?,
        })
    }

    fn place(&mut self) -> Result<Place, Malformed> {
        Ok(Place {
            country_code: self.opt_text()?,
            country_name: self.opt_text()?,
            region: self.opt_text()?,
            city: self.opt_text()?,
            postal: self.opt_text()?,
            latitude: self.option(Self::degrees)?,
            longitude: self.option(Self::degrees)?,
        })
    }

    fn network(&mut self) -> Result<Network, Malformed> {
        Ok(Network { asn: self.option(Self::small)?, org: self.opt_text()?, isp: self.opt_text()? })
    }

    fn cloud(&mut self) -> Result<Cloud, Malformed> {
        Ok(Cloud { provider: self.text()?, region: self.opt_text()?, service: self.opt_text()? })
    }

    fn http(&mut self) -> Result<Http, Malformed> {
        Ok(Http {
            status: self.small()?,
            title: self.opt_text()?,
            server: self.opt_text()?,
            location: self.opt_text()?,
            favicon: self.option(|r| {
                let path = r.text()?;
                Ok(Favicon { path, hash: i32::from_le_bytes(r.array()?) })
            })?,
            body_bytes: self.number()?,
            host: self.text()?,
            html_hash: i32::from_le_bytes(self.array()?),
            headers_hash: i32::from_le_bytes(self.array()?),
        })
    }

    fn tls(&mut self) -> Result<Tls, Malformed> {
        Ok(Tls {
            version: self.text()?,
            cipher: self.opt_text()?,
            alpn: self.opt_text()?,
            client_certificate: [
                ClientCertificate::NotRequested,
                ClientCertificate::Requested,
                ClientCertificate::Required,
            ][usize::from(self.choice(3)?)],
            failure: self.opt_text()?,
            chain: self.list(Self::certificate)?,
        })
    }

    fn certificate(&mut self) -> Result<Certificate, Malformed> {
        Ok(Certificate {
            self_signed: self.choice(2)? == 1,
            signature_algorithm: self.text()?,
            key_type: self.text()?,
            key_bits: self.small()?,
            subject: self.text()?,
            subject_cn: self.opt_text()?,
            issuer: self.text()?,
            issuer_cn: self.opt_text()?,
            sans: self.list(Self::text)?,
            not_before: self.time()?,
            not_after: self.time()?,
            serial: self.text()?,
            sha256: self.text()?,
            sha1: self.text()?,
        })
    }
}

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
