use std::{collections::BTreeSet, fs, path::Path};

use nightlatch_asset::{Cloud, Finding, Severity, Text, Transport};
use nightlatch_untrusted::hostile;

use super::{Tool, products, remedy};
use crate::samples::{bare, docker, poisoned};

fn rule(record: &nightlatch_asset::Record, tool: Tool) -> Option<String> {
    remedy(record).network.into_iter().find(|rule| rule.tool == tool).map(|rule| rule.text)
}

#[test]
fn every_fingerprint_has_steps_and_something_to_read() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fingerprints");
    let folders: BTreeSet<String> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("fingerprint.toml").is_file())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    let embedded: Vec<_> = products::all().iter().map(|product| product.id).collect();
    assert!(embedded.is_sorted());
    assert_eq!(folders.iter().map(String::as_str).collect::<Vec<_>>(), embedded);
    for product in products::all() {
        let mut record = bare("192.0.2.1", 80);
        record.observation.verdict.fingerprint = Some(product.id.into());
        let remedy = remedy(&record);
        assert!(!remedy.summary.is_empty() && !remedy.steps.is_empty(), "{}", product.id);
        assert!(remedy.references.iter().any(|reference| reference.url.is_some()), "{}", product.id);
        for reference in remedy.references {
            assert!(reference.url.is_none_or(|url| url.starts_with("https://")), "{reference:?}");
            let named = !reference.title.starts_with("CWE-") || reference.title.contains(": ");
            assert!(named, "remedies/references.toml does not name {}", reference.title);
        }
    }
}

#[test]
fn every_finding_of_a_fingerprint_has_a_step() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fingerprints");
    let mut ids = BTreeSet::from(["end-of-life".to_owned()]);
    for product in products::all() {
        let text = fs::read_to_string(root.join(product.id).join("fingerprint.toml")).unwrap();
        let file: toml::Table = text.parse().unwrap();
        let findings = file.get("finding").and_then(|list| list.as_array()).cloned().unwrap_or_default();
        ids.extend(findings.iter().map(|finding| finding["id"].as_str().unwrap().to_owned()));
    }
    assert!(ids.len() > 10, "{ids:?}");
    let without: Vec<_> = ids.iter().filter(|id| products::finding_step(id).is_none()).collect();
    assert!(without.is_empty(), "remedies/findings.toml lacks {without:?}");
}

#[test]
fn what_the_record_says_comes_first_and_the_product_s_steps_follow() {
    let mut record = docker();
    let said = remedy(&record);
    assert_eq!(Some(&said.summary), record.observation.verdict.fix.as_ref());
    assert!(said.steps[0].raw().contains("tcp://"), "{said:?}");
    assert_eq!(said.findings[0].id.raw(), "plaintext");
    assert_eq!(said.findings[0].step, None);
    record.observation.verdict.findings =
        vec![Finding { id: "end-of-life".into(), severity: Severity::Low, title: String::new() }];
    assert!(remedy(&record).findings[0].step.unwrap().contains("Upgrade"));
    record.observation.verdict.fix = None;
    record.observation.verdict.fingerprint = None;
    assert!(remedy(&record).summary.raw().contains("--tlsverify"), "found by the product's name");
    record.observation.verdict.product = None;
    let general = remedy(&record);
    assert!(general.steps.is_empty() && general.references.is_empty() && !general.summary.is_empty());
}

#[test]
fn firewall_rules_name_the_address_and_port() {
    let four = docker();
    assert_eq!(
        rule(&four, Tool::Nftables).unwrap(),
        "table inet nightlatch {\n    chain closed {\n        type filter hook prerouting priority -150; policy accept;\n        \
         iifname != \"lo\" ip daddr 192.0.2.7 tcp dport 2375 drop\n    }\n}\n"
    );
    assert_eq!(
        rule(&four, Tool::Iptables).unwrap(),
        "iptables -t raw -I PREROUTING ! -i lo -d 192.0.2.7 -p tcp --dport 2375 -j DROP\n"
    );
    let mut six = bare("2001:db8::7", 53);
    six.observation.transport = Transport::Udp;
    assert!(rule(&six, Tool::Nftables).unwrap().contains("ip6 daddr 2001:db8::7 udp dport 53 drop"));
    assert!(rule(&six, Tool::Iptables).unwrap().starts_with("ip6tables "));
    assert!(remedy(&bare("127.0.0.1", 80)).network.is_empty());
    assert!(remedy(&bare("::1", 80)).network.is_empty());
}

#[test]
fn a_security_group_is_for_amazon_s_cloud() {
    let cloud = |provider: &str, region: &str| {
        let mut record = docker();
        let region = Some(Text::from(region));
        record.observation.cloud = Some(Cloud { provider: provider.into(), region, service: None });
        rule(&record, Tool::AwsSecurityGroup)
    };
    let text = cloud("aws", "eu-central-1").unwrap();
    assert!(
        text.contains("--region eu-central-1")
            && text.contains("Name=association.public-ip,Values=192.0.2.7")
    );
    assert_eq!(text.lines().count(), 3);
    assert!(!cloud("aws", "eu;reboot-1").unwrap().contains("region"));
    assert_eq!(cloud("gcp", "europe-west3"), None);
    assert!(rule(&bare("10.1.2.3", 80), Tool::AwsSecurityGroup).unwrap().contains("private-ip-address"));
}

#[test]
fn a_network_policy_leaves_the_other_ports_alone() {
    let ports = |port: u16| {
        let mut record = bare("192.0.2.1", port);
        record.observation.verdict.fingerprint = Some("redis".into());
        let text = rule(&record, Tool::KubernetesNetworkPolicy).unwrap();
        text.lines()
            .filter(|line| line.contains("protocol: TCP"))
            .map(|line| line.trim().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        ports(6379),
        [
            "- {protocol: TCP, port: 1, endPort: 6378}",
            "- {protocol: TCP, port: 6380, endPort: 65535}",
            "- {protocol: TCP, port: 6379}"
        ]
    );
    assert_eq!(
        ports(65535),
        ["- {protocol: TCP, port: 1, endPort: 65534}", "- {protocol: TCP, port: 65535}"]
    );
    assert_eq!(
        ports(2),
        [
            "- {protocol: TCP, port: 1}",
            "- {protocol: TCP, port: 3, endPort: 65535}",
            "- {protocol: TCP, port: 2}"
        ]
    );
    assert_eq!(rule(&docker(), Tool::KubernetesNetworkPolicy), None, "the engine is on the host's network");
}

/// Rules are pasted into a root shell: no byte of a banner may be in them.
#[test]
fn nothing_a_server_said_gets_into_a_rule() {
    for text in hostile::CORPUS {
        let record = poisoned(text);
        for rule in remedy(&record).network {
            let mut plain = docker();
            plain.observation.verdict.fingerprint = None;
            plain.observation.verdict.product = None;
            let expected = remedy(&plain).network.into_iter().find(|other| other.tool == rule.tool).unwrap();
            assert_eq!(rule, expected, "{text:?}");
        }
    }
}
