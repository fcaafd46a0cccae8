//! Network ACLs.

use nightlatch_netpol::Protocol;

use super::{
    ingress::{finding, tell},
    model::{Direction, FirewallKind},
};
use crate::{Context, Found, Sink};

/// What people log in by.
const ADMIN: [u16; 2] = [22, 3389];

/// ACLs that let the whole Internet reach the ports that people log in by. Ephemeral ports are open on purpose: ACLs keep
/// no state.
pub(super) fn open<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for firewall in
        context.cloud.firewalls.iter().filter(|firewall| firewall.kind == FirewallKind::NetworkAcl)
    {
        let found: Vec<Found<'a>> = firewall
            .ingress
            .found
            .iter()
            .filter_map(|opening| {
                let ports: Vec<String> = ADMIN
                    .into_iter()
                    .filter(|port| opening.ports.contains(Protocol::Tcp, *port))
                    .map(|port| port.to_string())
                    .collect();
                (!ports.is_empty()).then(|| {
                    let ports = ports.join(" and ");
                    finding(
                        firewall,
                        opening,
                        format!("the network ACL lets the whole Internet reach port {ports}"),
                    )
                })
            })
            .collect();
        tell(firewall, Direction::Ingress, found, sink);
    }
}
