//! Role-based access control of Kubernetes without a cluster: an exact authoriser over the objects of a corpus.
//!
//! [`Authorizer::new`] reads roles and bindings, fills aggregated roles, and arranges everything by subject;
//! [`Authorizer::authorize`] then answers a question the way the API server would, and says which rule of which role
//! through which binding decided. What the input cannot show (a webhook, a policy file on the control plane) gives
//! [`Decision::UnknownMayAllow`] or [`Decision::UnknownMayDeny`], never a guess.
//!
//! Pure: no file, no socket, no clock.

mod aggregate;
mod attributes;
mod authorizer;
pub mod capability;
mod chain;
pub mod cover;
pub mod defaults;
mod diff;
pub mod escalation;
mod index;
mod labels;
mod merge;
mod node;
mod operators;
mod policy;
mod read;
mod resources;
mod rights;
pub mod risk;
mod suggest;
mod surroundings;
pub mod user;

pub use attributes::Attributes;
pub use authorizer::{Assume, Authorizer, Decision, Doubt, Grant, Options, RuleGrant, WhoCan};
pub use capability::{Capabilities, Capability, RoleCapabilities};
pub use chain::{Chain, Mode};
pub use diff::{Change, diff};
pub use escalation::{Escalation, Step, Vertex};
pub use index::{BindingId, RoleId};
pub use labels::{Operator, Requirement, Selector};
pub use merge::merge;
pub use node::{NodeAnswer, NodeGraph};
pub use policy::{
    Anchor, BOOTSTRAPPING, Binding, Origin, Policy, Role, RoleKind, Rule, Subject, SubjectKind,
};
pub use read::GROUP;
pub use resources::{Resource, Resources};
pub use rights::{Right, Target};
pub use risk::{Assessment, Risk};
pub use suggest::{LineError, SuggestOptions, Suggestion};
pub use surroundings::{NamespaceFacts, Surroundings, Workload};
pub use user::User;
