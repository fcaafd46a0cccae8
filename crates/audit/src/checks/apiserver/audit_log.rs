//! API-022 to API-025: the audit log and how long it is kept.

use nightlatch_finding::Severity;

use crate::{
    Context, Sink,
    program::{INJECTED, programs},
};

pub(super) fn disabled<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        if program.get("audit-log-path").is_some() || program.get("audit-webhook-config-file").is_some() {
            sink.pass();
        } else if program.is_whole() {
            sink.fail(program.missing("no audit log is kept"));
        } else {
            sink.unknown(INJECTED);
        }
    }
}

pub(super) fn maxage<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    retention(context, "audit-log-maxage", 30, "old files are kept for ever, which may fill the disk", sink);
}

pub(super) fn maxbackup<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    retention(
        context,
        "audit-log-maxbackup",
        10,
        "all rotated files are kept, which may fill the disk",
        sink,
    );
}

pub(super) fn maxsize<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    retention(
        context,
        "audit-log-maxsize",
        100,
        "the size of a file is left to the default of 100 megabytes",
        sink,
    );
}

/// Judges a limit of the log file; without a file there is nothing to judge. 0 and absent mean the default, which is never
/// too short.
fn retention<'a>(context: &Context<'a>, flag: &str, least: i64, unset: &'static str, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        if program.get("audit-log-path").is_none_or(|path| path.text() == "-") {
            continue;
        }
        let setting = program.get(flag);
        let value = setting.as_ref().and_then(|setting| setting.text().parse::<i64>().ok());
        let found = match (&setting, value) {
            (Some(_), Some(value)) if value >= least => {
                sink.pass();
                continue;
            }
            (Some(setting), Some(value)) if value > 0 => {
                program.found(setting, format!("{value} is less than the {least} that are recommended"))
            }
            (Some(setting), Some(_)) => program.found(setting, unset).severity(Severity::Info),
            (Some(_), None) => {
                sink.unknown("the value is no number");
                continue;
            }
            (None, _) if !program.is_whole() => {
                sink.unknown(INJECTED);
                continue;
            }
            (None, _) => program.missing(unset).severity(Severity::Info),
        };
        sink.fail(program.setting_to(found, setting.as_ref(), flag, &least.to_string()));
    }
}
