//! API-026 and API-035: the time a request may take, and cipher suites.

use std::time::Duration;

use nightlatch_finding::Severity;

use crate::{
    Context, Profile, Sink,
    program::{programs, tls::is_weak_suite, values::go_duration},
};

const REQUEST_MAX: Duration = Duration::from_secs(300);

pub(super) fn request_timeout<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        let Some(setting) = program.get("request-timeout") else {
            sink.pass();
            continue;
        };
        match go_duration(setting.text()) {
            None => sink.unknown("the value is no duration"),
            Some(duration) if duration.is_zero() || duration > REQUEST_MAX => {
                let message = if duration.is_zero() {
                    "requests may take for ever"
                } else {
                    "requests may take more than 300 seconds"
                };
                let found = program.found(&setting, message);
                sink.fail(program.setting_to(found, Some(&setting), "request-timeout", "60s"));
            }
            Some(_) => sink.pass(),
        }
    }
}

/// Absent means Go's defaults, which are sound; the CIS benchmark wants an explicit list all the same.
pub(super) fn weak_ciphers<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        let suites = program.list("tls-cipher-suites");
        if let Some(weak) = suites.iter().find(|item| is_weak_suite(&item.text)) {
            let count = suites.iter().filter(|item| is_weak_suite(&item.text)).count();
            let name: String = weak.text.chars().take(80).collect();
            let message = if count == 1 {
                format!("{name} is weak")
            } else {
                format!("{name} and {} more are weak", count - 1)
            };
            sink.fail(program.found_at(weak.node, message));
        } else if suites.is_empty() && context.settings.profile == Profile::Cis && program.is_whole() {
            let message = "the suites are left to the defaults, which are sound; the benchmark wants a list";
            sink.fail(program.missing(message).severity(Severity::Info));
        } else {
            sink.pass();
        }
    }
}
