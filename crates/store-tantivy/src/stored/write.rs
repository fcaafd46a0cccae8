use jiff::Timestamp;
use nightlatch_asset::{Certificate, Cloud, Favicon, Http, Network, Place, Text, Tls, Verdict};

use super::{pack_hex, way, whole_parts, write_number, write_signed};

/// Appends the parts of an observation.
pub(super) struct Writer<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) ip: String,
}

impl Writer<'_> {
    pub(super) fn byte(&mut self, byte: u8) {
        self.out.push(byte);
    }

    pub(super) fn number(&mut self, value: u64) {
        write_number(self.out, value);
    }

    pub(super) fn signed(&mut self, value: i64) {
        write_signed(self.out, value);
    }

    pub(super) fn str(&mut self, text: &str) {
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

    pub(super) fn text(&mut self, text: &Text) {
        self.str(text.raw());
    }

    pub(super) fn texts(&mut self, texts: &[Text]) {
        self.number(texts.len() as u64);
        texts.iter().for_each(|t| self.text(t));
    }

    pub(super) fn option<T>(&mut self, value: Option<&T>, write: impl FnOnce(&mut Self, &T)) {
        self.byte(value.is_some().into());
        if let Some(value) = value {
            write(self, value);
        }
    }

    pub(super) fn opt_text(&mut self, text: Option<&Text>) {
        self.option(text, Self::text);
    }

    pub(super) fn time(&mut self, time: Timestamp) {
        self.signed(time.as_second());
        self.signed(time.subsec_nanosecond().into());
    }

    pub(super) fn degrees(&mut self, degrees: &f64) {
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

    pub(super) fn verdict(&mut self, v: &Verdict) {
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

    pub(super) fn place(&mut self, p: &Place) {
        self.opt_text(p.country_code.as_ref());
        self.opt_text(p.country_name.as_ref());
        self.opt_text(p.region.as_ref());
        self.opt_text(p.city.as_ref());
        self.opt_text(p.postal.as_ref());
        self.option(p.latitude.as_ref(), Self::degrees);
        self.option(p.longitude.as_ref(), Self::degrees);
    }

    pub(super) fn network(&mut self, n: &Network) {
        self.option(n.asn.as_ref(), |w, asn| w.number((*asn).into()));
        self.opt_text(n.org.as_ref());
        self.opt_text(n.isp.as_ref());
    }

    pub(super) fn cloud(&mut self, c: &Cloud) {
        self.text(&c.provider);
        self.opt_text(c.region.as_ref());
        self.opt_text(c.service.as_ref());
    }

    pub(super) fn http(&mut self, h: &Http) {
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

    pub(super) fn tls(&mut self, t: &Tls) {
        self.text(&t.version);
        self.opt_text(t.cipher.as_ref());
        self.opt_text(t.alpn.as_ref());
        self.byte(t.client_certificate as u8);
        self.opt_text(t.failure.as_ref());
        self.number(t.chain.len() as u64);
        t.chain.iter().for_each(|c| self.certificate(c));
    }

    pub(super) fn certificate(&mut self, c: &Certificate) {
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
