//! Native checks of the family `compose`: services of Compose projects, and containers that `docker inspect` tells of.

mod container;
mod credentials;
mod isolation;
mod limits;
mod mounts;
mod networks;
mod ports;

use crate::NativeCheck;

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("compose/capabilities", isolation::capabilities),
    ("compose/confinement-off", isolation::confinement_off),
    ("compose/credential-literal", credentials::literal),
    ("compose/daemon-api-open", ports::daemon_api),
    ("compose/flat-network", networks::flat),
    ("compose/host-cgroup", isolation::host_cgroup),
    ("compose/host-device", isolation::host_device),
    ("compose/host-ipc", isolation::host_ipc),
    ("compose/host-network", isolation::host_network),
    ("compose/host-pid", isolation::host_pid),
    ("compose/host-user-namespace", isolation::host_user_namespace),
    ("compose/mutable-image", limits::image),
    ("compose/new-privileges", isolation::new_privileges),
    ("compose/no-cpu-limit", limits::processors),
    ("compose/no-healthcheck", limits::healthcheck),
    ("compose/no-memory-limit", limits::memory),
    ("compose/no-process-limit", limits::processes),
    ("compose/port-on-all-interfaces", ports::on_all_interfaces),
    ("compose/privileged", isolation::privileged),
    ("compose/privileged-port", ports::privileged),
    ("compose/restart-unbounded", limits::restart),
    ("compose/root-user", limits::root_user),
    ("compose/runtime-socket", mounts::socket),
    ("compose/sensitive-host-path", mounts::sensitive_path),
    ("compose/shared-volume", mounts::shared),
    ("compose/writable-root", limits::writable_root),
];
