//! API-001 and API-002: the port without authentication of old versions.

use nightlatch_finding::Severity;

use crate::{
    Context, Sink,
    program::{listen::Reach, listen::reach, programs},
};

/// The flags are gone from this minor version on.
const GONE: u16 = 24;
/// From this minor version on the port can only be 0.
const CLOSED: u16 = 20;

pub(super) fn insecure_bind_address<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        let Some(setting) = program.get("insecure-bind-address") else {
            sink.pass();
            continue;
        };
        let is_gone = program.version().is_some_and(|version| version.is_at_least(GONE));
        let is_local = reach(setting.text()) == Reach::Host;
        let message = match (is_gone, is_local) {
            (true, _) => "this version does not know the flag and does not start",
            (false, true) => "the port without authentication serves every process of the host",
            (false, false) => "the port without authentication serves the network",
        };
        let severity = if is_gone || is_local { Severity::High } else { Severity::Critical };
        sink.fail(program.removing(&setting, message).severity(severity));
    }
}

pub(super) fn insecure_port<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        let version = program.version();
        match program.get("insecure-port") {
            Some(setting) if setting.text() == "0" => sink.pass(),
            Some(setting) => {
                let found = program.found(&setting, "the port without authentication is open");
                let found = match version {
                    Some(version) if version.is_at_least(CLOSED) => found.severity(Severity::High),
                    _ => found,
                };
                sink.fail(program.setting_to(found, Some(&setting), "insecure-port", "0"));
            }
            None if version.is_some_and(|version| !version.is_at_least(CLOSED)) && program.is_whole() => {
                let found = program
                    .missing("the port without authentication is open on 8080, the default of this version");
                sink.fail(program.setting_to(found, None, "insecure-port", "0"));
            }
            None => sink.pass(),
        }
    }
}
