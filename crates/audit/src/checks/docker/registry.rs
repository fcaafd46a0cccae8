//! Registries without verified TLS.

use nightlatch_manifest::Node;

use super::{daemon::daemons, info::infos};
use crate::{Change, Context, Found, Sink};

/// True for loopback networks and hosts, which every daemon has on its list.
fn is_loopback(registry: &str) -> bool {
    registry.starts_with("127.")
        || registry.starts_with("localhost")
        || registry.starts_with("::1")
        || registry.starts_with("[::1]")
}

/// Registries on the list of the insecure.
pub(super) fn insecure<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for daemon in daemons(context) {
        let setting = daemon.get("insecure-registries");
        let found: Vec<&(String, Node<'a>)> = setting
            .values()
            .iter()
            .filter(|(registry, _)| !registry.is_empty() && !is_loopback(registry))
            .collect();
        for (registry, node) in &found {
            let mut own = Found::new(
                daemon.subject,
                *node,
                format!("images come from {registry} without verified TLS"),
            );
            if daemon.file.is_some_and(|file| std::ptr::eq(file.document(), node.document())) {
                own = own.change(Change::Remove(*node));
            }
            sink.fail(own);
        }
        match (found.is_empty(), setting.why_unknown()) {
            (true, Some(why)) => sink.unknown(why),
            (true, None) => sink.pass(),
            (false, _) => {}
        }
    }
    for info in infos(context) {
        let Some(config) = info.root.get("RegistryConfig") else { continue };
        let blocks = config.get("InsecureRegistryCIDRs").into_iter().flat_map(Node::items);
        let named =
            config.get("IndexConfigs").into_iter().flat_map(Node::entries).filter_map(|(name, index)| {
                let secure = index.get("Secure")?;
                (secure.as_bool() == Some(false)).then_some((name.text(), secure))
            });
        let found: Vec<(&str, Node<'a>)> = blocks
            .map(|block| (block.text(), block))
            .chain(named)
            .filter(|(registry, _)| !is_loopback(registry))
            .collect();
        if found.is_empty() {
            sink.pass();
        }
        for (registry, node) in found {
            sink.fail(Found::new(
                info.subject,
                node,
                format!("images come from {registry} without verified TLS"),
            ));
        }
    }
}
