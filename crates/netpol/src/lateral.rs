//! How far somebody who holds one pod gets.

use crate::{Certainty, Engine, PortSet, class_set::Bits};

/// How much of the cluster pods reach of each other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Lateral {
    /// Ordered pairs of different classes of pods, host-network pods left out.
    pub pairs: u64,
    /// Of these, pairs with a connection on the ports asked for, in any case.
    pub reachable: u64,
    /// Of each namespace with such pods, what other namespaces reach of it.
    pub into: Vec<Inward>,
    /// The largest set of classes in which each gets to each other, perhaps through others; sorted.
    pub mutual: Vec<u32>,
}

/// What other namespaces reach of one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Inward {
    /// The namespace; empty for objects that name none.
    pub namespace: Box<str>,
    /// Pairs of a class elsewhere and a class in it.
    pub pairs: u64,
    /// Of these, pairs with a connection.
    pub reachable: u64,
}

impl Engine<'_> {
    /// Counts what classes of pods reach of each other on any of `ports`. Needs a bit for each pair, twice.
    pub fn lateral(&self, ports: &PortSet) -> Lateral {
        let n = self.classes();
        let place = |class: u32| self.classes.list[class as usize].namespace as usize;
        let mut counts = vec![0_u64; self.classes.places.len()];
        let mut sizes = vec![0_u64; counts.len()];
        (0..n as u32).filter(|&class| !self.host.has(class)).for_each(|class| sizes[place(class)] += 1);
        let mut result = Lateral::default();
        let mut rows = self.rows(Certainty::Sure);
        let mut next = Vec::with_capacity(n);
        for class in 0..n as u32 {
            let mut reached = Bits::none(n);
            if !self.host.has(class) {
                for (number, classes) in &rows.row(class).groups {
                    if !rows.ports(*number).intersection(ports).is_empty() {
                        reached.or_set(classes);
                    }
                }
                reached.minus(&self.host);
                reached.unset(class);
                result.reachable += reached.count() as u64;
                let elsewhere = reached.iter().filter(|&other| place(other) != place(class));
                elsewhere.for_each(|other| counts[place(other)] += 1);
            }
            next.push(reached);
        }
        let all: u64 = sizes.iter().sum();
        result.pairs = all * all.saturating_sub(1);
        let inward = |(at, &size): (usize, &u64)| Inward {
            namespace: self.classes.places[at].name.clone(),
            pairs: size * (all - size),
            reachable: counts[at],
        };
        result.into = sizes.iter().enumerate().filter(|(_, size)| **size > 0).map(inward).collect();
        result.mutual = largest_component(&next);
        result.mutual.sort_unstable();
        result
    }
}

/// The largest strongly connected component; none of a single class. Kosaraju's algorithm over bits, without recursion.
fn largest_component(next: &[Bits]) -> Vec<u32> {
    let n = next.len();
    let mut open = Bits::all(n);
    let mut order = Vec::with_capacity(n);
    for start in 0..n as u32 {
        if !open.has(start) {
            continue;
        }
        open.unset(start);
        let mut stack = vec![start];
        while let Some(&at) = stack.last() {
            match next[at as usize].first_common(&open) {
                Some(to) => {
                    open.unset(to);
                    stack.push(to);
                }
                None => order.extend(stack.pop()),
            }
        }
    }
    let mut back = vec![Bits::none(n); n];
    for (from, reached) in next.iter().enumerate() {
        reached.iter().for_each(|to| back[to as usize].set(from as u32));
    }
    let mut largest = Vec::new();
    let mut open = Bits::all(n);
    for &start in order.iter().rev() {
        if !open.has(start) {
            continue;
        }
        open.unset(start);
        let (mut component, mut at) = (vec![start], 0);
        while let Some(&class) = component.get(at) {
            match back[class as usize].first_common(&open) {
                Some(from) => {
                    open.unset(from);
                    component.push(from);
                }
                None => at += 1,
            }
        }
        if component.len() > 1 && component.len() > largest.len() {
            largest = component;
        }
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_circle_is_found() {
        let check = |edges: &[(u32, u32)], n: usize, expected: &[u32]| {
            let mut next = vec![Bits::none(n); n];
            edges.iter().for_each(|&(a, b)| next[a as usize].set(b));
            let mut found = largest_component(&next);
            found.sort_unstable();
            assert_eq!(found, expected, "{edges:?}");
        };
        check(&[(0, 1), (1, 2), (2, 0), (3, 4), (4, 3), (2, 3)], 5, &[0, 1, 2]);
        check(&[(0, 1), (1, 2)], 3, &[]);
        check(&[], 0, &[]);
    }
}
