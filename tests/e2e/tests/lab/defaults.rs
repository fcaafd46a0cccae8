//! What the audit and the network engine believe about defaults and admission, asked of a real server.
//!
//! Each line says what is sent and what comes back. A belief that is wrong shows here before a user meets it.

use libtest_mimic::Failed;
use nightlatch_e2e::lab::{Api, Lab, Setup, has_token};
use serde_json::{Value, json};

use crate::{Case, Needs};

pub(super) const CASES: &[Case] = &[Case { name: "defaults/beliefs", needs: Needs::Lab, run: beliefs }];

/// What the server makes of an object.
enum Then {
    /// It refuses, and its message has these words.
    Refused(&'static str),
    /// It stores, and these places hold these values; `null` stands for absent.
    Stored(Vec<(&'static str, Value)>),
}
use Then::{Refused, Stored};

/// A belief: its name, where to send what, and what comes of it.
type Belief = (&'static str, &'static str, Value, Then);

fn beliefs() -> Result<(), Failed> {
    let mut lab = Lab::start(&Setup { controllers: true, ..Setup::default() });
    let admin = lab.admin();
    let quiet = account("quiet", Some(false));
    admin.post("/api/v1/namespaces/default/serviceaccounts", &quiet).done();
    lab.wait_for("the token of its account", |api| has_token(api, "quiet"));
    let all: Vec<Belief> =
        [network_policies(), pods(), host_ports(), tokens(), services(), workloads(), roles(), objects()]
            .into_iter()
            .flatten()
            .collect();
    let wrong: Vec<String> = all.iter().filter_map(|belief| check(&admin, belief)).collect();
    println!("defaults: {} beliefs hold", all.len() - wrong.len());
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// Sends it as a dry run: defaulting and admission see it, and nothing is stored.
fn check(admin: &Api, (name, path, object, then): &Belief) -> Option<String> {
    let answer = admin.post(&format!("{path}?dryRun=All"), object);
    match then {
        Refused(words) => {
            let refused = (400..500).contains(&answer.status) && answer.text.contains(words);
            (!refused).then(|| format!("{name}: {} {}", answer.status, answer.text))
        }
        Stored(places) => {
            if answer.status != 201 {
                return Some(format!("{name}: {} {}", answer.status, answer.text));
            }
            let differs =
                |(place, value): &&(&str, Value)| answer.json.pointer(place).unwrap_or(&Value::Null) != value;
            let wrong: Vec<String> = places
                .iter()
                .filter(differs)
                .map(|(place, value)| format!("{place} is {:?}, not {value}", answer.json.pointer(place)))
                .collect();
            (!wrong.is_empty()).then(|| format!("{name}: {}", wrong.join("; ")))
        }
    }
}

const POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies";
const PODS: &str = "/api/v1/namespaces/default/pods";
const SERVICES: &str = "/api/v1/namespaces/default/services";
const RBAC: &str = "rbac.authorization.k8s.io";

fn policy(spec: Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "a"}, "spec": spec})
}

fn network_policies() -> Vec<Belief> {
    let belief = |name, spec, then| (name, POLICIES, policy(spec), then);
    let types = |list: Value| Stored(vec![("/spec/policyTypes", list)]);
    vec![
        belief("no types, nothing said", json!({"podSelector": {}}), types(json!(["Ingress"]))),
        belief(
            "no types, an ingress rule",
            json!({"podSelector": {}, "ingress": [{}]}),
            types(json!(["Ingress"])),
        ),
        belief(
            "no types, an egress rule",
            json!({"podSelector": {}, "egress": [{}]}),
            types(json!(["Ingress", "Egress"])),
        ),
        belief(
            "no types, an empty list of egress rules: egress stays open",
            json!({"podSelector": {}, "egress": []}),
            types(json!(["Ingress"])),
        ),
        belief(
            "types given are kept, rules of the other direction mean nothing",
            json!({"podSelector": {}, "policyTypes": ["Egress"], "ingress": [{}]}),
            types(json!(["Egress"])),
        ),
        belief(
            "an unknown type",
            json!({"podSelector": {}, "policyTypes": ["Both"]}),
            Refused("policyTypes"),
        ),
        belief(
            "a port without a protocol is TCP",
            json!({"podSelector": {}, "ingress": [{"ports": [{"port": 80}]}]}),
            Stored(vec![("/spec/ingress/0/ports/0/protocol", json!("TCP"))]),
        ),
        belief(
            "a protocol without a port",
            json!({"podSelector": {}, "ingress": [{"ports": [{"protocol": "SCTP"}]}]}),
            Stored(vec![("/spec/ingress/0/ports/0/port", Value::Null)]),
        ),
        belief(
            "a protocol in small letters",
            json!({"podSelector": {}, "ingress": [{"ports": [{"protocol": "tcp", "port": 80}]}]}),
            Refused("protocol"),
        ),
        belief(
            "a port as text is a name, and digits are no name",
            json!({"podSelector": {}, "ingress": [{"ports": [{"port": "80"}]}]}),
            Refused("ports"),
        ),
        belief(
            "an empty peer",
            json!({"podSelector": {}, "ingress": [{"from": [{}]}]}),
            Refused("must specify a peer"),
        ),
        belief(
            "a block beside a selector",
            json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}, "podSelector": {}}]}]}),
            Refused("ipBlock"),
        ),
        belief(
            "an exception outside its block",
            json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["11.0.0.0/24"]}}]}]}),
            Refused("except"),
        ),
        belief(
            "an exception as large as its block",
            json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.0/8"]}}]}]}),
            Refused("except"),
        ),
        belief(
            "a block with bits behind its length is stored as written",
            json!({"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.1.2.3/8"}}]}]}),
            Stored(vec![("/spec/ingress/0/from/0/ipBlock/cidr", json!("10.1.2.3/8"))]),
        ),
        belief("no selector is the empty one", json!({}), Stored(vec![("/spec/podSelector", json!({}))])),
        belief(
            "an operator that is none",
            json!({"podSelector": {"matchExpressions": [{"key": "a", "operator": "Equals", "values": ["b"]}]}}),
            Refused("operator"),
        ),
        belief(
            "In without values",
            json!({"podSelector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
            Refused("values"),
        ),
        belief(
            "Exists with values",
            json!({"podSelector": {"matchExpressions": [{"key": "a", "operator": "Exists", "values": ["b"]}]}}),
            Refused("values"),
        ),
    ]
}

fn pod(spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec})
}

/// A pod with one container, which has these fields as well.
fn pod_with(container: Value) -> Value {
    let mut container = container;
    container["name"] = json!("c");
    if container["image"].is_null() {
        container["image"] = json!("registry.example/app:1.2");
    }
    pod(json!({"containers": [container]}))
}

fn pods() -> Vec<Belief> {
    let belief = |name, pod, then| (name, PODS, pod, then);
    let security = |context: Value| pod_with(json!({"securityContext": context}));
    let pulls = |image: &str, policy: &str| {
        let pod = pod_with(json!({"image": image}));
        (
            "when an image is pulled",
            PODS,
            pod,
            Stored(vec![("/spec/containers/0/imagePullPolicy", json!(policy))]),
        )
    };
    vec![
        pulls("app", "Always"),
        pulls("app:latest", "Always"),
        pulls("app:1.2", "IfNotPresent"),
        pulls("registry.example:5000/app", "Always"),
        pulls("app@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "IfNotPresent"),
        belief(
            "nothing of the security context is filled in",
            security(json!({})),
            Stored(vec![
                ("/spec/containers/0/securityContext", json!({})),
                ("/spec/securityContext", json!({})),
                ("/spec/hostPID", Value::Null),
                ("/spec/hostNetwork", Value::Null),
                ("/spec/shareProcessNamespace", Value::Null),
                ("/spec/enableServiceLinks", json!(true)),
                ("/spec/restartPolicy", json!("Always")),
                ("/spec/dnsPolicy", json!("ClusterFirst")),
            ]),
        ),
        belief(
            "a false of the host namespaces is dropped",
            pod(json!({"hostPID": false, "hostIPC": false, "containers": [{"name": "c", "image": "a:1"}]})),
            Stored(vec![("/spec/hostPID", Value::Null), ("/spec/hostIPC", Value::Null)]),
        ),
        belief(
            "a false that is a choice is kept",
            security(json!({"privileged": false, "allowPrivilegeEscalation": false, "runAsNonRoot": false})),
            Stored(vec![
                ("/spec/containers/0/securityContext/privileged", json!(false)),
                ("/spec/containers/0/securityContext/allowPrivilegeEscalation", json!(false)),
                ("/spec/containers/0/securityContext/runAsNonRoot", json!(false)),
            ]),
        ),
        belief(
            "privileged without escalation",
            security(json!({"privileged": true, "allowPrivilegeEscalation": false})),
            Refused("allowPrivilegeEscalation"),
        ),
        belief(
            "SYS_ADMIN without escalation",
            security(json!({"capabilities": {"add": ["CAP_SYS_ADMIN"]}, "allowPrivilegeEscalation": false})),
            Refused("allowPrivilegeEscalation"),
        ),
        belief(
            "without the prefix the same capability passes",
            security(json!({"capabilities": {"add": ["SYS_ADMIN"]}, "allowPrivilegeEscalation": false})),
            Stored(vec![("/spec/containers/0/securityContext/capabilities/add/0", json!("SYS_ADMIN"))]),
        ),
        belief(
            "any word is a capability",
            security(json!({"capabilities": {"drop": ["all", "whatever"]}})),
            Stored(vec![(
                "/spec/containers/0/securityContext/capabilities/drop",
                json!(["all", "whatever"]),
            )]),
        ),
        belief("a user below zero", security(json!({"runAsUser": -1})), Refused("runAsUser")),
        belief(
            "root beside non-root is stored, and the kubelet refuses it",
            security(json!({"runAsUser": 0, "runAsNonRoot": true})),
            Stored(vec![("/spec/containers/0/securityContext/runAsUser", json!(0))]),
        ),
        belief(
            "an unmasked /proc is the usual one where its gate is shut",
            security(json!({"procMount": "Unmasked"})),
            Stored(vec![("/spec/containers/0/securityContext/procMount", json!("Default"))]),
        ),
        belief(
            "limits alone are the requests too",
            pod_with(json!({"resources": {"limits": {"memory": "64Mi"}}})),
            Stored(vec![("/spec/containers/0/resources/requests/memory", json!("64Mi"))]),
        ),
        belief(
            "a request above its limit",
            pod_with(json!({"resources": {"limits": {"memory": "64Mi"}, "requests": {"memory": "65Mi"}}})),
            Refused("requests"),
        ),
        belief(
            "a host path of no type, a secret of the usual mode",
            pod(json!({
                "containers": [{"name": "c", "image": "a:1"}],
                "volumes": [{"name": "h", "hostPath": {"path": "/"}}, {"name": "s", "secret": {"secretName": "x"}}],
            })),
            Stored(vec![
                ("/spec/volumes/0/hostPath/type", json!("")),
                ("/spec/volumes/1/secret/defaultMode", json!(420)),
            ]),
        ),
        belief(
            "a host path with dots",
            pod(json!({
                "containers": [{"name": "c", "image": "a:1"}], "volumes": [{"name": "h", "hostPath": {"path": "/a/../b"}}],
            })),
            Refused(".."),
        ),
        belief(
            "a relative host path",
            pod(json!({
                "containers": [{"name": "c", "image": "a:1"}], "volumes": [{"name": "h", "hostPath": {"path": "etc"}}],
            })),
            Stored(vec![("/spec/volumes/0/hostPath/path", json!("etc"))]),
        ),
        belief(
            "seccomp as annotation becomes a field",
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "a", "annotations": {"seccomp.security.alpha.kubernetes.io/pod": "runtime/default"}},
                "spec": {"containers": [{"name": "c", "image": "a:1"}]},
            }),
            Stored(vec![("/spec/securityContext/seccompProfile/type", json!("RuntimeDefault"))]),
        ),
        belief("no containers", pod(json!({"containers": []})), Refused("containers")),
        belief(
            "a field that is none is dropped in silence",
            pod(json!({"hostPid": true, "containers": [{"name": "c", "image": "a:1", "privileged": true}]})),
            Stored(vec![
                ("/spec/hostPID", Value::Null),
                ("/spec/hostPid", Value::Null),
                ("/spec/containers/0/privileged", Value::Null),
            ]),
        ),
        belief(
            "text where a truth value belongs",
            pod(json!({"hostPID": "true", "containers": [{"name": "c", "image": "a:1"}]})),
            Refused("ReadBool"),
        ),
    ]
}

fn host_ports() -> Vec<Belief> {
    let belief = |name, pod, then| (name, PODS, pod, then);
    let container = |ports: Value| json!([{"name": "c", "image": "a:1", "ports": ports}]);
    vec![
        belief(
            "a port is TCP",
            pod(json!({"containers": container(json!([{"containerPort": 80}]))})),
            Stored(vec![
                ("/spec/containers/0/ports/0/protocol", json!("TCP")),
                ("/spec/containers/0/ports/0/hostPort", Value::Null),
            ]),
        ),
        belief(
            "on the host network every port is one of the host",
            pod(json!({"hostNetwork": true, "containers": container(json!([{"containerPort": 80}]))})),
            Stored(vec![("/spec/containers/0/ports/0/hostPort", json!(80))]),
        ),
        belief(
            "on the host network another port of the host",
            pod(
                json!({"hostNetwork": true, "containers": container(json!([{"containerPort": 80, "hostPort": 81}]))}),
            ),
            Refused("hostPort"),
        ),
        belief(
            "port 0 of the host is none",
            pod(json!({"containers": container(json!([{"containerPort": 80, "hostPort": 0}]))})),
            Stored(vec![("/spec/containers/0/ports/0/hostPort", Value::Null)]),
        ),
        belief(
            "two containers with one port of the host",
            pod(json!({"containers": [
                {"name": "c", "image": "a:1", "ports": [{"containerPort": 80, "hostPort": 80}]},
                {"name": "d", "image": "a:1", "ports": [{"containerPort": 81, "hostPort": 80}]},
            ]})),
            Refused("hostPort"),
        ),
    ]
}

fn account(name: &str, automount: Option<bool>) -> Value {
    let mut account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    if let Some(automount) = automount {
        account["automountServiceAccountToken"] = json!(automount);
    }
    account
}

/// A token is there unless the pod, or failing that its account, says no.
fn tokens() -> Vec<Belief> {
    const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let mount = |path: Value| Stored(vec![("/spec/containers/0/volumeMounts/0/mountPath", path)]);
    let pod = |account: &str, automount: Option<bool>| {
        let mut spec = json!({"serviceAccountName": account, "containers": [{"name": "c", "image": "a:1"}]});
        if let Some(automount) = automount {
            spec["automountServiceAccountToken"] = json!(automount);
        }
        self::pod(spec)
    };
    vec![
        ("nothing said", PODS, pod("default", None), mount(json!(TOKEN))),
        ("the pod says no", PODS, pod("default", Some(false)), mount(Value::Null)),
        ("the account says no", PODS, pod("quiet", None), mount(Value::Null)),
        ("the pod overrules its account", PODS, pod("quiet", Some(true)), mount(json!(TOKEN))),
        (
            "no account is the default one",
            PODS,
            self::pod(json!({"containers": [{"name": "c", "image": "a:1"}]})),
            Stored(vec![
                ("/spec/serviceAccountName", json!("default")),
                ("/spec/serviceAccount", json!("default")),
            ]),
        ),
        (
            "the old name of the field counts",
            PODS,
            self::pod(json!({"serviceAccount": "quiet", "containers": [{"name": "c", "image": "a:1"}]})),
            Stored(vec![("/spec/serviceAccountName", json!("quiet"))]),
        ),
        ("an account that is not there", PODS, pod("nobody", None), Refused("nobody")),
    ]
}

fn services() -> Vec<Belief> {
    let belief = |name, spec: Value, then| {
        let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": spec});
        (name, SERVICES, object, then)
    };
    vec![
        belief(
            "a plain service",
            json!({"selector": {"a": "b"}, "ports": [{"port": 80}]}),
            Stored(vec![
                ("/spec/type", json!("ClusterIP")),
                ("/spec/ports/0/protocol", json!("TCP")),
                ("/spec/ports/0/targetPort", json!(80)),
                ("/spec/externalTrafficPolicy", Value::Null),
                ("/spec/sessionAffinity", json!("None")),
            ]),
        ),
        belief(
            "a load balancer opens a port on every node",
            json!({"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]}),
            Stored(vec![
                ("/spec/ports/0/nodePort", json!(30080)),
                ("/spec/externalTrafficPolicy", json!("Cluster")),
            ]),
        ),
        belief(
            "a node port outside the range, which a dry run does not reserve",
            json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 8080}]}),
            Stored(vec![("/spec/ports/0/nodePort", json!(8080))]),
        ),
        belief(
            "a node port of a service that is for the cluster",
            json!({"ports": [{"port": 80, "nodePort": 30080}]}),
            Refused("nodePort"),
        ),
        belief(
            "a name for elsewhere needs no port",
            json!({"type": "ExternalName", "externalName": "db.example.org"}),
            Stored(vec![("/spec/clusterIP", Value::Null)]),
        ),
        belief("two ports without names", json!({"ports": [{"port": 80}, {"port": 81}]}), Refused("name")),
    ]
}

fn workloads() -> Vec<Belief> {
    let template = |restart: Option<&str>| {
        let mut spec = json!({"containers": [{"name": "c", "image": "a:1"}]});
        if let Some(restart) = restart {
            spec["restartPolicy"] = json!(restart);
        }
        json!({"metadata": {"labels": {"a": "b"}}, "spec": spec})
    };
    let apps = |kind: &str, spec: Value| json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "a"}, "spec": spec});
    let select = json!({"matchLabels": {"a": "b"}});
    vec![
        (
            "one replica",
            "/apis/apps/v1/namespaces/default/deployments",
            apps("Deployment", json!({"selector": select, "template": template(None)})),
            Stored(vec![
                ("/spec/replicas", json!(1)),
                ("/spec/template/spec/restartPolicy", json!("Always")),
            ]),
        ),
        (
            "none stays none",
            "/apis/apps/v1/namespaces/default/deployments",
            apps("Deployment", json!({"replicas": 0, "selector": select, "template": template(None)})),
            Stored(vec![("/spec/replicas", json!(0))]),
        ),
        (
            "no selector",
            "/apis/apps/v1/namespaces/default/deployments",
            apps("Deployment", json!({"template": template(None)})),
            Refused("selector"),
        ),
        (
            "a selector of others",
            "/apis/apps/v1/namespaces/default/daemonsets",
            apps("DaemonSet", json!({"selector": {"matchLabels": {"a": "c"}}, "template": template(None)})),
            Refused("selector"),
        ),
        (
            "a job that always starts again",
            "/apis/batch/v1/namespaces/default/jobs",
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"}, "spec": {"template": template(None)}}),
            Refused("restartPolicy"),
        ),
        (
            "a job",
            "/apis/batch/v1/namespaces/default/jobs",
            json!({
                "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "a"},
                "spec": {"template": template(Some("Never"))},
            }),
            Stored(vec![("/spec/parallelism", json!(1)), ("/spec/backoffLimit", json!(6))]),
        ),
        (
            "an ingress without a type of its path",
            "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
            json!({
                "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {"name": "a"},
                "spec": {"rules": [{"http": {"paths": [
                    {"path": "/", "backend": {"service": {"name": "s", "port": {"number": 80}}}},
                ]}}]},
            }),
            Refused("pathType"),
        ),
    ]
}

fn roles() -> Vec<Belief> {
    const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles";
    const CLUSTER_ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings";
    const CLUSTER_BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
    let role = |kind: &str, rule: Value| json!({"apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": {"name": "a"}, "rules": [rule]});
    let binding = |kind: &str, to: &str, subject: Value| {
        json!({
            "apiVersion": format!("{RBAC}/v1"), "kind": kind, "metadata": {"name": "a"},
            "roleRef": {"kind": to, "name": "r"}, "subjects": [subject],
        })
    };
    vec![
        (
            "a rule without verbs",
            ROLES,
            role("Role", json!({"apiGroups": [""], "resources": ["pods"], "verbs": []})),
            Refused("verbs"),
        ),
        (
            "a rule without groups",
            ROLES,
            role("Role", json!({"resources": ["pods"], "verbs": ["get"]})),
            Refused("apiGroups"),
        ),
        (
            "a path in a role of a namespace",
            ROLES,
            role("Role", json!({"nonResourceURLs": ["/healthz"], "verbs": ["get"]})),
            Refused("nonResourceURLs"),
        ),
        (
            "a path beside a resource",
            CLUSTER_ROLES,
            role(
                "ClusterRole",
                json!({"apiGroups": [""], "resources": ["pods"], "nonResourceURLs": ["/a"], "verbs": ["get"]}),
            ),
            Refused("nonResourceURLs"),
        ),
        (
            "words that mean nothing are stored",
            CLUSTER_ROLES,
            role("ClusterRole", json!({"apiGroups": ["v1"], "resources": ["pods/*"], "verbs": ["GET"]})),
            Stored(vec![("/rules/0/verbs/0", json!("GET"))]),
        ),
        (
            "a cluster binding to a role of a namespace",
            CLUSTER_BINDINGS,
            binding("ClusterRoleBinding", "Role", json!({"kind": "User", "name": "x"})),
            Refused("roleRef"),
        ),
        (
            "groups of subject and role are filled in",
            BINDINGS,
            binding("RoleBinding", "Role", json!({"kind": "Group", "name": "x"})),
            Stored(vec![("/subjects/0/apiGroup", json!(RBAC)), ("/roleRef/apiGroup", json!(RBAC))]),
        ),
        (
            "an account without a namespace in a binding of a namespace",
            BINDINGS,
            binding("RoleBinding", "Role", json!({"kind": "ServiceAccount", "name": "x"})),
            Stored(vec![("/subjects/0/namespace", Value::Null)]),
        ),
        (
            "an account without a namespace in a cluster binding",
            CLUSTER_BINDINGS,
            binding("ClusterRoleBinding", "ClusterRole", json!({"kind": "ServiceAccount", "name": "x"})),
            Refused("namespace"),
        ),
        (
            "a subject of another kind",
            BINDINGS,
            binding("RoleBinding", "Role", json!({"kind": "Robot", "name": "x"})),
            Refused("subjects"),
        ),
    ]
}

fn objects() -> Vec<Belief> {
    let plain =
        |kind: &str, name: &str| json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name}});
    let mut secret = plain("Secret", "a");
    secret["stringData"] = json!({"password": "x"});
    vec![
        (
            "before 1.21 a namespace has no label with its name",
            "/api/v1/namespaces",
            plain("Namespace", "a"),
            Stored(vec![("/metadata/labels", Value::Null), ("/spec/finalizers/0", json!("kubernetes"))]),
        ),
        (
            "plain text of a secret is stored encoded",
            "/api/v1/namespaces/default/secrets",
            secret,
            Stored(vec![
                ("/type", json!("Opaque")),
                ("/data/password", json!("eA==")),
                ("/stringData", Value::Null),
            ]),
        ),
        (
            "an account says nothing about its token",
            "/api/v1/namespaces/default/serviceaccounts",
            account("a", None),
            Stored(vec![("/automountServiceAccountToken", Value::Null)]),
        ),
    ]
}
