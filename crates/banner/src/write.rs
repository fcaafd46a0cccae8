//! From a record to a banner.

use std::net::IpAddr;

use jiff::tz::TimeZone;
use nightlatch_asset::{Http, Network, Observation, Place, Record, Text, Timestamp, Tls, murmur3_32};

use crate::certificate;
use crate::shape::{
    Banner, BannerCloud, Cipher, EmptyPart, HttpFavicon, HttpPart, Location, Own, OwnHttp, OwnTls, SCHEMA,
    ShodanOptions, ShodanPart, SslPart,
};

/// Puts a record into Shodan's shape, with our own words under `nightlatch`.
pub fn to_banner(record: &Record) -> Banner {
    let seen = &record.observation;
    let verdict = &seen.verdict;
    let (ip, ipv6) = match seen.ip {
        IpAddr::V4(v4) => (Some(u32::from(v4)), None),
        IpAddr::V6(v6) => (None, Some(v6.to_string())),
    };
    let network = seen.network.as_ref();
    Banner {
        shodan: shodan_part(record),
        data: seen.data.clone(),
        hash: murmur3_32(seen.data.raw().as_bytes()),
        ip,
        ip_str: seen.ip.to_string(),
        ipv6,
        port: seen.port,
        transport: seen.transport,
        timestamp: timestamp(seen.time),
        hostnames: seen.hostnames.clone(),
        domains: seen.domains.clone(),
        asn: network.and_then(|n| n.asn).map(|asn| format!("AS{asn}")),
        org: network.and_then(|n| n.org.clone()),
        isp: network.and_then(|n| n.isp.clone()),
        os: seen.os.clone(),
        product: verdict.product.clone(),
        version: verdict.version.clone(),
        cpe: verdict.cpe.iter().filter_map(|name| cpe22(name.raw())).collect(),
        cpe23: verdict.cpe.clone(),
        tags: seen.tags.clone(),
        location: seen.place.as_ref().map(location).unwrap_or_default(),
        cloud: seen.cloud.as_ref().map(|cloud| BannerCloud {
            provider: cloud.provider.clone(),
            region: cloud.region.clone(),
            service: cloud.service.clone(),
        }),
        http: seen.http.as_ref().map(http_part),
        ssl: seen.tls.as_ref().map(|tls| ssl_part(tls, seen.time)),
        title: seen.http.as_ref().and_then(|http| http.title.clone()),
        opts: Some(serde_json::Map::new()),
        nightlatch: own(record),
    }
}

fn shodan_part(record: &Record) -> ShodanPart {
    let seen = &record.observation;
    let run = Some(&seen.run.0).filter(|run| !run.is_empty());
    ShodanPart {
        id: uuid_shaped(record.id),
        module: seen.protocol.clone(),
        crawler: seen.run.0.clone(),
        ptr: seen.hostnames.first().is_some_and(|name| Some(name) != seen.asked_as.as_ref()),
        options: ShodanOptions { hostname: seen.asked_as.clone(), scan: run.cloned() },
    }
}

/// 64 bits in the places of a version 8 (custom) UUID, RFC 9562, section 5.8.
fn uuid_shaped(id: u64) -> String {
    format!("{:08x}-{:04x}-8000-8000-{:012x}", id >> 32, (id >> 16) & 0xffff, id & 0xffff)
}

/// UTC without a zone, always six digits of fraction.
pub(crate) fn timestamp(time: Timestamp) -> String {
    format!("{:.6}", TimeZone::UTC.to_datetime(time))
}

fn location(place: &Place) -> Location {
    Location {
        city: place.city.clone(),
        region_code: place.region.clone(),
        postal_code: place.postal.clone(),
        country_code: place.country_code.clone(),
        country_name: place.country_name.clone(),
        latitude: place.latitude,
        longitude: place.longitude,
        ..Location::default()
    }
}

fn http_part(http: &Http) -> HttpPart {
    let hash = |text: &Option<Text>| text.as_ref().map(|t| murmur3_32(t.raw().as_bytes()));
    HttpPart {
        status: (http.status > 0).then_some(http.status),
        title_hash: hash(&http.title),
        title: http.title.clone(),
        server_hash: hash(&http.server),
        server: http.server.clone(),
        host: http.host.clone(),
        location: http.location.clone(),
        html: None,
        html_hash: http.html_hash,
        headers_hash: http.headers_hash,
        favicon: http
            .favicon
            .as_ref()
            .map(|icon| HttpFavicon { hash: icon.hash, location: icon.path.clone() }),
        redirects: [],
        robots: None,
        robots_hash: None,
        sitemap: None,
        sitemap_hash: None,
        securitytxt: None,
        securitytxt_hash: None,
    }
}

fn ssl_part(tls: &Tls, seen: Timestamp) -> SslPart {
    SslPart {
        versions: Some(&tls.version).filter(|version| !version.is_empty()).cloned().into_iter().collect(),
        cipher: Cipher {
            version: tls.version.clone(),
            name: tls.cipher.clone(),
            bits: tls.cipher.as_ref().and_then(|name| cipher_bits(name.raw())),
        },
        cert: tls.chain.first().map(|leaf| certificate::to_cert(leaf, seen)),
        chain: [],
        alpn: tls.alpn.iter().cloned().collect(),
    }
}

/// Key size of the cipher in a suite's IANA name; none when the name does not say.
fn cipher_bits(suite: &str) -> Option<u32> {
    const BITS: [(&str, u32); 7] = [
        ("AES_128", 128),
        ("AES_256", 256),
        ("CHACHA20", 256),
        ("3DES_EDE", 112),
        ("RC4_128", 128),
        ("CAMELLIA_128", 128),
        ("CAMELLIA_256", 256),
    ];
    BITS.iter().find(|(word, _)| suite.contains(word)).map(|(_, bits)| *bits)
}

/// `cpe:2.3:a:docker:docker:20.10:*:...` as `cpe:/a:docker:docker:20.10`; none for another shape.
///
/// Source: NIST IR 7695, section 6.1 (URI binding), for names without escapes.
fn cpe22(name: &str) -> Option<Text> {
    let parts: Vec<&str> = name.strip_prefix("cpe:2.3:")?.split(':').collect();
    let told = parts.iter().take(4).take_while(|part| !matches!(**part, "*" | "-" | "")).count();
    (told >= 2 && !name.contains('\\')).then(|| Text::from(format!("cpe:/{}", parts[..told].join(":"))))
}

fn own(record: &Record) -> Own {
    let seen = &record.observation;
    let verdict = seen.verdict.clone();
    Own {
        schema: SCHEMA,
        id: record.id,
        time: seen.time,
        first_seen: record.first_seen,
        last_seen: record.last_seen,
        times_seen: record.times_seen,
        latest: record.latest,
        run: seen.run.clone(),
        protocol: seen.protocol.clone(),
        asked_as: seen.asked_as.clone(),
        owner: seen.owner.clone(),
        fingerprint: verdict.fingerprint,
        exposure: verdict.exposure,
        proof: verdict.proof,
        severity: verdict.severity,
        confidence: verdict.confidence,
        why: verdict.why,
        rule: verdict.rule,
        fix: verdict.fix,
        findings: verdict.findings,
        facts: verdict.facts,
        evidence: verdict.evidence,
        http: seen.http.as_ref().map(|http| OwnHttp { body_bytes: http.body_bytes }),
        tls: seen.tls.as_ref().map(|tls| OwnTls {
            client_certificate: tls.client_certificate,
            failure: tls.failure.clone(),
            chain: tls.chain.clone(),
        }),
        empty: empty_parts(seen),
    }
}

fn empty_parts(seen: &Observation) -> Vec<EmptyPart> {
    let mut empty = Vec::new();
    if seen.place == Some(Place::default()) {
        empty.push(EmptyPart::Place);
    }
    if seen.network == Some(Network::default()) {
        empty.push(EmptyPart::Network);
    }
    empty
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shaped_as_uuids() {
        assert_eq!(uuid_shaped(1), "00000000-0000-8000-8000-000000000001");
        assert_eq!(uuid_shaped(u64::MAX), "ffffffff-ffff-8000-8000-00000000ffff");
    }

    #[test]
    fn old_cpe_names_hold_what_is_told() {
        for (new, old) in [
            ("cpe:2.3:a:docker:docker:20.10.24:*:*:*:*:*:*:*", Some("cpe:/a:docker:docker:20.10.24")),
            ("cpe:2.3:a:etcd:etcd:*:*:*:*:*:*:*:*", Some("cpe:/a:etcd:etcd")),
            ("cpe:2.3:*:*", None),
            ("cpe:2.3:a:x\\:y:z:1", None),
            ("docker", None),
        ] {
            assert_eq!(cpe22(new).as_ref().map(Text::raw), old, "{new}");
        }
    }

    #[test]
    fn times_have_six_digits_and_no_zone() {
        let check = |given: &str, expected| assert_eq!(timestamp(given.parse().unwrap()), expected);
        check("2021-01-22T08:49:35.190817Z", "2021-01-22T08:49:35.190817");
        check("2021-01-22T08:49:35Z", "2021-01-22T08:49:35.000000");
        check("2021-01-22T08:49:35.1234567Z", "2021-01-22T08:49:35.123456");
    }

    #[test]
    fn cipher_names_tell_their_bits() {
        assert_eq!(cipher_bits("TLS13_AES_256_GCM_SHA384"), Some(256));
        assert_eq!(cipher_bits("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"), Some(128));
        assert_eq!(cipher_bits("TLS_NULL"), None);
    }
}
