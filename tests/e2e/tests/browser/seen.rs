//! Observations for the pages: a few ordinary ones, and one for each attack.

use std::collections::BTreeMap;

use nightlatch_asset::{
    Certificate, Cloud, Confidence, Evidence, Exposure, Favicon, Finding, Http, Network, Observation, Place,
    Proof, RequestClass, RunId, Severity, Text, Timestamp, Tls, Transport, Verdict,
};
use nightlatch_untrusted::hostile;

/// A Docker daemon that takes orders from anybody, with everything that a page can show.
pub(crate) fn docker(ip: &str) -> Observation {
    let time = Timestamp::from_second(Timestamp::now().as_second() - 7_200).unwrap();
    Observation {
        ip: ip.parse().unwrap(),
        port: 2375,
        transport: Transport::Tcp,
        protocol: "http".into(),
        time,
        run: RunId("20260921T101500Z-7f3a".into()),
        asked_as: None,
        verdict: Verdict {
            fingerprint: Some("docker-engine".into()),
            product: Some("Docker".into()),
            version: Some("20.10.24".into()),
            exposure: Exposure::Controllable,
            proof: Some(Proof::Inferred),
            severity: Severity::Critical,
            confidence: Confidence::High,
            why: "the Engine API lists containers for a stranger".into(),
            rule: "state[0]".into(),
            findings: vec![Finding {
                id: "plaintext".into(),
                severity: Severity::Medium,
                title: String::new(),
            }],
            facts: BTreeMap::from([("containers".into(), "3".into())]),
            evidence: vec![Evidence {
                request: "version".into(),
                class: RequestClass::T1,
                asked: "GET /version".into(),
                answered: "200 application/json, 263 bytes".into(),
            }],
            ..Verdict::default()
        },
        data: "HTTP/1.1 200 OK\r\nServer: Docker/20.10.24 (linux)\r\n".into(),
        http: Some(Http { status: 200, ..Http::default() }),
        tls: None,
        hostnames: vec!["build.example.com".into()],
        domains: vec!["example.com".into()],
        place: Some(Place { country_code: Some("DE".into()), ..Place::default() }),
        network: Some(Network { asn: Some(64_496), org: Some("Example Corp".into()), isp: None }),
        cloud: None,
        owner: Some("platform team".into()),
        os: None,
        tags: ["plaintext".into()].into(),
    }
}

/// A small town: every state and severity, several products, owners and countries.
pub(crate) fn town() -> Vec<Observation> {
    let products = ["Docker", "Kubernetes", "etcd", "Redis", "Grafana", "Elasticsearch"];
    let severities = [Severity::Info, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];
    (0..60usize)
        .map(|at| {
            // The longest address there is, once.
            let long = "2001:db8:1234:5678:9abc:def0:1234:5678".to_owned();
            let mut seen = docker(&if at == 59 { long } else { format!("192.0.2.{}", at + 1) });
            let state = at % 5;
            seen.verdict.product = Some(products[at % products.len()].into());
            seen.verdict.exposure = Exposure::ALL[state];
            seen.verdict.severity = severities[state];
            seen.verdict.proof = (state == 4).then_some(Proof::Proven);
            seen.port = [2375, 6443, 2379, 6379, 3000, 9200][at % 6];
            seen.owner = Some(["platform team", "data team", "web team"][at % 3].into());
            seen.place = Some(Place {
                country_code: Some(["DE", "US", "FR", "SG"][at % 4].into()),
                ..Place::default()
            });
            if at % 2 == 0 {
                seen.tls = Some(Tls {
                    version: "TLSv1.3".into(),
                    chain: vec![certificate("kube-apiserver")],
                    ..Tls::default()
                });
            }
            seen
        })
        .collect()
}

fn certificate(text: &str) -> Certificate {
    let t = || Text::from(text);
    Certificate {
        subject: t(),
        subject_cn: Some(t()),
        issuer: t(),
        issuer_cn: Some(t()),
        sans: vec![t(), t()],
        serial: "03E8".into(),
        not_before: "2026-01-01T00:00:00Z".parse().unwrap(),
        not_after: "2027-06-01T00:00:00Z".parse().unwrap(),
        signature_algorithm: "sha256WithRSAEncryption".into(),
        key_type: "rsa".into(),
        key_bits: 2048,
        sha256: "9f".repeat(32).into(),
        sha1: "ab".repeat(20).into(),
        self_signed: false,
    }
}

/// What pages are attacked with, beside the corpus that all exits share.
const PAGE_ATTACKS: [&str; 18] = [
    "<script>window.hit=1;alert(1)</script>",
    "</title><script>window.hit=1</script>",
    "</pre></article></main><style>*{display:none!important}</style>",
    "<svg onload=\"window.hit=1\"><animate onbegin=alert(1) attributeName=x dur=1s>",
    "</svg><script>window.hit=1</script>",
    "<img src=http://127.0.0.1:1/foreign.png onerror=\"window.hit=1\">",
    "<link rel=stylesheet href=//127.0.0.1:1/foreign.css>",
    "<base href=//127.0.0.1:1/>",
    "<meta http-equiv=refresh content=\"0;url=http://127.0.0.1:1/\">",
    "<iframe srcdoc=\"<script>parent.hit=1</script>\"></iframe>",
    "<form action=http://127.0.0.1:1/><input name=key autofocus onfocus=\"window.hit=1\">",
    "x\" onmouseover=\"window.hit=1\" autofocus onfocus=\"window.hit=1\" y=\"",
    "' onclick='window.hit=1' style='position:fixed;inset:0",
    "javascript:window.hit=1",
    "<a href=\"javascript:window.hit=1\">click</a>",
    "\u{202e}\u{2066}desrever\u{2069}",
    "<math><mtext></p><script>window.hit=1</script></mtext></math>",
    "&lt;script&gt;window.hit=1&lt;/script&gt;&#x3c;img src=x onerror=window.hit=1&#x3e;",
];

/// Every attack: the shared corpus, those on pages, and words that never end.
pub(crate) fn attacks() -> Vec<String> {
    let mut all: Vec<String> =
        hostile::CORPUS.iter().chain(&PAGE_ATTACKS).map(|attack| (*attack).to_owned()).collect();
    all.push("W".repeat(4_000));
    all.push("\u{301}".repeat(400));
    all
}

/// `text` in every place where something from outside can stand.
pub(crate) fn poisoned(ip: &str, text: &str) -> Observation {
    let mut seen = docker(ip);
    let t = || Text::from(text);
    let verdict = &mut seen.verdict;
    for slot in [&mut verdict.fingerprint, &mut verdict.product, &mut verdict.version, &mut verdict.fix] {
        *slot = Some(t());
    }
    verdict.why = t();
    verdict.rule = text.into();
    verdict.findings = vec![Finding { id: text.into(), severity: Severity::High, title: text.into() }];
    verdict.facts = BTreeMap::from([(text.to_owned(), t())]);
    verdict.evidence =
        vec![Evidence { request: text.into(), class: RequestClass::T1, asked: t(), answered: t() }];
    seen.protocol = text.into();
    seen.run = RunId(text.into());
    for slot in [&mut seen.owner, &mut seen.os] {
        *slot = Some(t());
    }
    seen.data = t();
    seen.hostnames = vec![t()];
    seen.domains = vec![t()];
    seen.tags = [t()].into();
    seen.http = Some(Http {
        status: 200,
        title: Some(t()),
        server: Some(t()),
        location: Some(t()),
        host: t(),
        favicon: Some(Favicon { hash: 1, path: t() }),
        ..Http::default()
    });
    seen.place =
        Some(Place { country_code: Some(t()), country_name: Some(t()), city: Some(t()), ..Place::default() });
    seen.network = Some(Network { asn: Some(1), org: Some(t()), isp: Some(t()) });
    seen.cloud = Some(Cloud { provider: t(), region: Some(t()), service: Some(t()) });
    seen.tls = Some(Tls {
        version: t(),
        cipher: Some(t()),
        alpn: Some(t()),
        chain: vec![certificate(text)],
        ..Tls::default()
    });
    seen
}
