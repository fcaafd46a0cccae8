//! Streams through the real gate, line by line.

use std::time::Duration;

use axum::{
    body::{Body, Bytes},
    http::{Response, StatusCode, header},
};
use http_body_util::BodyExt;
use jiff::Timestamp;
use nightlatch_asset::{Observation, Record};
use nightlatch_control::Role;
use nightlatch_store::synthetic;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::house::House;

struct Listener {
    response: Response<Body>,
    rest: Vec<u8>,
}

impl Listener {
    async fn open(house: &House, role: Role, path: &str) -> Self {
        let request = house.request(role, "GET", path).body(Body::empty()).unwrap();
        let response = house.router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        Self { response, rest: Vec::new() }
    }

    async fn frame(&mut self) -> Option<Bytes> {
        let frame = tokio::time::timeout(Duration::from_secs(20), self.response.body_mut().frame()).await;
        frame.expect("nothing came").map(|frame| frame.unwrap().into_data().unwrap())
    }

    /// The next line, without its end; none when the stream ended.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                return Some(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            let frame = self.frame().await?;
            self.rest.extend_from_slice(&frame);
        }
    }

    /// The next line that is no heartbeat.
    async fn told(&mut self) -> String {
        loop {
            let line = self.line().await.expect("the stream ended");
            if !line.is_empty() {
                return line;
            }
        }
    }

    async fn banner(&mut self) -> Value {
        serde_json::from_str(&self.told().await).unwrap()
    }
}

fn record(number: u16) -> Record {
    let mut observation: Observation = synthetic::observations(7, 1).next().unwrap();
    observation.port = number;
    let time = observation.time;
    Record { id: 0, first_seen: time, last_seen: time, times_seen: 1, latest: true, observation }
}

#[tokio::test]
async fn each_listener_hears_what_it_asked_for() {
    let house = House::ordinary();
    let mut all = Listener::open(&house, Role::Viewer, "/shodan/banners").await;
    let mut some = Listener::open(&house, Role::Viewer, "/shodan/ports/7,9").await;
    let mut custom = Listener::open(&house, Role::Viewer, "/shodan/custom?query=port:%3E8").await;
    let mut events = Listener::open(&house, Role::Viewer, "/shodan/banners?t=sse").await;
    assert_eq!(events.response.headers()[header::CONTENT_TYPE], "text/event-stream");
    for port in 5..10 {
        house.app.hub().tell(&record(port));
    }
    for port in 5..10 {
        assert_eq!(all.banner().await["port"], port);
    }
    assert_eq!(
        (some.banner().await["port"].clone(), some.banner().await["port"].clone()),
        (json!(7), json!(9))
    );
    assert_eq!(custom.banner().await["port"], 9);
    let event = events.line().await.unwrap();
    assert!(event.starts_with("data: {\"_shodan\""), "{event}");
    assert_eq!(events.line().await.as_deref(), Some(""));
}

#[tokio::test]
async fn a_stream_of_alerts_tells_which_alert_and_ends_with_it() {
    let house = House::ordinary();
    let make = |role: Role| {
        let house = &house;
        async move {
            let body = json!({"name": "mine", "filters": {"query": "port:7"}});
            let made = house.json(role, "POST", "/shodan/alert", &body).await;
            made.json()["id"].as_str().unwrap().to_owned()
        }
    };
    let id = make(Role::Analyst).await;
    let mut one =
        Listener::open(&house, Role::Analyst, &format!("/shodan/alert/{id}?heartbeat=False&debug=1")).await;
    let mut every = Listener::open(&house, Role::Analyst, "/shodan/alert").await;
    let mut others = Listener::open(&house, Role::Operator, "/shodan/alert").await;
    let theirs = make(Role::Operator).await;
    // Alerts are read anew every few seconds.
    tokio::time::sleep(Duration::from_millis(6000)).await;
    for port in [6, 7] {
        house.app.hub().tell(&record(port));
    }
    for listener in [&mut one, &mut every] {
        let banner = listener.banner().await;
        assert_eq!((&banner["port"], &banner["_shodan"]["alert"]["id"]), (&json!(7), &json!(id)));
        assert_eq!(banner["_shodan"]["alert"]["name"], "mine");
    }
    assert_eq!(others.banner().await["_shodan"]["alert"]["id"], json!(theirs));
    house.ask(Role::Analyst, "DELETE", &format!("/shodan/alert/{id}")).await;
    assert!(one.line().await.unwrap().contains("the alert was removed"));
    assert_eq!(one.line().await, None);
}

#[tokio::test]
async fn the_stream_of_a_young_alert_tells_what_a_quick_scan_has_found() {
    use nightlatch_store::Store;
    let house = House::ordinary();
    let mut seen = record(7).observation;
    seen.time = Timestamp::now();
    house.store.clone().ingest(&[seen]).unwrap();
    house.app.book().renew().unwrap();
    let body = json!({"name": "mine", "filters": {"query": "port:7"}});
    let made = house.json(Role::Analyst, "POST", "/shodan/alert", &body).await.json();
    let path = format!("/shodan/alert/{}?heartbeat=False", made["id"].as_str().unwrap());
    let mut listener = Listener::open(&house, Role::Analyst, &path).await;
    assert_eq!(listener.banner().await["_shodan"]["alert"]["name"], "mine");
    // Once is enough, though it is looked for every second.
    tokio::time::sleep(Duration::from_millis(2500)).await;
    house.app.hub().tell(&record(8));
    let mut other = record(7);
    other.observation.data = "new".into();
    house.app.hub().tell(&other);
    assert_eq!(listener.banner().await["data"], "new");
}

#[tokio::test]
async fn a_stream_of_a_revoked_key_ends() {
    let house = House::ordinary();
    let me =
        house.ask(Role::Viewer, "GET", "/api/v1/me").await.json()["key"]["id"].as_str().unwrap().to_owned();
    let mut listener = Listener::open(&house, Role::Viewer, "/shodan/banners?debug=1").await;
    house.app.control().revoke_key(&me, Timestamp::now()).unwrap();
    loop {
        match listener.line().await {
            Some(line) if line.contains("no longer good") => {}
            Some(line) => assert_eq!(line, ""),
            None => break,
        }
    }
}

#[tokio::test]
async fn a_slow_listener_is_let_go_and_slows_nobody() {
    let house = House::ordinary();
    let mut slow = Listener::open(&house, Role::Viewer, "/shodan/banners?debug=1").await;
    let mut quick = Listener::open(&house, Role::Analyst, "/shodan/banners").await;
    let mut told = record(7);
    // Short, as there are many.
    told.observation.verdict = Default::default();
    (told.observation.http, told.observation.tls) = (None, None);
    // More than the hub keeps for those who are behind.
    for round in 0..18 {
        for _ in 0..1000 {
            house.app.hub().tell(&told);
        }
        for _ in 0..1000 {
            assert!(quick.told().await.starts_with("{\"_shodan\""), "round {round}");
        }
    }
    let mut heard = 0;
    while let Some(line) = slow.line().await {
        heard += usize::from(line.starts_with("{\"_shodan\""));
    }
    assert!(heard < 1000, "the slow one heard {heard}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_listeners_each_hear_everything() {
    const LISTENERS: usize = 1000;
    const TOLD: u16 = 200;
    let house = House::ordinary();
    let mut listeners = Vec::new();
    for number in 0..LISTENERS {
        let role = Role::ALL[number % Role::ALL.len()];
        listeners.push(Listener::open(&house, role, "/shodan/banners?heartbeat=False").await);
    }
    let began = std::time::Instant::now();
    let hearing: Vec<_> = listeners
        .into_iter()
        .map(|mut listener| {
            tokio::spawn(async move {
                for port in 1..=TOLD {
                    assert!(listener.told().await.contains(&format!("\"port\":{port},")));
                }
            })
        })
        .collect();
    for port in 1..=TOLD {
        house.app.hub().tell(&record(port));
    }
    for one in hearing {
        one.await.unwrap();
    }
    println!("{LISTENERS} listeners heard {TOLD} banners each in {:?}", began.elapsed());
}
