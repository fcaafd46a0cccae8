//! `nightlatch serve`, end to end: how it starts, what it keeps when it is killed, whom it lets disturb others.
//!
//! Real processes, real sockets, loopback only, every wait bounded. What is said and kept is read where a user would
//! read it: exit codes, standard error, answers, the database, the files.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "serve/crowd.rs"]
mod crowd;
#[path = "serve/delivery.rs"]
mod delivery;
#[path = "serve/disk.rs"]
mod disk;
#[path = "serve/growth.rs"]
mod growth;
#[path = "serve/killed.rs"]
mod killed;
#[path = "serve/nonsense.rs"]
mod nonsense;
#[path = "serve/schedules.rs"]
mod schedules;
#[path = "serve/secrets.rs"]
mod secrets;
#[path = "serve/sharing.rs"]
mod sharing;
#[path = "serve/start.rs"]
mod start;

use std::time::Duration;

use nightlatch_control::{Control, Event, EventFilter};
use nightlatch_e2e::{
    console::{Console, Estate},
    receiver::Receiver,
};

/// How long something that takes seconds may take on a slow and busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// Messages at once, to receivers on this machine.
const TOLD_AT_ONCE: &str = "[watch]\nrecheck_seconds = 0\n[notify.webhook]\nallow = [\"127.0.0.1/32\"]\n";

/// An alert about everything new in a network, told to a webhook; gives the id of the alert.
fn alert(console: &Console, network: &str, receiver: &Receiver) -> String {
    let url = format!("http://{}/hook", receiver.address);
    let made =
        console.post_form("/notifier", &[("provider", "webhook"), ("url", &url), ("description", "test")]);
    assert_eq!(made.status, 200, "{made:?}");
    let notifier = made.json()["id"].as_str().unwrap().to_owned();
    let asked = serde_json::json!({ "name": "watch", "filters": { "ip": [network] } });
    let made = console.send_json("POST", "/shodan/alert", &asked);
    assert_eq!(made.status, 200, "{made:?}");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    for (method, path) in [
        ("PUT", format!("/shodan/alert/{id}/trigger/new_service")),
        ("PUT", format!("/shodan/alert/{id}/notifier/{notifier}")),
    ] {
        let done = console.send_json(method, &path, &serde_json::json!({}));
        assert_eq!(done.status, 200, "{path}: {done:?}");
    }
    id
}

/// All events of a data directory, newest first; the server may be running.
fn events(estate: &Estate) -> Vec<Event> {
    control(estate).events(&EventFilter::default(), u32::MAX).unwrap()
}

fn control(estate: &Estate) -> Control {
    Control::open(&estate.data()).unwrap()
}

/// Whether the watcher has begun to count, so that what comes now is new.
fn watches(estate: &Estate) -> bool {
    control(estate).meta::<u64>("watch.read-to").unwrap().is_some()
}

/// Begins a run at a rate; gives its name.
fn begin(console: &Console, targets: &[&str], port: u16, rate: u32) -> String {
    let spec = serde_json::json!({ "targets": targets, "ports": port.to_string(), "rate": rate });
    let begun = console.send_json("POST", "/api/v1/runs", &spec);
    assert_eq!(begun.status, 202, "{begun:?}\n{}", console.log_end());
    begun.json()["id"].as_str().unwrap().to_owned()
}

/// How a run stands: `state` of its record, and `phase` and `done` while it is at it.
fn standing(console: &Console, id: &str) -> (String, Option<String>, u64) {
    let run = console.get(&format!("/api/v1/runs/{id}"));
    assert_eq!(run.status, 200, "{run:?}");
    let run = run.json();
    let word = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let done = run["live"]["done"].as_u64().unwrap_or(0);
    (word(&run["run"]["state"]).unwrap(), word(&run["live"]["phase"]), done)
}
