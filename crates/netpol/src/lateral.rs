//! How far somebody who holds one pod gets.

use crate::{Certainty, ClassSet, Engine, PortSet};

/// How much of the cluster pods reach of each other.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Lateral {
    /// Ordered pairs of different classes of pods, host-network pods left out.
    pub pairs: u64,
    /// Of these, pairs with a connection on the ports asked for, in any case.
    pub reachable: u64,
    /// Of each class how many others it reaches directly.
    pub reaches: Vec<u32>,
    /// The largest set of classes in which each gets to each other, perhaps through others; sorted.
    pub mutual: Vec<u32>,
}

impl Engine<'_> {
    /// Counts what classes of pods reach of each other on any of `ports`.
    pub fn lateral(&self, ports: &PortSet) -> Lateral {
        let n = self.classes();
        let mut rows = self.rows(Certainty::Sure);
        let mut next: Vec<Vec<u32>> = Vec::with_capacity(n);
        for class in 0..n as u32 {
            if self.host.has(class) {
                next.push(Vec::new());
                continue;
            }
            let row = rows.row(class);
            let groups =
                row.groups.iter().filter(|(number, _)| !rows.ports(*number).intersection(ports).is_empty());
            let mut reached: Vec<u32> =
                groups.flat_map(|(_, classes): &(u32, ClassSet)| classes.iter()).collect();
            reached.retain(|&other| other != class && !self.host.has(other));
            reached.sort_unstable();
            next.push(reached);
        }
        let plain = (0..n as u32).filter(|&class| !self.host.has(class)).count() as u64;
        let mut mutual = largest_component(&next);
        mutual.sort_unstable();
        Lateral {
            pairs: plain * plain.saturating_sub(1),
            reachable: next.iter().map(|reached| reached.len() as u64).sum(),
            reaches: next.iter().map(|reached| reached.len() as u32).collect(),
            mutual,
        }
    }
}

/// The largest strongly connected component; none of a single class. Kosaraju's algorithm, without recursion.
fn largest_component(next: &[Vec<u32>]) -> Vec<u32> {
    let n = next.len();
    let mut seen = vec![false; n];
    let mut order = Vec::with_capacity(n);
    for start in 0..n {
        if seen[start] {
            continue;
        }
        seen[start] = true;
        let mut stack = vec![(start, 0)];
        while let Some((at, edge)) = stack.last_mut() {
            match next[*at].get(*edge) {
                Some(&to) => {
                    *edge += 1;
                    if !std::mem::replace(&mut seen[to as usize], true) {
                        stack.push((to as usize, 0));
                    }
                }
                None => {
                    order.push(*at as u32);
                    stack.pop();
                }
            }
        }
    }
    let mut back = vec![Vec::new(); n];
    for (from, reached) in next.iter().enumerate() {
        reached.iter().for_each(|&to| back[to as usize].push(from as u32));
    }
    let mut largest = Vec::new();
    let mut taken = vec![false; n];
    for &start in order.iter().rev() {
        if std::mem::replace(&mut taken[start as usize], true) {
            continue;
        }
        let (mut component, mut at) = (vec![start], 0);
        while let Some(&class) = component.get(at) {
            at += 1;
            for &from in &back[class as usize] {
                if !std::mem::replace(&mut taken[from as usize], true) {
                    component.push(from);
                }
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
            let mut next = vec![Vec::new(); n];
            edges.iter().for_each(|&(a, b)| next[a as usize].push(b));
            let mut found = largest_component(&next);
            found.sort_unstable();
            assert_eq!(found, expected, "{edges:?}");
        };
        check(&[(0, 1), (1, 2), (2, 0), (3, 4), (4, 3), (2, 3)], 5, &[0, 1, 2]);
        check(&[(0, 1), (1, 2)], 3, &[]);
        check(&[], 0, &[]);
    }
}
