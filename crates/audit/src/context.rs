//! Everything that checks may ask, made once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::OnceLock;

use nightlatch_manifest::{
    Component, ComposeProject, Container, Corpus, Document, DocumentKind, Node, Object, View, Workload,
    components, compose_projects, kind_of, workloads,
};
use nightlatch_untrusted::Text;

use crate::{
    KubernetesVersion, Settings, Subject,
    checks::pod::{
        account::{Accounts, Bound},
        resources::Defaults,
    },
};

/// Everything that checks may ask about one corpus.
pub struct Context<'a> {
    /// The input.
    pub corpus: &'a Corpus,
    /// What the audit was told.
    pub settings: &'a Settings,
    /// All Kubernetes objects, in order.
    pub objects: Vec<Object<'a>>,
    /// All workloads that are judged: those that a controller in the corpus made are not among them.
    pub workloads: Vec<Workload<'a>>,
    /// Command lines of control-plane and node programs.
    pub components: Vec<Component<'a>>,
    /// Compose projects, their files merged.
    pub compose: Vec<ComposeProject<'a>>,
    /// What descriptions of cloud resources say.
    pub(crate) cloud: crate::checks::cloud::Estate<'a>,
    by_kind: HashMap<&'a str, Vec<usize>>,
    rbac: OnceLock<nightlatch_rbac::Authorizer>,
    network: OnceLock<nightlatch_netpol::Network>,
    ways: OnceLock<crate::checks::exposure::way::Ways<'a>>,
    routes: OnceLock<crate::checks::path::routes::Routes<'a>>,
    accounts: OnceLock<Accounts<'a>>,
    bound: OnceLock<Bound<'a>>,
    container_defaults: OnceLock<Defaults<'a>>,
    nodes_default_seccomp: OnceLock<bool>,
}

/// Some of the workloads of a corpus, one behind the other. Checks that judge one workload after the other are given one
/// part at a time, and each part to all of them: what the first has read is still at hand for the last.
///
/// Everything else is asked of the context as ever; [`Part::workloads`] stands before its field of that name.
pub struct Part<'c, 'a> {
    /// The whole.
    pub context: &'c Context<'a>,
    /// Its workloads that are to be judged now.
    pub workloads: &'c [Workload<'a>],
}

impl<'a> std::ops::Deref for Part<'_, 'a> {
    type Target = Context<'a>;

    fn deref(&self) -> &Context<'a> {
        self.context
    }
}

impl<'a> Context<'a> {
    /// Looks over a corpus.
    pub fn new(corpus: &'a Corpus, settings: &'a Settings) -> Self {
        let objects: Vec<Object<'a>> = corpus.objects().collect();
        let mut by_kind: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, object) in objects.iter().enumerate() {
            by_kind.entry(object.kind).or_default().push(index);
        }
        let workloads = workloads(corpus, &objects);
        Self {
            corpus,
            settings,
            components: components(corpus, &objects, &workloads),
            workloads,
            compose: compose_projects(corpus),
            cloud: crate::checks::cloud::Estate::new(corpus),
            objects,
            by_kind,
            rbac: OnceLock::new(),
            network: OnceLock::new(),
            ways: OnceLock::new(),
            routes: OnceLock::new(),
            accounts: OnceLock::new(),
            bound: OnceLock::new(),
            container_defaults: OnceLock::new(),
            nodes_default_seccomp: OnceLock::new(),
        }
    }

    /// The objects of a kind, of any group and version, in order.
    pub fn objects_of(&self, kind: &str) -> impl Iterator<Item = &Object<'a>> {
        self.by_kind.get(kind).into_iter().flatten().map(|&index| &self.objects[index])
    }

    /// The object of a kind, namespace and name. A namespace that is not said fits only another that is not said.
    pub fn object(&self, kind: &str, namespace: Option<&str>, name: &str) -> Option<&Object<'a>> {
        self.objects_of(kind).find(|object| object.namespace == namespace && object.name == name)
    }

    /// True when the input is a whole cluster: what is not there does not exist.
    pub fn is_full(&self) -> bool {
        self.corpus.view == View::Full
    }

    /// The version to judge by: what was told, else what the cluster said, else the newest.
    pub fn kubernetes(&self) -> KubernetesVersion {
        let told = self.settings.kubernetes;
        let of_cluster = || self.corpus.kubernetes.as_deref().and_then(KubernetesVersion::parse);
        told.or_else(of_cluster).unwrap_or(KubernetesVersion::LATEST)
    }

    /// The subject of a finding about a workload.
    pub fn workload_subject(&self, workload: &Workload<'a>) -> Subject<'a> {
        Subject::object(&workload.object).with_template(workload.template_metadata)
    }

    /// The subject of a finding about one container of a workload.
    pub fn container_subject(&self, workload: &Workload<'a>, container: &Container<'a>) -> Subject<'a> {
        self.workload_subject(workload).container(container.name)
    }

    /// Who may do what.
    pub fn rbac(&self) -> &nightlatch_rbac::Authorizer {
        self.rbac.get_or_init(|| {
            let minor = u32::from(self.kubernetes().minor);
            let options = nightlatch_rbac::Options { minor, ..nightlatch_rbac::Options::default() };
            nightlatch_rbac::Authorizer::with(self.corpus, options)
        })
    }

    /// Pods, policies, Services and ways in: who can reach whom is asked of an engine made of it.
    pub fn network(&self) -> &nightlatch_netpol::Network {
        self.network.get_or_init(|| nightlatch_netpol::Network::read(self.corpus))
    }

    /// The ways from outside to workloads, with their places.
    pub(crate) fn ways(&self) -> &crate::checks::exposure::way::Ways<'a> {
        self.ways.get_or_init(|| crate::checks::exposure::way::Ways::new(self))
    }

    /// Ways of an attacker.
    pub(crate) fn routes(&self) -> &crate::checks::path::routes::Routes<'a> {
        self.routes.get_or_init(|| crate::checks::path::routes::Routes::new(self))
    }

    /// The service accounts.
    pub(crate) fn accounts(&self) -> &Accounts<'a> {
        self.accounts.get_or_init(|| Accounts::new(self))
    }

    /// The accounts that are bound to a role.
    pub(crate) fn bound(&self) -> &Bound<'a> {
        self.bound.get_or_init(|| Bound::new(self))
    }

    /// What namespaces give to containers that say nothing of resources.
    pub(crate) fn container_defaults(&self) -> &Defaults<'a> {
        self.container_defaults.get_or_init(|| Defaults::new(self))
    }

    /// True when all kubelets of the input give pods a seccomp profile by themselves.
    pub(crate) fn nodes_default_seccomp(&self) -> bool {
        *self.nodes_default_seccomp.get_or_init(|| crate::checks::pod::seccomp::nodes_default(self))
    }

    /// The documents of a sort.
    pub fn documents_of(&self, kind: DocumentKind) -> impl Iterator<Item = &'a Document> {
        self.corpus.documents.iter().filter(move |document| kind_of(document) == Some(kind))
    }

    /// The services of all Compose projects.
    pub(crate) fn compose_services(&self) -> Vec<(Subject<'a>, Node<'a>)> {
        self.compose
            .iter()
            .flat_map(|project| project.services.iter())
            .map(|service| (Subject::other(service.node, "ComposeService", service.name), service.node))
            .collect()
    }

    /// The Docker daemons' configuration files.
    pub(crate) fn docker_daemons(&self) -> Vec<(Subject<'a>, Node<'a>)> {
        self.documents_of(DocumentKind::DockerDaemon)
            .map(|document| (Subject::document(document, "DockerDaemon", "daemon.json"), document.root()))
            .collect()
    }

    /// The command lines of one program that run it: those that only ask for its version or help are left out.
    pub fn components_of(&self, name: &str) -> impl Iterator<Item = &Component<'a>> {
        let only_tells = |component: &Component<'a>| {
            component.flags.iter().any(|flag| matches!(flag.name.as_str(), "version" | "help" | "h"))
        };
        self.components
            .iter()
            .filter(move |component| component.kind.as_str() == name && !only_tells(component))
    }

    /// The subject of a finding about a command line.
    pub fn component_subject(&self, component: &Component<'a>) -> Subject<'a> {
        match &component.object {
            // kubeadm's files have no names.
            Some(object) if object.name.is_empty() => {
                Subject { name: component.kind.as_str(), ..Subject::object(object) }
            }
            Some(object) => Subject::object(object),
            None => Subject::other(
                component.at.document().root(),
                component.kind.as_str(),
                component.kind.as_str(),
            ),
        }
    }

    /// The metadata of the pod template of a workload that is not a pod.
    pub(crate) fn template_metadata(&self, object: &Object<'a>) -> Option<Node<'a>> {
        let template =
            object.spec()?.get("template").or_else(|| object.root.at("spec.jobTemplate.spec.template"))?;
        template.get("metadata")
    }

    pub(crate) fn workload_count(&self) -> usize {
        self.workloads.len()
    }

    /// Documents that no rule is about: those that are nothing known, and objects of kinds that are not Kubernetes' own and
    /// embed no pod.
    pub(crate) fn unknown_documents(&self) -> BTreeMap<Text, u64> {
        let mut unknown: BTreeMap<Text, u64> = BTreeMap::new();
        let nothing =
            self.corpus.documents.iter().filter(|document| kind_of(document).is_none()).count() as u64;
        if nothing > 0 {
            unknown.insert(Text::from("not recognised"), nothing);
        }
        let judged: HashSet<(*const Document, nightlatch_manifest::NodeId)> =
            (self.workloads.iter().map(|workload| &workload.object))
                .chain(self.components.iter().filter_map(|component| component.object.as_ref()))
                .map(identity)
                .collect();
        for object in &self.objects {
            if !is_own_group(object.group()) && !judged.contains(&identity(object)) {
                *unknown.entry(Text::new(format!("{} {}", object.group(), object.kind))).or_default() += 1;
            }
        }
        unknown
    }
}

fn identity(object: &Object<'_>) -> (*const Document, nightlatch_manifest::NodeId) {
    (std::ptr::from_ref(object.document()), object.root.id())
}

/// True for the API groups of Kubernetes itself.
fn is_own_group(group: &str) -> bool {
    group.ends_with(".k8s.io")
        || ["", "apps", "batch", "autoscaling", "policy", "extensions"].contains(&group)
}
