//! Whole inputs of Docker and clouds with exactly the findings that are right: recorded from a daemon where that was
//! possible (`inspect.json`, `info.json`, `network.json`: dockerd 20.10.24 with three containers, a swarm of one node), else
//! in the shape of real ones.

use nightlatch_audit::{Profile, Settings, audit, rules};
use nightlatch_finding::audit::{AuditReport, Verdict};
use nightlatch_manifest::{Corpus, Input};
use proptest::prelude::*;

/// Files and what is in them.
const FILES: [(&str, &[u8]); 6] = [
    ("security-groups.json", include_bytes!("data/docker_cloud/security-groups.json")),
    ("plan.json", include_bytes!("data/docker_cloud/plan.json")),
    ("compose.yaml", include_bytes!("data/docker_cloud/compose.yaml")),
    ("inspect.json", include_bytes!("data/docker_cloud/inspect.json")),
    ("info.json", include_bytes!("data/docker_cloud/info.json")),
    ("network.json", include_bytes!("data/docker_cloud/network.json")),
];

fn bytes(file: &str) -> Vec<u8> {
    let found = FILES.iter().find(|(name, _)| *name == file);
    found.map(|(_, bytes)| bytes.to_vec()).unwrap_or_default()
}

/// The report of one input under the rules of the three families that a profile has.
fn audited(file: &str, bytes: Vec<u8>, profile: Profile) -> (Corpus, AuditReport) {
    let corpus = Corpus::read([Input { name: file.into(), bytes }]);
    let mut settings = Settings::new(jiff::civil::date(2026, 11, 1));
    let own = |id: &str| ["DKD", "CMP", "CSG"].iter().any(|family| id.starts_with(family));
    let selected = rules().iter().filter(|rule| own(rule.id) && profile.selects(rule));
    settings.only = selected.map(|rule| rule.id).collect();
    let report = audit(&corpus, &settings);
    (corpus, report)
}

fn report(file: &str) -> AuditReport {
    let (corpus, report) = audited(file, bytes(file), Profile::Default);
    assert!(corpus.diagnostics.is_empty(), "{:?}", corpus.diagnostics);
    report
}

/// `RULE severity subject line`, sorted, of everything found in a file.
fn found(report: &AuditReport) -> Vec<String> {
    let mut found: Vec<String> = report
        .findings
        .iter()
        .map(|finding| {
            let line = finding.location.as_ref().map_or(0, |location| location.line);
            format!("{} {} {} {line}", finding.rule, finding.severity, finding.subject.name.raw())
        })
        .collect();
    found.sort();
    found
}

fn check(file: &str, expected: &str) {
    let report = report(file);
    let mut expected: Vec<&str> = expected.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    expected.sort_unstable();
    let found = found(&report);
    assert_eq!(found, expected, "{file}, found:\n{}", found.join("\n"));
}

fn verdict(report: &AuditReport, rule: &str) -> Verdict {
    report
        .rules
        .iter()
        .find(|outcome| outcome.rule == rule)
        .map_or(Verdict::NotApplicable, |outcome| outcome.verdict)
}

#[test]
fn security_groups_of_a_small_estate() {
    check(
        "security-groups.json",
        "
         CSG-001 critical legacy 395
         CSG-004 critical shop-nodes 135
         CSG-004 high shop-nodes 149
         CSG-004 medium k8s-shop-ingress-9d2f 220
         CSG-005 high shop-database 284
         CSG-006 medium default 28
         CSG-006 medium eks-cluster-sg-shop-1234567 79
         CSG-006 medium legacy 410
         CSG-006 medium shop-nodes 169
         CSG-007 low k8s-shop-ingress-9d2f 206
         CSG-008 medium default 7
         CSG-013 medium shop-nodes 149
        ",
    );
}

#[test]
fn a_plan_over_three_providers() {
    check(
        "plan.json",
        "
         CSG-002 high aws_security_group_rule.nodes_ssh 168
         CSG-003 high azurerm_network_security_group.aks 938
         CSG-004 critical module.etcd.aws_security_group_rule.peers 1089
         CSG-005 high aws_security_group.database 293
         CSG-005 high google_compute_firewall.redis 779
         CSG-006 medium aws_vpc_security_group_egress_rule.nodes_all 249
         CSG-007 low aws_security_group.web 356
         CSG-009 medium aws_network_acl.private 426
         CSG-010 high aws_eks_cluster.shop 478
         CSG-010 high azurerm_kubernetes_cluster.aks 999
         CSG-011 medium aws_eks_node_group.front 603
         CSG-012 high aws_launch_template.old 580
         CSG-012 medium aws_launch_template.nodes 549
         CSG-015 medium azurerm_kubernetes_cluster.aks 1000
         CSG-017 medium azurerm_kubernetes_cluster.aks 997
         CSG-017 medium google_container_cluster.gke 843
        ",
    );
}

#[test]
fn a_compose_file_of_twelve_services() {
    check(
        "compose.yaml",
        "
         CMP-001 critical ci 87
         CMP-002 critical proxy 16
         CMP-003 high backup 69
         CMP-003 high node-exporter 99
         CMP-003 low cadvisor 106
         CMP-004 high node-exporter 96
         CMP-005 high node-exporter 97
         CMP-006 medium sandbox 123
         CMP-007 medium sandbox 124
         CMP-008 high vpn 78
         CMP-008 high vpn 79
         CMP-008 low backup 63
         CMP-008 low cache 57
         CMP-008 low cadvisor 101
         CMP-008 low db 45
         CMP-008 low node-exporter 94
         CMP-008 low prometheus 113
         CMP-008 low proxy 7
         CMP-008 low sandbox 119
         CMP-008 low vpn 75
         CMP-009 low backup 63
         CMP-009 low cache 57
         CMP-009 low cadvisor 101
         CMP-009 low db 45
         CMP-009 low node-exporter 94
         CMP-009 low prometheus 113
         CMP-009 low proxy 7
         CMP-009 low sandbox 121
         CMP-009 low vpn 75
         CMP-010 high sandbox 122
         CMP-011 critical db 51
         CMP-011 medium proxy 12
         CMP-011 medium proxy 13
         CMP-011 medium vpn 82
         CMP-012 high shop 36
         CMP-013 low backup 66
         CMP-015 low backup 63
         CMP-015 low cache 57
         CMP-015 low cadvisor 101
         CMP-015 low ci 85
         CMP-015 low db 45
         CMP-015 low node-exporter 94
         CMP-015 low prometheus 113
         CMP-015 low proxy 7
         CMP-015 low sandbox 119
         CMP-015 low vpn 75
         CMP-017 low backup 63
         CMP-017 low cache 57
         CMP-017 low cadvisor 101
         CMP-017 low ci 85
         CMP-017 low db 45
         CMP-017 low node-exporter 94
         CMP-017 low prometheus 113
         CMP-017 low proxy 7
         CMP-017 low sandbox 119
         CMP-017 low vpn 75
         CMP-021 high cadvisor 104
         CMP-025 critical ci 91
        ",
    );
}

#[test]
fn containers_as_a_daemon_tells_of_them() {
    check(
        "inspect.json",
        "
         CMP-001 critical agent 282
         CMP-002 critical agent 336
         CMP-003 high agent 344
         CMP-005 high agent 281
         CMP-006 medium agent 277
         CMP-007 medium agent 289
         CMP-008 high batch 463
         CMP-008 low batch 465
         CMP-009 low batch 480
         CMP-010 high batch 481
         CMP-010 high batch 482
         CMP-011 high edge 45
         CMP-011 medium edge 51
         CMP-012 high agent 364
         CMP-013 low agent 356
         CMP-013 low batch 567
         CMP-015 low agent 298
         CMP-015 low batch 494
         CMP-017 low agent 322
         CMP-017 low batch 524
         CMP-021 high batch 510
        ",
    );
}

#[test]
fn a_daemon_as_it_tells_of_itself() {
    check(
        "info.json",
        "
         DKD-003 medium lab 73
         DKD-003 medium lab 77
         DKD-005 low lab 170
         DKD-020 low lab 147
        ",
    );
    let report = report("info.json");
    assert_eq!(
        verdict(&report, "DKD-001"),
        Verdict::Unknown,
        "no warning does not show that nothing listens"
    );
    assert_eq!(verdict(&report, "DKD-009"), Verdict::Pass);
    assert_eq!(verdict(&report, "DKD-018"), Verdict::NotApplicable);
}

#[test]
fn the_default_bridge() {
    check(
        "network.json",
        "
         DKD-004 medium bridge 29
        ",
    );
}

/// A daemon's file with everything wrong that one key mends.
const DAEMON: &str = r#"{
  "icc": true,
  "insecure-registries": ["registry.example.org:5000", "127.0.0.0/8"],
  "log-level": "error",
  "iptables": false,
  "experimental": true
}
"#;

/// Every fix, made alone, takes its finding away, keeps the file readable and adds none.
#[test]
fn fixes_mend_what_they_are_for() {
    let files = [("compose.yaml", bytes("compose.yaml")), ("daemon.json", DAEMON.as_bytes().to_vec())];
    let mut made = 0;
    for (file, before) in files {
        let (_, report) = audited(file, before.clone(), Profile::All);
        for finding in &report.findings {
            let Some(fix) = finding.fix.as_ref().filter(|fix| !fix.edits.is_empty()) else { continue };
            let mut edits = fix.edits.clone();
            edits.sort_by_key(|edit| std::cmp::Reverse(edit.start));
            let mut text = String::from_utf8(before.clone()).unwrap();
            for edit in &edits {
                text.replace_range(edit.start as usize..edit.end as usize, edit.text.raw());
            }
            let (corpus, after) = audited(file, text.clone().into_bytes(), Profile::All);
            assert!(corpus.diagnostics.is_empty(), "{}: {:?}\n{text}", finding.rule, corpus.diagnostics);
            let count = |report: &AuditReport| {
                report.findings.iter().filter(|other| other.rule == finding.rule).count()
            };
            let subject = finding.subject.name.raw();
            assert!(count(&after) < count(&report), "{} of {subject} is still there:\n{text}", finding.rule);
            made += 1;
        }
    }
    assert!(made >= 50, "only {made} fixes");
}

/// Replacements that change what values mean.
const WORDS: [&str; 16] = [
    "null",
    "true",
    "\"\"",
    "[]",
    "{}",
    "-1",
    "99999999999999999999",
    "\"0.0.0.0/0\"",
    "\"::/129\"",
    "\"${A:-${B}}\"",
    "[[]]",
    "{\"Ref\": []}",
    "\"*\"",
    "\"a:b:c:d:e\"",
    "0.5",
    "\"\\u0000\"",
];

/// Puts `word` in the place of the value behind the `at`th colon or at that byte.
fn spoiled(text: &str, at: usize, word: &str, cut: bool) -> String {
    let colons: Vec<usize> = text.match_indices(": ").map(|(place, _)| place + 2).collect();
    let Some(&start) = colons.get(at % colons.len().max(1)) else { return text.to_owned() };
    if cut {
        return text[..start].to_owned();
    }
    let end = text[start..].find(['\n', ',', '}', ']']).map_or(text.len(), |length| start + length);
    format!("{}{word}{}", &text[..start], &text[end..])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Whatever stands in the place of a value, the rest is audited, and every finding has a place in the text.
    #[test]
    fn spoiled_values_are_survived(file in 0_usize..6, edits in prop::collection::vec((any::<usize>(), 0_usize..16), 1..8), cut in prop::bool::weighted(0.1)) {
        let file = FILES[file].0;
        let mut text = String::from_utf8(bytes(file)).unwrap();
        for (at, word) in edits {
            text = spoiled(&text, at, WORDS[word], cut);
        }
        let lines = text.lines().count() as u32 + 1;
        let report = audited(file, text.into_bytes(), Profile::All).1;
        for finding in &report.findings {
            prop_assert!(finding.location.as_ref().is_some_and(|location| (1..=lines).contains(&location.line)));
        }
    }
}
