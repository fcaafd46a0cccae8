//! Brings configuration in: folders, files and standard input, rendered charts and kustomizations, live clusters.
//!
//! A shell: the only place of the audit that reads files, starts programs or dials. What it reads it gives to `manifest`
//! as bytes; what it cannot read it says, and goes on.

mod bounded;
mod cluster;
mod files;
mod program;
mod render;

pub use bounded::{ReadError, read_bounded};
pub use cluster::{Cluster, ClusterError, ClusterOptions, read_cluster};
pub use files::{FileOptions, Files, collect_paths, file_times};
pub use render::{RenderError, Renderers, render_folders};
