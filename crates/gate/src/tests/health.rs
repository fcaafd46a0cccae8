use nightlatch_control::Role;

use super::house::{House, settings};
use crate::Settings;

#[tokio::test]
async fn every_answer_tells_browsers_what_not_to_do() {
    let house = House::open(settings()).await;
    let with_key = format!("/echo?key={}", house.key_text(Role::Viewer));
    for target in
        ["/", "/nowhere", "/echo", "/login", "/app.css", "/healthz", "/metrics", with_key.as_str(), "/panic"]
    {
        let answer = house.get(target, &[]).await;
        let policy = answer.header("content-security-policy").unwrap();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"]
        {
            assert!(policy.contains(part), "{target} {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", if target == "/app.css" { "max-age=60" } else { "no-store" }),
        ] {
            assert_eq!(answer.header(name), Some(value), "{target} {name}");
        }
        assert!(answer.header("permissions-policy").is_some());
        assert_eq!((answer.header("server"), answer.header("strict-transport-security")), (None, None));
    }
}

#[tokio::test]
async fn the_server_answers_to_its_names() {
    let house = House::open(Settings { hosts: vec!["watch.example".into()], ..settings() }).await;
    for (host, expected) in [("127.0.0.1:1", 200), ("watch.example", 200), ("rebound.example", 421)] {
        let answer = house.get("/login", &[&format!("Host: {host}")]).await;
        assert_eq!(answer.status, expected, "{host} {answer:?}");
        if expected == 421 {
            assert!(answer.body.contains("server.hosts"), "{answer:?}");
        }
    }
    assert_eq!(house.get("/healthz", &["Host: anything.example"]).await.status, 200);
}

#[tokio::test]
async fn health_and_readiness_tell_no_details() {
    let house = House::open(settings()).await;
    let nothing = house.get("/nowhere", &[]).await;
    assert_eq!((nothing.status, nothing.body.as_str()), (404, "there is nothing at this address\n"));
    let alive = house.get("/healthz", &[]).await;
    assert_eq!((alive.status, alive.body.as_str()), (200, "alive\n"));
    let ready = house.get("/readyz", &[]).await;
    assert_eq!((ready.status, ready.body.as_str()), (200, "ready\n"));
}

#[tokio::test]
async fn metrics_need_a_key_unless_they_are_open() {
    let house = House::open(settings()).await;
    assert_eq!(house.get("/metrics", &[]).await.status, 401);
    let key = house.key_text(Role::Viewer);
    house.gate.add_collector(Box::new(|out| crate::metric(out, "nightlatch_own", "gauge", "Of a room.", 7)));
    house.get(&format!("/host/192.0.2.1?key={key}"), &[]).await;
    house.get(&format!("/host/192.0.2.2?key={key}"), &[]).await;
    house.get("/no/such/page", &[]).await;
    house.send("BREW", "/no/such/page", &[], "").await;
    let answer = house.get("/metrics", &[&format!("Authorization: Bearer {key}")]).await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    let name = "nightlatch_http_request_duration_seconds_count";
    for line in [
        format!("{name}{{route=\"/host/{{ip}}\",method=\"GET\",status=\"200\"}} 2"),
        format!("{name}{{route=\"/metrics\",method=\"GET\",status=\"401\"}} 1"),
        format!("{name}{{route=\"unmatched\",method=\"OTHER\",status=\"404\"}} 1"),
        "nightlatch_refused_total{reason=\"no-key\"} 1".into(),
        "nightlatch_own 7".into(),
        "nightlatch_store_observations 0".into(),
        "nightlatch_key_proofs_total 1".into(),
    ] {
        assert!(answer.body.lines().any(|own| own == line), "{line} is missing in {}", answer.body);
    }
    assert!(!answer.body.contains("192.0.2.1") && !answer.body.contains("no/such"), "labels are patterns");
    well_formed(&answer.body);

    let open = House::open(Settings { metrics_open: true, ..settings() }).await;
    assert_eq!(open.get("/metrics", &[]).await.status, 200);
}

/// Each sample belongs to the metric announced before it, and each metric is announced once.
fn well_formed(text: &str) {
    let (mut known, mut current) = (std::collections::HashSet::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(known.insert(name.to_owned()), "twice: {line}");
            current = name.to_owned();
        } else if !line.starts_with('#') {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(sample.starts_with(&current) && value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(known.len() > 10);
}

#[tokio::test]
async fn a_panic_is_a_bug_in_the_rooms_words_and_ends_nothing_else() {
    let house = House::open(settings()).await;
    let key = house.key_text(Role::Viewer);
    let answer = house.get(&format!("/panic?key={key}"), &[]).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(answer.body.starts_with("{\"error\":\"this is a mistake") && !answer.body.contains("purpose"));
    assert_eq!(house.metric("nightlatch_panics_total"), 1.0);
    assert_eq!(house.get(&format!("/echo?key={key}"), &[]).await.status, 200);
}
