//! A server that runs for months: what it holds does not grow with what it has done.

use std::{thread, time::Duration};

use nightlatch_e2e::{
    console::{Console, Estate},
    tenants::Tenants,
};

/// What may be added by 200 runs and 5,000 requests, once everything has been used.
const BYTES_MAX: u64 = 60 << 20;
const DESCRIPTORS_MAX: usize = 20;

fn runs(console: &Console, port: u16, count: usize) {
    for from in (0..count).step_by(20) {
        let ids: Vec<String> = (from..count.min(from + 20))
            .map(|_| super::begin(console, &["127.87.0.1"], port, 1_000))
            .collect();
        ids.iter().for_each(|id| console.scanned_run(id));
    }
}

fn requests(console: &Console, count: usize) {
    const PATHS: [&str; 8] = [
        "/api-info",
        "/shodan/host/count?query=port:1",
        "/shodan/host/127.87.0.1",
        "/api/v1/runs?limit=3",
        "/",
        "/search?query=port:1",
        "/shodan/host/search?query=port:80%20",
        "/no/such/page",
    ];
    thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || {
                for number in 0..count / 4 {
                    let answer = console.get(PATHS[(number + worker) % PATHS.len()]);
                    assert!(answer.status < 500 && answer.status != 429, "{answer:?}");
                }
            });
        }
    });
}

#[test]
fn two_hundred_runs_and_five_thousand_requests_leave_nothing_behind() {
    let estate = Estate::with(
        "[server]\nrequests_per_minute = 1000000\nstrangers_per_minute = 1000000\n[watch]\nrecheck_seconds = 0\n",
    );
    let tenants = Tenants::open();
    let console = estate.serve();
    runs(&console, tenants.port, 40);
    requests(&console, 1_000);
    thread::sleep(Duration::from_secs(2));
    let (bytes, descriptors) = (console.resident_bytes(), console.descriptors());
    runs(&console, tenants.port, 200);
    requests(&console, 5_000);
    thread::sleep(Duration::from_secs(2));
    let more = console.resident_bytes().saturating_sub(bytes);
    let opened = console.descriptors().saturating_sub(descriptors);
    println!(
        "{bytes} bytes and {descriptors} descriptors before; {more} bytes and {opened} descriptors more"
    );
    assert!(more < BYTES_MAX, "{more} bytes more");
    assert!(opened < DESCRIPTORS_MAX, "{opened} descriptors more");
}
