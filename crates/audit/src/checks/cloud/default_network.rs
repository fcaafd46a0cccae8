//! Groups and networks that come with every account and that nobody chose.

use super::{
    cluster::Provider,
    fields::Seen,
    model::{Direction, Firewall, FirewallKind},
};
use crate::{Context, Found, Sink};

/// Default security groups with rules, and use of the default network.
pub(super) fn used<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for firewall in &context.cloud.firewalls {
        match firewall.kind {
            FirewallKind::SecurityGroup if firewall.is_default => group(firewall, sink),
            FirewallKind::VpcNetwork if firewall.is_default => {
                let message = "firewall rules stand on the default network, which every project has and which is open inside";
                sink.fail(Found::new(firewall.subject, firewall.subject.root, message));
            }
            FirewallKind::VpcNetwork => sink.pass(),
            _ => {}
        }
    }
    for cluster in context.cloud.clusters.iter().filter(|cluster| cluster.provider == Provider::Gke) {
        match cluster.get("network", "network") {
            Seen::Unknown => sink.unknown("the network of the cluster is known only after it is applied"),
            seen if seen.text().unwrap_or("default").rsplit('/').next() == Some("default") => {
                cluster.fail(seen, "the cluster stands in the default network of its project").tell(sink);
            }
            _ => sink.pass(),
        }
    }
}

fn group<'a>(firewall: &Firewall<'a>, sink: &mut Sink<'a>) {
    let count = |direction| firewall.rules_of(direction).count();
    let (ingress, egress) = (count(Direction::Ingress), count(Direction::Egress));
    match firewall.rules.first() {
        Some(rule) => sink.fail(Found::new(
            firewall.subject,
            rule.node,
            format!("the default security group has {ingress} ingress and {egress} egress rules; whatever names no group gets it"),
        )),
        None => match firewall.ingress_hidden.or(firewall.egress_hidden) {
            Some(why) => sink.unknown(why),
            None => sink.pass(),
        },
    }
}
