//! The cheapest ways.

use std::{cmp::Reverse, collections::BinaryHeap};

use crate::{Graph, Place, StepId};

/// One way from an entry to a goal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Way {
    /// Where it starts.
    pub entry: Place,
    /// Where it ends.
    pub goal: Place,
    /// Its steps in order.
    pub steps: Vec<StepId>,
    /// The sum of their costs.
    pub cost: u64,
}

/// The cheapest way from `entry` to each of `goals` that can be reached, cheapest first. Of ways of one cost the one with the
/// earlier steps is taken, so that the answer is always the same.
///
/// - `with_possible`: whether steps that are only possible may be taken.
///
/// Dijkstra's algorithm: O((places + steps) log places) for each entry.
pub fn ways<P, E>(graph: &Graph<P, E>, entry: Place, goals: &[Place], with_possible: bool) -> Vec<Way> {
    let mut best: Vec<Option<(u64, Option<StepId>)>> = vec![None; graph.len()];
    let mut queue = BinaryHeap::new();
    best[entry.0 as usize] = Some((0, None));
    queue.push(Reverse((0u64, entry)));
    while let Some(Reverse((cost, place))) = queue.pop() {
        if best[place.0 as usize].is_some_and(|(known, _)| known < cost) {
            continue;
        }
        for &id in graph.steps_from(place) {
            let step = graph.get(id);
            if step.possible && !with_possible {
                continue;
            }
            let next = cost + u64::from(step.cost);
            let slot = &mut best[step.to.0 as usize];
            if slot.is_none_or(|(known, _)| next < known) {
                *slot = Some((next, Some(id)));
                queue.push(Reverse((next, step.to)));
            }
        }
    }
    let mut found: Vec<Way> = goals
        .iter()
        .filter(|goal| **goal != entry)
        .filter_map(|&goal| {
            let (cost, _) = best[goal.0 as usize]?;
            Some(Way { entry, goal, steps: steps_back(graph, &best, goal), cost })
        })
        .collect();
    found.sort_by_key(|way| (way.cost, way.goal));
    found
}

fn steps_back<P, E>(graph: &Graph<P, E>, best: &[Option<(u64, Option<StepId>)>], goal: Place) -> Vec<StepId> {
    let mut steps = Vec::new();
    let mut at = goal;
    while let Some((_, Some(step))) = best[at.0 as usize] {
        steps.push(step);
        at = graph.get(step).from;
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn graph(places: u32, steps: &[(u32, u32, u32, bool)]) -> Graph<(), ()> {
        let mut graph = Graph::default();
        for _ in 0..places {
            graph.place(());
        }
        for &(from, to, cost, possible) in steps {
            graph.step(Place(from % places), Place(to % places), cost, possible, ());
        }
        graph
    }

    #[test]
    fn the_cheapest_way_is_taken_and_possible_steps_only_when_asked() {
        let graph = graph(
            4,
            &[(0, 1, 5, false), (0, 2, 1, false), (2, 1, 1, false), (1, 3, 1, false), (0, 3, 1, true)],
        );
        let way = &ways(&graph, Place(0), &[Place(3)], false)[0];
        assert_eq!((way.cost, way.steps.len()), (3, 3));
        assert_eq!(ways(&graph, Place(0), &[Place(3)], true)[0].cost, 1);
        assert!(ways(&graph, Place(3), &[Place(0)], true).is_empty());
    }

    proptest! {
        #[test]
        fn costs_are_those_of_relaxing_everything(steps in prop::collection::vec((0..8u32, 0..8u32, 1..9u32, any::<bool>()), 0..40)) {
            let graph = graph(8, &steps);
            let mut least = [u64::MAX; 8];
            least[0] = 0;
            for _ in 0..8 {
                for &(from, to, cost, possible) in &steps {
                    if !possible && least[from as usize] != u64::MAX {
                        least[to as usize] = least[to as usize].min(least[from as usize] + u64::from(cost));
                    }
                }
            }
            let goals: Vec<Place> = (1..8).map(Place).collect();
            let found = ways(&graph, Place(0), &goals, false);
            for goal in goals {
                let way = found.iter().find(|way| way.goal == goal);
                prop_assert_eq!(way.map_or(u64::MAX, |way| way.cost), least[goal.0 as usize]);
                if let Some(way) = way {
                    let mut at = Place(0);
                    for step in &way.steps {
                        prop_assert_eq!(graph.get(*step).from, at);
                        at = graph.get(*step).to;
                    }
                    prop_assert_eq!(at, goal);
                }
            }
        }
    }
}
