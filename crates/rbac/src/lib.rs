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
mod chain;
pub mod cover;
pub mod defaults;
mod index;
mod labels;
mod node;
mod policy;
mod read;
pub mod user;

pub use attributes::Attributes;
pub use authorizer::{Assume, Authorizer, Decision, Doubt, Grant, Options, RuleGrant, WhoCan};
pub use chain::{Chain, Mode};
pub use index::{BindingId, RoleId};
pub use labels::{Operator, Requirement, Selector};
pub use node::{NodeAnswer, NodeGraph};
pub use policy::{
    Anchor, BOOTSTRAPPING, Binding, Origin, Policy, Role, RoleKind, Rule, Subject, SubjectKind,
};
pub use read::GROUP;
pub use user::User;
