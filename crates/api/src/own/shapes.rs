//! What things look like in JSON, for the description. Values are written by their own types; a test reads them back
//! as these shapes, so that neither says what the other does not.
#![expect(dead_code, reason = "described and read back in a test, never made")]

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A point in time, RFC 3339.
type Time = String;

/// How far a door opens to a stranger, from the least.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Exposure {
    Unknown,
    AuthRequired,
    Limited,
    Readable,
    Controllable,
}

/// How bad something is, from the mildest.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// What a key allows; each may do what the ones before it may.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Role {
    Viewer,
    Analyst,
    Operator,
    Admin,
}

/// A stored observation with its place in the history of its endpoint.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// Grows with time.
    pub(super) id: u64,
    /// When the endpoint was first seen at all.
    #[schema(format = DateTime)]
    pub(super) first_seen: Time,
    /// When this very answer was last seen.
    #[schema(format = DateTime)]
    pub(super) last_seen: Time,
    /// How often this very answer was seen.
    #[schema(minimum = 1)]
    pub(super) times_seen: u32,
    /// Whether it is the newest of its endpoint.
    pub(super) latest: bool,
    /// What was seen.
    pub(super) observation: Observation,
}

/// Everything learnt about one address and port at one time. What is absent was not asked or not told.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Observation {
    /// The address.
    pub(super) ip: String,
    /// The port.
    #[schema(maximum = 65535)]
    pub(super) port: u16,
    /// `tcp` or `udp`.
    #[schema(pattern = "^(tcp|udp)$")]
    pub(super) transport: String,
    /// The conversation held.
    pub(super) protocol: String,
    /// When the conversation ended.
    #[schema(format = DateTime)]
    pub(super) time: Time,
    /// The run that made it.
    pub(super) run: String,
    /// The host name asked for.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) asked_as: Option<String>,
    /// What it is and how far it opens.
    pub(super) verdict: Verdict,
    /// The main response in the product's own words. Written by strangers: show it with care.
    pub(super) data: String,
    /// HTTP facts.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) http: Option<BTreeMap<String, Value>>,
    /// TLS facts, with the certificates.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) tls: Option<BTreeMap<String, Value>>,
    /// Names of the address.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) hostnames: Vec<String>,
    /// Registrable domains of the names.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) domains: Vec<String>,
    /// Where the address is.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) place: Option<BTreeMap<String, Value>>,
    /// Whose network it is.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) network: Option<BTreeMap<String, Value>>,
    /// Which cloud it is in.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) cloud: Option<BTreeMap<String, Value>>,
    /// Who answers for it, from the scope.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) owner: Option<String>,
    /// Operating system.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) os: Option<String>,
    /// Words such as `self-signed`.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) tags: Vec<String>,
}

/// What an endpoint is and how far it opens, with the reasons.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Verdict {
    /// The deciding fingerprint.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) fingerprint: Option<String>,
    /// The product.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) product: Option<String>,
    /// Its version, as it tells it.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) version: Option<String>,
    /// CPE 2.3 names.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) cpe: Vec<String>,
    /// How far the door opens.
    pub(super) exposure: Exposure,
    /// For `controllable`: `proven` or `inferred`.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) proof: Option<String>,
    /// How bad that is.
    pub(super) severity: Severity,
    /// `low`, `medium` or `high`.
    pub(super) confidence: String,
    /// Why, in one sentence.
    pub(super) why: String,
    /// The deciding rule.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) rule: String,
    /// How to shut it.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) fix: Option<String>,
    /// Side findings.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) findings: Vec<Finding>,
    /// Kept facts.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) facts: BTreeMap<String, String>,
    /// The requests and what they answered.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) evidence: Vec<Evidence>,
}

/// A broken control beside the main verdict.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Finding {
    /// Its stable name.
    pub(super) id: String,
    /// How bad it is.
    pub(super) severity: Severity,
    /// One sentence.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) title: String,
}

/// One question and the redacted answer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Evidence {
    /// The request of the fingerprint.
    pub(super) request: String,
    /// `T0` to `T3`.
    pub(super) class: String,
    /// What was sent.
    pub(super) asked: String,
    /// What came back.
    pub(super) answered: String,
}

/// Something that changed on an endpoint.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Event {
    /// Grows with time.
    pub(super) id: i64,
    /// `pending`, `confirmed` or `dropped`.
    pub(super) state: String,
    /// The same for the same change.
    pub(super) key: String,
    /// `new-service`, `gone`, `back`, `state-up`, `state-down`, `version`, `certificate`, `product`, `condition`,
    /// `certificate-expiring` or `certificate-expired`.
    pub(super) kind: String,
    /// The address.
    pub(super) ip: String,
    /// The port.
    #[schema(maximum = 65535)]
    pub(super) port: u16,
    /// `tcp` or `udp`.
    pub(super) transport: String,
    /// When it was noticed.
    #[schema(format = DateTime)]
    pub(super) time: Time,
    /// The run that shows it.
    pub(super) run: String,
    /// The record that shows it.
    pub(super) record: u64,
    /// The record it was compared with.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) previous: Option<u64>,
    /// What it was.
    pub(super) before: String,
    /// What it is now.
    pub(super) after: String,
    /// How far the door opens now.
    pub(super) exposure: Exposure,
    /// How bad that is.
    pub(super) severity: Severity,
    /// The product.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) product: Option<String>,
    /// Who answers for the address.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) owner: Option<String>,
    /// Triggers whose condition became true.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) met: Vec<String>,
}

/// What is to be scanned.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RunSpec {
    /// Addresses, blocks, ranges, host names, `host:port`, URLs; empty for everything that the scope lists.
    #[schema(required = false, max_items = 100_000)]
    pub(super) targets: Vec<String>,
    /// Addresses, blocks and ranges to leave out.
    #[schema(required = false)]
    pub(super) exclude: Vec<String>,
    /// Numbers, ranges, products; absent for every port of the catalogue.
    pub(super) ports: Option<String>,
    /// Connections a second, whole run.
    #[schema(minimum = 1)]
    pub(super) rate: Option<u32>,
    /// Connections a second to one network.
    #[schema(minimum = 1)]
    pub(super) rate_per_network: Option<u32>,
}

/// A run on a schedule.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Schedule {
    /// Its name: letters, digits, `-`, `_`, `.`.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub(super) name: String,
    /// A length of time such as `24h`, or a crontab line.
    #[schema(example = "24h")]
    pub(super) every: String,
    /// Such as `Europe/Berlin`.
    #[schema(required = false, default = "UTC")]
    pub(super) timezone: String,
    /// As of a run.
    #[schema(required = false)]
    pub(super) targets: Vec<String>,
    /// As of a run.
    #[schema(required = false)]
    pub(super) exclude: Vec<String>,
    /// As of a run.
    pub(super) ports: Option<String>,
    /// As of a run.
    pub(super) rate: Option<u32>,
    /// As of a run.
    pub(super) rate_per_network: Option<u32>,
    /// When nothing may be sent, such as `mon-fri 08:00-18:00`.
    #[schema(required = false)]
    pub(super) blackout: Vec<String>,
    /// Whether it is on.
    #[schema(required = false, default = true)]
    pub(super) enabled: bool,
}

/// A schedule and how it stands.
#[derive(Deserialize, ToSchema)]
pub(super) struct ScheduleStanding {
    /// The schedule.
    pub(super) schedule: Schedule,
    /// Whether it stands in the configuration, where alone it can be changed.
    pub(super) configured: bool,
    /// What became of it so far.
    #[schema(value_type = Object)]
    pub(super) state: BTreeMap<String, Value>,
    /// When it is due next.
    #[schema(format = DateTime)]
    pub(super) next: Option<Time>,
    /// Whether it may not send at this moment.
    pub(super) blackout: bool,
}

/// A run as it was written down.
#[derive(Deserialize, ToSchema)]
pub(super) struct RunRecord {
    /// Its name.
    pub(super) id: String,
    /// What was asked for.
    pub(super) asked: Vec<String>,
    /// The ports.
    pub(super) ports: String,
    /// Endpoints in all.
    pub(super) endpoints: u64,
    /// Who scanned.
    pub(super) user: String,
    /// When it began.
    #[schema(format = DateTime)]
    pub(super) started: Time,
    /// When it ended.
    #[schema(format = DateTime)]
    pub(super) ended: Option<Time>,
    /// `running`, `finished`, `stopped`, `failed` or `interrupted`.
    pub(super) state: String,
    /// Why it failed.
    pub(super) failure: Option<String>,
    /// What became of the endpoints.
    #[schema(value_type = Object)]
    pub(super) tally: BTreeMap<String, u64>,
    /// Observations stored.
    pub(super) observations: u64,
    /// The worst severity observed.
    pub(super) worst: Option<Severity>,
}

/// A key as it is listed: never the key itself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Key {
    /// The part of the key that names it.
    pub(super) id: String,
    /// What people call it.
    pub(super) label: String,
    /// What it allows.
    pub(super) role: Role,
    /// When it was made.
    #[schema(format = DateTime)]
    pub(super) created: Time,
    /// When it ends.
    #[schema(format = DateTime)]
    pub(super) expires: Option<Time>,
    /// When it was revoked.
    #[schema(format = DateTime)]
    pub(super) revoked: Option<Time>,
    /// When it was last used.
    #[schema(format = DateTime)]
    pub(super) last_used: Option<Time>,
    /// Requests a minute.
    pub(super) requests_per_minute: Option<u32>,
    /// Most records one request may return.
    pub(super) results_max: Option<u32>,
}

/// A message on its way.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Delivery {
    /// Its number.
    pub(super) id: i64,
    /// What receivers tell repetitions by.
    pub(super) key: String,
    /// The event it is about.
    pub(super) event: i64,
    /// The alert that fired.
    pub(super) alert: String,
    /// The trigger that fired.
    pub(super) trigger: String,
    /// The notifier it goes to.
    pub(super) notifier: String,
    /// `queued`, `delivered` or `dead`.
    pub(super) state: String,
    /// How often it was tried.
    pub(super) attempts: u32,
    /// When it was put on the list.
    #[schema(format = DateTime)]
    pub(super) created: Time,
    /// When it is tried next.
    #[schema(format = DateTime)]
    pub(super) due: Time,
    /// When it ended.
    #[schema(format = DateTime)]
    pub(super) ended: Option<Time>,
    /// Why the last attempt failed.
    pub(super) error: Option<String>,
}

/// One thing that was done, or tried.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditEntry {
    /// When.
    #[schema(format = DateTime)]
    pub(super) time: Time,
    /// The key; null when nobody was logged in.
    pub(super) key: Option<String>,
    /// The key's label then.
    pub(super) label: String,
    /// Where it came from.
    pub(super) source: String,
    /// What, such as `alert.create`.
    pub(super) action: String,
    /// To what.
    pub(super) object: String,
    /// `done`, or why not.
    pub(super) outcome: String,
}

/// One broken control in configuration, as an audit tells it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditFinding {
    /// Stable identifier of the rule, such as `POD-001`.
    pub(super) rule: String,
    /// Name of the rule, such as `pod/privileged`.
    pub(super) name: String,
    /// How bad it is here.
    pub(super) severity: Severity,
    /// What it is about.
    pub(super) subject: AuditSubject,
    /// Where; absent for what has no file.
    #[schema(nullable = false)]
    pub(super) location: Option<AuditLocation>,
    /// Where the key of the value stands, when that is another line.
    #[schema(nullable = false)]
    pub(super) key_location: Option<AuditLocation>,
    /// JSON pointer from the object (RFC 6901); absent for the object itself.
    #[schema(nullable = false)]
    pub(super) pointer: Option<String>,
    /// What is wrong here, in one sentence.
    pub(super) message: String,
    /// What else shows it.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) related: Vec<AuditRelated>,
    /// The smallest change that mends it.
    #[schema(nullable = false)]
    pub(super) fix: Option<AuditFix>,
    /// Rule, object and field as 16 hexadecimal digits; the same wherever the code moves in its file.
    pub(super) fingerprint: String,
    /// Why it is not counted; absent when it is.
    #[schema(nullable = false)]
    pub(super) suppressed: Option<AuditSuppression>,
}

/// What a finding of an audit is about.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditSubject {
    /// `apiVersion`; absent for what is no Kubernetes object.
    #[schema(nullable = false)]
    pub(super) api_version: Option<String>,
    /// `kind`, or what it is.
    pub(super) kind: String,
    /// Namespace; absent when none is said.
    #[schema(nullable = false)]
    pub(super) namespace: Option<String>,
    /// Name.
    pub(super) name: String,
    /// The container, when it is about one.
    #[schema(nullable = false)]
    pub(super) container: Option<String>,
}

/// A place in a file; lines and columns count from 1.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditLocation {
    /// The file as the user named it.
    pub(super) file: String,
    /// First line.
    pub(super) line: u32,
    /// First column, in characters.
    pub(super) column: u32,
    /// Last line.
    pub(super) end_line: u32,
    /// Column after the last character.
    pub(super) end_column: u32,
}

/// One line of evidence.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditRelated {
    /// What is to be seen there.
    pub(super) message: String,
    /// Where; absent for what has no place in a file.
    #[schema(nullable = false)]
    pub(super) location: Option<AuditLocation>,
}

/// A change that mends a finding.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditFix {
    /// What to do, in words.
    pub(super) text: String,
    /// The same as edits of files.
    #[serde(default)]
    #[schema(required = false)]
    pub(super) edits: Vec<AuditEdit>,
}

/// One replacement of bytes in a file.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditEdit {
    /// The file.
    pub(super) file: String,
    /// First byte that is replaced.
    pub(super) start: u32,
    /// First byte after what is replaced.
    pub(super) end: u32,
    /// What stands there then.
    pub(super) text: String,
}

/// Why a finding of an audit is not counted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AuditSuppression {
    /// `comment`, `annotation`, `config` or `baseline`.
    pub(super) by: String,
    /// Why; empty when nobody said.
    pub(super) reason: String,
    /// Last day on which it holds; absent when it has no end.
    #[schema(nullable = false)]
    pub(super) until: Option<String>,
}

/// Who wants to hear of which changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Alert {
    /// 16 letters and digits.
    pub(super) id: String,
    /// Its name.
    pub(super) name: String,
    /// When it was made.
    #[schema(format = DateTime)]
    pub(super) created: Time,
    /// Seconds after `created` from which it is silent; 0 for never.
    pub(super) expires: u64,
    /// Where the endpoint must be; empty for anywhere.
    pub(super) networks: Vec<String>,
    /// What the record must answer.
    #[serde(default)]
    #[schema(nullable = false)]
    pub(super) query: Option<String>,
    /// When it fires, with the services each is silent about.
    #[schema(value_type = Object)]
    pub(super) triggers: BTreeMap<String, Value>,
    /// Notifiers that are told.
    pub(super) notifiers: Vec<String>,
    /// The key it belongs to.
    pub(super) owner_key: String,
}

/// One way to reach somebody, without its secrets.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Notifier {
    /// Its name.
    pub(super) id: String,
    /// Where it sends.
    pub(super) provider: String,
    /// What somebody wrote about it.
    pub(super) description: String,
    /// Its arguments; secrets are hidden.
    pub(super) args: BTreeMap<String, String>,
}

/// A kept query.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedQuery {
    /// Its name.
    pub(super) id: String,
    /// The key it belongs to; empty for those that come with the program.
    pub(super) owner_key: String,
    /// What it is called.
    pub(super) title: String,
    /// What it is for.
    pub(super) description: String,
    /// The query.
    pub(super) query: String,
    /// Words to find it by.
    pub(super) tags: Vec<String>,
    /// When it was kept.
    #[schema(format = DateTime)]
    pub(super) created: Time,
}

#[cfg(test)]
mod tests {
    use nightlatch_store::{MemoryStore, Selection, Sort, Store, View, synthetic};

    #[test]
    fn records_are_what_the_description_says() {
        let mut store = MemoryStore::new();
        store.ingest(&synthetic::observations(7, 300).collect::<Vec<_>>()).unwrap();
        let all = Selection { expr: nightlatch_query::Expr::All, view: View::History };
        let records = store.snapshot().unwrap().search(&all, Sort::Newest, 0, 300).unwrap();
        assert!(records.len() > 60);
        for record in records {
            let text = serde_json::to_string(&record).unwrap();
            serde_json::from_str::<super::Record>(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        }
    }
}
