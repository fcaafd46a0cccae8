//! The traps of role-based access control, each as one line against manifests as people write them.

use nightlatch_manifest::{Corpus, Input, View};
use nightlatch_rbac::{
    Assume, Attributes, Authorizer, Decision, Doubt, Grant, Options, Resources, User, defaults,
};

fn corpus(text: &str) -> Corpus {
    let corpus = Corpus::read([Input { name: "t.yaml".into(), bytes: text.into() }]);
    assert!(corpus.diagnostics.is_empty(), "{:?}", corpus.diagnostics);
    corpus
}

fn alone(text: &str) -> Authorizer {
    Authorizer::with(&corpus(text), Options { assume: Assume::Never, ..Options::default() })
}

const POLICY: &str = r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: traps}
rules:
- {apiGroups: [""], resources: ["pods/*"], verbs: ["*"]}
- {apiGroups: [""], resources: ["*/*"], verbs: [delete]}
- {apiGroups: ["apps"], resources: ["*/scale"], verbs: [update]}
- {apiGroups: ["v1", "core"], resources: [configmaps], verbs: [get]}
- {apiGroups: [""], resources: [secrets], verbs: [get, list, create], resourceNames: [one]}
- {resources: [services], verbs: [get]}
- {apiGroups: [""], resources: [nodes], verbs: []}
- {apiGroups: [""], resources: ["dep*"], verbs: [get]}
- {nonResourceURLs: ["/healthz*", "/logs/**", "/a*b"], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: traps}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: traps}
subjects:
- {kind: User, name: jane}
- {kind: ServiceAccount, name: nowhere}
- {kind: Robot, name: robot}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: owner, namespace: web}
roleRef: {kind: ClusterRole, name: owner}
subjects: [{kind: ServiceAccount, name: api}, {kind: User, name: "system:serviceaccount:db:dump"}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: owner}
rules:
- {apiGroups: ["*"], resources: ["*"], verbs: ["*"]}
- {nonResourceURLs: ["*"], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: to-a-role}
roleRef: {kind: Role, name: reader}
subjects: [{kind: User, name: max}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [pods], verbs: [get]}]
"#;

#[test]
fn one_rule_matches_as_the_api_server_matches_it() {
    let authorizer = alone(POLICY);
    let jane = User::real("jane");
    let check = |expected: bool, verb: &str, group: &str, resource: &str, name: &str| {
        let asked = Attributes::resource(verb, group, resource, "web").named(name);
        assert_eq!(
            authorizer.authorize(&jane, &asked).is_allowed(),
            expected,
            "{verb} {group}/{resource} {name}"
        );
    };
    // A star behind a slash is a letter like any other.
    check(false, "get", "", "pods", "a");
    check(false, "create", "", "pods/exec", "a");
    check(true, "get", "", "pods/*", "a");
    check(false, "delete", "", "pods/exec", "a");
    check(true, "delete", "", "pods/*", "a");
    check(true, "delete", "", "services/*", "a");
    // Before the slash it is any resource, of that very subresource.
    check(true, "update", "apps", "deployments/scale", "a");
    check(false, "update", "apps", "deployments/status", "a");
    check(false, "update", "apps", "deployments", "a");
    // Neither a version nor `core` is a group.
    check(false, "get", "", "configmaps", "a");
    check(true, "get", "core", "configmaps", "a");
    // A name needs a name.
    check(true, "get", "", "secrets", "one");
    check(false, "get", "", "secrets", "two");
    check(false, "list", "", "secrets", "");
    check(true, "list", "", "secrets", "one");
    check(false, "create", "", "secrets", "");
    // What is not said matches nothing.
    check(false, "get", "", "services", "a");
    check(false, "get", "", "nodes", "a");
    check(false, "get", "", "deployments", "a");
    let path = |path: &str| authorizer.authorize(&jane, &Attributes::path("get", path)).is_allowed();
    for (asked, expected) in [
        ("/healthz", true),
        ("/healthzfoo", true),
        ("/healthz/ping", true),
        ("/logs/x", true),
        ("/logs", false),
        ("/axb", false),
        ("/a*b", true),
        ("/", false),
    ] {
        assert_eq!(path(asked), expected, "{asked}");
    }
}

#[test]
fn subjects_and_scopes_match_as_the_api_server_matches_them() {
    let authorizer = alone(POLICY);
    let check = |expected: bool, user: &str, resource: &str, namespace: &str, name: &str| {
        let asked = Attributes::resource("get", "", resource, namespace).named(name).completed();
        assert_eq!(
            authorizer.authorize(&User::real(user), &asked).is_allowed(),
            expected,
            "{user} {namespace}/{resource}"
        );
    };
    check(true, "system:serviceaccount:web:api", "pods", "web", "a");
    check(true, "system:serviceaccount:db:dump", "pods", "web", "a");
    check(false, "system:serviceaccount:web:api", "pods", "db", "a");
    check(false, "system:serviceaccount:web:api", "pods", "", "");
    check(false, "system:serviceaccount:web:api", "nodes", "", "n");
    // A request for a namespace is one in that namespace.
    check(true, "system:serviceaccount:web:api", "namespaces", "", "web");
    check(false, "system:serviceaccount:web:api", "namespaces", "", "db");
    // In a ClusterRoleBinding an account without a namespace is nobody, and a Role gives nothing.
    check(false, "system:serviceaccount:web:nowhere", "pods/*", "web", "a");
    check(false, "system:serviceaccount::nowhere", "pods/*", "web", "a");
    check(false, "robot", "pods/*", "web", "a");
    check(false, "max", "pods", "web", "a");
    let account = User::account("web", "api");
    assert!(!authorizer.authorize(&account, &Attributes::path("get", "/metrics")).is_allowed());
    // The group above all rules needs none.
    let root = User::exact("root", ["system:masters"]);
    let decision = authorizer.authorize(&root, &Attributes::resource("get", "", "pods", "web"));
    assert_eq!(decision, Decision::Allow(Grant::Superuser));
}

#[test]
fn aggregated_roles_hold_what_they_select_through_chains_and_circles() {
    let role = |name: &str, label: &str, selects: &str, rule: &str| {
        format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: {name}, labels: {{{label}: 'true'}}}}\n\
             aggregationRule: {{clusterRoleSelectors: [{{matchLabels: {{{selects}: 'true'}}}}]}}\nrules: [{rule}]\n---\n"
        )
    };
    let by_hand = "{apiGroups: [''], resources: [by-hand], verbs: [get]}";
    let text = role("a", "to-b", "to-a", by_hand)
        + &role("b", "to-a", "to-b", "")
        + r#"
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: leaf, labels: {to-a: "true"}}
rules: [{apiGroups: [""], resources: [leaf], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: b}
roleRef: {kind: ClusterRole, name: b}
subjects: [{kind: User, name: jane}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: more, labels: {rbac.authorization.k8s.io/aggregate-to-view: "true"}}
rules: [{apiGroups: [example.org], resources: [widgets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: admin, namespace: web}
roleRef: {kind: ClusterRole, name: admin}
subjects: [{kind: User, name: ann}]
"#;
    let authorizer = Authorizer::new(&corpus(&text));
    let may = |user: &str, group: &str, resource: &str| {
        authorizer
            .authorize(&User::real(user), &Attributes::resource("get", group, resource, "web"))
            .is_allowed()
    };
    assert!(may("jane", "", "leaf"));
    assert!(!may("jane", "", "by-hand"), "what stands in an aggregated role by hand is overwritten");
    // view into edit into admin, which the input does not hold and every cluster has.
    assert!(may("ann", "example.org", "widgets"));
    assert!(may("ann", "", "secrets"));
    assert!(!may("ann", "", "nodes"));
}

#[test]
fn every_cluster_starts_with_something() {
    let bare = Authorizer::new(&corpus("{}"));
    let may = |user: User, asked: Attributes<'_>| bare.authorize(&user, &asked).is_allowed();
    assert!(may(User::real("system:anonymous"), Attributes::path("get", "/version")));
    assert!(!may(User::real("system:anonymous"), Attributes::path("get", "/api")));
    assert!(may(User::real("jane"), Attributes::path("get", "/api/v1")));
    assert!(may(
        User::real("jane"),
        Attributes::resource("create", "authorization.k8s.io", "selfsubjectaccessreviews", "")
    ));
    assert!(!may(User::real("jane"), Attributes::resource("get", "", "pods", "web")));
    let account = User::account("kube-system", "clusterrole-aggregation-controller");
    assert!(may(
        account,
        Attributes::resource("escalate", "rbac.authorization.k8s.io", "clusterroles", "").named("x")
    ));
    for minor in [20, 24, 28, 32, 36] {
        let mut policy = defaults::shipped(minor);
        assert!(policy.aggregate());
        for role in &policy.roles {
            assert_eq!(
                defaults::compare_role(role),
                defaults::Comparison::AsShipped,
                "{} of 1.{minor}",
                role.name
            );
        }
        for binding in &policy.bindings {
            assert_eq!(
                defaults::compare_binding(binding),
                defaults::Comparison::AsShipped,
                "{}",
                binding.name
            );
        }
        let admin = policy.roles.iter().find(|role| role.name == "admin").map(|role| role.rules.len());
        assert!(admin.is_some_and(|rules| rules > 10), "{admin:?}");
    }
}

#[test]
fn other_authorisers_leave_a_doubt() {
    let server = |mode: &str| {
        format!(
            "{POLICY}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: kube-apiserver, namespace: kube-system}}\nspec:\n  containers:\n  - name: kube-apiserver\n    command: [kube-apiserver, \"--authorization-mode={mode}\"]\n"
        )
    };
    let check = |mode: &str, allowed: fn(&Decision) -> bool, denied: Decision| {
        let authorizer = alone(&server(mode));
        let ask = |user: &str| {
            authorizer.authorize(&User::real(user), &Attributes::resource("get", "", "pods", "web"))
        };
        let decision = ask("system:serviceaccount:web:api");
        assert!(allowed(&decision), "{mode}: {decision:?}");
        assert_eq!(ask("stranger"), denied, "{mode}");
    };
    check("Node,RBAC", |d| matches!(d, Decision::Allow(Grant::Rule(_))), Decision::Deny);
    check("RBAC,Webhook", |d| matches!(d, Decision::Allow(_)), Decision::UnknownMayAllow(Doubt::Webhook));
    check(
        "Webhook,RBAC",
        |d| matches!(d, Decision::UnknownMayDeny(_, Doubt::Webhook)),
        Decision::UnknownMayAllow(Doubt::Webhook),
    );
    check("ABAC,RBAC", |d| matches!(d, Decision::Allow(_)), Decision::UnknownMayAllow(Doubt::Abac));
    check(
        "AlwaysAllow",
        |d| matches!(d, Decision::Allow(Grant::AlwaysAllow)),
        Decision::Allow(Grant::AlwaysAllow),
    );
    check(
        "Webhook",
        |d| matches!(d, Decision::UnknownMayAllow(_)),
        Decision::UnknownMayAllow(Doubt::Webhook),
    );
}

#[test]
fn a_node_reaches_what_its_pods_refer_to() {
    let mut corpus = corpus(
        r#"
apiVersion: v1
kind: Pod
metadata: {name: p, namespace: web}
spec:
  nodeName: n1
  serviceAccountName: api
  imagePullSecrets: [{name: pull}]
  containers:
  - name: c
    image: i
    env: [{name: A, valueFrom: {secretKeyRef: {name: env, key: k}}}]
    envFrom: [{configMapRef: {name: map}}]
  volumes:
  - {name: v, secret: {secretName: vol}}
  - {name: d, persistentVolumeClaim: {claimName: data}}
  - {name: p, projected: {sources: [{secret: {name: projected}}, {configMap: {name: projected}}]}}
---
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv}
spec: {claimRef: {namespace: web, name: data}, csi: {nodePublishSecretRef: {name: disk}}}
"#,
    );
    corpus.view = View::Full;
    let authorizer = Authorizer::new(&corpus);
    let check = |node: &str, verb: &str, resource: &str, namespace: &str, name: &str, expected: bool| {
        let user = User::real(format!("system:node:{node}"));
        let asked = Attributes::resource(verb, "", resource, namespace).named(name);
        assert_eq!(
            authorizer.authorize(&user, &asked).is_allowed(),
            expected,
            "{node} {verb} {resource} {name}"
        );
    };
    for name in ["pull", "env", "vol", "projected", "disk"] {
        check("n1", "get", "secrets", "web", name, true);
        check("n2", "get", "secrets", "web", name, false);
    }
    check("n1", "get", "secrets", "web", "other", false);
    check("n1", "list", "secrets", "web", "", false);
    check("n1", "get", "configmaps", "web", "map", true);
    check("n1", "get", "configmaps", "web", "projected", true);
    check("n1", "get", "persistentvolumeclaims", "web", "data", true);
    check("n1", "get", "persistentvolumes", "", "pv", true);
    check("n1", "create", "serviceaccounts/token", "web", "api", true);
    check("n1", "create", "serviceaccounts/token", "web", "default", false);
    check("n1", "get", "nodes", "", "n1", true);
    check("n1", "get", "nodes", "", "n2", false);
    check("n1", "patch", "nodes/status", "", "n1", true);
    check("n1", "get", "services", "web", "x", true);
    check("n1", "delete", "deployments", "web", "x", false);
    // Without the group a name is only a name.
    let impostor = User::exact("system:node:n1", ["system:authenticated"]);
    assert!(
        !authorizer
            .authorize(&impostor, &Attributes::resource("get", "", "secrets", "web").named("env"))
            .is_allowed()
    );
    // What the input does not show is not decided.
    corpus.view = View::Partial;
    let partial = Authorizer::new(&corpus);
    let asked = Attributes::resource("get", "", "secrets", "web").named("other");
    assert_eq!(
        partial.authorize(&User::real("system:node:n1"), &asked),
        Decision::UnknownMayAllow(Doubt::Node)
    );
}

#[test]
fn impersonation_adds_groups_as_the_api_server_does() {
    let groups = |user: User| user.groups;
    assert_eq!(groups(User::impersonated("jane", vec![])), ["system:authenticated"]);
    assert_eq!(groups(User::impersonated("jane", vec!["dev".into()])), ["dev", "system:authenticated"]);
    assert_eq!(groups(User::impersonated("system:anonymous", vec![])), ["system:unauthenticated"]);
    assert_eq!(
        groups(User::impersonated("system:serviceaccount:web:api", vec![])),
        ["system:serviceaccounts", "system:serviceaccounts:web", "system:authenticated"]
    );
    assert_eq!(
        groups(User::impersonated("system:serviceaccount:web:api", vec!["x".into()])),
        ["x", "system:authenticated"]
    );
}

#[test]
fn definitions_in_the_input_are_resources() {
    let resources = Resources::of(&corpus(
        r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.org}
spec:
  group: example.org
  scope: Cluster
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions: [{name: v1, subresources: {status: {}}}]
"#,
    ));
    let widget = resources.meant("wd").expect("defined above");
    assert!(!widget.is_namespaced && widget.is_custom && widget.group == "example.org");
    assert_eq!(widget.subresources.len(), 1);
    assert_eq!(resources.meant("Widget.example.org"), Some(widget));
}

#[test]
fn every_answer_says_where_it_stands() {
    let corpus = corpus(POLICY);
    let authorizer = Authorizer::new(&corpus);
    let asked = Attributes::resource("get", "", "secrets", "web").named("one");
    let decision = authorizer.authorize(&User::real("jane"), &asked);
    let Some(Grant::Rule(grant)) = decision.grant() else { panic!("{decision:?}") };
    assert_eq!(grant.rule, 4);
    let at = authorizer.policy().roles[grant.role as usize].rules[grant.rule as usize]
        .at
        .expect("read from a file");
    assert_eq!(corpus.source(at.source).place(at.span.start).line, 10);
    let binding = &authorizer.policy().bindings[grant.binding as usize];
    assert_eq!(binding.describe(), "ClusterRoleBinding traps");
}

/// Roles that select each other by the thousand cost a moment, and it is said that rules were left out.
#[test]
fn aggregation_is_bounded() {
    use nightlatch_rbac::{Policy, Role, RoleKind, Rule, Selector};
    let role = |name: String, rules: Vec<Rule>, aggregates: bool| {
        let mut role = Role::new(RoleKind::ClusterRole, "", &name, rules);
        role.labels = vec![("x".to_owned(), "y".to_owned())];
        role.aggregation = aggregates.then(|| vec![Selector::label("x", "y")]);
        role
    };
    let rule = |at: usize| Rule {
        verbs: vec!["get".into()],
        groups: vec![String::new()],
        resources: vec![format!("r{at}")],
        ..Rule::default()
    };
    let check = |roles: usize, rules: usize, is_whole: bool| {
        let many = (0..roles).map(|at| role(format!("a{at}"), Vec::new(), true));
        let roles = many.chain((0..rules).map(|at| role(format!("b{at}"), vec![rule(at)], false))).collect();
        let mut policy = Policy { roles, bindings: Vec::new() };
        assert_eq!(policy.aggregate(), is_whole);
        if is_whole {
            assert_eq!(policy.roles[0].rules.len(), rules);
        }
    };
    check(20, 300, true);
    check(1_000, 300, false);
}

/// A rule may name as many verbs, groups and resources as it likes: what they multiply to is cut, and said.
#[test]
fn rights_that_multiply_are_cut() {
    let list = |word: &str| (0..1_500).map(|n| format!("{word}{n}")).collect::<Vec<_>>().join(",");
    let text = format!(
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: big}}\n\
         rules: [{{apiGroups: [{}], resources: [{}], verbs: [{}]}}]\n---\n\
         apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {{name: big}}\n\
         roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: big}}\n\
         subjects: [{{kind: User, name: u}}]\n",
        list("g"),
        list("r"),
        list("v")
    );
    let input = nightlatch_manifest::Input { name: "big.yaml".into(), bytes: text.into_bytes() };
    let authorizer = nightlatch_rbac::Authorizer::new(&nightlatch_manifest::Corpus::read([input]));
    let started = std::time::Instant::now();
    let (rights, is_whole) = authorizer.rights_of(&nightlatch_rbac::User::real("u"));
    assert!(!is_whole && rights.len() > 100, "{}", rights.len());
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
}
