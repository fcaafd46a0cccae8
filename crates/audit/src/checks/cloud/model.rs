//! One model of what lets traffic in and out of networks, whatever the provider calls it.
//!
//! Readers make [`Firewall`]s of security groups, network ACLs, firewall rules and network security groups; what they
//! open to the Internet is worked out here once, in the order in which the provider asks its rules.

use std::{net::IpAddr, sync::LazyLock};

use nightlatch_manifest::Node;
use nightlatch_netpol::{AddressSet, PortSet, Protocol};

use crate::Subject;

/// Which way traffic goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Direction {
    /// In.
    Ingress,
    /// Out.
    Egress,
}

/// What sort of thing holds the rules.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FirewallKind {
    /// AWS: rules only allow, order does not matter.
    SecurityGroup,
    /// AWS: rules in order of their number, the first that fits decides.
    NetworkAcl,
    /// The firewall rules of one VPC network of Google Cloud: lowest priority first, of equals the denying one.
    VpcNetwork,
    /// Azure: lowest priority first.
    NetworkSecurityGroup,
}

/// Which machines of a network a rule is for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Targets<'a> {
    /// All of them.
    All,
    /// Those with one of these tags or service accounts, sorted.
    Some(Vec<&'a str>),
    /// Not known before it is applied.
    Unknown,
}

impl Targets<'_> {
    /// True when whatever `other` is for, this is for as well.
    fn covers(&self, other: &Targets<'_>) -> bool {
        match (self, other) {
            (Targets::All, _) => true,
            (Targets::Some(own), Targets::Some(others)) => others.iter().all(|tag| own.contains(tag)),
            _ => false,
        }
    }
}

/// The other end of a rule.
#[derive(Debug, Default)]
pub(crate) struct Peers<'a> {
    /// Blocks of addresses, each with its place.
    pub(crate) cidrs: Vec<(AddressSet, Node<'a>)>,
    /// Why some of it cannot be known: a prefix list, a value that is known after it is applied.
    pub(crate) unknown: Option<&'static str>,
}

/// One rule.
#[derive(Debug)]
pub(crate) struct FirewallRule<'a> {
    /// What a finding about it is about.
    pub(crate) subject: Subject<'a>,
    /// Which way.
    pub(crate) direction: Direction,
    /// Whether it lets through or turns away.
    pub(crate) allows: bool,
    /// Lower ones are asked first; all the same where order does not matter.
    pub(crate) priority: i64,
    /// The ports and protocols.
    pub(crate) ports: PortSet,
    /// Why the ports cannot be known.
    pub(crate) ports_unknown: Option<&'static str>,
    /// Source of ingress, destination of egress.
    pub(crate) peers: Peers<'a>,
    /// Which machines it is for.
    pub(crate) targets: Targets<'a>,
    /// Where it stands.
    pub(crate) node: Node<'a>,
}

impl<'a> FirewallRule<'a> {
    /// The addresses of the Internet that it is about.
    fn internet(&self) -> AddressSet {
        let all = self.peers.cidrs.iter().fold(AddressSet::empty(), |all, (set, _)| all.union(set));
        if all.is_empty() { all } else { all.intersection(internet()) }
    }

    fn why_unknown(&self) -> Option<&'static str> {
        self.peers.unknown.or(self.ports_unknown)
    }

    /// The best place to point at: the first block that is wide open, else the rule.
    pub(crate) fn place(&self) -> Node<'a> {
        let wide = self.peers.cidrs.iter().find(|(set, _)| is_public(set));
        wide.or(self.peers.cidrs.first()).map_or(self.node, |(_, node)| *node)
    }
}

/// What is open to the Internet by one rule.
#[derive(Debug)]
pub(crate) struct Opening {
    /// Index of the rule.
    pub(crate) rule: usize,
    /// The ports.
    pub(crate) ports: PortSet,
    /// Other rules that it takes to make it so: halves of the address space.
    pub(crate) with: Vec<usize>,
}

/// What a firewall opens in one direction.
#[derive(Debug, Default)]
pub(crate) struct Openings {
    /// By rule.
    pub(crate) found: Vec<Opening>,
    /// Why there may be more.
    pub(crate) unknown: Option<&'static str>,
}

/// A set of rules that are asked together.
#[derive(Debug)]
pub(crate) struct Firewall<'a> {
    /// What a finding about all of it is about.
    pub(crate) subject: Subject<'a>,
    /// What it is.
    pub(crate) kind: FirewallKind,
    /// Its rules.
    pub(crate) rules: Vec<FirewallRule<'a>>,
    /// Why there may be ingress rules that the input does not show.
    pub(crate) ingress_hidden: Option<&'static str>,
    /// Why there may be egress rules that the input does not show.
    pub(crate) egress_hidden: Option<&'static str>,
    /// The provider lets out what no rule decides.
    pub(crate) lets_out_by_default: bool,
    /// The group, network or list that comes with every VPC.
    pub(crate) is_default: bool,
    /// It stands before a load balancer.
    pub(crate) is_of_load_balancer: bool,
    /// It is the whole of it; false for a rule whose group is elsewhere.
    pub(crate) is_whole: bool,
    /// What its ingress rules open.
    pub(crate) ingress: Openings,
    /// What its egress rules open.
    pub(crate) egress: Openings,
}

impl<'a> Firewall<'a> {
    /// One without rules yet.
    pub(crate) fn new(subject: Subject<'a>, kind: FirewallKind) -> Self {
        Self {
            subject,
            kind,
            rules: Vec::new(),
            ingress_hidden: None,
            egress_hidden: None,
            lets_out_by_default: false,
            is_default: false,
            is_of_load_balancer: false,
            is_whole: true,
            ingress: Openings::default(),
            egress: Openings::default(),
        }
    }

    /// The rules of a direction.
    pub(crate) fn rules_of(&self, direction: Direction) -> impl Iterator<Item = &FirewallRule<'a>> {
        self.rules.iter().filter(move |rule| rule.direction == direction)
    }

    /// Works out what is open; to be called once all rules are there.
    pub(crate) fn work_out(&mut self) {
        self.ingress = openings(&self.rules, Direction::Ingress);
        self.egress = openings(&self.rules, Direction::Egress);
        self.ingress.unknown = self.ingress.unknown.or(self.ingress_hidden);
        self.egress.unknown = self.egress.unknown.or(self.egress_hidden);
    }

    /// True when traffic to all of the Internet leaves although no rule says so: what the provider does by default is not
    /// turned around by a rule that denies everything to everybody.
    pub(crate) fn leaves_by_default(&self) -> bool {
        self.lets_out_by_default
            && !self.rules_of(Direction::Egress).any(|rule| {
                !rule.allows
                    && rule.targets == Targets::All
                    && rule.ports.covers(&PortSet::protocol(Protocol::Tcp))
                    && rule.peers.cidrs.iter().any(|(set, _)| is_public(set))
            })
    }
}

/// Rules of one firewall that are judged together; a list that is longer is no configuration of anybody.
const RULES_MAX: usize = 4_000;

const UNKNOWN_TARGETS: &str = "which machines a rule is for is known only after it is applied";

fn openings(rules: &[FirewallRule<'_>], direction: Direction) -> Openings {
    let mut order: Vec<usize> =
        (0..rules.len()).filter(|&index| rules[index].direction == direction).collect();
    order.sort_by_key(|&index| (rules[index].priority, rules[index].allows));
    if order.len() > RULES_MAX {
        return Openings {
            found: Vec::new(),
            unknown: Some("there are more rules than are judged together"),
        };
    }
    let mut result = Openings {
        found: Vec::new(),
        unknown: order
            .iter()
            .filter(|&&index| rules[index].allows)
            .find_map(|&index| rules[index].why_unknown()),
    };
    // A rule that denies for machines that nobody knows yet may shield anything.
    let denies = |targets: fn(&Targets<'_>) -> bool| {
        order.iter().any(|&index| !rules[index].allows && targets(&rules[index].targets))
    };
    if denies(|targets| *targets == Targets::Unknown) {
        result.unknown = Some(UNKNOWN_TARGETS);
        return result;
    }
    let public: Vec<AddressSet> = rules.iter().map(FirewallRule::internet).collect();
    let mut groups: Vec<&Targets<'_>> = Vec::new();
    for &index in &order {
        let targets = &rules[index].targets;
        if rules[index].allows && !public[index].is_empty() && !groups.contains(&targets) {
            groups.push(targets);
        }
    }
    for targets in groups {
        if *targets == Targets::Unknown && denies(|targets| *targets != Targets::All) {
            result.unknown = Some(UNKNOWN_TARGETS);
            continue;
        }
        let asked: Vec<usize> = order
            .iter()
            .copied()
            .filter(|&index| {
                let rule = &rules[index];
                if rule.allows { rule.targets == *targets } else { rule.targets.covers(targets) }
            })
            .collect();
        of_group(rules, &asked, &public, &mut result);
    }
    result.found.sort_by_key(|opening| opening.rule);
    result
}

/// Asks the rules of one group in order, for each range of ports in which they all are the same.
fn of_group(rules: &[FirewallRule<'_>], asked: &[usize], public: &[AddressSet], result: &mut Openings) {
    for (protocol, from, to) in atoms(rules, asked) {
        let mut denied = AddressSet::empty();
        let mut let_in: Vec<(usize, AddressSet)> = Vec::new();
        for &index in asked {
            let rule = &rules[index];
            if !rule.ports.contains(protocol, from) {
                continue;
            }
            if !rule.allows {
                if rule.why_unknown().is_some() {
                    result.unknown = result.unknown.or(rule.why_unknown());
                }
                denied = denied.union(&public[index]);
                continue;
            }
            let rest = if denied.is_empty() { public[index].clone() } else { public[index].minus(&denied) };
            if !rest.is_empty() {
                let_in.push((index, rest));
            }
        }
        attribute(&let_in, &PortSet::range(protocol, from, to), result);
    }
}

/// Says by which rules the ports are open: for each family of addresses those that open (nearly) all of it alone, else the
/// first of those that come to the Internet together.
fn attribute(let_in: &[(usize, AddressSet)], ports: &PortSet, result: &mut Openings) {
    for family in [Family::V4, Family::V6] {
        let shares: Vec<(usize, f64)> = let_in
            .iter()
            .map(|(index, set)| (*index, family.share(set)))
            .filter(|(_, share)| *share > 0.0)
            .collect();
        let alone: Vec<usize> =
            shares.iter().filter(|(_, share)| *share >= ALL_BUT).map(|(index, _)| *index).collect();
        if !alone.is_empty() {
            for rule in alone {
                add(result, rule, ports, &[]);
            }
            continue;
        }
        let together = let_in.iter().fold(AddressSet::empty(), |all, (_, set)| all.union(set));
        if let ([(first, _), others @ ..], true) = (shares.as_slice(), family.share(&together) >= PUBLIC) {
            let others: Vec<usize> = others.iter().map(|(index, _)| *index).collect();
            add(result, *first, ports, &others);
        }
    }
}

fn add(result: &mut Openings, rule: usize, ports: &PortSet, with: &[usize]) {
    let opening = match result.found.iter_mut().position(|opening| opening.rule == rule) {
        Some(at) => &mut result.found[at],
        None => {
            result.found.push(Opening { rule, ports: PortSet::empty(), with: Vec::new() });
            let last = result.found.len() - 1;
            &mut result.found[last]
        }
    };
    opening.ports = opening.ports.union(ports);
    for &other in with {
        if !opening.with.contains(&other) {
            opening.with.push(other);
        }
    }
}

/// The ranges of ports within which no rule begins or ends.
fn atoms(rules: &[FirewallRule<'_>], asked: &[usize]) -> Vec<(Protocol, u16, u16)> {
    let mut found = Vec::new();
    for protocol in Protocol::ALL {
        let mut cuts: Vec<u32> = Vec::new();
        for &index in asked {
            for (of, from, to) in rules[index].ports.ranges() {
                if of == protocol {
                    cuts.extend([u32::from(from), u32::from(to) + 1]);
                }
            }
        }
        cuts.sort_unstable();
        cuts.dedup();
        for pair in cuts.windows(2) {
            if let [from, next] = pair
                && let (Ok(from), Ok(to)) = (u16::try_from(*from), u16::try_from(next - 1))
            {
                found.push((protocol, from, to));
            }
        }
    }
    found
}

/// The routed addresses, made once.
fn internet() -> &'static AddressSet {
    static ALL: LazyLock<AddressSet> = LazyLock::new(AddressSet::internet);
    &ALL
}

/// A share of a family's routed addresses from which on a set is the Internet for practical purposes: no list of
/// customers or offices is a quarter of it.
const PUBLIC: f64 = 0.25;
/// A share that leaves no more than some networks out.
const ALL_BUT: f64 = 0.75;

#[derive(Clone, Copy)]
enum Family {
    V4,
    V6,
}

impl Family {
    fn count(self, set: &AddressSet) -> u128 {
        set.ranges().fold(0, |sum, (first, last)| match (self, first, last) {
            (Self::V4, IpAddr::V4(first), IpAddr::V4(last)) => {
                sum + u128::from(last.to_bits() - first.to_bits()) + 1
            }
            (Self::V6, IpAddr::V6(first), IpAddr::V6(last)) => {
                sum.saturating_add(last.to_bits() - first.to_bits())
            }
            _ => sum,
        })
    }

    /// The part of the family's routed addresses that is in a set, from 0 to 1.
    fn share(self, set: &AddressSet) -> f64 {
        static ALL: LazyLock<[u128; 2]> =
            LazyLock::new(|| [Family::V4.count(internet()).max(1), Family::V6.count(internet()).max(1)]);
        let [v4, v6] = *ALL;
        let all = if matches!(self, Self::V4) { v4 } else { v6 };
        self.count(&set.intersection(internet())) as f64 / all as f64
    }
}

/// True when a set is the Internet for practical purposes: a quarter of the routed IPv4 addresses, or of the IPv6 ones.
///
/// `0.0.0.0/0` and `::/0` are; so are `0.0.0.0/1` and `128.0.0.0/1`, alone and together, and everything but a few networks.
pub(crate) fn is_public(set: &AddressSet) -> bool {
    Family::V4.share(set) >= PUBLIC || Family::V6.share(set) >= PUBLIC
}

/// The ports of a protocol by its name or number: those from `from` to `to`, all of them without bounds. Protocols
/// without ports have none.
pub(crate) fn ports_of(protocol: &str, from: Option<i64>, to: Option<i64>) -> PortSet {
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "-1" | "all" | "*" | "any" => return PortSet::all(),
        "tcp" | "6" => Protocol::Tcp,
        "udp" | "17" => Protocol::Udp,
        "sctp" | "132" => Protocol::Sctp,
        _ => return PortSet::empty(),
    };
    let (Some(from), Some(to)) = (from.filter(|from| *from >= 0), to.filter(|to| *to >= 0)) else {
        return PortSet::protocol(protocol);
    };
    // What lies beyond the last port does not exist.
    let Ok(from) = u16::try_from(from) else { return PortSet::empty() };
    PortSet::range(protocol, from, u16::try_from(to).unwrap_or(u16::MAX))
}

/// Ports written as `22`, `20-25` or `*`.
pub(crate) fn port_range(protocol: &str, text: &str) -> PortSet {
    let text = text.trim();
    if text == "*" || text.is_empty() {
        return if matches!(protocol, "*" | "all" | "-1") {
            PortSet::all()
        } else {
            ports_of(protocol, None, None)
        };
    }
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    match (from.trim().parse(), to.trim().parse()) {
        (Ok(from), Ok(to))
            if matches!(protocol.to_ascii_lowercase().as_str(), "*" | "all" | "-1" | "any") =>
        {
            Protocol::ALL
                .into_iter()
                .fold(PortSet::empty(), |all, one| all.union(&ports_of(one.as_str(), Some(from), Some(to))))
        }
        (Ok(from), Ok(to)) => ports_of(protocol, Some(from), Some(to)),
        _ => PortSet::empty(),
    }
}

/// A block or single address; nothing for words and references.
pub(crate) fn addresses(text: &str) -> Option<AddressSet> {
    let text = text.trim();
    if let Ok(cidr) = text.parse::<nightlatch_netpol::Cidr>() {
        return Some(AddressSet::from(cidr));
    }
    text.parse::<IpAddr>().ok().map(AddressSet::from)
}

#[cfg(test)]
#[path = "model_tests.rs"]
mod tests;
