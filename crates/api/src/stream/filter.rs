//! Which observations a stream tells.

use std::collections::BTreeSet;

use jiff::Timestamp;
use nightlatch_alert::{Alert, Compiled, Trigger, TriggerSet};
use nightlatch_app::App;
use nightlatch_asset::Record;
use nightlatch_gate::Caller;
use nightlatch_query::Expr;

use crate::{
    caller::owns,
    question,
    shodan::find_alert,
    trouble::{Trouble, shown},
};

/// Most values of one list.
const VALUES_MAX: usize = 1000;

/// Which observations are told.
pub(super) enum Filter {
    All,
    Ports(BTreeSet<u16>),
    Asn(BTreeSet<u32>),
    /// Upper case.
    Countries(BTreeSet<String>),
    /// Lower case.
    Tags(BTreeSet<String>),
    /// Upper case.
    Vulns(BTreeSet<String>),
    Query(Expr),
    Alerts {
        /// The one alert that is listened to; none for all of the caller's.
        only: Option<String>,
        alerts: Vec<OfAlert>,
    },
}

/// Whether an observation is told.
pub(super) enum Taken<'f> {
    No,
    Yes,
    /// Once for each of these alerts; never empty.
    By(Vec<&'f OfAlert>),
}

/// An alert that is listened to.
pub(super) struct OfAlert {
    compiled: Compiled,
    triggers: TriggerSet,
}

impl Filter {
    pub(super) fn ports(list: &str) -> Result<Self, Trouble> {
        read(list, "port", |text| text.parse().ok()).map(Self::Ports)
    }

    /// Numbers with or without `AS` before them.
    pub(super) fn asn(list: &str) -> Result<Self, Trouble> {
        let number = |text: &str| {
            let digits = text.strip_prefix("AS").or_else(|| text.strip_prefix("as")).unwrap_or(text);
            digits.parse().ok()
        };
        read(list, "autonomous system", number).map(Self::Asn)
    }

    pub(super) fn countries(list: &str) -> Result<Self, Trouble> {
        let code = |text: &str| {
            let is_code = text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic());
            is_code.then(|| text.to_ascii_uppercase())
        };
        read(list, "two-letter country code", code).map(Self::Countries)
    }

    pub(super) fn tags(list: &str) -> Result<Self, Trouble> {
        read(list, "tag", |text| Some(text.to_lowercase())).map(Self::Tags)
    }

    pub(super) fn vulns(list: &str) -> Result<Self, Trouble> {
        read(list, "vulnerability", |text| Some(text.to_ascii_uppercase())).map(Self::Vulns)
    }

    pub(super) fn query(text: &str, now: Timestamp) -> Result<Self, Trouble> {
        question::selection("query", text, now).map(|selection| Self::Query(selection.expr))
    }

    /// The alerts of the caller, or one of them.
    pub(super) fn alerts(
        app: &App,
        caller: &Caller,
        only: Option<&str>,
        now: Timestamp,
    ) -> Result<Self, Trouble> {
        let mut alerts = match only {
            Some(id) => vec![find_alert(app, caller, id)?],
            None => app.control().all::<Alert>()?,
        };
        alerts.retain(|alert| owns(caller, &alert.owner_key) && !alert.expired(now));
        let compiled = alerts.into_iter().filter_map(|alert| OfAlert::new(alert, now));
        Ok(Self::Alerts { only: only.map(str::to_owned), alerts: compiled.collect() })
    }

    pub(super) fn is_of_alerts(&self) -> bool {
        matches!(self, Self::Alerts { .. })
    }

    pub(super) fn alert_id(&self) -> Option<&str> {
        match self {
            Self::Alerts { only, .. } => only.as_deref(),
            _ => None,
        }
    }

    pub(super) fn takes(&self, record: &Record) -> Taken<'_> {
        let seen = &record.observation;
        let network = seen.network.as_ref();
        let country = || seen.place.as_ref().and_then(|place| place.country_code.as_ref());
        let told = match self {
            Self::All => true,
            Self::Ports(ports) => ports.contains(&seen.port),
            Self::Asn(asn) => network.and_then(|n| n.asn).is_some_and(|number| asn.contains(&number)),
            Self::Countries(codes) => country().is_some_and(|code| codes.contains(code.raw())),
            Self::Tags(tags) => seen.tags.iter().any(|tag| tags.contains(&tag.raw().to_lowercase())),
            Self::Vulns(vulns) => {
                seen.verdict.findings.iter().any(|found| vulns.contains(&found.id.to_ascii_uppercase()))
            }
            Self::Query(expr) => nightlatch_query::matches(expr, record),
            Self::Alerts { alerts, .. } => {
                let about: Vec<&OfAlert> =
                    alerts.iter().filter(|alert| alert.compiled.covers(record)).collect();
                return if about.is_empty() { Taken::No } else { Taken::By(about) };
            }
        };
        if told { Taken::Yes } else { Taken::No }
    }
}

fn read<T: Ord>(list: &str, what: &str, one: impl Fn(&str) -> Option<T>) -> Result<BTreeSet<T>, Trouble> {
    let parts: Vec<&str> = list.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.len() > VALUES_MAX {
        return Err(Trouble::bad(format!("more than {VALUES_MAX} values in one list")));
    }
    let wrong = |part: &str| Trouble::bad(format!("`{}` is no {what}", shown(part)));
    let values = parts.iter().map(|part| one(part).ok_or_else(|| wrong(part))).collect::<Result<_, _>>()?;
    if parts.is_empty() { Err(Trouble::bad(format!("no {what} is named"))) } else { Ok(values) }
}

/// How every banner begins: the place for the words of an alert.
const BANNER_START: &str = "{\"_shodan\":{";

impl OfAlert {
    /// An alert whose query cannot be read any more is silent.
    fn new(alert: Alert, now: Timestamp) -> Option<Self> {
        let triggers = alert.triggers.keys().copied().collect();
        Some(Self { compiled: Compiled::new(alert, now).ok()?, triggers })
    }

    /// The banner with the words of this alert in it.
    ///
    /// The trigger is one of the alert's whose condition holds; null where none does. What changed is known later,
    /// when the observation has found its place in the book: that is what messages tell.
    pub(super) fn line(&self, banner: &str, record: &Record) -> String {
        let alert = self.compiled.alert();
        let holds = self.triggers.intersect(TriggerSet::conditions(record)).iter().next();
        let trigger = holds.or(self.triggers.contains(Trigger::Any).then_some(Trigger::Any));
        let words = serde_json::json!({
            "id": alert.id, "name": alert.name, "trigger": trigger.map(Trigger::as_str)
        });
        match banner.strip_prefix(BANNER_START) {
            Some(rest) => format!("{BANNER_START}\"alert\":{words},{rest}"),
            None => banner.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_alert::{AlertId, TriggerSetting};
    use nightlatch_store::synthetic;
    use serde_json::Value;

    use super::*;

    fn record(change: impl FnOnce(&mut nightlatch_asset::Observation)) -> Record {
        let mut observation = synthetic::observations(7, 1).next().unwrap();
        change(&mut observation);
        let time = observation.time;
        Record { id: 0, first_seen: time, last_seen: time, times_seen: 1, latest: true, observation }
    }

    #[test]
    fn each_list_looks_at_its_own() {
        let record = record(|seen| {
            seen.port = 6443;
            seen.network = Some(nightlatch_asset::Network { asn: Some(64496), ..Default::default() });
            seen.place =
                Some(nightlatch_asset::Place { country_code: Some("DE".into()), ..Default::default() });
            seen.tags = ["Database".into()].into();
        });
        let yes = |filter: Result<Filter, Trouble>| matches!(filter.unwrap().takes(&record), Taken::Yes);
        assert!(yes(Filter::ports("22,6443")) && !yes(Filter::ports("22")));
        assert!(yes(Filter::asn("AS64496")) && yes(Filter::asn("64496")) && !yes(Filter::asn("1")));
        assert!(yes(Filter::countries("fr,de")) && !yes(Filter::countries("US")));
        assert!(yes(Filter::tags("database")) && !yes(Filter::tags("iot")));
        assert!(!yes(Filter::vulns("CVE-2018-1002105")));
        assert!(yes(Filter::query("port:6443 country:DE", Timestamp::UNIX_EPOCH)));
        assert!(!yes(Filter::query("port:1", Timestamp::UNIX_EPOCH)));
        for wrong in [Filter::ports("x"), Filter::ports(""), Filter::asn("ASx"), Filter::countries("DEU")] {
            assert!(wrong.is_err());
        }
        assert!(Filter::ports(&"1,".repeat(1001)).is_err());
    }

    #[test]
    fn the_words_of_an_alert_stand_in_the_banner() {
        let record = record(|_| {});
        let banner = serde_json::to_string(&nightlatch_banner::to_banner(&record)).unwrap();
        let mut alert = Alert {
            id: AlertId::from_random([1; 16]),
            name: "\"a\u{1b}".into(),
            created: Timestamp::UNIX_EPOCH,
            expires: 0,
            networks: Vec::new(),
            query: Some("*".into()),
            triggers: Default::default(),
            notifiers: Vec::new(),
            owner_key: String::new(),
        };
        let line = |alert: &Alert| -> Value {
            let of_alert = OfAlert::new(alert.clone(), Timestamp::UNIX_EPOCH).unwrap();
            serde_json::from_str(&of_alert.line(&banner, &record)).unwrap()
        };
        let silent = line(&alert);
        assert_eq!(silent["_shodan"]["alert"]["name"], "\"a\u{1b}");
        assert_eq!(silent["_shodan"]["alert"]["trigger"], Value::Null);
        assert_eq!(silent["_shodan"]["module"], record.observation.protocol.as_str());
        alert.triggers.insert(Trigger::Any, TriggerSetting::default());
        assert_eq!(line(&alert)["_shodan"]["alert"]["trigger"], "any");
    }
}
