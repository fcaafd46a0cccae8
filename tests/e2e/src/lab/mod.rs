//! A real Kubernetes control plane on loopback: etcd, API server, controllers, and a node agent where the machine allows.
//!
//! `tests/lab/build` builds the programs; the directory they are in is [`HOME_VARIABLE`]. Every program is stopped by its
//! process id when the value is dropped, also after a panic, and dies with the thread that started it.

mod api;
mod authority;
mod control_plane;
mod node;

pub use api::{Answer, Api, Login, Session};
pub use authority::{Authority, Identity};
pub use control_plane::{
    Authorization, CONTROLLER_MANAGER, Daemon, Lab, SCHEDULER, Setup, TOKEN, TOKEN_USER, has_token,
    ports_taken,
};
pub use node::{Lock, Node, kubelet_impossible};

use std::{env, path::PathBuf};

/// The variable that says where the programs are.
pub const HOME_VARIABLE: &str = "NIGHTLATCH_LAB";

/// Where the programs are; absent when the lab was not built.
pub fn home() -> Option<PathBuf> {
    env::var_os(HOME_VARIABLE).map(PathBuf::from)
}

/// The path of a program of the lab, such as `kubectl`; absent when it could not be built.
pub fn program(name: &str) -> Option<PathBuf> {
    home().map(|home| home.join(name)).filter(|path| path.exists())
}

/// As [`program`], for those that the lab cannot do without.
fn needed(name: &str) -> PathBuf {
    program(name)
        .unwrap_or_else(|| panic!("{name} is missing: ./test lab builds it and sets {HOME_VARIABLE}"))
}
