use std::time::Instant;

use super::*;
use crate::{
    Ignore, TriggerSetting, changes,
    samples::{alert, record},
};

fn now() -> Timestamp {
    "2026-09-21T10:00:00Z".parse().unwrap()
}

#[track_caller]
fn check(expected: &[Trigger], change: impl FnOnce(&mut Alert)) {
    let mut alert = alert();
    alert.triggers = [Trigger::OpenDatabase, Trigger::Gone, Trigger::Vulnerable]
        .map(|trigger| (trigger, TriggerSetting::default()))
        .into();
    change(&mut alert);
    let new = changes(None, &record()).remove(0);
    assert_eq!(fired(&alert, &new, &record(), now()).unwrap(), expected);
}

#[test]
fn place_query_expiry_and_ignore_lists_decide() {
    let both = [Trigger::OpenDatabase, Trigger::Vulnerable];
    check(&both, |_| {});
    check(&[], |a| a.triggers.clear());
    check(&[], |a| a.networks = vec!["198.51.100.0/24".parse().unwrap()]);
    check(&both, |a| a.networks.push("198.51.100.0/24".parse().unwrap()));
    check(&both, |a| a.query = Some("product:elasticsearch".into()));
    check(&[], |a| a.query = Some("product:redis".into()));
    check(&both, |a| {
        a.networks.clear();
        a.query = Some("*".into());
    });
    check(&[], |a| {
        a.networks = vec!["198.51.100.0/24".parse().unwrap()];
        a.query = Some("*".into());
    });
    check(&[], |a| a.expires = 60);
    check(&both, |a| a.expires = 100 * 86_400);
    let ignore = |port| Ignore { ip: "192.0.2.7".parse().unwrap(), port, vulns: Default::default() };
    check(&[Trigger::Vulnerable], |a| a.ignore(Trigger::OpenDatabase, ignore(9200)));
    check(&both, |a| a.ignore(Trigger::OpenDatabase, ignore(9201)));
    let vulns = |id: &str| Ignore { vulns: [id.to_owned()].into(), ..ignore(9200) };
    check(&[Trigger::OpenDatabase], |a| a.ignore(Trigger::Vulnerable, vulns("dynamic-scripts")));
    check(&both, |a| a.ignore(Trigger::Vulnerable, vulns("CVE-2021-44228")));
}

#[test]
fn a_query_that_cannot_be_read_is_an_error() {
    let mut broken = alert();
    broken.query = Some("port:".into());
    assert!(Compiled::new(broken, now()).is_err());
}

#[test]
fn relative_times_grow_old() {
    let compiled = Compiled::new(alert(), now()).unwrap();
    assert!(!compiled.is_stale("2026-09-21T10:59:59Z".parse().unwrap()));
    assert!(compiled.is_stale("2026-09-21T11:00:00Z".parse().unwrap()));
    // A clock that is set back is noticed as well.
    assert!(compiled.is_stale("2026-09-21T08:00:00Z".parse().unwrap()));
}

/// 5,000 alerts and 200 changes, of which each alert sees its own sixteenth: a million questions. The bound
/// leaves room for a build without optimisation on a busy machine; it breaks when the work is done per alert.
#[test]
fn thousands_of_alerts_are_asked_quickly() {
    let compiled: Vec<Compiled> = (0..5_000u32)
        .map(|n| {
            let mut one = alert();
            one.networks = vec![format!("192.0.2.{}/28", (n % 16) * 16).parse().unwrap()];
            one.query = Some("product:elasticsearch port:9200".into());
            let trigger = if n % 4 == 0 { Trigger::OpenDatabase } else { Trigger::Gone };
            one.triggers.insert(trigger, TriggerSetting::default());
            Compiled::new(one, now()).unwrap()
        })
        .collect();
    let record = record();
    let new = changes(None, &record).remove(0);
    let started = Instant::now();
    let mut count = 0;
    for _ in 0..200 {
        let candidates = TriggerSet::fired_by(&new, &record);
        count += compiled.iter().map(|one| one.fired(&new, &record, candidates, now()).len()).sum::<usize>();
    }
    // 192.0.2.7 is in the first block only: n % 16 == 0, all of which have n % 4 == 0.
    assert_eq!(count, 200 * 5_000_usize.div_ceil(16));
    assert!(started.elapsed().as_secs() < 20, "{:?}", started.elapsed());
}
