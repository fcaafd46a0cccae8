//! Configuration files as trees in which every value knows its place.
//!
//! Kubernetes manifests, Compose files, daemon and node configuration, kubeconfigs, cloud dumps: whatever the format,
//! bytes become a [`Document`], an arena of nodes with byte spans into one [`Source`]. A [`Node`] is a cursor on it.
//! Reading never fails as a whole: what cannot be read is a [`Diagnostic`] with its place, and the rest is there.
//!
//! Pure: bytes come in as arguments, no file is opened here.

mod builder;
mod classify;
mod comments;
mod component;
mod compose;
mod corpus;
mod diagnostic;
mod edit;
mod embedded;
mod kustomize;
mod node_file;
mod object;
mod read;
mod source;
mod tree;
mod workload;

pub use builder::TreeBuilder;
pub use classify::{Census, DocumentKind, kind_of};
pub use comments::comment_lines;
pub use component::{Component, ComponentKind, Distribution, Flag, components, option_flags, split_words};
pub use compose::{
    ComposeMount, ComposeMountKind, ComposePort, ComposeProject, ComposeService, ComposeVariable,
    compose_projects,
};
pub use corpus::{Corpus, Input, View};
pub use diagnostic::{Diagnostic, DiagnosticKind};
pub use edit::{TextEdit, append, apply, diff, insert, remove, set};
pub use embedded::Embedded;
pub use node_file::{NodeFile, node_files};
pub use object::Object;
pub use read::Limits;
#[cfg(feature = "compare")]
pub use read::yaml::compare::agree;
pub use source::{Place, Source, SourceId, Span};
pub use tree::{Document, Format, Kind, Node, NodeId};
pub use workload::{Container, ContainerList, Workload, workloads};
