//! What is open to the Internet: one check for each group of ports.

use nightlatch_finding::Severity;
use nightlatch_netpol::{PortSet, Protocol};

use super::model::{Direction, Firewall, FirewallKind, Opening};
use crate::{Context, Found, Sink};

/// Every port of a protocol, or everything.
pub(super) fn all_ports<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    each(context, sink, |firewall, opening| {
        let whole = |protocol| opening.ports.covers(&PortSet::protocol(protocol));
        let what = match (whole(Protocol::Tcp), whole(Protocol::Udp)) {
            (true, true) => "every port",
            (true, false) => "every TCP port",
            (false, true) => "every UDP port",
            (false, false) => return None,
        };
        Some(finding(firewall, opening, format!("{} lets the whole Internet reach {what}", name(firewall))))
    });
}

/// Port 22.
pub(super) fn ssh<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    single(context, sink, 22, "SSH");
}

/// Port 3389.
pub(super) fn rdp<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    single(context, sink, 3389, "Remote Desktop");
}

/// Port 80.
pub(super) fn http<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    single(context, sink, 80, "unencrypted HTTP");
}

fn single<'a>(context: &Context<'a>, sink: &mut Sink<'a>, port: u16, what: &str) {
    each(context, sink, |firewall, opening| {
        opening.ports.contains(Protocol::Tcp, port).then(|| {
            finding(
                firewall,
                opening,
                format!("{} lets the whole Internet reach port {port} ({what})", name(firewall)),
            )
        })
    });
}

/// Ports of Docker, etcd, the Kubernetes API and node components, dashboards.
const PLATFORM: [(u16, u16); 6] =
    [(2375, 2377), (2379, 2380), (6443, 6443), (8001, 8001), (8443, 8443), (10_248, 10_259)];
/// Where Kubernetes publishes services of type NodePort by default.
const NODE_PORTS: (u16, u16) = (30_000, 32_767);

/// Ports of the platform itself; node ports are less severe, and so is anything that only a load balancer answers.
pub(super) fn platform_ports<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    each(context, sink, |firewall, opening| {
        let found = tcp(&PLATFORM).intersection(&opening.ports);
        let node_ports = tcp(&[NODE_PORTS]).intersection(&opening.ports);
        if found.is_empty() && node_ports.is_empty() {
            return None;
        }
        let severity = match (firewall.is_of_load_balancer, found.is_empty()) {
            (true, _) => Severity::Medium,
            (false, true) => Severity::High,
            (false, false) => Severity::Critical,
        };
        let shown = shown(&found.union(&node_ports));
        let message =
            format!("{} lets the whole Internet reach ports of the platform: {shown}", name(firewall));
        Some(finding(firewall, opening, message).severity(severity))
    });
}

/// Ports of databases, caches and message brokers.
pub(super) fn data_ports<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    each(context, sink, |firewall, opening| {
        let found = super::data_ports::all().intersection(&opening.ports);
        if found.is_empty() {
            return None;
        }
        let message = format!(
            "{} lets the whole Internet reach ports of data stores: {}",
            name(firewall),
            shown(&found)
        );
        Some(finding(firewall, opening, message))
    });
}

/// Ports of one protocol that one rule opens in one piece.
const WIDE: u32 = 100;

/// Ranges of more ports than any service needs.
pub(super) fn wide_range<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    each(context, sink, |firewall, opening| {
        let (protocol, from, to) = opening.ports.ranges().max_by_key(|(_, from, to)| to - from)?;
        let count = u32::from(to - from) + 1;
        (count > WIDE).then(|| {
            let message = format!(
                "{} lets the whole Internet reach {count} {protocol} ports at once: {from} to {to}",
                name(firewall)
            );
            finding(firewall, opening, message)
        })
    });
}

/// Asks about each opening of each firewall that is no network ACL.
fn each<'a>(
    context: &Context<'a>,
    sink: &mut Sink<'a>,
    judge: impl Fn(&Firewall<'a>, &Opening) -> Option<Found<'a>>,
) {
    for firewall in
        context.cloud.firewalls.iter().filter(|firewall| firewall.kind != FirewallKind::NetworkAcl)
    {
        let found: Vec<Found<'a>> =
            firewall.ingress.found.iter().filter_map(|opening| judge(firewall, opening)).collect();
        tell(firewall, Direction::Ingress, found, sink);
    }
}

/// Findings; else unknown when something cannot be known; else passed, when there was anything to look at.
pub(super) fn tell<'a>(
    firewall: &Firewall<'a>,
    direction: Direction,
    found: Vec<Found<'a>>,
    sink: &mut Sink<'a>,
) {
    let openings = if direction == Direction::Ingress { &firewall.ingress } else { &firewall.egress };
    match (found.is_empty(), openings.unknown) {
        (true, Some(why)) => sink.unknown(why),
        (true, None) if firewall.is_whole || firewall.rules_of(direction).next().is_some() => sink.pass(),
        _ => found.into_iter().for_each(|found| sink.fail(found)),
    }
}

/// A finding at the rule that makes an opening, with the others that it takes.
pub(super) fn finding<'a>(firewall: &Firewall<'a>, opening: &Opening, message: String) -> Found<'a> {
    let rule = &firewall.rules[opening.rule];
    let mut found = Found::new(rule.subject, rule.place(), message)
        .cause(format!("rule:{}", rule.node.pointer_from(rule.subject.root)));
    for &other in opening.with.iter().take(RELATED_MAX) {
        found = found
            .related("together with this rule it is the whole Internet", Some(firewall.rules[other].place()));
    }
    found
}

const RELATED_MAX: usize = 8;

/// What to call it in a sentence.
pub(super) fn name(firewall: &Firewall<'_>) -> &'static str {
    match firewall.kind {
        FirewallKind::SecurityGroup => "the security group",
        FirewallKind::NetworkAcl => "the network ACL",
        FirewallKind::VpcNetwork => "the firewall rule",
        FirewallKind::NetworkSecurityGroup => "the network security group",
    }
}

fn tcp(ranges: &[(u16, u16)]) -> PortSet {
    ranges
        .iter()
        .fold(PortSet::empty(), |all, &(from, to)| all.union(&PortSet::range(Protocol::Tcp, from, to)))
}

/// Ports for a sentence.
fn shown(ports: &PortSet) -> String {
    let mut out: Vec<String> = ports
        .ranges()
        .take(SHOWN_MAX + 1)
        .map(|(_, from, to)| if from == to { from.to_string() } else { format!("{from}-{to}") })
        .collect();
    if out.len() > SHOWN_MAX {
        out.truncate(SHOWN_MAX);
        out.push("and more".to_owned());
    }
    out.join(", ")
}

const SHOWN_MAX: usize = 10;
