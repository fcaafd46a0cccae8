//! API-012 to API-019: admission plugins.
//!
//! `--enable-admission-plugins` adds to those that are on by default, `--disable-admission-plugins` takes away, and the old
//! `--admission-control` is the whole list.

use nightlatch_manifest::{Node, Object};

use crate::{
    Context, Sink,
    program::{INJECTED, Item, Program, programs},
};

fn enabled<'a>(program: &Program<'_, 'a>) -> Vec<Item<'a>> {
    let mut items = program.list("enable-admission-plugins");
    items.extend(program.list("admission-control"));
    items
}

fn has(items: &[Item<'_>], plugin: &str) -> bool {
    items.iter().any(|item| item.text == plugin)
}

/// Reports a plugin that must be enabled and is not. `otherwise`: what else does its work.
fn must_be_on<'a>(
    context: &Context<'a>,
    plugin: &str,
    message: &'static str,
    otherwise: impl Fn(&Context<'a>) -> bool,
    sink: &mut Sink<'a>,
) {
    for program in programs(context, "kube-apiserver") {
        let on = enabled(&program);
        let is_off = has(&program.list("disable-admission-plugins"), plugin);
        if (has(&on, plugin) && !is_off) || otherwise(context) {
            sink.pass();
        } else if on.is_empty() && !is_off && !program.is_whole() {
            sink.unknown(INJECTED);
        } else {
            sink.fail(switching_on(&program, plugin, message));
        }
    }
}

fn switching_on<'a>(program: &Program<'_, 'a>, plugin: &str, message: &'static str) -> crate::Found<'a> {
    let flag = "enable-admission-plugins";
    match program.get(flag) {
        Some(setting) => {
            let mended: Vec<&str> = setting.items().chain([plugin]).collect();
            program.setting_to(program.found(&setting, message), Some(&setting), flag, &mended.join(","))
        }
        None => program.setting_to(program.missing(message), None, flag, plugin),
    }
}

/// Reports a plugin that is on by default and switched off.
fn must_not_be_off<'a>(context: &Context<'a>, plugin: &str, message: &'static str, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        match program.list("disable-admission-plugins").into_iter().find(|item| item.text == plugin) {
            Some(item) => sink.fail(program.found_at(item.node, message)),
            None => sink.pass(),
        }
    }
}

pub(super) fn event_rate_limit<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let configured = |context: &Context<'a>| {
        context.objects_of("AdmissionConfiguration").any(|object| {
            let mut plugins = object.root.get("plugins").into_iter().flat_map(Node::items);
            plugins.any(|plugin| plugin.get("name").is_some_and(|name| name.text() == "EventRateLimit"))
        })
    };
    must_be_on(
        context,
        "EventRateLimit",
        "nothing limits how many events a client may make",
        configured,
        sink,
    );
}

pub(super) fn always_pull_images<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    must_be_on(
        context,
        "AlwaysPullImages",
        "images on a node start without the right to pull them",
        |_| false,
        sink,
    );
}

pub(super) fn node_restriction<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    must_be_on(context, "NodeRestriction", "kubelets may change other nodes and their pods", |_| false, sink);
}

pub(super) fn deny_external_ips<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let message = "whoever may make Services can claim foreign addresses with spec.externalIPs";
    must_be_on(context, "DenyServiceExternalIPs", message, refused_by_policy, sink);
}

/// True when an admission policy of the input speaks of external addresses.
fn refused_by_policy(context: &Context<'_>) -> bool {
    let policies = [
        "ValidatingAdmissionPolicy",
        "ClusterPolicy",
        "ValidatingPolicy",
        "ConstraintTemplate",
        "K8sExternalIPs",
    ];
    let names = |object: &Object<'_>| {
        let span = object.root.span();
        let text = object.document().text().get(span.start as usize..span.end as usize);
        object.kind == "K8sExternalIPs" || text.is_some_and(|text| text.contains("externalIPs"))
    };
    policies.iter().any(|kind| context.objects_of(kind).any(names))
}

pub(super) fn service_account<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    must_not_be_off(context, "ServiceAccount", "the admission plugin ServiceAccount is switched off", sink);
}

pub(super) fn namespace_lifecycle<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    must_not_be_off(
        context,
        "NamespaceLifecycle",
        "the admission plugin NamespaceLifecycle is switched off",
        sink,
    );
}

pub(super) fn always_admit<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        match enabled(&program).into_iter().find(|item| item.text == "AlwaysAdmit") {
            Some(item) => sink.fail(program.found_at(item.node, "everything is admitted")),
            None => sink.pass(),
        }
    }
}

/// Pod Security is on by default from 1.23; before, one of the older plugins must be enabled. Their absence says nothing
/// from 1.25 on, when PodSecurityPolicy was removed.
pub(super) fn pod_security<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        if let Some(item) =
            program.list("disable-admission-plugins").into_iter().find(|item| item.text == "PodSecurity")
        {
            sink.fail(program.found_at(item.node, "Pod Security admission is switched off"));
            continue;
        }
        let on = enabled(&program);
        let is_old = program.version().is_some_and(|version| !version.is_at_least(23));
        let has_any =
            ["PodSecurity", "PodSecurityPolicy", "SecurityContextDeny"].iter().any(|plugin| has(&on, plugin));
        if !is_old || has_any {
            sink.pass();
        } else if on.is_empty() && !program.is_whole() {
            sink.unknown(INJECTED);
        } else {
            sink.fail(program.missing("no admission plugin restricts what pods may ask for"));
        }
    }
}
