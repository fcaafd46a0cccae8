//! API-009 to API-011: who authorises, told by `--authorization-mode` or by an AuthorizationConfiguration.

use nightlatch_finding::Severity;
use nightlatch_manifest::Node;

use crate::{
    Context, Found, Sink, Subject,
    program::{INJECTED, Program, programs},
};

/// What is asked of the list of authorizers.
#[derive(Clone, Copy)]
struct Question {
    name: &'static str,
    /// Broken when it is there, or when it is not.
    broken_when_there: bool,
    /// Reported with this severity when a webhook authorises.
    with_webhook: Option<Severity>,
    message: &'static str,
}

pub(super) fn always_allow<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let question = Question {
        name: "AlwaysAllow",
        broken_when_there: true,
        with_webhook: None,
        message: "every request of whoever logs in is allowed",
    };
    ask(context, question, sink);
}

pub(super) fn node_missing<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let question = Question {
        name: "Node",
        broken_when_there: false,
        with_webhook: None,
        message: "the Node authorizer is missing, so kubelets are not confined to their own node",
    };
    ask(context, question, sink);
}

pub(super) fn rbac_missing<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let question = Question {
        name: "RBAC",
        broken_when_there: false,
        with_webhook: Some(Severity::Medium),
        message: "the RBAC authorizer is missing, so roles and bindings have no effect",
    };
    ask(context, question, sink);
}

fn ask<'a>(context: &Context<'a>, question: Question, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        of_flags(&program, question, sink);
    }
    for object in context.objects_of("AuthorizationConfiguration") {
        let subject = Subject::object(object);
        let types: Vec<Node<'a>> = object
            .root
            .get("authorizers")
            .into_iter()
            .flat_map(Node::items)
            .filter_map(|authorizer| authorizer.get("type"))
            .collect();
        let names: Vec<&str> = types.iter().map(|node| node.text()).collect();
        if let Some(broken) = judge(&names, question) {
            let at = types.iter().find(|node| question.broken_when_there && node.text() == question.name);
            let found = match at {
                Some(node) => Found::new(subject, *node, question.message),
                None => Found::missing(subject, object.root, "authorizers", question.message),
            };
            sink.fail(with(found, broken));
        } else {
            sink.pass();
        }
    }
}

fn of_flags<'a>(program: &Program<'_, 'a>, question: Question, sink: &mut Sink<'a>) {
    if let Some(file) = program.get("authorization-config") {
        if program.object_at(&file, "AuthorizationConfiguration").is_none() {
            sink.unknown("the file of --authorization-config is not in the input");
        }
        return;
    }
    let Some(setting) = program.get("authorization-mode") else {
        if program.is_whole() {
            let message = "no authorization mode is set, and the default is AlwaysAllow";
            let found = program.missing(message);
            sink.fail(program.setting_to(found, None, "authorization-mode", "Node,RBAC"));
        } else {
            sink.unknown(INJECTED);
        }
        return;
    };
    let modes: Vec<&str> = setting.items().collect();
    let Some(broken) = judge(&modes, question) else {
        sink.pass();
        return;
    };
    let mut found = with(program.found(&setting, question.message), broken);
    if !question.broken_when_there {
        let mended = format!("{},{}", modes.join(","), question.name);
        found = program.setting_to(found, Some(&setting), "authorization-mode", &mended);
    } else {
        let mut rest: Vec<&str> = modes.iter().copied().filter(|mode| *mode != question.name).collect();
        if rest.is_empty() {
            rest = vec!["Node", "RBAC"];
        }
        found = program.setting_to(found, Some(&setting), "authorization-mode", &rest.join(","));
    }
    sink.fail(found);
}

/// Nothing when it holds; else how bad it is where that differs from the rule.
fn judge(names: &[&str], question: Question) -> Option<Option<Severity>> {
    let is_there = names.contains(&question.name);
    if is_there != question.broken_when_there {
        return None;
    }
    Some(question.with_webhook.filter(|_| names.contains(&"Webhook")))
}

fn with<'a>(found: Found<'a>, severity: Option<Severity>) -> Found<'a> {
    match severity {
        Some(severity) => found.severity(severity),
        None => found,
    }
}
