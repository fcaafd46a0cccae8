//! Networks of a project.

use nightlatch_manifest::ComposeService;

use crate::{
    Context, Found, Sink, Subject,
    checks::exposure::product::{Sort, of_image},
};

/// A published front end and a database on the one network that everything is on.
pub(super) fn flat<'a>(context: &Context<'a>, sink: &mut Sink<'a>) {
    for project in &context.compose {
        let is_default = |service: &ComposeService<'a>| {
            let networks = service.list("networks");
            service.get("network_mode").is_none()
                && networks.iter().all(|network| network.text() == "default")
        };
        if project.services.len() < 3 {
            continue;
        }
        if !project.services.iter().all(is_default) {
            sink.pass();
            continue;
        }
        let is_data = |service: &ComposeService<'a>| {
            let image = service.get("image").and_then(|image| project.text(image));
            image.as_deref().and_then(of_image).is_some_and(|product| product.sort == Sort::Data)
        };
        let data = project.services.iter().find(|service| is_data(service));
        let front =
            project.services.iter().find(|service| !is_data(service) && !service.ports(project).is_empty());
        match (data, front) {
            (Some(data), Some(front)) => {
                let message = format!(
                    "{} stands on one network with everything else, {} included, which is published",
                    data.name, front.name
                );
                let subject = Subject::other(data.node, "ComposeService", data.name);
                sink.fail(
                    Found::new(subject, data.node, message).related("the published one", Some(front.node)),
                );
            }
            _ => sink.pass(),
        }
    }
}
