//! The one place that decides what a change is.

use nightlatch_asset::{Certificate, Endpoint, Observation, Record, Text, Timestamp};

use crate::{Change, ChangeKind, TEXT_BYTES_MAX, Trigger, TriggerSet};

/// Days before its end from which a certificate counts as ending soon, unless configured otherwise.
pub const CERTIFICATE_DAYS: u16 = 30;

/// What is different in `now`, against `previous`.
///
/// - `previous`: the newest settled record of the same endpoint before `now` (see [`previous_of`]); `None` when the
///   endpoint was never seen.
/// - returns nothing for an answer that stayed the same, and nothing but `new-service` for one that flaps.
///
/// The version counts as changed only where both records tell one and the product is the same, the certificate
/// where both show one. Where another product answers, every condition counts as new; that a certificate has ended,
/// where another certificate is shown.
pub fn changes(previous: Option<&Record>, now: &Record) -> Vec<Change> {
    let Some(previous) = previous else {
        let mut change = change(ChangeKind::NewService, None, now);
        change.after = described(&now.observation);
        change.met = TriggerSet::conditions(now);
        return vec![change];
    };
    if previous.id == now.id || !is_settled(now) {
        return Vec::new();
    }
    let mut found = differences(previous, now);
    let other_product = found.iter().any(|change| change.kind == ChangeKind::Product);
    let mut old = if other_product { TriggerSet::NONE } else { TriggerSet::conditions(previous) };
    // That a certificate ended while it was shown is told by `by_time`, once.
    let leaves = leaf(&previous.observation).zip(leaf(&now.observation));
    if leaves.is_some_and(|(before, after)| before.sha256 == after.sha256) {
        old.insert(Trigger::SslExpired);
    }
    let met = TriggerSet::conditions(now).without(old);
    if met.is_empty() {
        return found;
    }
    match found.first_mut() {
        Some(leading) => leading.met = met,
        None => found.push(Change {
            met,
            after: short(&met.iter().map(Trigger::as_str).collect::<Vec<_>>().join(", ")),
            ..change(ChangeKind::Condition, Some(previous), now)
        }),
    }
    found
}

fn differences(previous: &Record, now: &Record) -> Vec<Change> {
    let (old, new) = (&previous.observation.verdict, &now.observation.verdict);
    let mut found = Vec::new();
    let mut add = |kind, before: &str, after: &str| {
        let (before, after) = (short(before), short(after));
        found.push(Change { before, after, ..change(kind, Some(previous), now) });
    };
    let same_product = old.product == new.product;
    if !same_product {
        add(ChangeKind::Product, raw(&old.product), raw(&new.product));
    }
    if new.exposure != old.exposure {
        let kind = if new.exposure > old.exposure { ChangeKind::StateUp } else { ChangeKind::StateDown };
        add(kind, old.exposure.as_str(), new.exposure.as_str());
    }
    let versions = old.version.as_ref().zip(new.version.as_ref());
    if let Some((before, after)) = versions.filter(|(before, after)| same_product && before != after) {
        add(ChangeKind::Version, before.raw(), after.raw());
    }
    let leaves = leaf(&previous.observation).zip(leaf(&now.observation));
    if let Some((before, after)) = leaves.filter(|(before, after)| before.sha256 != after.sha256) {
        add(ChangeKind::Certificate, &certificate(before), &certificate(after));
    }
    found
}

/// The endpoint of `record`, its newest, was missed at `time`.
///
/// Its key is that of the last time it was seen: noticed twice, it is one change.
pub fn gone(record: &Record, time: Timestamp) -> Change {
    let mut gone = change(ChangeKind::Gone, None, record);
    gone.key = key(ChangeKind::Gone, record, &format!("{}.{}", record.id, record.last_seen.as_second()));
    gone.before = described(&record.observation);
    gone.time = time;
    gone
}

/// The endpoint of `record` answers again.
///
/// - `gone_at`: the `time` of the `gone` before it, which makes the key;
/// - `time`: when it was seen again.
///
/// Conditions that hold for `record` count as new. What else is different since is told by [`changes`].
pub fn back(record: &Record, gone_at: Timestamp, time: Timestamp) -> Change {
    let mut back = change(ChangeKind::Back, None, record);
    back.key = key(ChangeKind::Back, record, &gone_at.as_second().to_string());
    back.after = described(&record.observation);
    back.time = time;
    back.met = TriggerSet::conditions(record);
    back
}

/// What time alone did to the certificate of `record` after `since` and until `now`.
///
/// - `since`: when this was asked last; `None` for a record that was not asked about yet.
/// - `days`: from how many days before its end a certificate counts as ending soon.
///
/// Keys are made of endpoint and certificate, so that overlapping questions give the same changes.
pub fn by_time(record: &Record, since: Option<Timestamp>, now: Timestamp, days: u16) -> Vec<Change> {
    let Some(leaf) = leaf(&record.observation) else { return Vec::new() };
    let end = leaf.not_after.as_second();
    let soon = end.saturating_sub(i64::from(days) * 86_400);
    let passed = |at: i64| at <= now.as_second() && since.is_none_or(|since| at > since.as_second());
    let kind = match (passed(end), passed(soon) && end > now.as_second()) {
        (true, _) => ChangeKind::CertificateExpired,
        (false, true) => ChangeKind::CertificateExpiring,
        (false, false) => return Vec::new(),
    };
    // The fingerprint of an imported certificate may be any text; only what belongs there makes the key.
    let digits: String = leaf.sha256.raw().chars().filter(char::is_ascii_hexdigit).take(64).collect();
    let mut change = change(kind, None, record);
    change.key = key(kind, record, &format!("{digits}.{end}"));
    change.after = short(&certificate(leaf));
    change.time = now;
    vec![change]
}

/// Whether `record` tells what the endpoint is, and not only that it answered differently when asked twice.
pub fn is_settled(record: &Record) -> bool {
    !record.observation.tags.contains(&Text::from("flapping"))
}

/// The record that `now` is to be compared with: the newest settled one before it, or the newest at all where none
/// is settled.
///
/// - `history`: records of the endpoint of `now`, in any order; `now` itself and later ones may be among them.
pub fn previous_of<'a>(history: &'a [Record], now: &Record) -> Option<&'a Record> {
    let earlier = history.iter().filter(|record| record.id < now.id);
    earlier.max_by_key(|record| (is_settled(record), record.id))
}

/// A change of `kind` that `now` shows, without its texts.
fn change(kind: ChangeKind, previous: Option<&Record>, now: &Record) -> Change {
    let seen = &now.observation;
    let previous = previous.map(|previous| previous.id);
    let ids = previous.map_or_else(|| now.id.to_string(), |previous| format!("{previous}.{}", now.id));
    Change {
        key: key(kind, now, &ids),
        kind,
        ip: seen.ip,
        port: seen.port,
        transport: seen.transport,
        time: seen.time,
        run: seen.run.clone(),
        record: now.id,
        previous,
        before: Text::default(),
        after: Text::default(),
        exposure: seen.verdict.exposure,
        severity: seen.verdict.severity,
        product: seen.verdict.product.as_ref().map(|product| short(product.raw())),
        owner: seen.owner.as_ref().map(|owner| short(owner.raw())),
        met: TriggerSet::NONE,
    }
}

fn key(kind: ChangeKind, record: &Record, rest: &str) -> String {
    let Endpoint { ip, port, transport } = record.observation.endpoint();
    format!("{kind}.{ip}.{port}.{transport}.{rest}")
}

/// `Docker 20.10.24, controllable`, in as few bytes as a change may hold.
fn described(seen: &Observation) -> Text {
    let verdict = &seen.verdict;
    let product = verdict.product.as_ref().map_or(seen.protocol.as_str(), Text::raw);
    let version = verdict.version.as_ref().map(|version| format!(" {}", version.raw())).unwrap_or_default();
    short(&format!("{product}{version}, {}", verdict.exposure))
}

fn certificate(leaf: &Certificate) -> String {
    let name = leaf.subject_cn.as_ref().unwrap_or(&leaf.subject).raw();
    let name = Text::from_bytes(name.as_bytes(), TEXT_BYTES_MAX / 2);
    format!("{}, until {}", name.raw(), leaf.not_after.strftime("%Y-%m-%d"))
}

fn leaf(seen: &Observation) -> Option<&Certificate> {
    seen.tls.as_ref()?.chain.first()
}

fn raw(text: &Option<Text>) -> &str {
    text.as_ref().map_or("", Text::raw)
}

fn short(text: &str) -> Text {
    Text::from_bytes(text.as_bytes(), TEXT_BYTES_MAX)
}

#[cfg(test)]
mod tests;
