//! Rows: everything that one class reaches.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use crate::{
    Action, Certainty, Engine, PortSet,
    class_set::{Bits, ClassSet},
    compile::{Grant, Interner, Ordered, OrderedRule, PortsId, SetId},
    tier::tier,
};

/// What one class of pods reaches: classes by the exact set of ports; classes that it reaches on none are left out.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// A number of [`Rows::ports`] and the classes reached on exactly these ports.
    pub groups: Vec<(u32, ClassSet)>,
}

/// Computes rows, and keeps the sets of ports that occur in them.
///
/// Every class has a state in each direction, the number of the ports let through so far, and rules move it on; what
/// follows from two numbers is computed once. A row costs what its rules select, not the number of classes.
#[derive(Debug)]
pub struct Rows<'e, 'a> {
    engine: &'e Engine<'a>,
    certainty: Certainty,
    table: Table,
    sent: Lane,
    received: Lane,
    /// Ports by state and destination, of the row at work.
    found: HashMap<PortsId, Vec<u32>, Ids>,
    has_tiers: bool,
}

impl<'a> Engine<'a> {
    /// Starts computing rows.
    pub fn rows(&self, certainty: Certainty) -> Rows<'_, 'a> {
        let sides = [&self.ingress, &self.egress];
        Rows {
            engine: self,
            certainty,
            table: Table::new(&self.ports),
            sent: Lane::new(self.classes()),
            received: Lane::new(self.classes()),
            found: HashMap::default(),
            has_tiers: sides.iter().any(|side| !side.admin.is_empty() || !side.baseline.is_empty()),
        }
    }
}

impl Rows<'_, '_> {
    /// A set of ports by its number.
    pub fn ports(&self, number: u32) -> &PortSet {
        self.table.ports.get(number)
    }

    /// How many sets of ports have occurred.
    pub fn port_sets(&self) -> usize {
        self.table.ports.len()
    }

    /// What a class reaches.
    ///
    /// Of the class itself it says what one of its pods reaches of another one; to itself every pod may connect.
    pub fn row(&mut self, source: u32) -> Row {
        let engine = self.engine;
        if self.certainty == Certainty::Possible && engine.host.has(source) {
            // The node's own traffic is let through to every pod on it.
            return Row { groups: vec![(self.table.all, ClassSet::of_bits(&Bits::all(engine.classes())))] };
        }
        self.send(source);
        self.receive(source);
        let mut row = Row::default();
        if self.has_tiers {
            self.tiers(source);
        } else if engine.egress.open.has(source) {
            for at in 0..self.received.touched.len() {
                let class = self.received.touched[at];
                self.found.entry(self.received.ports[class as usize]).or_default().push(class);
            }
            let everything = self.found.entry(self.table.all).or_default();
            everything.extend(engine.ingress.open.iter());
        } else {
            self.isolated();
        }
        for (ports, classes) in
            self.found.drain().filter(|(ports, classes)| *ports != 0 && !classes.is_empty())
        {
            row.groups.push((ports, ClassSet::of(classes, engine.classes())));
        }
        row.groups.sort_unstable_by_key(|group| group.0);
        self.sent.reset();
        self.received.reset();
        row
    }

    /// What the policies that isolate the source let it send.
    fn send(&mut self, source: u32) {
        let engine = self.engine;
        for &policy in &engine.egress.isolating[source as usize] {
            for grant in engine.policies[policy as usize].egress.iter().flat_map(|rule| &rule.grants) {
                let peers = if self.certainty == Certainty::Sure { grant.sure } else { grant.maybe };
                self.sent.let_through(engine.sets.get(peers), Table::of_engine(grant.ports), &mut self.table);
            }
        }
    }

    /// What policies let isolated classes receive from the source.
    fn receive(&mut self, source: u32) {
        let engine = self.engine;
        for &number in engine.groups_of[source as usize].iter().chain(&engine.wide_groups) {
            let group = &engine.groups[number as usize];
            let peers = if self.certainty == Certainty::Sure { group.sure } else { group.maybe };
            if engine.sets.get(peers).has(source) {
                self.received.let_through(&group.subjects, Table::of_engine(group.ports), &mut self.table);
            }
        }
    }

    /// The row of an isolated source, without cluster policies.
    fn isolated(&mut self) {
        let engine = self.engine;
        let own_node = self.certainty == Certainty::Possible;
        for at in 0..self.sent.touched.len() {
            let class = self.sent.touched[at];
            if own_node && engine.host.has(class) {
                continue;
            }
            let sent = self.sent.ports[class as usize];
            let open = engine.ingress.open.has(class);
            let both = if open { sent } else { self.table.both(sent, self.received.ports[class as usize]) };
            self.found.entry(both).or_default().push(class);
        }
        if own_node {
            self.found.entry(self.table.all).or_default().extend(engine.host.iter());
        }
    }

    /// The row where there are cluster policies.
    fn tiers(&mut self, source: u32) {
        let engine = self.engine;
        let (egress, ingress) = (&engine.egress, &engine.ingress);
        // Egress rules are those whose subject is the source; their peers are the destinations. Ingress rules are
        // turned round: their peer is the source, their subjects are the destinations.
        let sends = |rule: &OrderedRule, grant: &Grant| {
            engine.sets.get(rule.subjects).has(source).then_some((grant.sure, grant.maybe))
        };
        let receives = |_: &OrderedRule, grant: &Grant| {
            let certain = engine.sets.get(grant.sure).has(source);
            engine
                .sets
                .get(grant.maybe)
                .has(source)
                .then_some((if certain { grant.subjects } else { 0 }, grant.subjects))
        };
        let table = &mut self.table;
        let sent_admin = table.events(engine, &egress.admin, 0, sends);
        let sent_base = table.events(engine, &egress.baseline, 1, sends);
        let received_admin = table.events(engine, &ingress.admin, 2, receives);
        let received_base = table.events(engine, &ingress.baseline, 3, receives);
        let source_is_open = egress.open.has(source);
        for class in 0..engine.classes() as u32 {
            let at = class as usize;
            let own_node = self.certainty == Certainty::Possible && engine.host.has(class);
            let sent = if own_node {
                table.all
            } else {
                let base =
                    if source_is_open { Base::Open(sent_base[at]) } else { Base::Ports(self.sent.ports[at]) };
                table.decided(sent_admin[at], base, self.certainty)
            };
            let open = ingress.open.has(class);
            let base =
                if open { Base::Open(received_base[at]) } else { Base::Ports(self.received.ports[at]) };
            let received = table.decided(received_admin[at], base, self.certainty);
            let both = table.both(sent, received);
            self.found.entry(both).or_default().push(class);
        }
    }
}

/// What NetworkPolicies say, or the baseline tier where there are none.
enum Base {
    Open(u32),
    Ports(PortsId),
}

/// The state of every class in one direction.
#[derive(Debug)]
struct Lane {
    ports: Vec<PortsId>,
    touched: Vec<u32>,
}

impl Lane {
    fn new(classes: usize) -> Self {
        Self { ports: vec![0; classes], touched: Vec::new() }
    }

    fn let_through(&mut self, classes: &ClassSet, ports: PortsId, table: &mut Table) {
        classes.for_each(|class| {
            let state = &mut self.ports[class as usize];
            if *state == 0 {
                self.touched.push(class);
                *state = ports;
            } else if *state != ports {
                *state = table.either(*state, ports);
            }
        });
    }

    fn reset(&mut self) {
        for &class in &self.touched {
            self.ports[class as usize] = 0;
        }
        self.touched.clear();
    }
}

/// Sets of ports by number, and what follows from two of them. Number 0 is the empty set; an engine's number `n` is
/// `n + 1` here.
#[derive(Debug)]
struct Table {
    ports: Interner<PortSet>,
    all: PortsId,
    unions: HashMap<u64, PortsId, Ids>,
    intersections: HashMap<u64, PortsId, Ids>,
    /// Lists of rules that concern a connection, by number; 0 is the empty one.
    lists: Interner<Vec<(Action, PortsId, bool)>>,
    longer: HashMap<(u32, u32), u32>,
    decisions: HashMap<u64, PortsId, Ids>,
}

impl Table {
    fn new(engine: &Interner<PortSet>) -> Self {
        let mut ports = Interner::new();
        ports.number(PortSet::empty());
        for number in 0..engine.len() as u32 {
            // An engine may know the empty set as well: a rule whose names nobody declares.
            let known = engine.get(number);
            ports.push(known.clone());
        }
        let all = ports.number(PortSet::all());
        let mut lists = Interner::new();
        lists.number(Vec::new());
        Self {
            ports,
            all,
            unions: HashMap::default(),
            intersections: HashMap::default(),
            lists,
            longer: HashMap::new(),
            decisions: HashMap::default(),
        }
    }

    fn of_engine(number: PortsId) -> PortsId {
        number + 1
    }

    fn either(&mut self, a: PortsId, b: PortsId) -> PortsId {
        let key = u64::from(a.min(b)) << 32 | u64::from(a.max(b));
        if let Some(&known) = self.unions.get(&key) {
            return known;
        }
        let union = self.ports.get(a).union(self.ports.get(b));
        let number = self.ports.number(union);
        self.unions.insert(key, number);
        number
    }

    fn both(&mut self, a: PortsId, b: PortsId) -> PortsId {
        if a == b || b == self.all {
            return a;
        }
        if a == 0 || b == 0 {
            return 0;
        }
        let key = u64::from(a.min(b)) << 32 | u64::from(a.max(b));
        if let Some(&known) = self.intersections.get(&key) {
            return known;
        }
        let intersection = self.ports.get(a).intersection(self.ports.get(b));
        let number = self.ports.number(intersection);
        self.intersections.insert(key, number);
        number
    }

    /// For each class, the number of the list of rules of a tier that concern it.
    fn events(
        &mut self,
        engine: &Engine<'_>,
        rules: &Ordered,
        which: u32,
        sides: impl Fn(&OrderedRule, &Grant) -> Option<(SetId, SetId)>,
    ) -> Vec<u32> {
        let mut of_class = vec![0; engine.classes()];
        let mut number = which;
        for rule in rules {
            for grant in &rule.compiled.grants {
                number += 4;
                let Some((sure, maybe)) = sides(rule, grant) else { continue };
                let sure = engine.sets.get(sure);
                let ports = Self::of_engine(grant.ports);
                engine.sets.get(maybe).for_each(|class| {
                    let certain = sure.has(class);
                    let before = of_class[class as usize];
                    let key = (before, number << 1 | u32::from(certain));
                    of_class[class as usize] = match self.longer.get(&key) {
                        Some(&known) => known,
                        None => {
                            let mut list = self.lists.get(before).clone();
                            list.push((rule.action, ports, certain));
                            let longer = self.lists.number(list);
                            self.longer.insert(key, longer);
                            longer
                        }
                    };
                });
            }
        }
        of_class
    }

    fn decided(&mut self, admin: u32, base: Base, certainty: Certainty) -> PortsId {
        let namespaced = match base {
            Base::Open(list) => self.tier(list, self.all, certainty),
            Base::Ports(ports) => ports,
        };
        self.tier(admin, namespaced, certainty)
    }

    fn tier(&mut self, list: u32, fallback: PortsId, certainty: Certainty) -> PortsId {
        if list == 0 {
            return fallback;
        }
        let key = u64::from(list) << 32 | u64::from(fallback);
        if let Some(&known) = self.decisions.get(&key) {
            return known;
        }
        let events = self.lists.get(list).iter();
        let events = events.map(|&(action, ports, certain)| (action, self.ports.get(ports), certain));
        let result = tier(events, self.ports.get(fallback), certainty);
        let number = self.ports.number(result);
        self.decisions.insert(key, number);
        number
    }
}

/// Hashes our own numbers, which nobody outside chooses, by one multiplication (Fibonacci hashing).
#[derive(Clone, Copy, Debug, Default)]
struct IdHasher(u64);

type Ids = BuildHasherDefault<IdHasher>;

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0 ^ number).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }
}
