//! The one catalogue of searchable fields: parser, store, help, completion and API all read it.

use std::{borrow::Cow, net::IpAddr};

use jiff::Timestamp;
use nightlatch_finding::Severity;

use crate::{Exposure, Record};

/// How the values of a field are compared.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// Whole value, upper and lower case alike; `*` and `?` as wildcards.
    Keyword,
    /// Words and phrases anywhere in the value; the whole value with `=`.
    Text,
    /// An integer between the bounds; ranges and comparisons.
    Number {
        /// Smallest value that a query may name.
        min: i64,
        /// Largest value that a query may name.
        max: i64,
    },
    /// A word of an ordered list; comparisons follow the list.
    Ladder(&'static [&'static str]),
    /// An address; a query may name a block.
    Ip,
    /// A point in time, compared to the second.
    Date,
    /// True or false.
    Flag,
    /// A position on Earth: `lat,lon[,km]` or `top,left,bottom,right`.
    Geo,
}

/// One value of one field of one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Of a [`Kind::Keyword`], [`Kind::Text`] field.
    Text(Cow<'a, str>),
    /// Of a [`Kind::Number`] field; of a [`Kind::Ladder`], the index in its list.
    Number(i64),
    /// Of a [`Kind::Ip`] field.
    Ip(IpAddr),
    /// Of a [`Kind::Date`] field.
    Date(Timestamp),
    /// Of a [`Kind::Flag`] field.
    Flag(bool),
    /// Of a [`Kind::Geo`] field, degrees.
    Geo {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
    },
}

/// What the catalogue says about a field.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// The field.
    pub field: Field,
    /// The one name.
    pub name: &'static str,
    /// Other names understood in queries, mostly Shodan's.
    pub aliases: &'static [&'static str],
    /// How values compare.
    pub kind: Kind,
    /// Whether it can be counted by value (`stats --facets`).
    pub facet: bool,
    /// Whether one record can hold several values.
    pub many: bool,
    /// One line for help.
    pub help: &'static str,
    /// A query that works.
    pub example: &'static str,
}

/// A name that no field has.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("unknown field `{name}`")]
pub struct UnknownField {
    /// The name as given.
    pub name: String,
    /// The most similar known name, if any is similar.
    pub nearest: Option<&'static str>,
}

macro_rules! fields {
    ($( $id:ident $name:literal [$($alias:literal),*] $kind:expr, $facet:ident $many:ident, $help:literal, $example:literal; )*) => {
        /// A searchable field.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Field {
            $( #[doc = $help] $id, )*
        }

        /// Every searchable field, in the order of [`Field`].
        pub static CATALOGUE: &[FieldInfo] = &[
            $( FieldInfo { field: Field::$id, name: $name, aliases: &[$($alias),*], kind: $kind,
                facet: fields!(@bool $facet), many: fields!(@bool $many), help: $help, example: $example }, )*
        ];
    };
    (@bool facet) => { true };
    (@bool many) => { true };
    (@bool no) => { false };
    (@bool one) => { false };
}

const PORT: Kind = Kind::Number { min: 0, max: 65_535 };
const HASH: Kind = Kind::Number { min: i32::MIN as i64, max: i32::MAX as i64 };
const COUNT: Kind = Kind::Number { min: 0, max: u32::MAX as i64 };
const SEVERITIES: &[&str] = &["info", "low", "medium", "high", "critical"];

fields! {
    Data "data" ["all"] Kind::Text, no one, "The response itself; what words without a field search.", "data:\"docker cluster\"";
    Ip "ip" ["net", "ip_str", "ipv6"] Kind::Ip, facet one, "Address or block, IPv4 or IPv6.", "net:192.0.2.0/24";
    Port "port" [] PORT, facet one, "Port number.", "port:8000-8100";
    Transport "transport" [] Kind::Keyword, facet one, "tcp or udp.", "transport:tcp";
    Protocol "protocol" ["module", "shodan.module"] Kind::Keyword, facet one, "The conversation held: http, https, mysql, redis ...", "protocol:https";
    Product "product" [] Kind::Text, facet one, "Product name.", "product:Kubernetes";
    Fingerprint "fingerprint" [] Kind::Keyword, facet one, "Identifier of the deciding fingerprint.", "fingerprint:kubernetes-apiserver";
    Version "version" [] Kind::Keyword, facet one, "Version as the product tells it.", "version:1.20*";
    Cpe "cpe" ["cpe23"] Kind::Keyword, facet many, "CPE 2.3 name; one of CPE 2.2 stands for all that begin so.", "cpe:\"cpe:/a:docker:docker\"";
    Os "os" [] Kind::Text, facet one, "Operating system, where the product tells it.", "os:linux";
    Exposure "exposure" [] Kind::Ladder(&Exposure::WORDS), facet one, "How far the door opens.", "exposure:>=readable";
    Severity "severity" [] Kind::Ladder(SEVERITIES), facet one, "How bad that is.", "severity:high,critical";
    Proof "proof" [] Kind::Keyword, facet one, "For controllable: proven or inferred.", "proof:proven";
    Confidence "confidence" [] Kind::Keyword, facet one, "How sure the verdict is: low, medium, high.", "confidence:high";
    Finding "finding" [] Kind::Keyword, facet many, "Identifier of a side finding.", "finding:legacy-discovery-binding";
    Fact "fact" [] Kind::Keyword, facet many, "A kept fact as name=value.", "fact:nodes=*";
    Owner "owner" [] Kind::Text, facet one, "Who answers for the address, from the scope.", "owner:\"platform team\"";
    Tag "tag" ["tags"] Kind::Keyword, facet many, "Words such as cloud, self-signed, plaintext, cdn.", "tag:self-signed";
    Org "org" [] Kind::Text, facet one, "Organisation that holds the network.", "org:\"Example Corp\"";
    Isp "isp" [] Kind::Text, facet one, "Internet service provider.", "isp:example";
    Asn "asn" [] Kind::Keyword, facet one, "Autonomous system.", "asn:AS64496";
    Country "country" ["country_code"] Kind::Keyword, facet one, "ISO 3166 two-letter code.", "country:DE,FR";
    CountryName "country_name" [] Kind::Text, facet one, "Country, English name.", "country_name:germany";
    Region "region" ["state", "region_code"] Kind::Keyword, facet one, "State or other first-level subdivision.", "region:CA";
    City "city" [] Kind::Keyword, facet one, "City.", "city:\"San Diego\"";
    Postal "postal" [] Kind::Keyword, facet one, "Postal code.", "postal:92101";
    Geo "geo" [] Kind::Geo, no one, "Around a point (km) or inside a box.", "geo:32.8,-117,50";
    CloudProvider "cloud.provider" ["cloud"] Kind::Keyword, facet one, "Cloud provider.", "cloud.provider:aws";
    CloudRegion "cloud.region" [] Kind::Keyword, facet one, "The provider's region.", "cloud.region:us-east-1";
    CloudService "cloud.service" [] Kind::Keyword, facet one, "The provider's service.", "cloud.service:ec2";
    Hostname "hostname" ["hostnames"] Kind::Text, facet many, "Name of the address.", "hostname:example.com";
    Domain "domain" ["domains"] Kind::Keyword, facet many, "Registrable domain.", "domain:example.com";
    HttpStatus "http.status" ["status"] Kind::Number { min: 0, max: 999 }, facet one, "HTTP status code.", "http.status:200-299";
    HttpTitle "http.title" ["title"] Kind::Text, facet one, "Title of the page.", "http.title:dashboard";
    HttpServer "http.server" ["server"] Kind::Text, facet one, "Server header.", "http.server:nginx";
    HttpLocation "http.location" [] Kind::Text, facet one, "Location header.", "http.location:login";
    HttpHtmlHash "http.html_hash" [] HASH, facet one, "MurmurHash3 of the body.", "http.html_hash:-1840324437";
    HttpHeadersHash "http.headers_hash" [] HASH, facet one, "MurmurHash3 of the head without dates.", "http.headers_hash:1234";
    HttpFaviconHash "http.favicon.hash" [] HASH, facet one, "MurmurHash3 of the favicon, as Shodan's.", "http.favicon.hash:-585062213";
    Ssl "ssl" ["tls", "ssl.cert"] Kind::Text, no many, "Subjects, issuers and alternative names of the certificates.", "ssl:\"kubernetes default\"";
    SslVersion "ssl.version" ["tls.version", "ssl.cipher.version"] Kind::Keyword, facet one, "Negotiated TLS version.", "ssl.version:TLSv1.2";
    SslCipher "ssl.cipher.name" ["tls.cipher"] Kind::Keyword, facet one, "Negotiated cipher suite.", "ssl.cipher.name:TLS13*";
    SslAlpn "ssl.alpn" ["tls.alpn"] Kind::Keyword, facet one, "Negotiated application protocol.", "ssl.alpn:h2";
    SslClientCertificate "ssl.client_certificate" ["tls.client_certificate"] Kind::Keyword, facet one, "not-requested, requested or required.", "ssl.client_certificate:required";
    SslSubjectCn "ssl.cert.subject.cn" ["tls.subject"] Kind::Text, facet one, "Common name of the certificate.", "ssl.cert.subject.cn:kube-apiserver";
    SslIssuerCn "ssl.cert.issuer.cn" ["tls.issuer"] Kind::Text, facet one, "Common name of the issuer.", "ssl.cert.issuer.cn:kubernetes";
    SslSan "ssl.cert.san" ["tls.san"] Kind::Text, facet many, "Alternative names of the certificate.", "ssl.cert.san:\"kubernetes.default.svc\"";
    SslSerial "ssl.cert.serial" [] Kind::Keyword, facet one, "Serial number, hexadecimal; digits alone also decimal, as Shodan's.", "ssl.cert.serial:03E8";
    SslFingerprint "ssl.cert.fingerprint" ["tls.fingerprint"] Kind::Keyword, facet many, "SHA-256 or SHA-1 of the certificate.", "ssl.cert.fingerprint:9f86*";
    SslSignatureAlgorithm "ssl.cert.alg" [] Kind::Keyword, facet one, "Signature algorithm.", "ssl.cert.alg:sha256WithRSAEncryption";
    SslKeyType "ssl.cert.pubkey.type" [] Kind::Keyword, facet one, "Key type.", "ssl.cert.pubkey.type:rsa";
    SslKeyBits "ssl.cert.pubkey.bits" [] COUNT, facet one, "Key size in bits.", "ssl.cert.pubkey.bits:<2048";
    SslNotAfter "ssl.cert.not_after" ["ssl.cert.expires", "tls.not_after"] Kind::Date, no one, "End of validity.", "ssl.cert.not_after:<2027-01-01";
    SslExpired "ssl.cert.expired" [] Kind::Flag, facet one, "Expired when it was seen.", "ssl.cert.expired:true";
    SslChainCount "ssl.chain_count" [] COUNT, facet one, "Certificates sent.", "ssl.chain_count:1";
    Hash "hash" [] HASH, facet one, "MurmurHash3 of the data.", "hash:-553166942";
    Run "run" ["scan"] Kind::Keyword, facet one, "Run that saw this answer first.", "run:20260921T101500Z-7f3a";
    Time "time" ["timestamp"] Kind::Date, no one, "When this answer was first seen.", "time:>=2026-09-01";
    FirstSeen "first_seen" [] Kind::Date, no one, "When the endpoint was first seen at all.", "first_seen:>=7d";
    LastSeen "last_seen" [] Kind::Date, no one, "When this answer was last seen.", "last_seen:<2026-09-01";
}

impl Field {
    /// What the catalogue says about it.
    pub fn info(self) -> &'static FieldInfo {
        &CATALOGUE[self as usize]
    }

    /// The one name.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Finds a field by its name or an alias.
    ///
    /// # Errors
    /// [`UnknownField`], with the nearest known name.
    pub fn named(name: &str) -> Result<Self, UnknownField> {
        CATALOGUE
            .iter()
            .find(|info| info.name == name || info.aliases.contains(&name))
            .map(|info| info.field)
            .ok_or_else(|| UnknownField {
                name: name.to_owned(),
                nearest: nearest(name, CATALOGUE.iter().flat_map(|i| [&[i.name][..], i.aliases].concat())),
            })
    }

    /// Calls `sink` with every value of this field in `record`; not at all when the field is absent.
    pub fn values<'a>(self, record: &'a Record, sink: &mut dyn FnMut(Value<'a>)) {
        let o = &record.observation;
        let v = &o.verdict;
        let mut text = |t: &'a str| {
            if !t.is_empty() {
                sink(Value::Text(Cow::Borrowed(t)));
            }
        };
        match self {
            Self::Data => text(o.data.raw()),
            Self::Ip => sink(Value::Ip(o.ip)),
            Self::Port => sink(Value::Number(o.port.into())),
            Self::Transport => text(o.transport.as_str()),
            Self::Protocol => text(&o.protocol),
            Self::Product => v.product.iter().for_each(|t| text(t.raw())),
            Self::Fingerprint => v.fingerprint.iter().for_each(|t| text(t.raw())),
            Self::Version => v.version.iter().for_each(|t| text(t.raw())),
            Self::Cpe => v.cpe.iter().for_each(|t| text(t.raw())),
            Self::Os => o.os.iter().for_each(|t| text(t.raw())),
            Self::Exposure => sink(Value::Number(v.exposure as i64)),
            Self::Severity => sink(Value::Number(v.severity as i64)),
            Self::Proof => v.proof.iter().for_each(|p| text(p.as_str())),
            Self::Confidence => text(v.confidence.as_str()),
            Self::Finding => v.findings.iter().for_each(|f| text(&f.id)),
            Self::Fact => v
                .facts
                .iter()
                .for_each(|(name, value)| sink(Value::Text(Cow::Owned(format!("{name}={}", value.raw()))))),
            Self::Owner => o.owner.iter().for_each(|t| text(t.raw())),
            Self::Tag => o.tags.iter().for_each(|t| text(t.raw())),
            Self::Org => network(record, |n| n.org.as_ref(), &mut text),
            Self::Isp => network(record, |n| n.isp.as_ref(), &mut text),
            Self::Asn => {
                let asn = o.network.as_ref().and_then(|n| n.asn);
                asn.iter().for_each(|asn| sink(Value::Text(Cow::Owned(format!("AS{asn}")))));
            }
            Self::Country => place(record, |p| p.country_code.as_ref(), &mut text),
            Self::CountryName => place(record, |p| p.country_name.as_ref(), &mut text),
            Self::Region => place(record, |p| p.region.as_ref(), &mut text),
            Self::City => place(record, |p| p.city.as_ref(), &mut text),
            Self::Postal => place(record, |p| p.postal.as_ref(), &mut text),
            Self::Geo => {
                if let Some((latitude, longitude)) =
                    o.place.as_ref().and_then(|p| p.latitude.zip(p.longitude))
                {
                    sink(Value::Geo { latitude, longitude });
                }
            }
            Self::CloudProvider => o.cloud.iter().for_each(|c| text(c.provider.raw())),
            Self::CloudRegion => o.cloud.iter().filter_map(|c| c.region.as_ref()).for_each(|t| text(t.raw())),
            Self::CloudService => {
                o.cloud.iter().filter_map(|c| c.service.as_ref()).for_each(|t| text(t.raw()))
            }
            Self::Hostname => o.hostnames.iter().for_each(|t| text(t.raw())),
            Self::Domain => o.domains.iter().for_each(|t| text(t.raw())),
            // An imported banner may lack it, which is kept as 0: no status of HTTP.
            Self::HttpStatus => {
                o.http.iter().filter(|h| h.status > 0).for_each(|h| sink(Value::Number(h.status.into())));
            }
            Self::HttpTitle => o.http.iter().filter_map(|h| h.title.as_ref()).for_each(|t| text(t.raw())),
            Self::HttpServer => o.http.iter().filter_map(|h| h.server.as_ref()).for_each(|t| text(t.raw())),
            Self::HttpLocation => {
                o.http.iter().filter_map(|h| h.location.as_ref()).for_each(|t| text(t.raw()))
            }
            Self::HttpHtmlHash => o.http.iter().for_each(|h| sink(Value::Number(h.html_hash.into()))),
            Self::HttpHeadersHash => o.http.iter().for_each(|h| sink(Value::Number(h.headers_hash.into()))),
            Self::HttpFaviconHash => o
                .http
                .iter()
                .filter_map(|h| h.favicon.as_ref())
                .for_each(|f| sink(Value::Number(f.hash.into()))),
            Self::Ssl => o.tls.iter().flat_map(|t| &t.chain).for_each(|c| {
                text(c.subject.raw());
                text(c.issuer.raw());
                c.sans.iter().for_each(|san| text(san.raw()));
            }),
            Self::SslVersion => o.tls.iter().for_each(|t| text(t.version.raw())),
            Self::SslCipher => o.tls.iter().filter_map(|t| t.cipher.as_ref()).for_each(|t| text(t.raw())),
            Self::SslAlpn => o.tls.iter().filter_map(|t| t.alpn.as_ref()).for_each(|t| text(t.raw())),
            Self::SslClientCertificate => o.tls.iter().for_each(|t| text(t.client_certificate.as_str())),
            Self::SslSubjectCn => {
                leaf(record).filter_map(|c| c.subject_cn.as_ref()).for_each(|t| text(t.raw()))
            }
            Self::SslIssuerCn => {
                leaf(record).filter_map(|c| c.issuer_cn.as_ref()).for_each(|t| text(t.raw()))
            }
            Self::SslSan => leaf(record).flat_map(|c| &c.sans).for_each(|t| text(t.raw())),
            Self::SslSerial => leaf(record).for_each(|c| text(c.serial.raw())),
            Self::SslFingerprint => leaf(record).for_each(|c| {
                text(c.sha256.raw());
                text(c.sha1.raw());
            }),
            Self::SslSignatureAlgorithm => leaf(record).for_each(|c| text(c.signature_algorithm.raw())),
            Self::SslKeyType => leaf(record).for_each(|c| text(c.key_type.raw())),
            Self::SslKeyBits => leaf(record).for_each(|c| sink(Value::Number(c.key_bits.into()))),
            Self::SslNotAfter => leaf(record).for_each(|c| sink(Value::Date(c.not_after))),
            Self::SslExpired => leaf(record).for_each(|c| sink(Value::Flag(c.not_after < o.time))),
            Self::SslChainCount => o
                .tls
                .iter()
                .filter(|t| !t.chain.is_empty())
                .for_each(|t| sink(Value::Number(i64::try_from(t.chain.len()).unwrap_or(i64::MAX)))),
            Self::Hash => sink(Value::Number(murmur3_32(o.data.raw().as_bytes()).into())),
            Self::Run => text(&o.run.0),
            Self::Time => sink(Value::Date(o.time)),
            Self::FirstSeen => sink(Value::Date(record.first_seen)),
            Self::LastSeen => sink(Value::Date(record.last_seen)),
        }
    }

    /// Every value of this field in `record`.
    pub fn collect(self, record: &Record) -> Vec<Value<'_>> {
        let mut values = Vec::new();
        self.values(record, &mut |value| values.push(value));
        values
    }
}

fn leaf(record: &Record) -> impl Iterator<Item = &crate::Certificate> {
    record.observation.tls.iter().filter_map(|t| t.chain.first())
}

fn network<'a>(
    record: &'a Record,
    part: fn(&crate::Network) -> Option<&nightlatch_untrusted::Text>,
    text: &mut impl FnMut(&'a str),
) {
    if let Some(value) = record.observation.network.as_ref().and_then(part) {
        text(value.raw());
    }
}

fn place<'a>(
    record: &'a Record,
    part: fn(&crate::Place) -> Option<&nightlatch_untrusted::Text>,
    text: &mut impl FnMut(&'a str),
) {
    if let Some(value) = record.observation.place.as_ref().and_then(part) {
        text(value.raw());
    }
}

impl crate::ClientCertificate {
    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotRequested => "not-requested",
            Self::Requested => "requested",
            Self::Required => "required",
        }
    }
}

/// MurmurHash3, x86, 32 bits, seed 0, as a signed number: Shodan's `hash` of a banner.
///
/// Source: the reference implementation's published test vectors; Shodan's documented samples.
pub fn murmur3_32(bytes: &[u8]) -> i32 {
    const C1: u32 = 0xcc9e_2d51;
    const C2: u32 = 0x1b87_3593;
    let mix = |k: u32| k.wrapping_mul(C1).rotate_left(15).wrapping_mul(C2);
    let mut hash = 0u32;
    let mut chunks = bytes.chunks_exact(4);
    for chunk in &mut chunks {
        hash ^= mix(u32::from_le_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]));
        hash = hash.rotate_left(13).wrapping_mul(5).wrapping_add(0xe654_6b64);
    }
    let tail = chunks.remainder();
    if !tail.is_empty() {
        let k = tail.iter().rev().fold(0u32, |k, byte| (k << 8) | u32::from(*byte));
        hash ^= mix(k);
    }
    hash ^= bytes.len() as u32;
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^= hash >> 16;
    hash as i32
}

/// The most similar of `known` names, if one is similar enough to be a slip of the pen.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).clamp(1, 3);
    known
        .into_iter()
        .map(|candidate| (edit_distance(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) that make `a` into `b`.
pub fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let replace = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

const _: () = assert!(Severity::ALL.len() == SEVERITIES.len());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_positions_agree() {
        let mut seen = std::collections::BTreeSet::new();
        for (position, info) in CATALOGUE.iter().enumerate() {
            assert_eq!(info.field as usize, position);
            for name in [&[info.name][..], info.aliases].concat() {
                assert!(seen.insert(name), "{name} twice");
                assert_eq!(Field::named(name), Ok(info.field));
            }
        }
    }

    #[test]
    fn severity_words_follow_the_scale() {
        assert!(Severity::ALL.iter().map(|s| s.as_str()).eq(SEVERITIES.iter().copied()));
    }

    #[test]
    fn unknown_names_get_the_nearest() {
        assert_eq!(Field::named("prodcut").unwrap_err().nearest, Some("product"));
        assert_eq!(Field::named("zzzzzz").unwrap_err().nearest, None);
    }

    /// Values that Shodan documents for its `hash` filter.
    #[test]
    fn hash_reproduces_shodans_samples() {
        assert_eq!(murmur3_32(b"SOMETHING"), -82460412);
        assert_eq!(murmur3_32(b"\nRecursion: enabled"), -553166942);
        assert_eq!(murmur3_32(b""), 0);
    }
}
