use nightlatch_control::{KeySpec, Role};

use super::house::{Answer, House, settings};
use crate::Settings;

async fn log_in(house: &House, key: &str) -> Answer {
    house.post_form("/login", &["Sec-Fetch-Site: same-origin"], &format!("key={key}")).await
}

fn actions(house: &House) -> Vec<(String, String)> {
    let log = house.app.control().audit_log(0, 100).unwrap();
    log.into_iter().rev().map(|entry| (entry.action, entry.outcome)).collect()
}

#[tokio::test]
async fn a_person_logs_in_changes_something_and_logs_out() {
    let house = House::open(settings()).await;
    let answer = house.get("/csrf?query=port:443", &[]).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/login?next=%2Fcsrf%3Fquery%3Dport%3A443"))
    );
    assert_eq!(house.get("/", &[]).await.header("location"), Some("/login"));
    assert_eq!(house.post_form("/change", &[], "a=b").await.header("location"), Some("/login"));
    assert_eq!(house.get("/csrf", &["Sec-Fetch-Mode: cors"]).await.status, 401, "a script is told the truth");

    let inside = log_in(&house, &house.key_text(Role::Analyst)).await;
    assert_eq!((inside.status, inside.body.as_str()), (200, "welcome"), "{inside:?}");
    let cookie = inside.header("set-cookie").unwrap();
    for flag in ["nightlatch_session=", "; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=4"] {
        assert!(cookie.contains(flag), "{cookie}");
    }
    assert!(!cookie.contains("Secure"), "{cookie}");
    let cookie = inside.cookie();
    let csrf = house.get("/csrf", &[&cookie]).await;
    assert_eq!((csrf.status, csrf.body.len()), (200, 50), "{csrf:?}");
    assert_eq!(csrf.header("cache-control"), Some("no-store"));
    assert_eq!(house.get("/login", &[&cookie]).await.body, "true");

    let token = &csrf.body;
    let header = format!("X-Csrf-Token: {token}");
    let wrong = format!("csrf={}", "a".repeat(50));
    for (lines, form, expected) in [
        (vec![], format!("csrf={token}&a=b"), 200),
        (vec!["Origin: http://localhost", "Sec-Fetch-Site: same-origin"], format!("a=b&csrf={token}"), 200),
        (vec![header.as_str()], "a=b".into(), 200),
        (vec![], "a=b".into(), 403),
        (vec![], "csrf=".into(), 403),
        (vec![], wrong, 403),
        (vec![], format!("csrf={}", &token[..49]), 403),
        (vec!["Origin: http://evil.example"], format!("csrf={token}"), 403),
        (vec!["Origin: http://localhost:1"], format!("csrf={token}"), 403),
        (vec!["Sec-Fetch-Site: cross-site"], format!("csrf={token}"), 403),
        (vec!["Sec-Fetch-Site: cross-site", header.as_str()], "a=b".into(), 403),
    ] {
        let all = [&lines[..], &[cookie.as_str()]].concat();
        let answer = house.post_form("/change", &all, &form).await;
        assert_eq!(answer.status, expected, "{lines:?} {form} {answer:?}");
        if expected == 200 {
            assert!(answer.body.contains("(\"a\", \"b\")"), "the form goes on: {answer:?}");
        }
    }
    let answer =
        house.send("POST", "/change", &[&cookie, "Content-Type: text/plain"], &format!("csrf={token}")).await;
    assert_eq!(answer.status, 415, "{answer:?}");

    let bye = house.post_form("/logout", &[&cookie], &format!("csrf={token}")).await;
    assert!(
        bye.header("set-cookie").unwrap().starts_with("nightlatch_session=; Path=/; Max-Age=0;"),
        "{bye:?}"
    );
    assert_eq!(house.get("/csrf", &[&cookie]).await.status, 303, "the session is over");
    let done = |action: &str| (action.to_owned(), "done".to_owned());
    assert_eq!(actions(&house), [done("login"), done("logout")]);
}

#[tokio::test]
async fn a_failed_login_is_noted_and_counted() {
    let house = House::open(settings()).await;
    for _ in 0..5 {
        let answer = log_in(&house, "nl_aaaaaaaa_bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb").await;
        assert_eq!((answer.status, answer.header("set-cookie")), (401, None), "{answer:?}");
    }
    let answer = log_in(&house, &house.key_text(Role::Admin)).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    assert!(answer.body.contains("try again in 1 s"), "{answer:?}");
    assert_eq!(log_in(&house, "").await.status, 401);
    let log = house.app.control().audit_log(0, 100).unwrap();
    let mut entries: Vec<_> =
        log.iter().map(|entry| (entry.action.as_str(), entry.outcome.as_str())).collect();
    entries.sort_unstable();
    let bad = ("login", "bad-key");
    assert_eq!(entries, [("lock-out", "too many wrong keys: 1 s"), bad, bad, bad, bad, bad]);
    assert!(log.iter().all(|entry| entry.source == "127.0.0.1" && !entry.object.contains("bbb")));
    let forged = house.post_form("/login", &["Sec-Fetch-Site: cross-site"], "key=x").await;
    assert_eq!(forged.status, 403, "nobody is logged in by another site");
}

#[tokio::test]
async fn a_session_ends_with_its_key_and_counts_only_for_reading_elsewhere() {
    let house = House::open(settings()).await;
    let made = house.key(KeySpec { role: Role::Admin, ..KeySpec::default() });
    let cookie = log_in(&house, &made.text).await.cookie();
    assert_eq!(house.get("/echo", &[&cookie]).await.status, 401, "programs send keys");
    assert_eq!(house.get("/api/v1/echo", &[&cookie]).await.body, "read");
    assert_eq!(house.get("/api/v1/echo", &[&cookie, "Sec-Fetch-Site: cross-site"]).await.status, 403);
    let answer = house.send("DELETE", "/api/v1/echo", &[&cookie], "").await;
    assert_eq!((answer.status, answer.body.contains("only read")), (403, true), "{answer:?}");
    let with_key = format!("/api/v1/echo?key={}", made.text);
    assert_eq!(house.send("DELETE", &with_key, &[&cookie], "").await.status, 200);
    house.app.control().revoke_key(&made.key.id, jiff::Timestamp::now()).unwrap();
    assert_eq!(house.get("/", &[&cookie]).await.status, 303);
    assert_eq!(house.get("/api/v1/echo", &[&cookie]).await.status, 401);
}

#[tokio::test]
async fn behind_a_proxy_with_tls_the_cookie_is_secure() {
    let house = House::open(Settings { behind_proxy: true, ..settings() }).await;
    let key = house.key_text(Role::Viewer);
    let https = ["X-Forwarded-Proto: https", "X-Forwarded-For: 192.0.2.1"];
    let inside = house.post_form("/login", &https, &format!("key={key}")).await;
    let cookie = inside.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-nightlatch=") && cookie.ends_with("; Secure"), "{cookie}");
    assert!(inside.header("strict-transport-security").is_some());
    let cookie = inside.cookie();
    assert_eq!(house.get("/", &[&cookie, https[0]]).await.status, 200);
    assert_eq!(house.get("/", &[&cookie]).await.status, 303, "not over http");
}
