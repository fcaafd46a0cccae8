//! Which resources of a cluster are read.

use std::collections::HashSet;

use serde_json::Value;

use super::{ClusterError, Reader, answer::Refusal};

/// Resources of groups whose objects no rule is about, or whose number would cost more than they tell.
const LEFT_OUT: &[(&str, &str)] = &[
    ("", "events"),
    ("", "componentstatuses"),
    ("events.k8s.io", "events"),
    ("coordination.k8s.io", "leases"),
    ("apps", "controllerrevisions"),
    ("metrics.k8s.io", "*"),
    ("custom.metrics.k8s.io", "*"),
    ("external.metrics.k8s.io", "*"),
    ("authentication.k8s.io", "*"),
    ("authorization.k8s.io", "*"),
    ("internal.apiserver.k8s.io", "*"),
    ("flowcontrol.apiserver.k8s.io", "*"),
    ("resource.k8s.io", "*"),
    ("storage.k8s.io", "*"),
    ("node.k8s.io", "*"),
    ("scheduling.k8s.io", "*"),
    ("autoscaling", "*"),
];
/// Resources of which only the metadata is asked for.
const METADATA_ONLY: &[(&str, &str)] = &[("", "secrets")];
/// The group whose resources have all moved to others.
const MOVED_FROM: &str = "extensions";
/// Most groups, versions of one, and resources that are believed.
const GROUPS_MAX: usize = 1_000;
const VERSIONS_MAX: usize = 20;
const RESOURCES_MAX: usize = 10_000;

/// A resource that is read.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// `v1`, `apps/v1`.
    pub(crate) api_version: String,
    /// `Deployment`.
    pub(crate) kind: String,
    /// `deployments`.
    pub(crate) plural: String,
    pub(crate) namespaced: bool,
    pub(crate) metadata_only: bool,
}

impl Wanted {
    /// The address of a page of its list.
    pub(crate) fn path(&self, namespace: Option<&str>, limit: u32, more: &str) -> String {
        let root = if self.api_version.contains('/') { "/apis/" } else { "/api/" };
        let within = match namespace {
            Some(namespace) if self.namespaced => format!("/namespaces/{}", percent(namespace)),
            _ => String::new(),
        };
        let more = if more.is_empty() { String::new() } else { format!("&continue={}", percent(more)) };
        format!("{root}{}{within}/{}?limit={limit}{more}", self.api_version, self.plural)
    }

    fn group(&self) -> &str {
        group_of(&self.api_version)
    }

    /// What to call it in a notice: `/apps/v1 deployments`.
    pub(crate) fn shown(&self) -> String {
        format!("/{} {}", self.api_version, self.plural)
    }
}

/// Asks the server what it has: each resource in the version that its group prefers, or else in the first that has it. A
/// group that does not answer is named.
pub(crate) async fn discover(reader: &mut Reader<'_>) -> Result<Vec<Wanted>, ClusterError> {
    let mut versions = vec!["v1".to_owned()];
    match reader.get("/apis", false).await {
        Ok(groups) => versions.extend(in_order(&groups)),
        Err(Refusal::Status(401, message)) => return Err(ClusterError::Refused(message)),
        Err(refusal) => reader.missing("/apis", &refusal.to_string()),
    }
    let only_namespaced = reader.options.namespace.is_some();
    let mut wanted = Vec::new();
    for version in versions {
        let root = if version.contains('/') { "/apis/" } else { "/api/" };
        match reader.get(&format!("{root}{version}"), false).await {
            Ok(list) => wanted.extend(listable(&version, &list)),
            Err(Refusal::Status(401, message)) => return Err(ClusterError::Refused(message)),
            Err(refusal) => reader.missing(&format!("/{version}"), &refusal.to_string()),
        }
    }
    let mut wanted = once_each(wanted);
    wanted.retain(|resource| resource.namespaced || !only_namespaced);
    wanted.truncate(RESOURCES_MAX);
    Ok(wanted)
}

/// `apps/v1` and the like: of each group the version that it prefers, then its others. Not every version has every
/// resource: the `batch/v1` of Kubernetes 1.20 has no CronJobs, the `v1` of the Gateway API no TCPRoutes.
fn in_order(groups: &Value) -> Vec<String> {
    let mut versions: Vec<String> = Vec::new();
    for group in groups.get("groups").and_then(Value::as_array).into_iter().flatten().take(GROUPS_MAX) {
        let preferred = group.get("preferredVersion");
        let others = group.get("versions").and_then(Value::as_array).into_iter().flatten().take(VERSIONS_MAX);
        for version in preferred.into_iter().chain(others) {
            let Some(version) = version.get("groupVersion").and_then(Value::as_str) else { continue };
            let known = versions.iter().any(|own| own == version);
            if !known && is_word(version) && !is_left_out(group_of(version), "*") {
                versions.push(version.to_owned());
            }
        }
    }
    versions
}

/// Each resource once: of a group the first version that has it. What the group `extensions` shows of resources that
/// moved to groups of their own is the same objects again.
fn once_each(found: Vec<Wanted>) -> Vec<Wanted> {
    let mut seen = HashSet::new();
    let moved: HashSet<String> = found
        .iter()
        .filter(|resource| resource.group() != MOVED_FROM)
        .map(|resource| resource.plural.clone())
        .collect();
    found
        .into_iter()
        .filter(|resource| resource.group() != MOVED_FROM || !moved.contains(&resource.plural))
        .filter(|resource| seen.insert((resource.group().to_owned(), resource.plural.clone())))
        .collect()
}

fn listable(version: &str, list: &Value) -> Vec<Wanted> {
    let group = group_of(version);
    list.get("resources")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .take(RESOURCES_MAX)
        .filter_map(|resource| {
            let plural = resource.get("name")?.as_str()?;
            let can_list = resource.get("verbs")?.as_array()?.iter().any(|verb| verb == "list");
            if plural.contains('/') || !is_word(plural) || !can_list || is_left_out(group, plural) {
                return None;
            }
            Some(Wanted {
                api_version: version.to_owned(),
                kind: resource.get("kind")?.as_str()?.chars().take(253).collect(),
                plural: plural.to_owned(),
                namespaced: resource.get("namespaced").and_then(Value::as_bool).unwrap_or(false),
                metadata_only: METADATA_ONLY.contains(&(group, plural)),
            })
        })
        .collect()
}

fn group_of(version: &str) -> &str {
    version.split_once('/').map_or("", |(group, _)| group)
}

fn is_left_out(group: &str, plural: &str) -> bool {
    LEFT_OUT.iter().any(|(own, name)| *own == group && (*name == plural || *name == "*"))
}

/// True for what may stand in a path as it is; what a server says may be anything.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && !text.contains("..")
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-./".contains(&byte))
}

/// Percent-encodes everything but unreserved characters (RFC 3986, 2.3).
fn percent(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => (byte as char).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_resource_is_read_once() {
        let of = |version: &str, names: &[&str]| {
            let resources = names
                .iter()
                .map(|name| json!({"name": name, "kind": "K", "namespaced": true, "verbs": ["list"]}));
            listable(version, &json!({"resources": resources.collect::<Vec<_>>()}))
        };
        let found = [
            of("batch/v1", &["jobs"]),
            of("batch/v1beta1", &["jobs", "cronjobs"]),
            of("extensions/v1beta1", &["ingresses", "podsecuritypolicies"]),
            of("networking.k8s.io/v1", &["ingresses"]),
        ];
        let once = once_each(found.into_iter().flatten().collect());
        let shown: Vec<String> = once.iter().map(Wanted::shown).collect();
        assert_eq!(
            shown,
            [
                "/batch/v1 jobs",
                "/batch/v1beta1 cronjobs",
                "/extensions/v1beta1 podsecuritypolicies",
                "/networking.k8s.io/v1 ingresses"
            ]
        );
    }

    #[test]
    fn what_a_server_has_is_sorted_out() {
        let groups = json!({"groups": [
            {"preferredVersion": {"groupVersion": "batch/v1"},
                "versions": [{"groupVersion": "batch/v1"}, {"groupVersion": "batch/v1beta1"}, 7]},
            {"preferredVersion": {"groupVersion": "metrics.k8s.io/v1beta1"}},
            {"preferredVersion": {"groupVersion": "../../secret"}},
            {"preferredVersion": 7},
        ]});
        assert_eq!(in_order(&groups), ["batch/v1", "batch/v1beta1"]);
        let list = json!({"resources": [
            {"name": "secrets", "kind": "Secret", "namespaced": true, "verbs": ["get", "list"]},
            {"name": "pods/log", "kind": "Pod", "namespaced": true, "verbs": ["list"]},
            {"name": "bindings", "kind": "Binding", "namespaced": true, "verbs": ["create"]},
            {"name": "events", "kind": "Event", "namespaced": true, "verbs": ["list"]},
        ]});
        let wanted = listable("v1", &list);
        assert_eq!(wanted.len(), 1);
        assert!(wanted[0].metadata_only);
        assert_eq!(
            wanted[0].path(Some("a b"), 500, "x="),
            "/api/v1/namespaces/a%20b/secrets?limit=500&continue=x%3D"
        );
    }
}
