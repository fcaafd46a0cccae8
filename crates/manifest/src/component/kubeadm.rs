//! Components that kubeadm makes from its configuration, and Cluster API with it.
//!
//! kubeadm starts every program with arguments of its own, over which those of `extraArgs` go by name: so both are here,
//! its own at the place of the component, the others at their values. `extraArgs` is a mapping up to v1beta3 and a list
//! of `name` and `value` from v1beta4 on.
//!
//! Source: kubeadm's configuration API v1beta1 to v1beta4; Kubernetes 1.31, `cmd/kubeadm/app/phases/controlplane/manifests.go`,
//! `cmd/kubeadm/app/phases/etcd/local.go`, `cmd/kubeadm/app/phases/kubelet/flags.go`; Cluster API, "Kubeadm based bootstrap".

use super::{Component, ComponentKind, Distribution, Flag};
use crate::{Kind, Node, Object};

/// The API group of kubeadm's files.
pub(crate) const GROUP: &str = "kubeadm.k8s.io";
/// Where kubeadm keeps certificates when it is not told.
const CERTIFICATES: &str = "/etc/kubernetes/pki";
/// Stands for the address of the node, which only the node knows.
const NODE_ADDRESS: &str = "$(NODE_IP)";
/// The first minor version whose API server has no port without TLS any more.
const NO_INSECURE_PORT: u32 = 24;

/// A `ClusterConfiguration` and what belongs to it.
#[derive(Clone, Copy)]
struct Cluster<'a> {
    object: Object<'a>,
    /// The `ClusterConfiguration`.
    root: Node<'a>,
    /// The `InitConfiguration` or `JoinConfiguration` for it, when there is one.
    init: Option<Node<'a>>,
    /// The version of Kubernetes, when it is said.
    version: Option<Node<'a>>,
}

/// A flag of kubeadm's own: name and value.
type Own = (&'static str, String);

/// The components of every configuration of kubeadm among `objects`.
pub(super) fn components<'a>(objects: &[Object<'a>]) -> Vec<Component<'a>> {
    let mut found = Vec::new();
    for object in objects {
        match (object.group(), object.kind) {
            (GROUP, "ClusterConfiguration") => {
                let init = objects.iter().find(|other| {
                    other.group() == GROUP
                        && other.kind == "InitConfiguration"
                        && other.document().source == object.document().source
                });
                let version = object.root.get("kubernetesVersion");
                let init = init.map(|init| init.root);
                found.extend(Cluster { object: *object, root: object.root, init, version }.components());
            }
            (GROUP, "InitConfiguration" | "JoinConfiguration") => found.extend(kubelet(object, object.root)),
            ("bootstrap.cluster.x-k8s.io" | "controlplane.cluster.x-k8s.io", _) => {
                found.extend(of_cluster_api(object));
            }
            _ => {}
        }
    }
    found
}

/// The components of a `KubeadmControlPlane`, `KubeadmConfig` or a template of one.
fn of_cluster_api<'a>(object: &Object<'a>) -> Vec<Component<'a>> {
    let path = match object.kind {
        "KubeadmControlPlane" => "spec.kubeadmConfigSpec",
        "KubeadmControlPlaneTemplate" => "spec.template.spec.kubeadmConfigSpec",
        "KubeadmConfig" => "spec",
        "KubeadmConfigTemplate" => "spec.template.spec",
        _ => return Vec::new(),
    };
    let Some(spec) = object.root.at(path) else { return Vec::new() };
    let nodes = ["initConfiguration", "joinConfiguration"];
    let mut found = Vec::new();
    if let Some(root) = spec.get("clusterConfiguration") {
        let version = object.root.at("spec.version").or_else(|| root.get("kubernetesVersion"));
        let init = spec.get("initConfiguration");
        found.extend(Cluster { object: *object, root, init, version }.components());
    }
    found.extend(nodes.into_iter().filter_map(|key| kubelet(object, spec.get(key)?)));
    found
}

/// The kubelet of a `nodeRegistration` that gives it flags. Its file is the one that kubeadm writes.
fn kubelet<'a>(object: &Object<'a>, configuration: Node<'a>) -> Option<Component<'a>> {
    let registration = configuration.get("nodeRegistration")?;
    let arguments = registration.get("kubeletExtraArgs").filter(|arguments| !arguments.is_empty())?;
    let own = vec![("config", "/var/lib/kubelet/config.yaml".to_owned())];
    let found = component(ComponentKind::Kubelet, object, registration, Some(arguments), own);
    // The unit adds what its environment says.
    Some(Component { is_whole: false, ..found })
}

impl<'a> Cluster<'a> {
    fn components(&self) -> Vec<Component<'a>> {
        let part = |key: &str| self.root.get(key).unwrap_or(self.root);
        let arguments = |key: &str| self.root.get(key)?.get("extraArgs");
        let make = |kind, key: &str, own| component(kind, &self.object, part(key), arguments(key), own);
        let mut found = vec![
            self.api_server(make(ComponentKind::ApiServer, "apiServer", self.api_server_flags())),
            make(ComponentKind::ControllerManager, "controllerManager", self.controller_manager_flags()),
            make(ComponentKind::Scheduler, "scheduler", scheduler_flags()),
        ];
        if self.root.at("etcd.external").is_none() {
            let local = self.root.at("etcd.local");
            let arguments = local.and_then(|local| local.get("extraArgs"));
            let at = local.unwrap_or(self.root);
            found.push(component(ComponentKind::Etcd, &self.object, at, arguments, self.etcd_flags()));
        }
        let version = self.version.map(Node::text).filter(|version| is_version(version));
        for component in &mut found {
            if component.kind != ComponentKind::Etcd {
                component.version = version.map(str::to_owned);
            }
        }
        found
    }

    /// The path of a certificate or key.
    fn pki(&self, file: &str) -> String {
        let folder = self.root.get("certificatesDir").map(Node::text).filter(|folder| !folder.is_empty());
        format!("{}/{file}", folder.unwrap_or(CERTIFICATES).trim_end_matches('/'))
    }

    /// The address that the first API server tells others.
    fn address(&self) -> Option<Node<'a>> {
        self.init?.at("localAPIEndpoint.advertiseAddress").filter(|address| !address.text().is_empty())
    }

    fn api_server_flags(&self) -> Vec<Own> {
        let mut flags = vec![
            ("enable-admission-plugins", "NodeRestriction".to_owned()),
            ("service-account-key-file", self.pki("sa.pub")),
            ("service-account-signing-key-file", self.pki("sa.key")),
            ("client-ca-file", self.pki("ca.crt")),
            ("tls-cert-file", self.pki("apiserver.crt")),
            ("tls-private-key-file", self.pki("apiserver.key")),
            ("kubelet-client-certificate", self.pki("apiserver-kubelet-client.crt")),
            ("kubelet-client-key", self.pki("apiserver-kubelet-client.key")),
            ("enable-bootstrap-token-auth", "true".to_owned()),
            ("secure-port", "6443".to_owned()),
            ("allow-privileged", "true".to_owned()),
            ("requestheader-client-ca-file", self.pki("front-proxy-ca.crt")),
            ("requestheader-allowed-names", "front-proxy-client".to_owned()),
            ("proxy-client-cert-file", self.pki("front-proxy-client.crt")),
            ("proxy-client-key-file", self.pki("front-proxy-client.key")),
        ];
        if self.minor().is_some_and(|minor| minor < NO_INSECURE_PORT) {
            flags.push(("insecure-port", "0".to_owned()));
        }
        if self.root.at("etcd.external").is_none() {
            flags.push(("etcd-servers", "https://127.0.0.1:2379".to_owned()));
            flags.push(("etcd-cafile", self.pki("etcd/ca.crt")));
            flags.push(("etcd-certfile", self.pki("apiserver-etcd-client.crt")));
            flags.push(("etcd-keyfile", self.pki("apiserver-etcd-client.key")));
        }
        flags
    }

    /// Adds to an API server what other parts of the configuration give it, and its modes, which are kubeadm's as long as
    /// neither modes nor a file of authorisers is given.
    fn api_server(&self, mut server: Component<'a>) -> Component<'a> {
        let mut more = Vec::new();
        if let Some(external) = self.root.at("etcd.external") {
            // One use of the flag for each, so that each has its place.
            let endpoints = external.get("endpoints").into_iter().flat_map(Node::items);
            more.extend(endpoints.map(|url| ("etcd-servers", url.text().to_owned(), url)));
            for (flag, key) in
                [("etcd-cafile", "caFile"), ("etcd-certfile", "certFile"), ("etcd-keyfile", "keyFile")]
            {
                more.extend(external.get(key).map(|file| (flag, file.text().to_owned(), file)));
            }
        } else if let Some(urls) = extra_args(self.root.at("etcd.local.extraArgs"))
            .into_iter()
            .rfind(|flag| flag.name == "advertise-client-urls")
        {
            server.flags.retain(|flag| flag.name != "etcd-servers" || flag.node != server.at);
            more.push(("etcd-servers", urls.value.unwrap_or_default(), urls.node));
        }
        more.extend(self.address().map(|node| ("advertise-address", node.text().to_owned(), node)));
        if server.flag("authorization-config").is_none() {
            more.push(("authorization-mode", "Node,RBAC".to_owned(), server.at));
        }
        more.retain(|(name, ..)| server.flag(name).is_none());
        let more = more.into_iter().map(|(name, value, node)| Flag {
            name: name.to_owned(),
            value: Some(value),
            node,
        });
        server.flags.splice(0..0, more);
        server
    }

    fn controller_manager_flags(&self) -> Vec<Own> {
        let file = "/etc/kubernetes/controller-manager.conf";
        let mut flags = own_of_client(file);
        flags.extend([
            ("client-ca-file", self.pki("ca.crt")),
            ("requestheader-client-ca-file", self.pki("front-proxy-ca.crt")),
            ("root-ca-file", self.pki("ca.crt")),
            ("service-account-private-key-file", self.pki("sa.key")),
            ("cluster-signing-cert-file", self.pki("ca.crt")),
            ("cluster-signing-key-file", self.pki("ca.key")),
            ("use-service-account-credentials", "true".to_owned()),
            ("controllers", "*,bootstrapsigner,tokencleaner".to_owned()),
        ]);
        flags
    }

    fn etcd_flags(&self) -> Vec<Own> {
        let address = self.address().map_or(NODE_ADDRESS, Node::text);
        let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
        vec![
            ("listen-client-urls", format!("https://127.0.0.1:2379,https://{host}:2379")),
            ("advertise-client-urls", format!("https://{host}:2379")),
            ("listen-peer-urls", format!("https://{host}:2380")),
            ("initial-advertise-peer-urls", format!("https://{host}:2380")),
            ("data-dir", "/var/lib/etcd".to_owned()),
            ("cert-file", self.pki("etcd/server.crt")),
            ("key-file", self.pki("etcd/server.key")),
            ("trusted-ca-file", self.pki("etcd/ca.crt")),
            ("client-cert-auth", "true".to_owned()),
            ("peer-cert-file", self.pki("etcd/peer.crt")),
            ("peer-key-file", self.pki("etcd/peer.key")),
            ("peer-trusted-ca-file", self.pki("etcd/ca.crt")),
            ("peer-client-cert-auth", "true".to_owned()),
            ("listen-metrics-urls", "http://127.0.0.1:2381".to_owned()),
        ]
    }

    /// The minor version of Kubernetes.
    fn minor(&self) -> Option<u32> {
        self.version?.text().trim_start_matches('v').split('.').nth(1)?.parse().ok()
    }
}

fn scheduler_flags() -> Vec<Own> {
    own_of_client("/etc/kubernetes/scheduler.conf")
}

/// What kubeadm gives the clients of the API server alike.
fn own_of_client(file: &str) -> Vec<Own> {
    vec![
        ("bind-address", "127.0.0.1".to_owned()),
        ("leader-elect", "true".to_owned()),
        ("kubeconfig", file.to_owned()),
        ("authentication-kubeconfig", file.to_owned()),
        ("authorization-kubeconfig", file.to_owned()),
    ]
}

/// `v1.30.2`, and not `stable-1.30` or a template.
fn is_version(text: &str) -> bool {
    text.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit()) && text.contains('.')
}

fn component<'a>(
    kind: ComponentKind,
    object: &Object<'a>,
    at: Node<'a>,
    arguments: Option<Node<'a>>,
    own: Vec<Own>,
) -> Component<'a> {
    let given = extra_args(arguments);
    let own = own.into_iter().filter(|(name, _)| !given.iter().any(|flag| flag.name == *name));
    let mut flags: Vec<Flag<'a>> =
        own.map(|(name, value)| Flag { name: name.to_owned(), value: Some(value), node: at }).collect();
    flags.extend(given);
    Component {
        kind,
        object: Some(*object),
        container: None,
        at,
        arguments,
        flags,
        version: None,
        distribution: Distribution::Kubeadm,
        is_whole: true,
    }
}

/// The flags of `extraArgs`, each at its value.
fn extra_args(arguments: Option<Node<'_>>) -> Vec<Flag<'_>> {
    let Some(arguments) = arguments else { return Vec::new() };
    let flag = |name: Node<'_>, value| Flag {
        name: name.text().trim_start_matches('-').replace('_', "-"),
        value: Some(Node::text(value).to_owned()),
        node: value,
    };
    match arguments.kind() {
        Kind::Mapping => arguments.entries().map(|(name, value)| flag(name, value)).collect(),
        _ => arguments
            .items()
            .filter_map(|item| Some(flag(item.get("name")?, item.get("value").unwrap_or(item))))
            .collect(),
    }
}
