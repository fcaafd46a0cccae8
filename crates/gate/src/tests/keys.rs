use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use nightlatch_control::{Control, KeySpec, Role};

use super::house::{House, settings};
use crate::Settings;

const WRONG: &str = "nl_aaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

#[tokio::test]
async fn a_key_counts_where_it_belongs_and_goes_no_further() {
    let house = House::open(settings()).await;
    let key = house.key_text(Role::Viewer);
    let secret = key.rsplit_once('_').unwrap().1;
    let form = "Content-Type: application/x-www-form-urlencoded";
    for (method, target, lines, body, expected) in [
        ("GET", format!("/echo?query=a&key={key}"), vec![], String::new(), 200),
        ("POST", "/echo".into(), vec![form.to_owned()], format!("ips=192.0.2.1&key={key}"), 200),
        ("GET", "/echo".into(), vec![format!("Authorization: Bearer {key}")], String::new(), 200),
        ("GET", "/echo".into(), vec![format!("X-Api-Key: {key}")], String::new(), 200),
        // In the wrong place.
        ("GET", format!("/echo/{key}"), vec![], String::new(), 404),
        ("GET", format!("/host/{key}"), vec![], String::new(), 401),
        ("GET", format!("/echo?apikey={key}"), vec![], String::new(), 401),
        ("GET", "/echo".into(), vec![format!("Cookie: key={key}")], String::new(), 401),
        ("GET", "/echo".into(), vec![format!("Cookie: nightlatch_session={key}")], String::new(), 401),
        ("GET", "/echo".into(), vec![format!("Authorization: Basic {key}")], String::new(), 401),
        (
            "POST",
            "/echo".into(),
            vec!["Content-Type: application/json".into()],
            format!("{{\"key\": \"{key}\"}}"),
            401,
        ),
        ("GET", "/echo".into(), vec![], String::new(), 401),
    ] {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let answer = house.send(method, &target, &lines, &body).await;
        assert_eq!(answer.status, expected, "{target} {lines:?} {body}: {answer:?}");
        assert!(!answer.body.contains(secret), "the key went on: {answer:?}");
        if expected == 200 {
            assert!(answer.body.starts_with(&key[3..11]), "{answer:?}");
        }
        if expected == 401 {
            let said: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert!(said["error"].as_str().unwrap().starts_with("no key"), "{answer:?}");
        }
    }
    let answer = house.get(&format!("/echo?key={key}&query=port%3A443+x"), &[]).await;
    assert!(answer.body.contains(" /echo?query=port%3A443+x "), "{answer:?}");
    assert_eq!(house.metric("nightlatch_key_proofs_total"), 1.0, "argon2 runs once for a key");
}

#[tokio::test]
async fn a_key_revoked_by_another_process_is_good_for_nothing_at_once() {
    let house = House::open(settings()).await;
    let key = house.key_text(Role::Viewer);
    let target = format!("/echo?key={key}");
    assert_eq!(house.get(&target, &[]).await.status, 200);
    let elsewhere = Control::open(house.data.path()).unwrap();
    assert!(elsewhere.revoke_key(&key[3..11], Timestamp::now()).unwrap());
    let answer = house.get(&target, &[]).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(answer.body.contains("revoked"), "{answer:?}");
}

#[tokio::test]
async fn a_key_ends_and_its_use_is_noted() {
    let house = House::open(settings()).await;
    let expires = Some(Timestamp::now() + SignedDuration::from_secs(5));
    let made = house.key(KeySpec { expires, ..KeySpec::default() });
    let target = format!("/echo?key={}", made.text);
    assert_eq!(house.get(&target, &[]).await.status, 200);
    let over = made.key.expires.unwrap().duration_since(Timestamp::now()).unsigned_abs();
    tokio::time::sleep(over).await;
    assert_eq!(house.get(&target, &[]).await.status, 401);
    assert!(house.app.control().key(&made.key.id).unwrap().unwrap().last_used.is_some());
}

#[tokio::test]
async fn roles_and_limits_of_a_key_hold() {
    let house = House::open(settings()).await;
    let viewer = house.get(&format!("/admin?key={}", house.key_text(Role::Operator)), &[]).await;
    assert_eq!((viewer.status, viewer.body.contains("admin")), (403, true), "{viewer:?}");
    let usual = house.get(&format!("/admin?key={}", house.key_text(Role::Admin)), &[]).await;
    assert_eq!((usual.status, usual.body.as_str()), (200, "1000"));
    let own = house.key(KeySpec { role: Role::Admin, results_max: Some(7), ..KeySpec::default() });
    assert_eq!(house.get(&format!("/admin?key={}", own.text), &[]).await.body, "7");
}

#[tokio::test]
async fn wrong_keys_lock_an_address_out_and_only_that_one() {
    let local = Settings { behind_proxy: true, ..settings() };
    let house = House::open(local).await;
    let (known, fresh) = (house.key_text(Role::Viewer), house.key_text(Role::Viewer));
    let from = |ip: &str| format!("X-Forwarded-For: {ip}");
    let (bad, other) = (from("192.0.2.1"), from("192.0.2.2"));
    assert_eq!(house.get(&format!("/echo?key={known}"), &[&bad]).await.status, 200);
    for attempt in 0..5 {
        // What has not even the shape of a key counts as well.
        let wrong = if attempt % 2 == 0 { WRONG } else { "letmein" };
        assert_eq!(house.get(&format!("/echo?key={wrong}"), &[&bad]).await.status, 401, "{attempt}");
    }
    let locked = house.get(&format!("/echo?key={WRONG}"), &[&bad]).await;
    assert_eq!((locked.status, locked.header("retry-after")), (429, Some("1")), "{locked:?}");
    assert!(locked.body.contains("wrong keys"), "{locked:?}");
    assert_eq!(house.get(&format!("/echo?key={fresh}"), &[&bad]).await.status, 429, "not even a good one");
    assert_eq!(
        house.get(&format!("/echo?key={known}"), &[&bad]).await.status,
        200,
        "a proven one still works"
    );
    assert_eq!(house.get(&format!("/echo?key={fresh}"), &[&other]).await.status, 200, "others do not notice");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(house.get(&format!("/echo?key={WRONG}"), &[&bad]).await.status, 401, "it may try again");
    let locked = house.get(&format!("/echo?key={WRONG}"), &[&bad]).await;
    assert_eq!((locked.status, locked.header("retry-after")), (429, Some("2")), "and waits for longer");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let third = house.key_text(Role::Viewer);
    assert_eq!(house.get(&format!("/echo?key={third}"), &[&bad]).await.status, 200, "a good one is let in");
    let proofs = house.metric("nightlatch_key_proofs_total");
    assert!(proofs <= 8.0, "no argon2 while locked out, or for what is no key: {proofs}");
}

#[tokio::test]
async fn nobody_escapes_by_naming_another_address() {
    for (settings, lines) in [
        (settings(), ["X-Forwarded-For", "Forwarded"]),
        (
            Settings {
                behind_proxy: true,
                trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()],
                ..settings()
            },
            ["X-Forwarded-For", "X-Real-IP"],
        ),
    ] {
        let house = House::open(settings).await;
        for n in 0..5 {
            let lines = lines.map(|name| {
                format!("{name}: for=198.51.100.{n}").replace("X-Forwarded-For: for=", "X-Forwarded-For: ")
            });
            let answer = house.get(&format!("/echo?key={WRONG}"), &[&lines[0], &lines[1]]).await;
            assert_eq!(answer.status, 401);
        }
        let answer = house.get(&format!("/echo?key={WRONG}"), &["X-Forwarded-For: 203.0.113.5"]).await;
        assert_eq!(answer.status, 429, "{answer:?}");
    }
    // Behind a proxy that adds to what the client wrote, only the proxy's own entry counts.
    let house = House::open(Settings { behind_proxy: true, ..settings() }).await;
    for n in 0..5 {
        let line = format!("X-Forwarded-For: 198.51.100.{n}, 203.0.113.9");
        assert_eq!(house.get(&format!("/echo?key={WRONG}"), &[&line]).await.status, 401);
    }
    let line = "X-Forwarded-For: 198.51.100.77, 203.0.113.9";
    assert_eq!(house.get(&format!("/echo?key={WRONG}"), &[line]).await.status, 429);
}

#[tokio::test]
async fn many_requests_with_a_new_key_prove_it_once() {
    let house = House::open(settings()).await;
    let target = format!("/echo?key={}", house.key_text(Role::Viewer));
    let all = (0..20).map(|_| house.get(&target, &[]));
    for answer in futures(all).await {
        assert_eq!(answer.status, 200);
    }
    assert_eq!(house.metric("nightlatch_key_proofs_total"), 1.0);
}

/// Waits for all of them at once.
pub(super) async fn futures<F: Future>(all: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (one, done) in &mut waiting {
            if done.is_none()
                && let std::task::Poll::Ready(output) = one.as_mut().poll(context)
            {
                *done = Some(output);
            }
        }
        if waiting.iter().all(|(_, done)| done.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}
