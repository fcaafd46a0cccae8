//! Audits configuration: runs rules over what `manifest` read, with the answers of `rbac`, `netpol` and `credential`.
//!
//! A rule is a folder `rules/<family>/<rule>/`: `rule.toml` says what it is and how it is checked, `cases/` shows input
//! on which it must fire and on which it must stay silent. A check is either declared there in a closed set of shapes, or
//! `native = "<name>"`: a function in `checks/<family>/`, registered in the list of its family.
//!
//! ```ignore
//! /// The whole of a native check.
//! pub(crate) fn host_pid<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
//!     for workload in &context.workloads {
//!         let subject = context.workload_subject(workload);
//!         match workload.pod_spec.get("hostPID") {
//!             Some(node) if node.as_bool() == Some(true) => sink.fail(
//!                 Found::new(subject, node, "the pod shares the process namespace of its node")
//!                     .change(Change::Remove(node)),
//!             ),
//!             _ => sink.pass(),
//!         }
//!     }
//! }
//! ```
//!
//! A check says `pass` once for each thing it looked at and found in order, `unknown` where the input cannot show it, and
//! nothing at all when there is nothing it is about: silence is "not applicable".
//!
//! Pure: no file, clock or socket. The day is an argument.

mod baseline;
mod checks;
mod context;
mod declared;
mod engine;
mod exemption;
mod fix;
mod kept;
mod kubelet;
mod location;
mod profile;
mod program;
mod rule;
mod settings;
mod sink;
mod suppress;

pub use baseline::{Baseline, BaselineError};
pub use context::{Context, Part};
pub use engine::{Judged, audit, audit_context};
pub use profile::{Profile, UnknownProfile};
pub use rule::{Rule, UnknownRule, rule, rules};
pub use settings::{
    Exemption, FileChoices, KubernetesVersion, Outside, Settings, SettingsError, read_settings,
};
pub use sink::{At, Change, Found, Sink, Subject, Words};
pub use suppress::{ANNOTATION, COMMENT_MARK};

/// A check: looks at everything it is about and tells the sink.
pub type NativeCheck = for<'a> fn(&Context<'a>, &mut Sink<'a>);

/// A check that judges one workload after the other: it is given some at a time.
pub type PartCheck = for<'a> fn(&Part<'_, 'a>, &mut Sink<'a>);
