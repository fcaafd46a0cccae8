//! Native checks of the family `scheduler`.

use nightlatch_manifest::Node;

use crate::{
    Change, Context, Found, NativeCheck, Sink, Subject,
    program::{INJECTED, embedded, listen, programs},
};

/// The checks, by the name that `check.native` of a rule gives, sorted.
pub(crate) const CHECKS: &[(&str, NativeCheck)] = &[
    ("scheduler/bind-address-public", bind_address),
    ("scheduler/insecure-port", insecure_port),
    ("scheduler/profiling", profiling),
];

const KIND: &str = "KubeSchedulerConfiguration";

fn bind_address<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    listen::bind_address(context, "kube-scheduler", sink);
}

fn insecure_port<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    listen::legacy_port(context, "kube-scheduler", sink);
}

/// With a configuration file the flag is void, and the file is judged where it stands.
fn profiling<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let message = "the profiler is offered under /debug/pprof";
    for program in programs(context, "kube-scheduler") {
        if let Some(file) = program.get("config") {
            if program.object_at(&file, KIND).is_none() && embedded(context, KIND).next().is_none() {
                sink.unknown("the file of --config is not in the input");
            }
            continue;
        }
        match program.get("profiling") {
            Some(setting) if setting.is(false) => sink.pass(),
            Some(setting) => {
                let found = program.found(&setting, message);
                sink.fail(program.setting_to(found, Some(&setting), "profiling", "false"));
            }
            None if program.is_whole() => {
                sink.fail(program.setting_to(program.missing(message), None, "profiling", "false"));
            }
            None => sink.unknown(INJECTED),
        }
    }
    let files = context.objects_of(KIND).map(|object| (Subject::object(object), object.root, true));
    let embedded =
        embedded(context, KIND).map(|embedded| (embedded.subject, embedded.root, embedded.is_editable));
    for (subject, root, is_editable) in files.chain(embedded).collect::<Vec<_>>() {
        of_file(subject, root, is_editable, message, sink);
    }
}

fn of_file<'a>(
    subject: Subject<'a>,
    root: Node<'a>,
    is_editable: bool,
    message: &'static str,
    sink: &mut Sink<'a>,
) {
    let found = match root.get("enableProfiling") {
        Some(value) if value.as_bool() == Some(false) => return sink.pass(),
        Some(value) => Found::new(subject, value, message),
        None => Found::missing(subject, root, "enableProfiling", message),
    };
    let change = Change::SetPath(root, "enableProfiling".into(), "false".into());
    sink.fail(if is_editable { found.change(change) } else { found });
}
