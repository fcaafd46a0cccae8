//! What a drawn matrix shows: workloads, or where there are too many namespaces, and what each pair may exchange.

use std::collections::BTreeMap;

use nightlatch_netpol::{AddressSet, Certainty, Direction, Engine, PortSet};

/// Workloads drawn one by one; of more, namespaces are.
pub(crate) const WORKLOADS_MAX: usize = 60;
/// Rows of a picture; more are put together as the last.
pub(crate) const ROWS_MAX: usize = 120;

/// One row and column.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// What it is called.
    pub(crate) label: String,
    /// The namespace it belongs to; of the Internet nothing.
    pub(crate) group: Option<usize>,
    /// Its pods; of the Internet none.
    pub(crate) pods: Vec<usize>,
}

/// What one item reaches of another, counted in pairs of workloads.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Cell {
    /// Pairs there are.
    pub(crate) pairs: u32,
    /// Pairs that connect on every port.
    pub(crate) all: u32,
    /// Pairs that connect on some ports.
    pub(crate) some: u32,
    /// Pairs of which it depends.
    pub(crate) depends: u32,
    /// Pairs that policies concern which are not evaluated.
    pub(crate) unknown: u32,
    /// Sets of ports that occur, the most frequent first.
    pub(crate) ports: Vec<String>,
}

/// How a cell is drawn.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Look {
    /// The same workload, alone.
    Itself,
    None,
    Some,
    All,
    Depends,
    Unknown,
}

impl Cell {
    /// The strongest thing there is to say of it.
    pub(crate) fn look(&self) -> Look {
        match self {
            Self { pairs: 0, .. } => Look::Itself,
            Self { unknown, .. } if *unknown > 0 => Look::Unknown,
            Self { all, pairs, .. } if all == pairs => Look::All,
            Self { all, some, .. } if all + some > 0 => Look::Some,
            Self { depends, .. } if *depends > 0 => Look::Depends,
            _ => Look::None,
        }
    }

    /// The share of pairs that connect, in percent.
    pub(crate) fn percent(&self) -> u32 {
        (self.all + self.some) * 100 / self.pairs.max(1)
    }

    /// What it says, without the names of its ends.
    pub(crate) fn text(&self) -> String {
        let ports = match self.ports.as_slice() {
            [] => String::new(),
            [one] => format!(" on {}", shown(one)),
            [one, rest @ ..] => format!(" on {} and {} other sets of ports", shown(one), rest.len()),
        };
        match self.look() {
            Look::Itself => "the same workload".to_owned(),
            Look::Unknown => "unknown: policies of a network plugin".to_owned(),
            Look::None => "nothing allowed".to_owned(),
            Look::Depends => format!("depends{ports}"),
            Look::All | Look::Some if self.pairs == 1 => format!("allowed{ports}"),
            Look::All | Look::Some => {
                format!("{} of {} pairs allowed{ports}", self.all + self.some, self.pairs)
            }
        }
    }
}

fn shown(ports: &str) -> &str {
    if ports == "all" { "every port" } else { ports }
}

/// The whole.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    /// Rows and columns, the Internet first.
    pub(crate) items: Vec<Item>,
    /// Names of the groups.
    pub(crate) groups: Vec<String>,
    /// Row by row: what item `row` reaches of item `column`.
    pub(crate) cells: Vec<Cell>,
    /// Rows are namespaces, not workloads.
    pub(crate) collapsed: bool,
}

impl Picture {
    /// Draws up what every workload reaches, on `wanted` ports.
    pub(crate) fn new(engine: &Engine<'_>, wanted: &PortSet, workloads_max: usize) -> Self {
        let network = engine.network();
        let mut by_namespace: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, pod) in network.pods.iter().enumerate() {
            by_namespace.entry(&pod.namespace).or_default().push(at);
        }
        let groups: Vec<String> = by_namespace.keys().map(|name| named(name)).collect();
        let collapsed = network.pods.len() > workloads_max;
        let mut items = vec![Item { label: "internet".to_owned(), group: None, pods: Vec::new() }];
        for (group, (name, mut pods)) in by_namespace.into_iter().enumerate() {
            if collapsed {
                items.push(Item {
                    label: format!("{} ({})", named(name), pods.len()),
                    group: Some(group),
                    pods,
                });
                continue;
            }
            pods.sort_by_cached_key(|&pod| natural(&network.pods[pod].name));
            let item = |pod: usize| Item {
                label: network.pods[pod].name.to_string(),
                group: Some(group),
                pods: vec![pod],
            };
            items.extend(pods.into_iter().map(item));
        }
        if items.len() > ROWS_MAX {
            let rest = items.split_off(ROWS_MAX - 1);
            let pods = rest.iter().flat_map(|item| item.pods.clone()).collect();
            items.push(Item { label: format!("{} more namespaces", rest.len()), group: None, pods });
        }
        let mut picture =
            Self { cells: vec![Cell::default(); items.len() * items.len()], items, groups, collapsed };
        picture.count(engine, wanted);
        picture
    }

    /// What one item reaches of another.
    pub(crate) fn cell(&self, row: usize, column: usize) -> &Cell {
        &self.cells[row * self.items.len() + column]
    }

    /// The full name of an item.
    pub(crate) fn name(&self, item: usize) -> String {
        let item = &self.items[item];
        match item.group.filter(|_| !self.collapsed).and_then(|group| self.groups.get(group)) {
            Some(group) => format!("{group}/{}", item.label),
            None => item.label.clone(),
        }
    }

    fn count(&mut self, engine: &Engine<'_>, wanted: &PortSet) {
        let classes = engine.classes();
        let foreign: Vec<bool> =
            (0..engine.network().pods.len()).map(|pod| !engine.foreign(pod).is_empty()).collect();
        // Of each class, how many pods each item has, foreign ones apart.
        let mut weights: Vec<BTreeMap<usize, (u32, u32)>> = vec![BTreeMap::new(); classes];
        for (at, item) in self.items.iter().enumerate() {
            for &pod in &item.pods {
                let weight = weights[engine.class_of(pod) as usize].entry(at).or_default();
                if foreign[pod] { weight.1 += 1 } else { weight.0 += 1 }
            }
        }
        let n = self.items.len();
        self.count_pairs(&foreign);
        let mut seen: Vec<BTreeMap<PortSet, u32>> = vec![BTreeMap::new(); n * n];
        let (mut sure, mut possible) = (engine.rows(Certainty::Sure), engine.rows(Certainty::Possible));
        let doubts = engine.has_doubts();
        for source in 0..classes as u32 {
            let mut is_sure = vec![false; classes];
            let mut note = |ports: &PortSet, targets: &mut dyn Iterator<Item = u32>, certain: bool| {
                let mut counts = vec![0; n];
                let mut reaches_own = false;
                for target in targets {
                    reaches_own |= target == source;
                    weights[target as usize].iter().for_each(|(&to, &(plain, _))| counts[to] += plain);
                }
                for (&from, &(plain, _)) in &weights[source as usize] {
                    for (to, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                        // A workload is not a pair with itself.
                        let own = if from == to && reaches_own { plain } else { 0 };
                        let at = from * n + to;
                        add(
                            &mut self.cells[at],
                            &mut seen[at],
                            plain * count - own,
                            (ports, certain),
                            wanted,
                        );
                    }
                }
            };
            for (number, targets) in &sure.row(source).groups {
                let ports = sure.ports(*number).intersection(wanted);
                if !ports.is_empty() {
                    targets.iter().for_each(|target| is_sure[target as usize] = true);
                    note(&ports, &mut targets.iter(), true);
                }
            }
            if !doubts {
                continue;
            }
            for (number, targets) in &possible.row(source).groups {
                let ports = possible.ports(*number).intersection(wanted);
                if !ports.is_empty() {
                    note(&ports, &mut targets.iter().filter(|&target| !is_sure[target as usize]), false);
                }
            }
        }
        self.internet(engine, wanted, &weights, &mut seen);
        for (cell, ports) in self.cells.iter_mut().zip(seen) {
            let mut ports: Vec<(PortSet, u32)> = ports.into_iter().collect();
            ports.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            cell.ports = ports.into_iter().map(|(ports, _)| ports.to_string()).collect();
        }
    }

    /// How many pairs each cell stands for, and how many of them are not evaluated.
    fn count_pairs(&mut self, foreign: &[bool]) {
        let n = self.items.len();
        let counts: Vec<(u32, u32)> = self
            .items
            .iter()
            .map(|item| {
                let unknown = item.pods.iter().filter(|&&pod| foreign[pod]).count() as u32;
                (item.pods.len() as u32, item.pods.len() as u32 - unknown)
            })
            .collect();
        for (from, &(all_from, plain_from)) in counts.iter().enumerate() {
            for (to, &(all_to, plain_to)) in counts.iter().enumerate() {
                let (own, own_plain) = if from == to { (all_from, plain_from) } else { (0, 0) };
                let cell = &mut self.cells[from * n + to];
                cell.pairs = all_from * all_to - own;
                cell.unknown = cell.pairs - (plain_from * plain_to - own_plain);
            }
        }
    }

    fn internet(
        &mut self,
        engine: &Engine<'_>,
        wanted: &PortSet,
        weights: &[BTreeMap<usize, (u32, u32)>],
        seen: &mut [BTreeMap<PortSet, u32>],
    ) {
        let n = self.items.len();
        let internet = AddressSet::internet();
        for (class, weights) in weights.iter().enumerate() {
            let Some(pod) = engine.pods_of(class as u32).next() else { continue };
            for direction in Direction::ALL {
                let ports = |certainty| {
                    let regions = engine.outside(pod, direction, certainty, &internet);
                    let all = regions.iter().fold(PortSet::empty(), |all, region| all.union(&region.ports));
                    all.intersection(wanted)
                };
                let (sure, possible) = (ports(Certainty::Sure), ports(Certainty::Possible));
                for (&item, &(plain, foreign)) in weights {
                    let at = if direction == Direction::Ingress { item } else { item * n };
                    let cell = &mut self.cells[at];
                    cell.pairs += plain + foreign;
                    cell.unknown += foreign;
                    let certain = !sure.is_empty();
                    add(
                        cell,
                        &mut seen[at],
                        plain,
                        (if certain { &sure } else { &possible }, certain),
                        wanted,
                    );
                }
            }
        }
    }
}

/// Counts pairs that connect on some ports, for certain or perhaps.
fn add(
    cell: &mut Cell,
    seen: &mut BTreeMap<PortSet, u32>,
    count: u32,
    (ports, certain): (&PortSet, bool),
    wanted: &PortSet,
) {
    if count == 0 || ports.is_empty() {
        return;
    }
    match certain {
        true if ports == wanted => cell.all += count,
        true => cell.some += count,
        false => cell.depends += count,
    }
    *seen.entry(ports.clone()).or_default() += count;
}

fn named(namespace: &str) -> String {
    if namespace.is_empty() { "(no namespace)".to_owned() } else { namespace.to_owned() }
}

/// A name as people sort it: `web-2` before `web-10`.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(text);
        let digits = tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len());
        let (number, tail) = tail.split_at(digits);
        parts.push((word.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = tail;
    }
    parts
}
