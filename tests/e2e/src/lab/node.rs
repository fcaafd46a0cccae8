//! A real kubelet over Debian's containerd, on loopback.

use std::{net::SocketAddr, path::Path, process::Command};

use super::{
    authority::{Authority, path_text},
    control_plane::{Lab, kubeconfig},
    needed,
};
use crate::{
    client::{Scheme, get},
    server::{Home, Server, command_as, free_port, is_root},
};

/// What the kubelet would set in the running kernel. It finds what it wants to find, and leaves the machine alone.
/// Source: `pkg/kubelet/cm/container_manager_linux.go`, release 1.20.
const KERNEL_SETTINGS: [(&str, &str); 6] = [
    ("vm/overcommit_memory", "1"),
    ("vm/panic_on_oom", "0"),
    ("kernel/panic", "10"),
    ("kernel/panic_on_oops", "1"),
    ("kernel/keys/root_maxkeys", "1000000"),
    ("kernel/keys/root_maxbytes", "25000000"),
];
/// Runs its arguments where files of the first directory stand in for those of `/proc/sys`.
const STAND_INS: &str = r#"
cd "$1" && shift
for file in $(find . -type f); do mount --bind "$file" "/proc/sys/$file" || exit 1; done
cd / && exec "$@"
"#;

/// Who may ask the kubelet what.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Lock {
    /// As it starts without a word about it: strangers may do everything, and the read-only port is open.
    Open,
    /// Only holders of a certificate, who may do everything.
    Certificates,
    /// The API server is asked who somebody is and what they may do; strangers are nobody.
    Webhook,
    /// As [`Lock::Webhook`], and strangers are `system:anonymous`.
    WebhookForStrangers,
}

/// A running kubelet.
#[derive(Debug)]
pub struct Node {
    kubelet: Server,
    /// Its read-only port; open in [`Lock::Open`] alone.
    pub read_only: SocketAddr,
}

impl Node {
    /// Starts it; `lab` is what the webhook modes ask.
    pub fn start(lock: Lock, lab: Option<&Lab>) -> Self {
        let containerd = start_containerd();
        let home = Home::new();
        let authority = Authority::new(&home);
        let settings = stand_ins(&home);
        let config = lab.map(|lab| {
            let login = lab.certificate("system:node:lab-node", &["system:nodes"]);
            home.write("kubeconfig", &kubeconfig(lab.address(), &lab.authority.pem, &login))
        });
        let mut read_only = 0;
        let mut kubelet = Server::start("kubelet", home, |home, port| {
            read_only = free_port();
            let mut command = command_as(None, "unshare");
            command
                .args(["--mount", "sh", "-c", STAND_INS, "stand-ins"])
                .arg(&settings)
                .arg(needed("kubelet"));
            common_arguments(&mut command, home, &containerd, port);
            lock_arguments(&mut command, lock, &authority, config.as_deref());
            command.arg(format!("--read-only-port={}", if lock == Lock::Open { read_only } else { 0 }));
            command
        });
        kubelet.companions.push(containerd);
        Self { kubelet, read_only: SocketAddr::from(([127, 0, 0, 1], read_only)) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.kubelet.address
    }

    /// The status of its answer to a stranger's `GET path`.
    pub fn stranger(&self, path: &str) -> u16 {
        get(Scheme::Https, self.address(), path).map_or(0, |answer| answer.status)
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        self.kubelet.log_tail()
    }
}

fn common_arguments(command: &mut Command, home: &Home, containerd: &Server, port: u16) {
    let socket = containerd.home.path("containerd.sock");
    command.args(["--container-runtime=remote", "--address=127.0.0.1", "--healthz-port=0"]);
    command.arg(format!("--container-runtime-endpoint=unix://{}", socket.display()));
    command.args(["--cgroups-per-qos=false", "--enforce-node-allocatable=", "--fail-swap-on=false"]);
    command.args([
        "--make-iptables-util-chains=false",
        "--hostname-override=lab-node",
        "--protect-kernel-defaults=true",
    ]);
    command.arg(format!("--port={port}")).arg("--root-dir").arg(home.path("kubelet"));
    command.arg("--cert-dir").arg(home.path("certs")).arg("--volume-plugin-dir").arg(home.path("plugins"));
}

fn lock_arguments(command: &mut Command, lock: Lock, authority: &Authority, config: Option<&Path>) {
    if lock == Lock::Certificates {
        command.args(["--anonymous-auth=false", "--authorization-mode=AlwaysAllow"]);
        command.arg("--client-ca-file").arg(&authority.file);
    }
    if matches!(lock, Lock::Webhook | Lock::WebhookForStrangers) {
        command.args(["--authentication-token-webhook", "--authorization-mode=Webhook"]);
        command.arg("--authorization-webhook-cache-unauthorized-ttl=1s");
        command.arg(format!("--anonymous-auth={}", lock == Lock::WebhookForStrangers));
        let config = config.unwrap_or_else(|| panic!("{lock:?} needs an API server"));
        // A kubelet whose node the API server does not know ends after two minutes.
        command.arg("--kubeconfig").arg(config).arg("--register-node=true");
    }
}

fn stand_ins(home: &Home) -> std::path::PathBuf {
    let settings = home.path("sys");
    for (name, value) in KERNEL_SETTINGS {
        let path = settings.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, format!("{value}\n")).unwrap();
    }
    settings
}

fn start_containerd() -> Server {
    Server::start("containerd", Home::new(), |home, port| {
        let path = |name: &str| path_text(&home.path(name));
        // The port of its figures is there to see that it has started.
        let settings = format!(
            "version = 2\nroot = \"{}\"\nstate = \"{}\"\n[grpc]\naddress = \"{}\"\n[ttrpc]\naddress = \"{}\"\n\
             [metrics]\naddress = \"127.0.0.1:{port}\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\"]\ndisable_tcp_service = true\n\
             [plugins.\"io.containerd.grpc.v1.cri\".cni]\nconf_dir = \"{}\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd]\nsnapshotter = \"native\"\n",
            path("root"),
            path("state"),
            path("containerd.sock"),
            path("ttrpc.sock"),
            path("cni"),
        );
        let settings = home.write("containerd.toml", &settings);
        let mut command = command_as(None, "containerd");
        command.arg("--config").arg(settings);
        command
    })
}

/// Why no kubelet can run here; `None` when one can.
pub fn kubelet_impossible() -> Option<String> {
    if !is_root() {
        return Some("the kubelet needs root".to_owned());
    }
    for group in ["cpu", "cpuacct", "cpuset", "memory"] {
        // 1.20 knows both generations; the second has one file for all.
        if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
            && !Path::new("/sys/fs/cgroup").join(group).exists()
        {
            return Some(format!("the kubelet needs the control group {group}, and /sys/fs/cgroup has none"));
        }
    }
    match Command::new("unshare").args(["--mount", "true"]).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            Some(format!("needs mount namespaces: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Err(error) => Some(format!("needs mount namespaces: unshare: {error}")),
    }
}
