//! Native checks of the family `pod`.

pub(crate) mod account;
mod apparmor;
pub(crate) mod capabilities;
mod command;
mod deprecated;
mod host;
mod hostpath;
mod image;
mod kernel;
pub(crate) mod node_path;
mod placement;
mod privileged;
mod probes;
pub(crate) mod resources;
pub(crate) mod seccomp;
mod services;
mod spec;
mod stock;
pub(crate) mod system;
mod user;
mod volumes;

use crate::{NativeCheck, PartCheck};

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("pod/default-name-and-port", stock::default_name_and_port),
    ("pod/default-namespace", placement::default_namespace),
    ("pod/deprecated-api", deprecated::api),
    ("pod/hostpath-sensitive", hostpath::sensitive_path),
    ("pod/hostpath-volume", hostpath::volume),
    ("pod/runtime-socket-mount", hostpath::socket),
    ("pod/ssh-server", services::ssh),
];

/// Those that look at one workload after the other.
pub(crate) const BY_WORKLOAD: &[(&str, PartCheck)] = &[
    ("pod/allow-privilege-escalation", privileged::escalation),
    ("pod/apparmor-missing", apparmor::missing),
    ("pod/apparmor-unconfined", apparmor::unconfined),
    ("pod/capability-beyond-baseline", capabilities::beyond_baseline),
    ("pod/capability-dangerous", capabilities::dangerous),
    ("pod/capability-drop-all-missing", capabilities::drop_all),
    ("pod/control-plane-scheduling", placement::control_plane),
    ("pod/cpu-limit-missing", resources::cpu_limit),
    ("pod/cpu-request-missing", resources::cpu_request),
    ("pod/dangerous-git-sync", image::git_sync),
    ("pod/default-sa-used", account::default_used),
    ("pod/ephemeral-storage-limit-missing", resources::storage_limit),
    ("pod/host-aliases", volumes::hosts_file),
    ("pod/host-ipc", host::ipc),
    ("pod/host-network", host::network),
    ("pod/host-pid", host::pid),
    ("pod/host-port", host::port),
    ("pod/host-users", user::no_namespace),
    ("pod/hostpath-writable", hostpath::writable),
    ("pod/image-tag-mutable", image::mutable),
    ("pod/low-uid", user::low),
    ("pod/memory-limit-missing", resources::memory_limit),
    ("pod/memory-request-missing", resources::memory_request),
    ("pod/naked-pod", placement::naked),
    ("pod/net-raw-not-dropped", capabilities::net_raw),
    ("pod/privileged", privileged::privileged),
    ("pod/probe-host-set", probes::host),
    ("pod/probe-missing", probes::missing),
    ("pod/proc-mount-unmasked", kernel::proc_mount),
    ("pod/pull-policy-not-always", image::stale),
    ("pod/root-or-low-gid", user::group),
    ("pod/rootfs-writable", kernel::root_file_system),
    ("pod/run-as-non-root-missing", user::non_root_missing),
    ("pod/run-as-uid-0", user::zero),
    ("pod/sa-token-automount", account::automount),
    ("pod/seccomp-missing", seccomp::missing),
    ("pod/seccomp-unconfined", seccomp::unconfined),
    ("pod/security-context-empty", kernel::nothing_set),
    ("pod/selinux-custom", kernel::selinux),
    ("pod/service-account-missing", account::missing),
    ("pod/several-services-in-container", services::several),
    ("pod/share-process-namespace", host::shared_processes),
    ("pod/sudo-entrypoint", services::sudo),
    ("pod/unsafe-sysctl", kernel::sysctl),
    ("pod/user-workload-in-system-namespace", placement::system_namespace),
    ("pod/volume-type-restricted", volumes::restricted),
    ("pod/windows-host-process", host::process),
];
