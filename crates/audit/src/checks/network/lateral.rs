//! How far somebody who holds one pod gets: a number for each namespace.

use std::collections::{BTreeMap, BTreeSet};

use nightlatch_netpol::{Certainty, PortSet, Protocol};

use super::view::{View, shown};
use crate::{Context, Found, Sink};

/// Clusters with more classes of pods are not counted through: the number would take seconds.
const CLASSES_MAX: usize = 20_000;

pub(super) fn lateral_movement_exposure<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let view = View::new(context);
    let engine = view.engine();
    let namespaces = view.by_namespace();
    if namespaces.len() < 2 || engine.classes() > CLASSES_MAX {
        return;
    }
    let place =
        |class: u32| engine.pods_of(class).next().map_or("", |pod| &*view.network.pods[pod].namespace);
    let of_class: Vec<&str> = (0..engine.classes() as u32).map(place).collect();
    let tcp = PortSet::protocol(Protocol::Tcp);
    // Of each namespace: pairs from elsewhere, and those of them with a connection.
    let mut counts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let mut rows = engine.rows(Certainty::Sure);
    let is_plain =
        |class: u32| engine.pods_of(class).next().is_some_and(|pod| !view.network.pods[pod].host_network);
    let plain: Vec<u32> = (0..engine.classes() as u32).filter(|&class| is_plain(class)).collect();
    for &source in &plain {
        for &target in &plain {
            if of_class[source as usize] != of_class[target as usize] {
                counts.entry(of_class[target as usize]).or_default().0 += 1;
            }
        }
        let row = rows.row(source);
        for (ports, classes) in &row.groups {
            if rows.ports(*ports).intersection(&tcp).is_empty() {
                continue;
            }
            for target in
                classes.iter().filter(|&target| of_class[target as usize] != of_class[source as usize])
            {
                if is_plain(target) {
                    counts.entry(of_class[target as usize]).or_default().1 += 1;
                }
            }
        }
    }
    let mutual = engine.lateral(&tcp).mutual;
    let spans: BTreeSet<&str> = mutual.iter().map(|&class| of_class[class as usize]).collect();
    for (name, (pairs, reached)) in counts {
        if reached == 0 {
            sink.pass();
            continue;
        }
        let Some((subject, at)) = view.namespace(name) else { continue };
        let percent = reached * 100 / pairs.max(1);
        let message = format!(
            "{percent} % of the pairs of a pod elsewhere and a pod of the namespace {} have a way in",
            shown(name)
        );
        let circle = format!(
            "the largest set of workloads that get to each other has {} in {} namespaces",
            mutual.len(),
            spans.len()
        );
        sink.fail(Found::new(subject, at, message).related(circle, None));
    }
}
