//! ExternalName Services that lead back inside.

use nightlatch_netpol::ServiceKind;

use crate::{Context, Found, Sink, Subject};

pub(super) fn check<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for service in context.ways().services.iter().filter(|service| service.kind == ServiceKind::ExternalName)
    {
        let object = &service.object;
        let Some(name) = object.root.at("spec.externalName") else { continue };
        let own = object.namespace.unwrap_or("");
        match leads_to(name.text(), own) {
            Some(what) => {
                sink.fail(Found::new(Subject::object(object), name, format!("the name leads to {what}")));
            }
            None => sink.pass(),
        }
    }
}

fn leads_to(name: &str, own_namespace: &str) -> Option<String> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let metadata = [
        "169.254.169.254",
        "metadata.google.internal",
        "metadata",
        "100.100.100.200",
        "168.63.129.16",
        "fd00:ec2::254",
        "instance-data",
    ];
    if metadata.contains(&name.as_str()) || name.starts_with("169.254.") {
        return Some("the metadata service of the cloud".to_owned());
    }
    if name == "localhost" || name.ends_with(".localhost") || name.starts_with("127.") {
        return Some("the pod or controller that asks".to_owned());
    }
    if name == "kubernetes" || name.starts_with("kubernetes.default") {
        return Some("the API server".to_owned());
    }
    let inside = name.strip_suffix(".svc").or_else(|| name.strip_suffix(".svc.cluster.local"))?;
    let (service, namespace) = inside.split_once('.')?;
    let is_admin = matches!(namespace, "kube-system" | "kube-public" | "kube-node-lease")
        || super::product::of_name(service);
    (namespace != own_namespace && is_admin)
        .then(|| format!("Service `{service}` of namespace `{namespace}`"))
}
