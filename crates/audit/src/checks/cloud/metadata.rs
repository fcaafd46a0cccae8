//! The metadata service of cloud machines, which hands out the credentials of the node.

use nightlatch_finding::Severity;
use nightlatch_manifest::Node;

use super::{
    cloudformation,
    cluster::{Cluster, Judged, Provider},
    fields::{Fields, Seen},
};
use crate::{Context, Found, Sink, Subject};

/// Fields for tokens, hop limit and the endpoint itself.
const ANSWER: [&str; 3] =
    ["MetadataOptions.HttpTokens", "MetadataOptions.HttpPutResponseHopLimit", "MetadataOptions.HttpEndpoint"];
const PLAN: [&str; 3] = [
    "metadata_options.http_tokens",
    "metadata_options.http_put_response_hop_limit",
    "metadata_options.http_endpoint",
];

/// Launch templates of AWS that do not require version 2, or let its answers hop into containers; node pools of Google
/// Cloud whose pods reach the metadata of the node.
pub(super) fn open<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for document in &context.cloud.answers {
        let root = document.root();
        for version in root.get("LaunchTemplateVersions").into_iter().flat_map(Node::items) {
            let Some(data) = version.get("LaunchTemplateData") else { continue };
            let name =
                ["LaunchTemplateName", "LaunchTemplateId"].into_iter().find_map(|key| version.get(key));
            let subject = Subject::other(version, "LaunchTemplate", name.map_or("", Node::text));
            template(subject, &Fields::of_answer(data), ANSWER).tell(sink);
        }
    }
    for resource in context.cloud.answers.iter().flat_map(|document| cloudformation::resources(document)) {
        let Some(data) = resource
            .properties
            .get("LaunchTemplateData")
            .filter(|_| resource.kind == "AWS::EC2::LaunchTemplate")
        else {
            continue;
        };
        let subject = Subject::other(resource.properties, "LaunchTemplate", resource.name.text());
        template(subject, &Fields::of_answer(data), ANSWER).tell(sink);
    }
    for resource in context.cloud.resources() {
        if matches!(resource.kind, "aws_launch_template" | "aws_launch_configuration" | "aws_instance") {
            let kind = if resource.kind == "aws_instance" { "Instance" } else { "LaunchTemplate" };
            let subject = Subject::other(resource.root, kind, resource.address);
            template(subject, &resource.fields, PLAN).tell(sink);
        }
    }
    for cluster in context.cloud.clusters.iter().filter(|cluster| cluster.provider == Provider::Gke) {
        gke(context, cluster, sink);
    }
}

fn template<'a>(
    subject: Subject<'a>,
    fields: &Fields<'a>,
    [tokens, hops, endpoint]: [&str; 3],
) -> Judged<'a> {
    if fields.get(endpoint).text() == Some("disabled") {
        return Judged::Pass;
    }
    let (seen, limit) = (fields.get(tokens), fields.get(hops));
    match seen {
        Seen::Unknown => {
            Judged::Unknown("whether the metadata service wants a token is known only after it is applied")
        }
        Seen::Absent => {
            let message = "nothing says that the metadata service wants a token; the account's and the image's defaults decide";
            Judged::broken(Found::new(subject, fields.values, message).severity(Severity::Medium))
        }
        Seen::Value(node) if node.text() != "required" => {
            let message = "the metadata service answers without a token (version 1), so one forged request reads the node's credentials";
            Judged::broken(Found::new(subject, node, message))
        }
        Seen::Value(_) => match (limit.number(), limit) {
            (Some(hops), Seen::Value(node)) if hops > 1 => {
                let message = format!(
                    "answers of the metadata service may take {hops} hops, so containers get the node's credentials too"
                );
                Judged::broken(Found::new(subject, node, message).severity(Severity::Medium))
            }
            (_, Seen::Unknown) => {
                Judged::Unknown("the hop limit of the metadata service is known only after it is applied")
            }
            _ => Judged::Pass,
        },
    }
}

/// Each pool on its own; without pools the default one.
fn gke<'a>(context: &Context<'a>, cluster: &Cluster<'a>, sink: &mut Sink<'a>) {
    if cluster.get("autopilot.enabled", "enable_autopilot").is_true() {
        return sink.pass();
    }
    for (subject, pool) in pools(context, cluster) {
        let mode = pool.first_of(&[
            "config.workloadMetadataConfig.mode",
            "config.workloadMetadataConfig.nodeMetadata",
            "node_config.workload_metadata_config.mode",
            "node_config.workload_metadata_config.node_metadata",
        ]);
        match mode {
            Seen::Unknown => {
                sink.unknown("the metadata mode of a node pool is known only after it is applied")
            }
            Seen::Value(node) if matches!(node.text(), "GKE_METADATA" | "GKE_METADATA_SERVER" | "SECURE") => {
                sink.pass()
            }
            seen => {
                let message = "pods of this node pool reach the metadata of the node and with it the node's service account";
                sink.fail(Found::new(subject, seen.node().unwrap_or(pool.values), message));
            }
        }
    }
}

/// The node pools of a cluster of Google Cloud: listed in it, and of a plan also those that are resources of their own.
pub(super) fn pools<'a>(context: &Context<'a>, cluster: &Cluster<'a>) -> Vec<(Subject<'a>, Fields<'a>)> {
    if !cluster.is_planned {
        return cluster.fields.blocks("nodePools").into_iter().map(|pool| (cluster.subject, pool)).collect();
    }
    let mut found: Vec<(Subject<'a>, Fields<'a>)> =
        cluster.fields.blocks("node_pool").into_iter().map(|pool| (cluster.subject, pool)).collect();
    let name = cluster.fields.get("name").text();
    for resource in context.cloud.resources().filter(|resource| resource.kind == "google_container_node_pool")
    {
        let of = resource.get("cluster").text();
        let is_own = match (of, name) {
            (Some(of), Some(name)) => of == name || of.ends_with(&format!("/{name}")),
            _ => resource.referred("cluster").is_some() && resource.referred("cluster") == cluster.key,
        };
        if is_own {
            found.push((Subject::other(resource.root, "NodePool", resource.address), resource.fields));
        }
    }
    let keeps_default = !cluster.fields.get("remove_default_node_pool").is_true();
    if found.is_empty() && keeps_default {
        found.push((cluster.subject, cluster.fields));
    }
    found
}
