//! A disk without space: the server stays, says what is wrong, and goes on when there is space again.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use nightlatch_e2e::{
    console::Estate, nightlatch::binary, receiver::Receiver, server::is_root, tenants::Tenants,
};

use super::{PATIENCE, TOLD_AT_ONCE, alert, begin, standing};

#[test]
fn a_full_disk_is_said_and_passes() {
    let estate = Estate::with(TOLD_AT_ONCE);
    let (tenants, receiver) = (Tenants::open(), Receiver::open());
    // A disk of its own, in a mount namespace of its own.
    let script = "cp \"$1/nightlatch.toml\" \"$1.toml\" && mount -t tmpfs -o size=24m tmpfs \"$1\" && \
                  cp \"$1.toml\" \"$1/nightlatch.toml\" && exec \"$2\" --data \"$1\" serve --log json --listen 127.0.0.1:0";
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig=KILL", "unshare"]);
    command.args(if is_root() { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
    command.args(["sh", "-c", script, "sh"]).arg(estate.data()).arg(binary());
    estate.tidy(&mut command);
    let mut console = estate.launch(command);
    let inside = |name: &str| {
        let data = estate.data();
        PathBuf::from(format!("/proc/{}/root{}", console.process(), data.display())).join(name)
    };
    let ballast = inside("ballast");
    alert(&console, "127.98.0.0/16", &receiver);
    let id = begin(&console, &["127.98.0.1-20"], tenants.port, 1_000);
    console.scanned_run(&id);
    console.until("all is told", PATIENCE, || receiver.letters().len() == 20);

    receiver.answers(200, Duration::from_secs(2));
    let id = begin(&console, &["127.98.1.1-20"], tenants.port, 1_000);
    console.scanned_run(&id);
    console.until("messages are on their way", PATIENCE, || receiver.letters().len() > 20);
    fill(&ballast);
    receiver.answers(200, Duration::ZERO);
    let spec = serde_json::json!({ "targets": ["127.98.2.0/24"], "ports": tenants.port.to_string() });
    let refused = console.send_json("POST", "/api/v1/runs", &spec);
    assert!([500, 503, 507].contains(&refused.status), "{refused:?}");
    assert!(refused.body.to_lowercase().contains("space"), "it does not say what is wrong: {refused:?}");
    assert_eq!(console.count("net:127.98.0.0/24"), 20, "searches go on");
    assert_eq!(console.ask("GET", "/healthz", "", b"").status, 200);
    console.until("the log says it", PATIENCE, || console.log().to_lowercase().contains("no space"));
    std::thread::sleep(Duration::from_secs(4));
    let most = most_repeated(&receiver);
    assert!(most <= 2, "while the disk is full, one message arrived {most} times");
    assert!(console.is_alive(), "{}", console.log_end());

    fs::remove_file(&ballast).unwrap();
    let id = begin(&console, &["127.98.3.1-20"], tenants.port, 1_000);
    console.scanned_run(&id);
    assert_eq!(standing(&console, &id).0, "finished");
    console.until("what is found is stored", PATIENCE, || console.count("net:127.98.3.0/24") == 20);
    let delivered = || console.get("/api/v1/deliveries?limit=1").json()["delivered"].as_u64().unwrap();
    console.until("all is told", PATIENCE, || delivered() == 60);

    // Full in the middle of a run.
    let id = begin(&console, &["127.98.4.0/22"], tenants.port, 300);
    console.until("the run is in the middle", PATIENCE, || standing(&console, &id).2 > 100);
    fill(&ballast);
    console.until("the run has ended", PATIENCE, || standing(&console, &id).1.is_none());
    assert!(console.is_alive());
    let stored = console.count("net:127.98.4.0/22");
    fs::remove_file(&ballast).unwrap();
    let resume = console.send_json("POST", &format!("/api/v1/runs/{id}/resume"), &().into());
    assert!(resume.status == 202 || standing(&console, &id).0 == "finished", "{resume:?}");
    console.scanned_run(&id);
    console.until("the rest is found as well", PATIENCE, || console.count("net:127.98.4.0/22") == 1_024);
    assert!(stored <= 1_024);
    let began = Instant::now();
    assert!(console.terminate().success());
    assert!(began.elapsed() < Duration::from_secs(30));
}

/// Writes until nothing more can be written, and lets nothing of it go.
fn fill(path: &std::path::Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
    for block in [1 << 16, 1 << 12, 1] {
        while file.write(&vec![0x55; block]).is_ok_and(|written| written > 0) {}
    }
}

/// How often the message that arrived most often arrived.
fn most_repeated(receiver: &Receiver) -> usize {
    let letters = receiver.letters();
    letters.iter().map(|one| letters.iter().filter(|other| other.key == one.key).count()).max().unwrap_or(0)
}
