use nightlatch_manifest::{Corpus, Input};

use super::*;
use crate::{Context, Settings};

const HEAD: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n";
const UNIT: &str = "etc/systemd/system/kubelet.service";
const FILE: &str = "var/lib/kubelet/config.yaml";

fn unit(arguments: &str) -> String {
    format!("[Service]\nExecStart=/usr/bin/kubelet {arguments}\n")
}

fn with_context<T>(files: &[(&str, String)], look: impl FnOnce(&Context<'_>) -> T) -> T {
    let inputs = files
        .iter()
        .map(|(name, text)| Input { name: (*name).to_owned().into(), bytes: text.clone().into_bytes() });
    let corpus = Corpus::read(inputs);
    let settings = Settings::new(jiff::civil::date(2026, 11, 1));
    look(&Context::new(&corpus, &settings))
}

/// The value of a field for each kubelet of the files.
fn values(files: &[(&str, String)], field: Field) -> Vec<String> {
    with_context(files, |context| {
        kubelets(context).iter().map(|kubelet| shown(&kubelet.value(field))).collect()
    })
}

fn shown(value: &Value<'_>) -> String {
    match value {
        Value::Set(set) => {
            let by = match set.by {
                By::Flag => "flag",
                By::File(_) => "file",
                By::Effective(_) => "answer",
            };
            let text = if set.text.is_empty() { set.list().join("+") } else { set.text.to_string() };
            format!("{by} {text}")
        }
        Value::Default => "default".to_owned(),
        Value::LegacyDefault => "legacy default".to_owned(),
        Value::Unknown(_) => "unknown".to_owned(),
        Value::Unstated => "unstated".to_owned(),
    }
}

const CONFIG: &str = "--config=/var/lib/kubelet/config.yaml";

#[test]
fn later_sources_win_and_defaults_depend_on_the_file() {
    let file = |body: &str| format!("{HEAD}{body}");
    let on = "authentication: {anonymous: {enabled: true}}\n";
    let null = "authentication: {anonymous: {enabled: null}}\n";
    let drop_in = |name| format!("etc/kubelet.d/{name}.conf");
    let dir = format!("{CONFIG} --config-dir=/etc/kubelet.d");
    let check = |files: &[(&str, String)], expected: &[&str]| {
        assert_eq!(values(files, ANONYMOUS), expected, "{files:?}");
    };
    check(&[(UNIT, unit(""))], &["unknown"]);
    check(&[(UNIT, unit("--v=2"))], &["legacy default"]);
    check(&[(UNIT, unit("--anonymous-auth=false"))], &["flag false"]);
    check(&[(UNIT, unit(CONFIG))], &["unknown"]);
    check(&[(UNIT, unit(&format!("{CONFIG} --anonymous_auth=false")))], &["flag false"]);
    check(&[(UNIT, unit(CONFIG)), (FILE, file(""))], &["default"]);
    check(&[(UNIT, unit(CONFIG)), (FILE, file(on))], &["file true"]);
    check(&[(UNIT, unit(CONFIG)), (FILE, file(null))], &["default"]);
    check(&[(FILE, file(on))], &["file true"]);
    check(&[("a.conf", file("maxPods: 1\n"))], &["unstated"]);
    check(&[("a.conf", file(on))], &["file true"]);
    let (first, second) = (drop_in("10"), drop_in("20"));
    check(&[(UNIT, unit(&dir)), (FILE, file("")), (&first, file(on))], &["file true"]);
    check(&[(UNIT, unit(&dir)), (FILE, file(on)), (&first, file(on)), (&second, file(null))], &["default"]);
    check(&[(UNIT, unit(&dir)), (FILE, file(on))], &["unknown"]);
    check(&[(UNIT, unit(&dir)), (&first, file(on))], &["file true"]);
    check(&[(UNIT, unit("--config-dir=/etc/kubelet.d")), (&first, file(""))], &["legacy default"]);
}

#[test]
fn files_belong_to_the_nearest_kubelet() {
    let file = |body: &str| format!("{HEAD}{body}");
    let found = values(
        &[
            ("n1/etc/systemd/system/kubelet.service", unit(CONFIG)),
            ("n1/var/lib/kubelet/config.yaml", file("readOnlyPort: 1\n")),
            ("n2/etc/systemd/system/kubelet.service", unit(CONFIG)),
            ("n2/var/lib/kubelet/config.yaml", file("readOnlyPort: 2\n")),
        ],
        READ_ONLY_PORT,
    );
    assert_eq!(found, ["file 1", "file 2"]);
}

#[test]
fn answers_and_config_maps_count() {
    let answer = ("n1.json", "{\"kubeletconfig\": {\"readOnlyPort\": 10255}}".to_owned());
    let map = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: kubelet-config, namespace: kube-system}\ndata:\n  kubelet: |\n    kind: KubeletConfiguration\n    apiVersion: kubelet.config.k8s.io/v1beta1\n    readOnlyPort: 0\n";
    assert_eq!(values(&[answer, ("map.yaml", map.to_owned())], READ_ONLY_PORT), ["file 0", "answer 10255"]);
}

#[test]
fn gates_of_flags_leave_the_others_to_the_file() {
    let file = format!("{HEAD}featureGates: {{A: false, B: false}}\n");
    let files = [(UNIT, unit(&format!("{CONFIG} --feature-gates=A=true"))), (FILE, file)];
    let gates = with_context(&files, |context| {
        kubelets(context)
            .iter()
            .map(|kubelet| ["A", "B", "C"].map(|name| shown(&kubelet.gate(name))).join(", "))
            .collect::<Vec<_>>()
    });
    assert_eq!(gates, ["flag true, file false, default"]);
}

#[test]
fn lists_come_from_both() {
    let file = format!("{HEAD}tlsCipherSuites: [X, Y]\n");
    assert_eq!(values(&[(FILE, file)], TLS_SUITES), ["file X+Y"]);
    assert_eq!(values(&[(UNIT, unit("--tls-cipher-suites=X,Y"))], TLS_SUITES), ["flag X,Y"]);
}
