//! What changed on an endpoint, and who should hear of it: changes, triggers, alerts, notifiers, messages.
//!
//! Plain values and pure functions: no socket, no file, no clock. The way of a change:
//!
//! ```text
//! records ──▶ changes(previous, now), gone, back, by_time ──▶ Change ──▶ Compiled::fired ──▶ Message
//! ```
//!
//! A [`Change`] carries a `key` that is the same however often the same change is computed, so that a store with
//! one unique column keeps each once; a [`Message`] derives its idempotency key from it.

mod alert;
mod change;
mod changes;
mod compiled;
mod message;
mod notifier;
mod trigger;
mod word;

pub use alert::{
    Alert, AlertError, AlertId, AlertShape, Filters, Ignore, IgnoreShape, NETWORKS_MAX, NotifierShape,
    TriggerSetting, TriggerShape,
};
pub use change::{Change, ChangeKind, TEXT_BYTES_MAX};
pub use changes::{CERTIFICATE_DAYS, back, by_time, changes, gone, is_settled, previous_of};
pub use compiled::{Compiled, fired};
pub use message::{AlertName, Message, NoBanner};
pub use nightlatch_scope::{AddressRange, AddressSet};
pub use notifier::{ARGUMENT_BYTES_MAX, Args, Notifier, NotifierError, Provider, ProviderInfo};
pub use trigger::{Trigger, TriggerInfo, TriggerSet};
pub use word::UnknownName;

#[cfg(test)]
mod samples;
