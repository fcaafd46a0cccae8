//! Nodes with addresses of the Internet.

use nightlatch_manifest::Node;

use super::{
    cluster::{Cluster, Provider},
    metadata::pools,
};
use crate::{Context, Found, Sink, Subject};

/// Node pools whose machines get public addresses.
pub(super) fn public<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for cluster in &context.cloud.clusters {
        match cluster.provider {
            Provider::Gke => gke(context, cluster, sink),
            Provider::Aks => aks(context, cluster, sink),
            Provider::Eks => {}
        }
    }
    node_groups_of_answers(context, sink);
    node_groups_of_plans(context, sink);
}

fn gke<'a>(context: &Context<'a>, cluster: &Cluster<'a>, sink: &mut Sink<'a>) {
    let own =
        cluster.get("privateClusterConfig.enablePrivateNodes", "private_cluster_config.enable_private_nodes");
    let newer = cluster.get("networkConfig.defaultEnablePrivateNodes", "-");
    if own.is_true() || newer.is_true() {
        return sink.pass();
    }
    if own.is_unknown() {
        return sink.unknown("whether the nodes are private is known only after it is applied");
    }
    let pools = pools(context, cluster);
    let all_private = !pools.is_empty()
        && pools.iter().all(|(_, pool)| {
            pool.first_of(&["networkConfig.enablePrivateNodes", "network_config.enable_private_nodes"])
                .is_true()
        });
    if all_private {
        return sink.pass();
    }
    cluster.fail(own, "the nodes of the cluster have addresses of the Internet").tell(sink);
}

fn aks<'a>(context: &Context<'a>, cluster: &Cluster<'a>, sink: &mut Sink<'a>) {
    let message = "the machines of this node pool have addresses of the Internet";
    let pools =
        cluster.fields.blocks(if cluster.is_planned { "default_node_pool" } else { "agentPoolProfiles" });
    for pool in pools {
        let seen = pool.first_of(&[
            "enableNodePublicIp",
            "enableNodePublicIP",
            "node_public_ip_enabled",
            "enable_node_public_ip",
        ]);
        if seen.is_true() {
            cluster.fail(seen, message).tell(sink);
        } else if seen.is_unknown() {
            sink.unknown("whether nodes get public addresses is known only after it is applied");
        } else {
            sink.pass();
        }
    }
    if !cluster.is_planned {
        return;
    }
    for pool in
        context.cloud.resources().filter(|resource| resource.kind == "azurerm_kubernetes_cluster_node_pool")
    {
        if pool.referred("kubernetes_cluster_id") != cluster.key {
            continue;
        }
        let seen = pool.fields.first_of(&["node_public_ip_enabled", "enable_node_public_ip"]);
        match seen.node() {
            Some(node) if seen.is_true() => {
                sink.fail(Found::new(Subject::other(pool.root, "NodePool", pool.address), node, message));
            }
            _ => sink.pass(),
        }
    }
}

const GROUP: &str = "machines of this node group stand in a subnet that gives them addresses of the Internet";

/// `aws eks describe-nodegroup`, with `aws ec2 describe-subnets` beside it.
fn node_groups_of_answers<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let answers = &context.cloud.answers;
    let subnets: Vec<Node<'a>> =
        answers.iter().filter_map(|document| document.root().get("Subnets")).flat_map(Node::items).collect();
    for document in answers {
        let Some(group) = document.root().get("nodegroup").filter(|group| group.get("subnets").is_some())
        else {
            continue;
        };
        let subject = Subject::other(group, "NodeGroup", group.get("nodegroupName").map_or("", Node::text));
        let mut seen_all = true;
        let mut failed = false;
        for own in group.get("subnets").into_iter().flat_map(Node::items) {
            let subnet = subnets
                .iter()
                .find(|subnet| subnet.get("SubnetId").is_some_and(|id| id.text() == own.text()));
            match subnet.map(|subnet| subnet.get("MapPublicIpOnLaunch")) {
                Some(Some(public)) if public.as_bool() == Some(true) => {
                    failed = true;
                    sink.fail(
                        Found::new(subject, own, GROUP)
                            .related("it gives every machine a public address", Some(public)),
                    );
                }
                Some(_) => {}
                None => seen_all = false,
            }
        }
        match (failed, seen_all) {
            (true, _) => {}
            (false, true) => sink.pass(),
            (false, false) => {
                sink.unknown("the answer does not show whether the subnets of the node group are public")
            }
        }
    }
    for document in answers {
        for version in document.root().get("LaunchTemplateVersions").into_iter().flat_map(Node::items) {
            let name = version.get("LaunchTemplateName").map_or("", Node::text);
            let interfaces = version.at("LaunchTemplateData.NetworkInterfaces");
            interface(
                Subject::other(version, "LaunchTemplate", name),
                interfaces,
                "AssociatePublicIpAddress",
                sink,
            );
        }
    }
}

fn interface<'a>(subject: Subject<'a>, interfaces: Option<Node<'a>>, key: &str, sink: &mut Sink<'a>) {
    for public in interfaces.into_iter().flat_map(Node::items).filter_map(|interface| interface.get(key)) {
        if public.as_bool() == Some(true) || public.text() == "true" {
            sink.fail(Found::new(
                subject,
                public,
                "machines of this launch template get addresses of the Internet",
            ));
        } else {
            sink.pass();
        }
    }
}

/// Node groups and subnets of one plan.
fn node_groups_of_plans<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for resources in &context.cloud.plans {
        for resource in resources {
            if resource.kind == "aws_launch_template" {
                let subject = Subject::other(resource.root, "LaunchTemplate", resource.address);
                let interfaces = resource.get("network_interfaces").node();
                interface(subject, interfaces, "associate_public_ip_address", sink);
            }
            if resource.kind != "aws_eks_node_group" {
                continue;
            }
            let subject = Subject::other(resource.root, "NodeGroup", resource.address);
            let referred = resource.all_referred("subnet_ids");
            let own: Vec<_> = resources
                .iter()
                .filter(|other| other.kind == "aws_subnet" && referred.contains(&other.key()))
                .collect();
            let public = own.iter().find(|subnet| subnet.get("map_public_ip_on_launch").is_true());
            match public {
                Some(subnet) => {
                    let at = subnet.get("map_public_ip_on_launch").node();
                    let place = resource.get("subnet_ids").node().unwrap_or(resource.fields.values);
                    sink.fail(
                        Found::new(subject, place, GROUP)
                            .related("it gives every machine a public address", at),
                    );
                }
                None if own.is_empty() => {
                    sink.unknown("the plan does not show the subnets of the node group")
                }
                None => sink.pass(),
            }
        }
    }
}
