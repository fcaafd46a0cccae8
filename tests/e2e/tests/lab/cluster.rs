//! The audit of a live cluster: by certificate and by tokens, with all rights, with some and with none.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use libtest_mimic::Failed;
use nightlatch_e2e::{
    lab::{Api, Lab, Login, Setup, TOKEN, TOKEN_USER, program},
    nightlatch::{Run, run},
    server::run_to_end,
};
use serde_json::{Value, json};

use crate::{Case, Needs};

const AUDIT_MAX: Duration = Duration::from_secs(120);
/// More than five pages of 500.
const MANY: usize = 2_600;
const SECRET_VALUE: &str = "lab-secret-value-4711";

pub(super) const CASES: &[Case] =
    &[Case { name: "cluster/audit", needs: Needs::Lab, run: audit_of_a_cluster }];

fn audit_of_a_cluster() -> Result<(), Failed> {
    let mut lab = Lab::start(&Setup { controllers: true, audit: true, ..Setup::default() });
    let admin = lab.admin();
    fill(&admin)?;
    let owner = lab.certificate("owner", &["system:masters"]);
    everything(&lab, &lab.kubeconfig("owner", &owner))?;
    only_what_the_token_may(&mut lab, &admin)?;
    nothing_at_all(&lab)?;
    nobody(&lab)?;
    one_namespace(&lab, &lab.kubeconfig("owner", &owner))?;
    many_pages(&lab, &admin, &lab.kubeconfig("owner", &owner))?;
    only_reads(&lab.audit_log())
}

fn container() -> Value {
    json!({"name": "c", "image": "registry.example/app:1.2", "securityContext": {"privileged": true}})
}

/// One object of every sort that matters here.
fn fill(admin: &Api) -> Result<(), Failed> {
    let meta = |name: &str| json!({"name": name});
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": [container()]}});
    let mut always = template.clone();
    always["spec"]["restartPolicy"] = json!("Always");
    let namespaced = |group: &str, kind: &str| format!("/{group}/namespaces/default/{kind}");
    for (path, object) in [
        (
            namespaced("api/v1", "pods"),
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": meta("lone"), "spec": {"containers": [container()]}}),
        ),
        (
            namespaced("apis/apps/v1", "deployments"),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("shop"),
                "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": always}}),
        ),
        // A group of which one version has a kind that the preferred one lacks.
        (
            namespaced("apis/batch/v1beta1", "cronjobs"),
            json!({"apiVersion": "batch/v1beta1", "kind": "CronJob", "metadata": meta("nightly"),
                "spec": {"schedule": "0 0 * * *", "jobTemplate": {"spec": {"template": template}}}}),
        ),
        (
            namespaced("api/v1", "secrets"),
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("key"), "stringData": {"password": SECRET_VALUE}}),
        ),
        (
            namespaced("apis/networking.k8s.io/v1", "networkpolicies"),
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta("closed"),
                "spec": {"podSelector": {}}}),
        ),
        (
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings".to_owned(),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": meta("reader"),
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": TOKEN_USER},
                    {"kind": "ServiceAccount", "namespace": "default", "name": "default"}]}),
        ),
    ] {
        let answer = admin.post(&path, &object);
        if answer.status != 201 {
            return Err(format!("{path}: {} {}", answer.status, answer.text).into());
        }
    }
    Ok(())
}

/// An audit, and its report when it printed one.
struct Audit {
    run: Run,
    report: Value,
}

fn audit(arguments: &[&str]) -> Audit {
    let mut all = vec!["audit", "--json", "--all", "--profile", "all"];
    all.extend(arguments);
    let run = run(&all, AUDIT_MAX);
    let report = serde_json::from_str(&run.stdout).unwrap_or_default();
    Audit { run, report }
}

impl Audit {
    fn objects(&self) -> u64 {
        self.report["input"]["objects"].as_u64().unwrap_or(0)
    }

    /// Rule and object of every finding.
    fn findings(&self) -> BTreeSet<String> {
        let findings = self.report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        findings
            .iter()
            .map(|finding| {
                let subject = &finding["subject"];
                let (kind, namespace) = (text(&subject["kind"]), text(&subject["namespace"]));
                format!("{} {kind} {namespace}/{}", text(&finding["rule"]), text(&subject["name"]))
            })
            .collect()
    }

    /// What was not read.
    fn unread(&self) -> Vec<String> {
        let notices = self.report["notices"].as_array().map(Vec::as_slice).unwrap_or_default();
        let unread = notices.iter().filter(|notice| notice["kind"] == "unreadable");
        unread.map(Value::to_string).collect()
    }

    fn expect(&self, holds: bool, what: &str) -> Result<(), Failed> {
        if holds {
            return Ok(());
        }
        let report = serde_json::to_string_pretty(&self.report).unwrap_or_default();
        Err(format!("{what}\ncode {:?}\n{}\n{report:.6000}", self.run.code, self.run.stderr).into())
    }
}

/// The finding that a privileged container gives on an object.
fn privileged(kind: &str, name: &str) -> String {
    format!("POD-001 {kind} default/{name}")
}

fn everything(lab: &Lab, config: &Path) -> Result<(), Failed> {
    let path = config.display().to_string();
    let live = audit(&["--kubeconfig", &path, "--context", "lab"]);
    live.expect(live.run.code == Some(0), "an audit with all rights is complete")?;
    live.expect(live.unread().is_empty(), "nothing is left unread")?;
    let findings = live.findings();
    for expected in
        [privileged("Pod", "lone"), privileged("Deployment", "shop"), privileged("CronJob", "nightly")]
    {
        live.expect(findings.contains(&expected), &format!("{expected} is found"))?;
    }
    live.expect(!live.run.stdout.contains(SECRET_VALUE), "no value of a secret is printed")?;
    // The same cluster by kubectl: the same objects, and the same findings but those on secrets, which were not dumped.
    let kubectl = program("kubectl").ok_or("no kubectl")?;
    let mut command = Command::new(kubectl);
    command.arg("--kubeconfig").arg(config).args(["get", "--all-namespaces", "-o", "yaml"]);
    command.arg(
        "pods,deployments,cronjobs,jobs,services,serviceaccounts,namespaces,configmaps,networkpolicies,\
         roles,rolebindings,clusterroles,clusterrolebindings,customresourcedefinitions,\
         mutatingwebhookconfigurations,validatingwebhookconfigurations,podsecuritypolicies,nodes,persistentvolumes",
    );
    let dump = lab.write("dump.yaml", &run_to_end(command, AUDIT_MAX));
    let dumped = audit(&["--full", "--kubernetes-version", "1.20", &dump.display().to_string()]);
    dumped.expect(dumped.run.code == Some(0), "a dump is read whole")?;
    let others = |audit: &Audit| -> BTreeSet<String> {
        audit.findings().into_iter().filter(|finding| !finding.contains(" Secret ")).collect()
    };
    let (live_findings, dumped_findings) = (others(&live), others(&dumped));
    let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>();
    let (only_live, only_dumped) =
        (only(&live_findings, &dumped_findings), only(&dumped_findings, &live_findings));
    live.expect(
        only_live.is_empty() && only_dumped.is_empty(),
        &format!("live and dump agree: only live {only_live:#?}, only in the dump {only_dumped:#?}"),
    )?;
    println!(
        "cluster: {} objects, {} findings, the same from a dump, {} ms",
        live.objects(),
        findings.len(),
        live.run.elapsed.as_millis()
    );
    Ok(())
}

/// The role `view` shows pods, and neither secrets nor roles: each of those is named, and the rest is audited.
fn only_what_the_token_may(lab: &mut Lab, admin: &Api) -> Result<(), Failed> {
    lab.wait_for("the role view", |_| may_list_pods(admin, TOKEN_USER));
    let logins = [
        ("static", Login::Token(TOKEN.to_owned())),
        ("account", lab.service_account_token("default", "default")),
    ];
    for (name, login) in logins {
        let path = lab.kubeconfig(name, &login).display().to_string();
        let part = audit(&["--kubeconfig", &path]);
        part.expect(part.run.code == Some(2), "an audit of a part is not clean")?;
        part.expect(part.findings().contains(&privileged("Pod", "lone")), "what may be read is audited")?;
        let unread = part.unread();
        for kind in ["secrets", "clusterroles", "clusterrolebindings", "roles", "nodes"] {
            let named = unread.iter().filter(|notice| notice.contains(&format!("/v1 {kind}: "))).count();
            part.expect(named == 1, &format!("{kind} is named once as not allowed: {unread:#?}"))?;
        }
        part.expect(unread.iter().all(|notice| !notice.contains("/v1 pods: ")), "pods were read")?;
        if let Login::Token(token) = &login {
            let said = format!("{}{}", part.run.stdout, part.run.stderr);
            part.expect(!said.contains(token.as_str()), "no token is printed")?;
        }
    }
    Ok(())
}

fn may_list_pods(admin: &Api, user: &str) -> bool {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": user, "resourceAttributes": {"verb": "list", "resource": "pods"}},
    });
    admin.post("/apis/authorization.k8s.io/v1/subjectaccessreviews", &review).done()["status"]["allowed"]
        == true
}

/// A known user without any right: every kind is named, nothing is found.
fn nothing_at_all(lab: &Lab) -> Result<(), Failed> {
    let path = lab.kubeconfig("nothing", &lab.certificate("newcomer", &[])).display().to_string();
    let none = audit(&["--kubeconfig", &path]);
    none.expect(none.run.code == Some(2) && none.objects() == 0, "nothing may be read, and that is said")?;
    none.expect(none.unread().iter().any(|notice| notice.contains("/v1 pods: ")), "pods are named")
}

/// Nobody's token: the server refuses, and there is nothing to audit.
fn nobody(lab: &Lab) -> Result<(), Failed> {
    let token = "nobodys-token-0815";
    let path = lab.kubeconfig("nobody", &Login::Token(token.to_owned())).display().to_string();
    let refused = audit(&["--kubeconfig", &path]);
    let said = format!("{}{}", refused.run.stdout, refused.run.stderr);
    refused.expect(
        refused.run.code == Some(3) && refused.run.stdout.is_empty(),
        "a refused login is an error",
    )?;
    refused.expect(
        said.contains("Unauthorized") && !said.contains(token),
        "the reason is told, the token is not",
    )?;
    let elsewhere = audit(&["--kubeconfig", &path, "--context", "elsewhere"]);
    elsewhere.expect(
        elsewhere.run.code == Some(3) || elsewhere.run.code == Some(2),
        "an unknown context is an error",
    )
}

fn one_namespace(lab: &Lab, config: &Path) -> Result<(), Failed> {
    let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "quiet"}});
    lab.admin().post("/api/v1/namespaces", &space).done();
    let path = config.display().to_string();
    let quiet = audit(&["--kubeconfig", &path, "--namespace", "quiet"]);
    let elsewhere = quiet.findings().iter().any(|finding| finding.contains(" default/"));
    quiet.expect(!elsewhere && quiet.run.code == Some(0), "another namespace is not read")
}

fn many_pages(lab: &Lab, admin: &Api, config: &Path) -> Result<(), Failed> {
    let path = config.display().to_string();
    let before = audit(&["--kubeconfig", &path]).objects();
    let mut session = admin.connect()?;
    let started = Instant::now();
    for number in 0..MANY {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("map-{number}")},
            "data": {"number": number.to_string()}});
        let answer = session.ask("POST", "/api/v1/namespaces/default/configmaps", Some(&object))?;
        if answer.status != 201 {
            return Err(format!("{} {}", answer.status, answer.text).into());
        }
    }
    println!("cluster: {MANY} objects made in {} s", started.elapsed().as_secs());
    let many = audit(&["--kubeconfig", &path]);
    // A new namespace's default account and certificate may have come meanwhile.
    let more = many.objects().saturating_sub(before) as usize;
    many.expect(
        many.run.code == Some(0) && (MANY..MANY + 10).contains(&more),
        &format!("{MANY} objects more, not {more}"),
    )?;
    println!("cluster: {} objects audited in {} ms", many.objects(), many.run.elapsed.as_millis());
    let asked = requests(&lab.audit_log(), "owner");
    let uris = asked.iter().filter_map(|event| event["requestURI"].as_str());
    let pages =
        uris.filter(|uri| uri.starts_with("/api/v1/configmaps?") && uri.contains("continue=")).count();
    many.expect(pages >= MANY / 500, &format!("the list came in pages, not in {pages}"))
}

/// What the server's own log says that a user asked.
fn requests(log: &Path, user: &str) -> Vec<Value> {
    let text = fs::read_to_string(log).unwrap_or_default();
    let events = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.filter(|event| event["user"]["username"] == user).collect()
}

/// Nothing but GET ever left for the cluster.
fn only_reads(log: &Path) -> Result<(), Failed> {
    let mut verbs = BTreeSet::new();
    let mut count = 0;
    for event in ["owner", TOKEN_USER, "newcomer"].into_iter().flat_map(|user| requests(log, user)) {
        verbs.insert(event["verb"].as_str().unwrap_or_default().to_owned());
        count += 1;
    }
    let reads = verbs.iter().all(|verb| verb == "get" || verb == "list");
    println!("cluster: {count} requests in the server's log, verbs {verbs:?}");
    if count < 100 || !reads {
        Err(format!("{count} requests with the verbs {verbs:?}").into())
    } else {
        Ok(())
    }
}
