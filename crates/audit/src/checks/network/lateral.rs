//! How far somebody who holds one pod gets: a number for each namespace.

use std::collections::BTreeSet;

use nightlatch_netpol::{PortSet, Protocol};

use super::view::{View, shown};
use crate::{Found, Sink};

/// Clusters with more classes of pods are not counted through: the number would take seconds.
const CLASSES_MAX: usize = 20_000;

pub(super) fn lateral_movement_exposure<'a>(view: &View<'_, 'a>, sink: &mut Sink<'a>) {
    if view.by_namespace().len() < 2 || view.engine().classes() > CLASSES_MAX {
        return;
    }
    let engine = view.engine();
    let lateral = engine.lateral(&PortSet::protocol(Protocol::Tcp));
    let place = |class: u32| engine.pods_of(class).next().map(|pod| &*view.network.pods[pod].namespace);
    let spans: BTreeSet<&str> = lateral.mutual.iter().filter_map(|&class| place(class)).collect();
    let circle = format!(
        "the largest set of workloads that get to each other has {} in {} namespaces",
        lateral.mutual.len(),
        spans.len()
    );
    for inward in &lateral.into {
        let Some((&name, _)) = view.pods_by_namespace().get_key_value(&*inward.namespace) else { continue };
        if inward.reachable == 0 {
            sink.pass();
            continue;
        }
        let Some((subject, at)) = view.namespace(name) else { continue };
        let percent = inward.reachable * 100 / inward.pairs.max(1);
        let message = format!(
            "{percent} % of the pairs of a pod elsewhere and a pod of the namespace {} have a way in",
            shown(name)
        );
        sink.fail(Found::new(subject, at, message).related(circle.clone(), None));
    }
}
