//! Who can reach whom: NetworkPolicy and its relatives, decided exactly and explained.
//!
//! A [`Network`] holds namespaces, pods, policies and ways in as plain values; `read` makes it from a
//! [`nightlatch_manifest::Corpus`]. An [`Engine`] reduces pods to classes that no policy can tell apart and answers by
//! rows ([`Rows`]) and by pairs ([`Engine::pair`]).
//!
//! What manifests cannot show is never guessed: every answer has two bounds, see [`Certainty`].
//!
//! Pure: no file, socket, clock or thread.

mod address;
mod atoms;
mod choose;
mod class;
mod class_set;
mod compile;
mod diff;
mod engine;
mod exposure;
mod lateral;
mod model;
mod outside;
mod pair;
mod port;
mod ranges;
mod read;
mod redundant;
mod row;
mod selector;
mod suggest;
mod tier;

pub use address::{AddressSet, Cidr};
pub use choose::{Chosen, NotChosen};
pub use class_set::ClassSet;
pub use diff::{Changed, Difference, difference};
pub use engine::{Certainty, Engine};
pub use exposure::{Exposed, Way};
pub use lateral::{Inward, Lateral};
pub use model::*;
pub use outside::Region;
pub use pair::{Answer, Doubt, Party, PolicyRef, Reason, SideAnswer, Verdict};
pub use port::{PortSet, Protocol};
pub use redundant::Idle;
pub use row::{Row, Rows};
pub use selector::{Labels, Operator, Requirement, Selector};
pub use suggest::{Need, Source, Suggestion};
