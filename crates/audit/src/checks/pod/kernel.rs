//! SELinux labels, `/proc`, sysctls, and the root file system.

use nightlatch_manifest::Node;

use super::spec::{
    has_user_namespace, is_restricted_since, own, pod_security, pss, runs_windows, says_true, shown,
    windows_exempt, with_misplaced,
};
use crate::{Change, Found, Part, Sink, Subject};

/// A pod or container sets an SELinux user, role, or a type that confines less.
pub(super) fn selinux<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let engine = pss(context).unwrap_or_else(|| context.kubernetes()).is_at_least(31);
    let type_is_fine = |name: &str| match name {
        "" | "container_t" | "container_init_t" | "container_kvm_t" => true,
        "container_engine_t" => engine,
        _ => false,
    };
    for workload in context.workloads {
        if windows_exempt(context, workload) {
            continue;
        }
        let judge = |subject: Subject<'a>, options: Option<Node<'a>>, sink: &mut Sink<'a>| {
            let mut fine = true;
            for field in ["type", "user", "role"] {
                let Some(node) = options.and_then(|options| options.get(field)) else { continue };
                let allowed =
                    if field == "type" { type_is_fine(node.text()) } else { node.text().is_empty() };
                if !allowed {
                    fine = false;
                    let message = format!("the SELinux {field} is set to {}", shown(node.text()));
                    let found = Found::new(subject, node, message).change(Change::Remove(node));
                    sink.fail(super::system::judged(found, context, workload));
                }
            }
            if fine {
                sink.pass();
            }
        };
        let of_pod = pod_security(workload).and_then(|security| security.get("seLinuxOptions"));
        judge(context.workload_subject(workload), of_pod, sink);
        for container in workload.containers() {
            judge(context.container_subject(workload, &container), own(&container, "seLinuxOptions"), sink);
        }
    }
}

/// A container sees `/proc` as it is.
pub(super) fn proc_mount<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        if windows_exempt(context, workload) {
            continue;
        }
        let relaxed = has_user_namespace(context, workload) && !is_restricted_since(context, 0);
        for container in workload.containers() {
            match own(&container, "procMount").filter(|node| node.text() != "Default" && !relaxed) {
                Some(node) => {
                    let subject = context.container_subject(workload, &container);
                    let message = format!("procMount is {}", shown(node.text()));
                    sink.fail(Found::new(subject, node, message).change(Change::Remove(node)));
                }
                None => sink.pass(),
            }
        }
    }
}

/// Sysctls that are kept apart between pods, and the minor version since when they count as safe.
const SAFE_SYSCTLS: [(&str, u16); 14] = [
    ("kernel.shm_rmid_forced", 0),
    ("net.ipv4.ip_local_port_range", 0),
    ("net.ipv4.tcp_syncookies", 0),
    ("net.ipv4.ping_group_range", 0),
    ("net.ipv4.ip_unprivileged_port_start", 0),
    ("net.ipv4.ip_local_reserved_ports", 27),
    ("net.ipv4.tcp_keepalive_time", 29),
    ("net.ipv4.tcp_fin_timeout", 29),
    ("net.ipv4.tcp_keepalive_intvl", 29),
    ("net.ipv4.tcp_keepalive_probes", 29),
    ("net.ipv4.tcp_rmem", 32),
    ("net.ipv4.tcp_wmem", 32),
    ("net.ipv4.tcp_slow_start_after_idle", 37),
    ("net.ipv4.tcp_notsent_lowat", 37),
];

/// A sysctl outside the safe set of the version.
pub(super) fn sysctl<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let standard = pss(context).is_some();
    let version = pss(context).unwrap_or_else(|| context.kubernetes());
    for workload in context.workloads {
        if windows_exempt(context, workload) {
            continue;
        }
        let mut fine = true;
        let list = pod_security(workload).and_then(|security| security.get("sysctls"));
        for entry in list.into_iter().flat_map(Node::items) {
            let Some(node) = entry.get("name") else { continue };
            let name = node.text();
            // The kubelet takes slashes for dots; the standards do not.
            let is = |known: &str| known == name || (!standard && same_with_dots(known, name));
            let since = SAFE_SYSCTLS.iter().find(|(known, _)| is(known)).map(|(_, since)| *since);
            if since.is_some_and(|since| version.is_at_least(since)) {
                continue;
            }
            fine = false;
            let subject = context.workload_subject(workload);
            let message = match since {
                Some(since) => format!("the sysctl {} counts as safe only since 1.{since}", shown(name)),
                None => format!("the sysctl {} is not safe", shown(name)),
            };
            sink.fail(Found::new(subject, node, message).change(Change::Remove(entry)));
        }
        if fine {
            sink.pass();
        }
    }
}

fn same_with_dots(known: &str, name: &str) -> bool {
    known.len() == name.len()
        && known.bytes().zip(name.bytes()).all(|(known, own)| known == own || (known == b'.' && own == b'/'))
}

/// The root file system is writable.
pub(super) fn root_file_system<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    const FIELD: &str = "securityContext.readOnlyRootFilesystem";
    for workload in context.workloads.iter().filter(|workload| !runs_windows(workload)) {
        for container in workload.containers().filter(|container| !super::spec::is_ephemeral(container)) {
            let node = own(&container, "readOnlyRootFilesystem");
            if node.is_some_and(says_true) {
                sink.pass();
                continue;
            }
            let subject = context.container_subject(workload, &container);
            let message = "the root file system is writable";
            let found = match node {
                Some(node) => Found::new(subject, node, message).change(Change::Set(node, "true".into())),
                None => Found::missing(subject, container.node, FIELD, message).change(Change::SetPath(
                    container.node,
                    FIELD.into(),
                    "true".into(),
                )),
            };
            sink.fail(with_misplaced(found, workload, "readOnlyRootFilesystem"));
        }
    }
}

/// Neither pod nor container say anything about security.
pub(super) fn nothing_set<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    for workload in context.workloads {
        if pod_security(workload).is_some_and(|security| !security.is_empty()) {
            sink.pass();
            continue;
        }
        for container in workload.containers() {
            if container.node.get("securityContext").is_some_and(|security| !security.is_empty()) {
                sink.pass();
                continue;
            }
            let subject = context.container_subject(workload, &container);
            let message = "neither pod nor container set a security context";
            sink.fail(Found::missing(subject, container.node, "securityContext", message));
        }
    }
}
