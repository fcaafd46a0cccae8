//! Native checks of the family `node`: modes and owners of files, from lists taken on the node.

mod places;

use nightlatch_finding::Severity;
use nightlatch_manifest::{NodeFile, node_files};

use crate::{
    Context, Found, NativeCheck, Sink, Subject,
    kubelet::{CLIENT_CA, Value, kubelets},
    program::programs,
};

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("node/admin-kubeconfig", admin_kubeconfig),
    ("node/client-ca", client_ca),
    ("node/cni-file", cni_file),
    ("node/component-kubeconfig", component_kubeconfig),
    ("node/control-plane-manifest-mode", manifest_mode),
    ("node/control-plane-manifest-owner", manifest_owner),
    ("node/etcd-datadir", etcd_datadir),
    ("node/kubelet-config", kubelet_config),
    ("node/kubelet-kubeconfig", kubelet_kubeconfig),
    ("node/kubelet-service", kubelet_service),
    ("node/pki-cert-mode", pki_cert_mode),
    ("node/pki-key-mode", pki_key_mode),
    ("node/pki-owner", pki_owner),
    ("node/proxy-kubeconfig", proxy_kubeconfig),
];

/// What a file must be like.
#[derive(Clone, Copy)]
struct Want {
    /// Permission bits that may be set; nothing when the mode does not matter.
    mode: Option<u32>,
    /// Whether it must belong to root:root.
    root: bool,
    /// How bad it is when others may read it but not change it; nothing: as bad as the rule.
    readable: Option<Severity>,
}

const SECRET: Want = Want { mode: Some(0o600), root: true, readable: None };
/// Files that hold no secret: to be able to read them is a lesser matter.
const PROGRAM: Want = Want { mode: Some(0o600), root: true, readable: Some(Severity::Low) };
const WRITE_BITS: u32 = 0o022;

/// Judges every file that `is_meant` picks.
fn judge<'a>(
    context: &Context<'a>,
    want: Want,
    is_meant: impl Fn(&NodeFile<'a>) -> bool,
    sink: &mut Sink<'a>,
) {
    for file in node_files(context.corpus).into_iter().filter(|file| is_meant(file)) {
        judge_file(&file, want, sink);
    }
}

fn judge_file<'a>(file: &NodeFile<'a>, want: Want, sink: &mut Sink<'a>) {
    let mode = match (want.mode, file.mode) {
        (Some(allowed), Some(mode)) => Some((allowed, mode)),
        (Some(_), None) => return sink.unknown("the mode of a file is not in the list"),
        (None, _) => None,
    };
    let too_open = mode.filter(|(allowed, mode)| mode & 0o7777 & !allowed != 0);
    let is_roots = if want.root { is_roots(file) } else { Some(true) };
    let mut wrong = Vec::new();
    if let Some((allowed, mode)) = too_open {
        wrong.push(format!("its mode is {mode:o}, more than {allowed:o}"));
    }
    if is_roots == Some(false) {
        wrong.push(format!("it belongs to {}", owner(file)));
    }
    if wrong.is_empty() {
        match is_roots {
            Some(_) => sink.pass(),
            None => sink.unknown("the owner of a file is not in the list"),
        }
        return;
    }
    let mut found = Found::new(subject(file), at(file, too_open.is_some()), wrong.join(" and "));
    let only_readable =
        too_open.is_some_and(|(allowed, mode)| mode & !allowed & WRITE_BITS == 0) && is_roots != Some(false);
    if let Some(severity) = want.readable.filter(|_| only_readable) {
        found = found.severity(severity);
    }
    sink.fail(found.fix_text(fix(file, want)));
}

fn subject<'a>(file: &NodeFile<'a>) -> Subject<'a> {
    Subject::other(file.node, "File", file.path)
}

/// Last part of the path.
fn name<'a>(file: &NodeFile<'a>) -> &'a str {
    file.path.trim_end_matches('/').rsplit('/').next().unwrap_or("")
}

/// True when it belongs to user and group 0; nothing when the numbers are not known.
fn is_roots(file: &NodeFile<'_>) -> Option<bool> {
    Some(file.uid? == 0 && file.gid? == 0)
}

fn at<'a>(file: &NodeFile<'a>, mode: bool) -> nightlatch_manifest::Node<'a> {
    file.node.get(if mode { "mode" } else { "owner" }).unwrap_or(file.node)
}

fn owner(file: &NodeFile<'_>) -> String {
    let shown = |name: Option<&str>, number: Option<i64>| match (name, number) {
        (Some(name), _) => name.chars().take(64).collect(),
        (None, Some(number)) => number.to_string(),
        (None, None) => "somebody".to_owned(),
    };
    format!("{}:{}", shown(file.owner, file.uid), shown(file.group, file.gid))
}

fn fix(file: &NodeFile<'_>, want: Want) -> String {
    let path = file.path;
    match (want.mode, want.root) {
        (Some(mode), true) => format!("chown root:root {path} && chmod {mode:o} {path}"),
        (Some(mode), false) => format!("chmod {mode:o} {path}"),
        (None, _) => format!("chown root:root {path}"),
    }
}

fn is_manifest(file: &NodeFile<'_>) -> bool {
    places::is_at(places::MANIFESTS, file.path)
        && places::CONTROL_PLANE
            .iter()
            .any(|program| name(file).strip_prefix(program).is_some_and(is_end_of_name))
}

/// What may follow a program's name in the name of its manifest: `etcd.yaml`, `etcd-pod.yaml`, but not `etcdctl`.
fn is_end_of_name(rest: &str) -> bool {
    !rest.starts_with(|c: char| c.is_ascii_alphanumeric())
}

fn manifest_mode<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge(context, Want { mode: Some(0o600), root: false, readable: None }, is_manifest, sink);
}

fn manifest_owner<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge(context, Want { mode: None, root: true, readable: None }, is_manifest, sink);
}

fn cni_file<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let ends = [".conf", ".conflist", ".json", ".kubeconfig", "-kubeconfig"];
    let is_meant = |file: &NodeFile<'_>| {
        places::is_at(places::CNI, file.path) && ends.iter().any(|end| name(file).ends_with(end))
    };
    judge(context, PROGRAM, is_meant, sink);
}

fn admin_kubeconfig<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let is_meant = |file: &NodeFile<'_>| {
        places::is_at(places::ADMIN, file.path) && !matches!(name(file), "config.yaml" | "registries.yaml")
    };
    judge(context, SECRET, is_meant, sink);
}

fn component_kubeconfig<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge(context, SECRET, |file| places::is_at(places::COMPONENTS, file.path), sink);
}

fn pki_owner<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let want = Want { mode: None, root: true, readable: None };
    judge(context, want, |file| places::is_at(places::PKI, file.path), sink);
}

fn pki_cert_mode<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let want = Want { mode: Some(0o644), root: false, readable: None };
    judge(context, want, |file| places::is_at(places::PKI, file.path) && name(file).ends_with(".crt"), sink);
}

fn pki_key_mode<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let want = Want { mode: Some(0o600), root: false, readable: None };
    judge(context, want, |file| places::is_at(places::PKI, file.path) && name(file).ends_with(".key"), sink);
}

fn kubelet_service<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge(context, PROGRAM, |file| places::is_at(places::KUBELET_UNIT, file.path), sink);
}

fn proxy_kubeconfig<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge(context, SECRET, |file| places::is_at(places::PROXY, file.path), sink);
}

fn kubelet_kubeconfig<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    judge(context, SECRET, |file| places::is_at(places::KUBELET, file.path), sink);
}

/// The authority that kubelets of the input name, beside those of the distributions.
fn client_ca<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let named: Vec<String> = kubelets(context)
        .iter()
        .filter_map(|kubelet| match kubelet.value(CLIENT_CA) {
            Value::Set(set) => Some(set.text.into_owned()),
            _ => None,
        })
        .collect();
    let want = Want { mode: Some(0o644), root: true, readable: None };
    let is_meant = |file: &NodeFile<'_>| {
        places::is_at(places::CLIENT_CA, file.path) || named.iter().any(|path| path == file.path)
    };
    judge(context, want, is_meant, sink);
}

/// The files that kubelets of the input are started with, beside those of the distributions.
fn kubelet_config<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let named: Vec<String> = programs(context, "kubelet")
        .filter_map(|program| Some(program.get("config")?.text().to_owned()))
        .collect();
    let is_meant = |file: &NodeFile<'_>| {
        places::is_at(places::KUBELET_CONFIG, file.path) || named.iter().any(|path| path == file.path)
    };
    judge(context, PROGRAM, is_meant, sink);
}

/// etcd's own user, or root where etcd runs as root, as kubeadm has it.
fn etcd_datadir<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let named: Vec<String> = programs(context, "etcd")
        .filter_map(|program| Some(program.get("data-dir")?.text().trim_end_matches('/').to_owned()))
        .collect();
    for file in node_files(context.corpus) {
        let path = file.path.trim_end_matches('/');
        if !places::is_at(places::ETCD_DATA, path) && !named.iter().any(|own| own == path) {
            continue;
        }
        let want = Want { mode: Some(0o700), root: false, readable: None };
        let is_etcds = file.owner == Some("etcd") && file.group == Some("etcd");
        let is_open = file.mode.is_none_or(|mode| mode & 0o7777 & !0o700 != 0);
        if is_etcds || is_open {
            judge_file(&file, want, sink);
        } else if is_roots(&file) == Some(true) {
            let message = "it belongs to root:root, as where etcd runs as root, instead of a user of its own";
            sink.fail(Found::new(subject(&file), at(&file, false), message).severity(Severity::Info));
        } else if is_roots(&file).is_none() {
            sink.unknown("the owner of a file is not in the list");
        } else {
            sink.fail(Found::new(
                subject(&file),
                at(&file, false),
                format!("it belongs to {}", owner(&file)),
            ));
        }
    }
}
