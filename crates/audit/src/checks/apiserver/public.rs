//! API-042: an API server on a public address or behind a published Service.

use nightlatch_manifest::{Node, Object};

use crate::{
    Context, Found, Sink, Subject,
    program::{listen::address, listen::is_public, programs},
};

const PORT: &str = "6443";

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for program in programs(context, "kube-apiserver") {
        let public = ["bind-address", "advertise-address"]
            .into_iter()
            .filter_map(|flag| program.get(flag))
            .find(|setting| address(setting.text()).is_some_and(is_public));
        match public {
            Some(setting) => sink.fail(program.found(&setting, "the API server has a public address")),
            None => sink.pass(),
        }
    }
    for service in context.objects_of("Service") {
        if let Some(port) = published(service) {
            let message = "the Service publishes the API server outside of the cluster";
            sink.fail(Found::new(Subject::object(service), port, message));
        }
    }
}

/// The port by which a Service publishes an API server of this cluster: it selects the static pods, or targets 6443
/// without naming another program.
fn published<'a>(service: &Object<'a>) -> Option<Node<'a>> {
    let spec = service.spec()?;
    if !matches!(spec.get("type").map(Node::text), Some("NodePort" | "LoadBalancer")) {
        return None;
    }
    let selects = spec.at("selector.component").is_some_and(|value| value.text() == "kube-apiserver");
    let manual = spec.get("selector").is_none();
    spec.get("ports")?.items().find_map(|port| {
        let target = port.get("targetPort").or_else(|| port.get("port"))?;
        (selects || (manual && target.text() == PORT)).then_some(target)
    })
}
