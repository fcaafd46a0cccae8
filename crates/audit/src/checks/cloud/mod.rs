//! Native checks of the family `cloud`: security groups, network ACLs, firewall rules and managed clusters.

mod acl;
mod aws;
mod azure;
mod cloudformation;
mod cluster;
mod data_ports;
mod default_network;
mod egress;
mod endpoint;
mod estate;
mod fields;
mod gcp;
mod ingress;
mod managed;
mod metadata;
mod model;
mod nodes;
mod terraform;

pub(crate) use estate::Estate;

use crate::NativeCheck;

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("cloud/acl-open", acl::open),
    ("cloud/all-ports-open", ingress::all_ports),
    ("cloud/control-plane-logs-off", managed::logging),
    ("cloud/data-ports-open", ingress::data_ports),
    ("cloud/default-network", default_network::used),
    ("cloud/egress-unrestricted", egress::unrestricted),
    ("cloud/endpoint-public", endpoint::public),
    ("cloud/http-open", ingress::http),
    ("cloud/legacy-login", managed::legacy_login),
    ("cloud/metadata-open", metadata::open),
    ("cloud/network-policy-off", managed::network_policy),
    ("cloud/nodes-public", nodes::public),
    ("cloud/platform-ports-open", ingress::platform_ports),
    ("cloud/rdp-open", ingress::rdp),
    ("cloud/secrets-unencrypted", managed::secrets_encryption),
    ("cloud/ssh-open", ingress::ssh),
    ("cloud/wide-range", ingress::wide_range),
];
