//! Published ports.

use nightlatch_finding::Severity;
use nightlatch_manifest::Kind;

use super::container::{Container, Port, VARIABLE, containers};
use crate::{
    Change, Context, Found, Sink,
    checks::exposure::product::{admin_port, of_image, tag},
};

/// Ports published on every address of the host.
pub(super) fn on_all_interfaces<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        for port in container.ports() {
            if port.written.as_ref().is_some_and(|written| !written.is_known) {
                sink.unknown(VARIABLE);
            } else if port.is_on_all_addresses() {
                container.fail(sink, open_port(&container, &port));
            } else {
                sink.pass();
            }
        }
    }
}

fn open_port<'a>(container: &Container<'_, 'a>, port: &Port<'a>) -> Found<'a> {
    let shown = match port.target {
        Some((from, to)) if from == to => format!("port {from}"),
        Some((from, to)) => format!("ports {from} to {to}"),
        None => "a port".to_owned(),
    };
    let (severity, what) = weight(container, port);
    let mut message = format!("{shown} of the container is published on every address of the host");
    if let Some(what) = what {
        message.push_str(&format!("; it is {what}"));
    }
    let mut found =
        Found::new(container.subject, port.node, message).severity(severity).cause(cause(container, port));
    if let Some(change) = bind_to_loopback(port) {
        found = found.change(change);
    }
    found
}

fn cause(container: &Container<'_, '_>, port: &Port<'_>) -> String {
    format!("port:{}", port.node.pointer_from(container.node))
}

/// An administrator's port weighs more, most of all when the image is the product that listens there.
fn weight(container: &Container<'_, '_>, port: &Port<'_>) -> (Severity, Option<&'static str>) {
    let Some((from, to)) = port.target else { return (Severity::Medium, None) };
    let image = container.image().and_then(|(text, _)| text);
    let product = image.as_deref().and_then(of_image);
    if let Some(product) = product.filter(|product| product.ports.iter().any(|own| (from..=to).contains(own)))
    {
        return (Severity::Critical, Some(product.name));
    }
    // A range this wide is looked at from its ends only.
    let row = (from..=to.min(from.saturating_add(RANGE_MAX))).find_map(admin_port);
    match row {
        Some(row) if row.alone => (Severity::High, Some(row.what)),
        _ => (Severity::Medium, None),
    }
}

const RANGE_MAX: u16 = 1_000;

/// The loopback address in front, in the form that is written.
fn bind_to_loopback<'a>(port: &Port<'a>) -> Option<Change<'a>> {
    let written = port.written.as_ref()?;
    if written.node.kind() == Kind::Mapping {
        return Some(match written.node.get("host_ip") {
            Some(address) => Change::Set(address, "127.0.0.1".into()),
            None => Change::SetPath(written.node, "host_ip".into(), "127.0.0.1".into()),
        });
    }
    let text = written.node.text();
    let rest = ["0.0.0.0:", "[::]:", ":::"].iter().find_map(|any| text.strip_prefix(any)).unwrap_or(text);
    // Without a port of the host the address stands before an empty one.
    let separator = if rest.contains(':') { ":" } else { "::" };
    Some(Change::Set(written.node, format!("\"127.0.0.1{separator}{rest}\"").into()))
}

/// Ports below 1024 of the host, without those of the web.
pub(super) fn privileged<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        for port in container.ports() {
            match port.published {
                Some((from, to)) if from < 1024 && !(from == to && matches!(from, 80 | 443)) => {
                    let message = format!(
                        "port {from} of the host, which belongs to services of the system, is published"
                    );
                    container.fail(sink, Found::new(container.subject, port.node, message));
                }
                None if port.written.as_ref().is_some_and(|written| !written.is_known) => {
                    sink.unknown(VARIABLE)
                }
                _ => sink.pass(),
            }
        }
    }
}

/// A Docker API without TLS whose port is published.
pub(super) fn daemon_api<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for container in containers(context) {
        let Some(without_tls) = is_open_api(&container) else { continue };
        let mut is_fine = true;
        for port in container.ports() {
            let Some((from, to)) = port.target else { continue };
            if !without_tls || !(from..=to).contains(&2375) {
                continue;
            }
            is_fine = false;
            let message = "the API of a Docker daemon is published without TLS: who reaches the port owns it";
            let found = Found::new(container.subject, port.node, message).cause(cause(&container, &port));
            let found = if port.is_loopback() { found.severity(Severity::High) } else { found };
            container.fail(sink, found);
        }
        if is_fine {
            sink.pass();
        }
    }
}

/// Whether it serves Docker's API, and if so whether without TLS.
///
/// The image `docker:dind` serves it on 2376 with TLS unless `DOCKER_TLS_CERTDIR` is empty; its documentation says so.
fn is_open_api(container: &Container<'_, '_>) -> Option<bool> {
    let image = container.image().and_then(|(text, _)| text).unwrap_or_default();
    let repository = crate::checks::exposure::product::repository(&image);
    let base = repository.rsplit('/').next().unwrap_or(repository);
    let is_dind = base == "dind" || base == "docker" && tag(&image).is_some_and(|tag| tag.contains("dind"));
    let words: Vec<String> = container.commands().into_iter().flat_map(|(words, _)| words).collect();
    let listens = words.iter().any(|word| word.contains("tcp://") && word.contains(":2375"));
    let is_daemon = is_dind || words.iter().any(|word| word.rsplit('/').next() == Some("dockerd"));
    if base == "docker-socket-proxy" {
        return Some(true);
    }
    if !is_daemon {
        return None;
    }
    let verifies = words.iter().any(|word| matches!(word.as_str(), "--tlsverify" | "--tlsverify=true"));
    let environment = container.environment();
    let directory = environment.iter().find(|(name, _, _)| *name == "DOCKER_TLS_CERTDIR");
    let is_empty = directory.is_some_and(|(_, value, _)| value.trim_matches(['"', '\'']).is_empty());
    let is_switched_off =
        words.iter().any(|word| matches!(word.as_str(), "--tls=false" | "--tlsverify=false"));
    Some(!verifies && (is_empty || listens || is_switched_off))
}
