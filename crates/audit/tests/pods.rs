//! What the rules of pods are together: which findings hide which, and that every fix mends its finding.

use std::{fs, path::Path};

use nightlatch_audit::{Settings, audit, rules};
use nightlatch_finding::audit::{AuditFinding, Replacement};
use nightlatch_manifest::{Corpus, Input};

fn settings() -> Settings {
    Settings::new(jiff::civil::date(2026, 11, 1))
}

fn findings(text: &[u8], settings: &Settings) -> Vec<AuditFinding> {
    let corpus = Corpus::read(vec![Input { name: "case.yaml".into(), bytes: text.to_vec() }]);
    assert!(corpus.diagnostics.is_empty(), "{:?}\n{}", corpus.diagnostics, String::from_utf8_lossy(text));
    audit(&corpus, settings).findings
}

#[test]
fn one_cause_is_one_finding() {
    for (spec, told, hidden) in [
        // A privileged container has all capabilities, no seccomp profile, and may gain what it likes.
        (
            "containers: [{name: c, image: i, securityContext: {privileged: true, capabilities: {add: [SYS_ADMIN]}}}]",
            &["POD-001"][..],
            &["POD-002", "POD-013", "POD-014", "POD-015", "POD-016", "POD-018"][..],
        ),
        ("containers: [{name: c, image: i}]", &["POD-015"], &["POD-016"]),
        // NET_RAW added after all was dropped: beyond the baseline, told once.
        (
            "containers: [{name: c, image: i, securityContext: {capabilities: {drop: [ALL], add: [NET_RAW]}}}]",
            &["POD-014"],
            &["POD-013", "POD-015", "POD-016"],
        ),
        (
            "containers: [{name: c, image: i, securityContext: {capabilities: {drop: [ALL], add: [SYS_ADMIN]}}}]",
            &["POD-013"],
            &["POD-014", "POD-015", "POD-016"],
        ),
        // One volume, its mount included.
        (
            "containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, hostPath: {path: /etc}}]",
            &["POD-011"],
            &["POD-009", "POD-010", "POD-025"],
        ),
        (
            "containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, hostPath: {path: /run}}]",
            &["POD-012"],
            &["POD-009", "POD-010", "POD-011", "POD-025"],
        ),
        // Another volume of the same pod keeps its findings.
        (
            "containers: [{name: c, image: i, volumeMounts: [{name: w, mountPath: /w}]}], \
             volumes: [{name: v, hostPath: {path: /etc}}, {name: w, hostPath: {path: /data}}]",
            &["POD-009", "POD-010", "POD-011"],
            &["POD-012", "POD-025"],
        ),
        ("securityContext: {runAsUser: 0}, containers: [{name: c, image: i}]", &["POD-003"], &["POD-004"]),
        (
            "securityContext: {seccompProfile: {type: Unconfined}}, containers: [{name: c, image: i}]",
            &["POD-017"],
            &["POD-018"],
        ),
        (
            "hostNetwork: true, containers: [{name: c, image: i, ports: [{containerPort: 1, hostPort: 1}]}]",
            &["POD-007"],
            &["POD-008"],
        ),
        ("containers: [{name: c, image: i}]", &["POD-034"], &["POD-035"]),
        // Only asked for: neither what is contested nor tier 3 is in the default profile.
        (
            "containers: [{name: c, image: i}]",
            &["POD-004"],
            &["POD-020", "POD-032", "POD-040", "POD-050", "POD-055"],
        ),
    ] {
        let pod = format!("{{apiVersion: v1, kind: Pod, metadata: {{name: p}}, spec: {{{spec}}}}}\n");
        let found: Vec<String> = findings(pod.as_bytes(), &settings())
            .into_iter()
            .map(|finding| finding.rule.into_owned())
            .collect();
        for rule in told {
            assert!(found.iter().any(|own| own == rule), "{rule} is missing: {spec}: {found:?}");
        }
        for rule in hidden {
            assert!(!found.iter().any(|own| own == rule), "{rule} is told: {spec}: {found:?}");
        }
    }
}

/// A deployment that has about everything the rules of pods look at.
fn rich() -> serde_json::Value {
    let container = serde_json::json!({
        "name": "c",
        "image": "registry:5000/lamp:latest",
        "command": ["sh", "-c", "nginx & mysqld"],
        "args": ["--x"],
        "env": [{"name": "GITSYNC_GIT", "value": "x"}],
        "ports": [{"containerPort": 22, "hostPort": 22}, {"containerPort": 3306}],
        "resources": {"limits": {"memory": "0", "cpu": 1}, "requests": {"cpu": "1"}},
        "livenessProbe": {"httpGet": {"host": "h", "port": 80}},
        "lifecycle": {"postStart": {"exec": {"command": ["sudo", "x"]}}},
        "securityContext": {
            "privileged": true,
            "allowPrivilegeEscalation": true,
            "capabilities": {"add": ["SYS_ADMIN", "NET_RAW"], "drop": ["all"]},
            "procMount": "Unmasked",
            "runAsUser": 0,
            "runAsNonRoot": false,
            "seccompProfile": {"type": "Unconfined"},
            "seLinuxOptions": {"type": "spc_t"},
            "windowsOptions": {"hostProcess": true}
        },
        "volumeMounts": [{"name": "v", "mountPath": "/v", "readOnly": false}]
    });
    serde_json::json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "namespace": "default", "labels": {"tier": "control-plane"}},
        "spec": {"template": {
            "metadata": {
                "labels": {"app": "d"},
                "annotations": {"container.apparmor.security.beta.kubernetes.io/c": "unconfined"}
            },
            "spec": {
                "hostPID": true,
                "hostUsers": true,
                "serviceAccountName": "s",
                "automountServiceAccountToken": true,
                "nodeSelector": {"node-role.kubernetes.io/master": ""},
                "tolerations": [{"operator": "Exists"}],
                "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["h"]}],
                "securityContext": {
                    "runAsGroup": 0,
                    "supplementalGroups": [0],
                    "sysctls": [{"name": "kernel.msgmax", "value": "1"}],
                    "appArmorProfile": {"type": "Unconfined"}
                },
                "initContainers": [container.clone()],
                "containers": [container],
                "volumes": [{"name": "v", "hostPath": {"path": "/etc"}}, {"name": "e", "emptyDir": {}}]
            }
        }}
    })
}

/// The pointers of all values below one.
fn pointers(value: &serde_json::Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    let below: Vec<(String, &serde_json::Value)> = match value {
        serde_json::Value::Object(fields) => {
            fields.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        serde_json::Value::Array(items) => {
            items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        _ => return,
    };
    for (key, value) in below {
        pointers(value, &format!("{at}/{key}"), all);
    }
}

#[test]
fn nothing_at_any_place_is_taken_for_granted() {
    let mut settings = settings();
    settings.only = rules().iter().filter(|rule| rule.family() == "pod").map(|rule| rule.id).collect();
    let whole = rich();
    let before = findings(whole.to_string().as_bytes(), &settings).len();
    assert!(before > 40, "{before}");
    let mut all = Vec::new();
    pointers(&whole, "", &mut all);
    let (mut tried, mut fewer) = (0, 0);
    for pointer in &all {
        for other in ["null", "true", "\"x\"", "[]", "{}", "[null]"] {
            let mut changed = whole.clone();
            let Some(value) = changed.pointer_mut(pointer) else { continue };
            *value = serde_json::from_str(other).expect("it is JSON");
            fewer += usize::from(findings(changed.to_string().as_bytes(), &settings).len() < before);
            tried += 1;
        }
    }
    assert!(tried > 500 && fewer > 100, "{tried} {fewer}");
}

#[test]
fn every_fix_mends_its_finding() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules");
    let mut mended = 0;
    for rule in rules().iter().filter(|rule| rule.family() == "pod") {
        let mut settings = settings();
        settings.only = vec![rule.id];
        for entry in fs::read_dir(root.join(rule.name).join("cases")).expect("the rule has cases") {
            let path = entry.expect("it can be read").path();
            if path.extension().is_none_or(|extension| extension != "yaml") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("it can be read");
            let before = findings(text.as_bytes(), &settings);
            for finding in &before {
                let edits = finding.fix.as_ref().map_or(&[][..], |fix| &fix.edits);
                if edits.is_empty() {
                    continue;
                }
                let after = edited(&text, edits);
                let left = findings(after.as_bytes(), &settings);
                let same = |own: &&AuditFinding| own.fingerprint == finding.fingerprint;
                let count = |all: &[AuditFinding]| all.iter().filter(same).count();
                assert!(count(&left) < count(&before), "{} {}\n{after}", rule.id, path.display());
                mended += 1;
            }
        }
    }
    assert!(mended > 100, "only {mended} fixes were tried");
}

fn edited(text: &str, edits: &[Replacement]) -> String {
    let mut edits: Vec<&Replacement> = edits.iter().collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.start));
    let mut text = text.to_owned();
    for edit in edits {
        text.replace_range(edit.start as usize..edit.end as usize, edit.text.raw());
    }
    text
}
