//! Pods and templates of pods.

use std::{collections::HashMap, net::IpAddr};

use nightlatch_manifest::{Kind, Node, Object, Workload};

use super::{
    list, origin, port_number,
    replica::{self, Asked, Ordinals, Replicas},
    text, words,
};
use crate::{ContainerPort, Labels, Pod, PortMatch, Protocol};

/// Owners of owners that are followed.
const OWNERS_MAX: usize = 4;
/// Names kept of one pod's environment.
const MENTIONS_MAX: usize = 200;

/// What is known of pods while objects are read.
#[derive(Default)]
pub(super) struct Pods<'a> {
    read: Vec<Read<'a>>,
    /// Names in ConfigMaps, by namespace and name.
    configs: HashMap<(&'a str, &'a str), Vec<&'a str>>,
}

struct Read<'a> {
    pod: Pod,
    owner: Option<(&'a str, &'a str)>,
    configs: Vec<&'a str>,
    ordinals: Option<Ordinals>,
}

impl<'a> Pods<'a> {
    /// Takes a ConfigMap.
    pub(super) fn config(&mut self, object: &Object<'a>) {
        let values = object.root.get("data").into_iter().flat_map(Node::entries);
        let hosts = values
            .filter_map(|(_, value)| value.as_str())
            .flat_map(words::hosts)
            .take(MENTIONS_MAX)
            .collect();
        self.configs.insert((object.namespace.unwrap_or(""), object.name), hosts);
    }

    /// Takes an object that has pods.
    pub(super) fn take(&mut self, object: &Object<'a>, templates: &[(String, String, String)]) {
        let Some(workload) = Workload::of(object, templates) else { return };
        let (metadata, spec) = (workload.template_metadata, workload.pod_spec);
        let status = object.root.get("status");
        let phase = status.and_then(|status| text(status, "phase"));
        if object.kind == "Pod" && matches!(phase, Some("Succeeded" | "Failed")) {
            return;
        }
        let owners = object.root.at("metadata.ownerReferences").into_iter().flat_map(Node::items);
        let owner = owners
            .filter(|owner| owner.get("controller").is_none_or(|c| c.as_bool() == Some(true)))
            .find_map(|owner| Some((text(owner, "kind")?, text(owner, "name")?)));
        let labels = metadata.and_then(|metadata| metadata.get("labels")).into_iter().flat_map(Node::entries);
        let mut pod = Pod {
            namespace: object.namespace.unwrap_or("").into(),
            kind: object.kind.into(),
            name: object.name.into(),
            labels: Labels::new(labels.filter_map(|(key, value)| Some((key.text(), value.as_str()?)))),
            host_network: spec.get("hostNetwork").and_then(Node::as_bool) == Some(true),
            node: text(spec, "nodeName").map(Box::from),
            origin: origin(object.root),
            ..Pod::default()
        };
        if object.kind == "Pod" {
            pod.addresses = status.map(addresses).unwrap_or_default();
        }
        replica::label_job(object, &mut pod.labels);
        let mut configs = Vec::new();
        for container in containers(spec) {
            fill(&mut pod, container);
            configs.extend(config_names(container));
        }
        let volumes = list(spec, "volumes").filter_map(|volume| text(volume.get("configMap")?, "name"));
        configs.extend(volumes);
        self.read.push(Read { pod, owner, configs, ordinals: Ordinals::of(object) });
    }

    /// The pods; those of an owner that is there as well only lend it their addresses. `asked`: replicas that selectors
    /// tell apart.
    pub(super) fn finish(mut self, asked: &Asked) -> Vec<Pod> {
        for read in &mut self.read {
            let namespace = read.pod.namespace.clone();
            let known = read.configs.iter().filter_map(|name| self.configs.get(&(namespace.as_ref(), *name)));
            read.pod.mentions.extend(known.flatten().map(|&host| Box::from(host)));
            read.pod.mentions.sort();
            read.pod.mentions.dedup();
            read.pod.mentions.truncate(MENTIONS_MAX);
        }
        let owned = self.roots();
        let mut replicas: HashMap<usize, Replicas> = (self.read.iter().enumerate())
            .filter_map(|(at, read)| Some((at, Replicas::of(&read.pod, read.ordinals?, asked)?)))
            .collect();
        let mut pods: Vec<Option<Pod>> = self.read.into_iter().map(|read| Some(read.pod)).collect();
        for (at, root) in owned.into_iter().enumerate() {
            let Some(root) = root else { continue };
            let Some(pod) = pods[at].take() else { continue };
            let owner = match replicas.get_mut(&root) {
                Some(replicas) => replicas.named(&pod.name),
                None => pods[root].as_mut(),
            };
            if let Some(owner) = owner {
                owner.node = if owner.addresses.is_empty() { pod.node } else { None };
                owner.addresses.extend(pod.addresses);
            }
        }
        let mut all = Vec::with_capacity(pods.len());
        for (at, pod) in pods.into_iter().enumerate() {
            match replicas.remove(&at) {
                Some(replicas) => all.extend(replicas.into_pods()),
                None => all.extend(pod),
            }
        }
        all
    }

    /// For each, the one that stands for it, when that is another one: its owner, or the first of its siblings.
    fn roots(&self) -> Vec<Option<usize>> {
        let name =
            |read: &Read<'_>| (read.pod.namespace.clone(), read.pod.kind.clone(), read.pod.name.clone());
        let by_name: HashMap<_, usize> =
            self.read.iter().enumerate().map(|(at, read)| (name(read), at)).collect();
        let mut siblings: HashMap<(Box<str>, &str, &str, &Labels), usize> = HashMap::new();
        let mut roots = Vec::with_capacity(self.read.len());
        for (at, read) in self.read.iter().enumerate() {
            let mut root = at;
            for _ in 0..OWNERS_MAX {
                let Some((kind, owner)) = self.read[root].owner else { break };
                let Some(&next) = by_name.get(&(read.pod.namespace.clone(), kind.into(), owner.into()))
                else {
                    break;
                };
                root = next;
            }
            if root == at
                && let Some((kind, owner)) = read.owner
            {
                root = *siblings
                    .entry((read.pod.namespace.clone(), kind, owner, &read.pod.labels))
                    .or_insert(at);
            }
            roots.push((root != at).then_some(root));
        }
        roots
    }
}

/// Containers that run beside each other: ordinary ones, and those for initialisation that are restarted.
fn containers(spec: Node<'_>) -> impl Iterator<Item = Node<'_>> {
    let sidecars = list(spec, "initContainers").filter(|node| text(*node, "restartPolicy") == Some("Always"));
    list(spec, "containers").chain(sidecars)
}

fn fill(pod: &mut Pod, container: Node<'_>) {
    pod.images.extend(text(container, "image").map(Box::from));
    pod.ports.extend(list(container, "ports").filter_map(|node| {
        Some(ContainerPort {
            name: text(node, "name").map(Box::from),
            number: port_number(node.get("containerPort")?)?,
            protocol: text(node, "protocol").and_then(Protocol::named).unwrap_or_default(),
            host_port: node.get("hostPort").and_then(port_number),
        })
    }));
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get(probe) else { continue };
        let asked =
            ["httpGet", "tcpSocket", "grpc"].into_iter().filter_map(|kind| probe.get(kind)?.get("port"));
        pod.probes.extend(asked.filter_map(|port| match port.kind() {
            Kind::Int => port_number(port).map(|number| PortMatch::Range(number, number)),
            _ => port.as_str().map(|name| PortMatch::Name(name.into())),
        }));
    }
    let values = list(container, "env").filter_map(|env| text(env, "value"));
    let words = ["command", "args"].into_iter().flat_map(|key| list(container, key)).filter_map(Node::as_str);
    let hosts = values.chain(words).flat_map(words::hosts).take(MENTIONS_MAX);
    pod.mentions.extend(hosts.map(Box::from));
}

/// ConfigMaps that feed a container's environment.
fn config_names(container: Node<'_>) -> impl Iterator<Item = &str> {
    let whole = list(container, "envFrom").filter_map(|from| text(from.get("configMapRef")?, "name"));
    let single = list(container, "env").filter_map(|env| text(env.at("valueFrom.configMapKeyRef")?, "name"));
    whole.chain(single)
}

fn addresses(status: Node<'_>) -> Vec<IpAddr> {
    let more = list(status, "podIPs").filter_map(|node| text(node, "ip"));
    let mut all: Vec<IpAddr> =
        text(status, "podIP").into_iter().chain(more).filter_map(|address| address.parse().ok()).collect();
    all.sort_unstable();
    all.dedup();
    all
}
