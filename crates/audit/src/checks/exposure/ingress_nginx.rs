//! Versions of the retired ingress controller of the Kubernetes project.

use jiff::civil::{Date, date};
use nightlatch_finding::Severity;
use nightlatch_manifest::Container;

use super::product;
use crate::{Context, Found, Sink};

/// The project ended its maintenance in this month; what is found later is not mended.
/// Source: Kubernetes blog, "Ingress NGINX Retirement" (November 2025).
const RETIRED: Date = date(2026, 3, 31);

/// The first versions in which the admission controller does not run what it is sent (CVE-2025-1974 and its kin): minor
/// version and patch. Source: Kubernetes blog, "Ingress-nginx CVE-2025-1974" (March 2025).
const FIXED: [(u64, u64); 2] = [(11, 5), (12, 1)];

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    let is_retired = context.settings.today > RETIRED;
    for workload in &context.workloads {
        for container in workload.containers().filter(is_controller) {
            let subject = context.container_subject(workload, &container);
            let image = container.node.get("image").unwrap_or(container.node);
            let version = product::tag(container.image).and_then(version);
            match version {
                Some(version) if !is_fixed(version) => {
                    let message = "this version of ingress-nginx runs what its admission webhook is sent (CVE-2025-1974)";
                    sink.fail(Found::new(subject, image, message).severity(Severity::High));
                }
                _ if is_retired => {
                    let message =
                        "ingress-nginx has been retired: what is found in it since March 2026 is not mended";
                    sink.fail(Found::new(subject, image, message).severity(Severity::Medium));
                }
                None => sink.unknown("which version of ingress-nginx an image without a version is"),
                Some(_) => sink.pass(),
            }
        }
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
