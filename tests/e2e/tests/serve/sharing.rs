//! The command beside the server, on the same data directory.

use std::{
    fs::File,
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

use nightlatch_alert::ChangeKind;
use nightlatch_e2e::{console::Estate, tenants::Tenants};

use super::{PATIENCE, TOLD_AT_ONCE, begin, events, standing, watches};

/// How soon a server knows what a command has stored.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn what_a_command_finds_is_found_and_told_by_the_server() {
    let estate = Estate::with(TOLD_AT_ONCE);
    let tenants = Tenants::open();
    let console = estate.serve();
    console.until("the watcher counts", PATIENCE, || watches(&estate));
    let port = tenants.port.to_string();
    let (code, said) = estate.run(&["scan", "--ports", &port, "127.96.0.1-5", "--json"]);
    assert_eq!(code, Some(0), "{said}");
    let told = || events(&estate).iter().filter(|e| e.change.kind == ChangeKind::NewService).count();
    console.until("the server finds it and calls it new", SOON, || {
        console.count("net:127.96.0.0/24") == 5 && told() == 5
    });

    // What another machine has found.
    std::fs::write(estate.path("found.ndjson"), found_elsewhere("127.96.1.1-3", &port)).unwrap();
    let (code, said) = estate.run(&["import", &estate.path("found.ndjson").display().to_string()]);
    assert_eq!(code, Some(0), "{said}");
    console.until("the server finds what was imported", SOON, || {
        console.count("net:127.96.1.0/24") == 3 && told() == 8
    });

    // A run of the server holds the store: the command says so, and does nothing.
    let id = begin(&console, &["127.96.2.0/24"], tenants.port, 50);
    console.until("the run asks", PATIENCE, || standing(&console, &id).2 > 5);
    for arguments in [
        vec!["scan", "--ports", &port, "127.96.3.1"],
        vec!["import", estate.path("found.ndjson").to_str().unwrap()],
    ] {
        let began = Instant::now();
        let (code, said) = estate.run(&arguments);
        assert_eq!(code, Some(3), "{arguments:?}: {said}");
        assert!(
            said.contains("error") && said.contains("is being written to by process"),
            "{arguments:?}: {said}"
        );
        assert!(began.elapsed() < SOON, "{arguments:?} waited");
    }
    assert!(tenants.asked("127.96.3.").is_empty(), "a refused command has asked somebody");
    console.scanned_run(&id);
    assert_eq!(estate.run(&["scan", "--ports", &port, "127.96.3.1"]).0, Some(0), "once it is over, it works");
}

#[test]
fn a_run_waits_for_a_command_that_writes_and_says_so() {
    let estate = Estate::with(TOLD_AT_ONCE);
    let tenants = Tenants::open();
    let console = estate.serve();
    let found = found_elsewhere("127.97.0.1", &tenants.port.to_string());
    // An import that has read its first line and waits for more.
    let mut command = estate.command(&["import", "-"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(File::create(estate.path("import.err")).unwrap());
    let mut import = command.spawn().unwrap();
    let mut lines = import.stdin.take().unwrap();
    lines.write_all(found.as_bytes()).unwrap();
    let lock = || estate.run(&["import", "/dev/null"]).0 == Some(3);
    console.until("the import holds the store", PATIENCE, lock);

    let id = begin(&console, &["127.97.1.1-4"], tenants.port, 100);
    console.until("the run says that it waits", SOON, || {
        standing(&console, &id).1.as_deref() == Some("waiting-for-store")
    });
    assert!(tenants.asked("127.97.1.").is_empty(), "it asks before it can store");
    drop(lines);
    assert!(import.wait().unwrap().success());
    console.scanned_run(&id);
    console.until("both are stored", SOON, || console.count("net:127.97.0.0/16") == 5);
}

/// What a scan on another data directory finds, as banners.
fn found_elsewhere(targets: &str, port: &str) -> String {
    let other = Estate::new();
    let (code, said) = other.run(&["scan", "--ports", port, targets]);
    assert_eq!(code, Some(0), "{said}");
    let (code, banners) = other.run(&["--quiet", "export", "*", "-"]);
    assert_eq!(code, Some(0), "{banners}");
    banners
}
