//! Paths of a node: how bad it is to mount them.

use std::borrow::Cow;

use nightlatch_finding::Severity::{self, Critical, High, Low, Medium};

/// A path of a node, and how bad it is to mount it writable and read-only.
pub(crate) struct Sensitive {
    path: &'static str,
    /// Whether what lies below it is as bad.
    below: bool,
    pub(crate) writable: Severity,
    pub(crate) read_only: Severity,
    /// What is there.
    pub(crate) holds: &'static str,
}

const fn tree(path: &'static str, writable: Severity, read_only: Severity, holds: &'static str) -> Sensitive {
    Sensitive { path, below: true, writable, read_only, holds }
}

const fn only(path: &'static str, writable: Severity, read_only: Severity, holds: &'static str) -> Sensitive {
    Sensitive { path, below: false, writable, read_only, holds }
}

/// The longest path that fits decides. Parents of sensitive paths stand here too; `/var/lib/myapp` is not sensitive
/// because `/var/lib` is.
const SENSITIVE: &[Sensitive] = &[
    only("/", Critical, High, "everything on the node"),
    tree("/bin", Critical, Low, "programs of the node"),
    tree("/boot", Critical, Low, "the kernel and its loader"),
    tree("/dev", High, High, "a device of the node"),
    only("/dev", Critical, Critical, "the devices of the node"),
    tree("/dev/dri", Low, Low, "graphics devices"),
    tree("/dev/fuse", Low, Low, "the FUSE device"),
    tree("/dev/infiniband", Low, Low, "network devices"),
    tree("/dev/kvm", Low, Low, "the KVM device"),
    tree("/dev/log", Low, Low, "the node's log socket"),
    tree("/dev/net/tun", Low, Low, "the TUN device"),
    tree("/dev/null", Low, Low, "nothing"),
    tree("/dev/nvidia", Low, Low, "graphics devices"),
    tree("/dev/random", Low, Low, "random numbers"),
    tree("/dev/shm", Low, Low, "shared memory of the node"),
    tree("/dev/snd", Low, Low, "sound devices"),
    tree("/dev/tty", Low, Low, "a terminal"),
    tree("/dev/urandom", Low, Low, "random numbers"),
    tree("/dev/vfio", Low, Low, "devices handed to virtual machines"),
    tree("/etc", High, Medium, "configuration of the node"),
    only("/etc", Critical, Critical, "the configuration of the node, keys included"),
    tree("/etc/alternatives", High, Low, "names of programs"),
    tree("/etc/ca-certificates", High, Low, "trusted certificates"),
    tree("/etc/cni", High, Low, "the network configuration of pods"),
    tree("/etc/containerd", Critical, Medium, "the configuration of the container runtime"),
    tree("/etc/crio", Critical, Medium, "the configuration of the container runtime"),
    tree("/etc/docker", Critical, Medium, "the configuration of the container runtime"),
    tree("/etc/hostname", High, Low, "the node's name"),
    tree("/etc/hosts", High, Low, "host names of the node"),
    tree("/etc/kubernetes", Critical, Critical, "keys and configuration of the cluster"),
    tree("/etc/localtime", High, Low, "the time zone"),
    tree("/etc/lsb-release", High, Low, "the system's name"),
    tree("/etc/lvm", High, Low, "the configuration of disks"),
    tree("/etc/machine-id", High, Low, "the node's identity"),
    tree("/etc/nsswitch.conf", High, Low, "where names are looked up"),
    tree("/etc/os-release", High, Low, "the system's name"),
    tree("/etc/passwd", Critical, Low, "users of the node"),
    tree("/etc/group", Critical, Low, "groups of the node"),
    tree("/etc/pki/ca-trust", High, Low, "trusted certificates"),
    tree("/etc/pki/tls/certs", High, Low, "trusted certificates"),
    only("/etc/pki", High, Low, "certificates of the node"),
    tree("/etc/rancher", Critical, Critical, "keys and configuration of the cluster"),
    tree("/etc/resolv.conf", High, Low, "name servers of the node"),
    tree("/etc/selinux", High, Low, "the SELinux policy"),
    tree("/etc/shadow", Critical, Critical, "passwords of the node"),
    tree("/etc/ssh", Critical, Critical, "SSH keys of the node"),
    tree("/etc/ssl", High, Low, "certificates of the node"),
    tree("/etc/ssl/private", Critical, Critical, "private keys of the node"),
    tree("/etc/sudoers", Critical, Medium, "who may become root"),
    tree("/etc/sudoers.d", Critical, Medium, "who may become root"),
    tree("/etc/cron.d", Critical, Low, "jobs that the node runs"),
    tree("/etc/systemd", Critical, Low, "units that the node runs"),
    tree("/etc/timezone", High, Low, "the time zone"),
    tree("/home", Critical, High, "home directories"),
    tree("/lib", Critical, Low, "libraries of the node"),
    tree("/lib/modules", High, Low, "kernel modules"),
    tree("/lib64", Critical, Low, "libraries of the node"),
    tree("/proc", Critical, Medium, "processes and settings of the node"),
    tree("/proc/sys", Critical, Low, "settings of the kernel"),
    tree("/root", Critical, Critical, "the home directory of root"),
    tree("/run", Medium, Low, "run-time files of the node"),
    only("/run", Critical, Critical, "run-time files of the node, the sockets of its services included"),
    tree("/run/containerd", Critical, Critical, "the container runtime"),
    tree("/run/crio", Critical, Critical, "the container runtime"),
    tree("/run/dbus", High, High, "the system bus"),
    tree("/run/docker", Critical, Critical, "the container runtime"),
    tree("/run/systemd", High, High, "the service manager of the node"),
    tree("/run/udev", Medium, Low, "the list of devices"),
    tree("/run/xtables.lock", Low, Low, "the lock of the packet filter"),
    tree("/sbin", Critical, Low, "programs of the node"),
    tree("/sys", Critical, Low, "devices and settings of the kernel"),
    tree("/sys/fs/bpf", High, Low, "pinned BPF programs and maps"),
    tree("/sys/fs/cgroup", High, Low, "control groups of the node"),
    tree("/sys/kernel/debug", High, Medium, "debugging interfaces of the kernel"),
    tree("/sys/kernel/tracing", High, Medium, "tracing interfaces of the kernel"),
    tree("/usr", Critical, Low, "programs and libraries of the node"),
    tree("/usr/local/share/ca-certificates", High, Low, "trusted certificates"),
    tree("/usr/share/ca-certificates", High, Low, "trusted certificates"),
    tree("/usr/share/zoneinfo", High, Low, "time zones"),
    tree("/usr/src", High, Low, "kernel sources"),
    only("/var", Critical, High, "data of the node's services"),
    only("/var/lib", Critical, High, "data of the node's services"),
    tree("/var/lib/containerd", Critical, High, "images and containers of the node"),
    tree("/var/lib/containers", Critical, High, "images and containers of the node"),
    tree("/var/lib/docker", Critical, High, "images and containers of the node"),
    tree("/var/lib/docker/containers", High, Medium, "logs and settings of containers"),
    tree("/var/lib/etcd", Critical, Critical, "the data of the cluster, secrets included"),
    tree("/var/lib/k0s", Critical, Critical, "keys and data of the cluster"),
    tree(
        "/var/lib/kubelet",
        Critical,
        Critical,
        "the kubelet's key, and volumes and secrets of all pods of the node",
    ),
    tree("/var/lib/kubelet/device-plugins", Medium, Low, "sockets of device plugins"),
    tree("/var/lib/kubelet/plugins", Medium, Low, "sockets of storage plugins"),
    tree("/var/lib/kubelet/plugins_registry", Medium, Low, "sockets of plugins"),
    tree("/var/lib/kubelet/pod-resources", Medium, Low, "what devices pods have"),
    tree("/var/lib/rancher", Critical, Critical, "keys and data of the cluster"),
    tree("/var/log", Medium, Low, "logs of the node"),
    only("/var/log", High, Medium, "logs of the node, which the kubelet follows through links"),
    tree("/var/log/containers", High, Low, "logs of containers, which the kubelet follows through links"),
    tree("/var/log/pods", High, Low, "logs of pods, which the kubelet follows through links"),
];

/// Devices through which the node's disks or memory are open.
const RAW_DEVICES: [&str; 11] = [
    "/dev/sd",
    "/dev/nvme",
    "/dev/vd",
    "/dev/xvd",
    "/dev/hd",
    "/dev/dm-",
    "/dev/mapper",
    "/dev/disk",
    "/dev/mem",
    "/dev/kmem",
    "/dev/port",
];

static RAW_DEVICE: Sensitive = tree("/dev", Critical, Critical, "a disk or the memory of the node");

/// True for disks and memory of the node.
pub(crate) fn is_raw_device(path: &str) -> bool {
    RAW_DEVICES.iter().any(|device| path.starts_with(device))
}

/// What of the table a clean path falls under.
pub(crate) fn sensitive(path: &str) -> Option<&'static Sensitive> {
    if is_raw_device(path) {
        return Some(&RAW_DEVICE);
    }
    SENSITIVE
        .iter()
        .filter(|entry| path == entry.path || (entry.below && is_below(path, entry.path)))
        // Of two entries for one path the one for it alone is the exact one.
        .max_by_key(|entry| (entry.path.len(), !entry.below && path == entry.path))
}

fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.starts_with('/'))
}

/// Directories that hold the socket of a runtime, and no more than run-time files beside it.
const SOCKET_DIRECTORIES: [&str; 8] = [
    "/run",
    "/run/containerd",
    "/run/crio",
    "/run/docker",
    "/run/k3s",
    "/run/k3s/containerd",
    "/run/podman",
    "/run/cri-dockerd",
];

const SOCKETS: [&str; 9] = [
    "docker.sock",
    "containerd.sock",
    "containerd.sock.ttrpc",
    "crio.sock",
    "cri-dockerd.sock",
    "dockershim.sock",
    "podman.sock",
    "cri-containerd.sock",
    "frakti.sock",
];

/// Named pipes of runtimes on Windows.
const PIPES: [&str; 3] = ["docker_engine", "containerd-containerd", "cri-dockerd"];

/// What a clean path gives of a container runtime: the name of its socket, or the directory it is in.
pub(crate) fn runtime_socket(path: &str) -> Option<&str> {
    let name = super::spec::base_name(path);
    if SOCKETS.contains(&name) || (path.contains("pipe") && PIPES.contains(&name)) {
        return Some(name);
    }
    SOCKET_DIRECTORIES.contains(&path).then_some(path)
}

/// A path without `.`, `..`, doubled and trailing slashes, and with `/run` for `/var/run`, which links there.
pub(crate) fn clean(path: &str) -> Cow<'_, str> {
    let untidy = path.contains("//")
        || path.contains("/.")
        || (path.len() > 1 && path.ends_with('/'))
        || path == "/var/run"
        || path.starts_with("/var/run/");
    if !untidy {
        return Cow::Borrowed(path);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            other => parts.push(other),
        }
    }
    if let ["var", "run", ..] = parts.as_slice() {
        parts.remove(0);
    }
    Cow::Owned(format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn a_clean_path_stays_as_it_is(path in r"/[a-z./ü]{0,40}") {
            let once = clean(&path).into_owned();
            proptest::prop_assert!(once.starts_with('/') && !once.contains("//") && !once.contains("/../"));
            proptest::prop_assert_eq!(clean(&once), once.as_str());
        }
    }

    #[test]
    fn paths_are_cleaned() {
        for (path, expected) in [
            ("/", "/"),
            ("/etc/", "/etc"),
            ("//etc///ssl/", "/etc/ssl"),
            ("/data/../etc", "/etc"),
            ("/../..", "/"),
            ("/var/run/docker.sock", "/run/docker.sock"),
            ("/var/run", "/run"),
            ("/var/./run/", "/run"),
            ("/var/running", "/var/running"),
            ("/data/.hidden", "/data/.hidden"),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }

    #[test]
    fn the_longest_entry_decides() {
        for (path, writable) in [
            ("/", Some(Critical)),
            ("/etc", Some(Critical)),
            ("/etc/localtime", Some(High)),
            ("/etc/kubernetes/pki", Some(Critical)),
            ("/etc/myapp", Some(High)),
            ("/etcetera", None),
            ("/var", Some(Critical)),
            ("/var/lib", Some(Critical)),
            ("/var/lib/myapp", None),
            ("/var/lib/kubelet/pods", Some(Critical)),
            ("/var/lib/kubelet/plugins/driver", Some(Medium)),
            ("/dev", Some(Critical)),
            ("/dev/sda1", Some(Critical)),
            ("/dev/shm", Some(Low)),
            ("/run/flannel", Some(Medium)),
            ("/run", Some(Critical)),
            ("/data", None),
            ("/opt/cni/bin", None),
            ("/mnt/disks", None),
        ] {
            assert_eq!(sensitive(path).map(|entry| entry.writable), writable, "{path}");
        }
    }

    #[test]
    fn sockets_and_their_directories_are_known() {
        for (path, expected) in [
            ("/run/docker.sock", true),
            ("/run/containerd/containerd.sock", true),
            ("/run/k3s/containerd/containerd.sock", true),
            ("/run/user/1000/podman/podman.sock", true),
            ("/run", true),
            ("/run/crio", true),
            (r"\\.\pipe\docker_engine", true),
            ("/run/calico", false),
            ("/opt/docker_engine", false),
            ("/var/lib/mysql/mysql.sock", false),
        ] {
            assert_eq!(runtime_socket(path).is_some(), expected, "{path}");
        }
    }
}
