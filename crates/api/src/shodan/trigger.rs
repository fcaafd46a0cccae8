//! Triggers of alerts, and the services that each is silent about.

use std::{net::IpAddr, sync::Arc};

use axum::extract::{Path, State};
use nightlatch_alert::{Alert, Ignore, Trigger};
use nightlatch_asset::nearest;
use nightlatch_control::Role;
use nightlatch_gate::Caller;
use serde::Serialize;

use super::alert;
use crate::{
    Api, answer,
    caller::need,
    trouble::{Reply, Trouble, shown},
};

#[derive(Serialize)]
struct Described {
    name: &'static str,
    rule: &'static str,
    description: &'static str,
}

pub(super) async fn list(_: Caller) -> Reply {
    let described = |info: &nightlatch_alert::TriggerInfo| Described {
        name: info.name,
        rule: info.rule,
        description: info.description,
    };
    answer::json(&Trigger::CATALOGUE.iter().map(described).collect::<Vec<_>>())
}

/// Reads trigger names separated by commas.
pub(crate) fn read(text: &str) -> Result<Vec<Trigger>, Trouble> {
    let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
    let triggers = names.map(read_one).collect::<Result<Vec<_>, _>>()?;
    if triggers.is_empty() { Err(Trouble::bad("no trigger is named")) } else { Ok(triggers) }
}

pub(crate) fn read_one(name: &str) -> Result<Trigger, Trouble> {
    name.parse().map_err(|_| {
        let hint = nearest(name, Trigger::ALL.map(Trigger::as_str))
            .map(|nearest| format!("; did you mean `{nearest}`?"))
            .unwrap_or_else(|| "; /shodan/alert/triggers lists them".to_owned());
        Trouble::bad(format!("unknown trigger `{}`{hint}", shown(name)))
    })
}

/// Reads `192.0.2.1:443`, `2001:db8::1:443` and `[2001:db8::1]:443`.
fn service(text: &str) -> Result<(IpAddr, u16), Trouble> {
    let read = || {
        let (ip, port) = text.rsplit_once(':')?;
        let ip = ip.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok()?;
        Some((ip.to_canonical(), port.parse().ok()?))
    };
    read().ok_or_else(|| {
        Trouble::bad(format!("`{}` is no address and port such as 192.0.2.1:443", shown(text)))
    })
}

async fn set(
    api: &Api,
    caller: &Caller,
    action: &'static str,
    id: String,
    change: impl FnOnce(&mut Alert) -> Result<(), Trouble> + Send + 'static,
) -> Reply {
    need(caller, Role::Analyst)?;
    let (who, of) = (caller.clone(), id.clone());
    api.change(caller, action, &of, move |app, now| alert::change(app, &who, &id, now, change)).await?;
    answer::success()
}

pub(super) async fn enable(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, names)): Path<(String, String)>,
) -> Reply {
    let triggers = read(&names)?;
    set(&api, &caller, "alert.trigger.enable", id, move |alert| {
        for trigger in triggers {
            alert.triggers.entry(trigger).or_default();
        }
        Ok(())
    })
    .await
}

pub(super) async fn disable(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, names)): Path<(String, String)>,
) -> Reply {
    let triggers = read(&names)?;
    set(&api, &caller, "alert.trigger.disable", id, move |alert| {
        for trigger in triggers {
            if alert.triggers.remove(&trigger).is_none() {
                return Err(Trouble::absent(format!("the alert has no trigger `{trigger}`")));
            }
        }
        Ok(())
    })
    .await
}

pub(super) async fn ignore(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, name, text)): Path<(String, String, String)>,
) -> Reply {
    let (trigger, (ip, port)) = (read_one(&name)?, service(&text)?);
    set(&api, &caller, "alert.ignore.add", id, move |alert| {
        alert.ignore(trigger, Ignore { ip, port, vulns: Default::default() });
        Ok(())
    })
    .await
}

pub(super) async fn ignore_vulns(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, name, text, vulns)): Path<(String, String, String, String)>,
) -> Reply {
    let (trigger, (ip, port)) = (read_one(&name)?, service(&text)?);
    if !trigger.takes_vulns() {
        return Err(nightlatch_alert::AlertError::Vulns(trigger).into());
    }
    let vulns = vulns.split(',').map(str::trim).filter(|vuln| !vuln.is_empty());
    let vulns = vulns.map(|vuln| vuln.chars().take(100).collect()).collect();
    set(&api, &caller, "alert.ignore.add", id, move |alert| {
        alert.ignore(trigger, Ignore { ip, port, vulns });
        Ok(())
    })
    .await
}

pub(super) async fn unignore(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path((id, name, text)): Path<(String, String, String)>,
) -> Reply {
    let (trigger, (ip, port)) = (read_one(&name)?, service(&text)?);
    set(&api, &caller, "alert.ignore.remove", id, move |alert| match alert.unignore(trigger, ip, port) {
        true => Ok(()),
        false => Err(Trouble::absent(format!("trigger `{trigger}` does not ignore {ip} port {port}"))),
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_together_and_mistakes_tell_the_nearest() {
        let all = "malware,industrial_control_system,internet_scanner,iot,open_database,new_service,\
                   ssl_expired,vulnerable";
        assert_eq!(read(all).unwrap().len(), 8);
        assert!(read("new_servic").unwrap_err().detail.contains("did you mean `new_service`?"));
        assert!(read("").is_err());
    }

    #[test]
    fn services_are_read_in_both_families() {
        for text in ["192.0.2.1:443", "2001:db8::1:443", "[2001:db8::1]:443"] {
            assert_eq!(service(text).unwrap().1, 443, "{text}");
        }
        for text in ["192.0.2.1", "443", "x:1", "192.0.2.1:70000", ""] {
            assert!(service(text).is_err(), "{text}");
        }
    }
}
