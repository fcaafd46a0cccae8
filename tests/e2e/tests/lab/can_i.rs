//! `rbac can-i` against `kubectl auth can-i`: the same words, the same exit codes.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use libtest_mimic::Failed;
use nightlatch_e2e::{
    lab::{Api, Lab, Setup, program},
    nightlatch::run,
    server::run_to_end,
};
use serde_json::{Value, json};

use crate::{Case, Needs, estate::GROUP};

const RUN_MAX: Duration = Duration::from_secs(60);

pub(super) const CASES: &[Case] = &[Case { name: "rbac/can-i", needs: Needs::Lab, run: same_words }];

/// Questions as people type them: what both programs are given.
const QUESTIONS: [&str; 42] = [
    "get pods -n alpha --as alice",
    "get po -n alpha --as alice",
    "get pod -n alpha --as alice",
    "list pods --as alice",
    "list pods -n beta --as alice",
    "get pods/web -n alpha --as alice",
    "get secrets -n alpha --as alice",
    "get secrets/db -n alpha --as alice",
    "get secrets/other -n alpha --as alice",
    "get pods --subresource=log -n alpha --as alice",
    "create pods --subresource=exec -n alpha --as alice",
    "get deployments -n alpha --as alice",
    "get deploy -n alpha --as alice",
    "get deployments.apps -n alpha --as alice",
    "get deployments.v1.apps -n alpha --as alice",
    "patch deploy.apps -n alpha --as alice",
    "patch deployments --subresource=scale -n alpha --as alice",
    "get svc -n alpha --as alice",
    "get netpol -n alpha --as alice",
    "get ing -n alpha --as alice",
    "get sts -n alpha --as alice",
    "get cj -n alpha --as alice",
    "get sa -n alpha --as alice",
    "get rolebindings -n alpha --as alice",
    "get nodes --as alice",
    "get no --as bob",
    "list clusterroles --as bob",
    "bind clusterroles/edit --as bob",
    "bind clusterroles/admin --as bob",
    "get ns --as bob",
    "get /healthz --as alice",
    "get /metrics --as alice",
    "get /metrics --as bob",
    "get /metrics/slis --as bob",
    "* * --as bob",
    "* * --as carol --as-group system:masters",
    "get pods -n beta --as carol --as-group dev",
    "get pods -n beta --as carol --as-group ops",
    "get configmaps -n beta --as system:serviceaccount:alpha:builder",
    "get configmaps -n beta --as system:serviceaccount:gamma:builder",
    "list widgets.example.org -n alpha --as alice",
    "delete pods -n alpha --as alice",
];

fn same_words() -> Result<(), Failed> {
    let mut lab = Lab::start(&Setup { controllers: true, ..Setup::default() });
    let admin = lab.admin();
    fill(&admin);
    lab.wait_for("the last binding", |api| may(api, "last", "widgets"));
    let owner = lab.kubeconfig("owner", &lab.certificate("owner", &["system:masters"]));
    let mut command = Command::new(program("kubectl").ok_or("no kubectl")?);
    command.arg("--kubeconfig").arg(&owner).args(["get", "--all-namespaces", "-o", "yaml"]);
    command.arg("roles,rolebindings,clusterroles,clusterrolebindings,namespaces");
    let dump = lab.write("dump.yaml", &run_to_end(command, RUN_MAX)).display().to_string();
    let config = owner.display().to_string();
    let mut wrong = Vec::new();
    let mut yes = 0;
    for question in QUESTIONS {
        let words: Vec<&str> = question.split(' ').collect();
        let real = kubectl(&owner, &words)?;
        yes += usize::from(real);
        for (name, input) in [("dump", vec![dump.as_str()]), ("live", vec!["--kubeconfig", config.as_str()])]
        {
            let arguments = [&["rbac", "can-i"], words.as_slice(), input.as_slice()].concat();
            let own = run(&arguments, RUN_MAX);
            if own.code != Some(i32::from(!real)) {
                wrong.push(format!(
                    "{question}: server {real}, {name}: {:?} {}{}",
                    own.code, own.stdout, own.stderr
                ));
            }
        }
    }
    println!("can-i: {} command lines, {yes} of them answered yes, as kubectl", QUESTIONS.len());
    if yes < 10 || yes > QUESTIONS.len() - 10 {
        wrong.push(format!("{yes} times yes is too easy"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

/// What kubectl says: its exit code, 0 or 1.
fn kubectl(config: &Path, words: &[&str]) -> Result<bool, Failed> {
    let mut command = Command::new(program("kubectl").ok_or("no kubectl")?);
    command.arg("--kubeconfig").arg(config).args(["auth", "can-i"]).args(words);
    // kubectl keeps a cache in its home: beside the configuration it goes with the test.
    let output = command.env("HOME", config.parent().ok_or("no folder")?).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    match (output.status.code(), said.trim()) {
        (Some(0), "yes") => Ok(true),
        (Some(1), said) if said.starts_with("no") => Ok(false),
        (code, _) => {
            Err(format!("kubectl {words:?}: {code:?} {said}{}", String::from_utf8_lossy(&output.stderr))
                .into())
        }
    }
}

fn may(api: &Api, user: &str, resource: &str) -> bool {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": {"verb": "list", "group": "example.org", "resource": resource}},
    });
    api.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).done()["status"]["allowed"]
        == true
}

fn fill(admin: &Api) {
    for namespace in ["alpha", "beta", "gamma"] {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        admin.post("/api/v1/namespaces", &object).done();
    }
    let user = |name: &str| json!({"apiGroup": GROUP, "kind": "User", "name": name});
    let group = |name: &str| json!({"apiGroup": GROUP, "kind": "Group", "name": name});
    let rules = json!([
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["db"], "verbs": ["get"]},
        {"apiGroups": ["apps"], "resources": ["*/scale"], "verbs": ["patch"]},
    ]);
    role(admin, "alpha", "extra", &rules);
    bind(admin, Some("alpha"), "ClusterRole", "view", &json!([user("alice")]));
    bind(admin, Some("alpha"), "Role", "extra", &json!([user("alice")]));
    bind(
        admin,
        Some("beta"),
        "ClusterRole",
        "view",
        &json!([
            group("dev"), {"kind": "ServiceAccount", "namespace": "alpha", "name": "builder"},
        ]),
    );
    cluster_role(
        admin,
        "owner-of-roles",
        &json!([
            {"apiGroups": [GROUP], "resources": ["clusterroles"], "verbs": ["list"]},
            {"apiGroups": [GROUP], "resources": ["clusterroles"], "resourceNames": ["edit"], "verbs": ["bind"]},
            {"apiGroups": [""], "resources": ["nodes", "namespaces"], "verbs": ["get"]},
            {"nonResourceURLs": ["/metrics", "/metrics/*"], "verbs": ["get"]},
        ]),
    );
    bind(admin, None, "ClusterRole", "owner-of-roles", &json!([user("bob")]));
    cluster_role(
        admin,
        "last",
        &json!([{"apiGroups": ["example.org"], "resources": ["widgets"], "verbs": ["list"]}]),
    );
    bind(admin, None, "ClusterRole", "last", &json!([user("last")]));
}

fn meta(kind: &str, name: &str) -> Value {
    json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": {"name": name}})
}

fn role(admin: &Api, namespace: &str, name: &str, rules: &Value) {
    let mut role = meta("Role", name);
    role["rules"] = rules.clone();
    admin.post(&format!("/apis/{GROUP}/v1/namespaces/{namespace}/roles"), &role).done();
}

fn cluster_role(admin: &Api, name: &str, rules: &Value) {
    let mut role = meta("ClusterRole", name);
    role["rules"] = rules.clone();
    admin.post(&format!("/apis/{GROUP}/v1/clusterroles"), &role).done();
}

fn bind(admin: &Api, namespace: Option<&str>, kind: &str, role: &str, subjects: &Value) {
    let (own, path) = match namespace {
        Some(namespace) => ("RoleBinding", format!("/apis/{GROUP}/v1/namespaces/{namespace}/rolebindings")),
        None => ("ClusterRoleBinding", format!("/apis/{GROUP}/v1/clusterrolebindings")),
    };
    let mut binding = meta(own, &format!("bound-{role}"));
    binding["roleRef"] = json!({"apiGroup": GROUP, "kind": kind, "name": role});
    binding["subjects"] = subjects.clone();
    admin.post(&path, &binding).done();
}
