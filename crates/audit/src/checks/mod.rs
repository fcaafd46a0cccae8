//! Native checks: what the closed shapes of a rule file cannot say. One folder for each family of rules, one file for
//! each check or for a few that share everything; a test pairs the lists with the rules.

pub(crate) mod admission;
pub(crate) mod apiserver;
pub(crate) mod cloud;
pub(crate) mod compose;
pub(crate) mod controller_manager;
pub(crate) mod docker;
pub(crate) mod etcd;
pub(crate) mod exposure;
pub(crate) mod kube_proxy;
pub(crate) mod kubelet;
pub(crate) mod network;
pub(crate) mod node;
pub(crate) mod path;
pub(crate) mod pod;
pub(crate) mod rbac;
pub(crate) mod scheduler;
pub(crate) mod secrets;

use crate::{NativeCheck, PartCheck};

/// All native checks, family by family.
pub(crate) const FAMILIES: &[&[(&str, NativeCheck)]] = &[
    apiserver::CHECKS,
    controller_manager::CHECKS,
    scheduler::CHECKS,
    etcd::CHECKS,
    kubelet::CHECKS,
    kube_proxy::CHECKS,
    node::CHECKS,
    admission::CHECKS,
    rbac::CHECKS,
    network::CHECKS,
    secrets::CHECKS,
    exposure::CHECKS,
    pod::CHECKS,
    docker::CHECKS,
    compose::CHECKS,
    cloud::CHECKS,
    path::CHECKS,
];

/// The native checks that judge one workload after the other, family by family.
pub(crate) const FAMILIES_BY_WORKLOAD: &[&[(&str, PartCheck)]] =
    &[secrets::BY_WORKLOAD, exposure::BY_WORKLOAD, pod::BY_WORKLOAD];

/// The native checks that look at the network of the input.
pub(crate) const OF_NETWORK: &[&[(&str, network::NetworkCheck)]] = &[network::OF_NETWORK];

/// The check of a name, when it looks at the network.
pub(crate) fn of_network(name: &str) -> Option<network::NetworkCheck> {
    of_name(OF_NETWORK, name)
}

/// The check of a name.
pub(crate) fn native(name: &str) -> Option<NativeCheck> {
    of_name(FAMILIES, name)
}

/// The check of a name, when it judges one workload after the other.
pub(crate) fn by_workload(name: &str) -> Option<PartCheck> {
    of_name(FAMILIES_BY_WORKLOAD, name)
}

fn of_name<C: Copy>(families: &[&[(&str, C)]], name: &str) -> Option<C> {
    families.iter().flat_map(|family| family.iter()).find(|(own, _)| *own == name).map(|(_, check)| *check)
}
