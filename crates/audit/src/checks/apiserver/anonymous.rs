//! API-003: requests without credentials.
//!
//! The default is to answer them; with AlwaysAllow the server switches them off by itself. An AuthenticationConfiguration
//! may confine them to paths (generally available in 1.34). How bad it is depends on what is bound to them.

use nightlatch_finding::Severity;
use nightlatch_manifest::{Node, Object};

use crate::{
    Context, Found, Sink, Subject,
    program::{INJECTED, Program, programs},
};

const HEALTH_PATHS: [&str; 3] = ["/livez", "/readyz", "/healthz"];
/// What Kubernetes and kubeadm bind to strangers on purpose: version and health, and the authority that a node joins by.
const HARMLESS_ROLES: [&str; 2] = ["system:public-info-viewer", "kubeadm:bootstrap-signer-clusterinfo"];

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        of_program(context, &program, sink);
    }
    for object in context.objects_of("AuthenticationConfiguration") {
        of_file(context, object, sink);
    }
}

fn of_program<'a>(context: &Context<'a>, program: &Program<'_, 'a>, sink: &mut Sink<'a>) {
    let flag = program.get("anonymous-auth");
    if let Some(flag) = &flag {
        if flag.is(false) {
            sink.pass();
        } else {
            let found = program.found(flag, "requests without credentials are answered");
            sink.fail(weighed(context, program.setting_to(found, Some(flag), "anonymous-auth", "false")));
        }
        return;
    }
    if let Some(file) = program.get("authentication-config") {
        match program.object_at(&file, "AuthenticationConfiguration") {
            // What the file says is judged where it stands.
            Some(object) if object.root.get("anonymous").is_some() => return,
            Some(_) => {}
            None => return sink.unknown("the file of --authentication-config is not in the input"),
        }
    }
    let modes = program.list("authorization-mode");
    if modes.iter().any(|mode| mode.text == "AlwaysAllow") {
        sink.pass();
        return;
    }
    if !program.is_whole() {
        sink.unknown(INJECTED);
        return;
    }
    let found = program.missing("requests without credentials are answered, which is the default");
    sink.fail(weighed(context, program.setting_to(found, None, "anonymous-auth", "false")));
}

fn of_file<'a>(context: &Context<'a>, object: &Object<'a>, sink: &mut Sink<'a>) {
    let Some(anonymous) = object.root.get("anonymous") else { return };
    let Some(enabled) = anonymous.get("enabled").filter(|enabled| enabled.as_bool() == Some(true)) else {
        sink.pass();
        return;
    };
    let subject = Subject::object(object);
    let paths: Vec<&str> = anonymous
        .get("conditions")
        .into_iter()
        .flat_map(Node::items)
        .filter_map(|condition| condition.get("path"))
        .map(Node::text)
        .collect();
    if paths.is_empty() {
        sink.fail(weighed(
            context,
            Found::new(subject, enabled, "requests without credentials are answered on every path"),
        ));
    } else if paths.iter().all(|path| HEALTH_PATHS.contains(path)) {
        let message = "requests without credentials are answered on health paths only";
        sink.fail(Found::new(subject, enabled, message).severity(Severity::Info));
    } else {
        let message = "requests without credentials are answered on more than health paths";
        sink.fail(weighed(context, Found::new(subject, enabled, message)));
    }
}

/// Adds what is bound to strangers. A whole cluster that binds them nothing makes it a low one.
fn weighed<'a>(context: &Context<'a>, mut found: Found<'a>) -> Found<'a> {
    let bindings: Vec<&Object<'a>> =
        ["ClusterRoleBinding", "RoleBinding"].iter().flat_map(|kind| context.objects_of(kind)).collect();
    let harmful: Vec<&Object<'a>> =
        bindings.iter().copied().filter(|binding| gives_to_strangers(binding)).collect();
    if harmful.is_empty() && !bindings.is_empty() && context.is_full() {
        return found.severity(Severity::Low);
    }
    for binding in harmful.into_iter().take(5) {
        found = found.related("bound to strangers here", binding.root.get("roleRef"));
    }
    found
}

fn gives_to_strangers(binding: &Object<'_>) -> bool {
    let role = binding.root.at("roleRef.name").map_or("", Node::text);
    let mut subjects = binding.root.get("subjects").into_iter().flat_map(Node::items);
    !HARMLESS_ROLES.contains(&role)
        && subjects.any(|subject| {
            let field = |key| subject.get(key).map_or("", Node::text);
            matches!(
                (field("kind"), field("name")),
                ("User", "system:anonymous") | ("Group", "system:unauthenticated")
            )
        })
}
