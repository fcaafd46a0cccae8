use std::{collections::BTreeMap, collections::BTreeSet, fmt, net::IpAddr};

use jiff::Timestamp;
use nightlatch_finding::{Finding, Severity};
use nightlatch_untrusted::Text;
use serde::{Deserialize, Serialize};

use crate::{Confidence, Endpoint, Exposure, Proof, Transport};

/// Names one run of the scanner; sortable by start, such as `20260921T101500Z-7f3a`.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Everything learnt about one endpoint at one time; what others call a banner.
///
/// An absent part (`None`) means "not asked or not told"; an empty list means "asked, and there is none".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The address; never an IPv4-mapped IPv6 address.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
    /// The transport.
    #[serde(default)]
    pub transport: Transport,
    /// The conversation that was held: `http`, `https`, `mysql`, `tcp` (only a greeting or nothing) ...
    pub protocol: String,
    /// When the conversation ended.
    pub time: Timestamp,
    /// The run that made it.
    #[serde(default)]
    pub run: RunId,
    /// The host name asked for (SNI and `Host`), where a name and not an address was scanned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_as: Option<Text>,
    /// What it is and how far it opens.
    #[serde(default)]
    pub verdict: Verdict,
    /// The main response in the product's own words, head only for HTTP: what free text searches.
    #[serde(default)]
    pub data: Text,
    /// HTTP facts of the main response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// TLS facts of the handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Names of the address: PTR names, and the name asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hostnames: Vec<Text>,
    /// Registrable domains of `hostnames`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<Text>,
    /// Where the address is, from files the user named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Whose network it is, from files the user named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Network>,
    /// Which cloud it is in, from published range files the user named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<Cloud>,
    /// Who answers for the address, from the scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Text>,
    /// Operating system, where the product says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<Text>,
    /// Words such as `cloud`, `self-signed`, `plaintext`, `end-of-life`, `cdn`, `responder`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tags: BTreeSet<Text>,
}

impl Observation {
    /// The address, port and transport.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { ip: self.ip, port: self.port, transport: self.transport }
    }
}

/// What an endpoint is and how far it opens, with the reasons.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// Identifier of the fingerprint that decided, such as `kubernetes-apiserver`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Text>,
    /// The name people search for, such as `Kubernetes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Text>,
    /// The version, exactly as extracted; absent when the product does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// CPE 2.3 names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpe: Vec<Text>,
    /// How far the door opens.
    #[serde(default)]
    pub exposure: Exposure,
    /// For `controllable`: told or concluded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
    /// How bad that is for this product.
    #[serde(default)]
    pub severity: Severity,
    /// How sure.
    #[serde(default)]
    pub confidence: Confidence,
    /// Why the state was given, in one sentence.
    #[serde(default)]
    pub why: Text,
    /// Which rule of the fingerprint decided, such as `state[2]`; empty when none did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub rule: String,
    /// How to shut it, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<Text>,
    /// Side observations with a severity of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// What the fingerprint lists to be kept, such as `nodes` = `3`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, Text>,
    /// The requests and what they answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

/// What a request may do at most. Ordered from the mildest.
///
/// T0 connect, handshake, unsolicited greeting; T1 fixed metadata; T2 counts, empty sets, permission
/// answers; T3 a question that the protocol spells as POST, only where the scope allows it.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub enum RequestClass {
    /// Connect, handshake, greeting.
    T0,
    /// Fixed metadata.
    T1,
    /// Counts, empty sets and permission answers.
    T2,
    /// Questions spelt as POST.
    T3,
}

/// One question and the redacted answer on which a judgement rests.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Identifier of the request in the fingerprint, such as `version`; `canary` for the canary.
    pub request: String,
    /// Its class.
    pub class: RequestClass,
    /// What was sent, in one line, such as `GET /version`.
    pub asked: Text,
    /// What came back, in one line, redacted, such as `200 application/json, 263 bytes`.
    pub answered: Text,
}

/// HTTP facts of the main response (`GET /`, or the response that identified the product).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Http {
    /// Status code.
    pub status: u16,
    /// `<title>` of an HTML page, white space folded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Text>,
    /// `Server` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<Text>,
    /// `Location` header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Text>,
    /// `Host` header that was sent.
    #[serde(default)]
    pub host: Text,
    /// Body length as received, in bytes, at most the cap.
    #[serde(default)]
    pub body_bytes: u64,
    /// MurmurHash3 (x86, 32-bit, seed 0) of the body text, as Shodan's `http.html_hash`.
    #[serde(default)]
    pub html_hash: i32,
    /// The same of the head without values that change (`Date`).
    #[serde(default)]
    pub headers_hash: i32,
    /// The favicon, where a fingerprint asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub favicon: Option<Favicon>,
}

/// A favicon.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Favicon {
    /// MurmurHash3 (x86, 32-bit, seed 0) over the base64 text with line breaks, as Shodan's.
    pub hash: i32,
    /// The path asked for.
    pub path: Text,
}

/// Whether the server asked its client for a certificate.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificate {
    /// No `CertificateRequest` was seen.
    #[default]
    NotRequested,
    /// Asked for, and went on without.
    Requested,
    /// Asked for, and refused to go on without.
    Required,
}

/// TLS facts of one handshake.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tls {
    /// Negotiated version: `TLSv1.3`, `TLSv1.2`, `TLSv1.1`, `TLSv1`, `SSLv3`.
    pub version: Text,
    /// Negotiated cipher suite, IANA name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher: Option<Text>,
    /// Negotiated application protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<Text>,
    /// Whether a client certificate is asked for.
    #[serde(default)]
    pub client_certificate: ClientCertificate,
    /// The chain as sent, leaf first. Empty when the handshake failed before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Certificate>,
    /// Why the handshake did not complete, such as `alert: protocol_version`; absent when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Text>,
}

/// One X.509 certificate, reduced to what searches and reports need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Subject, RFC 4514 order as in the certificate, such as `O=k3s, CN=k3s`.
    pub subject: Text,
    /// First common name of the subject.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject_cn: Option<Text>,
    /// Issuer, as `subject`.
    pub issuer: Text,
    /// First common name of the issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer_cn: Option<Text>,
    /// Subject alternative names: DNS names and addresses, as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sans: Vec<Text>,
    /// Serial number, upper-case hexadecimal without leading zeros.
    pub serial: Text,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// Signature algorithm, such as `sha256WithRSAEncryption`.
    pub signature_algorithm: Text,
    /// Key type: `rsa`, `ec`, `ed25519`, `ed448`, `dsa`, or the object identifier.
    pub key_type: Text,
    /// Key size in bits; 0 when unknown.
    pub key_bits: u32,
    /// SHA-256 of the DER encoding, 64 lower-case hexadecimal digits.
    pub sha256: Text,
    /// SHA-1 of the DER encoding, 40 lower-case hexadecimal digits.
    pub sha1: Text,
    /// Subject equals issuer.
    pub self_signed: bool,
}

/// Where an address is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// ISO 3166-1 alpha-2, upper case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country_code: Option<Text>,
    /// English name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country_name: Option<Text>,
    /// First-level subdivision: code where the file has one, else its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Text>,
    /// City, English name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<Text>,
    /// Postal code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub postal: Option<Text>,
    /// Degrees north.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latitude: Option<f64>,
    /// Degrees east.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longitude: Option<f64>,
}

/// Whose network an address is in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Network {
    /// Autonomous system number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// Organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub org: Option<Text>,
    /// Internet service provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isp: Option<Text>,
}

/// Which cloud an address is in.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cloud {
    /// `aws`, `azure`, `gcp` ...
    pub provider: Text,
    /// The provider's region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Text>,
    /// The provider's service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Text>,
}

/// An observation as the store gives it back: with its place in the history of its endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Identifier of the stored observation, unique in one data directory and growing with time.
    pub id: u64,
    /// When the endpoint was first seen at all.
    pub first_seen: Timestamp,
    /// When this very answer was last seen (at least the observation's own time).
    pub last_seen: Timestamp,
    /// How often this very answer was seen, 1 or more.
    pub times_seen: u32,
    /// True for the newest observation of its endpoint.
    pub latest: bool,
    /// What was seen.
    pub observation: Observation,
}
