//! Cluster policies of which nobody knows which comes first.

use nightlatch_netpol::Direction;

use super::view::{View, name_of};
use crate::{Found, Sink, Subject};

pub(super) fn cluster_policy_priority_tie<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    let policies = &view.network.cluster_policies;
    for (at, policy) in policies.iter().enumerate() {
        let both_have_rules = |other: &nightlatch_netpol::ClusterPolicy| {
            Direction::ALL
                .into_iter()
                .any(|way| !policy.rules(way).is_empty() && !other.rules(way).is_empty())
        };
        let tied = policies[..at].iter().enumerate().find(|(earlier, other)| {
            other.tier == policy.tier
                && other.priority == policy.priority
                && other.kind == policy.kind
                && both_have_rules(other)
                && view.share_subjects(*earlier, at)
        });
        let Some(object) = view.object(policy.origin) else { continue };
        match tied.and_then(|(_, other)| view.object(other.origin)) {
            Some(other) => {
                let place = object.root.at("spec.priority").unwrap_or(name_of(object));
                let message = format!(
                    "another policy of the tier has priority {} as well and concerns the same pods: which is asked first is not defined",
                    policy.priority
                );
                sink.fail(
                    Found::new(Subject::object(object), place, message)
                        .related("the other one", Some(name_of(other))),
                );
            }
            None => sink.pass(),
        }
    }
}

impl View<'_, '_> {
    fn share_subjects(&self, a: usize, b: usize) -> bool {
        let policies = &self.network.cluster_policies;
        let same = policies[a].namespaces == policies[b].namespaces && policies[a].pods == policies[b].pods;
        let everything =
            |at: usize| policies[at].namespaces.is_everything() && policies[at].pods.is_everything();
        same || everything(a)
            || everything(b)
            || (0..self.network.pods.len()).any(|pod| self.is_subject(a, pod) && self.is_subject(b, pod))
    }
}
