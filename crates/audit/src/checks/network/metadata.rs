//! Addresses of the platform that pods should not talk to.

use std::net::IpAddr;

use nightlatch_finding::Severity;
use nightlatch_manifest::Node;
use nightlatch_netpol::{AddressSet, Certainty, Cidr, Direction, Protocol};

use super::{isolation::Isolation, view::View};
use crate::{Context, Found, Sink};

/// Metadata services: AWS, Azure, Google and most others; AWS by IPv6; Azure's platform address; Alibaba Cloud.
const METADATA: [&str; 4] = ["169.254.169.254", "fd00:ec2::254", "168.63.129.16", "100.100.100.200"];
/// Ports of kubelet, etcd and API server.
const CONTROL_PLANE: [(u16, &str); 5] = [
    (10250, "kubelet"),
    (10255, "read-only kubelet"),
    (2379, "etcd"),
    (2380, "etcd peers"),
    (6443, "API server"),
];
/// Where nodes are, when their addresses are not known.
const PRIVATE: [&str; 3] = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"];
/// Annotations of service accounts that give pods a cloud identity of their own.
const CLOUD_IDENTITY: [&str; 3] =
    ["eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id"];

pub(super) fn metadata_service_reachable<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    let context = view.context;
    let metadata = METADATA.iter().filter_map(|text| text.parse::<IpAddr>().ok());
    let metadata = metadata.fold(AddressSet::empty(), |all, address| all.union(&address.into()));
    let in_cloud = context.objects_of("Node").any(|node| {
        let provider = node.root.at("spec.providerID").and_then(Node::as_str).unwrap_or("");
        provider.contains("://") && !provider.starts_with("kind://") && !provider.starts_with("k3s://")
    });
    for (at, pod) in view.network.pods.iter().enumerate() {
        if pod.host_network {
            continue;
        }
        let regions = view.engine().outside(at, Direction::Egress, Certainty::Sure, &metadata);
        let reached = regions.iter().filter(|region| region.ports.contains(Protocol::Tcp, 80));
        let reached = reached.fold(AddressSet::empty(), |all, region| all.union(&region.addresses));
        if reached.is_empty() {
            sink.pass();
            continue;
        }
        match view.isolation(at, Direction::Egress) {
            Isolation::Unknown => sink.unknown("policies of a network plugin concern the pod"),
            // Whether there is such a service at all is not known, and that egress is open is another rule's matter.
            Isolation::Open if !in_cloud => {
                sink.unknown("egress is not restricted, and whether nodes run in a cloud is not in the input")
            }
            _ => {
                let Some((subject, place)) = view.pod(at) else { continue };
                let message =
                    format!("policies let the pod reach the cloud's metadata service ({reached}, TCP 80)");
                let mut found = Found::new(subject, place, message);
                if has_identity(context, subject.root) {
                    found = found.severity(Severity::Medium);
                }
                for &policy in view.engine().isolating(at, Direction::Egress) {
                    let object = view.object(view.network.policies[policy as usize].origin);
                    found =
                        found.related("a policy that restricts its egress", object.map(super::view::name_of));
                }
                sink.fail(found);
            }
        }
    }
}

fn has_identity(context: &Context<'_>, root: Node<'_>) -> bool {
    let Some(workload) = context.workloads.iter().find(|workload| workload.object.root == root) else {
        return false;
    };
    let account = context.object("ServiceAccount", workload.object.namespace, workload.service_account());
    account.is_some_and(|account| CLOUD_IDENTITY.iter().any(|key| account.annotation(key).is_some()))
}

pub(super) fn control_plane_ports_reachable<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    let context = view.context;
    let known = view.network.nodes.iter().flat_map(|node| &node.addresses);
    let nodes = known.fold(AddressSet::empty(), |all, &address| all.union(&address.into()));
    let is_known = !nodes.is_empty();
    let private: Vec<Cidr> = PRIVATE.iter().filter_map(|text| text.parse().ok()).collect();
    let wanted = if is_known { nodes } else { AddressSet::of(&private) };
    for (at, pod) in view.network.pods.iter().enumerate() {
        if pod.host_network {
            continue;
        }
        let isolation = view.isolation(at, Direction::Egress);
        if isolation != Isolation::Isolated && !context.is_full() {
            sink.unknown("egress is not restricted by what is in the input");
            continue;
        }
        if isolation == Isolation::Unknown {
            sink.unknown("policies of a network plugin concern the pod");
            continue;
        }
        let regions = view.engine().outside(at, Direction::Egress, Certainty::Sure, &wanted);
        let hit = |port: u16, whole: bool| {
            regions.iter().any(|region| {
                region.ports.contains(Protocol::Tcp, port) && (!whole || region.addresses.covers(&wanted))
            })
        };
        let whole = !is_known;
        let open: Vec<String> = CONTROL_PLANE
            .iter()
            .filter(|(port, _)| hit(*port, whole))
            .map(|(port, name)| format!("{port} ({name})"))
            .collect();
        if open.is_empty() {
            match CONTROL_PLANE.iter().any(|(port, _)| hit(*port, false)) {
                true => sink.unknown("which addresses nodes have is not in the input"),
                false => sink.pass(),
            }
            continue;
        }
        let Some((subject, place)) = view.pod(at) else { continue };
        let message = format!("policies let the pod reach nodes on TCP {}", open.join(", "));
        let found = Found::new(subject, place, message);
        // That nothing is restricted at all is another rule's matter.
        sink.fail(if isolation == Isolation::Open { found.severity(Severity::Info) } else { found });
    }
}
