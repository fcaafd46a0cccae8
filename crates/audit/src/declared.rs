//! Checks in the closed shapes of a rule file.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

use nightlatch_manifest::Node;
use regex::Regex;

use crate::{
    Change, Context, Found, Part, Sink, Subject,
    rule::{Absent, Condition, Declared, DeclaredFix, On, Target},
};

/// Runs a declared check about pods or their containers over some workloads.
pub(crate) fn check_part<'a>(declared: &'static Declared, part: &Part<'_, 'a>, sink: &mut Sink<'a>) {
    let Target::Path(path) = declared.target else { return };
    for workload in part.workloads {
        if declared.windows_exempt && workload.is_windows() {
            continue;
        }
        if matches!(declared.on, On::PodSpec) {
            at_path(declared, part.workload_subject(workload), workload.pod_spec, path, sink);
            continue;
        }
        for container in workload.containers() {
            let subject = part.container_subject(workload, &container);
            at_path(declared, subject, container.node, path, sink);
        }
    }
}

/// Runs a declared check about anything else over everything it is about.
pub(crate) fn check<'a>(declared: &'static Declared, context: &Context<'a>, sink: &mut Sink<'a>) {
    let Target::Path(path) = declared.target else { return flag(declared, context, sink) };
    match declared.on {
        On::Object(kinds) => {
            for object in kinds.iter().flat_map(|kind| context.objects_of(kind)) {
                at_path(declared, Subject::object(object), object.root, path, sink);
            }
        }
        On::ComposeService => {
            for (subject, node) in context.compose_services() {
                at_path(declared, subject, node, path, sink);
            }
        }
        On::DockerDaemon => {
            for (subject, node) in context.docker_daemons() {
                at_path(declared, subject, node, path, sink);
            }
        }
        On::Component(_) | On::PodSpec | On::Container => {}
    }
}

fn flag<'a>(declared: &'static Declared, context: &Context<'a>, sink: &mut Sink<'a>) {
    let (Target::Flag(flag), On::Component(component)) = (&declared.target, &declared.on) else { return };
    for component in context.components_of(component) {
        let subject = context.component_subject(component);
        match component.flag(flag) {
            Some(found) => {
                let value = found.value.as_deref().unwrap_or("true");
                if fails(&declared.fails_when, value) {
                    let mut finding = Found::new(subject, found.node, message(declared, &subject, value));
                    let mended = crate::program::change_of_flag(
                        component,
                        Some(found.node),
                        flag,
                        fix_value(declared),
                    );
                    match (&declared.fix, mended) {
                        (Some(DeclaredFix::Set(_)), Some(change)) => finding = finding.change(change),
                        (Some(DeclaredFix::Remove), Some(_)) => {
                            finding = finding.change(Change::Remove(found.node))
                        }
                        _ => {}
                    }
                    sink.fail(finding);
                } else {
                    sink.pass();
                }
            }
            None if !crate::program::is_whole(component) && declared.absent == Absent::Fail => {
                sink.unknown(crate::program::INJECTED)
            }
            None => match declared.absent {
                Absent::Pass => sink.pass(),
                Absent::Unknown => sink.unknown("the flag is not set and its default is not known"),
                Absent::Fail => {
                    let mut finding = Found::new(subject, component.at, message(declared, &subject, ""));
                    if let Some(DeclaredFix::Set(to)) = declared.fix
                        && let Some(change) = crate::program::change_of_flag(component, None, flag, to)
                    {
                        finding = finding.change(change);
                    }
                    sink.fail(finding);
                }
            },
        }
    }
}

fn fix_value(declared: &Declared) -> &'static str {
    match declared.fix {
        Some(DeclaredFix::Set(to)) => to,
        _ => "",
    }
}

fn at_path<'a>(
    declared: &'static Declared,
    subject: Subject<'a>,
    from: Node<'a>,
    path: &'static str,
    sink: &mut Sink<'a>,
) {
    let Some((before, after)) = path.split_once('*') else { return one(declared, subject, from, path, sink) };
    let before = before.trim_end_matches('.');
    let list = if before.is_empty() { Some(from) } else { from.at(before) };
    let Some(list) = list else {
        sink.pass();
        return;
    };
    let after = after.trim_start_matches('.');
    let elements: Vec<Node<'a>> = list.items().chain(list.entries().map(|(_, value)| value)).collect();
    if elements.is_empty() {
        sink.pass();
    }
    for element in elements {
        if after.is_empty() {
            judge(declared, subject, element, sink);
        } else {
            at_path(declared, subject, element, after, sink);
        }
    }
}

fn one<'a>(
    declared: &'static Declared,
    subject: Subject<'a>,
    from: Node<'a>,
    path: &'static str,
    sink: &mut Sink<'a>,
) {
    if let Some(node) = from.at(path) {
        return judge(declared, subject, node, sink);
    }
    match declared.absent {
        Absent::Pass => sink.pass(),
        Absent::Unknown => sink.unknown("the field is not set"),
        Absent::Fail => {
            let mut finding = Found::missing(subject, from, path, message(declared, &subject, ""));
            if let Some(DeclaredFix::Set(to)) = declared.fix {
                finding = finding.change(Change::SetPath(from, path.into(), to.into()));
            }
            sink.fail(finding);
        }
    }
}

fn judge<'a>(declared: &'static Declared, subject: Subject<'a>, node: Node<'a>, sink: &mut Sink<'a>) {
    if !fails_at(&declared.fails_when, node) {
        sink.pass();
        return;
    }
    let mut finding = Found::new(subject, node, message(declared, &subject, node.text()));
    match declared.fix {
        Some(DeclaredFix::Set(to)) => finding = finding.change(Change::Set(node, to.into())),
        Some(DeclaredFix::Remove) => finding = finding.change(Change::Remove(node)),
        None => {}
    }
    sink.fail(finding);
}

fn fails_at(condition: &Condition, node: Node<'_>) -> bool {
    match condition {
        Condition::Present => true,
        // YAML has several words for true; compare what they mean.
        _ => match node.as_bool() {
            Some(value) => fails(condition, if value { "true" } else { "false" }),
            None => fails(condition, node.text()),
        },
    }
}

fn fails(condition: &Condition, text: &str) -> bool {
    match condition {
        Condition::Is(values) => values.contains(&text),
        Condition::IsNot(values) => !values.contains(&text),
        Condition::Matches(pattern) => matches(pattern, text),
        Condition::Present => true,
        Condition::Below(bound) => text.parse::<i64>().is_ok_and(|value| value < *bound),
        Condition::Above(bound) => text.parse::<i64>().is_ok_and(|value| value > *bound),
    }
}

/// Patterns are constants of rule files; each is compiled once, when first needed. A test compiles them all.
fn matches(pattern: &'static str, text: &str) -> bool {
    static COMPILED: LazyLock<Mutex<HashMap<&'static str, Option<Regex>>>> = LazyLock::new(Mutex::default);
    let Ok(mut compiled) = COMPILED.lock() else { return false };
    compiled
        .entry(pattern)
        .or_insert_with(|| Regex::new(pattern).ok())
        .as_ref()
        .is_some_and(|regex| regex.is_match(text))
}

/// Fills `{value}`, `{kind}`, `{name}` and `{container}` into the message of a rule.
fn message(declared: &Declared, subject: &Subject<'_>, value: &str) -> String {
    let value: String = value.chars().take(200).collect();
    let mut message = String::with_capacity(declared.message.len() + 40);
    let mut rest = declared.message;
    while let Some(at) = rest.find('{') {
        message.push_str(&rest[..at]);
        rest = &rest[at..];
        let filled = [
            ("{value}", value.as_str()),
            ("{kind}", subject.kind),
            ("{name}", subject.name),
            ("{container}", subject.container.unwrap_or("")),
        ]
        .into_iter()
        .find(|(hole, _)| rest.starts_with(hole));
        match filled {
            Some((hole, text)) => {
                message.push_str(text);
                rest = &rest[hole.len()..];
            }
            None => {
                message.push('{');
                rest = &rest[1..];
            }
        }
    }
    message.push_str(rest);
    message
}
