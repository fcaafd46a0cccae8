//! Every recording of a real server against every fingerprint: the planner's verdict is the expected one
//! (`expected.txt`), and no answers of one product satisfy another.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../dialogues/mod.rs"]
mod dialogues;
mod endpoint;

use std::{collections::BTreeMap, fmt::Write as _, fs, path::Path};

use dialogues::catalogue;
use endpoint::Endpoint;
use nightlatch_asset::Text;
use nightlatch_fingerprint::{Catalogue, Context, Replay, Scheme};

const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/expected.txt");

/// Recorded products whose identifier is not the folder's name.
const NAMES: &[(&str, &str)] = &[
    ("etcd-3.5", "etcd"),
    ("docker", "docker-engine"),
    ("kubernetes-apiserver-1.20", "kubernetes-apiserver"),
    ("openshift-kube-apiserver-1.36", "kubernetes-apiserver"),
    ("kubelet-1.20", "kubelet"),
    ("openshift-kubelet-1.36", "kubelet"),
    ("kube-scheduler-1.20", "kube-scheduler"),
    ("kube-controller-manager-1.20", "kube-controller-manager"),
    ("kube-proxy-1.20", "kube-proxy"),
    ("openshift-kube-proxy-1.36", "kube-proxy"),
    ("haproxy", "haproxy-stats"),
    ("caddy", "caddy-admin"),
    ("rabbitmq", "rabbitmq-management"),
    ("influxdb1", "influxdb"),
    ("spark-master", "spark"),
    ("nats", "nats-monitoring"),
];

fn context(endpoint: &Endpoint) -> Context {
    let scheme = if endpoint.tls { Scheme::Tls } else { Scheme::Plain };
    Context { t3: true, tls: endpoint.tls_facts(), ..Context::new(endpoint.port, scheme, [0x5a; 8]) }
}

fn converse(catalogue: &Catalogue, endpoint: &Endpoint) -> Replay {
    catalogue.converse(context(endpoint), |question| Some(endpoint.answer(question)))
}

fn described(endpoint: &Endpoint, replay: &Replay) -> String {
    let verdict = &replay.judged.verdict;
    let text = |text: &Option<Text>| text.as_ref().map_or("-", Text::raw).to_owned();
    let proof = verdict.proof.map(|proof| format!(" {proof}")).unwrap_or_default();
    let findings: Vec<_> = verdict.findings.iter().map(|finding| finding.id.as_str()).collect();
    format!(
        "{endpoint} {} {}{proof} {} version={} findings=[{}]",
        text(&verdict.fingerprint),
        verdict.exposure,
        verdict.severity,
        text(&verdict.version),
        findings.join(" ")
    )
}

#[test]
fn every_recording_gets_its_verdict() {
    let catalogue = catalogue();
    let mut lines = String::new();
    for endpoint in endpoint::all() {
        let _ = writeln!(lines, "{}", described(&endpoint, &converse(&catalogue, &endpoint)));
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(EXPECTED, &lines).unwrap();
    }
    let expected = fs::read_to_string(Path::new(EXPECTED)).unwrap_or_default();
    let changed: Vec<_> =
        lines.lines().filter(|line| !expected.lines().any(|known| known == *line)).collect();
    assert!(
        changed.is_empty() && lines.lines().count() == expected.lines().count(),
        "verdicts differ from tests/recordings/expected.txt (UPDATE=1 writes it; read the difference):\n{}",
        changed.join("\n")
    );
}

#[test]
fn no_recording_satisfies_another_product() {
    let catalogue = catalogue();
    let kin = |id: &str| -> Vec<String> {
        catalogue.entry(id).map(|entry| entry.kin().map(str::to_owned).collect()).unwrap_or_default()
    };
    let mut wrong = Vec::new();
    for endpoint in endpoint::all() {
        let own = NAMES
            .iter()
            .find(|(folder, _)| *folder == endpoint.product)
            .map_or(endpoint.product.as_str(), |(_, id)| id);
        let judged = catalogue.interrogate(context(&endpoint), |question| Some(endpoint.answer(question)));
        for candidate in judged.candidates.iter().filter(|candidate| candidate.identified) {
            if candidate.fingerprint != own && !kin(own).contains(&candidate.fingerprint) {
                wrong.push(format!(
                    "{endpoint} satisfies {} ({})",
                    candidate.fingerprint,
                    candidate.groups.join(", ")
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What planning costs: printed with `--nocapture`, and bounded.
#[test]
fn questions_per_endpoint_stay_few() {
    let catalogue = catalogue();
    let mut by_product: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for endpoint in endpoint::all() {
        let mut context = context(&endpoint);
        context.t3 = false;
        let replay = catalogue.converse(context, |question| Some(endpoint.answer(question)));
        let identified = replay.judged.verdict.fingerprint.is_some();
        let kind = if identified {
            endpoint.product.clone()
        } else {
            format!("{} (not identified)", endpoint.product)
        };
        by_product.entry(kind).or_default().push(replay.questions.len());
    }
    for (product, counts) in &by_product {
        println!("{product:45} {counts:?}");
    }
    let most = by_product.values().flatten().max().copied().unwrap_or_default();
    assert!(most <= nightlatch_fingerprint::QUESTIONS_MAX, "{most}");
}
