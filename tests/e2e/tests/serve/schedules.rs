//! Schedules of the configuration, over restarts.

use std::{thread::sleep, time::Duration};

use jiff::{SignedDuration, Timestamp};
use nightlatch_control::Kept;
use nightlatch_e2e::{
    console::{Console, Estate},
    tenants::Tenants,
};
use serde_json::Value;

use super::{PATIENCE, control};

/// Longer than it takes until schedules are looked at again.
const LOOK: Duration = Duration::from_secs(7);

/// What the server keeps of a schedule.
#[derive(serde::Serialize, serde::Deserialize)]
struct Kept1(Value);

impl Kept for Kept1 {
    const KIND: &'static str = "schedule-state";

    fn id(&self) -> &str {
        self.0["name"].as_str().unwrap_or_default()
    }
}

fn schedule(port: u16, targets: &str, more: &str) -> String {
    format!(
        "[watch]\nrecheck_seconds = 0\n[[schedule]]\nname = \"often\"\nevery = \"1h\"\ntargets = [\"{targets}\"]\n\
         ports = \"{port}\"\n{more}"
    )
}

fn runs(console: &Console) -> Vec<Value> {
    console.get("/api/v1/runs").json()["runs"].as_array().unwrap().clone()
}

fn all_finished(console: &Console, count: usize) -> bool {
    let runs = runs(console);
    runs.len() == count && runs.iter().all(|run| run["state"] == "finished")
}

#[test]
fn a_schedule_begins_by_itself_and_what_was_missed_is_caught_up_once() {
    let tenants = Tenants::open();
    let estate = Estate::with(&schedule(tenants.port, "127.88.0.1-3", ""));
    let console = estate.serve();
    console.until("the first run begins by itself", PATIENCE, || all_finished(&console, 1));
    let usual: u32 = tenants.asked("127.88.0.").values().sum();
    assert!(console.terminate().success());
    let console = estate.serve();
    sleep(LOOK);
    assert_eq!(runs(&console).len(), 1, "a restart is no reason to scan");
    assert!(console.terminate().success());

    // Off for half a day: eleven were missed.
    let set = |last: Timestamp| {
        control(&estate)
            .change("often", Timestamp::now(), |kept: &mut Kept1| {
                kept.0["last_begun"] = last.to_string().into()
            })
            .unwrap()
            .unwrap();
    };
    set(Timestamp::now() - SignedDuration::from_hours(12));
    let console = estate.serve();
    console.until("what was missed is caught up", PATIENCE, || all_finished(&console, 2));
    sleep(LOOK);
    assert_eq!(runs(&console).len(), 2, "once");
    assert_eq!(tenants.asked("127.88.0.").values().sum::<u32>(), 2 * usual);
    assert!(console.terminate().success());

    // The clock was years ahead when it last began, and is right again.
    set(Timestamp::now() + SignedDuration::from_hours(24 * 900));
    let console = estate.serve();
    sleep(LOOK);
    let next =
        console.get("/api/v1/schedules").json()[0]["next"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(next < Timestamp::now() + SignedDuration::from_hours(2), "{next}");
}

#[test]
fn a_blackout_holds_over_restarts_and_the_run_goes_on_after_it() {
    let tenants = Tenants::open();
    let slow = "rate = 40\n";
    let estate = Estate::with(&schedule(tenants.port, "127.88.1.0/24", slow));
    let console = estate.serve();
    console.until("the run is in the middle", PATIENCE, || tenants.asked("127.88.1.").len() > 60);
    assert!(console.terminate().success());
    let before = tenants.asked("127.88.1.").len();
    assert!(before < 256, "it was over too soon");

    estate.configure(&schedule(
        tenants.port,
        "127.88.1.0/24",
        &format!("{slow}blackout = [\"00:00-24:00\"]\n"),
    ));
    let console = estate.serve();
    assert_eq!(console.get("/api/v1/schedules").json()[0]["blackout"], true);
    sleep(LOOK);
    assert_eq!(tenants.asked("127.88.1.").len(), before, "asked in a blackout");
    assert_eq!(runs(&console).len(), 1);
    assert!(console.terminate().success());

    estate.configure(&schedule(tenants.port, "127.88.1.0/24", slow));
    let console = estate.serve();
    console.until("the same run goes on", PATIENCE, || all_finished(&console, 1));
    assert_eq!(tenants.asked("127.88.1.").len(), 256);
}
