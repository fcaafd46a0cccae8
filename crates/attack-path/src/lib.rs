//! Ways from a stranger to what must not be theirs.
//!
//! A graph of places (the internet, an endpoint, a workload, an identity, a node, a goal) and steps between them, each with
//! its cost and what shows that it can be taken. Asked for: the cheapest way from each entry to each goal, and which few
//! steps to break so that most ways vanish.
//!
//! Pure, and without any knowledge of Kubernetes: who builds the graph says what its places and steps are.

mod cut;
mod graph;
mod search;

pub use cut::{Break, breaks};
pub use graph::{Graph, Place, Step, StepId};
pub use search::{Way, ways};
