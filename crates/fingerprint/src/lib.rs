//! Compiles fingerprint files; names the product, reads its version, judges exposure.
//!
//! Pure: no socket, no clock, no file at run time. The files under `fingerprints/` are embedded by the build
//! script; [`Catalogue::compile`] takes further texts. A [`Session`] plans what to ask and judges the answers:
//!
//! ```
//! use nightlatch_fingerprint::{Catalogue, Context, Known, QuestionId, Scheme};
//! use nightlatch_asset::{Answer, Failure};
//!
//! let catalogue = Catalogue::compile(&[], &Known::dialogues(&[])).unwrap();
//! let mut session = catalogue.session(Context::new(8080, Scheme::Plain, *b"8 random"));
//! loop {
//!     let questions = session.next();
//!     if questions.is_empty() {
//!         break;
//!     }
//!     for question in questions {
//!         session.answer(question.id, Answer::Failed(Failure::Timeout));
//!     }
//! }
//! assert_eq!(session.verdict().verdict.fingerprint, None);
//! ```
//!
//! The format of the files is described in `docs/guide/fingerprint-format.md`.

mod analyse;
mod catalogue;
mod compile;
mod deny;
mod edge;
mod error;
pub mod examples;
mod exchange;
mod file;
mod habits;
mod judge;
pub mod lint;
mod model;
mod page;
mod prefix_json;
mod replay;
mod schema;
mod self_named;
mod session;
mod similarity;

pub use catalogue::{Catalogue, Entry, Known, Source};
pub use error::{Fault, FingerprintError};
pub use file::ExampleKind;
pub use habits::Habits;
pub use judge::{Candidate, Judged};
pub use model::Method;
pub use replay::Replay;
pub use schema::schema;
pub use session::{
    Context, DIALOGUES_MAX, QUESTIONS_MAX, Question, QuestionId, QuestionKind, SWEEP_MAX, Scheme, Session,
};
