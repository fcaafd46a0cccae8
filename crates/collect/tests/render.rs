//! Programs that render: what they give is read; those that hang, leave helpers behind or never stop are ended.

#![expect(clippy::unwrap_used, reason = "a test, also in the functions around it")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    time::{Duration, Instant},
};

use nightlatch_collect::{Renderers, render_folders};

/// Renders a chart with a shell script as helm: what it gave, or what was said, and how long it took.
fn render(script: &str, change: impl FnOnce(&mut Renderers)) -> (Result<String, String>, Duration) {
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path().join("chart");
    fs::create_dir(&chart).unwrap();
    fs::write(chart.join("Chart.yaml"), "name: c\n").unwrap();
    let helm = folder.path().join("helm");
    fs::write(&helm, format!("#!/bin/sh\ncd '{}'\n{script}\n", folder.path().display())).unwrap();
    fs::set_permissions(&helm, fs::Permissions::from_mode(0o755)).unwrap();
    let mut renderers = Renderers { helm, ..Renderers::default() };
    change(&mut renderers);
    let began = Instant::now();
    let (inputs, failures) = render_folders(&[chart], &renderers);
    let took = began.elapsed();
    let given = inputs.first().map(|input| String::from_utf8(input.bytes.clone()).unwrap());
    (given.ok_or_else(|| failures[0].1.to_string()), took)
}

fn usual(_: &mut Renderers) {}

/// Whether a process still runs; a zombie that nobody has reaped does not.
fn runs(pid: &str) -> bool {
    let status = fs::read_to_string(Path::new("/proc").join(pid.trim()).join("status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[test]
fn what_it_writes_is_read_and_what_it_complains_is_told() {
    assert_eq!(render("echo 'kind: Pod'", usual).0.unwrap(), "kind: Pod\n");
    let said = render("echo no values >&2; exit 3", usual).0.unwrap_err();
    assert!(said.ends_with("failed: no values"), "{said}");
    let said = render("exit 3", usual).0.unwrap_err();
    assert!(said.ends_with("failed: it ended with exit code 3 and said nothing"), "{said}");
    // More than a pipe holds, on both at once.
    let long = "yes x | head -c 300000; yes y | head -c 300000 >&2; yes x | head -c 300000";
    assert_eq!(render(long, usual).0.unwrap().len(), 600_000);
}

#[test]
fn a_helper_left_behind_is_not_waited_for_and_ended() {
    let pid_file = tempfile::NamedTempFile::new().unwrap();
    let script = format!("echo 'kind: Pod'\nsleep 300 &\necho $! > '{}'\nexit 0", pid_file.path().display());
    let (given, took) = render(&script, usual);
    assert_eq!(given.unwrap(), "kind: Pod\n");
    assert!(took < Duration::from_secs(20), "{took:?}");
    let pid = fs::read_to_string(pid_file.path()).unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while runs(&pid) {
        assert!(Instant::now() < until, "the helper {pid} still runs");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_helper_that_leaves_the_group_is_not_waited_for() {
    let pid_file = tempfile::NamedTempFile::new().unwrap();
    let path = pid_file.path().display();
    let script =
        format!("echo 'kind: Pod'\nsetsid sh -c 'echo $$ > {path}; exec sleep 30' &\nsleep 0.3\nexit 0");
    let (given, took) = render(&script, usual);
    assert_eq!(given.unwrap(), "kind: Pod\n");
    assert!(took < Duration::from_secs(20), "{took:?}");
    // It is ours to end.
    let pid = fs::read_to_string(pid_file.path()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[test]
fn one_that_hangs_or_never_stops_writing_is_ended() {
    let pid_file = tempfile::NamedTempFile::new().unwrap();
    let script = format!("echo $$ > '{}'\nsleep 300", pid_file.path().display());
    let (given, took) = render(&script, |renderers| renderers.time_max = Duration::from_millis(700));
    assert!(given.unwrap_err().contains("took longer than"));
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(!runs(&fs::read_to_string(pid_file.path()).unwrap()));
    let (given, took) = render("yes", |renderers| renderers.bytes_max = 3_000_000);
    assert!(given.unwrap_err().contains("wrote more than 3 MB"));
    assert!(took < Duration::from_secs(20), "{took:?}");
    let said = render("", |renderers| renderers.helm = "/nowhere/helm".into()).0.unwrap_err();
    assert!(said.contains("was not found"), "{said}");
}
