//! Linux capabilities. Runtimes take names in any case; the Pod Security Standards compare them exactly.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Container, Node, Workload};

use super::{
    spec::{is_restricted_since, own, pss, shown, windows_exempt, windows_exempt_since_25, with_misplaced},
    system,
};
use crate::{Change, Context, Found, Part, Sink};

/// Each is a way to the node or around its controls.
const DANGEROUS: [&str; 15] = [
    "ALL",
    "SYS_ADMIN",
    "SYS_MODULE",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_BOOT",
    "SYS_TIME",
    "DAC_READ_SEARCH",
    "NET_ADMIN",
    "BPF",
    "PERFMON",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "SYSLOG",
    "LINUX_IMMUTABLE",
];

/// What the level Baseline lets a container add.
const BASELINE: [&str; 13] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

const DROP: &str = "securityContext.capabilities.drop";

/// The elements of `capabilities.add` or `.drop`.
fn list<'a>(container: &Container<'a>, which: &str) -> impl Iterator<Item = Node<'a>> + use<'a> {
    own(container, "capabilities").and_then(|own| own.get(which)).into_iter().flat_map(Node::items)
}

/// A name without `CAP_`.
fn bare(name: &str) -> &str {
    match name.get(..4) {
        Some(prefix) if prefix.eq_ignore_ascii_case("CAP_") => &name[4..],
        _ => name,
    }
}

fn known(names: &[&'static str], name: &str) -> Option<&'static str> {
    names.iter().find(|own| own.eq_ignore_ascii_case(bare(name))).copied()
}

/// The name of a dangerous capability, however written; nothing for any other.
pub(crate) fn dangerous_name(name: &str) -> Option<&'static str> {
    known(&DANGEROUS, name)
}

/// True when two names are one capability.
pub(crate) fn is_same(a: &str, b: &str) -> bool {
    bare(a).eq_ignore_ascii_case(bare(b))
}

/// True when the container adds the capability, however written.
pub(super) fn adds(container: &Container<'_>, name: &str) -> bool {
    list(container, "add").any(|node| bare(node.text()).eq_ignore_ascii_case(name))
}

/// True when `drop` names it; a runtime then takes it away again after adding.
fn drops(container: &Container<'_>, name: &str) -> bool {
    list(container, "drop").any(|node| bare(node.text()).eq_ignore_ascii_case(name))
}

fn drops_all(container: &Container<'_>) -> bool {
    list(container, "drop").any(|node| node.text().eq_ignore_ascii_case("ALL"))
}

/// A dangerous capability is added.
pub(super) fn dangerous<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    each(context, sink, |workload, container, sink| {
        let mut fine = true;
        for node in list(container, "add") {
            // A name that is dropped as well is not there; what `ALL` in both lists means, runtimes disagree.
            let there = |name: &&str| *name == "ALL" || !drops(container, name);
            let Some(name) = known(&DANGEROUS, node.text()).filter(there) else { continue };
            fine = false;
            let note = if node.text() == name { "" } else { " (written so, some runtimes refuse it)" };
            let subject = context.container_subject(workload, container);
            let found =
                Found::new(subject, node, format!("the container is given the capability {name}{note}"))
                    .cause(format!("capability:{name}"))
                    .change(Change::Remove(node));
            sink.fail(system::judged(found, context, workload));
        }
        fine
    });
}

/// A capability beyond those that the level Baseline allows is added.
pub(super) fn beyond_baseline<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    if is_restricted_since(context, 22) {
        return; // the stricter check of that level stands in its place
    }
    let exact = pss(context).is_some();
    each(context, sink, |workload, container, sink| {
        let mut fine = true;
        for node in list(container, "add") {
            let allowed = match exact {
                true => BASELINE.contains(&node.text()),
                false => known(&BASELINE, node.text()).is_some() || drops(container, bare(node.text())),
            };
            if !allowed {
                fine = false;
                let subject = context.container_subject(workload, container);
                let message =
                    format!("the container is given {}, which is beyond the baseline", shown(node.text()));
                let found =
                    Found::new(subject, node, message).cause(cause(node.text())).change(Change::Remove(node));
                sink.fail(system::judged(found, context, workload));
            }
        }
        fine
    });
}

fn cause(name: &str) -> String {
    format!("capability:{}", shown(bare(name)).to_ascii_uppercase())
}

/// Not all capabilities are dropped, or more than NET_BIND_SERVICE is added back.
pub(super) fn drop_all<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    if pss(context).is_some_and(|version| !version.is_at_least(22)) {
        return;
    }
    for workload in context.workloads {
        if windows_exempt_since_25(context, workload) {
            continue;
        }
        for container in workload.containers() {
            let exact = pss(context).is_some();
            let mut fine = true;
            if !list(&container, "drop").any(|node| node.text() == "ALL") {
                fine = false;
                sink.fail(not_dropped(context, workload, &container));
            }
            // Without the drop the defaults are there anyway; what is beyond them other rules say.
            if exact || fine {
                fine &= !added_back(context, workload, &container, exact, sink);
            }
            if fine {
                sink.pass();
            }
        }
    }
}

fn not_dropped<'a>(context: &Context<'a>, workload: &Workload<'a>, container: &Container<'a>) -> Found<'a> {
    let subject = context.container_subject(workload, container);
    if let Some(node) = list(container, "drop").find(|node| node.text().eq_ignore_ascii_case("ALL")) {
        let message = format!(
            "runtimes take {} as all capabilities, but the Pod Security Standards know only ALL",
            shown(node.text())
        );
        return Found::new(subject, node, message)
            .severity(Severity::Low)
            .change(Change::Set(node, "ALL".into()));
    }
    let message = "capabilities.drop does not have ALL";
    let found = match own(container, "capabilities").and_then(|own| own.get("drop")) {
        Some(drop) if !drop.is_empty() => {
            Found::new(subject, drop, message).change(Change::Append(drop, "ALL".into()))
        }
        Some(drop) => Found::new(subject, drop, message).change(Change::Set(drop, "[ALL]".into())),
        None => Found::missing(subject, container.node, DROP, message).change(Change::SetPath(
            container.node,
            DROP.into(),
            "[ALL]".into(),
        )),
    };
    with_misplaced(found, workload, "capabilities")
}

/// Tells what is added back beside NET_BIND_SERVICE. True when there is anything.
fn added_back<'a>(
    context: &Context<'a>,
    workload: &Workload<'a>,
    container: &Container<'a>,
    exact: bool,
    sink: &mut Sink<'a>,
) -> bool {
    let mut any = false;
    for node in list(container, "add") {
        let name = node.text();
        let allowed = match exact {
            true => name == "NET_BIND_SERVICE",
            false => bare(name).eq_ignore_ascii_case("NET_BIND_SERVICE") || drops(container, bare(name)),
        };
        if allowed {
            continue;
        }
        any = true;
        let message = format!("all capabilities are dropped, but {} is added back", shown(name));
        let mut found = Found::new(context.container_subject(workload, container), node, message)
            .cause(cause(name))
            .change(Change::Remove(node));
        if known(&BASELINE, name).is_some() {
            found = found.severity(Severity::Low);
        }
        sink.fail(found);
    }
    any
}

/// NET_RAW is there.
pub(super) fn net_raw<'a>(context: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    each(context, sink, |workload, container, sink| {
        let subject = context.container_subject(workload, container);
        let added = list(container, "add").find(|node| bare(node.text()).eq_ignore_ascii_case("NET_RAW"));
        let named = list(container, "drop").find(|node| bare(node.text()).eq_ignore_ascii_case("NET_RAW"));
        let found = match (named, added) {
            (Some(named), None) if named.text().len() > "NET_RAW".len() => {
                let message =
                    "CAP_NET_RAW is dropped only by runtimes that take the prefix; the name is NET_RAW";
                Found::new(subject, named, message)
                    .severity(Severity::Low)
                    .change(Change::Set(named, "NET_RAW".into()))
            }
            (Some(_), _) => return true,
            (None, Some(node)) => Found::new(subject, node, "the container is given NET_RAW")
                .cause("capability:NET_RAW")
                .change(Change::Remove(node)),
            (None, None) if drops_all(container) => return true,
            (None, None) => {
                let message = "neither NET_RAW nor ALL is dropped";
                let change = match own(container, "capabilities").and_then(|own| own.get("drop")) {
                    Some(drop) if !drop.is_empty() => Change::Append(drop, "NET_RAW".into()),
                    _ => Change::SetPath(container.node, DROP.into(), "[NET_RAW]".into()),
                };
                with_misplaced(
                    Found::missing(subject, container.node, DROP, message).change(change),
                    workload,
                    "capabilities",
                )
            }
        };
        sink.fail(found);
        false
    });
}

/// Judges each container of pods that are not for Windows; `judge` says whether it is in order.
fn each<'a>(
    context: &Part<'_, 'a>,
    sink: &mut Sink<'a>,
    judge: impl Fn(&Workload<'a>, &Container<'a>, &mut Sink<'a>) -> bool,
) {
    for workload in context.workloads {
        if windows_exempt(context, workload) {
            continue;
        }
        for container in workload.containers() {
            if judge(workload, &container, sink) {
                sink.pass();
            }
        }
    }
}
