use std::{fs, path::Path};

use nightlatch_asset::Text;

use super::*;
use crate::{by_time, changes, gone, samples::record};

#[test]
fn the_catalogue_is_in_order_and_its_rules_can_be_read() {
    for (position, info) in Trigger::CATALOGUE.iter().enumerate() {
        assert_eq!(info.trigger as usize, position);
        assert_eq!(info.name.parse(), Ok(info.trigger));
        assert!(info.description.ends_with('.') && !info.rule.is_empty(), "{}", info.name);
        if info.condition {
            nightlatch_query::parse(info.rule, Timestamp::UNIX_EPOCH)
                .unwrap_or_else(|e| panic!("{}: {e}", info.name));
        }
    }
    let conditions = Trigger::CATALOGUE.iter().filter(|info| info.condition).count();
    assert_eq!(RULES.len(), conditions);
}

/// Shodan's command line switches on a list of triggers in one call: a missing name would break it.
#[test]
fn every_trigger_of_shodans_is_there() {
    for name in
        "any new_service open_database ssl_expired vulnerable vulnerable_unverified uncommon uncommon_plus \
                 end_of_life ai malware industrial_control_system iot internet_scanner"
            .split_whitespace()
    {
        assert!(name.parse::<Trigger>().is_ok(), "{name}");
    }
    let unknown = "open_databse\x1b[2J".parse::<Trigger>().unwrap_err().to_string();
    assert!(unknown.contains("open_databse") && !unknown.contains('\x1b'), "{unknown}");
}

/// The data services are the fingerprints of group `data`, and etcd.
#[test]
fn the_rule_of_open_databases_names_every_data_service() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fingerprints");
    let mut data = vec!["etcd".to_owned()];
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let text = fs::read_to_string(entry.path().join("fingerprint.toml")).unwrap_or_default();
        if text.lines().any(|line| line.split_whitespace().eq(["group", "=", "\"data\""])) {
            data.push(entry.file_name().into_string().unwrap());
        }
    }
    data.sort();
    assert!(data.len() > 20);
    let rule = Trigger::OpenDatabase.info().rule;
    let listed = rule.split_once("fingerprint:").unwrap().1.split(')').next().unwrap();
    assert_eq!(listed.split(',').collect::<Vec<_>>(), data);
}

#[test]
fn conditions_are_met_by_what_they_name() {
    #[track_caller]
    fn check(trigger: Trigger, expected: bool, change: impl FnOnce(&mut Record)) {
        let mut changed = record();
        change(&mut changed);
        assert_eq!(TriggerSet::conditions(&changed).contains(trigger), expected, "{trigger}");
    }
    let tag = |tag: &'static str| {
        move |r: &mut Record| {
            r.observation.tags.insert(tag.into());
        }
    };
    check(Trigger::OpenDatabase, true, |_| {});
    check(Trigger::OpenDatabase, false, |r| r.observation.verdict.exposure = Exposure::Limited);
    check(Trigger::OpenDatabase, false, |r| r.observation.verdict.fingerprint = Some("grafana".into()));
    check(Trigger::OpenDatabase, true, |r| {
        r.observation.verdict.fingerprint = None;
        r.observation.tags.insert("database".into());
    });
    check(Trigger::Vulnerable, true, |_| {});
    check(Trigger::Vulnerable, false, |r| r.observation.verdict.findings.clear());
    check(Trigger::VulnerableUnverified, false, |_| {});
    let unsure = |r: &mut Record| r.observation.verdict.confidence = nightlatch_asset::Confidence::Low;
    check(Trigger::Vulnerable, false, unsure);
    check(Trigger::VulnerableUnverified, true, unsure);
    check(Trigger::Uncommon, true, |_| {});
    check(Trigger::Uncommon, false, |r| r.observation.port = 443);
    check(Trigger::Uncommon, true, |r| r.observation.port = 993);
    check(Trigger::UncommonPlus, false, |r| r.observation.port = 993);
    check(Trigger::EndOfLife, true, tag("end-of-life"));
    check(Trigger::Ai, true, |r| r.observation.verdict.fingerprint = Some("ollama".into()));
    check(Trigger::Ai, false, |_| {});
    check(Trigger::Malware, true, tag("compromised"));
    check(Trigger::IndustrialControlSystem, true, tag("ics"));
    check(Trigger::Iot, true, tag("iot"));
    check(Trigger::InternetScanner, true, tag("scanner"));
}

#[test]
fn events_fire_what_they_are() {
    #[track_caller]
    fn check(change: &Change, record: &Record, expected: &[Trigger]) {
        let fired: Vec<Trigger> = TriggerSet::fired_by(change, record).iter().collect();
        assert_eq!(fired, expected, "{}", change.kind);
    }
    use Trigger as T;
    let old = record();
    let next = |change: &dyn Fn(&mut nightlatch_asset::Verdict)| {
        let mut next = record();
        next.id = 18;
        change(&mut next.observation.verdict);
        next
    };
    let first = |next: &Record| changes(Some(&old), next).remove(0);

    let new = changes(None, &old).remove(0);
    check(
        &new,
        &old,
        &[T::Any, T::NewService, T::OpenDatabase, T::Vulnerable, T::Uncommon, T::UncommonPlus, T::Exposed],
    );
    let up = next(&|v| v.exposure = Exposure::Controllable);
    check(&first(&up), &up, &[T::Any, T::Exposed, T::StateChanged]);
    let down = next(&|v| v.exposure = Exposure::Limited);
    check(&first(&down), &down, &[T::Any, T::StateChanged]);
    let version = next(&|v| v.version = Some(Text::from("8")));
    check(&first(&version), &version, &[T::Any, T::VersionChanged]);
    check(&gone(&old, old.last_seen), &old, &[T::Gone]);
    let soon = by_time(&old, None, "2026-12-20T00:00:00Z".parse().unwrap(), 30).remove(0);
    check(&soon, &old, &[T::Any, T::CertificateExpiring]);
    let over = by_time(&old, None, "2027-12-20T00:00:00Z".parse().unwrap(), 30).remove(0);
    check(&over, &old, &[T::Any, T::SslExpired]);

    // Up, and still nothing to read: no exposure.
    let mut closed = record();
    closed.observation.verdict.exposure = Exposure::AuthRequired;
    let ajar = changes(Some(&closed), &down).remove(0);
    check(&ajar, &down, &[T::Any, T::StateChanged]);
}

#[test]
fn sets_keep_what_is_put_in() {
    let set: TriggerSet = [Trigger::Gone, Trigger::Any].into_iter().collect();
    assert_eq!(set.iter().collect::<Vec<_>>(), [Trigger::Any, Trigger::Gone]);
    assert_eq!(serde_json::to_string(&set).unwrap(), r#"["any","gone"]"#);
    assert_eq!(serde_json::from_str::<TriggerSet>(r#"["gone","any"]"#).unwrap(), set);
    assert!(serde_json::from_str::<TriggerSet>(r#"["going"]"#).is_err());
    assert_eq!(set.without(set), TriggerSet::NONE);
}
