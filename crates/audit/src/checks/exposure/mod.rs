//! Native checks of the family `exposure`, and what other families ask: which product a workload is ([`product`]) and by
//! which ways it is reached from outside ([`way`]).

pub(crate) mod product;
pub(crate) mod way;

mod api_server;
mod console;
mod dangling;
mod debug;
mod default_login;
mod external_name;
mod guard;
mod ingress_nginx;
mod ingress_tls;
mod listener;
mod published_port;
mod reachable;
mod service;
mod snippet;

use crate::{NativeCheck, PartCheck};

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("exposure/admin-port-published", published_port::check),
    ("exposure/admin-ui-published", console::published),
    ("exposure/apiserver-published", api_server::check),
    ("exposure/dangling-backend", dangling::check),
    ("exposure/debug-port-published", debug::check),
    ("exposure/default-credentials-default-name", default_login::check),
    ("exposure/externally-reachable", reachable::check),
    ("exposure/externalname-internal", external_name::check),
    ("exposure/gateway-plaintext", listener::check),
    ("exposure/ingress-nginx-eol-or-admission", ingress_nginx::check),
    ("exposure/ingress-nginx-snippet", snippet::check),
    ("exposure/ingress-no-tls", ingress_tls::no_tls),
    ("exposure/ingress-wildcard-host", ingress_tls::wildcard),
    ("exposure/service-external-ips", service::external_ips),
    ("exposure/service-loadbalancer-open", service::load_balancer),
    ("exposure/service-nodeport", service::node_port),
    ("exposure/tiller-deployed", console::tiller),
];

/// Those that look at one workload after the other.
pub(crate) const BY_WORKLOAD: &[(&str, PartCheck)] = &[("exposure/dashboard-deployed", console::dashboard)];
