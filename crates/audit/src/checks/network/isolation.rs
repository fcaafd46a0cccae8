//! Pods and namespaces that no policy isolates.

use std::collections::BTreeMap;

use nightlatch_finding::Severity;
use nightlatch_netpol::{Action, ClusterPeer, Direction};

use super::view::{View, shown};
use crate::{Found, Sink};

pub(super) fn namespace_without_policy<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    for (name, pods) in view.by_namespace() {
        if pods.iter().any(|&pod| view.has_policy(pod)) {
            sink.pass();
        } else if let Some((subject, at)) = view.namespace(name) {
            let message = format!(
                "no policy selects any pod of the namespace {}: everybody reaches them all",
                shown(name)
            );
            sink.fail(view.absence(Found::new(subject, at, message)));
        }
    }
}

pub(super) fn pod_not_isolated_ingress<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    not_isolated(view, sink, Direction::Ingress);
}

pub(super) fn pod_not_isolated_egress<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    not_isolated(view, sink, Direction::Egress);
}

fn not_isolated<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>, direction: Direction) {
    for (_, pods) in view.by_namespace() {
        for pod in pods {
            match view.isolation(pod, direction) {
                Isolation::Isolated => sink.pass(),
                Isolation::Unknown => sink.unknown("policies of a network plugin concern the pod"),
                Isolation::Open => {
                    let Some((subject, at)) = view.pod(pod) else { continue };
                    let message = match direction {
                        Direction::Ingress => format!(
                            "no policy restricts who may connect to {} {}",
                            subject.kind, subject.name
                        ),
                        Direction::Egress => format!(
                            "no policy restricts whom {} {} may connect to",
                            subject.kind, subject.name
                        ),
                    };
                    let found = view.absence(Found::new(subject, at, message));
                    let listens = !view.network.pods[pod].ports.is_empty();
                    let is_job = matches!(&*view.network.pods[pod].kind, "Job" | "CronJob");
                    let idle = direction == Direction::Ingress && is_job && !listens;
                    sink.fail(if idle { found.severity(Severity::Info) } else { found });
                }
            }
        }
    }
}

pub(super) fn default_deny_ingress_missing<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    default_deny_missing(view, sink, Direction::Ingress);
}

pub(super) fn default_deny_egress_missing<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    default_deny_missing(view, sink, Direction::Egress);
}

fn default_deny_missing<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>, direction: Direction) {
    for (name, pods) in view.by_namespace() {
        let denies = view.network.policies.iter().any(|policy| {
            *policy.namespace == *name
                && policy.selector.is_everything()
                && policy.rules(direction).is_some_and(<[_]>::is_empty)
        });
        let states: Vec<Isolation> = pods.iter().map(|&pod| view.isolation(pod, direction)).collect();
        if denies || states.iter().all(|state| *state == Isolation::Isolated) {
            sink.pass();
        } else if states.iter().all(|state| *state != Isolation::Open) {
            sink.unknown("policies of a network plugin concern the pods");
        } else if let Some((subject, at)) = view.namespace(name) {
            let open = states.iter().filter(|state| **state == Isolation::Open).count();
            let message = format!(
                "the namespace {} has no default deny for {}, and {open} of its {} workloads are not isolated",
                shown(name),
                direction.as_str(),
                states.len()
            );
            sink.fail(view.absence(Found::new(subject, at, message)));
        }
    }
}

/// How a direction of a pod stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Isolation {
    /// A policy lets only through what it lists.
    Isolated,
    /// Nothing is restricted.
    Open,
    /// Policies that are not modelled concern it.
    Unknown,
}

impl<'c> View<'c, '_> {
    /// Pods by namespace, those that policies do not concern left out.
    pub(super) fn by_namespace(&self) -> BTreeMap<&'c str, Vec<usize>> {
        let mut found: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, pod) in self.network.pods.iter().enumerate().filter(|(_, pod)| !pod.host_network) {
            found.entry(&pod.namespace).or_default().push(at);
        }
        found
    }

    pub(super) fn isolation(&self, pod: usize, direction: Direction) -> Isolation {
        if !self.engine().isolating(pod, direction).is_empty() || self.denied_by_cluster(pod, direction) {
            Isolation::Isolated
        } else if self.engine().foreign(pod).is_empty() {
            Isolation::Open
        } else {
            Isolation::Unknown
        }
    }

    fn has_policy(&self, pod: usize) -> bool {
        Direction::ALL.into_iter().any(|direction| !self.engine().isolating(pod, direction).is_empty())
            || !self.engine().foreign(pod).is_empty()
            || (0..self.network.cluster_policies.len()).any(|policy| self.is_subject(policy, pod))
    }

    pub(super) fn is_subject(&self, policy: usize, pod: usize) -> bool {
        let (policy, pod) = (&self.network.cluster_policies[policy], &self.network.pods[pod]);
        let namespace = self.engine().namespace_labels(&pod.namespace);
        policy.pods.matches(&pod.labels) && namespace.is_some_and(|labels| policy.namespaces.matches(labels))
    }

    /// A rule of a cluster policy that denies everybody, whatever may be allowed before it.
    fn denied_by_cluster(&self, pod: usize, direction: Direction) -> bool {
        let everybody = |peer: &ClusterPeer| match peer {
            ClusterPeer::Pods { namespaces, pods } => namespaces.is_everything() && pods.is_everything(),
            _ => false,
        };
        self.network.cluster_policies.iter().enumerate().any(|(at, policy)| {
            let denies = policy.rules(direction).iter().any(|rule| {
                rule.action == Action::Deny && rule.ports.is_empty() && rule.peers.iter().any(everybody)
            });
            denies && self.is_subject(at, pod)
        })
    }
}
