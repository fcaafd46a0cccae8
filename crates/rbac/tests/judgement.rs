//! Chains, differences and suggestions, on manifests as people write them.

use std::collections::BTreeSet;

use proptest::{prelude::*, test_runner::Config};

use nightlatch_manifest::{Corpus, Input, View};
use nightlatch_rbac::{
    Assume, Attributes, Authorizer, Options, Subject, SuggestOptions, Suggestion, User, Vertex, diff,
    risk::show_rule,
};

fn corpus(text: &str) -> Corpus {
    let mut corpus = Corpus::read([Input { name: "t.yaml".into(), bytes: text.into() }]);
    assert!(corpus.diagnostics.is_empty(), "{:?}", corpus.diagnostics);
    corpus.view = View::Full;
    corpus
}

/// A default that was changed is judged for what was added, and for whom it is bound to.
#[test]
fn a_changed_default_is_a_finding() {
    let role = |more: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n\
         metadata: {{name: 'system:public-info-viewer', labels: {{kubernetes.io/bootstrapping: rbac-defaults}}}}\n\
         rules:\n- {{nonResourceURLs: [/version], verbs: [get]}}\n{more}---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\n\
         metadata: {{name: 'system:public-info-viewer', labels: {{kubernetes.io/bootstrapping: rbac-defaults}}}}\n\
         roleRef: {{kind: ClusterRole, name: 'system:public-info-viewer'}}\n\
         subjects: [{{kind: Group, name: 'system:unauthenticated'}}, {{kind: Group, name: 'system:authenticated'}}]\n"
        )
    };
    let check = |more: &str, expected: &[&str]| {
        let authorizer = Authorizer::new(&corpus(&role(more)));
        let rules: Vec<&str> = authorizer.assessment().risks.iter().map(|risk| risk.rule).collect();
        assert_eq!(rules, expected, "{more}");
    };
    check("", &[]);
    check("- {nonResourceURLs: [/healthz], verbs: [get]}\n", &[]);
    check("- {apiGroups: [''], resources: [nodes], verbs: [get]}\n", &["RBA-018", "RBA-019"]);
    check("- {apiGroups: [''], resources: [secrets], verbs: [get]}\n", &["RBA-004", "RBA-018", "RBA-019"]);
}

/// A role of one rule and who holds it; `scope` is a namespace or nothing.
fn grant(name: &str, rule: &str, scope: &str, subject: &str) -> String {
    let (kind, place) = match scope {
        "" => ("ClusterRoleBinding", String::new()),
        namespace => ("RoleBinding", format!(", namespace: {namespace}")),
    };
    let rbac = "apiVersion: rbac.authorization.k8s.io/v1";
    format!(
        "---\n{rbac}\nkind: ClusterRole\nmetadata: {{name: {name}}}\nrules: [{{{rule}}}]\n---\n{rbac}\nkind: {kind}\n\
         metadata: {{name: {name}{place}}}\nroleRef: {{kind: ClusterRole, name: {name}}}\nsubjects: [{{{subject}}}]\n"
    )
}

const ADMIN: &str = "---\napiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: root}\n\
    roleRef: {kind: ClusterRole, name: cluster-admin}\nsubjects: [{kind: ServiceAccount, namespace: ops, name: deployer}]\n";
const JANE: &str = "kind: User, name: jane";

#[test]
fn chains_lead_to_the_cluster_where_there_is_one() {
    let check = |steps: Option<usize>, scope: &str, rule: &str, more: &str| {
        let text = ADMIN.to_owned() + &grant("own", rule, scope, JANE) + more;
        let authorizer = Authorizer::new(&corpus(&text));
        let chain = authorizer.escalation().chain(&Subject::user("jane"));
        assert_eq!(chain.as_ref().map(Vec::len), steps, "{rule} in `{scope}`: {chain:#?}");
        if let Some(last) = chain.and_then(|chain| chain.into_iter().last()) {
            assert_eq!(last.to, Vertex::ClusterAdmin);
        }
    };
    let core = |what: &str, verbs: &str| format!("apiGroups: [''], resources: ['{what}'], verbs: [{verbs}]");
    let rbac = |what: &str, verbs: &str| {
        format!("apiGroups: [rbac.authorization.k8s.io], resources: [{what}], verbs: [{verbs}]")
    };
    let pod = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: ops}\nspec: {serviceAccountName: deployer, containers: [{name: c, image: i}]}\n";
    let open = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: web}\n";
    let closed = "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: web, labels: {pod-security.kubernetes.io/enforce: baseline}}\n";
    check(Some(1), "", "apiGroups: ['*'], resources: ['*'], verbs: ['*']", "");
    check(None, "web", "apiGroups: ['*'], resources: ['*'], verbs: ['*']", "");
    check(Some(4), "ops", "apiGroups: ['*'], resources: ['*'], verbs: ['*']", "");
    check(Some(3), "ops", &core("serviceaccounts/token", "create"), "");
    check(None, "web", &core("serviceaccounts/token", "create"), "");
    check(
        Some(2),
        "ops",
        "apiGroups: [''], resources: [serviceaccounts/token], verbs: [create], resourceNames: [deployer]",
        "",
    );
    check(
        None,
        "ops",
        "apiGroups: [''], resources: [serviceaccounts/token], verbs: [create], resourceNames: [other]",
        "",
    );
    check(None, "ops", "apiGroups: [''], resources: [pods], verbs: [create], resourceNames: [one]", "");
    check(Some(3), "ops", &core("pods", "create"), "");
    check(Some(3), "ops", &core("pods/exec", "create"), pod);
    check(None, "ops", &core("pods/exec", "create"), "");
    check(None, "ops", &core("pods/*", "create"), pod);
    check(Some(4), "", &core("nodes/proxy", "get"), pod);
    check(None, "ops", &core("nodes/proxy", "get"), pod);
    check(Some(5), "web", &core("pods", "create"), &(pod.to_owned() + open));
    check(None, "web", &core("pods", "create"), &(pod.to_owned() + closed));
    check(Some(1), "", &rbac("clusterroles", "escalate, update"), "");
    check(None, "", &rbac("clusterroles", "escalate"), "");
    check(Some(1), "", &rbac("clusterroles, clusterrolebindings", "bind, create"), "");
    check(None, "", &rbac("clusterrolebindings", "create"), "");
    check(Some(3), "", &core("users', 'groups", "impersonate"), "");
    check(None, "", &core("groups", "impersonate"), "");
    check(
        Some(2),
        "",
        "apiGroups: [''], resources: [users], verbs: [impersonate], resourceNames: ['system:serviceaccount:ops:deployer']",
        "",
    );
    check(Some(3), "ops", &core("secrets", "create, list"), "");
    check(None, "ops", &core("secrets", "list"), "");
    let token = "---\napiVersion: v1\nkind: Secret\ntype: kubernetes.io/service-account-token\nmetadata: {name: t, namespace: ops, annotations: {kubernetes.io/service-account.name: deployer}}\n";
    check(Some(3), "ops", &core("secrets", "list"), token);
    check(Some(3), "ops", "apiGroups: [argoproj.io], resources: [workflows], verbs: [create]", "");
    let makes = |group: &str, resource: &str| {
        format!("apiGroups: [{group}], resources: [{resource}], verbs: [create]")
    };
    for (group, resource) in [
        ("argoproj.io", "experiments"),
        ("tekton.dev", "pipelineruns"),
        ("serving.knative.dev", "services"),
        ("keda.sh", "scaledjobs"),
        ("kubevirt.io", "virtualmachines"),
        ("apps.openshift.io", "deploymentconfigs"),
    ] {
        check(Some(3), "ops", &makes(group, resource), "");
    }
    check(None, "ops", &makes("keda.sh", "scaledobjects"), "");
    // What the operator's own account does: one that is there, bound to everything.
    for (group, resource, namespace, name, scope, is_way) in [
        ("argoproj.io", "applications", "argocd", "argocd-application-controller", "argocd", true),
        ("argoproj.io", "applications", "argocd", "argocd-application-controller", "", true),
        ("argoproj.io", "applications", "argocd", "argocd-application-controller", "ops", false),
        ("argoproj.io", "applications", "gitops", "argocd-application-controller", "argocd", false),
        ("kustomize.toolkit.fluxcd.io", "kustomizations", "flux-system", "kustomize-controller", "ops", true),
        ("helm.toolkit.fluxcd.io", "helmreleases", "flux-system", "helm-controller", "ops", true),
        ("kyverno.io", "clusterpolicies", "kyverno", "kyverno-background-controller", "", true),
        ("policies.kyverno.io", "generatingpolicies", "kyverno", "kyverno-background-controller", "", true),
        ("kyverno.io", "clusterpolicies", "kyverno", "kyverno-background-controller", "ops", false),
        ("external-secrets.io", "clustersecretstores", "external-secrets", "external-secrets", "", true),
        ("external-secrets.io", "secretstores", "external-secrets", "external-secrets", "ops", false),
        ("operators.coreos.com", "clusterserviceversions", "olm", "olm-operator-serviceaccount", "ops", true),
        ("operators.coreos.com", "subscriptions", "olm", "olm-operator-serviceaccount", "ops", false),
    ] {
        let root = ADMIN
            .replace("name: root", "name: operator")
            .replace("namespace: ops, name: deployer", &format!("namespace: {namespace}, name: {name}"));
        assert!(root.contains(name));
        check(is_way.then_some(2), scope, &makes(group, resource), &root);
        check(None, scope, &makes(group, resource), "");
    }
    let aws = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: aws-auth, namespace: kube-system}\n";
    check(Some(1), "kube-system", &core("configmaps", "patch"), aws);
    check(None, "kube-system", &core("configmaps", "patch"), "");
}

#[test]
fn a_fresh_cluster_has_no_findings() {
    for minor in [20, 24, 28, 32, 36] {
        let mut policy = nightlatch_rbac::Policy::default();
        policy.assume_shipped(minor);
        // As a dump holds them: with places, and no longer only assumed.
        let at = nightlatch_rbac::Anchor {
            object: 0,
            source: nightlatch_manifest::SourceId(0),
            node: nightlatch_manifest::NodeId(0),
            span: nightlatch_manifest::Span::default(),
        };
        for role in &mut policy.roles {
            role.origin = nightlatch_rbac::Origin::Input;
            role.at = Some(at);
        }
        for binding in &mut policy.bindings {
            binding.origin = nightlatch_rbac::Origin::Input;
            binding.at = Some(at);
        }
        let authorizer = Authorizer::from_policy(policy);
        let assessment = authorizer.assessment();
        assert!(assessment.risks.is_empty(), "1.{minor}: {:#?}", assessment.risks);
        assert!(assessment.looked_at.values().sum::<u32>() > 100);
    }
}

#[test]
fn a_difference_is_one_of_rights_and_not_of_text() {
    let pods = "apiGroups: [''], resources: [pods], verbs: [get, list]";
    let check = |old: &str, new: &str, expected: &[&str]| {
        let (old, new) = (Authorizer::new(&corpus(old)), Authorizer::new(&corpus(new)));
        let mut lines = Vec::new();
        for change in diff(&old, &new) {
            let scope = change.namespace.unwrap_or_else(|| "*".to_owned());
            let line = |sign: char, rule| {
                format!("{sign} {} {scope}: {}", change.subject.describe(), show_rule(rule))
            };
            lines.extend(change.gained.iter().map(|rule| line('+', rule)));
            lines.extend(change.lost.iter().map(|rule| line('-', rule)));
        }
        assert_eq!(lines, expected);
    };
    let old = grant("a", pods, "web", JANE);
    check(&old, &old, &[]);
    check(
        &old,
        &grant("renamed", "apiGroups: [''], resources: [pods], verbs: [list, get]", "web", JANE),
        &[],
    );
    check(
        &old,
        &grant("a", "apiGroups: ['', apps], resources: [pods], verbs: [get, watch]", "web", JANE),
        &[
            "+ User jane web: get, watch on pods (apps)",
            "+ User jane web: watch on pods (core)",
            "- User jane web: list on pods (core)",
        ],
    );
    // The same for the whole cluster is more, and nothing is lost.
    check(&old, &grant("a", pods, "", JANE), &["+ User jane *: get, list on pods (core)"]);
    check(&grant("a", pods, "", JANE), &old, &["- User jane *: get, list on pods (core)"]);
    check(&old, "{}", &["- User jane web: get, list on pods (core)"]);
}

fn event(user: &str, verb: &str, reference: &str, more: &str) -> String {
    format!(
        r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"ResponseComplete","verb":"{verb}","user":{{"username":"{user}"}},"objectRef":{{{reference}}}{more}}}"#
    )
}

#[test]
fn a_suggestion_allows_what_was_seen_and_no_more() {
    let account = "system:serviceaccount:web:api";
    let refused = r#","annotations":{"authorization.k8s.io/decision":"forbid"}"#;
    let log = [
        event(account, "get", r#""resource":"secrets","namespace":"web","name":"db""#, ""),
        event(account, "create", r#""resource":"pods","subresource":"exec","namespace":"web","name":"p""#, ""),
        event(account, "list", r#""resource":"deployments","apiGroup":"apps""#, ""),
        event(account, "delete", r#""resource":"secrets","namespace":"web","name":"db""#, refused),
        event("o\\\"dd: user\\u001b", "create", r#""resource":"pods","namespace":"web","name":"new""#, ""),
        r#"{"kind":"Event","stage":"ResponseComplete","verb":"get","user":{"username":"jane"},"requestURI":"/metrics?x=1"}"#.to_owned(),
        r#"{"kind":"Event","stage":"ResponseComplete","verb":"get","user":{"username":"jane"},"impersonatedUser":{"username":"max","groups":["dev","system:authenticated"]},"objectRef":{"resource":"pods","namespace":"db","name":"p"}}"#.to_owned(),
        r#"{"kind":"EventList","items":[{"kind":"Event","stage":"ResponseComplete","verb":"watch","user":{"username":"jane"},"objectRef":{"resource":"nodes"}}]}"#.to_owned(),
        String::new(),
    ];
    let mut suggestion = Suggestion::new(SuggestOptions::default(), None);
    for line in &log {
        suggestion.line(line.as_bytes()).expect("an event");
    }
    for bad in ["{", "[]", r#"{"kind":"Pod"}"#, "\u{feff}x", &"[".repeat(10_000)] {
        assert!(suggestion.line(bad.as_bytes()).is_err(), "{bad:.20}");
    }
    assert_eq!((suggestion.events(), suggestion.skipped()), (8, 1));
    let yaml = suggestion.yaml();
    assert!(!yaml.contains('\u{1b}'), "{yaml}");
    let authorizer = Authorizer::new(&corpus(&yaml));
    let check = |expected: bool, user: &str, asked: Attributes<'_>| {
        assert_eq!(
            authorizer.authorize(&User::real(user), &asked).is_allowed(),
            expected,
            "{user} {asked:?}\n{yaml}"
        );
    };
    check(true, account, Attributes::resource("get", "", "secrets", "web").named("db"));
    check(false, account, Attributes::resource("get", "", "secrets", "web").named("other"));
    check(false, account, Attributes::resource("delete", "", "secrets", "web").named("db"));
    check(true, account, Attributes::resource("create", "", "pods/exec", "web").named("p"));
    check(false, account, Attributes::resource("create", "", "pods", "web"));
    check(true, account, Attributes::resource("list", "apps", "deployments", ""));
    check(false, account, Attributes::resource("list", "", "deployments", ""));
    check(true, "jane", Attributes::path("get", "/metrics"));
    check(true, "jane", Attributes::resource("watch", "", "nodes", ""));
    check(true, "jane", Attributes::resource("impersonate", "", "users", "").named("max"));
    check(true, "jane", Attributes::resource("impersonate", "", "groups", "").named("dev"));
    check(false, "jane", Attributes::resource("get", "", "pods", "db").named("p"));
    check(true, "max", Attributes::resource("get", "", "pods", "db").named("p"));
    check(true, "o\"dd: user\u{1b}", Attributes::resource("create", "", "pods", "web"));
}

#[test]
fn a_suggestion_is_for_whom_was_asked_and_generalises_many_names() {
    let only = BTreeSet::from(["jane".to_owned()]);
    let mut suggestion = Suggestion::new(SuggestOptions { names_max: 2, denied: false }, Some(only));
    for name in ["a", "b", "c"] {
        let reference = format!(r#""resource":"pods","namespace":"web","name":"{name}""#);
        for user in ["jane", "max"] {
            suggestion.line(event(user, "get", &reference, "").as_bytes()).expect("an event");
        }
    }
    let roles = suggestion.roles();
    assert_eq!(roles.len(), 1);
    let rules = &roles[0].1["web"];
    assert!(rules.len() == 1 && rules[0].names.is_empty(), "{rules:?}");
}

proptest! {
    #![proptest_config(Config { cases: 300, failure_persistence: None, ..Config::default() })]

    /// Whatever stands in a log, what comes of it is YAML that reads back and allows what was seen.
    #[test]
    fn suggestions_survive_any_word(user in "\\PC{1,12}", verb in "[a-z]{1,6}|true|\\PC{1,5}", resource in "[a-z]{1,9}|no|\\PC{1,8}", group in "[a-z.]{0,9}|\\PC{0,5}", name in any::<String>(), namespace in "|[a-z]{1,8}|on") {
        let line = serde_json::json!({
            "kind": "Event", "stage": "ResponseComplete", "verb": verb, "user": {"username": user},
            "objectRef": {"resource": resource, "apiGroup": group, "name": name, "namespace": namespace},
        });
        let mut suggestion = Suggestion::new(SuggestOptions::default(), None);
        suggestion.line(line.to_string().as_bytes()).expect("an event");
        let yaml = suggestion.yaml();
        let options = Options { assume: Assume::Never, ..Options::default() };
        let authorizer = Authorizer::with(&corpus(&yaml), options);
        let asked = Attributes { verb: &verb, group: &group, resource: &resource, namespace: &namespace, name: &name, ..Attributes::default() };
        let user = User::exact(user.as_str(), [""; 0]);
        prop_assert!(authorizer.authorize(&user, &asked).is_allowed(), "{:?}\n{}", asked, yaml);
    }

    /// Lines that are no events are refused and change nothing.
    #[test]
    fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut suggestion = Suggestion::new(SuggestOptions::default(), None);
        let is_event = suggestion.line(&bytes).is_ok();
        prop_assert!(suggestion.yaml().is_empty() || is_event);
    }
}
