//! The shape of a banner as it is written.

use std::collections::{BTreeMap, BTreeSet};

use nightlatch_asset::{
    Certificate, ClientCertificate, Confidence, Evidence, Exposure, Finding, Proof, RunId, Severity, Text,
    Timestamp, Transport,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Version of the `nightlatch` object; a larger one is refused when read.
pub const SCHEMA: u32 = 1;

/// One observation in Shodan's shape. Absent optional words are `null` where Shodan's are, lists are
/// never `null`.
#[derive(Clone, Debug, Serialize)]
pub struct Banner {
    /// Crawler's words: identifier, module, options.
    #[serde(rename = "_shodan")]
    pub shodan: ShodanPart,
    /// The main response.
    pub data: Text,
    /// MurmurHash3 of `data`.
    pub hash: i32,
    /// The address as a number; IPv4 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<u32>,
    /// The address as text, of both families.
    pub ip_str: String,
    /// The address as text, IPv6 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<String>,
    /// The port.
    pub port: u16,
    /// `tcp` or `udp`.
    pub transport: Transport,
    /// When it was seen: UTC, microseconds, no zone.
    pub timestamp: String,
    /// Names of the address.
    pub hostnames: Vec<Text>,
    /// Registrable domains of the names.
    pub domains: Vec<Text>,
    /// `AS15169`.
    pub asn: Option<String>,
    /// Organisation.
    pub org: Option<Text>,
    /// Internet service provider.
    pub isp: Option<Text>,
    /// Operating system.
    pub os: Option<Text>,
    /// Product name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<Text>,
    /// Version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// CPE 2.2 names, derived from `cpe23`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpe: Vec<Text>,
    /// CPE 2.3 names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpe23: Vec<Text>,
    /// Tags.
    pub tags: BTreeSet<Text>,
    /// Where it is; always there, with `null` for what is not known.
    pub location: Location,
    /// Which cloud it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cloud: Option<BannerCloud>,
    /// HTTP facts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpPart>,
    /// TLS facts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl: Option<SslPart>,
    /// Deprecated copy of `http.title`, which converters still read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<Text>,
    /// Experimental data; empty, and there because consumers ask for it. Absent in a banner that was made smaller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opts: Option<serde_json::Map<String, serde_json::Value>>,
    /// What only we know.
    pub nightlatch: Own,
}

impl Banner {
    /// Leaves out what is large and what few readers want, as Shodan's `minify` does: `opts`, the evidence and the
    /// certificates as facts.
    #[must_use]
    pub fn minified(mut self) -> Self {
        self.opts = None;
        self.nightlatch.evidence.clear();
        self.nightlatch.tls = None;
        self
    }
}

/// `_shodan`: who made the banner and how.
#[derive(Clone, Debug, Serialize)]
pub struct ShodanPart {
    /// Shaped as a UUID, made of the record's identifier.
    pub id: String,
    /// The conversation held.
    pub module: String,
    /// The run.
    pub crawler: String,
    /// True when the first host name came from PTR and not from the operator.
    pub ptr: bool,
    /// Options of the conversation.
    pub options: ShodanOptions,
}

/// `_shodan.options`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ShodanOptions {
    /// The host name asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<Text>,
    /// The run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan: Option<String>,
}

/// `location`. Fields that we never know stay, as `null`.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "the names are Shodan's and say it")]
pub struct Location {
    pub city: Option<Text>,
    pub region_code: Option<Text>,
    pub area_code: Option<u32>,
    pub postal_code: Option<Text>,
    pub dma_code: Option<u32>,
    pub country_code: Option<Text>,
    pub country_code3: Option<Text>,
    pub country_name: Option<Text>,
    pub latitude: Option<f64>,
    pub longitude: Option<f64>,
}

/// `cloud`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are Shodan's and say it")]
pub struct BannerCloud {
    pub provider: Text,
    pub region: Option<Text>,
    pub service: Option<Text>,
}

/// `http`. Bodies are not kept, so `html` and what is derived from other files of the site is `null`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are Shodan's and say it")]
pub struct HttpPart {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    pub title: Option<Text>,
    pub title_hash: Option<i32>,
    pub server: Option<Text>,
    pub server_hash: Option<i32>,
    pub host: Text,
    pub location: Option<Text>,
    pub html: Option<Text>,
    pub html_hash: i32,
    pub headers_hash: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub favicon: Option<HttpFavicon>,
    pub redirects: [(); 0],
    pub robots: Option<Text>,
    pub robots_hash: Option<i32>,
    pub sitemap: Option<Text>,
    pub sitemap_hash: Option<i32>,
    pub securitytxt: Option<Text>,
    pub securitytxt_hash: Option<i32>,
}

/// `http.favicon`, without the picture.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are Shodan's and say it")]
pub struct HttpFavicon {
    pub hash: i32,
    pub location: Text,
}

/// `ssl`. The chain is kept as facts, not as PEM, so `chain` is empty and `nightlatch.tls.chain` is not.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are Shodan's and say it")]
pub struct SslPart {
    pub versions: Vec<Text>,
    pub cipher: Cipher,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<Cert>,
    pub chain: [(); 0],
    pub alpn: Vec<Text>,
}

/// `ssl.cipher`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are Shodan's and say it")]
pub struct Cipher {
    pub version: Text,
    pub name: Option<Text>,
    pub bits: Option<u32>,
}

/// `ssl.cert`, the leaf.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are Shodan's and say it")]
pub struct Cert {
    pub subject: BTreeMap<String, Text>,
    pub issuer: BTreeMap<String, Text>,
    /// Such as `20310101000000Z`; so is `expires`.
    pub issued: String,
    pub expires: String,
    /// When it was seen.
    pub expired: bool,
    /// A decimal number of any size, as Shodan's.
    pub serial: Option<Box<RawValue>>,
    pub sig_alg: Text,
    pub pubkey: CertPublicKey,
    pub fingerprint: CertFingerprint,
    pub extensions: Vec<serde_json::Value>,
}

/// `ssl.cert.pubkey`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are Shodan's and say it")]
pub struct CertPublicKey {
    #[serde(rename = "type")]
    pub kind: Text,
    pub bits: u32,
}

/// `ssl.cert.fingerprint`.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are Shodan's and say it")]
pub struct CertFingerprint {
    pub sha1: Text,
    pub sha256: Text,
}

/// `nightlatch`: the judgement, its reasons, and whatever Shodan's words cannot hold exactly.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Own {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Identifier of the record in the store it was exported from.
    pub id: u64,
    /// When it was seen, exactly.
    pub time: Timestamp,
    /// When the endpoint was first seen at all.
    pub first_seen: Timestamp,
    /// When this very answer was last seen.
    pub last_seen: Timestamp,
    /// How often this very answer was seen.
    pub times_seen: u32,
    /// Whether it is the newest of its endpoint.
    pub latest: bool,
    /// The run.
    #[serde(default)]
    pub run: RunId,
    /// The conversation held.
    pub protocol: String,
    /// The host name asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_as: Option<Text>,
    /// Who answers for the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    /// The deciding fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Text>,
    /// How far the door opens.
    pub exposure: Exposure,
    /// Told or concluded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// How bad that is.
    pub severity: Severity,
    /// How sure.
    pub confidence: Confidence,
    /// Why.
    #[serde(default, skip_serializing_if = "Text::is_empty")]
    pub why: Text,
    /// The deciding rule.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// How to shut it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Text>,
    /// Side findings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Kept facts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, Text>,
    /// Requests and answers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// HTTP facts without a place in `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<OwnHttp>,
    /// TLS facts without a place in `ssl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<OwnTls>,
    /// Parts that were there and said nothing: `place`, `network`. Without this they would come back absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub empty: Vec<EmptyPart>,
}

/// A part of an observation that can be there without saying anything.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmptyPart {
    /// [`nightlatch_asset::Place`].
    Place,
    /// [`nightlatch_asset::Network`].
    Network,
}

/// `nightlatch.http`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OwnHttp {
    /// Body length as received, in bytes.
    pub body_bytes: u64,
}

/// `nightlatch.tls`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OwnTls {
    /// Whether a client certificate is asked for.
    #[serde(default)]
    pub client_certificate: ClientCertificate,
    /// Why the handshake did not complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Text>,
    /// The chain, leaf first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Certificate>,
}
