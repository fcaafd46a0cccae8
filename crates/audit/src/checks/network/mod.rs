//! Native checks of the family `network`.

mod endpoints;
mod host_network;
mod idle;
mod isolation;
mod lateral;
mod metadata;
mod plugin;
mod rules;
mod tie;
mod view;

pub(crate) use view::View;

use crate::{NativeCheck, Sink};

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("network/cni-no-enforcement", plugin::cni_no_enforcement),
    ("network/endport-unsupported", plugin::endport_unsupported),
    ("network/manual-endpoints", endpoints::manual_endpoints),
];

/// A check that looks at the network of the input: all of them share one view of it.
pub(crate) type NetworkCheck = for<'a> fn(&View<'_, 'a>, &mut Sink<'a>);

/// Those that look at the network.
pub(crate) const OF_NETWORK: &[(&str, NetworkCheck)] = &[
    ("network/all-namespaces-peer", rules::all_namespaces_peer),
    ("network/allow-all-egress", rules::allow_all_egress),
    ("network/allow-all-ingress", rules::allow_all_ingress),
    ("network/cluster-policy-priority-tie", tie::cluster_policy_priority_tie),
    ("network/control-plane-ports-reachable", metadata::control_plane_ports_reachable),
    ("network/dangling-policy", idle::dangling_policy),
    ("network/default-deny-egress-missing", isolation::default_deny_egress_missing),
    ("network/default-deny-ingress-missing", isolation::default_deny_ingress_missing),
    ("network/egress-dns-open", rules::egress_dns_open),
    ("network/host-network-bypass", host_network::host_network_bypass),
    ("network/ingress-from-internet", rules::ingress_from_internet),
    ("network/lateral-movement-exposure", lateral::lateral_movement_exposure),
    ("network/metadata-service-reachable", metadata::metadata_service_reachable),
    ("network/named-port-unmatched", idle::named_port_unmatched),
    ("network/namespace-without-policy", isolation::namespace_without_policy),
    ("network/peer-and-or-confusion", rules::peer_and_or_confusion),
    ("network/peer-by-mutable-label", rules::peer_by_mutable_label),
    ("network/pod-not-isolated-egress", isolation::pod_not_isolated_egress),
    ("network/pod-not-isolated-ingress", isolation::pod_not_isolated_ingress),
    ("network/policy-types-inert", idle::policy_types_inert),
];
