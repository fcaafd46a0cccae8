//! Messages: to receivers that are slow, away, or refuse, with a server that is killed meanwhile.

use std::{
    collections::{BTreeMap, BTreeSet},
    thread::sleep,
    time::Duration,
};

use nightlatch_e2e::{console::Estate, receiver::Receiver, tenants::Tenants};

use super::{PATIENCE, TOLD_AT_ONCE, alert, begin, control, watches};

#[test]
fn killed_while_a_slow_receiver_reads_it_repeats_with_the_same_key() {
    let estate = Estate::with(TOLD_AT_ONCE);
    let (tenants, receiver) = (Tenants::open(), Receiver::open());
    let mut console = estate.serve();
    alert(&console, "127.95.0.0/24", &receiver);
    console.until("the watcher counts", PATIENCE, || watches(&estate));
    receiver.answers(200, Duration::from_millis(1_500));
    let id = begin(&console, &["127.95.0.1-40"], tenants.port, 1_000);
    console.scanned_run(&id);
    for _ in 0..3 {
        let before = receiver.letters().len();
        console.until("messages are on their way", PATIENCE, || receiver.letters().len() > before);
        sleep(Duration::from_millis(300));
        console.kill();
        console = estate.serve();
    }
    receiver.answers(200, Duration::ZERO);
    console.until("all is told", PATIENCE, || control(&estate).delivery_counts().unwrap() == [0, 40, 0]);
    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let letters = receiver.letters();
    for letter in &letters {
        keys.entry(letter.body["ip_str"].to_string()).or_default().insert(letter.key.clone());
    }
    assert!(keys.len() == 40 && keys.values().all(|keys| keys.len() == 1), "{keys:?}");
    assert!(letters.len() > 40, "nothing was cut off, so nothing was shown");
}

#[test]
fn a_receiver_that_is_away_loses_nothing_and_one_that_refuses_is_shown() {
    let estate = Estate::with(TOLD_AT_ONCE);
    let (tenants, away, refusing) = (Tenants::open(), Receiver::open(), Receiver::open());
    let console = estate.serve();
    alert(&console, "127.95.1.0/24", &away);
    alert(&console, "127.95.2.0/24", &refusing);
    console.until("the watcher counts", PATIENCE, || watches(&estate));
    away.is_away(true);
    refusing.answers(410, Duration::ZERO);
    let id = begin(&console, &["127.95.1.1-5", "127.95.2.1-3"], tenants.port, 1_000);
    console.scanned_run(&id);

    let dead =
        || console.get("/api/v1/deliveries?state=dead").json()["deliveries"].as_array().unwrap().clone();
    console.until("those that were refused are given up", PATIENCE, || dead().len() == 3);
    let first = dead()[0].clone();
    let why = first["error"].as_str().unwrap();
    assert!(why.contains("410"), "{first}");
    assert!(!why.contains("/hook"), "the address of a webhook is a secret: {first}");
    assert_eq!(refusing.letters().len(), 3, "a refusal is final");
    refusing.answers(200, Duration::ZERO);
    let number = first["id"].as_i64().unwrap();
    let retry =
        || console.send_json("POST", &format!("/api/v1/deliveries/{number}/retry"), &().into()).status;
    assert_eq!(retry(), 204);
    console
        .until("it is delivered on request", PATIENCE, || refusing.letters().len() == 4 && dead().len() == 2);
    console.until("and noted", PATIENCE, || retry() == 409);
    let keys: BTreeSet<String> = refusing.letters().into_iter().map(|letter| letter.key).collect();
    assert_eq!(keys.len(), 3, "with the key that it had");

    // Away over a restart, too; the first wait is up to half a minute.
    let counts = || control(&estate).delivery_counts().unwrap();
    assert_eq!((counts()[0], away.letters().len()), (5, 0), "those that wait");
    assert!(console.terminate().success());
    let console = estate.serve();
    away.is_away(false);
    console.until("all is told once it is back", PATIENCE, || counts() == [0, 6, 2]);
    let keys: BTreeSet<String> = away.letters().into_iter().map(|letter| letter.key).collect();
    assert_eq!(keys.len(), 5);
}
