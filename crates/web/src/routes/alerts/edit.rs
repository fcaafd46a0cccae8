use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    response::Response,
};
use nightlatch_alert::{AddressRange, Alert, AlertId, Ignore, Notifier, Trigger, TriggerSetting};
use nightlatch_control::Role;
use serde::Deserialize;

use crate::{
    Web,
    change::Change,
    escape::cut,
    fault::{Fault, show},
    frame::Frame,
    visit::{Visit, done},
};

/// A day, as alerts count their life.
const DAY_SECONDS: u64 = 86_400;
/// Triggers that a new alert begins with.
const USUAL: [Trigger; 3] = [Trigger::NewService, Trigger::Exposed, Trigger::CertificateExpiring];

#[derive(Debug)]
struct Choice {
    name: String,
    told: String,
    on: bool,
}

#[derive(Debug)]
struct Ignored {
    trigger: &'static str,
    ip: String,
    port: u16,
    vulns: String,
}

#[derive(Debug, Template)]
#[template(path = "alert.html")]
struct Page {
    frame: Frame,
    id: String,
    name: String,
    networks: String,
    query: String,
    days: String,
    triggers: Vec<Choice>,
    notifiers: Vec<Choice>,
    ignored: Vec<Ignored>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Begun {
    #[serde(default)]
    query: String,
}

pub(super) async fn new(
    State(web): State<Web>,
    visit: Visit,
    Query(begun): Query<Begun>,
) -> Result<Response, Fault> {
    visit.must(Role::Analyst)?;
    let notifiers = super::notifiers::all(&web, &visit).await?;
    Ok(show(&Page {
        frame: Frame::new(&visit, "/alerts", "New alert"),
        id: String::new(),
        name: String::new(),
        networks: String::new(),
        query: begun.query,
        days: String::new(),
        triggers: triggers(|trigger| USUAL.contains(&trigger)),
        notifiers: choices(&notifiers, |_| false),
        ignored: Vec::new(),
    }))
}

pub(super) async fn edit(
    State(web): State<Web>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Fault> {
    visit.must(Role::Analyst)?;
    let wanted = id.clone();
    let alert = web.control(&visit, move |control| control.get::<Alert>(&wanted)).await?;
    let notifiers = super::notifiers::all(&web, &visit).await?;
    let Some(alert) = alert else { return Err(Fault::unknown(&visit, "alert", id)) };
    let networks: Vec<String> = alert.networks.iter().map(ToString::to_string).collect();
    let ignored = alert.triggers.iter().flat_map(|(trigger, setting)| {
        setting.ignore.iter().map(|ignore| Ignored {
            trigger: trigger.as_str(),
            ip: ignore.ip.to_string(),
            port: ignore.port,
            vulns: ignore.vulns.iter().take(20).map(|vuln| cut(vuln, 60)).collect::<Vec<_>>().join(", "),
        })
    });
    Ok(show(&Page {
        frame: Frame::new(&visit, "/alerts", "Alert"),
        id: alert.id.to_string(),
        name: alert.name.raw().to_owned(),
        networks: networks.join("\n"),
        query: alert.query.clone().unwrap_or_default(),
        days: if alert.expires == 0 {
            String::new()
        } else {
            alert.expires.div_ceil(DAY_SECONDS).to_string()
        },
        triggers: triggers(|trigger| alert.triggers.contains_key(&trigger)),
        notifiers: choices(&notifiers, |notifier| alert.notifiers.contains(&notifier.id)),
        ignored: ignored.collect(),
    }))
}

fn triggers(on: impl Fn(Trigger) -> bool) -> Vec<Choice> {
    // Ours first: they follow how far doors open.
    let (ours, theirs) = Trigger::CATALOGUE.split_at(14);
    let all = ours_first(ours, theirs);
    all.map(|info| Choice {
        name: info.name.to_owned(),
        told: info.description.to_owned(),
        on: on(info.trigger),
    })
    .collect()
}

fn ours_first<'a>(
    shodans: &'a [nightlatch_alert::TriggerInfo],
    ours: &'a [nightlatch_alert::TriggerInfo],
) -> impl Iterator<Item = &'a nightlatch_alert::TriggerInfo> {
    shodans.iter().take(2).chain(ours).chain(shodans.iter().skip(2))
}

fn choices(notifiers: &[Notifier], on: impl Fn(&Notifier) -> bool) -> Vec<Choice> {
    notifiers
        .iter()
        .map(|notifier| Choice {
            name: notifier.id.clone(),
            told: super::describe(notifier),
            on: on(notifier),
        })
        .collect()
}

pub(super) async fn save(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Analyst)?;
    let now = change.now();
    let networks: Vec<AddressRange> = change
        .lines("networks")
        .map(|text| {
            text.parse().map_err(|error| {
                change.wrong(format!("`{}` is no address, block or range: {error}", cut(text, 60)))
            })
        })
        .collect::<Result<_, Fault>>()?;
    let chosen: Vec<Trigger> = change
        .all("trigger")
        .map(|name| {
            name.parse().map_err(|_| change.wrong(format!("there is no trigger `{}`", cut(name, 40))))
        })
        .collect::<Result<_, Fault>>()?;
    let days: u64 = match change.one("days") {
        "" => 0,
        days => days
            .parse()
            .ok()
            .filter(|days| (1..=36_500).contains(days))
            .ok_or_else(|| change.wrong("an alert lasts 1 to 36500 days"))?,
    };
    let query = change.one("query");
    let id = change.one("id").to_owned();
    let known = {
        let id = id.clone();
        if id.is_empty() {
            None
        } else {
            web.control(&change.visit, move |control| control.get::<Alert>(&id)).await?
        }
    };
    if !id.is_empty() && known.is_none() {
        return Err(Fault::unknown(&change.visit, "alert", id));
    }
    let is_new = known.is_none();
    let mut alert = match known {
        Some(alert) => alert,
        None => {
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).map_err(|_| change.visit.fault(nightlatch_app::AppError::Bug))?;
            Alert {
                id: AlertId::from_random(bytes),
                name: "".into(),
                created: now,
                expires: 0,
                networks: Vec::new(),
                query: None,
                triggers: BTreeMap::new(),
                notifiers: Vec::new(),
                owner_key: change.visit.caller.key.id.clone(),
            }
        }
    };
    alert.name = change.one("name").into();
    alert.networks = networks;
    alert.query = (!query.is_empty()).then(|| query.to_owned());
    // Days count from today; a life that was not touched stays as it is.
    if days == 0 {
        alert.expires = 0;
    } else if alert.expires.div_ceil(DAY_SECONDS) != days || is_new {
        let lived = now.as_second().saturating_sub(alert.created.as_second());
        alert.expires = u64::try_from(lived).unwrap_or(0) + days * DAY_SECONDS;
    }
    let ignored = std::mem::take(&mut alert.triggers);
    let keep = |trigger: Trigger| ignored.get(&trigger).cloned().unwrap_or_else(TriggerSetting::default);
    alert.triggers = chosen.into_iter().map(|trigger| (trigger, keep(trigger))).collect();
    alert.notifiers = change.all("notifier").map(str::to_owned).collect();
    alert.check(now).map_err(|error| change.wrong(error.to_string()))?;
    let action = if is_new { "alert.create" } else { "alert.edit" };
    let entry = change.entry(action, &format!("{} {}", alert.id, cut(alert.name.raw(), 120)), "ok");
    web.control(&change.visit, move |control| {
        control.put(&alert, now)?;
        control.audit(&entry)
    })
    .await?;
    Ok(done("/alerts", "saved"))
}

pub(super) async fn delete(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Analyst)?;
    let id = change.one("id").to_owned();
    let entry = change.entry("alert.delete", &id, "ok");
    let wanted = id.clone();
    let found = web
        .control(&change.visit, move |control| {
            let found = control.remove::<Alert>(&wanted)?;
            if found {
                control.audit(&entry)?;
            }
            Ok(found)
        })
        .await?;
    if found { Ok(done("/alerts", "deleted")) } else { Err(Fault::unknown(&change.visit, "alert", id)) }
}

/// Silences one trigger of an alert about one service.
pub(super) async fn ignore(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Analyst)?;
    let id = change.one("id").to_owned();
    let trigger: Trigger = change.one("trigger").parse().map_err(|_| change.wrong("choose a trigger"))?;
    let ip: IpAddr =
        change.one("ip").parse().map_err(|_| change.wrong("an ignored service has one address"))?;
    let port: u16 =
        change.one("port").parse().map_err(|_| change.wrong("an ignored service has one port"))?;
    let now = change.now();
    let entry = change.entry("alert.ignore", &format!("{id} {trigger} {ip} {port}"), "ok");
    let (wanted, ip) = (id.clone(), ip.to_canonical());
    let found = web
        .control(&change.visit, move |control| {
            let changed = control.change::<Alert, _>(&wanted, now, |alert| {
                alert.ignore(trigger, Ignore { ip, port, vulns: BTreeSet::new() });
                alert.check(now).map_err(|error| error.to_string())
            })?;
            control.audit(&entry)?;
            Ok(changed)
        })
        .await?;
    match found {
        Some(Ok(())) => Ok(done(&format!("/alerts/edit/{}", crate::link::segment(&id)), "ignored")),
        Some(Err(wrong)) => Err(change.wrong(wrong)),
        None => Err(Fault::unknown(&change.visit, "alert", id)),
    }
}

pub(super) async fn unignore(State(web): State<Web>, change: Change) -> Result<Response, Fault> {
    change.visit.must(Role::Analyst)?;
    let id = change.one("id").to_owned();
    let trigger: Trigger =
        change.one("trigger").parse().map_err(|_| change.wrong("there is no such trigger"))?;
    let ip = change.one("ip").parse().map_err(|_| change.wrong("there is no such address"))?;
    let port = change.one("port").parse().map_err(|_| change.wrong("there is no such port"))?;
    let (now, entry) = (change.now(), change.entry("alert.unignore", &format!("{id} {ip} {port}"), "ok"));
    let wanted = id.clone();
    let found = web
        .control(&change.visit, move |control| {
            let found =
                control.change::<Alert, _>(&wanted, now, |alert| alert.unignore(trigger, ip, port))?;
            if found == Some(true) {
                control.audit(&entry)?;
            }
            Ok(found)
        })
        .await?;
    match found {
        Some(true) => Ok(done(&format!("/alerts/edit/{}", crate::link::segment(&id)), "unignored")),
        _ => Err(Fault::unknown(&change.visit, "alert", id)),
    }
}
