use nightlatch_asset::{Exposure, Finding, Severity};
use proptest::prelude::*;

use super::*;
use crate::samples::record;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The sample as the next record of its endpoint, changed by `change`.
fn next(change: impl FnOnce(&mut Observation)) -> Record {
    let mut next = record();
    next.id = 18;
    next.observation.time = at("2026-09-21T10:00:00Z");
    change(&mut next.observation);
    next
}

/// Kinds with both texts, as they are found between the sample and itself changed by `change`.
#[track_caller]
fn check(change: impl FnOnce(&mut Observation), expected: &[(&str, &str, &str)]) -> Vec<Change> {
    let found = changes(Some(&record()), &next(change));
    let shown: Vec<_> = found.iter().map(|c| (c.kind.as_str(), c.before.raw(), c.after.raw())).collect();
    assert_eq!(shown, expected);
    for change in &found {
        assert_eq!((change.record, change.previous), (18, Some(17)));
        assert_eq!(change.time, at("2026-09-21T10:00:00Z"));
    }
    found
}

fn leaf_mut(o: &mut Observation) -> &mut Certificate {
    &mut o.tls.as_mut().unwrap().chain[0]
}

#[test]
fn each_kind_is_told_from_the_others() {
    check(|_| {}, &[]);
    check(|o| o.data = "another banner".into(), &[]);
    check(|o| o.verdict.exposure = Exposure::Controllable, &[("state-up", "readable", "controllable")]);
    check(|o| o.verdict.exposure = Exposure::AuthRequired, &[("state-down", "readable", "auth-required")]);
    check(|o| o.verdict.version = Some("8.0.0".into()), &[("version", "7.17.0", "8.0.0")]);
    check(|o| o.verdict.version = None, &[]);
    check(|o| leaf_mut(o).serial = "02".into(), &[]);
    check(
        |o| leaf_mut(o).sha256 = "cc".repeat(32).into(),
        &[("certificate", "es, until 2027-01-01", "es, until 2027-01-01")],
    );
    check(|o| o.tls = None, &[]);
    check(|o| o.tls.as_mut().unwrap().chain.clear(), &[]);
    // The version of another product is not another version.
    check(
        |o| {
            o.verdict.product = Some("OpenSearch".into());
            o.verdict.version = Some("2.0.0".into());
        },
        &[("product", "Elasticsearch", "OpenSearch")],
    );
    check(
        |o| {
            o.verdict.exposure = Exposure::Limited;
            o.verdict.version = Some("8.0.0".into());
        },
        &[("state-down", "readable", "limited"), ("version", "7.17.0", "8.0.0")],
    );
}

#[test]
fn a_service_is_new_once() {
    let found = changes(None, &record());
    assert_eq!(found.len(), 1);
    let new = &found[0];
    assert_eq!((new.kind, new.previous, new.record), (ChangeKind::NewService, None, 17));
    assert_eq!(new.after.raw(), "Elasticsearch 7.17.0, readable");
    assert_eq!((new.exposure, new.severity), (Exposure::Readable, Severity::High));
    assert_eq!(new.owner.as_ref().map(Text::raw), Some("search team"));
    assert!(new.met.contains(Trigger::OpenDatabase) && new.met.contains(Trigger::Vulnerable));
    // The same record against itself, as after a restart.
    assert_eq!(changes(Some(&record()), &record()), []);
}

#[test]
fn conditions_fire_when_they_come_true() {
    let met = |found: &[Change]| found.iter().flat_map(|c| c.met.iter()).collect::<Vec<_>>();
    let tagged = check(
        |o| {
            o.tags.insert("malware".into());
        },
        &[("condition", "", "malware")],
    );
    assert_eq!(met(&tagged), [Trigger::Malware]);
    // It was an open database, and is one still.
    assert_eq!(
        met(&check(|o| o.verdict.version = Some("8.0.0".into()), &[("version", "7.17.0", "8.0.0")])),
        []
    );
    let mut closed = record();
    closed.observation.verdict.exposure = Exposure::AuthRequired;
    closed.observation.verdict.findings.clear();
    let opened = changes(Some(&closed), &next(|_| {}));
    assert_eq!(met(&opened), [Trigger::OpenDatabase, Trigger::Vulnerable]);
    assert_eq!(opened.len(), 1);
    // Another product is another service: what holds for it is news.
    let other = check(
        |o| {
            o.verdict.product = Some("Redis".into());
            o.verdict.fingerprint = Some("redis".into());
        },
        &[("product", "Elasticsearch", "Redis")],
    );
    assert!(other[0].met.contains(Trigger::OpenDatabase));
}

#[test]
fn a_certificate_that_has_ended_is_told_once() {
    let late = |change: &dyn Fn(&mut Observation)| {
        next(|o| {
            o.time = at("2027-06-01T00:00:00Z");
            change(o);
        })
    };
    let told = |found: Vec<Change>| found.iter().filter(|c| c.met.contains(Trigger::SslExpired)).count();
    assert_eq!(told(changes(None, &late(&|_| {}))), 1, "seen for the first time");
    assert_eq!(told(changes(None, &record())), 0);
    let other = late(&|o| leaf_mut(o).sha256 = "cc".repeat(32).into());
    assert_eq!(told(changes(Some(&record()), &other)), 1, "another one, and over as well");
    let version = late(&|o| o.verdict.version = Some("8.0.0".into()));
    assert_eq!(told(changes(Some(&record()), &version)), 0, "time did it, and `by_time` told");
    let product = late(&|o| o.verdict.product = Some("OpenSearch".into()));
    assert_eq!(told(changes(Some(&record()), &product)), 0);
    let mut bare = record();
    bare.observation.tls = None;
    assert_eq!(told(changes(Some(&bare), &late(&|_| {}))), 1);
}

#[test]
fn flapping_is_no_change() {
    let flap = |o: &mut Observation| {
        o.verdict.exposure = Exposure::Unknown;
        o.tags.insert("flapping".into());
    };
    check(flap, &[]);
    // The settled record before it is what the next one is compared with.
    let mut settled_again = next(|_| {});
    settled_again.id = 19;
    let history = [next(flap), record(), settled_again.clone()];
    let previous = previous_of(&history, &settled_again).unwrap();
    assert_eq!(previous.id, 17);
    assert_eq!(changes(Some(previous), &settled_again), []);
    // A door that was never seen settled is new once, and then what it settles on is told.
    assert_eq!(changes(None, &next(flap))[0].kind, ChangeKind::NewService);
    let up = changes(previous_of(&[next(flap)], &settled_again), &settled_again);
    assert_eq!(up[0].kind, ChangeKind::StateUp);
    assert_eq!(previous_of(&[], &settled_again), None);
    assert_eq!(previous_of(&[settled_again.clone()], &settled_again), None);
}

#[test]
fn gone_and_back_are_each_one_change() {
    let record = record();
    let first = gone(&record, at("2026-09-22T00:00:00Z"));
    let again = gone(&record, at("2026-09-23T00:00:00Z"));
    assert_eq!(first.key, again.key, "noticed twice");
    let mut seen_since = record.clone();
    seen_since.last_seen = at("2026-10-01T00:00:00Z");
    assert_ne!(first.key, gone(&seen_since, at("2026-10-02T00:00:00Z")).key, "gone a second time");
    assert_eq!(first.before.raw(), "Elasticsearch 7.17.0, readable");
    assert!(first.met.is_empty());

    let one = back(&seen_since, first.time, at("2026-09-30T00:00:00Z"));
    assert_eq!(one.key, back(&seen_since, first.time, at("2026-10-01T00:00:00Z")).key);
    assert_ne!(one.key, back(&seen_since, again.time, one.time).key);
    assert!(one.met.contains(Trigger::OpenDatabase));
}

#[test]
fn time_passes_over_certificates_once() {
    #[track_caller]
    fn check(since: Option<&str>, now: &str, days: u16, expected: Option<ChangeKind>) -> Option<String> {
        let found = by_time(&record(), since.map(at), at(now), days);
        assert_eq!(found.first().map(|c| c.kind), expected, "{since:?} {now}");
        assert!(found.len() <= 1);
        found.into_iter().next().map(|c| c.key)
    }
    let (soon, over) = (Some(ChangeKind::CertificateExpiring), Some(ChangeKind::CertificateExpired));
    check(None, "2026-12-01T23:59:59Z", 30, None);
    let first = check(None, "2026-12-02T00:00:00Z", 30, soon);
    assert_eq!(first, check(None, "2026-12-24T00:00:00Z", 30, soon), "the same each time it is asked");
    check(Some("2026-12-02T00:00:00Z"), "2026-12-03T00:00:00Z", 30, None);
    check(Some("2026-12-01T00:00:00Z"), "2026-12-03T00:00:00Z", 30, soon);
    check(None, "2026-12-24T00:00:00Z", 7, None);
    check(None, "2026-12-25T00:00:00Z", 7, soon);
    check(Some("2026-12-31T00:00:00Z"), "2027-01-01T00:00:00Z", 30, over);
    check(Some("2026-01-01T00:00:00Z"), "2027-02-01T00:00:00Z", 30, over);
    check(Some("2027-01-01T00:00:00Z"), "2027-02-01T00:00:00Z", 30, None);
    check(None, "2026-12-31T23:59:59Z", u16::MAX, soon);
    let mut bare = record();
    bare.observation.tls = None;
    assert_eq!(by_time(&bare, None, at("2027-02-01T00:00:00Z"), 30), []);
}

#[test]
fn foreign_words_are_cut_and_keys_stay_plain() {
    for text in nightlatch_untrusted::hostile::CORPUS {
        let hostile = next(|o| {
            o.verdict.product = Some((*text).into());
            o.verdict.version = Some(text.repeat(50).into());
            o.owner = Some(text.repeat(50).into());
            leaf_mut(o).subject_cn = Some(text.repeat(50).into());
            leaf_mut(o).sha256 = (*text).into();
            o.verdict.findings =
                vec![Finding { id: text.repeat(50), severity: Severity::Low, title: String::new() }];
        });
        let old = record();
        let mut all = changes(Some(&old), &hostile);
        all.extend(changes(None, &hostile));
        all.extend(by_time(&hostile, None, at("2030-01-01T00:00:00Z"), 30));
        all.push(gone(&hostile, at("2030-01-01T00:00:00Z")));
        assert!(all.len() >= 5);
        for change in all {
            assert!(
                change.key.len() <= 200 && change.key.bytes().all(|b| b.is_ascii_graphic()),
                "{}",
                change.key
            );
            for text in
                [Some(&change.before), Some(&change.after), change.product.as_ref(), change.owner.as_ref()]
            {
                assert!(text.is_none_or(|t| t.raw().len() <= TEXT_BYTES_MAX));
            }
        }
    }
}

fn exposure() -> impl Strategy<Value = Exposure> {
    prop::sample::select(Exposure::ALL.to_vec())
}

proptest! {
    /// Whatever two records say: no change twice, none without a difference, and both directions mirror each other.
    #[test]
    fn changes_are_distinct_and_mirrored(
        states in (exposure(), exposure()),
        versions in ("[12]?", "[12]?"),
        products in ("[ab]?", "[ab]?"),
        prints in ("[cd]?", "[cd]?"),
    ) {
        let some = |text: &str| (!text.is_empty()).then(|| Text::from(text));
        let make = |id, state, version: &str, product: &str, print: &str| {
            let mut made = next(|o| {
                o.verdict.exposure = state;
                o.verdict.version = some(version);
                o.verdict.product = some(product);
                if print.is_empty() { o.tls = None } else { leaf_mut(o).sha256 = print.into() }
            });
            made.id = id;
            made
        };
        let one = make(1, states.0, &versions.0, &products.0, &prints.0);
        let two = make(2, states.1, &versions.1, &products.1, &prints.1);
        let forth = changes(Some(&one), &two);
        let mut keys: Vec<&str> = forth.iter().map(|c| c.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        prop_assert_eq!(keys.len(), forth.len());
        prop_assert_eq!(&forth, &changes(Some(&one), &two));
        prop_assert_eq!(forth.iter().any(|c| c.kind == ChangeKind::StateUp), states.0 < states.1);
        let plain = |found: Vec<Change>| -> Vec<Change> {
            found.into_iter().filter(|c| c.kind != ChangeKind::Condition).collect()
        };
        let (forth, back) = (plain(forth), plain(changes(Some(&two), &one)));
        prop_assert_eq!(forth.len(), back.len());
        for (there, here) in forth.iter().zip(&back) {
            prop_assert_eq!((&there.before, &there.after), (&here.after, &here.before));
        }
        let json = serde_json::to_string(&forth).unwrap();
        prop_assert_eq!(serde_json::from_str::<Vec<Change>>(&json).unwrap(), forth);
    }
}
