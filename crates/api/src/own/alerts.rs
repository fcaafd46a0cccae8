//! `/api/v1/alerts`: who wants to hear of what.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use jiff::Timestamp;
use nightlatch_alert::{AddressRange, Alert, Ignore, Trigger, TriggerSetting};
use nightlatch_app::App;
use nightlatch_asset::Text;
use nightlatch_control::Role;
use nightlatch_gate::Caller;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{body::Json, shapes};
use crate::{
    Api, answer,
    caller::{need, owns},
    params::Params,
    shodan::{change_alert, find_alert, find_notifier, new_alert_id, read_trigger},
    trouble::{Reply, Trouble, shown},
};

/// An alert to be made, or what one is to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertSpec {
    /// What it is called.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// Seconds from its making after which it is silent; 0 for never.
    #[serde(default)]
    expires: u64,
    /// Addresses, blocks and ranges; empty for anywhere.
    #[serde(default)]
    #[schema(max_items = 10_000)]
    networks: Vec<String>,
    /// What the record must answer; needed where there are no networks.
    query: Option<String>,
    /// Triggers by name.
    #[serde(default)]
    triggers: BTreeMap<String, TriggerSpec>,
    /// Notifiers that are told.
    #[serde(default)]
    #[schema(max_items = 100)]
    notifiers: Vec<String>,
}

/// How one trigger is set.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TriggerSpec {
    /// Services about which it says nothing.
    #[serde(default)]
    ignore: Vec<IgnoreSpec>,
}

/// A service to be ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct IgnoreSpec {
    /// The address.
    ip: String,
    /// The port.
    #[schema(maximum = 65535)]
    port: u16,
    /// Only these findings; for `vulnerable` and `vulnerable_unverified`.
    #[serde(default)]
    vulns: Vec<String>,
}

/// What became of a test message.
#[derive(Serialize, ToSchema)]
pub(super) struct Tested {
    /// The notifier.
    notifier: String,
    /// Whether the receiver took it.
    delivered: bool,
    /// Why not.
    error: Option<String>,
}

/// Most notifiers of one alert.
const NOTIFIERS_MAX: usize = 100;

impl AlertSpec {
    fn apply(self, app: &App, caller: &Caller, alert: &mut Alert) -> Result<(), Trouble> {
        let network = |text: &String| {
            text.trim()
                .parse::<AddressRange>()
                .map_err(|error| Trouble::bad_value("networks", format!("holds `{}`: {error}", shown(text))))
        };
        if self.notifiers.len() > NOTIFIERS_MAX {
            return Err(Trouble::bad_value("notifiers", format!("are at most {NOTIFIERS_MAX}")));
        }
        for id in &self.notifiers {
            find_notifier(app, caller, id)?;
        }
        alert.name = Text::new(self.name);
        alert.expires = self.expires;
        alert.networks = self.networks.iter().map(network).collect::<Result<_, _>>()?;
        alert.query = self.query;
        alert.notifiers = self.notifiers;
        alert.triggers =
            self.triggers.into_iter().map(|(name, spec)| spec.read(&name)).collect::<Result<_, _>>()?;
        Ok(())
    }
}

impl TriggerSpec {
    fn read(self, name: &str) -> Result<(Trigger, TriggerSetting), Trouble> {
        let trigger = read_trigger(name)?;
        let ignore = self.ignore.into_iter().map(|one| {
            let ip: IpAddr = one.ip.parse().map_err(|_| {
                Trouble::bad_value("triggers", format!("ignore no address: `{}`", shown(&one.ip)))
            })?;
            Ok(Ignore { ip: ip.to_canonical(), port: one.port, vulns: one.vulns.into_iter().collect() })
        });
        Ok((trigger, TriggerSetting { ignore: ignore.collect::<Result<_, Trouble>>()? }))
    }
}

/// The caller's alerts; an admin sees all.
#[utoipa::path(get, path = "/api/v1/alerts", tag = "alerts",
    responses((status = 200, description = "The alerts.", body = Vec<shapes::Alert>)))]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    params.only(&[])?;
    let alerts = api
        .read(move |app, _| {
            let mut alerts = app.control().all::<Alert>()?;
            alerts.retain(|alert| owns(&caller, &alert.owner_key));
            Ok(alerts)
        })
        .await?;
    answer::json(&alerts)
}

/// One alert.
#[utoipa::path(get, path = "/api/v1/alerts/{id}", tag = "alerts", params(
    ("id" = String, Path, description = "16 letters and digits."),
), responses((status = 200, description = "The alert.", body = shapes::Alert)))]
pub(super) async fn info(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    params: Params,
) -> Reply {
    params.only(&[])?;
    answer::json(&api.read(move |app, _| find_alert(app, &caller, &id)).await?)
}

/// Makes an alert.
#[utoipa::path(post, path = "/api/v1/alerts", tag = "alerts", request_body = AlertSpec,
    responses((status = 201, description = "It is made.", body = shapes::Alert)))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Json(spec): Json<AlertSpec>,
) -> Reply {
    need(&caller, Role::Analyst)?;
    let (who, name) = (caller.clone(), spec.name.clone());
    let alert = api
        .change(&caller, "alert.create", &name, move |app, now| {
            let mut alert = Alert {
                id: new_alert_id()?,
                name: Text::default(),
                created: now,
                expires: 0,
                networks: Vec::new(),
                query: None,
                triggers: BTreeMap::new(),
                notifiers: Vec::new(),
                owner_key: who.key.id.clone(),
            };
            spec.apply(app, &who, &mut alert)?;
            checked(&alert, now)?;
            app.control().put(&alert, now)?;
            Ok(alert)
        })
        .await?;
    answer::json_with(StatusCode::CREATED, &alert)
}

/// As [`Alert::check`], with the place of a mistake in the query.
fn checked(alert: &Alert, now: Timestamp) -> Result<(), Trouble> {
    if let Some(query) = &alert.query {
        nightlatch_query::parse(query, now).map_err(|error| Trouble::query("query", &error, query))?;
    }
    Ok(alert.check(now)?)
}

/// Changes an alert to what is sent; what is left out is as in a new one.
#[utoipa::path(put, path = "/api/v1/alerts/{id}", tag = "alerts", params(
    ("id" = String, Path, description = "16 letters and digits."),
), request_body = AlertSpec, responses((status = 200, description = "It is changed.", body = shapes::Alert)))]
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(id): Path<String>,
    Json(spec): Json<AlertSpec>,
) -> Reply {
    need(&caller, Role::Analyst)?;
    let (who, of) = (caller.clone(), id.clone());
    let alert = api
        .change(&caller, "alert.change", &of, move |app, now| {
            // Read before: a transaction that is open would wait for this one.
            let mut wanted = find_alert(app, &who, &id)?;
            spec.apply(app, &who, &mut wanted)?;
            checked(&wanted, now)?;
            change_alert(app, &who, &id, now, |alert| {
                *alert = wanted;
                Ok(())
            })
        })
        .await?;
    answer::json(&alert)
}

/// Forgets an alert.
#[utoipa::path(delete, path = "/api/v1/alerts/{id}", tag = "alerts", params(
    ("id" = String, Path, description = "16 letters and digits."),
), responses((status = 204, description = "It is forgotten.")))]
pub(super) async fn remove(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Reply {
    need(&caller, Role::Analyst)?;
    let (who, of) = (caller.clone(), id.clone());
    api.change(&caller, "alert.remove", &of, move |app, _| {
        let alert = find_alert(app, &who, &id)?;
        Ok(app.control().remove::<Alert>(alert.id.as_str())?)
    })
    .await?;
    Ok(answer::nothing())
}

/// Sends a test message to each notifier of an alert.
#[utoipa::path(post, path = "/api/v1/alerts/{id}/test", tag = "alerts", params(
    ("id" = String, Path, description = "16 letters and digits."),
), responses((status = 200, description = "What became of each.", body = Vec<Tested>)))]
pub(super) async fn test(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Reply {
    need(&caller, Role::Analyst)?;
    let (who, of) = (caller.clone(), id.clone());
    api.change(&caller, "alert.test", &of, move |app, _| find_alert(app, &who, &id).map(drop)).await?;
    let told = api.app.test_alert(&of).await?;
    let tested = told.into_iter().map(|(notifier, result)| Tested {
        notifier: notifier.id,
        delivered: result.is_ok(),
        error: result.err().map(|error| error.to_string()),
    });
    answer::json(&tested.collect::<Vec<_>>())
}
