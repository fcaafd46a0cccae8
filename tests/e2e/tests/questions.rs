//! `nightlatch rbac` and `nightlatch net` as people and pipelines meet them: answers, exit codes, JSON, mistakes, and
//! nothing wider than a terminal.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test, also in the functions around it")]

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

const RBAC: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: pod-reader}
rules:
- {apiGroups: [''], resources: [pods, pods/log], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: read, namespace: web}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: pod-reader}
subjects:
- {kind: ServiceAccount, name: api, namespace: web}
- {kind: User, name: anna, apiGroup: rbac.authorization.k8s.io}
";

const EVERYBODY: &str = "\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: everybody}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: Group, name: 'system:authenticated', apiGroup: rbac.authorization.k8s.io}]
";

const AUDIT_LOG: &str = r#"{"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"ResponseComplete","verb":"list","user":{"username":"system:serviceaccount:web:api"},"objectRef":{"resource":"pods","namespace":"web"},"responseStatus":{"code":200}}
this line is none
"#;

const POLICY: &str = "\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports: [{port: 5432}]
";

fn deployment(namespace: &str, name: &str, port: u16, variable: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec: {{containers: [{{name: c, image: i, env: [{{name: A, value: '{variable}'}}], ports: [{{containerPort: {port}}}]}}]}}
---
"
    )
}

/// A folder with roles, workloads, a log, and inputs that cannot be read.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let service = "apiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\nspec: {selector: {app: db}, ports: [{port: 5432}]}\n";
    let long = "a-workload-with-a-name-as-long-as-some-charts-make-them-when-nobody-looks";
    let workloads = deployment("shop", "web", 8080, "db:5432")
        + &deployment("shop", "db", 5432, "")
        + &deployment("operations-of-a-rather-large-department", long, 9100, "")
        + service;
    for (name, text) in [
        ("rbac/roles.yaml", RBAC.to_owned()),
        ("wide/roles.yaml", format!("{RBAC}---\n{EVERYBODY}")),
        ("audit.log", AUDIT_LOG.to_owned()),
        ("no.log", "nothing\n".to_owned()),
        ("net/workloads.yaml", workloads.clone()),
        ("net/policy.yaml", POLICY.to_owned()),
        ("open/workloads.yaml", workloads),
        ("broken/a.yaml", "a: [\n".to_owned()),
        ("partly/a.yaml", "a: [\n".to_owned()),
        ("partly/roles.yaml", RBAC.to_owned()),
        ("none/readme.md", "nothing to read\n".to_owned()),
    ] {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

struct Said {
    code: i32,
    out: String,
    err: String,
}

fn run_with(folder: &Path, line: &str, input: &str) -> Said {
    let mut child = Command::new(nightlatch_e2e::nightlatch::binary())
        .env("NO_COLOR", "1")
        .env("COLUMNS", "80")
        .env_remove("NIGHTLATCH_DATA")
        .current_dir(folder)
        .args(line.split(' '))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // One that has heard enough does not read on.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

fn run(folder: &Path, line: &str) -> Said {
    run_with(folder, line, "")
}

fn json(folder: &Path, line: &str) -> (i32, Value) {
    let said = run(folder, line);
    (
        said.code,
        serde_json::from_str(&said.out).unwrap_or_else(|e| panic!("{line}: {e}: {}{}", said.out, said.err)),
    )
}

#[test]
fn answers_their_exit_codes_and_their_width() {
    let folder = folder();
    for (line, code, parts) in [
        (
            "rbac can-i get pods -n web --as anna rbac",
            0,
            &["yes", "RoleBinding web/read", "roles.yaml:7"][..],
        ),
        ("rbac can-i get pods/log -n web --as system:serviceaccount:web:api rbac", 0, &["yes", "rule 1"]),
        ("rbac can-i delete pods -n web --as anna rbac", 1, &["no", "no rule lets anna"]),
        ("rbac can-i get pods --as anna rbac", 1, &["no rule lets anna"]),
        ("rbac can-i delete nodes --as anna wide", 0, &["cluster-admin (shipped with Kubernetes)"]),
        ("rbac can-i get pods -n web --as anna partly", 0, &["yes"]),
        ("rbac can-i delete pods -n web --as anna partly", 1, &["1 part of the input could not be read"]),
        ("rbac who-can get pods -n web rbac", 0, &["User anna", "ServiceAccount web/api", "system:masters"]),
        ("rbac who-can delete nodes wide", 0, &["Group system:authenticated", "in the whole cluster"]),
        ("rbac can-list --as anna rbac", 0, &["In namespace web", "pods/log: get list watch"]),
        ("rbac risky wide", 0, &["RBA-001", "RBA-019", "Group system:authenticated"]),
        ("rbac risky rbac", 0, &[]),
        ("rbac diff rbac wide", 0, &["+ * on * (*)", "ClusterRoleBinding everybody"]),
        ("rbac diff rbac rbac", 0, &[]),
        ("rbac suggest --from audit.log", 0, &["kind: Role\n", "resources: [pods]", "verbs: [list]"]),
        ("net reach shop/web shop/db net", 0, &["allowed on TCP 5432", "policy.yaml:7"]),
        ("net reach shop/web shop/db net --port 5432", 0, &["allowed"]),
        ("net reach shop/web shop/db net --port 80", 1, &["denied"]),
        ("net reach internet shop/db net", 1, &["denied"]),
        ("net reach shop/web 203.0.113.0/24 net", 0, &["allowed on every port"]),
        ("net who-can-reach shop/db net", 0, &["TCP 5432, from 1 workload:", "shop/web"]),
        ("net who-can-reach shop/web net", 0, &["a-workload-with-a-name"]),
        ("net matrix net", 0, &["shop/db", "row to column"]),
        ("net isolate net", 1, &["isolated (1)", "shop/db"]),
        ("net diff net net", 0, &["every connection is allowed as before"]),
        ("net diff net open", 1, &["~ shop/web -> shop/db: TCP 5432 before, every port now"]),
        ("net suggest net", 0, &["name: default-deny", "port: 5432", "name: allow-db"]),
    ] {
        let said = run(folder.path(), line);
        assert_eq!(said.code, code, "{line}: {}{}", said.out, said.err);
        for part in parts {
            assert!(said.out.contains(part), "{line}: {part} is not in\n{}{}", said.out, said.err);
        }
        let wide = said.out.lines().find(|line| line.chars().count() > 80);
        assert_eq!(wide, None, "{line}");
    }
}

#[test]
fn json_says_the_same_to_programs() {
    let folder = folder();
    let (code, answer) = json(folder.path(), "rbac can-i get pods -n web --as anna rbac --json");
    assert_eq!((code, &answer["allowed"], &answer["unread"]), (0, &true.into(), &0.into()), "{answer}");
    assert_eq!(answer["question"]["resource"], "pods");
    let (code, answer) = json(folder.path(), "rbac can-i delete pods -n web --as anna partly --json");
    assert_eq!((code, &answer["decision"], &answer["unread"]), (1, &"no".into(), &1.into()), "{answer}");
    let (_, answer) = json(folder.path(), "rbac who-can delete nodes wide --json");
    let subjects = answer["who"].as_array().unwrap().iter().map(|who| &who["subject"]["name"]);
    assert!(subjects.into_iter().any(|name| name == "system:authenticated"), "{answer}");
    let (_, answer) = json(folder.path(), "rbac can-list --as anna rbac --json");
    assert!(answer["rights"].as_array().unwrap().iter().any(|right| right["namespace"] == "web"), "{answer}");
    assert!(json(folder.path(), "rbac risky wide --json").1.to_string().contains("RBA-001"));
    assert!(json(folder.path(), "rbac diff rbac wide --json").1.to_string().contains("system:authenticated"));
    let (code, answer) = json(folder.path(), "net reach shop/web shop/db net --json");
    assert!(code == 0 && answer.to_string().contains("5432"), "{answer}");
    assert!(json(folder.path(), "net who-can-reach shop/db net --json").1.to_string().contains("shop/web"));
    assert!(json(folder.path(), "net matrix net --json").1.to_string().contains("shop/db"));
    assert_eq!(json(folder.path(), "net isolate net --json").0, 1);
    let (code, answer) = json(folder.path(), "net diff net open --json");
    assert_eq!(code, 1);
    let changed = answer["changed"].as_array().unwrap();
    let one = changed.iter().find(|one| one["from"] == "shop/web" && one["to"] == "shop/db").unwrap();
    assert_eq!(
        (&one["before"], &one["from_pods"], &one["to_pods"]),
        (&"TCP 5432".into(), &1.into(), &1.into())
    );
}

#[test]
fn mistakes_are_met_with_the_nearest_word() {
    let folder = folder();
    for (line, code, part) in [
        ("rbac", 2, "can-i"),
        ("rbac canI get pods", 2, "can-i"),
        ("rbac can-i", 2, "add --as USER"),
        ("rbac can-i --as anna get", 2, "a verb and a resource are needed"),
        ("rbac can-i get pods --ass anna rbac", 2, "'--as'"),
        ("rbac can-i gett pods -n web --as anna rbac", 1, "no verb gett; did you mean get?"),
        ("rbac can-i get podz -n web --as anna rbac", 1, "did you mean pods?"),
        ("rbac can-i get pods -n wbe --as anna rbac", 1, "no namespace wbe; did you mean web?"),
        ("rbac can-i get pods -n web --as ana rbac", 1, "no user ana; did you mean anna?"),
        ("rbac who-can get pods -n webb rbac", 0, "did you mean web?"),
        (
            "rbac can-list --as system:serviceaccount:web:apj rbac",
            0,
            "did you mean system:serviceaccount:web:api?",
        ),
        ("rbac can-i get pods --as anna nope.yaml rbac", 2, "there is no file or folder nope.yaml"),
        ("rbac who-can get pods none", 2, "there is nothing to read"),
        ("rbac who-can get pods broken", 2, "nothing of the input could be read"),
        ("rbac who-can get pods net", 0, "the input holds no role and no binding"),
        ("rbac diff rbac", 2, "two paths are needed"),
        ("rbac suggest", 2, "--from"),
        ("rbac suggest --from nope.log", 2, "nope.log"),
        ("rbac suggest --from no.log", 2, "no event of an audit log"),
        ("rbac suggest --from audit.log", 0, "1 event read, 0 of them refused or said twice"),
        ("rbac suggest --from audit.log", 0, "1 line could not be read"),
        ("net", 2, "who-can-reach"),
        ("net matrx net", 2, "'matrix'"),
        ("net reach", 2, "<FROM>"),
        ("net reach shop/wbe shop/db net", 2, "did you mean `shop/web`?"),
        ("net reach shop/web shop/dbb net", 2, "did you mean `shop/db`?"),
        ("net reach shop/web shop/db:5432 net", 2, "--port 5432"),
        ("net reach shop/web 10.0.0.0/33 net", 2, "no block of addresses"),
        ("net reach shop/web shop/db net --port 70000", 2, "is no port"),
        ("net reach shop/web shop/db nope net", 2, "there is no file or folder nope"),
        ("net isolate shop/db net", 2, "there is no file or folder shop/db"),
        ("net matrix none", 2, "there is nothing to read"),
        ("net matrix rbac", 2, "there is no pod and no workload"),
        ("net matrix net --svg /nowhere/m.svg", 3, "/nowhere/m.svg"),
        ("net diff net", 2, "nothing to compare with"),
    ] {
        let said = run(folder.path(), line);
        assert_eq!(said.code, code, "{line}: {}{}", said.out, said.err);
        assert!(said.err.contains(part), "{line}: {part} is not in\n{}\n{}", said.err, said.out);
    }
}

#[test]
fn what_is_suggested_and_drawn_can_be_used() {
    let folder = folder();
    let suggested = run(folder.path(), "rbac suggest --from audit.log");
    let asked = "rbac can-i list pods -n web --as system:serviceaccount:web:api -";
    assert_eq!(run_with(folder.path(), asked, &suggested.out).code, 0);
    assert_eq!(run_with(folder.path(), &asked.replace("list", "delete"), &suggested.out).code, 1);

    let suggested = run(folder.path(), "net suggest open");
    fs::write(folder.path().join("open/policies.yaml"), suggested.out).unwrap();
    assert_eq!(run(folder.path(), "net isolate open").code, 0, "nothing is open any more");
    assert_eq!(run(folder.path(), "net reach shop/web shop/db open --port 5432").code, 0);
    assert_eq!(run(folder.path(), "net reach shop/db shop/web open").code, 1);

    for (option, name, begin) in [("--svg", "m.svg", "<svg"), ("--html", "m.html", "<!doctype html>")] {
        let said = run(folder.path(), &format!("net matrix net {option} {name}"));
        assert_eq!(said.code, 0, "{}", said.err);
        let drawn = fs::read_to_string(folder.path().join(name)).unwrap();
        assert!(drawn.to_lowercase().starts_with(begin), "{}", &drawn[..60]);
        assert!(drawn.contains("shop/db") && !drawn.contains("<script"), "{name}");
    }
    assert!(
        run_with(
            folder.path(),
            "net matrix -",
            &fs::read_to_string(folder.path().join("net/workloads.yaml")).unwrap()
        )
        .out
        .contains("shop/db")
    );
}
