//! Observations for tests: one that is full, and a strategy that makes all that the types allow.

use std::collections::BTreeMap;
use std::net::IpAddr;

use nightlatch_asset::{
    Certificate, ClientCertificate, Cloud, Confidence, Evidence, Exposure, Favicon, Finding, Http, Network,
    Observation, Place, Proof, Record, RequestClass, RunId, Severity, Text, Timestamp, Tls, Transport,
    Verdict,
};
use nightlatch_untrusted::hostile;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

/// A Docker Engine that takes orders from anyone, with every part filled in.
pub(crate) fn full() -> Record {
    let time: Timestamp = "2026-09-21T10:15:00.123456789Z".parse().unwrap();
    let observation = Observation {
        ip: "192.0.2.7".parse().unwrap(),
        port: 2375,
        transport: Transport::Tcp,
        protocol: "http".into(),
        time,
        run: RunId("20260921T101500Z-7f3a".into()),
        asked_as: Some("build.example.com".into()),
        verdict: Verdict {
            fingerprint: Some("docker-engine".into()),
            product: Some("Docker".into()),
            version: Some("20.10.24".into()),
            cpe: vec!["cpe:2.3:a:docker:docker:20.10.24:*:*:*:*:*:*:*".into()],
            exposure: Exposure::Controllable,
            proof: Some(Proof::Inferred),
            severity: Severity::Critical,
            confidence: Confidence::High,
            why: "the Engine API answers a stranger".into(),
            rule: "state[0]".into(),
            fix: Some("listen on the Unix socket only".into()),
            findings: vec![Finding {
                id: "plaintext".into(),
                severity: Severity::Medium,
                title: "no TLS".into(),
            }],
            facts: BTreeMap::from([("containers".into(), "3".into())]),
            evidence: vec![Evidence {
                request: "version".into(),
                class: RequestClass::T1,
                asked: "GET /version".into(),
                answered: "200 application/json, 263 bytes".into(),
            }],
        },
        data: "HTTP/1.1 200 OK\r\nServer: Docker/20.10.24 (linux)\r\n".into(),
        http: Some(Http {
            status: 200,
            title: Some("Engine".into()),
            server: Some("Docker/20.10.24 (linux)".into()),
            location: None,
            host: "build.example.com".into(),
            body_bytes: 263,
            html_hash: -5,
            headers_hash: 7,
            favicon: Some(Favicon { hash: -585_062_213, path: "/favicon.ico".into() }),
        }),
        tls: Some(Tls {
            version: "TLSv1.3".into(),
            cipher: Some("TLS13_AES_256_GCM_SHA384".into()),
            alpn: Some("http/1.1".into()),
            client_certificate: ClientCertificate::Requested,
            chain: vec![certificate(time)],
            failure: None,
        }),
        hostnames: vec!["build.example.com".into()],
        domains: vec!["example.com".into()],
        place: Some(Place {
            country_code: Some("DE".into()),
            country_name: Some("Germany".into()),
            region: Some("BE".into()),
            city: Some("Berlin".into()),
            postal: Some("10115".into()),
            latitude: Some(52.52),
            longitude: Some(13.405),
        }),
        network: Some(Network {
            asn: Some(64496),
            org: Some("Example Corp".into()),
            isp: Some("Example Net".into()),
        }),
        cloud: Some(Cloud {
            provider: "aws".into(),
            region: Some("eu-central-1".into()),
            service: Some("EC2".into()),
        }),
        owner: Some("platform team".into()),
        os: Some("linux".into()),
        tags: ["cloud", "plaintext"].into_iter().map(Text::from).collect(),
    };
    Record { id: 42, first_seen: time, last_seen: time, times_seen: 1, latest: true, observation }
}

fn certificate(time: Timestamp) -> Certificate {
    Certificate {
        subject: "O=Example, CN=build.example.com".into(),
        subject_cn: Some("build.example.com".into()),
        issuer: "O=Example, CN=ca".into(),
        issuer_cn: Some("ca".into()),
        sans: vec!["build.example.com".into(), "192.0.2.7".into()],
        serial: "0102030405060708090A".into(),
        not_before: time,
        not_after: "2031-01-01T00:00:00Z".parse().unwrap(),
        signature_algorithm: "sha256WithRSAEncryption".into(),
        key_type: "rsa".into(),
        key_bits: 2048,
        sha256: "9f".repeat(32).into(),
        sha1: "ab".repeat(20).into(),
        self_signed: false,
    }
}

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![any::<String>(), select(hostile::CORPUS).prop_map(str::to_owned), "[a-z]{0,8}"]
        .prop_map(Text::from)
}

fn word() -> impl Strategy<Value = String> {
    text().prop_map(|t| t.raw().to_owned())
}

fn time() -> impl Strategy<Value = Timestamp> {
    // Seconds around the ends that the type allows, and nanoseconds.
    (-377_705_000_000i64..253_402_000_000, 0i32..1_000_000_000)
        .prop_map(|(seconds, nanos)| Timestamp::new(seconds, nanos).unwrap())
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("a position is finite", |f| f.is_finite())
}

fn address() -> impl Strategy<Value = IpAddr> {
    any::<IpAddr>().prop_map(|ip| ip.to_canonical())
}

prop_compose! {
    fn verdict()(
        words in (option::of(text()), option::of(text()), option::of(text()), vec(text(), 0..3)),
        exposure in select(&Exposure::ALL[..]),
        proof in option::of(select(&[Proof::Inferred, Proof::Proven][..])),
        severity in select(&Severity::ALL[..]),
        confidence in select(&[Confidence::Low, Confidence::Medium, Confidence::High][..]),
        reasons in (text(), word(), option::of(text())),
        findings in vec((word(), select(&Severity::ALL[..]), word()), 0..3),
        facts in btree_map(word(), text(), 0..3),
        evidence in vec((word(), select(&[RequestClass::T0, RequestClass::T1, RequestClass::T2, RequestClass::T3][..]), text(), text()), 0..3),
    ) -> Verdict {
        let (fingerprint, product, version, cpe) = words;
        let (why, rule, fix) = reasons;
        Verdict {
            fingerprint, product, version, cpe, exposure, proof, severity, confidence, why, rule, fix, facts,
            findings: findings.into_iter().map(|(id, severity, title)| Finding { id, severity, title }).collect(),
            evidence: evidence.into_iter().map(|(request, class, asked, answered)| Evidence { request, class, asked, answered }).collect(),
        }
    }
}

prop_compose! {
    fn http()(
        status in any::<u16>(),
        words in (option::of(text()), option::of(text()), option::of(text()), text()),
        body_bytes in any::<u64>(),
        hashes in any::<(i32, i32)>(),
        favicon in option::of((any::<i32>(), text())),
    ) -> Http {
        let (title, server, location, host) = words;
        Http {
            status, title, server, location, host, body_bytes,
            html_hash: hashes.0, headers_hash: hashes.1,
            favicon: favicon.map(|(hash, path)| Favicon { hash, path }),
        }
    }
}

prop_compose! {
    fn chain_link()(
        names in (text(), option::of(text()), text(), option::of(text()), vec(text(), 0..3)),
        serial in prop_oneof![text(), "[0-9A-F]{1,40}".prop_map(Text::from)],
        dates in (time(), time()),
        words in (text(), text(), text(), text()),
        key_bits in any::<u32>(),
        self_signed in any::<bool>(),
    ) -> Certificate {
        Certificate {
            subject: names.0, subject_cn: names.1, issuer: names.2, issuer_cn: names.3, sans: names.4, serial,
            not_before: dates.0, not_after: dates.1, signature_algorithm: words.0, key_type: words.1,
            sha256: words.2, sha1: words.3, key_bits, self_signed,
        }
    }
}

prop_compose! {
    fn tls()(
        version in text(),
        words in (option::of(text()), option::of(text()), option::of(text())),
        client_certificate in select(&[ClientCertificate::NotRequested, ClientCertificate::Requested, ClientCertificate::Required][..]),
        chain in vec(chain_link(), 0..3),
    ) -> Tls {
        let (cipher, alpn, failure) = words;
        Tls { version, cipher, alpn, failure, client_certificate, chain }
    }
}

prop_compose! {
    fn place()(
        words in (option::of(text()), option::of(text()), option::of(text()), option::of(text()), option::of(text())),
        position in (option::of(finite()), option::of(finite())),
    ) -> Place {
        Place {
            country_code: words.0, country_name: words.1, region: words.2, city: words.3, postal: words.4,
            latitude: position.0, longitude: position.1,
        }
    }
}

prop_compose! {
    /// Any observation that the types allow (positions finite, addresses canonical).
    pub(crate) fn observation()(
        endpoint in (address(), any::<u16>(), select(&[Transport::Tcp, Transport::Udp][..]), word()),
        time in time(),
        run in word(),
        words in (option::of(text()), text(), option::of(text()), option::of(text())),
        verdict in verdict(),
        http in option::of(http()),
        tls in option::of(tls()),
        names in (vec(text(), 0..3), vec(text(), 0..3), btree_set(text(), 0..3)),
        place in option::of(place()),
        network in option::of((option::of(any::<u32>()), option::of(text()), option::of(text()))),
        cloud in option::of((text(), option::of(text()), option::of(text()))),
    ) -> Observation {
        let (ip, port, transport, protocol) = endpoint;
        let (asked_as, data, owner, os) = words;
        let (hostnames, domains, tags) = names;
        Observation {
            ip, port, transport, protocol, time, run: RunId(run), asked_as, verdict, data, http, tls, hostnames,
            domains, place,
            network: network.map(|(asn, org, isp)| Network { asn, org, isp }),
            cloud: cloud.map(|(provider, region, service)| Cloud { provider, region, service }),
            owner, os, tags,
        }
    }
}

/// The record of an observation seen once.
pub(crate) fn record(observation: Observation) -> Record {
    let time = observation.time;
    Record { id: 1, first_seen: time, last_seen: time, times_seen: 1, latest: true, observation }
}
