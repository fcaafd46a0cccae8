//! API-039: what the audit policy leaves out, and what it writes down that it should not.
//!
//! Source: Kubernetes documentation, "Auditing", and the semantics of `audit.k8s.io/v1` Policy: the first rule that matches
//! a request sets its level, and a request that no rule matches is not logged.

use nightlatch_manifest::{Node, Object};

use crate::{Context, Found, Sink, Subject, program::programs};

/// How much of a request is written down.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Level {
    None,
    Metadata,
    Request,
    RequestResponse,
}

/// A request by somebody who is logged in and otherwise nobody special, in a namespace that no rule names.
#[derive(Clone, Copy, Debug)]
struct Request {
    verb: &'static str,
    group: &'static str,
    /// With its subresource, when it has one.
    resource: &'static str,
    /// What to call it.
    shown: &'static str,
}

const fn request(
    verb: &'static str,
    group: &'static str,
    resource: &'static str,
    shown: &'static str,
) -> Request {
    Request { verb, group, resource, shown }
}

/// Requests that must be logged, and from which level on the log holds a secret.
const SENSITIVE: [(Request, Level); 7] = [
    (request("get", "", "secrets", "reads of Secrets"), Level::RequestResponse),
    (request("list", "", "secrets", "lists of Secrets"), Level::RequestResponse),
    (request("create", "", "secrets", "creation of Secrets"), Level::Request),
    (request("update", "", "secrets", "changes of Secrets"), Level::Request),
    (request("create", "authentication.k8s.io", "tokenreviews", "token reviews"), Level::Request),
    (request("create", "", "serviceaccounts/token", "tokens of service accounts"), Level::RequestResponse),
    (request("update", "", "configmaps", "changes of ConfigMaps"), NEVER),
];

/// A level that nothing is above: bodies may be logged.
const NEVER: Level = Level::RequestResponse;

/// Ways into pods and past the API server.
const SHELLS: [Request; 5] = [
    request("create", "", "pods/exec", "exec"),
    request("create", "", "pods/attach", "attach"),
    request("create", "", "pods/portforward", "portforward"),
    request("get", "", "pods/proxy", "pod proxy"),
    request("get", "", "services/proxy", "service proxy"),
];

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        let logs =
            ["audit-log-path", "audit-webhook-config-file"].iter().any(|flag| program.get(flag).is_some());
        match program.get("audit-policy-file") {
            Some(_) if context.objects_of("Policy").any(is_audit_policy) => {}
            Some(_) => sink.unknown("the file of --audit-policy-file is not in the input"),
            None if logs || program.is_whole() => {
                sink.fail(program.missing("no audit policy is named, so nothing is logged"));
            }
            None => sink.unknown(crate::program::INJECTED),
        }
    }
    for object in context.objects_of("Policy").filter(|object| is_audit_policy(object)) {
        judge(object, sink);
    }
}

fn is_audit_policy(object: &Object<'_>) -> bool {
    object.group() == "audit.k8s.io"
}

fn judge<'a>(object: &Object<'a>, sink: &mut Sink<'a>) {
    let subject = Subject::object(object);
    let policy = object.root;
    let all = SENSITIVE.iter().map(|(request, _)| request).chain(&SHELLS);
    if all.clone().all(|request| level(policy, request).0 == Level::None) {
        sink.fail(
            Found::missing(subject, policy, "rules", "the policy logs nothing that matters").cause("nothing"),
        );
        return;
    }
    let before = sink.found.len();
    let unlogged = |requests: &[Request]| -> Vec<(&'static str, Option<Node<'a>>)> {
        requests
            .iter()
            .map(|request| (request.shown, level(policy, request)))
            .filter(|(_, (level, _))| *level == Level::None)
            .map(|(shown, (_, rule))| (shown, rule))
            .collect()
    };
    report(subject, policy, "sensitive", &unlogged(&SENSITIVE.map(|(request, _)| request)), sink);
    report(subject, policy, "shells", &unlogged(&SHELLS), sink);
    leaks(subject, policy, sink);
    if sink.found.len() == before {
        sink.pass();
    }
}

fn report<'a>(
    subject: Subject<'a>,
    policy: Node<'a>,
    cause: &'static str,
    unlogged: &[(&'static str, Option<Node<'a>>)],
    sink: &mut Sink<'a>,
) {
    let Some((_, rule)) = unlogged.first() else { return };
    let names: Vec<&str> = unlogged.iter().map(|(shown, _)| *shown).collect();
    let message = format!("not logged: {}", names.join(", "));
    let found = match rule.and_then(|rule| rule.get("level")) {
        Some(level) => Found::new(subject, level, message),
        None => Found::missing(subject, policy, "rules", message),
    };
    sink.fail(found.cause(cause));
}

fn leaks<'a>(subject: Subject<'a>, policy: Node<'a>, sink: &mut Sink<'a>) {
    let mut seen = Vec::new();
    for (request, secret_from) in SENSITIVE.iter().filter(|(request, _)| request.resource != "configmaps") {
        let (level, rule) = level(policy, request);
        let Some(rule) = rule.filter(|rule| level >= *secret_from && !seen.contains(rule)) else { continue };
        seen.push(rule);
        let message =
            format!("the log holds the secrets themselves: bodies of {} are written down", request.shown);
        let at = rule.get("level").unwrap_or(rule);
        sink.fail(Found::new(subject, at, message).cause("bodies"));
    }
}

/// The level of a request and the rule that sets it.
fn level<'a>(policy: Node<'a>, request: &Request) -> (Level, Option<Node<'a>>) {
    let rules = policy.get("rules");
    let Some(rule) = rules.into_iter().flat_map(Node::items).find(|rule| matches(*rule, request)) else {
        return (Level::None, None);
    };
    let omitted = |node: Node<'_>, stage: &str| {
        node.get("omitStages").is_some_and(|stages| stages.items().any(|own| own.text() == stage))
    };
    let is_silent = ["RequestReceived", "ResponseComplete"]
        .iter()
        .all(|stage| omitted(rule, stage) || omitted(policy, stage));
    let level = match rule.get("level").map(Node::text) {
        _ if is_silent => Level::None,
        Some("Metadata") => Level::Metadata,
        Some("Request") => Level::Request,
        Some("RequestResponse") => Level::RequestResponse,
        _ => Level::None,
    };
    (level, Some(rule))
}

fn matches(rule: Node<'_>, request: &Request) -> bool {
    let any = |key: &str, value: &str| {
        rule.get(key).is_none_or(|list| list.is_empty() || list.items().any(|item| item.text() == value))
    };
    let names_nobody = |key: &str| rule.get(key).is_none_or(Node::is_empty);
    if !names_nobody("users") || !any("userGroups", "system:authenticated") || !any("verbs", request.verb) {
        return false;
    }
    if !names_nobody("namespaces") {
        return false;
    }
    match rule.get("resources").filter(|resources| !resources.is_empty()) {
        Some(resources) => resources.items().any(|group| matches_resource(group, request)),
        None => names_nobody("nonResourceURLs"),
    }
}

fn matches_resource(group: Node<'_>, request: &Request) -> bool {
    if group.get("group").map_or("", Node::text) != request.group {
        return false;
    }
    if group.get("resourceNames").is_some_and(|names| !names.is_empty()) {
        return false;
    }
    let (resource, subresource) = request.resource.split_once('/').unwrap_or((request.resource, ""));
    let Some(resources) = group.get("resources").filter(|resources| !resources.is_empty()) else {
        return true;
    };
    resources.items().any(|own| {
        let own = own.text();
        own == "*"
            || own == request.resource
            || own.strip_suffix("/*") == Some(resource)
            || (!subresource.is_empty() && own.strip_prefix("*/") == Some(subresource))
    })
}
