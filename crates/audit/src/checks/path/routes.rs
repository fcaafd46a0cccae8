//! The graph of ways: from the internet over workloads, their accounts and nodes to the whole cluster.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use nightlatch_attack_path::{Break, Graph, Place, StepId, Way, breaks, ways};
use nightlatch_manifest::Node;
use nightlatch_netpol::Verdict;
use nightlatch_rbac::Subject as Account;

use super::escape::escapes;
use crate::{
    Context,
    checks::{exposure::way::WayKind, pod::account::token},
};

/// A place of the graph.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Spot {
    Internet,
    /// By its index in [`Context::workloads`].
    Workload(usize),
    Account(Account),
    Node,
    ClusterAdmin,
}

/// What shows a step.
#[derive(Clone, Debug)]
pub(super) struct Shown<'a> {
    pub(super) words: String,
    pub(super) at: Option<Node<'a>>,
    /// What would have to be mended to break the step: the same for all steps that rest on one thing.
    pub(super) rests_on: String,
}

/// The graph, and the cheapest ways in it.
pub(crate) struct Routes<'a> {
    pub(super) graph: Graph<Spot, Shown<'a>>,
    /// From the internet to the node, by workload: all steps certain.
    pub(super) to_node: Vec<Way>,
    /// From the internet to the whole cluster.
    pub(super) to_cluster: Vec<Way>,
    /// Workloads that strangers only reach where they reach the nodes themselves.
    pub(super) on_nodes: BTreeSet<usize>,
    /// The workloads that hold the token of an account with a chain to the whole cluster, with the chain's steps.
    pub(super) accounts: BTreeMap<usize, Vec<StepId>>,
    /// What to mend first so that most of `to_node` and `to_cluster` vanish.
    pub(super) breaks: Vec<Break<String>>,
}

/// How many things to mend are named.
const BREAKS_MAX: usize = 3;

impl<'a> Routes<'a> {
    /// Builds the graph and searches it. One search for each workload that can be reached from outside.
    pub(crate) fn new(context: &Context<'a>) -> Self {
        let mut graph = Graph::default();
        let internet = graph.place(Spot::Internet);
        let node = graph.place(Spot::Node);
        let cluster = graph.place(Spot::ClusterAdmin);
        let workloads: Vec<Place> =
            (0..context.workloads.len()).map(|index| graph.place(Spot::Workload(index))).collect();
        let entries = entries(context, &mut graph, internet, &workloads);
        for (index, workload) in context.workloads.iter().enumerate() {
            for escape in escapes(workload) {
                let rests_on = format!("{} {}: {}", workload.object.kind, workload.object.name, escape.words);
                let shown = Shown { words: escape.words, at: Some(escape.at), rests_on };
                graph.step(workloads[index], node, escape.cost, false, shown);
            }
        }
        let accounts = accounts(context, &mut graph, cluster, &workloads);
        let (mut to_node, mut to_cluster) = (Vec::new(), Vec::new());
        let on_nodes = entries.iter().filter(|(_, (_, kind))| *kind == WayKind::HostNetwork);
        let on_nodes = on_nodes.map(|(index, _)| *index).collect();
        for (index, (first, _)) in &entries {
            let on = |goal| {
                ways(&graph, workloads[*index], &[goal], false).into_iter().next().map(|way| Way {
                    entry: internet,
                    steps: std::iter::once(*first).chain(way.steps).collect(),
                    ..way
                })
            };
            to_node.extend(on(node));
            to_cluster.extend(on(cluster));
        }
        let all: Vec<Way> = to_node.iter().chain(&to_cluster).cloned().collect();
        let rests = |way: &Way| -> BTreeSet<String> {
            way.steps.iter().map(|step| graph.get(*step).evidence.rests_on.clone()).collect()
        };
        let breaks = breaks(&all, rests, BREAKS_MAX);
        Self { graph, to_node, to_cluster, on_nodes, accounts, breaks }
    }
}

/// Steps from the internet to workloads: for each workload the easiest certain one.
fn entries<'a>(
    context: &Context<'a>,
    graph: &mut Graph<Spot, Shown<'a>>,
    internet: Place,
    workloads: &[Place],
) -> BTreeMap<usize, (StepId, WayKind)> {
    let mut entries = BTreeMap::new();
    let (on_nodes, published): (Vec<_>, Vec<_>) =
        context.ways().list.iter().partition(|way| way.kind == WayKind::HostNetwork);
    for way in published.into_iter().chain(on_nodes).filter(|way| way.is_shown()) {
        let Some(index) = way.workload else { continue };
        if !matches!(way.verdict, Verdict::Allowed | Verdict::Partly) || entries.contains_key(&index) {
            continue;
        }
        let port = way.target.map(|port| format!(" on port {port}")).unwrap_or_default();
        let words = format!("strangers reach it by {}{port}", way.words());
        let rests_on = format!("{} {}: published", way.object.kind, way.object.name);
        let step =
            graph.step(internet, workloads[index], 1, false, Shown { words, at: Some(way.at), rests_on });
        entries.insert(index, (step, way.kind));
    }
    entries
}

/// Steps from workloads to their accounts, and from those along the chains that RBAC gives to the whole cluster.
fn accounts<'a>(
    context: &Context<'a>,
    graph: &mut Graph<Spot, Shown<'a>>,
    cluster: Place,
    workloads: &[Place],
) -> BTreeMap<usize, Vec<StepId>> {
    let mut found = BTreeMap::new();
    let has_rbac =
        ["RoleBinding", "ClusterRoleBinding"].iter().any(|kind| context.objects_of(kind).next().is_some());
    if !has_rbac {
        return found;
    }
    let authorizer = context.rbac();
    let declared = context.accounts();
    let mut known: HashMap<(String, String), Option<Place>> = HashMap::new();
    for (index, workload) in context.workloads.iter().enumerate() {
        let (has_token, says) = token(declared, workload);
        if !has_token {
            continue;
        }
        let namespace = workload.object.namespace.unwrap_or_default();
        let name = workload.service_account();
        let account = Account::service_account(namespace, name);
        let place = *known.entry((namespace.to_owned(), name.to_owned())).or_insert_with(|| {
            let chain = authorizer.escalation().chain(&account)?;
            let place = graph.place(Spot::Account(account.clone()));
            let words: Vec<String> =
                chain.iter().map(|step| format!("{} {}", step.from.describe(authorizer), step.how)).collect();
            let shown = Shown {
                words: words.join("; "),
                at: None,
                rests_on: format!("rights of {namespace}/{name}"),
            };
            graph.step(place, cluster, chain.len() as u32, false, shown);
            Some(place)
        });
        let Some(place) = place else { continue };
        let shown = Shown {
            words: format!("its pods hold the token of service account {namespace}/{name}"),
            at: says.or_else(|| workload.object.root.at("metadata.name")),
            rests_on: format!("{} {}: token mounted", workload.object.kind, workload.object.name),
        };
        let held = graph.step(workloads[index], place, 1, false, shown);
        let chain = graph.steps_from(place).first().copied();
        found.insert(index, std::iter::once(held).chain(chain).collect());
    }
    found
}
