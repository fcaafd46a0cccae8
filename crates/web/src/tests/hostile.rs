//! Everything that can come from outside, hostile: it stays text on every page.

use std::collections::BTreeMap;

use nightlatch_asset::{
    Certificate, Cloud, Confidence, Evidence, Exposure, Favicon, Finding, Http, Network, Place, Proof,
    RequestClass, RunId, Severity, Text, Tls, Transport, Verdict,
};
use nightlatch_finding::audit::{AuditFinding, AuditReport, Fix, Location, Related, Subject};
use nightlatch_untrusted::{hostile, is_dangerous};

use super::*;

pub(super) fn docker(ip: &str) -> Observation {
    Observation {
        ip: ip.parse().unwrap(),
        port: 2375,
        transport: Transport::Tcp,
        protocol: "http".into(),
        time: "2026-09-21T10:15:00Z".parse().unwrap(),
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
        place: None,
        network: None,
        cloud: None,
        owner: Some("platform team".into()),
        os: None,
        tags: ["plaintext".into()].into(),
    }
}

/// `text` in every place where something from outside can stand.
fn poisoned(ip: &str, text: &str) -> Observation {
    let mut seen = docker(ip);
    let t = || Text::from(text);
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
    let leaf = Certificate {
        subject: t(),
        subject_cn: Some(t()),
        issuer: t(),
        issuer_cn: Some(t()),
        sans: vec![t(), t()],
        serial: t(),
        not_before: seen.time,
        not_after: seen.time,
        signature_algorithm: t(),
        key_type: t(),
        key_bits: 2048,
        sha256: t(),
        sha1: t(),
        self_signed: false,
    };
    seen.tls = Some(Tls {
        version: t(),
        cipher: Some(t()),
        alpn: Some(t()),
        failure: Some(t()),
        chain: vec![leaf],
        ..Tls::default()
    });
    seen
}

#[tokio::test]
async fn stored_attacks_stay_text_on_every_page() {
    let mut attacks: Vec<String> = hostile::CORPUS.iter().map(|attack| (*attack).to_owned()).collect();
    attacks.push("</pre></article></main><style>*{display:none}</style>".into());
    attacks.push("{{ frame.csrf }} {% raw %}".into());
    attacks.push("x\" onmouseover=\"alert(1)\" y=\"".into());
    attacks.push("W".repeat(5_000));
    let observations: Vec<Observation> = attacks
        .iter()
        .enumerate()
        .map(|(at, attack)| poisoned(&format!("192.0.2.{}", at + 1), attack))
        .collect();
    let house = house(&observations);
    let mut paths: Vec<String> = [
        "/",
        "/search",
        "/search?view=history",
        "/search?page=2",
        "/search?page=3",
        "/products",
        "/scope",
        "/reports",
        "/runs",
    ]
    .map(str::to_owned)
    .to_vec();
    paths.extend((0..attacks.len()).map(|at| format!("/host/192.0.2.{}", at + 1)));
    for path in paths {
        let answer = house.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        markup::check(&answer.body);
        let bad = answer.body.chars().find(|c| is_dangerous(*c) && !matches!(c, '\n' | '\t'));
        assert_eq!(bad, None, "{path}");
    }
}

/// A finding of an audit with `text` in every place where something from outside can stand.
fn poisoned_finding(text: &str, rule: &str) -> AuditFinding {
    let t = || Text::from(text);
    let location = Some(Location { file: t(), line: 1, column: 2, end_line: 1, end_column: 3 });
    AuditFinding {
        rule: rule.to_owned().into(),
        name: text.to_owned().into(),
        severity: Severity::High,
        subject: Subject {
            api_version: t(),
            kind: t(),
            namespace: Some(t()),
            name: t(),
            container: Some(t()),
        },
        location: location.clone(),
        key_location: None,
        pointer: t(),
        message: t(),
        related: vec![Related { message: t(), location }],
        fix: Some(Fix { text: t(), edits: Vec::new() }),
        fingerprint: text.into(),
        suppressed: None,
    }
}

#[tokio::test]
async fn stored_findings_stay_text_on_every_page() {
    let mut attacks: Vec<String> = hostile::CORPUS.iter().map(|attack| (*attack).to_owned()).collect();
    attacks.push("x\" onmouseover=\"alert(1)\" y=\"".into());
    attacks.push("W".repeat(5_000));
    let house = house(&[]);
    for attack in &attacks {
        // One of a rule that there is, one of a rule that a later version may have.
        let findings = vec![poisoned_finding(attack, "POD-001"), poisoned_finding(attack, attack)];
        let report = AuditReport { findings, ..AuditReport::default() };
        house.app.control().store_audit(attack, &report, Timestamp::now()).unwrap();
    }
    let report = AuditReport::default();
    house.app.control().store_audit(&attacks[0], &report, Timestamp::now()).unwrap();
    let mut paths: Vec<String> =
        ["/", "/findings", "/findings?page=1", "/findings?q=is:mended", "/rules/POD-001"]
            .map(str::to_owned)
            .to_vec();
    paths.extend((1..=attacks.len() * 2).map(|number| format!("/findings/{number}")));
    for path in paths {
        let answer = house.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        markup::check(&answer.body);
        let bad = answer.body.chars().find(|c| is_dangerous(*c) && !matches!(c, '\n' | '\t'));
        assert_eq!(bad, None, "{path}");
        if path == "/rules/POD-001" {
            assert!(answer.body.contains("<code>securityContext.privileged</code>"), "{}", answer.body);
        }
    }
    for attack in hostile::CORPUS {
        let encoded: String = form_urlencoded::byte_serialize(attack.as_bytes()).collect();
        let paths = [
            format!("/findings?q={encoded}"),
            format!("/findings?page={encoded}"),
            format!("/findings/{}", crate::link::segment(attack)),
            format!("/rules/{}", crate::link::segment(attack)),
        ];
        for path in paths {
            let answer = house.get(&path).await;
            assert_ne!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
            if answer.kind.starts_with("text/html") {
                markup::check(&answer.body);
            }
        }
    }
}

#[tokio::test]
async fn hostile_addresses_and_forms_stay_text() {
    let house = house(&[docker("192.0.2.7")]);
    for attack in hostile::CORPUS {
        let encoded: String = form_urlencoded::byte_serialize(attack.as_bytes()).collect();
        for path in [
            format!("/search?q={encoded}"),
            format!("/search?q=*&sort={encoded}&page={encoded}&view={encoded}"),
            format!("/alerts/new?query={encoded}"),
            format!("/alerts?state={encoded}"),
            format!("/?said={encoded}"),
            format!("/schedules/edit?name={encoded}"),
            format!("/reports/shadowserver.csv?type={encoded}"),
            format!("/reports/owner.json?q={encoded}"),
        ] {
            let answer = house.get(&path).await;
            assert_ne!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
            if answer.kind.starts_with("text/html") {
                markup::check(&answer.body);
                assert!(!answer.body.chars().any(|c| is_dangerous(c) && !matches!(c, '\n' | '\t')), "{path}");
            }
        }
        for path in ["/alerts/save", "/keys", "/schedules/save", "/runs", "/alerts/notifiers/save"] {
            let fields = [
                "name",
                "label",
                "role",
                "query",
                "networks",
                "targets",
                "every",
                "provider",
                "description",
                "id",
            ];
            let fields: Vec<(&str, &str)> = fields.iter().map(|name| (*name, *attack)).collect();
            let answer = house.post(path, &fields).await;
            assert_ne!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{path}");
            markup::check(&answer.body);
        }
    }
}

#[test]
fn only_our_own_drawings_are_put_into_pages_as_they_are() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for (at, _) in text.match_indices("|safe") {
            seen += 1;
            assert!(text[..at].ends_with("svg"), "{} at {at}", path.display());
        }
        for forbidden in ["style=", " onclick", "<style", "javascript:", "http://", "|e(", "escape("] {
            assert!(!text.contains(forbidden), "{} has {forbidden}", path.display());
        }
    }
    assert!(seen > 10);
}
