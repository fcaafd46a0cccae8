//! What is out there: endpoints, observations, exposure, evidence, and the catalogue of fields that an
//! observation can be searched by.
//!
//! Plain values. Nothing here opens a socket, a file or a clock; times come in as arguments.

mod answer;
mod endpoint;
mod exposure;
mod field;
mod observation;
pub mod token;

pub use answer::{Answer, BodyEnd, DialogueAnswer, Failure, HttpAnswer};
pub use endpoint::{Endpoint, Transport};
pub use exposure::{Confidence, Exposure, Proof, UnknownWord};
pub use field::{CATALOGUE, Field, FieldInfo, Kind, UnknownField, Value, edit_distance, murmur3_32, nearest};
pub use jiff::Timestamp;
pub use nightlatch_finding::{Finding, Severity};
pub use nightlatch_untrusted::Text;
pub use observation::{
    Certificate, ClientCertificate, Cloud, Evidence, Favicon, Http, Network, Observation, Place, Record,
    RequestClass, RunId, Tls, Verdict,
};
