use super::*;
use crate::Input;

/// Reads files and shows their components: kind, flags, and `...` when there may be more.
fn show(files: &[(&str, &str)]) -> Vec<String> {
    let inputs = files
        .iter()
        .map(|(name, text)| Input { name: (*name).to_owned().into(), bytes: text.as_bytes().to_vec() });
    let corpus = Corpus::read(inputs);
    let objects: Vec<Object<'_>> = corpus.objects().collect();
    components(&corpus, &objects, &crate::workloads(&corpus, &objects))
        .iter()
        .map(|component| {
            let flags: Vec<String> = component
                .flags
                .iter()
                .map(|flag| format!("{}={}", flag.name, flag.value.as_deref().unwrap_or("(bare)")))
                .collect();
            format!("{} {}{}", component.kind, flags.join(" "), if component.is_whole { "" } else { " ..." })
        })
        .collect()
}

fn pod(container: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: a}}\nspec:\n  containers:\n  - {container}\n")
}

#[test]
fn command_lines_are_found_in_containers() {
    let check = |container: &str, expected: &[&str]| {
        assert_eq!(show(&[("pod.yaml", &pod(container))]), expected, "{container}");
    };
    check(
        "command: [kube-apiserver, --anonymous-auth=false, --v, '2', --profiling]",
        &["kube-apiserver anonymous-auth=false v=2 profiling=(bare)"],
    );
    check(
        "command: [/usr/local/bin/kube-apiserver]\n    args: ['--audit_log_path=-']",
        &["kube-apiserver audit-log-path=-"],
    );
    check("image: registry.k8s.io/kube-proxy:v1.30.1\n    args: [--x=1]", &["kube-proxy x=1"]);
    check(
        "command: [sh, -c, 'set -e; exec kube-scheduler --a=\"b c\" 2>&1 | tee x']",
        &["kube-scheduler a=b c"],
    );
    check(
        "command: [/bin/bash, -ec]\n    args: [\"kubelet \\\\\\n  --a=1 \\\\\\n  --b 2\"]",
        &["kubelet a=1 b=2"],
    );
    check("command: [hyperkube, apiserver, --a=1]", &["kube-apiserver a=1"]);
    check(
        "command: [/go-runner, --log-file=/x, kube-controller-manager, --a=1]",
        &["kube-controller-manager a=1"],
    );
    check("command: [cp, /bin/kubelet, /host]", &[]);
    check("command: [pgrep, etcd]", &[]);
    check(
        "command: [etcd, --b=$(X)]\n    env: [{name: ETCD_CLIENT_CERT_AUTH, value: 'true'}, {name: X, value: q}]",
        &["etcd client-cert-auth=true b=q"],
    );
    check(
        "command: [k3s, server, --kube-apiserver-arg=anonymous-auth=true, --kubelet-arg, v=2]",
        &["kube-apiserver anonymous-auth=true ...", "kubelet v=2 ..."],
    );
    check("image: etcd-manager\n    command: [/etcd-manager]", &[]);
}

#[test]
fn units_are_merged_with_drop_ins_and_environment() {
    let unit =
        ("n1/lib/systemd/system/kubelet.service", "[Service]\nExecStart=/usr/bin/kubelet\nRestart=always\n");
    let drop_in = (
        "n1/etc/systemd/system/kubelet.service.d/10-kubeadm.conf",
        "[Service]\nEnvironment=\"A=--config=/c.yaml --x=1\"\nEnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env\nExecStart=\nExecStart=/usr/bin/kubelet $A $B ${C}\n",
    );
    let flags = ("n1/var/lib/kubelet/kubeadm-flags.env", "B=\"--y=2 --z\"\nC=--w=3\n");
    assert_eq!(show(&[unit]), ["kubelet "]);
    assert_eq!(show(&[unit, drop_in]), ["kubelet config=/c.yaml x=1 ..."]);
    assert_eq!(show(&[unit, drop_in, flags]), ["kubelet config=/c.yaml x=1 y=2 z=(bare) w=3"]);
    assert_eq!(
        show(&[(
            "docker.service",
            "[Service]\nExecStart=/usr/bin/dockerd -H fd:// \\\n  -H tcp://0.0.0.0:2375\n"
        )]),
        ["dockerd H=fd:// H=tcp://0.0.0.0:2375"]
    );
}

#[test]
fn other_sources_are_read() {
    assert_eq!(
        show(&[("ps.txt", "  PID COMMAND\n    1 /sbin/init\n  812 kube-apiserver --a=1 --b\n")]),
        ["kube-apiserver a=1 b=(bare)"]
    );
    assert_eq!(show(&[("cmdline", "etcd\0--name=a b\0")]), ["etcd name=a b ..."]);
    assert_eq!(
        show(&[("etc/rancher/k3s/config.yaml", "kube-apiserver-arg:\n- anonymous-auth=false\n- v=1\n")]),
        ["kube-apiserver anonymous-auth=false v=1 ..."]
    );
    let file = (
        "etc/etcd/etcd.conf.yml",
        "name: a\nlisten-client-urls: http://0.0.0.0:2379\nclient-transport-security:\n  cert-file: /c\npeer-transport-security:\n  client-cert-auth: true\n",
    );
    let expected =
        "etcd name=a listen-client-urls=http://0.0.0.0:2379 cert-file=/c peer-client-cert-auth=true";
    assert_eq!(show(&[file]), [expected]);
    let runs = ("ps", "/usr/bin/etcd --config-file=/etc/etcd/etcd.conf.yml --cert-file=ignored\n");
    assert_eq!(show(&[file, runs]), [expected]);
}

#[test]
fn argument_files_are_named_after_their_program() {
    let flags = "# note\n--anonymous-auth=false\n--v 2\n--cert-dir=${SNAP_DATA}/certs\n";
    assert_eq!(
        show(&[("var/snap/microk8s/current/args/kubelet", flags)]),
        ["kubelet anonymous-auth=false v=2 cert-dir=${SNAP_DATA}/certs"]
    );
    assert_eq!(show(&[("var/snap/k8s/common/args/kube-apiserver", "--v=\"2\"\n")]), ["kube-apiserver v=2"]);
    assert_eq!(show(&[("args/cluster-agent", "--bind=1\n")]), [""; 0]);
    assert_eq!(show(&[("kubelet", "--v=2\n")]), [""; 0]);
}

#[test]
fn drop_ins_of_k3s_are_read() {
    let check = |name, text, expected: &[&str]| assert_eq!(show(&[(name, text)]), expected, "{name}");
    let added = "kube-apiserver-arg+:\n- anonymous-auth=false\n";
    check("n/etc/rancher/rke2/config.yaml.d/50-x.yaml", added, &["kube-apiserver anonymous-auth=false ..."]);
    check("x.yaml", added, &["kube-apiserver anonymous-auth=false ..."]);
    check("x.yaml", "etcd-arg: quota=1\n", &["etcd quota=1 ..."]);
}

const KUBEADM: &str =
    "apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\nkubernetesVersion: v1.30.1\n";

#[test]
fn kubeadm_gives_flags_of_its_own() {
    let find = |text: &str, start: &str| -> String {
        let found = show(&[("kubeadm.yaml", text)]);
        found.into_iter().find(|line| line.starts_with(start)).unwrap_or_default()
    };
    let plain = find(KUBEADM, "kube-apiserver ");
    for part in [
        "authorization-mode=Node,RBAC ",
        "client-ca-file=/etc/kubernetes/pki/ca.crt ",
        "etcd-servers=https://127.0.0.1:2379",
    ] {
        assert!(plain.contains(part), "{plain}");
    }
    assert!(!plain.contains("...") && !plain.contains("insecure-port"), "{plain}");
    let map = format!("{KUBEADM}apiServer:\n  extraArgs: {{client-ca-file: /x, profiling: 'false'}}\n");
    let server = find(&map, "kube-apiserver ");
    assert!(
        server.contains("client-ca-file=/x profiling=false") && !server.contains("pki/ca.crt"),
        "{server}"
    );
    let list = format!("{KUBEADM}scheduler:\n  extraArgs:\n  - {{name: bind-address, value: 0.0.0.0}}\n");
    let scheduler = find(&list, "kube-scheduler ");
    assert!(scheduler.ends_with("bind-address=0.0.0.0") && !scheduler.contains("127.0.0.1"), "{scheduler}");
    let config = format!("{KUBEADM}apiServer:\n  extraArgs: {{authorization-config: /x}}\n");
    assert!(!find(&config, "kube-apiserver ").contains("authorization-mode"));
    let external =
        format!("{KUBEADM}etcd: {{external: {{endpoints: ['http://192.0.2.1:2379'], caFile: /ca}}}}\n");
    assert!(find(&external, "kube-apiserver ").contains("etcd-cafile=/ca"));
    assert_eq!(find(&external, "etcd "), "");
    let init = format!(
        "{KUBEADM}---\napiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\nlocalAPIEndpoint: {{advertiseAddress: '2001:db8::1'}}\nnodeRegistration:\n  kubeletExtraArgs: {{read-only-port: '10255'}}\n"
    );
    assert!(find(&init, "etcd ").contains("advertise-client-urls=https://[2001:db8::1]:2379"));
    assert_eq!(
        find(&init, "kubelet "),
        "kubelet config=/var/lib/kubelet/config.yaml read-only-port=10255 ..."
    );
    let old = KUBEADM.replace("v1.30.1", "v1.19.4");
    assert!(find(&old, "kube-apiserver ").contains("insecure-port=0"));
}

#[test]
fn cluster_api_wraps_kubeadm() {
    let text = "apiVersion: controlplane.cluster.x-k8s.io/v1beta1\nkind: KubeadmControlPlane\nmetadata: {name: a}\nspec:\n  version: v1.30.1\n  kubeadmConfigSpec:\n    clusterConfiguration: {}\n    joinConfiguration:\n      nodeRegistration:\n        kubeletExtraArgs: [{name: v, value: '2'}]\n";
    let found = show(&[("a.yaml", text)]);
    let names: Vec<&str> = found.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(names, ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "kubelet"]);
}

#[test]
fn versions_and_makers_come_from_images() {
    let check = |image: &str, version: Option<&str>, distribution| {
        assert_eq!(image::version(image).as_deref(), version, "{image}");
        assert_eq!(image::distribution(image), distribution, "{image}");
    };
    check("registry.k8s.io/kube-apiserver:v1.30.2", Some("v1.30.2"), Distribution::Unknown);
    check("localhost:5000/kube-apiserver", None, Distribution::Unknown);
    check(
        "rancher/hardened-kubernetes:v1.28.2-rke2r1-build",
        Some("v1.28.2-rke2r1-build"),
        Distribution::Rke2,
    );
    check(
        "602401143452.dkr.ecr.us-west-2.amazonaws.com/eks/kube-proxy:v1.29.0-eksbuild.1",
        Some("v1.29.0-eksbuild.1"),
        Distribution::Eks,
    );
    check("x/kube-proxy@sha256:00", None, Distribution::Unknown);
}
