use std::{collections::BTreeMap, net::IpAddr};

use jiff::Timestamp;
use nightlatch_asset::{
    Certificate, ClientCertificate, Cloud, Confidence, Evidence, Exposure, Favicon, Finding, Http, Network,
    Place, Proof, RequestClass, Severity, Text, Tls, Verdict,
};

use super::{DEGREE_PARTS, Malformed, read_number, unpack_hex, unzigzag, way};

/// Takes the parts of an observation off its stored form.
pub(super) struct Reader<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) at: usize,
    pub(super) ip: String,
}

impl<'a> Reader<'a> {
    pub(super) fn malformed<T>(&self) -> Result<T, Malformed> {
        Err(Malformed { at: self.at })
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let part = self.at.checked_add(count).and_then(|end| self.bytes.get(self.at..end));
        let part = part.ok_or(Malformed { at: self.at })?;
        self.at += count;
        Ok(part)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let at = self.at;
        self.take(N)?.try_into().map_err(|_| Malformed { at })
    }

    /// Cuts the address off the end.
    pub(super) fn address(&mut self, v6: bool) -> Result<IpAddr, Malformed> {
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

    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn choice(&mut self, choices: u8) -> Result<u8, Malformed> {
        let at = self.at;
        let byte = self.byte()?;
        if byte < choices { Ok(byte) } else { Err(Malformed { at }) }
    }

    pub(super) fn number(&mut self) -> Result<u64, Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let (value, used) = read_number(rest).ok_or(Malformed { at: self.at })?;
        self.at += used;
        Ok(value)
    }

    pub(super) fn small<T: TryFrom<u64>>(&mut self) -> Result<T, Malformed> {
        let at = self.at;
        T::try_from(self.number()?).map_err(|_| Malformed { at })
    }

    pub(super) fn signed(&mut self) -> Result<i64, Malformed> {
        Ok(unzigzag(self.number()?))
    }

    pub(super) fn string(&mut self) -> Result<String, Malformed> {
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

    pub(super) fn text(&mut self) -> Result<Text, Malformed> {
        self.string().map(Text::new)
    }

    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.choice(2)? == 1 { read(self).map(Some) } else { Ok(None) }
    }

    pub(super) fn opt_text(&mut self) -> Result<Option<Text>, Malformed> {
        self.option(Self::text)
    }

    pub(super) fn list<T>(
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

    pub(super) fn time(&mut self) -> Result<Timestamp, Malformed> {
        let at = self.at;
        let seconds = self.signed()?;
        let nanos = i32::try_from(self.signed()?).map_err(|_| Malformed { at })?;
        Timestamp::new(seconds, nanos).map_err(|_| Malformed { at })
    }

    pub(super) fn degrees(&mut self) -> Result<f64, Malformed> {
        if self.choice(2)? == 1 {
            Ok(self.signed()? as f64 / DEGREE_PARTS)
        } else {
            Ok(f64::from_bits(u64::from_le_bytes(self.array()?)))
        }
    }

    pub(super) fn severity(&mut self) -> Result<Severity, Malformed> {
        let index = self.choice(Severity::ALL.len() as u8)?;
        Ok(Severity::ALL[usize::from(index)])
    }

    pub(super) fn verdict(&mut self) -> Result<Verdict, Malformed> {
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

    pub(super) fn place(&mut self) -> Result<Place, Malformed> {
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

    pub(super) fn network(&mut self) -> Result<Network, Malformed> {
        Ok(Network { asn: self.option(Self::small)?, org: self.opt_text()?, isp: self.opt_text()? })
    }

    pub(super) fn cloud(&mut self) -> Result<Cloud, Malformed> {
        Ok(Cloud { provider: self.text()?, region: self.opt_text()?, service: self.opt_text()? })
    }

    pub(super) fn http(&mut self) -> Result<Http, Malformed> {
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

    pub(super) fn tls(&mut self) -> Result<Tls, Malformed> {
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

    pub(super) fn certificate(&mut self) -> Result<Certificate, Malformed> {
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
