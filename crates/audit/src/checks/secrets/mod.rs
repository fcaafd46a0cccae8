//! Native checks of the family `secrets`, and what other families ask about credentials: [`credential`].

pub(crate) mod credential;

mod arguments;
mod config;
mod decode;
mod environment;
mod host_path;
mod kubeconfig;
mod private_key;
mod registry_login;
mod secret_object;
mod secret_use;
mod token;
mod walk;

use crate::{NativeCheck, PartCheck};

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("secrets/credential-in-configmap", config::check),
    ("secrets/kubeconfig-embedded-admin", kubeconfig::check),
    ("secrets/last-applied-secret", secret_object::last_applied),
    ("secrets/long-lived-sa-token", token::check),
    ("secrets/plaintext-secret-manifest", secret_object::plaintext),
    ("secrets/private-key-file", private_key::check),
    ("secrets/registry-credential-inline", registry_login::check),
];

/// Those that look at one workload after the other.
pub(crate) const BY_WORKLOAD: &[(&str, PartCheck)] = &[
    ("secrets/credential-in-args", arguments::check),
    ("secrets/credential-in-env", environment::check),
    ("secrets/host-credential-mount", host_path::check),
    ("secrets/secret-as-env", secret_use::as_environment),
    ("secrets/secret-mounted", secret_use::mounted),
];
