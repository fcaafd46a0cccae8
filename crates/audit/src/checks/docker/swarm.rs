//! Swarm mode.

use std::net::IpAddr;

use nightlatch_finding::Severity;
use nightlatch_manifest::Node;
use nightlatch_netpol::AddressSet;

use super::info::{Info, infos};
use crate::{Context, Found, Sink};

/// Nodes of a swarm on public addresses, managers whose keys lie open.
pub(super) fn exposed<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for info in infos(context).into_iter().filter(Info::is_in_swarm) {
        let address = info.root.at("Swarm.NodeAddr");
        match address.map(|node| (node, node.text().parse::<IpAddr>())) {
            Some((node, Ok(address))) if AddressSet::internet().contains(address) => {
                let message = "the node takes part in its swarm at a public address: 7946 and 4789, and 2377 of managers, are open there";
                sink.fail(Found::new(info.subject, node, message));
            }
            Some((_, Ok(_))) => sink.pass(),
            _ => sink.unknown("`docker info` does not show the address of the node"),
        }
        if info.root.at("Swarm.ControlAvailable").and_then(Node::as_bool) == Some(true) {
            autolock(&info, sink);
        }
    }
}

fn autolock<'a>(info: &Info<'a>, sink: &mut Sink<'a>) {
    match info.root.at("Swarm.Cluster.Spec.EncryptionConfig.AutoLockManagers") {
        Some(locks) if locks.as_bool() == Some(true) => sink.pass(),
        Some(locks) => {
            let message = "the keys of the swarm lie open on the disk of each manager: autolock is off";
            sink.fail(Found::new(info.subject, locks, message).severity(Severity::Low));
        }
        None => sink.unknown("`docker info` does not show whether managers are locked"),
    }
}
