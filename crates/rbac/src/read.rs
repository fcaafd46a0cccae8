//! A corpus as a policy.

use std::collections::HashMap;

use nightlatch_manifest::{Corpus, Kind, Node, Object};

use crate::{
    Anchor, Binding, Origin, Policy, Role, RoleKind, Rule, Subject, SubjectKind,
    labels::{Operator, Requirement, Selector},
    policy::BOOTSTRAPPING,
};

/// The API group of roles and bindings.
pub const GROUP: &str = "rbac.authorization.k8s.io";

impl Policy {
    /// The roles and bindings of a corpus as they stand there: nothing assumed, nothing aggregated. Of two objects
    /// with the same identity the later one counts, as it would when both are applied in this order.
    pub fn read(corpus: &Corpus) -> Self {
        let mut reader = Reader::default();
        for (index, object) in corpus.objects().enumerate() {
            if object.group() == GROUP {
                reader.object(index as u32, &object);
            }
        }
        reader.policy
    }
}

#[derive(Default)]
struct Reader {
    policy: Policy,
    roles: HashMap<(RoleKind, String, String), usize>,
    bindings: HashMap<(Option<String>, String), usize>,
}

impl Reader {
    fn object(&mut self, index: u32, object: &Object<'_>) {
        let kind = match object.kind {
            "Role" => RoleKind::Role,
            "ClusterRole" => RoleKind::ClusterRole,
            "RoleBinding" => return self.binding(index, object, Some(object.namespace.unwrap_or_default())),
            "ClusterRoleBinding" => return self.binding(index, object, None),
            _ => return,
        };
        let role = role(index, object, kind);
        let identity = (kind, role.namespace.clone(), role.name.clone());
        match self.roles.get(&identity).and_then(|&at| self.policy.roles.get_mut(at)) {
            Some(earlier) => *earlier = role,
            None => {
                self.roles.insert(identity, self.policy.roles.len());
                self.policy.roles.push(role);
            }
        }
    }

    fn binding(&mut self, index: u32, object: &Object<'_>, namespace: Option<&str>) {
        let binding = binding(index, object, namespace);
        let identity = (binding.namespace.clone(), binding.name.clone());
        match self.bindings.get(&identity).and_then(|&at| self.policy.bindings.get_mut(at)) {
            Some(earlier) => *earlier = binding,
            None => {
                self.bindings.insert(identity, self.policy.bindings.len());
                self.policy.bindings.push(binding);
            }
        }
    }
}

fn anchor(object: u32, node: Node<'_>) -> Anchor {
    Anchor { object, source: node.document().source, node: node.id(), span: node.span() }
}

fn role(index: u32, object: &Object<'_>, kind: RoleKind) -> Role {
    let rules = object.root.get("rules").into_iter().flat_map(Node::items);
    let rules = rules.filter(|node| node.kind() == Kind::Mapping).map(|node| rule(index, node)).collect();
    let namespace = if kind == RoleKind::Role { object.namespace.unwrap_or_default() } else { "" };
    let aggregation = object.root.get("aggregationRule").filter(|_| kind == RoleKind::ClusterRole);
    let selectors = |node: Node<'_>| {
        node.get("clusterRoleSelectors").into_iter().flat_map(Node::items).map(selector).collect::<Vec<_>>()
    };
    let mut role = Role {
        labels: object.labels().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        aggregation: aggregation.map(selectors),
        at: Some(anchor(index, object.root)),
        ..Role::new(kind, namespace, object.name, rules)
    };
    let is_live = ["uid", "resourceVersion", "creationTimestamp"]
        .iter()
        .any(|key| object.root.get("metadata").is_some_and(|metadata| metadata.get(key).is_some()));
    if role.aggregation.is_some() && !is_live {
        role.overwritten = role.rules.len();
        role.rules.clear();
    }
    role
}

fn rule(index: u32, node: Node<'_>) -> Rule {
    Rule {
        verbs: words(node, "verbs"),
        groups: words(node, "apiGroups"),
        resources: words(node, "resources"),
        names: words(node, "resourceNames"),
        paths: words(node, "nonResourceURLs"),
        at: Some(anchor(index, node)),
    }
}

/// A list of words; an element that is `null` is the empty word, as the API server decodes it.
fn words(node: Node<'_>, key: &str) -> Vec<String> {
    let scalar = |item: &Node<'_>| !matches!(item.kind(), Kind::Sequence | Kind::Mapping);
    let text = |item: Node<'_>| if item.is_null() { String::new() } else { item.text().to_owned() };
    node.get(key).into_iter().flat_map(Node::items).filter(scalar).map(text).collect()
}

fn selector(node: Node<'_>) -> Selector {
    let mut selector = Selector::default();
    for (key, value) in node.get("matchLabels").into_iter().flat_map(Node::entries) {
        selector.requirements.push(Requirement {
            key: key.text().to_owned(),
            operator: Operator::In,
            values: vec![value.text().to_owned()],
        });
    }
    for expression in node.get("matchExpressions").into_iter().flat_map(Node::items) {
        let word = |key| expression.get(key).map_or("", Node::text);
        let operator = match word("operator") {
            "In" => Operator::In,
            "NotIn" => Operator::NotIn,
            "Exists" => Operator::Exists,
            "DoesNotExist" => Operator::DoesNotExist,
            _ => {
                selector.broken = true;
                continue;
            }
        };
        let values = words(expression, "values");
        selector.requirements.push(Requirement { key: word("key").to_owned(), operator, values });
    }
    selector
}

fn binding(index: u32, object: &Object<'_>, namespace: Option<&str>) -> Binding {
    let reference = object.root.get("roleRef");
    let word = |key| reference.and_then(|node| node.get(key)).map_or("", Node::text).to_owned();
    let nodes = || object.root.get("subjects").into_iter().flat_map(Node::items);
    Binding {
        namespace: namespace.map(str::to_owned),
        name: object.name.to_owned(),
        role_kind: word("kind"),
        role_name: word("name"),
        subjects: nodes().map(|node| subject(node, namespace.unwrap_or_default())).collect(),
        subjects_at: nodes().map(|node| anchor(index, node)).collect(),
        origin: Origin::Input,
        claims_default: object.label(BOOTSTRAPPING) == Some("rbac-defaults"),
        at: Some(anchor(index, object.root)),
        role_at: reference.map(|node| anchor(index, node)),
    }
}

fn subject(node: Node<'_>, namespace: &str) -> Subject {
    let word = |key| node.get(key).map_or("", Node::text);
    match word("kind") {
        "User" => Subject::user(word("name")),
        "Group" => Subject::group(word("name")),
        "ServiceAccount" => {
            let own = word("namespace");
            Subject::service_account(if own.is_empty() { namespace } else { own }, word("name"))
        }
        _ => Subject { kind: SubjectKind::Unknown, namespace: String::new(), name: word("name").to_owned() },
    }
}
