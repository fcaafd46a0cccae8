//! Labels that controllers give to the pods they make, and the replicas of a StatefulSet that selectors tell apart.
//!
//! Templates do not hold these labels, but Services and policies select by them: a Service for each broker, a policy for
//! the first replica. Source: Kubernetes documentation, "Well-Known Labels, Annotations and Taints".

use std::collections::{BTreeSet, HashMap};

use nightlatch_manifest::{Node, Object};

use crate::{ClusterPeer, Labels, Network, Operator, Peer, Pod, Selector};

const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";
const POD_INDEX: &str = "apps.kubernetes.io/pod-index";
const JOB_NAMES: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];
/// Replicas of one StatefulSet that are told apart; further ones are as all others.
const TOLD_APART_MAX: usize = 64;

/// Gives the template of a Job the labels that its pods will have.
pub(super) fn label_job(object: &Object<'_>, labels: &mut Labels) {
    if object.kind == "Job" && !object.name.is_empty() {
        for key in JOB_NAMES.into_iter().filter(|key| labels.get(key).is_none()).collect::<Vec<_>>() {
            labels.insert(key, object.name);
        }
    }
}

/// The numbers of a StatefulSet's replicas: the first, and how many when it says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Ordinals {
    start: u32,
    count: Option<u32>,
}

impl Ordinals {
    /// Those of an object; nothing for other kinds.
    pub(super) fn of(object: &Object<'_>) -> Option<Self> {
        if object.kind != "StatefulSet" || object.name.is_empty() {
            return None;
        }
        let number = |path| object.root.at(path).and_then(Node::as_int).and_then(|n| u32::try_from(n).ok());
        Some(Self { start: number("spec.ordinals.start").unwrap_or(0), count: number("spec.replicas") })
    }

    fn has(self, ordinal: u32) -> bool {
        ordinal >= self.start && self.count.is_none_or(|count| ordinal - self.start < count)
    }

    /// The first that is not among `taken`, when there is one.
    fn first_but(self, taken: &BTreeSet<u32>) -> Option<u32> {
        (self.start..=u32::MAX).find(|ordinal| !taken.contains(ordinal)).filter(|&ordinal| self.has(ordinal))
    }
}

/// What the selectors of the input ask of the labels that tell replicas apart.
#[derive(Debug, Default)]
pub(super) struct Asked {
    names: BTreeSet<Box<str>>,
    indices: BTreeSet<u32>,
    /// Some selector asks for one of the labels, with or without a value.
    any: bool,
}

impl Asked {
    /// By all Services and policies of a network.
    pub(super) fn of(network: &Network) -> Self {
        let mut asked = Self::default();
        network.services.iter().filter_map(|service| service.selector.as_ref()).for_each(|s| asked.take(s));
        for policy in &network.policies {
            asked.take(&policy.selector);
            let rules = policy.ingress.iter().chain(&policy.egress).flatten();
            for peer in rules.flat_map(|rule| &rule.peers) {
                if let Peer::Pods { pods, .. } = peer {
                    asked.take(pods);
                }
            }
        }
        for policy in &network.cluster_policies {
            asked.take(&policy.pods);
            for peer in policy.ingress.iter().chain(&policy.egress).flat_map(|rule| &rule.peers) {
                if let ClusterPeer::Pods { pods, .. } = peer {
                    asked.take(pods);
                }
            }
        }
        asked
    }

    fn take(&mut self, selector: &Selector) {
        for requirement in selector.requirements() {
            let is_name = requirement.key.as_ref() == POD_NAME;
            if !is_name && requirement.key.as_ref() != POD_INDEX {
                continue;
            }
            self.any = true;
            let (Operator::In(values) | Operator::NotIn(values)) = &requirement.operator else { continue };
            if is_name {
                self.names.extend(values.iter().cloned());
            } else {
                self.indices.extend(values.iter().filter_map(|value| value.parse::<u32>().ok()));
            }
        }
    }

    /// The replicas of a StatefulSet that are asked for one by one.
    fn ordinals(&self, name: &str, ordinals: Ordinals) -> BTreeSet<u32> {
        let own = |asked: &str| asked.strip_prefix(name)?.strip_prefix('-')?.parse::<u32>().ok();
        let by_name = self.names.iter().filter_map(|asked| own(asked));
        let all = by_name.chain(self.indices.iter().copied()).filter(|&ordinal| ordinals.has(ordinal));
        all.take(TOLD_APART_MAX).collect()
    }
}

/// A StatefulSet's pods, told apart as far as selectors do.
pub(super) struct Replicas {
    /// One pod for each that is asked for by itself.
    single: Vec<Pod>,
    by_name: HashMap<Box<str>, usize>,
    /// What stands for the others, when there are any.
    rest: Option<Pod>,
}

impl Replicas {
    /// Of a pod that stands for all replicas; nothing when no selector tells them apart.
    pub(super) fn of(pod: &Pod, ordinals: Ordinals, asked: &Asked) -> Option<Self> {
        if !asked.any || ordinals.count == Some(0) {
            return None;
        }
        let taken = asked.ordinals(&pod.name, ordinals);
        let numbered = |ordinal: u32| {
            let mut replica = pod.clone();
            replica.labels.insert(POD_NAME, format!("{}-{ordinal}", pod.name));
            replica.labels.insert(POD_INDEX, ordinal.to_string());
            replica
        };
        let single: Vec<Pod> = taken
            .iter()
            .map(|&ordinal| Pod {
                name: format!("{}-{ordinal}", pod.name).into(),
                replica_of: Some(pod.name.clone()),
                ..numbered(ordinal)
            })
            .collect();
        let by_name = single.iter().enumerate().map(|(at, replica)| (replica.name.clone(), at)).collect();
        Some(Self { single, by_name, rest: ordinals.first_but(&taken).map(numbered) })
    }

    /// The one of this name, else what stands for the others.
    pub(super) fn named(&mut self, name: &str) -> Option<&mut Pod> {
        match self.by_name.get(name) {
            Some(&at) => self.single.get_mut(at),
            None => self.rest.as_mut(),
        }
    }

    /// All of them.
    pub(super) fn into_pods(self) -> impl Iterator<Item = Pod> {
        self.single.into_iter().chain(self.rest)
    }
}
