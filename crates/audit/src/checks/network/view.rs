//! The network of a corpus, with the way back to its documents.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, HashMap},
};

use nightlatch_finding::Severity;
use nightlatch_manifest::{Node, Object, SourceId, Span};
use nightlatch_netpol::{Engine, Network, Origin, Policy};

use crate::{Context, Found, Subject};

pub(crate) struct View<'c, 'a> {
    pub(super) context: &'c Context<'a>,
    pub(super) network: &'c Network,
    engine: OnceCell<Engine<'c>>,
    objects: OnceCell<HashMap<(SourceId, Span), usize>>,
    pods: OnceCell<BTreeMap<&'c str, Vec<usize>>>,
    subjects: OnceCell<Vec<Option<(Subject<'a>, Node<'a>)>>>,
}

impl<'c, 'a> View<'c, 'a> {
    pub(crate) fn new(context: &'c Context<'a>) -> Self {
        let network = context.network();
        Self {
            context,
            network,
            engine: OnceCell::new(),
            objects: OnceCell::new(),
            pods: OnceCell::new(),
            subjects: OnceCell::new(),
        }
    }

    /// The engine, made when it is first asked: most checks of most inputs need none.
    pub(super) fn engine(&self) -> &Engine<'c> {
        self.engine.get_or_init(|| Engine::new(self.network))
    }

    /// All pods by namespace.
    pub(super) fn pods_by_namespace(&self) -> &BTreeMap<&'c str, Vec<usize>> {
        self.pods.get_or_init(|| {
            let mut found: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
            for (at, pod) in self.network.pods.iter().enumerate() {
                found.entry(&pod.namespace).or_default().push(at);
            }
            found
        })
    }

    /// The pods of one namespace.
    pub(super) fn pods_in(&self, namespace: &str) -> &[usize] {
        self.pods_by_namespace().get(namespace).map_or(&[], Vec::as_slice)
    }

    /// The object that something was read from.
    pub(super) fn object(&self, origin: Origin) -> Option<&'c Object<'a>> {
        let objects = &self.context.objects;
        let key = |object: &Object<'a>| (object.document().source, object.root.span());
        let known = self
            .objects
            .get_or_init(|| objects.iter().enumerate().map(|(at, object)| (key(object), at)).collect());
        known.get(&origin?).map(|&at| &objects[at])
    }

    /// Subject and place of a finding about a pod.
    pub(super) fn pod(&self, pod: usize) -> Option<(Subject<'a>, Node<'a>)> {
        let of_pod = |origin| {
            let object = self.object(origin)?;
            let subject = Subject::object(object).with_template(self.context.template_metadata(object));
            Some((subject, name_of(object)))
        };
        // Every check asks for every pod.
        let subjects =
            self.subjects.get_or_init(|| self.network.pods.iter().map(|pod| of_pod(pod.origin)).collect());
        *subjects.get(pod)?
    }

    /// NetworkPolicies with their objects.
    pub(super) fn policies(&self) -> impl Iterator<Item = (usize, &'c Policy, &'c Object<'a>)> + '_ {
        let policies = self.network.policies.iter().enumerate();
        policies.filter_map(|(at, policy)| Some((at, policy, self.object(policy.origin)?)))
    }

    /// A finding that rests on something not being there: outside a full view it may stand elsewhere.
    pub(super) fn absence(&self, found: Found<'a>) -> Found<'a> {
        if self.context.is_full() { found } else { found.severity(Severity::Info) }
    }

    /// Subject and place of a finding about a namespace: its object, or the first that lies in it.
    pub(super) fn namespace(&self, name: &'c str) -> Option<(Subject<'a>, Node<'a>)> {
        let context = self.context;
        if let Some(object) = context.objects_of("Namespace").find(|object| object.name == name) {
            return Some((Subject::object(object), name_of(object)));
        }
        let own = |object: &&&Object<'a>| object.namespace.unwrap_or("") == name;
        let workload =
            context.workloads.iter().map(|workload| &workload.object).find(|object| own(&object))?;
        let subject = Subject {
            api_version: "v1",
            kind: "Namespace",
            namespace: None,
            name: workload.namespace.unwrap_or(""),
            ..Subject::object(workload)
        };
        Some((subject, name_of(workload)))
    }
}

/// Where to point for an object as a whole.
pub(super) fn name_of<'a>(object: &Object<'a>) -> Node<'a> {
    object.root.at("metadata.name").unwrap_or(object.root)
}

/// A namespace in a sentence.
pub(super) fn shown(namespace: &str) -> String {
    if namespace.is_empty() { "that is not named".to_owned() } else { format!("`{namespace}`") }
}
