//! Objects with a pod template: workloads, whatever their kind.

use std::collections::HashSet;

use crate::{Corpus, Kind, Node, Object};

/// Kinds that embed a pod: group (empty for core), kind, dotted path of the pod template's parent of `spec`; an empty path
/// means that the object is the template. Sources: the APIs of Kubernetes, OpenShift, Argo Rollouts, Knative, OpenKruise,
/// Tekton, Volcano, Kubeflow.
const TEMPLATES: &[(&str, &str, &str)] = &[
    ("", "Pod", ""),
    ("", "PodTemplate", "template"),
    ("", "ReplicationController", "spec.template"),
    ("apps", "Deployment", "spec.template"),
    ("apps", "ReplicaSet", "spec.template"),
    ("apps", "StatefulSet", "spec.template"),
    ("apps", "DaemonSet", "spec.template"),
    ("extensions", "Deployment", "spec.template"),
    ("extensions", "ReplicaSet", "spec.template"),
    ("extensions", "DaemonSet", "spec.template"),
    ("batch", "Job", "spec.template"),
    ("batch", "CronJob", "spec.jobTemplate.spec.template"),
    ("argoproj.io", "Rollout", "spec.template"),
    ("serving.knative.dev", "Service", "spec.template"),
    ("serving.knative.dev", "Configuration", "spec.template"),
    ("serving.knative.dev", "Revision", ""),
    ("apps.openshift.io", "DeploymentConfig", "spec.template"),
    ("apps.kruise.io", "CloneSet", "spec.template"),
    ("apps.kruise.io", "StatefulSet", "spec.template"),
    ("apps.kruise.io", "DaemonSet", "spec.template"),
    ("apps.kruise.io", "AdvancedCronJob", "spec.template.jobTemplate.spec.template"),
    ("apps.kruise.io", "BroadcastJob", "spec.template"),
    ("sources.knative.dev", "ContainerSource", "spec.template"),
];

/// Kinds that never embed one, so that nothing is searched in the many.
const PLAIN: &[&str] = &[
    "ConfigMap",
    "Secret",
    "Service",
    "ServiceAccount",
    "Namespace",
    "Node",
    "Event",
    "Endpoints",
    "EndpointSlice",
    "Ingress",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "NetworkPolicy",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "StorageClass",
    "Lease",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
    "LimitRange",
    "ResourceQuota",
    "PriorityClass",
    "APIService",
    "ControllerRevision",
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "VirtualMachine",
    "VirtualMachineInstance",
];

/// How deep is searched in kinds that nobody knows, below `spec`.
const SEARCH_DEPTH_MAX: u32 = 8;

/// Which list of a pod a container is in.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ContainerList {
    /// `initContainers`, run to the end before the others.
    Init,
    /// `initContainers` with `restartPolicy: Always`.
    Sidecar,
    /// `containers`.
    Main,
    /// `ephemeralContainers`.
    Ephemeral,
}

/// One container of a workload.
#[derive(Clone, Copy, Debug)]
pub struct Container<'a> {
    /// The container itself.
    pub node: Node<'a>,
    /// Which list it is in.
    pub list: ContainerList,
    /// Its name; empty when it has none.
    pub name: &'a str,
    /// Its image; empty when it has none.
    pub image: &'a str,
    /// Its own `securityContext`.
    pub security: Option<Node<'a>>,
}

/// An object with a pod template. What every rule asks of it is looked up once.
#[derive(Clone, Debug)]
pub struct Workload<'a> {
    /// The object, with its real kind.
    pub object: Object<'a>,
    /// The pod's `spec`.
    pub pod_spec: Node<'a>,
    /// The template's `metadata`; of a pod its own.
    pub template_metadata: Option<Node<'a>>,
    /// `true` when the kind was not known and the pod was recognised by its shape.
    pub by_shape: bool,
    /// The pod's own `securityContext`.
    pub security: Option<Node<'a>>,
    containers: Box<[Container<'a>]>,
    is_windows: bool,
}

impl<'a> Workload<'a> {
    /// The workload that an object is.
    pub fn of(object: &Object<'a>, extra: &[(String, String, String)]) -> Option<Self> {
        if let Some(path) = known_path(object, extra) {
            let template = if path.is_empty() { object.root } else { object.root.at(path)? };
            let pod_spec = template.get("spec")?;
            if pod_spec.kind() != Kind::Mapping {
                return None;
            }
            let template_metadata = template.get("metadata");
            return Some(Self::new(*object, pod_spec, template_metadata, false));
        }
        if PLAIN.contains(&object.kind) {
            return None;
        }
        let pod_spec = search(object.spec()?, 0)?;
        let template_metadata = pod_spec.parent().and_then(|template| template.get("metadata"));
        Some(Self::new(*object, pod_spec, template_metadata, true))
    }

    fn new(
        object: Object<'a>,
        pod_spec: Node<'a>,
        template_metadata: Option<Node<'a>>,
        by_shape: bool,
    ) -> Self {
        Self {
            object,
            pod_spec,
            template_metadata,
            by_shape,
            security: pod_spec.get("securityContext"),
            containers: containers(pod_spec).collect(),
            is_windows: pod_spec.at("os.name").is_some_and(|name| name.text() == "windows"),
        }
    }

    /// All containers of all lists: init, main, ephemeral. Elements that are no mappings are left out.
    pub fn containers(&self) -> impl Iterator<Item = Container<'a>> + use<'_, 'a> {
        self.containers.iter().copied()
    }

    /// True when the pod says that it runs Windows (`spec.os.name`).
    pub fn is_windows(&self) -> bool {
        self.is_windows
    }

    /// A field of the security context as it is effective for a container: the container's own, else the pod's.
    pub fn effective(&self, container: &Container<'a>, field: &str) -> Option<Node<'a>> {
        let of = |security: Option<Node<'a>>| security?.get(field);
        of(container.security).or_else(|| of(self.security))
    }

    /// The labels that its pods have.
    pub fn pod_labels(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let labels = self.template_metadata.and_then(|metadata| metadata.get("labels"));
        labels
            .into_iter()
            .flat_map(Node::entries)
            .filter_map(|(key, value)| Some((key.text(), value.as_str()?)))
    }

    /// The name of the service account its pods run as: `default` when none is said.
    pub fn service_account(&self) -> &'a str {
        ["serviceAccountName", "serviceAccount"]
            .into_iter()
            .filter_map(|key| self.pod_spec.get(key))
            .map(Node::text)
            .find(|name| !name.is_empty())
            .unwrap_or("default")
    }
}

/// All containers of a pod.
fn containers<'a>(pod_spec: Node<'a>) -> impl Iterator<Item = Container<'a>> {
    [
        ("initContainers", ContainerList::Init),
        ("containers", ContainerList::Main),
        ("ephemeralContainers", ContainerList::Ephemeral),
    ]
    .into_iter()
    .filter_map(move |(key, list)| Some((pod_spec.get(key)?, list)))
    .flat_map(|(nodes, list)| nodes.items().map(move |node| (node, list)))
    .filter(|(node, _)| node.kind() == Kind::Mapping)
    .map(|(node, list)| {
        let text = |key| node.get(key).map_or("", Node::text);
        let is_sidecar = list == ContainerList::Init && text("restartPolicy") == "Always";
        let list = if is_sidecar { ContainerList::Sidecar } else { list };
        let security = node.get("securityContext");
        Container { node, list, name: text("name"), image: text("image"), security }
    })
}

/// The workloads among `objects` that are judged: those that a controller made which is itself in the corpus are left
/// out, because their template is judged there.
pub fn workloads<'a>(corpus: &'a Corpus, objects: &[Object<'a>]) -> Vec<Workload<'a>> {
    let mut found: Vec<Workload<'a>> =
        objects.iter().filter_map(|object| Workload::of(object, &corpus.pod_templates)).collect();
    if found.iter().any(|workload| owner(&workload.object).is_some()) {
        let present: HashSet<(&str, Option<&str>, &str)> =
            objects.iter().map(|object| (object.kind, object.namespace, object.name)).collect();
        found.retain(|workload| {
            owner(&workload.object)
                .is_none_or(|(kind, name)| !present.contains(&(kind, workload.object.namespace, name)))
        });
    }
    found
}

/// Kind and name of the controller that made an object.
fn owner<'a>(object: &Object<'a>) -> Option<(&'a str, &'a str)> {
    let owners = object.root.get("metadata")?.get("ownerReferences")?;
    let owner = owners
        .items()
        .find(|owner| owner.get("controller").and_then(Node::as_bool) == Some(true))
        .or_else(|| owners.items().next())?;
    Some((owner.get("kind")?.text(), owner.get("name")?.text()))
}

fn known_path<'t>(object: &Object<'_>, extra: &'t [(String, String, String)]) -> Option<&'t str> {
    let group = object.group();
    extra
        .iter()
        .find(|(own_group, kind, _)| own_group == group && kind == object.kind)
        .map(|(_, _, path)| path.as_str())
        .or_else(|| {
            TEMPLATES
                .iter()
                .find(|(own_group, kind, _)| *own_group == group && *kind == object.kind)
                .map(|(_, _, path)| *path)
        })
}

/// The first mapping at or below `node` that looks like a pod: a list `containers` whose elements have a name and an image.
fn search(node: Node<'_>, depth: u32) -> Option<Node<'_>> {
    if depth > SEARCH_DEPTH_MAX || node.kind() != Kind::Mapping {
        return None;
    }
    if let Some(containers) = node.get("containers")
        && !containers.is_empty()
        && containers
            .items()
            .all(|container| container.get("name").is_some() && container.get("image").is_some())
        && containers.kind() == Kind::Sequence
    {
        return Some(node);
    }
    node.entries().find_map(|(_, value)| search(value, depth + 1))
}
