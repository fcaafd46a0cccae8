//! Native checks of the family `docker`: the Docker daemon, containerd, CRI-O, podman.

mod api;
mod containerd;
mod daemon;
mod files;
mod info;
mod registry;
mod runtime_api;
mod settings;
mod swarm;

use crate::NativeCheck;

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("docker/containerd-insecure", containerd::insecure),
    ("docker/experimental", settings::experimental),
    ("docker/file-mode", files::file_mode),
    ("docker/insecure-registry", registry::insecure),
    ("docker/inter-container-traffic", settings::inter_container),
    ("docker/iptables-off", settings::iptables),
    ("docker/legacy-storage-driver", settings::storage_driver),
    ("docker/logging", settings::logging),
    ("docker/new-privileges", settings::new_privileges),
    ("docker/no-authorization-plugin", api::no_authorization_plugin),
    ("docker/no-default-limits", settings::default_limits),
    ("docker/no-live-restore", settings::live_restore),
    ("docker/no-user-namespace", settings::user_namespace),
    ("docker/runtime-api-open", runtime_api::open),
    ("docker/seccomp-unconfined", settings::seccomp),
    ("docker/socket-mode", files::socket_mode),
    ("docker/swarm-exposed", swarm::exposed),
    ("docker/tcp-without-tls", api::without_tls),
    ("docker/tls-incomplete", api::tls_incomplete),
    ("docker/userland-proxy", settings::userland_proxy),
];
