//! Versions of the retired ingress controller of the Kubernetes project.

use std::cell::OnceCell;

use jiff::civil::{Date, date};
use nightlatch_finding::Severity;
use nightlatch_manifest::{Container, Node, Workload};
use nightlatch_netpol::{Direction, Engine, Party, Protocol, Verdict};

use super::product;
use crate::{Context, Found, Sink};

/// The project ended its maintenance in this month; what is found later is not mended.
/// Source: Kubernetes blog, "Ingress NGINX Retirement" (November 2025).
const RETIRED: Date = date(2026, 3, 31);

/// The first versions in which the admission controller does not run what it is sent (CVE-2025-1974 and its kin): minor
/// version and patch. Source: Kubernetes blog, "Ingress-nginx CVE-2025-1974" (March 2025).
const FIXED: [(u64, u64); 2] = [(11, 5), (12, 1)];

/// The port of the admission webhook in the project's manifests.
const WEBHOOK_PORT: u16 = 8443;

/// More classes of pods are not asked one by one whether they reach the webhook.
const CLASSES_MAX: usize = 500;

/// Whether the admission controller answers pods, who have no business with it: only the API server asks it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Webhook {
    /// It is not switched on.
    Off,
    /// Pods reach it.
    Reached,
    /// Policies keep pods away.
    KeptAway,
    /// The input does not show it.
    Unknown,
}

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let is_retired = context.settings.today > RETIRED;
    let engine = OnceCell::new();
    for workload in &context.workloads {
        for container in workload.containers().filter(is_controller) {
            let subject = context.container_subject(workload, &container);
            let image = container.node.get("image").unwrap_or(container.node);
            let version = product::tag(container.image).and_then(version);
            let webhook = webhook(context, &engine, workload, &container);
            match judge(version, is_retired, webhook) {
                Judgement::Broken(severity, message) => {
                    let found = Found::new(subject, image, message).severity(severity);
                    sink.fail(match webhook_flag(&container) {
                        Some(flag) if webhook == Webhook::Reached => {
                            found.related("pods reach its admission webhook here", Some(flag))
                        }
                        _ => found,
                    });
                }
                Judgement::Unknown(why) => sink.unknown(why),
                Judgement::Holds => sink.pass(),
            }
        }
    }
}

enum Judgement {
    Holds,
    Broken(Severity, &'static str),
    Unknown(&'static str),
}

fn judge(version: Option<(u64, u64, u64)>, is_retired: bool, webhook: Webhook) -> Judgement {
    use Judgement::{Broken, Holds, Unknown};
    match (version, webhook) {
        (Some(version), _) if !is_fixed(version) => match webhook {
            Webhook::Off => Broken(
                Severity::Medium,
                "this version of ingress-nginx has known holes (CVE-2025-1974 and its kin); its admission webhook is off",
            ),
            Webhook::KeptAway => Broken(
                Severity::Medium,
                "this version of ingress-nginx runs what its admission webhook is sent (CVE-2025-1974); policies keep pods from it",
            ),
            Webhook::Reached | Webhook::Unknown => Broken(
                Severity::High,
                "this version of ingress-nginx runs what its admission webhook is sent (CVE-2025-1974)",
            ),
        },
        _ if is_retired => Broken(
            Severity::Medium,
            "ingress-nginx has been retired: what is found in it since March 2026 is not mended",
        ),
        (None, _) => Unknown("which version of ingress-nginx an image without a version is"),
        (Some(_), Webhook::Reached) => Broken(
            Severity::Low,
            "every pod that the policies let through may send the admission webhook configuration, which only the API server has to",
        ),
        (Some(_), Webhook::Unknown) => Unknown(
            "whether pods reach the admission webhook: policies may stand where the input does not show them",
        ),
        (Some(_), Webhook::Off | Webhook::KeptAway) => Holds,
    }
}

/// The flag that switches the admission controller on.
///
/// Source: ingress-nginx documentation, "Command line arguments" (`--validating-webhook`, off by default).
fn webhook_flag<'a>(container: &Container<'a>) -> Option<Node<'a>> {
    let words = ["command", "args"].into_iter().filter_map(|key| container.node.get(key));
    words.flat_map(Node::items).find(|word| {
        word.text().split_once('=').map_or(word.text(), |(name, _)| name) == "--validating-webhook"
    })
}

fn webhook<'c, 'a>(
    context: &'c Context<'a>,
    engine: &OnceCell<Engine<'c>>,
    workload: &Workload<'a>,
    container: &Container<'a>,
) -> Webhook {
    let Some(flag) = webhook_flag(container) else {
        // Without any argument, what is run is not in the input: the flags may be set by an overlay.
        let has_arguments = container.node.get("args").is_some_and(|args| !args.is_empty());
        return if has_arguments { Webhook::Off } else { Webhook::Unknown };
    };
    let port = flag.text().rsplit(':').next().and_then(|port| port.parse().ok()).unwrap_or(WEBHOOK_PORT);
    let origin = Some((workload.object.document().source, workload.object.root.span()));
    let network = context.network();
    let Some(controller) = network.pods.iter().position(|pod| pod.origin == origin) else {
        return Webhook::Unknown;
    };
    if network.pods[controller].host_network {
        return Webhook::Reached;
    }
    reached(context, engine.get_or_init(|| Engine::new(network)), controller, port)
}

/// Whether a pod of the input reaches a port of `controller`, a pod by its index.
fn reached(context: &Context<'_>, engine: &Engine<'_>, controller: usize, port: u16) -> Webhook {
    if !engine.foreign(controller).is_empty() {
        return Webhook::Unknown;
    }
    let sources = (0..engine.classes()).filter_map(|class| {
        engine
            .pods_of(class as u32)
            .find(|&pod| pod != controller && !engine.network().pods[pod].host_network)
    });
    let mut is_sure = context.is_full() && engine.classes() <= CLASSES_MAX;
    for pod in sources.take(CLASSES_MAX) {
        let answer = engine.pair(&Party::Pod(pod), &Party::Pod(controller));
        match answer.map(|answer| answer.verdict(Protocol::Tcp, port)) {
            // What lets it through is a policy, or that none is there, which only a full view shows.
            Some(Verdict::Allowed) => {
                let is_isolated = !engine.isolating(controller, Direction::Ingress).is_empty();
                return if is_isolated || context.is_full() { Webhook::Reached } else { Webhook::Unknown };
            }
            Some(Verdict::Denied) => {}
            _ => is_sure = false,
        }
    }
    let is_isolated = !engine.isolating(controller, Direction::Ingress).is_empty();
    match (is_sure, is_isolated) {
        (true, true) => Webhook::KeptAway,
        // No other pod is in the input, and nothing would stop one.
        (true, false) => Webhook::Reached,
        (false, _) => Webhook::Unknown,
    }
}

/// The controller of the Kubernetes project; the one of F5 has other names.
fn is_controller(container: &Container<'_>) -> bool {
    let repository = product::repository(container.image);
    let ends = [
        "ingress-nginx/controller",
        "ingress-nginx/controller-chroot",
        "kubernetes-ingress-controller/nginx-ingress-controller",
        "rancher/nginx-ingress-controller",
    ];
    ends.iter().any(|end| repository == *end || repository.ends_with(&format!("/{end}")))
}

/// `v1.11.5` or `nginx-1.11.5-rancher1` as three numbers.
fn version(tag: &str) -> Option<(u64, u64, u64)> {
    let start = tag.find(|c: char| c.is_ascii_digit())?;
    let mut parts = tag[start..].split(['.', '-', '+']).map(|part| part.parse::<u64>().ok());
    Some((parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0)))
}

fn is_fixed((major, minor, patch): (u64, u64, u64)) -> bool {
    if major != 1 {
        return major > 1;
    }
    let newest = FIXED.iter().map(|(minor, _)| *minor).max().unwrap_or(0);
    minor > newest || FIXED.iter().any(|(own, fixed)| *own == minor && patch >= *fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions() {
        let fixed = |tag| version(tag).map(is_fixed);
        let cases = [
            ("v1.11.4", false),
            ("v1.11.5", true),
            ("v1.12.0", false),
            ("v1.12.1", true),
            ("v1.13.0", true),
            ("v1.10.6", false),
            ("0.33.0", false),
            ("nginx-1.9.4-rancher1", false),
        ];
        for (tag, expected) in cases {
            assert_eq!(fixed(tag), Some(expected), "{tag}");
        }
        assert_eq!(fixed("latest"), None);
    }
}
