//! The scanner against real control planes and kubelets in the states that matter.

use std::{net::SocketAddr, thread, time::Duration};

use libtest_mimic::Failed;
use nightlatch_asset::Exposure::{self, AuthRequired, Controllable, Limited, Readable, Unknown};
use nightlatch_e2e::{
    client::{Scheme, get},
    lab::{Api, Authorization, CONTROLLER_MANAGER, Lab, Lock, Login, Node, SCHEDULER, Setup},
    nightlatch::{Options, exposure, product, scan, version},
};
use serde_json::{Value, json};

use crate::{Case, Needs};

/// The version that `tests/lab/build` builds.
const VERSION: &str = "1.20.2";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
const LEGACY: &str = "legacy-discovery-binding";

pub(super) const CASES: &[Case] = &[
    Case { name: "scan/default", needs: Needs::Lab, run: default_roles },
    Case { name: "scan/anonymous-cluster-admin", needs: Needs::Lab, run: anonymous_cluster_admin },
    Case { name: "scan/anonymous-reader", needs: Needs::Lab, run: anonymous_reader },
    Case { name: "scan/anonymous-reader-of-pods", needs: Needs::Lab, run: anonymous_reader_of_pods },
    Case { name: "scan/anonymous-creator-of-pods", needs: Needs::Lab, run: anonymous_creator_of_pods },
    Case { name: "scan/bindings-before-1.14", needs: Needs::Lab, run: bindings_before_1_14 },
    Case { name: "scan/anonymous-off", needs: Needs::Lab, run: anonymous_off },
    Case { name: "scan/always-allow", needs: Needs::Lab, run: always_allow },
    Case { name: "scan/daemons", needs: Needs::Ports, run: daemons },
    Case { name: "scan/kubelet-open", needs: Needs::Kubelet, run: kubelet_open },
    Case { name: "scan/kubelet-certificates", needs: Needs::Kubelet, run: kubelet_certificates },
    Case { name: "scan/kubelet-webhook", needs: Needs::Kubelet, run: kubelet_webhook },
];

/// What a scan has to say about one port.
struct Verdict {
    /// Absent: nothing may be named.
    product: Option<&'static str>,
    exposure: Exposure,
    /// Whether a stranger is told the version.
    version: bool,
    findings: &'static [&'static str],
}

const API: Verdict = Verdict { product: Some("Kubernetes"), exposure: Limited, version: true, findings: &[] };
const NOBODY: Verdict = Verdict { product: None, exposure: Unknown, version: false, findings: &[] };
const KUBELET: Verdict =
    Verdict { product: Some("Kubernetes kubelet"), exposure: AuthRequired, version: false, findings: &[] };

/// Scans `address` with and without questions spelt as POST.
fn told(address: SocketAddr, silent: &Verdict, with_questions: &Verdict) -> Result<(), String> {
    for (questions, verdict) in [(false, silent), (true, with_questions)] {
        let scan = scan(&[address.to_string()], &Options { questions, ..Options::default() });
        let observation = scan.of(address);
        judge(verdict, observation)
            .map_err(|why| format!("questions {questions}: {why}\n{observation:#}"))?;
    }
    Ok(())
}

fn judge(verdict: &Verdict, observation: &Value) -> Result<(), String> {
    if product(observation) != verdict.product {
        return Err(format!("product {:?}, not {:?}", product(observation), verdict.product));
    }
    if exposure(observation) != verdict.exposure.as_str() {
        return Err(format!("state `{}`, not `{}`", exposure(observation), verdict.exposure));
    }
    let expected = verdict.version.then_some(VERSION);
    if version(observation) != expected {
        return Err(format!("version {:?}, not {expected:?}", version(observation)));
    }
    let findings: Vec<&str> = observation["verdict"]["findings"]
        .as_array()
        .map(|findings| findings.iter().filter_map(|finding| finding["id"].as_str()).collect())
        .unwrap_or_default();
    if findings != verdict.findings {
        return Err(format!("findings {findings:?}, not {:?}", verdict.findings));
    }
    Ok(())
}

/// Checks with our own eyes, then scans.
fn check(
    lab: &mut Lab,
    shows: &[(&'static str, u16)],
    silent: &Verdict,
    loud: &Verdict,
) -> Result<(), Failed> {
    let anonymous = lab.api(&Login::Anonymous);
    for &(path, status) in shows {
        // Roles reach the authoriser a moment after they are stored.
        lab.wait_for(&format!("{path} as a stranger: {status}"), |_| anonymous.get(path).status == status);
    }
    told(lab.address(), silent, loud).map_err(|why| format!("{why}\n{}", lab.log()).into())
}

fn bind(admin: &Api, name: &str, role: &str, subject: &Value) {
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    });
    admin.post(BINDINGS, &binding).done();
}

fn role(admin: &Api, name: &str, rules: &Value) {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules,
    });
    admin.post(ROLES, &role).done();
}

fn strangers() -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"})
}

fn anonymous_user() -> Value {
    json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "system:anonymous"})
}

const NAMESPACES: &str = "/api/v1/namespaces";

fn default_roles() -> Result<(), Failed> {
    let mut lab = Lab::start(&Setup { controllers: true, ..Setup::default() });
    check(&mut lab, &[("/version", 200), ("/", 403), (NAMESPACES, 403)], &API, &API)?;
    // The controllers use the same library and refuse in the same words. On a port that is not theirs nothing tells
    // them from another program that does, so nothing may be claimed, and above all not an API server.
    let controllers = lab.controllers_address().ok_or("no controllers")?;
    told(controllers, &NOBODY, &NOBODY).map_err(Failed::from)
}

fn anonymous_cluster_admin() -> Result<(), Failed> {
    let mut lab = Lab::start(&Setup::default());
    bind(&lab.admin(), "lab-everything", "cluster-admin", &anonymous_user());
    let verdict = Verdict { exposure: Controllable, findings: &[LEGACY], ..API };
    check(
        &mut lab,
        &[("/", 200), (NAMESPACES, 200), ("/apis/none.invalid/v1/nones", 404)],
        &verdict,
        &verdict,
    )
}

fn anonymous_reader() -> Result<(), Failed> {
    let mut lab = Lab::start(&Setup::default());
    let rules = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["get", "list", "watch"]}]);
    role(&lab.admin(), "lab-reader", &rules);
    bind(&lab.admin(), "lab-reader", "lab-reader", &strangers());
    let verdict = Verdict { exposure: Readable, ..API };
    check(&mut lab, &[("/", 403), (NAMESPACES, 200), ("/api/v1/secrets", 200)], &verdict, &verdict)
}

fn anonymous_reader_of_pods() -> Result<(), Failed> {
    let mut lab = Lab::start(&Setup::default());
    role(&lab.admin(), "lab-pods", &json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]));
    bind(&lab.admin(), "lab-pods", "lab-pods", &anonymous_user());
    let verdict = Verdict { exposure: Readable, ..API };
    check(&mut lab, &[(NAMESPACES, 403), ("/api/v1/pods", 200)], &verdict, &verdict)
}

/// Only a question tells this one: nothing can be listed.
fn anonymous_creator_of_pods() -> Result<(), Failed> {
    let mut lab = Lab::start(&Setup::default());
    let admin = lab.admin();
    role(&admin, "lab-create", &json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]}]));
    bind(&admin, "lab-create", "lab-create", &strangers());
    bind(&admin, "lab-basic-user", "system:basic-user", &strangers());
    lab.wait_for("the binding", |_| may(&admin, "system:anonymous", "create", "pods"));
    check(&mut lab, &[(NAMESPACES, 403), ("/api", 403)], &API, &Verdict { exposure: Controllable, ..API })
}

fn bindings_before_1_14() -> Result<(), Failed> {
    let mut lab = Lab::start(&Setup::default());
    let admin = lab.admin();
    for name in ["system:basic-user", "system:discovery"] {
        let patch = json!({"subjects": [
            {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}, strangers(),
        ]});
        admin.ask("PATCH", &format!("{BINDINGS}/{name}"), Some(&patch))?.done();
    }
    let verdict = Verdict { findings: &[LEGACY], ..API };
    lab.wait_for("the binding", |_| may(&admin, "system:anonymous", "create", "selfsubjectrulesreviews"));
    check(&mut lab, &[("/api", 200), ("/", 403), (NAMESPACES, 403)], &verdict, &verdict)
}

fn anonymous_off() -> Result<(), Failed> {
    let mut lab = Lab::start(&Setup { anonymous: Some(false), ..Setup::default() });
    let verdict = Verdict { exposure: AuthRequired, version: false, ..API };
    check(&mut lab, &[("/", 401), ("/version", 401), ("/healthz", 401)], &verdict, &verdict)
}

/// The server then turns strangers away by itself, even when it is asked to let them in.
fn always_allow() -> Result<(), Failed> {
    let setup =
        Setup { authorization: Authorization::AlwaysAllow, anonymous: Some(true), ..Setup::default() };
    let mut lab = Lab::start(&setup);
    let verdict = Verdict { exposure: AuthRequired, version: false, ..API };
    check(&mut lab, &[("/", 401), ("/version", 401)], &verdict, &verdict)
}

/// Whether the server itself says that a stranger may.
fn may(admin: &Api, user: &str, verb: &str, resource: &str) -> bool {
    let group = if resource == "pods" { "" } else { "authorization.k8s.io" };
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": user,
            "groups": ["system:unauthenticated"],
            "resourceAttributes": {"verb": verb, "group": group, "resource": resource},
        },
    });
    admin.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).done()["status"]["allowed"]
        == true
}

/// Metrics of the parts of a daemon, which come once the parts have started.
const PARTS: [&str; 3] = ["\nscheduler_", "\nattachdetach_controller_", "\nroot_ca_cert_publisher_"];

/// Waits until a daemon has started what it starts: its port is open well before, and answers 404 to everything.
fn started(address: SocketAddr) -> Result<(), String> {
    for _ in 0..120 {
        let answer = get(Scheme::Http, address, "/metrics");
        if answer
            .is_ok_and(|answer| answer.status == 200 && PARTS.iter().any(|part| answer.text.contains(part)))
        {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(500));
    }
    Err(format!("{address} does not start its parts"))
}

/// On their own ports the daemons are named; their plain ports answer everything to anybody.
fn daemons() -> Result<(), Failed> {
    let lab = Lab::start(&Setup::default());
    for daemon in [SCHEDULER, CONTROLLER_MANAGER] {
        let server = lab.start_daemon(daemon);
        let secure =
            Verdict { product: Some(daemon.program), exposure: Limited, version: false, findings: &[] };
        told(server.address, &secure, &secure).map_err(|why| format!("{why}\n{}", server.log_tail()))?;
        let plain = Verdict { exposure: Readable, version: true, ..secure };
        let address = server.at_port(daemon.plain);
        started(address).map_err(|why| format!("{why}\n{}", server.log_tail()))?;
        told(address, &plain, &plain).map_err(|why| format!("{why}\n{}", server.log_tail()))?;
    }
    Ok(())
}

fn node_told(node: &Node, verdict: &Verdict) -> Result<(), Failed> {
    told(node.address(), verdict, verdict).map_err(|why| format!("{why}\n{}", node.log()).into())
}

fn seen(node: &Node, shows: &[(&str, u16)]) -> Result<(), Failed> {
    for &(path, status) in shows {
        let answer = node.stranger(path);
        if answer != status {
            return Err(format!("{path} answers {answer}, not {status}\n{}", node.log()).into());
        }
    }
    Ok(())
}

fn kubelet_open() -> Result<(), Failed> {
    let node = Node::start(Lock::Open, None);
    seen(&node, &[("/pods", 200), ("/containerLogs/", 404), ("/healthz", 200)])?;
    node_told(&node, &Verdict { exposure: Controllable, version: true, ..KUBELET })?;
    let verdict =
        Verdict { exposure: Readable, version: true, findings: &["kubelet-read-only-port"], ..KUBELET };
    told(node.read_only, &verdict, &verdict).map_err(Failed::from)
}

fn kubelet_certificates() -> Result<(), Failed> {
    let node = Node::start(Lock::Certificates, None);
    seen(&node, &[("/pods", 401), ("/containerLogs/", 401), ("/nothing", 404)])?;
    node_told(&node, &KUBELET)
}

fn kubelet_webhook() -> Result<(), Failed> {
    let mut lab = Lab::start(&Setup::default());
    {
        let node = Node::start(Lock::Webhook, Some(&lab));
        seen(&node, &[("/pods", 401), ("/containerLogs/", 401)])?;
        node_told(&node, &KUBELET)?;
    }
    let node = Node::start(Lock::WebhookForStrangers, Some(&lab));
    seen(&node, &[("/pods", 403), ("/containerLogs/", 403), ("/healthz", 403)])?;
    node_told(&node, &Verdict { findings: &["kubelet-anonymous-auth"], ..KUBELET })?;
    // The same node, once strangers may use it as a proxy: another path, because refusals are remembered for a while.
    let admin = lab.admin();
    role(&admin, "lab-proxy", &json!([{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}]));
    bind(&admin, "lab-proxy", "lab-proxy", &strangers());
    lab.wait_for("the kubelet to ask again", |_| node.stranger("/containerLogs/") == 404);
    node_told(&node, &Verdict { exposure: Controllable, ..KUBELET })
}
