//! What the network plugin makes of policies.

use nightlatch_manifest::{Node, Object};

use super::view::name_of;
use crate::{Context, Found, Sink, Subject};

/// A network plugin, by parts of its images' names.
struct Plugin {
    name: &'static str,
    images: &'static [&'static str],
    /// It enforces NetworkPolicies.
    enforces: bool,
    /// It takes `endPort` into account.
    end_port: bool,
}

const PLUGINS: &[Plugin] = &[
    Plugin { name: "Calico", images: &["calico/node", "calico-node"], enforces: true, end_port: true },
    Plugin {
        name: "Cilium",
        images: &["cilium/cilium", "/cilium:", "cilium-agent"],
        enforces: true,
        end_port: true,
    },
    Plugin {
        name: "Antrea",
        images: &["antrea-agent", "antrea/antrea", "antrea-ubuntu"],
        enforces: true,
        end_port: true,
    },
    Plugin { name: "OVN-Kubernetes", images: &["ovn-kube", "ovnkube"], enforces: true, end_port: true },
    Plugin { name: "Kube-OVN", images: &["kubeovn/kube-ovn"], enforces: true, end_port: true },
    Plugin { name: "kube-router", images: &["kube-router"], enforces: true, end_port: true },
    Plugin { name: "Weave Net", images: &["weave-npc", "weaveworks/weave"], enforces: true, end_port: false },
    Plugin { name: "Azure NPM", images: &["azure-npm"], enforces: true, end_port: true },
    Plugin {
        name: "AWS network policy agent",
        images: &["aws-network-policy-agent"],
        enforces: true,
        end_port: true,
    },
    Plugin {
        name: "kube-network-policies",
        images: &["kube-network-policies"],
        enforces: true,
        end_port: true,
    },
    Plugin { name: "Flannel", images: &["flannel"], enforces: false, end_port: false },
    Plugin { name: "AWS VPC CNI", images: &["amazon-k8s-cni"], enforces: false, end_port: false },
    Plugin { name: "bridge", images: &["cni-plugins/bridge"], enforces: false, end_port: false },
];

/// Plugins that run in the cluster, each with the DaemonSet it was recognised by.
fn plugins<'c, 'a>(context: &'c Context<'a>) -> Vec<(&'static Plugin, &'c Object<'a>)> {
    let mut found = Vec::new();
    for workload in context.workloads.iter().filter(|workload| workload.object.kind == "DaemonSet") {
        for container in workload.containers() {
            for plugin in PLUGINS
                .iter()
                .filter(|plugin| plugin.images.iter().any(|part| container.image.contains(part)))
            {
                found.push((plugin, &workload.object));
            }
        }
    }
    found
}

fn policies<'c, 'a>(context: &'c Context<'a>) -> impl Iterator<Item = &'c Object<'a>> {
    context
        .objects_of("NetworkPolicy")
        .filter(|object| matches!(object.group(), "networking.k8s.io" | "extensions"))
}

pub(super) fn cni_no_enforcement<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let Some(policy) = policies(context).next() else { return };
    let found = plugins(context);
    if found.iter().any(|(plugin, _)| plugin.enforces) {
        return sink.pass();
    }
    if found.is_empty() {
        return sink.unknown("the network plugin is not in the input");
    }
    for (plugin, daemon) in found {
        let message = format!(
            "{} alone does not enforce policies: every policy of the cluster is without effect",
            plugin.name
        );
        let found = Found::new(Subject::object(daemon), name_of(daemon), message);
        sink.fail(found.related("there are policies, such as this one", Some(name_of(policy))));
    }
}

pub(super) fn endport_unsupported<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let found = plugins(context);
    let without: Vec<_> = found.iter().filter(|(plugin, _)| plugin.enforces && !plugin.end_port).collect();
    for policy in policies(context) {
        let rules =
            ["ingress", "egress"].into_iter().filter_map(|key| policy.spec()?.get(key)).flat_map(Node::items);
        let ports = rules.filter_map(|rule| rule.get("ports")).flat_map(Node::items);
        for end in ports.filter_map(|port| port.get("endPort")) {
            match without.first() {
                Some((plugin, daemon)) => {
                    let message = format!("{} reads `port` and ignores `endPort`", plugin.name);
                    let found = Found::new(Subject::object(policy), end, message);
                    sink.fail(found.related("the plugin runs here", Some(name_of(daemon))));
                }
                None if found.is_empty() => sink.unknown("the network plugin is not in the input"),
                None => sink.pass(),
            }
        }
    }
}
