//! `/shodan/alert`: who wants to hear of what. Each belongs to the key that made it.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use jiff::Timestamp;
use nightlatch_alert::{AddressRange, Alert, AlertId};
use nightlatch_app::App;
use nightlatch_asset::Text;
use nightlatch_control::Role;
use nightlatch_gate::Caller;
use serde::Deserialize;
use serde_json::json;

use super::notifier;
use crate::{
    Api, answer,
    caller::{need, owns},
    params::{self, Params},
    trouble::{Reply, Trouble, shown},
};

/// What an alert is made of or changed to. Further members are of no account, as with the service.
#[derive(Debug, Deserialize)]
struct Asked {
    name: Option<String>,
    filters: Option<AskedFilters>,
    expires: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct AskedFilters {
    ip: Option<Networks>,
    /// Our own addition.
    query: Option<String>,
}

/// One network as text, or a list.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Networks {
    One(String),
    Many(Vec<String>),
}

impl Networks {
    fn read(self) -> Result<Vec<AddressRange>, Trouble> {
        let all = match self {
            Self::One(text) => text.split(',').map(|part| part.trim().to_owned()).collect(),
            Self::Many(all) => all,
        };
        let read = |text: &String| {
            let range = text.trim().parse::<AddressRange>();
            range.map_err(|error| {
                Trouble::bad_value("filters.ip", format!("holds `{}`: {error}", shown(text)))
            })
        };
        all.iter().map(read).collect()
    }
}

impl Asked {
    async fn of(request: Request) -> Result<Self, Trouble> {
        let body = params::body(request).await?;
        serde_json::from_slice(&body).map_err(|error| {
            Trouble::bad(format!(
                "the body is no alert: {}",
                nightlatch_untrusted::terminal(&error.to_string())
            ))
        })
    }
}

/// The alert named `id`, if the caller may see it.
pub(crate) fn find(app: &App, caller: &Caller, id: &str) -> Result<Alert, Trouble> {
    let known = match id.parse::<AlertId>() {
        Ok(id) => app.control().get::<Alert>(id.as_str())?,
        Err(_) => None,
    };
    known.filter(|alert| owns(caller, &alert.owner_key)).ok_or_else(|| Trouble::unknown("alert", id))
}

/// Changes the alert named `id`; what `change` refuses leaves it as it was.
pub(crate) fn change(
    app: &App,
    caller: &Caller,
    id: &str,
    now: Timestamp,
    change: impl FnOnce(&mut Alert) -> Result<(), Trouble>,
) -> Result<Alert, Trouble> {
    find(app, caller, id)?;
    let changed = app.control().change::<Alert, _>(id, now, |alert| {
        let mut wanted = alert.clone();
        change(&mut wanted)?;
        wanted.check(now)?;
        *alert = wanted.clone();
        Ok::<_, Trouble>(wanted)
    })?;
    changed.unwrap_or_else(|| Err(Trouble::unknown("alert", id)))
}

/// A new name for an alert.
pub(crate) fn new_id() -> Result<AlertId, Trouble> {
    let text = nightlatch_control::letters_and_digits(16)?;
    text.parse().map_err(|error| Trouble::bug(&error))
}

pub(super) async fn create(State(api): State<Arc<Api>>, caller: Caller, request: Request) -> Reply {
    need(&caller, Role::Analyst)?;
    let asked = Asked::of(request).await?;
    let (who, name) = (caller.clone(), asked.name.clone().unwrap_or_default());
    let shape = api
        .change(&caller, "alert.create", &name, move |app, now| {
            let filters =
                asked.filters.ok_or_else(|| Trouble::bad_value("filters", "is required: {\"ip\": [...]}"))?;
            let alert = Alert {
                id: new_id()?,
                name: Text::new(asked.name.ok_or_else(|| Trouble::bad_value("name", "is required"))?),
                created: now,
                expires: asked.expires.unwrap_or(0),
                networks: filters.ip.map(Networks::read).transpose()?.unwrap_or_default(),
                query: filters.query,
                triggers: Default::default(),
                notifiers: Vec::new(),
                owner_key: who.key.id,
            };
            alert.check(now)?;
            app.control().put(&alert, now)?;
            Ok(alert.shape(now, &[]))
        })
        .await?;
    answer::json(&shape)
}

pub(super) async fn edit(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    request: Request,
) -> Reply {
    need(&caller, Role::Analyst)?;
    let asked = Asked::of(request).await?;
    let (who, of) = (caller.clone(), id.clone());
    let shape = api
        .change(&caller, "alert.edit", &of, move |app, now| {
            let alert = change(app, &who, &id, now, |alert| {
                if let Some(name) = asked.name {
                    alert.name = Text::new(name);
                }
                if let Some(expires) = asked.expires {
                    alert.expires = expires;
                }
                if let Some(filters) = asked.filters {
                    if let Some(networks) = filters.ip {
                        alert.networks = networks.read()?;
                    }
                    alert.query = filters.query.or(alert.query.take());
                }
                Ok(())
            })?;
            Ok(alert.shape(now, &app.notifiers()?))
        })
        .await?;
    answer::json(&shape)
}

pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    let with_expired = params.flag("include_expired", true)?;
    let shapes = api
        .read(move |app, now| {
            let notifiers = app.notifiers()?;
            let mine =
                |alert: &Alert| owns(&caller, &alert.owner_key) && (with_expired || !alert.expired(now));
            let alerts = app.control().all::<Alert>()?.into_iter().filter(mine);
            Ok(alerts.map(|alert| alert.shape(now, &notifiers)).collect::<Vec<_>>())
        })
        .await?;
    answer::json(&shapes)
}

pub(super) async fn info(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Reply {
    let shape = api
        .read(move |app, now| {
            let notifiers = app.notifiers()?;
            Ok(find(app, &caller, &id)?.shape(now, &notifiers))
        })
        .await?;
    answer::json(&shape)
}

pub(super) async fn remove(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Reply {
    need(&caller, Role::Analyst)?;
    let (who, of) = (caller.clone(), id.clone());
    api.change(&caller, "alert.remove", &of, move |app, _| {
        let alert = find(app, &who, &id)?;
        app.control().remove::<Alert>(alert.id.as_str())?;
        Ok(())
    })
    .await?;
    // What the service answers in fact.
    answer::json(&json!({}))
}

pub(super) async fn add_notifier(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, nid)): Path<(String, String)>,
) -> Reply {
    need(&caller, Role::Analyst)?;
    let (who, of) = (caller.clone(), id.clone());
    api.change(&caller, "alert.notifier.add", &of, move |app, now| {
        let notifier = notifier::find(app, &who, &nid)?;
        change(app, &who, &id, now, |alert| {
            if !alert.notifiers.contains(&notifier.id) {
                alert.notifiers.push(notifier.id);
            }
            Ok(())
        })
    })
    .await?;
    answer::success()
}

pub(super) async fn drop_notifier(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, nid)): Path<(String, String)>,
) -> Reply {
    need(&caller, Role::Analyst)?;
    let (who, of) = (caller.clone(), id.clone());
    api.change(&caller, "alert.notifier.remove", &of, move |app, now| {
        change(app, &who, &id, now, |alert| {
            let before = alert.notifiers.len();
            alert.notifiers.retain(|known| *known != nid);
            if alert.notifiers.len() == before { Err(Trouble::unknown("notifier", &nid)) } else { Ok(()) }
        })
    })
    .await?;
    answer::success()
}
