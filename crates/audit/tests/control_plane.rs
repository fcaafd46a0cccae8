//! A whole control plane as kubeadm 1.29 makes it by default: which rules fail on it, and why, which are unknown, which have
//! nothing to look at. All others of the families must pass, so that a change that makes one of them noisy is seen here.

use std::collections::BTreeMap;

use nightlatch_audit::{Profile, Settings, audit};
use nightlatch_finding::audit::{AuditReport, Verdict};
use nightlatch_manifest::{Corpus, Input};

const FAMILIES: [&str; 7] = ["API", "CTM", "SCH", "ETC", "KUB", "KPX", "NOD"];

/// What a default cluster breaks.
const FAILS: &[(&str, &str)] = &[
    ("API-003", "kubeadm leaves anonymous requests on for its probes"),
    ("API-008", "kubelets have self-made certificates, so there is no authority to name"),
    ("API-012", "EventRateLimit is never on by default"),
    ("API-014", "AlwaysPullImages is never on by default"),
    ("API-019", "DenyServiceExternalIPs is never on by default"),
    ("API-021", "the profiler is on by default"),
    ("API-022", "no audit log is kept by default"),
    ("API-033", "Secrets are not encrypted by default"),
    ("API-037", "tokens are extended by default"),
    ("API-041", "1.29 is over since 2025-02-28"),
    ("CTM-002", "the profiler is on by default"),
    ("SCH-001", "the profiler is on by default"),
    ("KUB-006", "kernel settings are changed by default"),
    ("KUB-010", "the serving certificate is self-made by default"),
    ("KUB-014", "no limit of processes by default"),
    ("KUB-015", "no seccomp profile by default"),
    ("NOD-004", "etcd runs as root, which is a hint only"),
    ("NOD-010", "packages install units with mode 644, which is low"),
    ("NOD-014", "kubeadm writes the file with mode 644, which is low"),
];

/// What the files cannot show.
const UNKNOWN: &[(&str, &str)] = &[("KPX-002", "whether any Service has a node port is not in the input")];

/// What there is nothing to look at for.
const NOT_APPLICABLE: &[(&str, &str)] = &[
    ("API-023", "no audit log file"),
    ("API-024", "no audit log file"),
    ("API-025", "no audit log file"),
    ("API-034", "no EncryptionConfiguration"),
    ("API-039", "said by API-022 already"),
    ("KUB-012", "said by KUB-010 already"),
    ("NOD-003", "no CNI configuration in the list"),
    ("NOD-011", "kubeadm's kube-proxy has its kubeconfig from a ConfigMap"),
];

const APISERVER: &str = r"apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/kube-apiserver.advertise-address.endpoint: 10.0.0.10:6443
  creationTimestamp: null
  labels:
    component: kube-apiserver
    tier: control-plane
  name: kube-apiserver
  namespace: kube-system
spec:
  containers:
  - command:
    - kube-apiserver
    - --advertise-address=10.0.0.10
    - --allow-privileged=true
    - --authorization-mode=Node,RBAC
    - --client-ca-file=/etc/kubernetes/pki/ca.crt
    - --enable-admission-plugins=NodeRestriction
    - --enable-bootstrap-token-auth=true
    - --etcd-cafile=/etc/kubernetes/pki/etcd/ca.crt
    - --etcd-certfile=/etc/kubernetes/pki/apiserver-etcd-client.crt
    - --etcd-keyfile=/etc/kubernetes/pki/apiserver-etcd-client.key
    - --etcd-servers=https://127.0.0.1:2379
    - --kubelet-client-certificate=/etc/kubernetes/pki/apiserver-kubelet-client.crt
    - --kubelet-client-key=/etc/kubernetes/pki/apiserver-kubelet-client.key
    - --kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname
    - --proxy-client-cert-file=/etc/kubernetes/pki/front-proxy-client.crt
    - --proxy-client-key-file=/etc/kubernetes/pki/front-proxy-client.key
    - --requestheader-allowed-names=front-proxy-client
    - --requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt
    - --requestheader-extra-headers-prefix=X-Remote-Extra-
    - --requestheader-group-headers=X-Remote-Group
    - --requestheader-username-headers=X-Remote-User
    - --secure-port=6443
    - --service-account-issuer=https://kubernetes.default.svc.cluster.local
    - --service-account-key-file=/etc/kubernetes/pki/sa.pub
    - --service-account-signing-key-file=/etc/kubernetes/pki/sa.key
    - --service-cluster-ip-range=10.96.0.0/12
    - --tls-cert-file=/etc/kubernetes/pki/apiserver.crt
    - --tls-private-key-file=/etc/kubernetes/pki/apiserver.key
    image: registry.k8s.io/kube-apiserver:v1.29.0
    name: kube-apiserver
  hostNetwork: true
status: {}
";

const CONTROLLER_MANAGER: &str = r"apiVersion: v1
kind: Pod
metadata:
  creationTimestamp: null
  labels:
    component: kube-controller-manager
    tier: control-plane
  name: kube-controller-manager
  namespace: kube-system
spec:
  containers:
  - command:
    - kube-controller-manager
    - --allocate-node-cidrs=true
    - --authentication-kubeconfig=/etc/kubernetes/controller-manager.conf
    - --authorization-kubeconfig=/etc/kubernetes/controller-manager.conf
    - --bind-address=127.0.0.1
    - --client-ca-file=/etc/kubernetes/pki/ca.crt
    - --cluster-cidr=10.244.0.0/16
    - --cluster-name=kubernetes
    - --cluster-signing-cert-file=/etc/kubernetes/pki/ca.crt
    - --cluster-signing-key-file=/etc/kubernetes/pki/ca.key
    - --controllers=*,bootstrapsigner,tokencleaner
    - --kubeconfig=/etc/kubernetes/controller-manager.conf
    - --leader-elect=true
    - --requestheader-client-ca-file=/etc/kubernetes/pki/front-proxy-ca.crt
    - --root-ca-file=/etc/kubernetes/pki/ca.crt
    - --service-account-private-key-file=/etc/kubernetes/pki/sa.key
    - --service-cluster-ip-range=10.96.0.0/12
    - --use-service-account-credentials=true
    image: registry.k8s.io/kube-controller-manager:v1.29.0
    name: kube-controller-manager
  hostNetwork: true
";

const SCHEDULER: &str = r"apiVersion: v1
kind: Pod
metadata:
  creationTimestamp: null
  labels:
    component: kube-scheduler
    tier: control-plane
  name: kube-scheduler
  namespace: kube-system
spec:
  containers:
  - command:
    - kube-scheduler
    - --authentication-kubeconfig=/etc/kubernetes/scheduler.conf
    - --authorization-kubeconfig=/etc/kubernetes/scheduler.conf
    - --bind-address=127.0.0.1
    - --kubeconfig=/etc/kubernetes/scheduler.conf
    - --leader-elect=true
    image: registry.k8s.io/kube-scheduler:v1.29.0
    name: kube-scheduler
  hostNetwork: true
";

const ETCD: &str = r"apiVersion: v1
kind: Pod
metadata:
  annotations:
    kubeadm.kubernetes.io/etcd.advertise-client-urls: https://10.0.0.10:2379
  creationTimestamp: null
  labels:
    component: etcd
    tier: control-plane
  name: etcd
  namespace: kube-system
spec:
  containers:
  - command:
    - etcd
    - --advertise-client-urls=https://10.0.0.10:2379
    - --cert-file=/etc/kubernetes/pki/etcd/server.crt
    - --client-cert-auth=true
    - --data-dir=/var/lib/etcd
    - --experimental-initial-corrupt-check=true
    - --experimental-watch-progress-notify-interval=5s
    - --initial-advertise-peer-urls=https://10.0.0.10:2380
    - --initial-cluster=cp1=https://10.0.0.10:2380
    - --key-file=/etc/kubernetes/pki/etcd/server.key
    - --listen-client-urls=https://127.0.0.1:2379,https://10.0.0.10:2379
    - --listen-metrics-urls=http://127.0.0.1:2381
    - --listen-peer-urls=https://10.0.0.10:2380
    - --name=cp1
    - --peer-cert-file=/etc/kubernetes/pki/etcd/peer.crt
    - --peer-client-cert-auth=true
    - --peer-key-file=/etc/kubernetes/pki/etcd/peer.key
    - --peer-trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    - --snapshot-count=10000
    - --trusted-ca-file=/etc/kubernetes/pki/etcd/ca.crt
    image: registry.k8s.io/etcd:3.5.10-0
    name: etcd
  hostNetwork: true
";

const KUBELET_CONFIG: &str = r#"apiVersion: kubelet.config.k8s.io/v1beta1
authentication:
  anonymous:
    enabled: false
  webhook:
    cacheTTL: 0s
    enabled: true
  x509:
    clientCAFile: /etc/kubernetes/pki/ca.crt
authorization:
  mode: Webhook
  webhook:
    cacheAuthorizedTTL: 0s
    cacheUnauthorizedTTL: 0s
cgroupDriver: systemd
clusterDNS:
- 10.96.0.10
clusterDomain: cluster.local
containerRuntimeEndpoint: ""
cpuManagerReconcilePeriod: 0s
evictionPressureTransitionPeriod: 0s
fileCheckFrequency: 0s
healthzBindAddress: 127.0.0.1
healthzPort: 10248
httpCheckFrequency: 0s
imageMaximumGCAge: 0s
imageMinimumGCAge: 0s
kind: KubeletConfiguration
logging:
  flushFrequency: 0
  options:
    json:
      infoBufferSize: "0"
  verbosity: 0
memorySwap: {}
nodeStatusReportFrequency: 0s
nodeStatusUpdateFrequency: 0s
rotateCertificates: true
runtimeRequestTimeout: 0s
shutdownGracePeriod: 0s
shutdownGracePeriodCriticalPods: 0s
staticPodPath: /etc/kubernetes/manifests
streamingConnectionIdleTimeout: 0s
syncFrequency: 0s
volumeStatsAggPeriod: 0s
"#;

const KUBELET_UNIT: &str = r"[Unit]
Description=kubelet

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
";

const KUBELET_DROP_IN: &str = r#"[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"#;

const KUBEADM_FLAGS: &str = "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///var/run/containerd/containerd.sock --pod-infra-container-image=registry.k8s.io/pause:3.9\"\n";

const KUBE_PROXY: &str = r#"apiVersion: v1
kind: ConfigMap
metadata:
  labels:
    app: kube-proxy
  name: kube-proxy
  namespace: kube-system
data:
  config.conf: |-
    apiVersion: kubeproxy.config.k8s.io/v1alpha1
    bindAddress: 0.0.0.0
    bindAddressHardFail: false
    clientConnection:
      kubeconfig: /var/lib/kube-proxy/kubeconfig.conf
    clusterCIDR: 10.244.0.0/16
    kind: KubeProxyConfiguration
    metricsBindAddress: ""
    mode: ""
    nodePortAddresses: null
---
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: kube-proxy
  namespace: kube-system
spec:
  selector: {matchLabels: {k8s-app: kube-proxy}}
  template:
    metadata: {labels: {k8s-app: kube-proxy}}
    spec:
      containers:
      - command:
        - /usr/local/bin/kube-proxy
        - --config=/var/lib/kube-proxy/config.conf
        - --hostname-override=$(NODE_NAME)
        image: registry.k8s.io/kube-proxy:v1.29.0
        name: kube-proxy
"#;

const FILES: &str = "600 0 0 root root /etc/kubernetes/manifests/kube-apiserver.yaml
600 0 0 root root /etc/kubernetes/manifests/kube-controller-manager.yaml
600 0 0 root root /etc/kubernetes/manifests/kube-scheduler.yaml
600 0 0 root root /etc/kubernetes/manifests/etcd.yaml
700 0 0 root root /var/lib/etcd
600 0 0 root root /etc/kubernetes/admin.conf
600 0 0 root root /etc/kubernetes/super-admin.conf
600 0 0 root root /etc/kubernetes/scheduler.conf
600 0 0 root root /etc/kubernetes/controller-manager.conf
600 0 0 root root /etc/kubernetes/kubelet.conf
755 0 0 root root /etc/kubernetes/pki
644 0 0 root root /etc/kubernetes/pki/ca.crt
600 0 0 root root /etc/kubernetes/pki/ca.key
644 0 0 root root /etc/kubernetes/pki/etcd/server.crt
600 0 0 root root /etc/kubernetes/pki/etcd/server.key
600 0 0 root root /etc/kubernetes/pki/sa.pub
644 0 0 root root /usr/lib/systemd/system/kubelet.service
644 0 0 root root /var/lib/kubelet/config.yaml
";

fn files() -> Vec<(&'static str, &'static str)> {
    vec![
        ("etc/kubernetes/manifests/kube-apiserver.yaml", APISERVER),
        ("etc/kubernetes/manifests/kube-controller-manager.yaml", CONTROLLER_MANAGER),
        ("etc/kubernetes/manifests/kube-scheduler.yaml", SCHEDULER),
        ("etc/kubernetes/manifests/etcd.yaml", ETCD),
        ("var/lib/kubelet/config.yaml", KUBELET_CONFIG),
        ("usr/lib/systemd/system/kubelet.service", KUBELET_UNIT),
        ("usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf", KUBELET_DROP_IN),
        ("var/lib/kubelet/kubeadm-flags.env", KUBEADM_FLAGS),
        ("etc/default/kubelet", "KUBELET_EXTRA_ARGS=\n"),
        ("kube-proxy.yaml", KUBE_PROXY),
        ("files.txt", FILES),
    ]
}

fn report(files: &[(&str, String)]) -> AuditReport {
    let corpus = Corpus::read(
        files
            .iter()
            .map(|(name, text)| Input { name: (*name).to_owned().into(), bytes: text.clone().into_bytes() }),
    );
    let mut settings = Settings::new(jiff::civil::date(2026, 11, 1));
    settings.profile = Profile::All;
    audit(&corpus, &settings)
}

fn default_cluster() -> Vec<(&'static str, String)> {
    files().into_iter().map(|(name, text)| (name, text.to_owned())).collect()
}

fn verdicts(report: &AuditReport) -> BTreeMap<String, Verdict> {
    report
        .rules
        .iter()
        .filter(|outcome| FAMILIES.iter().any(|family| outcome.rule.starts_with(family)))
        .map(|outcome| (outcome.rule.clone(), outcome.verdict))
        .collect()
}

#[test]
fn a_default_cluster_breaks_these_rules_and_no_others() {
    let report = report(&default_cluster());
    let got = verdicts(&report);
    assert_eq!(got.len(), 98, "every rule of the families ran");
    let expected: BTreeMap<String, Verdict> = got
        .keys()
        .map(|rule| {
            let is_in = |list: &[(&str, &str)]| list.iter().any(|(own, _)| own == rule);
            let verdict = match (is_in(FAILS), is_in(UNKNOWN), is_in(NOT_APPLICABLE)) {
                (true, false, false) => Verdict::Fail,
                (false, true, false) => Verdict::Unknown,
                (false, false, true) => Verdict::NotApplicable,
                _ => Verdict::Pass,
            };
            (rule.clone(), verdict)
        })
        .collect();
    let differing: Vec<_> =
        got.iter().filter(|(rule, verdict)| expected.get(*rule) != Some(verdict)).collect();
    let why: Vec<_> = report
        .rules
        .iter()
        .filter(|outcome| outcome.unknown > 0)
        .map(|outcome| (outcome.rule.as_str(), &outcome.why_unknown))
        .collect();
    assert!(differing.is_empty(), "{differing:?}\nunknown: {why:?}");
    for (rule, _) in FAILS {
        let count = report.findings.iter().filter(|finding| finding.rule == *rule).count();
        assert_eq!(count, 1, "{rule}");
    }
}

const KUBEADM: &str = "apiVersion: kubeadm.k8s.io/v1beta3
kind: InitConfiguration
localAPIEndpoint:
  advertiseAddress: 10.0.0.10
---
apiVersion: kubeadm.k8s.io/v1beta3
kind: ClusterConfiguration
kubernetesVersion: v1.29.0
apiServer:
  extraArgs:
    v: \"2\"
controllerManager:
  extraArgs:
    v: \"2\"
scheduler:
  extraArgs:
    v: \"2\"
---
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
cgroupDriver: systemd
---
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: ipvs
";

/// What kubeadm is told breaks the same rules as what it makes of it.
#[test]
fn the_configuration_of_kubeadm_is_judged_as_its_manifests() {
    let manifests = verdicts(&report(&default_cluster()));
    let configuration = verdicts(&report(&[("kubeadm.yaml", KUBEADM.to_owned())]));
    let differing: Vec<_> = manifests
        .iter()
        // There are no files of the node and no flags of the kubelet in it.
        .filter(|(rule, _)| !rule.starts_with("NOD") && *rule != "KUB-008")
        .map(|(rule, verdict)| (rule, verdict, configuration.get(rule)))
        .filter(|(_, one, other)| Some(*one) != *other)
        .collect();
    assert!(differing.is_empty(), "{differing:?}");
}

#[test]
fn fixes_mend_the_configuration_of_kubeadm() {
    let rules = ["API-003", "API-019", "API-021", "CTM-002", "SCH-001"];
    let list = KUBEADM.replace("v1beta3", "v1beta4").replace("    v: \"2\"", "    - {name: v, value: \"2\"}");
    for text in [KUBEADM.to_owned(), list] {
        let mut files = vec![("kubeadm.yaml", text)];
        let before = report(&files);
        mend(&mut files, &before, &rules);
        let after = verdicts(&report(&files));
        for rule in rules {
            assert_eq!(after.get(rule), Some(&Verdict::Pass), "{rule}\n{}", files[0].1);
        }
    }
}

/// Puts the edits of all findings of some rules into the files.
fn mend(files: &mut [(&'static str, String)], report: &AuditReport, rules: &[&str]) {
    let mut edits: Vec<_> = report
        .findings
        .iter()
        .filter(|finding| rules.contains(&&*finding.rule))
        .flat_map(|finding| finding.fix.iter().flat_map(|fix| fix.edits.iter()))
        .collect();
    edits.sort_by_key(|edit| std::cmp::Reverse(edit.start));
    for edit in edits {
        let (_, text) =
            files.iter_mut().find(|(name, _)| *name == edit.file.raw()).expect("a file of the input");
        text.replace_range(edit.start as usize..edit.end as usize, edit.text.raw());
    }
}

#[test]
fn fixes_mend_what_they_are_about() {
    let rules = ["API-003", "API-021", "API-037", "CTM-002", "SCH-001", "KUB-010", "KUB-014", "KUB-015"];
    let mut files = default_cluster();
    let before = report(&files);
    mend(&mut files, &before, &rules);
    let after = verdicts(&report(&files));
    for rule in rules {
        assert_eq!(after.get(rule), Some(&Verdict::Pass), "{rule}\n{}\n{}", files[0].1, files[4].1);
    }
}

#[test]
fn nothing_is_said_of_an_input_without_a_control_plane() {
    let pod =
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: nginx}]}\n";
    let got = verdicts(&report(&[("pod.yaml", pod.to_owned())]));
    let spoken: Vec<_> = got.iter().filter(|(_, verdict)| **verdict != Verdict::NotApplicable).collect();
    assert!(spoken.is_empty(), "{spoken:?}");
}
