//! `/notifier`: where messages go. Secrets go in and never come out.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::{Path, State};
use nightlatch_alert::{Alert, Args, Notifier, Provider};
use nightlatch_app::App;
use nightlatch_asset::{Text, nearest};
use nightlatch_control::{Control, ControlError, Kept, Role};
use nightlatch_gate::Caller;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Api, answer,
    caller::{need, owns},
    params::{Form, Params},
    trouble::{Reply, Trouble, shown},
};

/// Characters of a notifier's name.
const ID_CHARS: usize = 16;

/// Whose a notifier is. One without this is everybody's, and an admin's to change.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct NotifierOwner {
    id: String,
    key: String,
}

impl Kept for NotifierOwner {
    const KIND: &'static str = "notifier-owner";

    fn id(&self) -> &str {
        &self.id
    }
}

fn sees(control: &Control, caller: &Caller, id: &str) -> Result<bool, ControlError> {
    Ok(control.get::<NotifierOwner>(id)?.is_none_or(|owner| owns(caller, &owner.key)))
}

/// The notifier named `id`, if the caller may see it.
pub(crate) fn find(app: &App, caller: &Caller, id: &str) -> Result<Notifier, Trouble> {
    match app.notifier(id)? {
        Some(notifier) if sees(app.control(), caller, id)? => Ok(notifier),
        _ => Err(Trouble::unknown("notifier", id)),
    }
}

/// The notifier named `id`, if the caller may change it.
pub(crate) fn find_own(app: &App, caller: &Caller, id: &str) -> Result<Notifier, Trouble> {
    let notifier = find(app, caller, id)?;
    if app.control().get::<Notifier>(id)?.is_none() {
        return Err(Trouble::bad("this notifier stands in nightlatch.toml; change it there"));
    }
    let owner = app.control().get::<NotifierOwner>(id)?;
    match owner.is_some_and(|owner| owns(caller, &owner.key)) || caller.may(Role::Admin) {
        true => Ok(notifier),
        false => Err(Trouble::forbidden("this notifier is everybody's; an admin changes it")),
    }
}

/// The notifiers the caller may see.
pub(crate) fn seen(app: &App, caller: &Caller) -> Result<Vec<Notifier>, Trouble> {
    let owners: BTreeMap<String, String> =
        app.control().all::<NotifierOwner>()?.into_iter().map(|owner| (owner.id, owner.key)).collect();
    let mine = |notifier: &Notifier| owners.get(&notifier.id).is_none_or(|owner| owns(caller, owner));
    Ok(app.notifiers()?.into_iter().filter(mine).collect())
}

/// Refuses what could never be delivered. The text repeats no value: some are secrets.
pub(crate) fn check(app: &App, notifier: &Notifier) -> Result<(), Trouble> {
    app.channels().check(notifier).map_err(|error| Trouble::bad(error.to_string()))
}

/// Keeps a new notifier of the caller's.
pub(crate) fn add(
    app: &App,
    caller: &Caller,
    now: jiff::Timestamp,
    provider: Provider,
    description: Text,
    args: Args,
) -> Result<Notifier, Trouble> {
    let id = nightlatch_control::letters_and_digits(ID_CHARS)?;
    let notifier = Notifier { id: id.clone(), provider, description, args };
    check(app, &notifier)?;
    let owner = NotifierOwner { id, key: caller.key.id.clone() };
    app.control().transaction(|t| {
        t.put(&notifier, now)?;
        t.put(&owner, now)
    })?;
    Ok(notifier)
}

/// Forgets a notifier, also where alerts name it.
pub(crate) fn forget(app: &App, now: jiff::Timestamp, id: &str) -> Result<(), Trouble> {
    for alert in app.control().all::<Alert>()?.iter().filter(|alert| alert.notifiers.iter().any(|n| n == id))
    {
        app.control().change::<Alert, _>(alert.id.as_str(), now, |alert| {
            alert.notifiers.retain(|known| known != id);
        })?;
    }
    app.control().remove::<Notifier>(id)?;
    app.control().remove::<NotifierOwner>(id)?;
    Ok(())
}

pub(crate) fn read_provider(name: &str) -> Result<Provider, Trouble> {
    name.parse().map_err(|_| {
        let hint = nearest(name, Provider::ALL.map(Provider::as_str))
            .map(|nearest| format!("; did you mean `{nearest}`?"))
            .unwrap_or_else(|| "; /notifier/provider lists them".to_owned());
        Trouble::bad_value("provider", format!("is unknown: `{}`{hint}", shown(name)))
    })
}

/// The arguments among the parameters of a request.
fn args(params: &Params) -> Args {
    params.iter().filter(|(name, _)| !matches!(*name, "provider" | "description")).collect()
}

/// The providers that the configuration offers.
pub(super) async fn providers(State(api): State<Arc<Api>>, _: Caller) -> Reply {
    let described = |provider: Provider| {
        let info = provider.info();
        let about = json!({
            "required": info.required, "optional": info.optional, "description": info.description
        });
        (info.name, about)
    };
    answer::json(&api.app.channels().providers().map(described).collect::<BTreeMap<_, _>>())
}

pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller) -> Reply {
    let shapes = api
        .read(move |app, _| Ok(seen(app, &caller)?.iter().map(Notifier::shape).collect::<Vec<_>>()))
        .await?;
    answer::json(&json!({ "total": shapes.len(), "matches": shapes }))
}

pub(super) async fn create(State(api): State<Arc<Api>>, caller: Caller, Form(params): Form) -> Reply {
    need(&caller, Role::Analyst)?;
    let provider = read_provider(params.required("provider")?)?;
    let who = caller.clone();
    let id = api
        .change(&caller, "notifier.create", provider.as_str(), move |app, now| {
            let description = Text::new(params.text("description").unwrap_or_default());
            Ok(add(app, &who, now, provider, description, args(&params))?.id)
        })
        .await?;
    answer::json(&json!({ "success": true, "id": id }))
}

pub(super) async fn info(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Reply {
    let shape = api.read(move |app, _| Ok(find(app, &caller, &id)?.shape())).await?;
    answer::json(&shape)
}

/// Arguments that are not named stay as they are.
pub(super) async fn edit(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> Reply {
    need(&caller, Role::Analyst)?;
    let (who, of) = (caller.clone(), id.clone());
    api.change(&caller, "notifier.edit", &of, move |app, now| {
        let mut notifier = find_own(app, &who, &id)?;
        if let Some(description) = params.text("description") {
            notifier.description = Text::new(description);
        }
        let given = args(&params);
        let kept: Vec<(String, String)> = notifier
            .args
            .iter()
            .filter(|(name, _)| given.get(name).is_none())
            .chain(given.iter())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        notifier.args = kept.into_iter().collect();
        check(app, &notifier)?;
        app.control().put(&notifier, now)?;
        Ok(())
    })
    .await?;
    answer::json(&json!({ "success": true, "id": of }))
}

pub(super) async fn remove(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Reply {
    need(&caller, Role::Analyst)?;
    let (who, of) = (caller.clone(), id.clone());
    api.change(&caller, "notifier.remove", &of, move |app, now| {
        find_own(app, &who, &id)?;
        forget(app, now, &id)
    })
    .await?;
    answer::success()
}
