//! Traffic that leaves for anywhere.

use nightlatch_netpol::{PortSet, Protocol};

use super::{
    ingress::{finding, name, tell},
    model::{Direction, FirewallKind},
};
use crate::{Context, Found, Sink};

/// Egress of every protocol, or of every TCP port, to the whole Internet; by a rule or by the provider's default.
pub(super) fn unrestricted<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for firewall in
        context.cloud.firewalls.iter().filter(|firewall| firewall.kind != FirewallKind::NetworkAcl)
    {
        let mut found: Vec<Found<'a>> = firewall
            .egress
            .found
            .iter()
            .filter(|opening| opening.ports.covers(&PortSet::protocol(Protocol::Tcp)))
            .map(|opening| {
                finding(
                    firewall,
                    opening,
                    format!("{} lets everything out to the whole Internet", name(firewall)),
                )
            })
            .collect();
        if found.is_empty() && firewall.leaves_by_default() && firewall.egress.unknown.is_none() {
            let what = if firewall.kind == FirewallKind::VpcNetwork { "the network" } else { name(firewall) };
            let message = format!(
                "{what} has no rule for egress, and by default everything may leave for the whole Internet"
            );
            found.push(Found::new(firewall.subject, firewall.subject.root, message));
        }
        tell(firewall, Direction::Egress, found, sink);
    }
}
