//! What a document is.

use std::collections::BTreeMap;

use crate::{Corpus, Document, Format, Kind, Node};

/// What a document is, told by its content, and by its file's name where that leaves it open.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum DocumentKind {
    /// One Kubernetes object or a list of them, configuration of its components included (`KubeletConfiguration`).
    Kubernetes,
    /// A kubeconfig.
    Kubeconfig,
    /// A kustomization or one of its components.
    Kustomization,
    /// A Compose project's file.
    Compose,
    /// The configuration of dockerd, `daemon.json`.
    DockerDaemon,
    /// What `docker info --format json` prints.
    DockerInfo,
    /// What `docker inspect` prints.
    DockerInspect,
    /// The configuration of a docker client, `config.json`.
    DockerConfig,
    /// `Chart.yaml` of a chart.
    HelmChart,
    /// `values.yaml` of a chart.
    HelmValues,
    /// What `aws ec2 describe-security-groups` prints.
    AwsSecurityGroups,
    /// Another answer of a cloud's command line.
    CloudAnswer,
    /// A Terraform plan or state as JSON.
    TerraformPlan,
    /// A CloudFormation template.
    CloudFormation,
    /// A systemd unit or drop-in.
    SystemdUnit,
    /// The configuration of containerd.
    ContainerdConfig,
    /// The configuration of CRI-O.
    CrioConfig,
    /// The configuration file of etcd.
    EtcdConfig,
    /// The configuration file of k3s or RKE2.
    K3sConfig,
    /// Files of a node with mode and owner.
    FileList,
    /// Command lines of a node.
    ProcessList,
    /// `NAME=value` lines.
    Environment,
    /// Certificates as text.
    Certificates,
}

impl DocumentKind {
    /// What people call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "Kubernetes",
            Self::Kubeconfig => "kubeconfig",
            Self::Kustomization => "kustomization",
            Self::Compose => "Compose file",
            Self::DockerDaemon => "Docker daemon configuration",
            Self::DockerInfo => "docker info",
            Self::DockerInspect => "docker inspect",
            Self::DockerConfig => "Docker client configuration",
            Self::HelmChart => "Helm chart",
            Self::HelmValues => "Helm values",
            Self::AwsSecurityGroups => "AWS security groups",
            Self::CloudAnswer => "cloud answer",
            Self::TerraformPlan => "Terraform plan",
            Self::CloudFormation => "CloudFormation template",
            Self::SystemdUnit => "systemd unit",
            Self::ContainerdConfig => "containerd configuration",
            Self::CrioConfig => "CRI-O configuration",
            Self::EtcdConfig => "etcd configuration",
            Self::K3sConfig => "k3s configuration",
            Self::FileList => "file list",
            Self::ProcessList => "process list",
            Self::Environment => "environment file",
            Self::Certificates => "certificates",
        }
    }
}

/// What a document is; nothing when it is nothing known.
pub fn kind_of(document: &Document) -> Option<DocumentKind> {
    document.what
}

/// How many documents of each kind there are, and of which Kubernetes kinds.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Census<'a> {
    /// Documents by what they are.
    pub documents: BTreeMap<DocumentKind, usize>,
    /// Documents that are nothing known.
    pub unknown: usize,
    /// Kubernetes objects by API group (empty for the core group) and kind.
    pub objects: BTreeMap<(&'a str, &'a str), usize>,
}

impl Corpus {
    /// Counts what there is.
    pub fn census(&self) -> Census<'_> {
        let mut census = Census::default();
        for document in &self.documents {
            match document.what {
                Some(kind) => *census.documents.entry(kind).or_default() += 1,
                None => census.unknown += 1,
            }
        }
        for object in self.objects() {
            *census.objects.entry((object.group(), object.kind)).or_default() += 1;
        }
        census
    }

    /// The documents of a kind.
    pub fn documents_of(&self, kind: DocumentKind) -> impl Iterator<Item = &Document> {
        self.documents.iter().filter(move |document| document.what == Some(kind))
    }
}

/// Keys that etcd's file has and nothing else, by etcd's documentation of its configuration file.
const ETCD_KEYS: [&str; 10] = [
    "listen-client-urls",
    "advertise-client-urls",
    "listen-peer-urls",
    "initial-advertise-peer-urls",
    "client-transport-security",
    "peer-transport-security",
    "initial-cluster-token",
    "initial-cluster",
    "listen-metrics-urls",
    "snapshot-count",
];

/// Keys of dockerd's file that hardly anything else has.
const DAEMON_KEYS: [&str; 20] = [
    "insecure-registries",
    "registry-mirrors",
    "storage-driver",
    "log-driver",
    "live-restore",
    "userns-remap",
    "icc",
    "userland-proxy",
    "no-new-privileges",
    "exec-opts",
    "data-root",
    "default-ulimits",
    "cgroup-parent",
    "seccomp-profile",
    "authorization-plugins",
    "tlsverify",
    "default-runtime",
    "selinux-enabled",
    "experimental",
    "hosts",
];

/// Decides what a document is, which stands in a source called `name`.
pub(crate) fn classify(root: Node<'_>, format: Format, name: &str) -> Option<DocumentKind> {
    match format {
        Format::Unit => return Some(DocumentKind::SystemdUnit),
        Format::Env => return Some(DocumentKind::Environment),
        Format::Toml => return toml_kind(root, name),
        _ => {}
    }
    match root.kind() {
        // A program's output is a list; only certificates are a mapping.
        Kind::Mapping if format == Format::Lines => Some(DocumentKind::Certificates),
        Kind::Mapping => mapping_kind(root, name),
        Kind::Sequence => sequence_kind(root),
        _ => None,
    }
}

fn file_name(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

fn toml_kind(root: Node<'_>, name: &str) -> Option<DocumentKind> {
    if root.get("crio").is_some() || name.contains("crio") {
        return Some(DocumentKind::CrioConfig);
    }
    let is_containerd = ["plugins", "grpc", "proxy_plugins", "disabled_plugins", "cgroup"];
    (is_containerd.iter().any(|key| root.get(key).is_some()) || name.contains("containerd"))
        .then_some(DocumentKind::ContainerdConfig)
}

fn sequence_kind(root: Node<'_>) -> Option<DocumentKind> {
    let first = root.items().next()?;
    let has = |key: &str| first.get(key).is_some();
    if has("path") && has("mode") {
        return Some(DocumentKind::FileList);
    }
    if has("args") || has("cmdline") {
        return Some(DocumentKind::ProcessList);
    }
    if has("Id") && (has("HostConfig") || has("RootFS") || has("Containers") || has("Spec")) {
        return Some(DocumentKind::DockerInspect);
    }
    if has("apiVersion") && has("kind") {
        return Some(DocumentKind::Kubernetes);
    }
    (has("GroupId") && has("IpPermissions")).then_some(DocumentKind::AwsSecurityGroups)
}

fn mapping_kind(root: Node<'_>, name: &str) -> Option<DocumentKind> {
    let file = file_name(name);
    let has = |key: &str| root.get_raw(key).is_some();
    let text = |key: &str| root.get(key).and_then(Node::as_str).unwrap_or("");
    if has("kind") && has("apiVersion") {
        return Some(kubernetes_kind(text("apiVersion"), text("kind")));
    }
    if file.starts_with("kustomization.") || file == "Kustomization" {
        return Some(DocumentKind::Kustomization);
    }
    if matches!(file, "Chart.yaml" | "Chart.yml") && has("name") && (has("version") || has("apiVersion")) {
        return Some(DocumentKind::HelmChart);
    }
    if is_compose(root, file) {
        return Some(DocumentKind::Compose);
    }
    if let Some(kind) = cloud_kind(root) {
        return Some(kind);
    }
    if has("path") && has("mode") {
        return Some(DocumentKind::FileList);
    }
    if let Some(kind) = docker_kind(root, file) {
        return Some(kind);
    }
    if ETCD_KEYS.iter().filter(|key| has(key)).count() >= 2 {
        return Some(DocumentKind::EtcdConfig);
    }
    if is_k3s_file(name) || is_k3s(root) {
        return Some(DocumentKind::K3sConfig);
    }
    let is_values = file.starts_with("values") && (file.ends_with(".yaml") || file.ends_with(".yml"));
    is_values.then_some(DocumentKind::HelmValues)
}

fn kubernetes_kind(api_version: &str, kind: &str) -> DocumentKind {
    match kind {
        "Config" if api_version == "v1" => DocumentKind::Kubeconfig,
        "Kustomization" | "Component" if api_version.starts_with("kustomize.config.k8s.io/") => {
            DocumentKind::Kustomization
        }
        _ => DocumentKind::Kubernetes,
    }
}

/// `services` as a mapping of mappings that have what a service has; an override file may have little else.
fn is_compose(root: Node<'_>, file: &str) -> bool {
    let named =
        file.starts_with("compose.") || file.starts_with("docker-compose") || file.starts_with("compose-");
    let Some(services) = root.get("services").filter(|services| services.kind() == Kind::Mapping) else {
        return named && (root.get("include").is_some() || root.get("volumes").is_some());
    };
    if named {
        return true;
    }
    let fields = ["image", "build", "ports", "volumes", "environment", "command", "extends", "depends_on"];
    !services.is_empty()
        && services.entries().all(|(_, service)| service.kind() == Kind::Mapping || service.is_null())
        && services.entries().any(|(_, service)| fields.iter().any(|field| service.get(field).is_some()))
}

fn cloud_kind(root: Node<'_>) -> Option<DocumentKind> {
    let has = |key: &str| root.get(key).is_some();
    if has("SecurityGroups") || (has("GroupId") && has("IpPermissions")) {
        return Some(DocumentKind::AwsSecurityGroups);
    }
    if has("AWSTemplateFormatVersion") || is_cloudformation(root) {
        return Some(DocumentKind::CloudFormation);
    }
    let is_terraform = has("terraform_version") || has("format_version");
    if is_terraform
        && ["planned_values", "resource_changes", "values", "resources", "configuration"]
            .iter()
            .any(|key| has(key))
    {
        return Some(DocumentKind::TerraformPlan);
    }
    if has("planned_values") || has("resource_changes") {
        return Some(DocumentKind::TerraformPlan);
    }
    let answers = [
        "Reservations",
        "NetworkInterfaces",
        "Subnets",
        "Vpcs",
        "LoadBalancers",
        "NetworkAcls",
        "RouteTables",
        "cluster",
        "Cluster",
        "DBInstances",
        "Addresses",
        "LaunchTemplateVersions",
        "SecurityGroupRules",
        "nodegroup",
    ];
    (root.len() <= 3 && answers.iter().any(|key| has(key))).then_some(DocumentKind::CloudAnswer)
}

fn is_cloudformation(root: Node<'_>) -> bool {
    root.get("Resources").is_some_and(|resources| {
        resources.entries().next().is_some_and(|(_, first)| {
            first.get("Type").and_then(Node::as_str).is_some_and(|kind| kind.contains("::"))
        })
    })
}

fn docker_kind(root: Node<'_>, file: &str) -> Option<DocumentKind> {
    let has = |key: &str| root.get_raw(key).is_some();
    if has("ServerVersion") && (has("Driver") || has("DockerRootDir")) {
        return Some(DocumentKind::DockerInfo);
    }
    if has("Id") && (has("HostConfig") || has("RootFS")) {
        return Some(DocumentKind::DockerInspect);
    }
    if has("auths") || (has("credsStore") || has("credHelpers")) {
        return Some(DocumentKind::DockerConfig);
    }
    if file == "daemon.json"
        || (root.document().format == Format::Json && DAEMON_KEYS.iter().any(|key| has(key)))
    {
        return Some(DocumentKind::DockerDaemon);
    }
    None
}

/// True for `/etc/rancher/k3s/config.yaml`, the same of RKE2, and the files of `config.yaml.d` beside it.
fn is_k3s_file(name: &str) -> bool {
    ["rancher/k3s/config.yaml", "rancher/rke2/config.yaml"].iter().any(|path| {
        name.split_once(path).is_some_and(|(before, rest)| {
            (before.is_empty() || before.ends_with('/'))
                && (rest.is_empty() || (rest.starts_with(".d/") && rest.ends_with(".yaml")))
        })
    })
}

/// `kube-apiserver-arg` and its kin, or the keys that every such file has.
fn is_k3s(root: Node<'_>) -> bool {
    root.entries().any(|(key, _)| crate::component::k3s_argument(key.text().trim_end_matches('+')).is_some())
        || (root.get("token").is_some() && root.get("server").is_some() && root.get("services").is_none())
        || root.get("write-kubeconfig-mode").is_some()
}
