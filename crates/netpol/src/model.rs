//! What the engine reasons about, as plain values: [`crate::read`] makes them from manifests, tests and benches by hand.

use std::net::IpAddr;

use nightlatch_manifest::{SourceId, Span};

use crate::{Cidr, Labels, Protocol, Selector};

/// Where something was said; nothing for what was made by hand.
pub type Origin = Option<(SourceId, Span)>;

/// A cluster, or the part of it that is known.
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// Namespaces. Those that only pods or policies name may be absent; they carry `kubernetes.io/metadata.name` then.
    pub namespaces: Vec<Namespace>,
    /// Pods, or templates of pods.
    pub pods: Vec<Pod>,
    /// Nodes; empty when unknown.
    pub nodes: Vec<ClusterNode>,
    /// NetworkPolicies.
    pub policies: Vec<Policy>,
    /// Admin, baseline and cluster network policies, in any order.
    pub cluster_policies: Vec<ClusterPolicy>,
    /// Services.
    pub services: Vec<Service>,
    /// Ways in from outside that name a Service: Ingress, Gateway API routes, OpenShift Routes, Istio, Traefik, Contour.
    pub entries: Vec<Entry>,
    /// Policies of kinds whose meaning is not modelled (Cilium, Calico, Antrea ...): their effect is unknown.
    pub foreign: Vec<Foreign>,
    /// Policies that the API server would refuse, and why; they are left out.
    pub refused: Vec<Refused>,
    /// Where pods' addresses lie, when the user says so; empty: anywhere.
    pub pod_networks: Vec<Cidr>,
}

/// A namespace.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its name; empty stands for objects that name none.
    pub name: Box<str>,
    /// Its labels.
    pub labels: Labels,
    /// Where it is written.
    pub origin: Origin,
}

/// A pod, or the template of a workload's pods.
#[derive(Clone, Debug, Default)]
pub struct Pod {
    /// Its namespace; empty when none is said.
    pub namespace: Box<str>,
    /// The kind that owns the template: `Deployment`, `Pod` ...
    pub kind: Box<str>,
    /// The owner's name, or the pod's.
    pub name: Box<str>,
    /// The StatefulSet that this is one replica of, when selectors tell its replicas apart.
    pub replica_of: Option<Box<str>>,
    /// The pod's labels.
    pub labels: Labels,
    /// Declared container ports.
    pub ports: Vec<ContainerPort>,
    /// Shares the node's network: policies neither apply to it nor select it.
    pub host_network: bool,
    /// Known addresses; empty when unknown. Of a host-network pod those of its node.
    pub addresses: Vec<IpAddr>,
    /// The node it runs on, when known.
    pub node: Option<Box<str>>,
    /// Images of its containers, for telling what it is.
    pub images: Vec<Box<str>>,
    /// Kubelet probes ask it on these ports.
    pub probes: Vec<PortMatch>,
    /// Texts of its environment and arguments that may name other services.
    pub mentions: Vec<Box<str>>,
    /// Where it is written.
    pub origin: Origin,
}

/// A declared container port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ContainerPort {
    /// Its name, when it has one.
    pub name: Option<Box<str>>,
    /// Its number.
    pub number: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// The port of the node that leads to it, when there is one.
    pub host_port: Option<u16>,
}

/// A node.
#[derive(Clone, Debug)]
pub struct ClusterNode {
    /// Its name.
    pub name: Box<str>,
    /// Its labels.
    pub labels: Labels,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// A NetworkPolicy (`networking.k8s.io/v1`) with the defaults applied.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Its namespace; empty when none is said.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Which pods of its namespace it applies to.
    pub selector: Selector,
    /// The ingress rules; nothing when it leaves ingress alone, empty when it allows none.
    pub ingress: Option<Vec<Rule>>,
    /// The egress rules, likewise.
    pub egress: Option<Vec<Rule>>,
    /// Rules are written for a direction that `policyTypes` leaves out: they do nothing.
    pub inert: Vec<Direction>,
    /// Where it is written.
    pub origin: Origin,
}

impl Policy {
    /// The rules of a direction; nothing when it leaves the direction alone.
    pub fn rules(&self, direction: Direction) -> Option<&[Rule]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }
}

/// One side of a connection.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Direction {
    /// What a pod receives.
    Ingress,
    /// What a pod sends.
    Egress,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Ingress, Self::Egress];

    /// `ingress` or `egress`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingress => "ingress",
            Self::Egress => "egress",
        }
    }
}

/// A rule of a NetworkPolicy.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// Who may; empty: anybody.
    pub peers: Vec<Peer>,
    /// On which ports; empty: all, of every protocol.
    pub ports: Vec<PortRule>,
    /// Where it is written.
    pub origin: Origin,
}

/// A peer of a rule.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum Peer {
    /// Pods. Host-network pods are never among them.
    Pods {
        /// Of which namespaces; nothing: the policy's own.
        namespaces: Option<Selector>,
        /// Which of their pods.
        pods: Selector,
    },
    /// Addresses, meant for those outside the cluster.
    Block {
        /// The block.
        net: Cidr,
        /// Blocks inside it that are left out.
        except: Vec<Cidr>,
    },
}

/// Ports of a rule.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct PortRule {
    /// The protocol; nothing, which only cluster policies have with a name: any.
    pub protocol: Option<Protocol>,
    /// Which ports of it.
    pub port: PortMatch,
}

/// Which ports.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum PortMatch {
    /// All.
    Any,
    /// From the first to the second, both included.
    Range(u16, u16),
    /// The number that the destination pod gives to this name.
    Name(Box<str>),
}

/// In which order cluster policies are asked.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Tier {
    /// Before NetworkPolicies.
    Admin,
    /// After them, where no NetworkPolicy isolates the pod.
    Baseline,
}

/// What a rule of a cluster policy does.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Action {
    /// Allow (v1alpha1) or Accept (v1alpha2): allowed, nothing else is asked.
    Allow,
    /// Denied, nothing else is asked.
    Deny,
    /// The tier is left.
    Pass,
}

impl Action {
    /// In small letters.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Pass => "pass",
        }
    }
}

/// AdminNetworkPolicy, BaselineAdminNetworkPolicy (`policy.networking.k8s.io/v1alpha1`) or ClusterNetworkPolicy
/// (v1alpha2 and later).
#[derive(Clone, Debug)]
pub struct ClusterPolicy {
    /// Its kind.
    pub kind: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its tier.
    pub tier: Tier,
    /// 0 to 1000, lowest first.
    pub priority: i32,
    /// Namespaces of the pods it applies to.
    pub namespaces: Selector,
    /// Which of their pods.
    pub pods: Selector,
    /// Ingress rules in order; without any it leaves ingress alone.
    pub ingress: Vec<ClusterRule>,
    /// Egress rules, likewise.
    pub egress: Vec<ClusterRule>,
    /// Where it is written.
    pub origin: Origin,
}

impl ClusterPolicy {
    /// The rules of a direction.
    pub fn rules(&self, direction: Direction) -> &[ClusterRule] {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}

/// A rule of a cluster policy.
#[derive(Clone, Debug)]
pub struct ClusterRule {
    /// What it does.
    pub action: Action,
    /// To whom; never empty.
    pub peers: Vec<ClusterPeer>,
    /// On which ports; empty: all, of every protocol.
    pub ports: Vec<PortRule>,
    /// Where it is written.
    pub origin: Origin,
}

/// A peer of a cluster policy's rule.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ClusterPeer {
    /// Pods. Host-network pods are never among them.
    Pods {
        /// Of which namespaces.
        namespaces: Selector,
        /// Which of their pods.
        pods: Selector,
    },
    /// Nodes, and with them host-network pods (egress only).
    Nodes(Selector),
    /// Addresses, those of pods included (egress only).
    Networks(Vec<Cidr>),
    /// Names of hosts outside (egress only).
    Domains(Vec<Box<str>>),
}

/// A Service.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Which pods of its namespace; nothing for one with manual endpoints or of type ExternalName.
    pub selector: Option<Selector>,
    /// Its type.
    pub kind: ServiceKind,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// It has `externalIPs`.
    pub external_ips: bool,
    /// Blocks from which a load balancer takes connections; empty: any.
    pub source_ranges: Vec<Cidr>,
    /// Sources keep their address (`externalTrafficPolicy: Local`).
    pub keeps_source: bool,
    /// Annotated as a load balancer of the private network of a cloud.
    pub internal: bool,
    /// Where it is written.
    pub origin: Origin,
}

/// The type of a Service.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ServiceKind {
    /// Reachable inside the cluster.
    ClusterIp,
    /// On every node as well.
    NodePort,
    /// On an address of its own as well.
    LoadBalancer,
    /// A name for a host outside.
    ExternalName,
}

/// A port of a Service.
#[derive(Clone, Debug)]
pub struct ServicePort {
    /// Its name, when it has one.
    pub name: Option<Box<str>>,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub number: u16,
    /// The pod's port: a number, or a name resolved on each pod.
    pub target: PortMatch,
    /// The node's port, when it is said.
    pub node_port: Option<u16>,
}

/// A way in from outside that leads to a Service.
#[derive(Clone, Debug)]
pub struct Entry {
    /// `Ingress`, `HTTPRoute`, `Route` ...
    pub kind: Box<str>,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Class or gateway, when it names one.
    pub class: Option<Box<str>>,
    /// Host names it answers to; empty: any.
    pub hosts: Vec<Box<str>>,
    /// Where it leads.
    pub backends: Vec<Backend>,
    /// Where it is written.
    pub origin: Origin,
}

/// A Service's port that an [`Entry`] leads to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Backend {
    /// The Service's namespace.
    pub namespace: Box<str>,
    /// The Service's name.
    pub service: Box<str>,
    /// The Service's port by number or name; nothing: every port.
    pub port: Option<PortMatch>,
    /// A reference to another namespace that nothing there grants.
    pub ungranted: bool,
}

/// A policy whose meaning is not modelled.
#[derive(Clone, Debug)]
pub struct Foreign {
    /// Its kind.
    pub kind: Box<str>,
    /// Its API group.
    pub group: Box<str>,
    /// Its namespace; nothing for one of the whole cluster.
    pub namespace: Option<Box<str>>,
    /// Its name.
    pub name: Box<str>,
    /// Which pods it concerns, when that is a label selector; nothing: unknown, perhaps all.
    pub selector: Option<Selector>,
    /// Where it is written.
    pub origin: Origin,
}

/// A policy that the API server would refuse.
#[derive(Clone, Debug)]
pub struct Refused {
    /// Its kind.
    pub kind: Box<str>,
    /// Its namespace.
    pub namespace: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Why, in one sentence of our own words.
    pub reason: String,
    /// Where the mistake is written.
    pub origin: Origin,
}
