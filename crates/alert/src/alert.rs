use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::IpAddr,
    str::FromStr,
};

use jiff::{SignedDuration, tz::TimeZone};
use nightlatch_asset::{Record, Text, Timestamp};
use nightlatch_query::{QUERY_BYTES_MAX, QueryError};
use nightlatch_scope::AddressRange;
use serde::{Deserialize, Serialize};

use crate::{Notifier, Provider, Trigger};

/// Most networks of one alert.
pub const NETWORKS_MAX: usize = 10_000;
/// Most entries of one ignore list.
const IGNORES_MAX: usize = 10_000;
/// Most vulnerabilities of one entry.
const VULNS_MAX: usize = 100;
/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// Names an alert: 16 letters and digits, as in Shodan's API.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AlertId(String);

impl AlertId {
    /// Letters that cannot be taken for one another, and digits.
    const ALPHABET: &'static [u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

    /// An identifier made of 16 random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        Self(bytes.iter().map(|byte| char::from(Self::ALPHABET[usize::from(byte % 32)])).collect())
    }

    /// The identifier as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for AlertId {
    type Err = AlertError;

    fn from_str(text: &str) -> Result<Self, AlertError> {
        let right = text.len() == 16 && text.bytes().all(|b| b.is_ascii_alphanumeric());
        right.then(|| Self(text.to_owned())).ok_or(AlertError::Id)
    }
}

impl TryFrom<String> for AlertId {
    type Error = AlertError;

    fn try_from(text: String) -> Result<Self, AlertError> {
        text.parse()
    }
}

impl From<AlertId> for String {
    fn from(id: AlertId) -> Self {
        id.0
    }
}

/// Who wants to hear of which changes, and how.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its identifier.
    pub id: AlertId,
    /// Its name, as somebody typed it.
    pub name: Text,
    /// When it was made.
    pub created: Timestamp,
    /// Seconds after `created` from which it is silent; 0 means never.
    #[serde(default)]
    pub expires: u64,
    /// Where the endpoint must be; empty means anywhere.
    #[serde(default)]
    pub networks: Vec<AddressRange>,
    /// What the record must answer, beside `networks`; absent means anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// When it fires; empty means never.
    #[serde(default)]
    pub triggers: BTreeMap<Trigger, TriggerSetting>,
    /// Identifiers of the notifiers that are told.
    #[serde(default)]
    pub notifiers: Vec<String>,
    /// Identifier of the key it belongs to; empty when it belongs to nobody any more.
    #[serde(default)]
    pub owner_key: String,
}

/// How one trigger of one alert is set.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct TriggerSetting {
    /// Services about which it says nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<Ignore>,
}

/// A service about which a trigger says nothing.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Ignore {
    /// The address.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
    /// Only these vulnerabilities (identifiers of findings); empty means whatever it is.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub vulns: BTreeSet<String>,
}

impl Ignore {
    /// Whether `trigger` is to be silent about `record`.
    pub fn covers(&self, trigger: Trigger, record: &Record) -> bool {
        let seen = &record.observation;
        if self.ip.to_canonical() != seen.ip || self.port != seen.port {
            return false;
        }
        let ignored = |id: &str| self.vulns.iter().any(|vuln| vuln.eq_ignore_ascii_case(id));
        self.vulns.is_empty()
            || trigger.takes_vulns() && seen.verdict.findings.iter().all(|finding| ignored(&finding.id))
    }
}

/// Why an alert was refused.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AlertError {
    /// The identifier has another shape.
    #[error("an alert is named by 16 letters and digits")]
    Id,
    /// The name is empty or too long.
    #[error("the name of an alert has 1 to {NAME_BYTES_MAX} bytes")]
    Name,
    /// Neither networks nor a query: it would be about everything, which must be said.
    #[error("an alert needs networks or a query; the query `*` means everything")]
    Everywhere,
    /// More networks than an alert may have.
    #[error("an alert has at most {NETWORKS_MAX} networks, this one has {0}")]
    Networks(usize),
    /// The query is too long.
    #[error("the query has more than {QUERY_BYTES_MAX} bytes")]
    LongQuery,
    /// The query cannot be read; the error points at the place.
    #[error("the query cannot be read")]
    Query(#[source] QueryError),
    /// An ignore list is too long.
    #[error("the ignore list of trigger `{0}` is too long")]
    Ignores(Trigger),
    /// An ignore list names vulnerabilities where none are looked at.
    #[error("trigger `{0}` does not look at vulnerabilities, so none can be ignored")]
    Vulns(Trigger),
}

impl Alert {
    /// Checks what a type cannot say.
    ///
    /// - `now`: what relative times in the query count back from.
    ///
    /// # Errors
    /// [`AlertError`] with the first rule that is broken.
    pub fn check(&self, now: Timestamp) -> Result<(), AlertError> {
        if self.name.is_empty() || self.name.raw().len() > NAME_BYTES_MAX {
            return Err(AlertError::Name);
        }
        if self.networks.is_empty() && self.query.is_none() {
            return Err(AlertError::Everywhere);
        }
        if self.networks.len() > NETWORKS_MAX {
            return Err(AlertError::Networks(self.networks.len()));
        }
        if let Some(query) = &self.query {
            nightlatch_query::parse(query, now).map_err(AlertError::Query)?;
        }
        for (trigger, setting) in &self.triggers {
            let long = |ignore: &Ignore| ignore.vulns.len() > VULNS_MAX;
            if setting.ignore.len() > IGNORES_MAX || setting.ignore.iter().any(long) {
                return Err(AlertError::Ignores(*trigger));
            }
            if !trigger.takes_vulns() && setting.ignore.iter().any(|ignore| !ignore.vulns.is_empty()) {
                return Err(AlertError::Vulns(*trigger));
            }
        }
        Ok(())
    }

    /// From when on it is silent; `None` when it never is.
    pub fn expiration(&self) -> Option<Timestamp> {
        if self.expires == 0 {
            return None;
        }
        let seconds = SignedDuration::from_secs(i64::try_from(self.expires).unwrap_or(i64::MAX));
        Some(self.created.checked_add(seconds).unwrap_or(Timestamp::MAX))
    }

    /// Whether it is silent by now.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expiration().is_some_and(|end| end <= now)
    }

    /// Number of addresses in its networks, each counted as often as it is named; saturating.
    pub fn size(&self) -> u64 {
        let sum = self.networks.iter().fold(0u128, |sum, range| sum.saturating_add(range.count()));
        u64::try_from(sum).unwrap_or(u64::MAX)
    }

    /// Adds `ignore` to the list of `trigger`: the same service is listed once, and naming no vulnerability covers
    /// all of them. The trigger is switched on when it was not.
    pub fn ignore(&mut self, trigger: Trigger, ignore: Ignore) {
        let list = &mut self.triggers.entry(trigger).or_default().ignore;
        match list.iter_mut().find(|known| known.ip == ignore.ip && known.port == ignore.port) {
            Some(known) if known.vulns.is_empty() || ignore.vulns.is_empty() => known.vulns.clear(),
            Some(known) => known.vulns.extend(ignore.vulns),
            None => list.push(ignore),
        }
    }

    /// Takes the service out of the list of `trigger`; false when it was not in it.
    pub fn unignore(&mut self, trigger: Trigger, ip: IpAddr, port: u16) -> bool {
        let Some(setting) = self.triggers.get_mut(&trigger) else { return false };
        let before = setting.ignore.len();
        setting.ignore.retain(|known| known.ip != ip || known.port != port);
        setting.ignore.len() != before
    }

    /// The alert in the shape of Shodan's API.
    ///
    /// - `notifiers`: the notifiers of the key; those that the alert names are shown, without their secrets.
    pub fn shape(&self, now: Timestamp, notifiers: &[Notifier]) -> AlertShape {
        let named = |notifier: &&Notifier| self.notifiers.contains(&notifier.id);
        AlertShape {
            id: self.id.clone(),
            name: self.name.clone(),
            created: shodan_time(self.created),
            expires: self.expires,
            expiration: self.expiration().map(shodan_time),
            expired: self.expired(now),
            filters: Filters {
                ip: self.networks.iter().map(ToString::to_string).collect(),
                query: self.query.clone(),
            },
            size: self.size(),
            has_triggers: !self.triggers.is_empty(),
            triggers: self.triggers.iter().map(|(trigger, setting)| (*trigger, setting.shape())).collect(),
            notifiers: notifiers.iter().filter(named).map(Notifier::shape).collect(),
        }
    }
}

impl TriggerSetting {
    fn shape(&self) -> TriggerShape {
        let shape = |ignore: &Ignore| IgnoreShape {
            ip: ignore.ip.to_string(),
            port: ignore.port,
            vulns: ignore.vulns.iter().cloned().collect(),
        };
        TriggerShape { ignore: self.ignore.iter().map(shape).collect() }
    }
}

/// UTC with microseconds and without a zone, as Shodan writes times.
fn shodan_time(time: Timestamp) -> String {
    format!("{:.6}", TimeZone::UTC.to_datetime(time))
}

/// An alert as Shodan's API gives it.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are Shodan's; the fields of `Alert` say what they mean")]
pub struct AlertShape {
    pub id: AlertId,
    pub name: Text,
    pub created: String,
    pub expires: u64,
    pub expiration: Option<String>,
    pub expired: bool,
    pub filters: Filters,
    pub size: u64,
    pub has_triggers: bool,
    pub triggers: BTreeMap<Trigger, TriggerShape>,
    pub notifiers: Vec<NotifierShape>,
}

/// What an alert is about.
#[derive(Clone, Debug, Serialize)]
pub struct Filters {
    /// Addresses, blocks and ranges; a list also when it is one, because the command line joins it with commas.
    pub ip: Vec<String>,
    /// Our own addition: a query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// How a trigger is set.
#[derive(Clone, Debug, Serialize)]
pub struct TriggerShape {
    /// Left out when empty, as in Shodan's answers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<IgnoreShape>,
}

/// A service that a trigger ignores.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are Shodan's; the fields of `Ignore` say what they mean")]
pub struct IgnoreShape {
    pub ip: String,
    pub port: u16,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vulns: Vec<String>,
}

/// A notifier, with its secrets replaced.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "the names are Shodan's; the fields of `Notifier` say what they mean")]
pub struct NotifierShape {
    pub id: String,
    pub provider: Provider,
    pub description: Text,
    pub args: BTreeMap<String, String>,
}

#[cfg(test)]
mod tests;
