//! Who may reach the API server of a managed cluster.
//!
//! Source: Amazon EKS user guide (cluster endpoint access: public and open to 0.0.0.0/0 unless told otherwise); GKE
//! documentation (authorized networks, control plane endpoints); AKS documentation (authorized IP ranges, private clusters).

use nightlatch_manifest::Node;
use nightlatch_netpol::AddressSet;

use super::{
    cluster::{Cluster, Judged, Provider},
    fields::Seen,
    model::{addresses, is_public},
};
use crate::{Context, Sink};

const LATER: &str = "who may reach the endpoint is known only after it is applied";
const OPEN: &str = "the API server of the cluster is reachable from the whole Internet";

/// Endpoints that everybody reaches.
pub(super) fn public<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for cluster in &context.cloud.clusters {
        let judged = match cluster.provider {
            Provider::Eks => eks(cluster),
            Provider::Gke => gke(cluster),
            Provider::Aks => aks(cluster),
        };
        judged.tell(sink);
    }
}

fn eks<'a>(cluster: &Cluster<'a>) -> Judged<'a> {
    let public = cluster.get("resourcesVpcConfig.endpointPublicAccess", "vpc_config.endpoint_public_access");
    if public.is_false() {
        return Judged::Pass;
    }
    if public.is_unknown() {
        return Judged::Unknown(LATER);
    }
    let blocks = cluster.get("resourcesVpcConfig.publicAccessCidrs", "vpc_config.public_access_cidrs");
    match blocks {
        Seen::Value(list) if !list.is_empty() => open_list(cluster, list.items().collect()),
        Seen::Unknown => Judged::Unknown(LATER),
        _ => cluster.fail(public, format!("{OPEN}: no list of addresses limits it")),
    }
}

/// Fails when the blocks of a list come to the whole Internet.
fn open_list<'a>(cluster: &Cluster<'a>, blocks: Vec<Node<'a>>) -> Judged<'a> {
    let mut all = AddressSet::empty();
    for block in &blocks {
        let Some(set) = addresses(block.text()) else { continue };
        if is_public(&set) {
            return Judged::broken(cluster.found(Seen::Value(*block), OPEN));
        }
        all = all.union(&set);
    }
    match blocks.first() {
        Some(first) if is_public(&all) => Judged::broken(cluster.found(Seen::Value(*first), OPEN)),
        _ => Judged::Pass,
    }
}

fn gke<'a>(cluster: &Cluster<'a>) -> Judged<'a> {
    let private = [
        cluster.get(
            "privateClusterConfig.enablePrivateEndpoint",
            "private_cluster_config.enable_private_endpoint",
        ),
        cluster.get("controlPlaneEndpointsConfig.ipEndpointsConfig.enablePublicEndpoint", "-"),
        cluster.get(
            "controlPlaneEndpointsConfig.ipEndpointsConfig.enabled",
            "control_plane_endpoints_config.ip_endpoints_config.enabled",
        ),
    ];
    if private[0].is_true() || private[1].is_false() || private[2].is_false() {
        return Judged::Pass;
    }
    let block = cluster.get("masterAuthorizedNetworksConfig", "master_authorized_networks_config");
    let newer = cluster.get("controlPlaneEndpointsConfig.ipEndpointsConfig.authorizedNetworksConfig", "-");
    if private[0].is_unknown() || block.is_unknown() {
        return Judged::Unknown(LATER);
    }
    let is_on = |seen: Seen<'a>| match seen.node() {
        Some(node) if cluster.is_planned => !node.is_empty(),
        Some(node) => node.get("enabled").and_then(Node::as_bool) == Some(true),
        None => false,
    };
    if !is_on(block) && !is_on(newer) {
        return cluster
            .fail(block, format!("{OPEN}: authorized networks are off and the public endpoint is on"));
    }
    let blocks = gke_blocks(cluster);
    if blocks.iter().any(|seen| seen.is_unknown()) {
        return Judged::Unknown(LATER);
    }
    open_list(cluster, blocks.into_iter().filter_map(Seen::node).collect())
}

fn gke_blocks<'a>(cluster: &Cluster<'a>) -> Vec<Seen<'a>> {
    let lists: &[(&str, &str)] = if cluster.is_planned {
        &[("master_authorized_networks_config.cidr_blocks", "cidr_block")]
    } else {
        &[
            ("masterAuthorizedNetworksConfig.cidrBlocks", "cidrBlock"),
            (
                "controlPlaneEndpointsConfig.ipEndpointsConfig.authorizedNetworksConfig.cidrBlocks",
                "cidrBlock",
            ),
        ]
    };
    let mut found = Vec::new();
    for (list, key) in lists {
        let (parent, last) = list.rsplit_once('.').unwrap_or(("", list));
        for block in cluster.fields.blocks(parent).iter().flat_map(|parent| parent.blocks(last)) {
            found.push(block.get(key));
        }
    }
    found
}

fn aks<'a>(cluster: &Cluster<'a>) -> Judged<'a> {
    let private = cluster.get("apiServerAccessProfile.enablePrivateCluster", "private_cluster_enabled");
    if private.is_true() {
        return Judged::Pass;
    }
    let mut ranges = cluster
        .get("apiServerAccessProfile.authorizedIpRanges", "api_server_access_profile.authorized_ip_ranges");
    if ranges.node().is_none_or(Node::is_empty) {
        ranges = match cluster
            .get("apiServerAccessProfile.authorizedIPRanges", "api_server_authorized_ip_ranges")
        {
            Seen::Absent if ranges.is_unknown() => ranges,
            other => other,
        };
    }
    match ranges {
        Seen::Value(list) if !list.is_empty() => open_list(cluster, list.items().collect()),
        Seen::Unknown => Judged::Unknown(LATER),
        _ if private.is_unknown() => Judged::Unknown(LATER),
        _ => {
            cluster.fail(private, format!("{OPEN}: the cluster is not private and has no authorized ranges"))
        }
    }
}
