//! One question, and why the answer is what it is.

use crate::{
    Action, AddressSet, Certainty, Direction, Engine, PortSet, Protocol, Region,
    compile::{CompiledRule, Grant, OrderedRule},
    tier::tier,
};

/// One end of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Party {
    /// A pod, by its index in the network.
    Pod(usize),
    /// Addresses that are not pods'.
    Addresses(AddressSet),
}

/// A policy, by its index in the network.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum PolicyRef {
    /// One of [`crate::Network::policies`].
    Namespaced(usize),
    /// One of [`crate::Network::cluster_policies`].
    Cluster(usize),
}

/// A rule that concerns the connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reason {
    /// Whose rule it is.
    pub policy: PolicyRef,
    /// Which of its rules in this direction, from 0.
    pub rule: usize,
    /// What it does; NetworkPolicies only allow.
    pub action: Action,
    /// The ports it concerns, names resolved.
    pub ports: PortSet,
    /// False when it is not certain that the other end is one of its peers.
    pub certain: bool,
}

/// What one direction says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SideAnswer {
    /// NetworkPolicies that isolate the pod; none: everything that cluster policies do not deny is let through.
    pub isolated_by: Vec<usize>,
    /// Rules that concern the connection, in the order in which they are asked.
    pub reasons: Vec<Reason>,
    /// Policies do not apply: a host-network pod, or the end that is an address.
    pub unfiltered: bool,
    /// Ports let through in any case.
    pub sure: PortSet,
    /// Ports let through in some case.
    pub possible: PortSet,
}

/// Why an answer is not certain, or holds only under a condition.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Doubt {
    /// A pod always reaches itself.
    Itself,
    /// An `ipBlock` may mean the pod: network plugins differ, and its address may be unknown.
    BlockMeansPod,
    /// A host-network pod has its node's address, and a node reaches the pods that run on it.
    SameNode,
    /// Policies do not apply to host-network pods.
    HostNetwork,
    /// A rule for names of hosts; which addresses they stand for is not known.
    HostNames,
    /// Load balancers and node ports may replace the source's address before policies see it.
    SourceReplaced,
    /// Policies of kinds that are not modelled concern one of the pods.
    ForeignPolicy,
    /// Two cluster policies of equal priority say different things: which is asked first is not defined. The answer takes
    /// them in the order of the input.
    PriorityTie,
}

/// What holds for one port.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    /// Let through.
    Allowed,
    /// Let through for some of the addresses asked for.
    Partly,
    /// Depends on what manifests do not show; [`Answer::doubts`] says on what.
    Depends,
    /// Not let through.
    Denied,
    /// Policies that are not modelled concern one of the pods.
    Unknown,
}

impl Verdict {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Partly => "partly",
            Self::Depends => "depends",
            Self::Denied => "denied",
            Self::Unknown => "unknown",
        }
    }
}

/// The answer to one question.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// What the source may send.
    pub egress: SideAnswer,
    /// What the destination may receive.
    pub ingress: SideAnswer,
    /// Ports on which the connection is let through in any case; of addresses: from or to all of them.
    pub sure: PortSet,
    /// Ports on which it is let through in some case; of addresses: from or to any of them.
    pub possible: PortSet,
    /// Of addresses: which of them, on which ports, in any case.
    pub regions: Vec<Region>,
    /// What the answer depends on.
    pub doubts: Vec<Doubt>,
    /// Policies that are not modelled and concern one of the pods, as indices into [`crate::Network::foreign`].
    pub foreign: Vec<usize>,
}

impl Answer {
    /// What holds for one port, policies that are not modelled left out of account.
    pub fn modelled(&self, protocol: Protocol, port: u16) -> Verdict {
        if self.sure.contains(protocol, port) {
            return Verdict::Allowed;
        }
        if !self.possible.contains(protocol, port) {
            return Verdict::Denied;
        }
        match self.regions.iter().any(|region| region.ports.contains(protocol, port)) {
            true => Verdict::Partly,
            false => Verdict::Depends,
        }
    }

    /// What holds for one port.
    pub fn verdict(&self, protocol: Protocol, port: u16) -> Verdict {
        if self.foreign.is_empty() { self.modelled(protocol, port) } else { Verdict::Unknown }
    }
}

impl Engine<'_> {
    /// Whether `source` may connect to `destination`, on which ports, and why. Nothing when both are addresses, or a
    /// pod's index is none.
    pub fn pair(&self, source: &Party, destination: &Party) -> Option<Answer> {
        let pods = self.network.pods.len();
        let foreign = |pods: &[usize]| {
            let mut all: Vec<usize> = pods.iter().flat_map(|&pod| self.foreign(pod)).collect();
            all.sort_unstable();
            all.dedup();
            all
        };
        match (source, destination) {
            (&Party::Pod(a), &Party::Pod(b)) if a < pods && b < pods => {
                Some(self.between(a, b, foreign(&[a, b])))
            }
            (&Party::Pod(pod), Party::Addresses(set)) if pod < pods => {
                Some(self.beyond(pod, set, Direction::Egress, foreign(&[pod])))
            }
            (Party::Addresses(set), &Party::Pod(pod)) if pod < pods => {
                Some(self.beyond(pod, set, Direction::Ingress, foreign(&[pod])))
            }
            _ => None,
        }
    }

    /// Policies of kinds that are not modelled and may concern a pod.
    pub fn foreign(&self, pod: usize) -> Vec<usize> {
        let Some(pod) = self.network.pods.get(pod).filter(|pod| !pod.host_network) else { return Vec::new() };
        let concerns = |(_, policy): &(usize, &crate::Foreign)| {
            policy.namespace.as_ref().is_none_or(|namespace| *namespace == pod.namespace)
                && policy.selector.as_ref().is_none_or(|selector| selector.matches(&pod.labels))
        };
        self.network.foreign.iter().enumerate().filter(concerns).map(|(at, _)| at).collect()
    }

    fn between(&self, from: usize, to: usize, foreign: Vec<usize>) -> Answer {
        let (a, b) = (self.class_of(from), self.class_of(to));
        let (mut egress, ingress) =
            (self.answer(Direction::Egress, a, b), self.answer(Direction::Ingress, b, a));
        let mut doubts = Vec::new();
        let (mut sure, mut possible) =
            (egress.sure.intersection(&ingress.sure), egress.possible.intersection(&ingress.possible));
        if self.host.has(b) && !egress.possible.is_all() {
            egress.possible = PortSet::all();
            possible = ingress.possible.clone();
        }
        if self.host.has(a) {
            possible = PortSet::all();
        }
        if from == to && !is_template(&self.network.pods[from]) {
            (sure, possible) = (PortSet::all(), PortSet::all());
        }
        if from == to {
            doubts.push(Doubt::Itself);
        }
        if self.host.has(a) || self.host.has(b) {
            doubts.push(Doubt::HostNetwork);
        }
        if sure != possible {
            if self.host.has(a) || self.host.has(b) {
                doubts.push(Doubt::SameNode);
            }
            if egress.reasons.iter().chain(&ingress.reasons).any(|reason| !reason.certain) {
                doubts.push(Doubt::BlockMeansPod);
            }
        }
        if !foreign.is_empty() {
            doubts.push(Doubt::ForeignPolicy);
        }
        if self.is_tied(&egress) || self.is_tied(&ingress) {
            doubts.push(Doubt::PriorityTie);
        }
        Answer { egress, ingress, sure, possible, regions: Vec::new(), doubts, foreign }
    }

    fn beyond(&self, pod: usize, set: &AddressSet, direction: Direction, foreign: Vec<usize>) -> Answer {
        let sure_regions = self.outside(pod, direction, Certainty::Sure, set);
        let possible_regions = self.outside(pod, direction, Certainty::Possible, set);
        let ports = |regions: &[Region], whole: bool| {
            let matching = regions.iter().filter(|region| !whole || region.addresses.covers(set));
            matching.fold(PortSet::empty(), |all, region| all.union(&region.ports))
        };
        let (sure, possible) = (ports(&sure_regions, true), ports(&possible_regions, false));
        let class = self.class_of(pod);
        let mut side = self.reasons(direction, class, |rule| {
            let met = rule.outside.maybe.meets(set);
            let certain = rule.outside.sure.meets(set);
            if met { vec![(self.ports_with_addresses(rule, direction, class), certain)] } else { Vec::new() }
        });
        (side.sure, side.possible) = (sure.clone(), possible.clone());
        let mut doubts = Vec::new();
        if self.host.has(class) {
            doubts.push(Doubt::HostNetwork);
        }
        if side.reasons.iter().any(|reason| !reason.certain) {
            doubts.push(Doubt::HostNames);
        }
        if direction == Direction::Ingress && !side.isolated_by.is_empty() && !sure.is_all() {
            doubts.push(Doubt::SourceReplaced);
        }
        if !foreign.is_empty() {
            doubts.push(Doubt::ForeignPolicy);
        }
        if self.is_tied(&side) {
            doubts.push(Doubt::PriorityTie);
        }
        let other = SideAnswer {
            isolated_by: Vec::new(),
            reasons: Vec::new(),
            unfiltered: true,
            sure: PortSet::all(),
            possible: PortSet::all(),
        };
        let (egress, ingress) = if direction == Direction::Egress { (side, other) } else { (other, side) };
        Answer { egress, ingress, sure, possible, regions: sure_regions, doubts, foreign }
    }

    /// Whether rules of different cluster policies of one tier and priority decide the same ports differently.
    fn is_tied(&self, side: &SideAnswer) -> bool {
        let policy = |reason: &Reason| match reason.policy {
            PolicyRef::Cluster(at) => self.network.cluster_policies.get(at),
            PolicyRef::Namespaced(_) => None,
        };
        side.reasons.iter().enumerate().any(|(at, one)| {
            side.reasons[..at].iter().any(|other| {
                let (Some(a), Some(b)) = (policy(one), policy(other)) else { return false };
                (a.tier, a.priority) == (b.tier, b.priority)
                    && one.policy != other.policy
                    && one.action != other.action
                    && !one.ports.intersection(&other.ports).is_empty()
            })
        })
    }

    /// One direction between two classes.
    fn answer(&self, direction: Direction, subject: u32, peer: u32) -> SideAnswer {
        let has = |set, class| self.sets.get(set).has(class);
        let mut side = self.reasons(direction, subject, |rule| {
            let concerns = |grant: &&Grant| has(grant.subjects, subject) && has(grant.maybe, peer);
            let (mut sure, mut maybe) = (PortSet::empty(), PortSet::empty());
            for grant in rule.grants.iter().filter(concerns) {
                let ports = if has(grant.sure, peer) { &mut sure } else { &mut maybe };
                *ports = ports.union(self.ports.get(grant.ports));
            }
            let maybe = maybe.minus(&sure);
            vec![(sure, true), (maybe, false)]
        });
        if side.unfiltered {
            return side;
        }
        let isolated = !side.isolated_by.is_empty();
        side.sure = decide(&side.reasons, isolated, Certainty::Sure, self);
        side.possible = decide(&side.reasons, isolated, Certainty::Possible, self);
        side
    }

    /// The rules that concern a connection, with the ports that `concern` finds and whether that is certain.
    fn reasons(
        &self,
        direction: Direction,
        subject: u32,
        concern: impl Fn(&CompiledRule) -> Vec<(PortSet, bool)>,
    ) -> SideAnswer {
        let side = self.side(direction);
        let isolated_by: Vec<usize> = side
            .isolating
            .get(subject as usize)
            .into_iter()
            .flatten()
            .map(|&policy| policy as usize)
            .collect();
        let mut reasons = Vec::new();
        let mut ordered = |rules: &[OrderedRule]| {
            for rule in rules.iter().filter(|rule| self.sets.get(rule.subjects).has(subject)) {
                let policy = PolicyRef::Cluster(rule.policy as usize);
                for (ports, certain) in
                    concern(&rule.compiled).into_iter().filter(|(ports, _)| !ports.is_empty())
                {
                    reasons.push(Reason {
                        policy,
                        rule: rule.rule as usize,
                        action: rule.action,
                        ports,
                        certain,
                    });
                }
            }
        };
        ordered(&side.admin);
        if isolated_by.is_empty() {
            ordered(&side.baseline);
        }
        for &policy in &isolated_by {
            for (rule, compiled) in self.policies[policy].rules(direction).iter().enumerate() {
                let policy = PolicyRef::Namespaced(policy);
                for (ports, certain) in concern(compiled).into_iter().filter(|(ports, _)| !ports.is_empty()) {
                    reasons.push(Reason { policy, rule, action: Action::Allow, ports, certain });
                }
            }
        }
        let unfiltered = self.host.has(subject);
        SideAnswer { isolated_by, reasons, unfiltered, sure: PortSet::all(), possible: PortSet::all() }
    }
}

/// A template stands for several pods, so that "to itself" means another replica.
fn is_template(pod: &crate::Pod) -> bool {
    pod.kind.as_ref() != "Pod"
}

/// What the rules let through, first match first in each tier.
fn decide(reasons: &[Reason], isolated: bool, certainty: Certainty, engine: &Engine<'_>) -> PortSet {
    let sure_mode = certainty == Certainty::Sure;
    let tier_of = |reason: &Reason| match reason.policy {
        PolicyRef::Cluster(at) => engine.network.cluster_policies.get(at).map(|policy| policy.tier),
        PolicyRef::Namespaced(_) => None,
    };
    let run = |wanted, fallback: &PortSet| {
        let asked = reasons.iter().filter(|reason| tier_of(reason) == Some(wanted));
        tier(asked.map(|reason| (reason.action, &reason.ports, reason.certain)), fallback, certainty)
    };
    let namespaced = if isolated {
        let allowed =
            reasons.iter().filter(|reason| tier_of(reason).is_none() && (reason.certain || !sure_mode));
        allowed.fold(PortSet::empty(), |all, reason| all.union(&reason.ports))
    } else {
        run(crate::Tier::Baseline, &PortSet::all())
    };
    run(crate::Tier::Admin, &namespaced)
}
