//! Roles and bindings as clusters have them, with every trap that the documentation names, from a seed.

use serde_json::{Value, json};

/// The namespaces in which something happens.
pub(super) const NAMESPACES: [&str; 3] = ["alpha", "beta", "gamma"];
/// The label of everything that is generated.
pub(super) const LABEL: &str = "lab.example.org/generated";
/// The API group of roles.
pub(super) const GROUP: &str = "rbac.authorization.k8s.io";

const VERBS: [&str; 15] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "impersonate",
    "bind",
    "escalate",
    "use",
    "approve",
    "*",
    "GET",
];
const GROUPS: [&str; 8] = ["", "apps", "batch", GROUP, "example.org", "*", "v1", "apps/v1"];
/// `pods/*`, `*/*` and `dep*` look like patterns and are none.
const RESOURCES: [&str; 24] = [
    "pods",
    "pods/log",
    "pods/exec",
    "pods/*",
    "*/scale",
    "*/log",
    "*/*",
    "*",
    "deployments",
    "deployments/scale",
    "secrets",
    "configmaps",
    "nodes",
    "nodes/proxy",
    "namespaces",
    "serviceaccounts",
    "serviceaccounts/token",
    "roles",
    "clusterroles",
    "users",
    "groups",
    "dep*",
    "widgets",
    "widgets/status",
];
const NAMES: [&str; 6] = ["web", "db", "alpha", "*", "we*", "cluster-admin"];
const PATHS: [&str; 11] = [
    "*",
    "/healthz",
    "/healthz/*",
    "/healthz*",
    "/api/*",
    "/apis/*/x",
    "/metrics",
    "/logs/**",
    "/",
    "/version",
    "/readyz/etcd",
];
const USERS: [&str; 9] = [
    "alice",
    "bob",
    "carol",
    "Alice",
    "system:anonymous",
    "system:serviceaccount:alpha:builder",
    "system:serviceaccount:beta:default",
    "system:serviceaccount:gamma:builder",
    "system:node:n1",
];
const USER_GROUPS: [&str; 10] = [
    "dev",
    "ops",
    "dev*",
    "system:authenticated",
    "system:unauthenticated",
    "system:serviceaccounts",
    "system:serviceaccounts:alpha",
    "system:serviceaccounts:beta",
    "system:nodes",
    "system:masters",
];
const TIERS: [&str; 3] = ["one", "two", "three"];
const SHIPPED: [&str; 8] = [
    "view",
    "edit",
    "admin",
    "cluster-admin",
    "system:basic-user",
    "system:discovery",
    "system:node",
    "no-such-role",
];

/// Numbers from a seed, the same on every machine. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators" (2014), SplitMix64.
#[derive(Clone, Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// True once in `of` times.
    pub(super) fn once_in(&mut self, of: usize) -> bool {
        self.below(of) == 0
    }

    /// One of a list that is not empty.
    pub(super) fn one<'a, T: ?Sized>(&mut self, list: &[&'a T]) -> &'a T {
        list[self.below(list.len())]
    }

    fn some(&mut self, list: &[&str], most: usize) -> Vec<String> {
        (0..=self.below(most)).map(|_| self.one(list).to_owned()).collect()
    }
}

/// One generated object and where to `POST` it.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) path: String,
    pub(super) object: Value,
}

/// Everything of one round: roles before bindings.
pub(super) fn estate(dice: &mut Dice) -> Vec<Made> {
    let mut made = Vec::new();
    for at in 0..24 {
        made.push(cluster_role(dice, at));
    }
    for at in 0..8 {
        made.push(aggregate(dice, at));
    }
    for at in 0..24 {
        made.push(role(dice, at));
    }
    for at in 0..14 {
        made.push(cluster_binding(dice, at));
    }
    for at in 0..40 {
        made.push(binding(dice, at));
    }
    made
}

fn object(kind: &str, name: &str, labels: Value) -> Value {
    let mut labels = labels;
    labels[LABEL] = json!("yes");
    json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": {"name": name, "labels": labels}})
}

/// Puts an object where it belongs.
pub(super) fn placed(mut object: Value, namespace: Option<&str>) -> Made {
    let kind = format!("{}s", object["kind"].as_str().unwrap_or_default().to_lowercase());
    let path = match namespace {
        None => format!("/apis/{GROUP}/v1/{kind}"),
        Some(namespace) => {
            object["metadata"]["namespace"] = json!(namespace);
            format!("/apis/{GROUP}/v1/namespaces/{namespace}/{kind}")
        }
    };
    Made { path, object }
}

fn rule(dice: &mut Dice, paths: bool) -> Value {
    let verbs = if dice.once_in(6) { vec!["*".to_owned()] } else { dice.some(&VERBS, 4) };
    if paths && dice.once_in(4) {
        return json!({"verbs": verbs, "nonResourceURLs": dice.some(&PATHS, 3)});
    }
    let mut rule =
        json!({"verbs": verbs, "apiGroups": dice.some(&GROUPS, 3), "resources": dice.some(&RESOURCES, 4)});
    if dice.once_in(4) {
        rule["resourceNames"] = json!(dice.some(&NAMES, 3));
    }
    rule
}

fn rules(dice: &mut Dice, paths: bool) -> Value {
    (0..dice.below(4)).map(|_| rule(dice, paths)).collect()
}

fn cluster_role(dice: &mut Dice, at: usize) -> Made {
    let mut labels = json!({});
    if dice.once_in(2) {
        labels["tier"] = json!(dice.one(&TIERS));
    }
    if dice.once_in(6) {
        let into = dice.one(&["view", "edit", "admin"]);
        labels[format!("rbac.authorization.k8s.io/aggregate-to-{into}")] = json!("true");
    }
    let mut role = object("ClusterRole", &format!("role-{at}"), labels);
    role["rules"] = rules(dice, true);
    placed(role, None)
}

/// A role that gathers others, in chains and circles too. Rules of its own do not survive.
fn aggregate(dice: &mut Dice, at: usize) -> Made {
    let mut labels = json!({});
    if dice.once_in(3) {
        labels["tier"] = json!(dice.one(&TIERS));
    }
    let mut role = object("ClusterRole", &format!("gathered-{at}"), labels);
    let selectors: Vec<Value> = (0..=dice.below(2)).map(|_| selector(dice)).collect();
    role["aggregationRule"] = json!({"clusterRoleSelectors": selectors});
    role["rules"] = json!([]);
    placed(role, None)
}

fn selector(dice: &mut Dice) -> Value {
    let mine = json!({"key": LABEL, "operator": "Exists"});
    let tiers = dice.some(&TIERS, 2);
    match dice.below(4) {
        0 => json!({"matchLabels": {"tier": dice.one(&TIERS)}}),
        1 => json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": tiers}]}),
        2 => json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": tiers}, mine]}),
        _ => json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}, mine]}),
    }
}

fn role(dice: &mut Dice, at: usize) -> Made {
    let namespace = dice.one(&NAMESPACES);
    // Names that cluster roles have as well.
    let name = if dice.once_in(4) { "view".to_owned() } else { format!("role-{}", at / 3) };
    let mut role = object("Role", &name, json!({}));
    role["rules"] = rules(dice, false);
    placed(role, Some(namespace))
}

fn cluster_binding(dice: &mut Dice, at: usize) -> Made {
    let mut binding = object("ClusterRoleBinding", &format!("binding-{at}"), json!({}));
    binding["subjects"] = subjects(dice, false);
    binding["roleRef"] = json!({"apiGroup": GROUP, "kind": "ClusterRole", "name": role_name(dice)});
    placed(binding, None)
}

fn binding(dice: &mut Dice, at: usize) -> Made {
    let mut binding = object("RoleBinding", &format!("binding-{at}"), json!({}));
    binding["subjects"] = subjects(dice, true);
    let kind = dice.one(&["Role", "ClusterRole"]);
    binding["roleRef"] = json!({"apiGroup": GROUP, "kind": kind, "name": role_name(dice)});
    placed(binding, Some(dice.one(&NAMESPACES)))
}

fn role_name(dice: &mut Dice) -> String {
    match dice.below(10) {
        0 | 1 => dice.one(&SHIPPED).to_owned(),
        2 | 3 => format!("gathered-{}", dice.below(8)),
        _ => format!("role-{}", dice.below(24)),
    }
}

fn subjects(dice: &mut Dice, namespaced: bool) -> Value {
    (0..dice.below(4)).map(|_| subject(dice, namespaced)).collect()
}

fn subject(dice: &mut Dice, namespaced: bool) -> Value {
    match dice.below(3) {
        0 => json!({"apiGroup": GROUP, "kind": "User", "name": dice.one(&USERS)}),
        1 => json!({"apiGroup": GROUP, "kind": "Group", "name": dice.one(&USER_GROUPS[..9])}),
        _ => {
            let mut subject = json!({"kind": "ServiceAccount", "name": dice.one(&["builder", "default"])});
            // Without one it is the binding's own.
            if !namespaced || !dice.once_in(3) {
                subject["namespace"] = json!(dice.one(&NAMESPACES));
            }
            subject
        }
    }
}

/// One question: who, and what.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Question {
    pub(super) user: String,
    pub(super) groups: Vec<String>,
    pub(super) verb: String,
    pub(super) group: String,
    pub(super) resource: String,
    pub(super) subresource: String,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) path: Option<String>,
}

impl Question {
    /// The `spec` of a SubjectAccessReview.
    pub(super) fn review(&self) -> Value {
        let mut spec = json!({"user": self.user, "groups": self.groups});
        match &self.path {
            Some(path) => spec["nonResourceAttributes"] = json!({"verb": self.verb, "path": path}),
            None => {
                spec["resourceAttributes"] = json!({
                    "verb": self.verb, "group": self.group, "resource": self.resource, "subresource": self.subresource,
                    "namespace": self.namespace, "name": self.name,
                });
            }
        }
        json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec})
    }
}

/// A question: out of the blue, or near to what some binding grants.
pub(super) fn question(dice: &mut Dice, estate: &[Made]) -> Question {
    let mut question = blue(dice);
    if dice.below(5) < 3 {
        towards(dice, estate, &mut question);
    }
    question
}

fn blue(dice: &mut Dice) -> Question {
    let (user, groups) = asker(dice);
    let resource = dice.one(&RESOURCES);
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let name = if dice.once_in(2) { "" } else { dice.one(&NAMES) };
    Question {
        user,
        groups,
        verb: dice.one(&VERBS).to_owned(),
        group: dice.one(&GROUPS).to_owned(),
        resource: resource.to_owned(),
        subresource: subresource.to_owned(),
        namespace: if dice.once_in(4) { String::new() } else { dice.one(&NAMESPACES).to_owned() },
        name: name.to_owned(),
        path: dice.once_in(7).then(|| asked_path(dice, dice_path)),
    }
}

fn dice_path(dice: &mut Dice) -> &'static str {
    dice.one(&PATHS)
}

/// A path near to what a rule may name.
fn asked_path(dice: &mut Dice, rule: fn(&mut Dice) -> &'static str) -> String {
    let path = rule(dice);
    match dice.below(3) {
        0 => path.to_owned(),
        1 => path.replace('*', "x/y"),
        _ => format!("{}/more", path.trim_end_matches(['*', '/'])),
    }
}

/// A caller, with the groups that the server would give, or with others.
fn asker(dice: &mut Dice) -> (String, Vec<String>) {
    let user = dice.one(&USERS).to_owned();
    let mut groups: Vec<String> = Vec::new();
    if dice.once_in(2) {
        if let Some(rest) = user.strip_prefix("system:serviceaccount:") {
            let namespace = rest.split(':').next().unwrap_or_default();
            groups
                .extend(["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")]);
        }
        groups.push("system:authenticated".to_owned());
    }
    if user.starts_with("system:node:") && dice.once_in(2) {
        groups.push("system:nodes".to_owned());
    }
    if dice.once_in(3) {
        groups.push(dice.one(&USER_GROUPS[..9]).to_owned());
    }
    if dice.once_in(60) {
        groups.push("system:masters".to_owned());
    }
    (user, groups)
}

/// Takes words from a binding, its subject, and a rule of some role; then perhaps changes one of them.
fn towards(dice: &mut Dice, estate: &[Made], question: &mut Question) {
    let of = |kinds: &[&str]| -> Vec<&Value> {
        let wanted = |made: &&Made| made.object["kind"].as_str().is_some_and(|kind| kinds.contains(&kind));
        estate.iter().filter(wanted).map(|made| &made.object).collect()
    };
    let before = question.clone();
    let bindings = of(&["RoleBinding", "ClusterRoleBinding"]);
    let binding = dice.one(&bindings);
    if let Some(namespace) = binding["metadata"]["namespace"].as_str() {
        question.namespace = namespace.to_owned();
    }
    if let Some(subjects) = binding["subjects"].as_array().filter(|subjects| !subjects.is_empty()) {
        let subject = &subjects[dice.below(subjects.len())];
        let name = subject["name"].as_str().unwrap_or_default();
        match subject["kind"].as_str() {
            Some("User") => question.user = name.to_owned(),
            Some("Group") => question.groups.push(name.to_owned()),
            _ => {
                let namespace = subject["namespace"].as_str().unwrap_or(&question.namespace);
                question.user = format!("system:serviceaccount:{namespace}:{name}");
            }
        }
    }
    let named = binding["roleRef"]["name"].as_str();
    let roles = of(&["Role", "ClusterRole"]);
    let same: Vec<&Value> =
        roles.iter().copied().filter(|role| role["metadata"]["name"].as_str() == named).collect();
    let role = dice.one(if same.is_empty() { &roles } else { &same });
    if let Some(rules) = role["rules"].as_array().filter(|rules| !rules.is_empty()) {
        let rule = &rules[dice.below(rules.len())];
        take(dice, rule, question);
    }
    match dice.below(12) {
        0 => question.verb = before.verb,
        1 => question.group = before.group,
        2 => (question.resource, question.subresource) = (before.resource, before.subresource),
        3 => question.namespace = before.namespace,
        4 => question.name = before.name,
        5 => question.user = before.user,
        6 => question.groups = before.groups,
        _ => {}
    }
}

fn take(dice: &mut Dice, rule: &Value, question: &mut Question) {
    let mut word = |key: &str| -> Option<String> {
        let list = rule[key].as_array().filter(|list| !list.is_empty())?;
        list[dice.below(list.len())].as_str().map(str::to_owned)
    };
    if let Some(verb) = word("verbs") {
        question.verb = verb.replace('*', "list");
    }
    if let Some(path) = word("nonResourceURLs") {
        question.path = Some(path.replace('*', "some/where"));
        return;
    }
    question.path = None;
    if let Some(group) = word("apiGroups") {
        question.group = group;
    }
    if let Some(resource) = word("resources") {
        let (resource, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
        question.resource = resource.replace('*', "pods");
        question.subresource = subresource.to_owned();
    }
    question.name = word("resourceNames").unwrap_or_default();
}
