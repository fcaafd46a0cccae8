use askama::Template;
use axum::{extract::State, response::Response};
use nightlatch_alert::{Alert, Args, Notifier, Provider};
use nightlatch_control::{Role, letters_and_digits};

use crate::{
    Web,
    change::Change,
    fault::{Fault, show},
    frame::Frame,
    visit::{Visit, done},
};

/// Characters of the id of a notifier.
const ID_CHARS: usize = 16;

/// All notifiers, that of the configuration first.
pub(super) async fn all(web: &Web, visit: &Visit) -> Result<Vec<Notifier>, Fault> {
    let app = web.app.clone();
    let all = web.app.blocking(move || app.notifiers()).await;
    all.and_then(|all| all).map_err(|error| visit.fault(error))
}

#[derive(Debug, Template)]
#[template(path = "notifier.html")]
struct Page {
    frame: Frame,
}

impl Page {
    fn providers(&self) -> &'static [nightlatch_alert::ProviderInfo] {
        &Provider::CATALOGUE
    }
}

pub(super) async fn new(visit: Visit) -> Result<Response, Fault> {
    visit.must(Role::Analyst)?;
    Ok(show(&Page { frame: Frame::new(&visit, "/alerts", "New notifier") }))
}

pub(super) async fn save(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Analyst)?;
    let provider: Provider =
        change.one("provider").parse().map_err(|_| change.wrong("choose how to tell"))?;
    let info = provider.info();
    let names = info.required.iter().chain(info.optional);
    let given = names.map(|name| (*name, change.one(&format!("{}.{name}", info.name)).to_owned()));
    let args: Args = given.filter(|(_, value)| !value.is_empty()).collect();
    let id = letters_and_digits(ID_CHARS).map_err(|error| change.visit.fault(error.into()))?;
    let notifier = Notifier { id, provider, description: change.one("description").into(), args };
    notifier.check().map_err(|error| change.wrong(error.to_string()))?;
    let (now, entry) =
        (change.now(), change.entry("notifier.create", &format!("{} {provider}", notifier.id), "ok"));
    web.control(&change.visit, move |control| {
        control.put(&notifier, now)?;
        control.audit(&entry)
    })
    .await?;
    Ok(done("/alerts#notifiers", "saved"))
}

pub(super) async fn delete(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Analyst)?;
    let id = change.one("id").to_owned();
    let (now, entry) = (change.now(), change.entry("notifier.delete", &id, "ok"));
    let wanted = id.clone();
    let found = web
        .control(&change.visit, move |control| {
            let found = control.remove::<Notifier>(&wanted)?;
            if found {
                for alert in
                    control.all::<Alert>()?.into_iter().filter(|alert| alert.notifiers.contains(&wanted))
                {
                    control.change::<Alert, _>(alert.id.as_str(), now, |alert| {
                        alert.notifiers.retain(|id| *id != wanted)
                    })?;
                }
                control.audit(&entry)?;
            }
            Ok(found)
        })
        .await?;
    if found {
        Ok(done("/alerts#notifiers", "deleted"))
    } else {
        Err(Fault::unknown(&change.visit, "notifier", id))
    }
}
