use std::sync::LazyLock;

use nightlatch_asset::{Exposure, Record, Timestamp};
use nightlatch_query::Expr;
use serde::{Deserialize, Serialize};

use crate::{Change, ChangeKind, word::one_spelling};

/// What the catalogue says about a trigger.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TriggerInfo {
    /// The trigger.
    pub trigger: Trigger,
    /// The one name, as in Shodan's API.
    pub name: &'static str,
    /// The rule that is shown: for conditions, a query that works in our search as well.
    pub rule: &'static str,
    /// One sentence for people.
    pub description: &'static str,
    /// Whether the rule is a query that a record either answers or not.
    pub condition: bool,
}

macro_rules! triggers {
    ($( $id:ident $name:literal $how:ident $rule:literal, $description:literal; )*) => {
        /// Why an alert may fire. The first fourteen have Shodan's names and meanings; the rest are ours.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub enum Trigger {
            $( #[doc = $description] $id, )*
        }

        impl Trigger {
            /// All triggers.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$id),*];

            /// Every trigger with its rule and meaning, in the order of [`Trigger`].
            pub const CATALOGUE: [TriggerInfo; Self::ALL.len()] = [
                $( TriggerInfo { trigger: Self::$id, name: $name, rule: $rule, description: $description,
                    condition: triggers!(@condition $how) }, )*
            ];
        }
    };
    (@condition when) => { true };
    (@condition event) => { false };
}

triggers! {
    Any "any" event "*", "Any change of a service that answers.";
    NewService "new_service" event "*new", "A service that was not there before, or is back after it was gone.";
    OpenDatabase "open_database" when "(tag:database OR fingerprint:cassandra,clickhouse,couchdb,elasticsearch,etcd,influxdb,kafka,kafka-connect,kibana,mariadb,memcached,minio,mongodb,mysql,nats,opensearch,pgbouncer,postgresql,rabbitmq,rabbitmq-management,redis,solr,zookeeper,zookeeper-admin) exposure:>=readable", "A data service whose content strangers were shown to be able to read.";
    SslExpired "ssl_expired" when "ssl.cert.expired:true", "The certificate has ended.";
    Vulnerable "vulnerable" when "has_finding:true -confidence:low", "A broken control was shown on the service, beside how far it opens.";
    VulnerableUnverified "vulnerable_unverified" when "has_finding:true confidence:low", "A broken control is likely, but it is not sure which product answers.";
    Uncommon "uncommon" when "-port:22,80,443,7547", "A service on a port that is rarely meant for everybody.";
    UncommonPlus "uncommon_plus" when "-port:22,25,53,80,110,123,143,443,465,500,587,853,993,995,4500,7547,8080,8443", "As uncommon, and the usual ports of mail, names, time, tunnels and second web servers are left out as well.";
    EndOfLife "end_of_life" when "tag:end-of-life,eol-product", "A version that its makers do not mend any more.";
    Ai "ai" when "tag:ai OR fingerprint:jupyter,jupyterhub,mlflow,ollama,ray", "A service of machine learning: models, notebooks, training.";
    Malware "malware" when "tag:compromised,malware", "Marked as compromised or as malware.";
    IndustrialControlSystem "industrial_control_system" when "tag:ics", "Marked as a control system of industry.";
    Iot "iot" when "tag:iot", "Marked as a device of the Internet of things.";
    InternetScanner "internet_scanner" when "tag:scanner", "Marked as a machine that scans the Internet.";
    Exposed "exposed" event "exposure:>=readable", "Strangers can read or control it, and could not before.";
    StateChanged "state_changed" event "exposure", "The door opens further or less far than before.";
    VersionChanged "version_changed" event "version", "The same product tells another version.";
    ProductChanged "product_changed" event "product", "Another product answers.";
    CertificateChanged "certificate_changed" event "ssl.cert.fingerprint", "Another certificate is shown.";
    CertificateExpiring "certificate_expiring" event "ssl.cert.not_after", "The certificate ends within the configured number of days.";
    Gone "gone" event "*gone", "A service that does not answer any more.";
}

impl Trigger {
    /// What the catalogue says about it.
    pub const fn info(self) -> &'static TriggerInfo {
        &Self::CATALOGUE[self as usize]
    }

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        self.info().name
    }

    /// Whether the ignore list of this trigger may name vulnerabilities.
    pub const fn takes_vulns(self) -> bool {
        matches!(self, Self::Vulnerable | Self::VulnerableUnverified)
    }

    /// Whether `change`, which `record` shows, is what this trigger waits for.
    ///
    /// Conditions fire when they come true, not while they are true: [`Change::met`] says which did.
    pub fn fires(self, change: &Change, record: &Record) -> bool {
        let kind = change.kind;
        match self {
            Self::Any => kind != ChangeKind::Gone,
            Self::NewService => matches!(kind, ChangeKind::NewService | ChangeKind::Back),
            Self::SslExpired => kind == ChangeKind::CertificateExpired || change.met.contains(self),
            Self::Exposed => {
                matches!(
                    kind,
                    ChangeKind::NewService | ChangeKind::Back | ChangeKind::StateUp | ChangeKind::Product
                ) && record.observation.verdict.exposure >= Exposure::Readable
            }
            Self::StateChanged => matches!(kind, ChangeKind::StateUp | ChangeKind::StateDown),
            Self::VersionChanged => kind == ChangeKind::Version,
            Self::ProductChanged => kind == ChangeKind::Product,
            Self::CertificateChanged => kind == ChangeKind::Certificate,
            Self::CertificateExpiring => kind == ChangeKind::CertificateExpiring,
            Self::Gone => kind == ChangeKind::Gone,
            condition => change.met.contains(condition),
        }
    }
}

/// The rules of the conditions, read once. A test holds that every rule can be read.
static RULES: LazyLock<Vec<(Trigger, Expr)>> = LazyLock::new(|| {
    let conditions = Trigger::CATALOGUE.iter().filter(|info| info.condition);
    conditions
        .filter_map(|info| {
            let parsed = nightlatch_query::parse(info.rule, Timestamp::UNIX_EPOCH).ok()?;
            Some((info.trigger, parsed.expr))
        })
        .collect()
});

one_spelling!(Trigger, "trigger");

/// Some triggers.
#[derive(Clone, Copy, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Trigger>", into = "Vec<Trigger>")]
pub struct TriggerSet(u32);

const _: () = assert!(Trigger::ALL.len() <= 32);

impl TriggerSet {
    /// None.
    pub const NONE: Self = Self(0);

    /// Whether `trigger` is one of them.
    pub const fn contains(self, trigger: Trigger) -> bool {
        self.0 & (1 << trigger as u32) != 0
    }

    /// Adds `trigger`.
    pub fn insert(&mut self, trigger: Trigger) {
        self.0 |= 1 << trigger as u32;
    }

    /// Whether it holds none.
    pub const fn is_empty(&self) -> bool {
        self.0 == 0
    }

    /// Those in both.
    #[must_use]
    pub const fn intersect(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The triggers, in the order of the catalogue.
    pub fn iter(self) -> impl Iterator<Item = Trigger> {
        Trigger::ALL.into_iter().filter(move |trigger| self.contains(*trigger))
    }

    /// The conditions that hold for `record`.
    pub fn conditions(record: &Record) -> Self {
        RULES
            .iter()
            .filter(|(_, rule)| nightlatch_query::matches(rule, record))
            .map(|(trigger, _)| *trigger)
            .collect()
    }

    /// The triggers that wait for `change`, which `record` shows.
    pub fn fired_by(change: &Change, record: &Record) -> Self {
        Trigger::ALL.into_iter().filter(|trigger| trigger.fires(change, record)).collect()
    }
}

impl FromIterator<Trigger> for TriggerSet {
    fn from_iter<I: IntoIterator<Item = Trigger>>(triggers: I) -> Self {
        let mut set = Self::NONE;
        triggers.into_iter().for_each(|trigger| set.insert(trigger));
        set
    }
}

impl From<Vec<Trigger>> for TriggerSet {
    fn from(triggers: Vec<Trigger>) -> Self {
        triggers.into_iter().collect()
    }
}

impl From<TriggerSet> for Vec<Trigger> {
    fn from(set: TriggerSet) -> Self {
        set.iter().collect()
    }
}

impl std::fmt::Debug for TriggerSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests;
