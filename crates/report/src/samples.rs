//! Records for tests.

use std::collections::BTreeMap;

use nightlatch_asset::{
    Certificate, ClientCertificate, Cloud, Confidence, Evidence, Exposure, Favicon, Finding, Http, Network,
    Observation, Place, Proof, Record, RequestClass, RunId, Severity, Text, Timestamp, Tls, Transport,
    Verdict,
};

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn bare(ip: &str, port: u16) -> Record {
    let time = time("2026-09-21T10:15:00Z");
    let observation = Observation {
        ip: ip.parse().unwrap(),
        port,
        transport: Transport::Tcp,
        protocol: "http".into(),
        time,
        run: RunId("20260921T101500Z-7f3a".into()),
        asked_as: None,
        verdict: Verdict::default(),
        data: Text::default(),
        http: None,
        tls: None,
        hostnames: vec![],
        domains: vec![],
        place: None,
        network: None,
        cloud: None,
        owner: None,
        os: None,
        tags: Default::default(),
    };
    Record { id: 1, first_seen: time, last_seen: time, times_seen: 1, latest: true, observation }
}

pub(crate) fn docker() -> Record {
    let mut record = bare("192.0.2.7", 2375);
    let seen = &mut record.observation;
    seen.verdict = Verdict {
        fingerprint: Some("docker-engine".into()),
        product: Some("Docker".into()),
        version: Some("20.10.24".into()),
        exposure: Exposure::Controllable,
        proof: Some(Proof::Inferred),
        severity: Severity::Critical,
        confidence: Confidence::High,
        why:
            "the Engine API lists containers for a stranger, and takes orders from whoever it lists them for"
                .into(),
        rule: "state[0]".into(),
        fix: Some("listen on the Unix socket only, or demand client certificates (--tlsverify)".into()),
        findings: vec![Finding { id: "plaintext".into(), severity: Severity::Medium, title: String::new() }],
        facts: BTreeMap::from([("containers".into(), "3".into())]),
        evidence: vec![Evidence {
            request: "version".into(),
            class: RequestClass::T1,
            asked: "GET /version".into(),
            answered: "200 application/json, 263 bytes".into(),
        }],
        ..Verdict::default()
    };
    seen.http = Some(Http { status: 200, server: Some("Docker/20.10.24 (linux)".into()), ..Http::default() });
    seen.hostnames = vec!["build.example.com".into()];
    seen.domains = vec!["example.com".into()];
    seen.owner = Some("platform team".into());
    seen.network = Some(Network { asn: Some(64496), org: Some("Example Corp".into()), isp: None });
    record
}

pub(crate) fn kubernetes() -> Record {
    let mut record = bare("2001:db8:1234:5678:9abc:def0:1234:5678", 6443);
    let seen = &mut record.observation;
    seen.protocol = "https".into();
    seen.verdict.product = Some("Kubernetes".into());
    seen.verdict.version = Some("v1.31.4+k3s1-very-long-build".into());
    seen.verdict.exposure = Exposure::Limited;
    seen.verdict.severity = Severity::Low;
    seen.verdict.why = "a stranger learns the version, no more".into();
    seen.tls = Some(Tls {
        version: "TLSv1.3".into(),
        cipher: Some("TLS13_AES_128_GCM_SHA256".into()),
        alpn: Some("h2".into()),
        client_certificate: ClientCertificate::Requested,
        chain: vec![certificate()],
        failure: None,
    });
    record
}

pub(crate) fn certificate() -> Certificate {
    Certificate {
        subject: "CN=kube-apiserver".into(),
        subject_cn: Some("kube-apiserver".into()),
        issuer: "CN=kubernetes".into(),
        issuer_cn: Some("kubernetes".into()),
        sans: vec!["kubernetes.default.svc".into(), "10.96.0.1".into()],
        serial: "03E8".into(),
        not_before: time("2025-01-01T00:00:00Z"),
        not_after: time("2026-01-01T00:00:00Z"),
        signature_algorithm: "sha256WithRSAEncryption".into(),
        key_type: "rsa".into(),
        key_bits: 2048,
        sha256: "9f".repeat(32).into(),
        sha1: "ab".repeat(20).into(),
        self_signed: false,
    }
}

/// `text` in every place where something from outside can stand.
pub(crate) fn poisoned(text: &str) -> Record {
    let mut record = docker();
    let t = || Text::from(text);
    let seen = &mut record.observation;
    let verdict = &mut seen.verdict;
    for slot in [&mut verdict.fingerprint, &mut verdict.product, &mut verdict.version, &mut verdict.fix] {
        *slot = Some(t());
    }
    verdict.why = t();
    verdict.rule = text.into();
    verdict.cpe = vec![t()];
    verdict.findings = vec![Finding { id: text.into(), severity: Severity::High, title: text.into() }];
    verdict.facts = BTreeMap::from([(text.to_owned(), t())]);
    verdict.evidence =
        vec![Evidence { request: text.into(), class: RequestClass::T1, asked: t(), answered: t() }];
    seen.protocol = text.into();
    seen.run = RunId(text.into());
    for slot in [&mut seen.asked_as, &mut seen.owner, &mut seen.os] {
        *slot = Some(t());
    }
    seen.data = t();
    seen.hostnames = vec![t()];
    seen.domains = vec![t()];
    seen.tags = [t()].into();
    seen.http = Some(Http {
        title: Some(t()),
        server: Some(t()),
        location: Some(t()),
        host: t(),
        favicon: Some(Favicon { hash: 1, path: t() }),
        ..Http::default()
    });
    seen.place = Some(Place {
        country_code: Some(t()),
        country_name: Some(t()),
        region: Some(t()),
        city: Some(t()),
        postal: Some(t()),
        ..Place::default()
    });
    seen.network = Some(Network { asn: Some(1), org: Some(t()), isp: Some(t()) });
    seen.cloud = Some(Cloud { provider: t(), region: Some(t()), service: Some(t()) });
    let mut leaf = certificate();
    for slot in [
        &mut leaf.subject,
        &mut leaf.issuer,
        &mut leaf.serial,
        &mut leaf.signature_algorithm,
        &mut leaf.key_type,
    ] {
        *slot = t();
    }
    leaf.subject_cn = Some(t());
    leaf.issuer_cn = Some(t());
    leaf.sans = vec![t(), t()];
    leaf.sha256 = t();
    leaf.sha1 = t();
    seen.tls = Some(Tls {
        version: t(),
        cipher: Some(t()),
        alpn: Some(t()),
        failure: Some(t()),
        chain: vec![leaf],
        ..Tls::default()
    });
    record
}
