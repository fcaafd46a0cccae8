//! The binary as people meet it: exit codes, messages, files left alone.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::{
    io::Write,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn nightlatch(data: &Path, arguments: &[&str]) -> Run {
    let output = command(data).args(arguments).stdin(Stdio::null()).output().unwrap();
    run(&output)
}

fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nightlatch"));
    command.env_clear().env("NIGHTLATCH_DATA", data).env("COLUMNS", "80").env("LANG", "C.UTF-8");
    command
}

fn run(output: &Output) -> Run {
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout.clone()).unwrap(),
        err: String::from_utf8(output.stderr.clone()).unwrap(),
    }
}

/// A server that greets with terminal escapes, formulas and overrides, on a port of its own.
fn hostile_server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().take(64).flatten() {
            let mut stream = stream;
            let page = "<title>\x1b]0;owned\x07\u{202e}=cmd|' /C calc'!A0</title>";
            let head = "HTTP/1.1 200 OK\r\nServer: =1+1\x1b[31m\u{9b}31m,\"x\"\r\nContent-Type: text/html\r\nConnection: close";
            let answer = format!("{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len());
            let mut request = [0; 4096];
            // A client that goes away early is none of this test's business.
            let _ = std::io::Read::read(&mut stream, &mut request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

/// A terminal obeys none of it: no control character but the line feed, and no character that turns text around.
fn assert_harmless(text: &str, what: &str) {
    let bad = text.chars().find(|c| *c != '\n' && *c != '\t' && nightlatch_untrusted::is_dangerous(*c));
    assert_eq!(bad, None, "{what}: {text:?}");
}

#[test]
fn what_a_server_says_is_harmless_at_every_exit() {
    let data = tempfile::tempdir().unwrap();
    let target = format!("127.0.0.1:{}", hostile_server());
    let scan = nightlatch(data.path(), &["scan", &target]);
    assert_eq!(scan.code, 0, "{}", scan.err);
    assert!(scan.out.contains("(http)"), "{}", scan.out);
    let file = data.path().join("out.json.gz");
    let file = file.to_str().unwrap();
    for arguments in [
        vec!["search", ""],
        vec!["search", "", "--json"],
        vec!["search", "", "--csv"],
        vec!["search", "", "--fields", "http.server,http.title,ip"],
        vec!["search", "", "--fields", "http.server,http.title,ip", "--csv"],
        vec!["stats", "--facets", "http.server,http.title"],
        vec!["stats", "--facets", "http.server,http.title", "--json"],
        vec!["host", "127.0.0.1"],
        vec!["host", "127.0.0.1", "--json"],
        vec!["export", "", "-"],
        vec!["export", "", file],
        vec!["scan", &target, "--json"],
        vec!["scan", &target, "--csv"],
        vec!["search", "\u{1b}[31m:x"],
        vec!["import", "/nonexistent/\u{1b}[31m"],
        vec!["runs"],
    ] {
        let run = nightlatch(data.path(), &arguments);
        assert!(run.code == 0 || run.code == 2, "{arguments:?}: {}", run.err);
        assert_harmless(&run.out, &format!("{arguments:?} out"));
        assert_harmless(&run.err, &format!("{arguments:?} err"));
        if arguments.contains(&"--csv") {
            let formula =
                run.out.split(['\n', ',']).find(|cell| cell.trim_matches('"').starts_with(['=', '@']));
            assert_eq!(formula, None, "{arguments:?}");
        }
    }
}

#[test]
fn what_is_shown_to_type_can_be_typed() {
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("a b");
    let demo = nightlatch(&data, &["demo"]);
    assert_eq!(demo.code, 0, "{}", demo.err);
    let shown: Vec<&str> = demo.out.lines().filter(|line| line.contains(" --data ")).collect();
    assert_eq!(shown.len(), 3, "{}", demo.out);
    for line in shown {
        let output = Command::new("sh").args(["-c", line]).env_clear().output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{line}");
    }
}

#[test]
fn mistakes_end_with_code_2_and_say_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let scope = data.path().join("scope.toml");
    std::fs::write(&scope, "[[block]]\nnet = \"192.0.2.0/24\"\nownr = \"me\"\n").unwrap();
    let list = data.path().join("targets.txt");
    std::fs::write(&list, "127.0.0.1\nnot a target/99\n").unwrap();
    let latin = data.path().join("latin.txt");
    std::fs::write(&latin, b"127.0.0.1\n# \xc3\xa9\xe9\n").unwrap();
    let latin = latin.to_str().unwrap();
    let (scope, list) = (scope.to_str().unwrap(), list.to_str().unwrap());
    let empty = tempfile::tempdir().unwrap();
    for (arguments, expected) in [
        (vec!["scan"], "required"),
        (vec!["scan", "127.0.0.1", "--rat", "5"], "--rate"),
        (vec!["scan", "127.0.0.1", "--ports", "kubernets"], "did you mean `kubernetes`?"),
        (vec!["scan", "127.0.0.1", "--ports", "70000"], "70000"),
        (vec!["scan", "192.0.2.1"], "[[block]]"),
        (vec!["scan", "224.0.0.1"], "multicast"),
        (vec!["scan", "127.0.0.1", "--scope", scope], "owner"),
        (vec!["scan", "127.0.0.1", "--scope", "/nonexistent/scope.toml"], "/nonexistent/scope.toml"),
        (vec!["scan", "--input-list", list], "targets.txt:2:"),
        (vec!["scan", "-iL", list], "targets.txt:2:"),
        (vec!["scan", "--resume", "nope"], "nope"),
        (vec!["search", "prodct:x"], "did you mean `product`?"),
        (vec!["search", "port:80x"], "port"),
        (vec!["search", "(a"], "parenthesis"),
        (vec!["count", "x"], "no nightlatch data"),
        (vec!["stats", "--facets", "data"], "data"),
        (vec!["stats", "--facets", "country:0"], "country:0"),
        (vec!["fingerprint", "show", "etdc"], "did you mean `etcd`?"),
        (vec!["import", "/nonexistent"], "/nonexistent"),
        (vec!["host", "300.1.1.1"], "300.1.1.1"),
        (vec!["scan", "-iL", latin], "latin.txt:2:4: not UTF-8"),
        (vec!["scan", "http://me:geheim@127.0.0.1/"], "http://***@127.0.0.1/"),
    ] {
        let run = nightlatch(empty.path(), &arguments);
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.err);
        assert!(run.err.contains(expected), "{arguments:?} lacks {expected:?}: {}", run.err);
        assert!(run.out.is_empty(), "{arguments:?}: {}", run.out);
    }
    assert!(!empty.path().join("MANIFEST").exists(), "a refused command left a store behind");
}

#[test]
fn a_broken_configuration_is_named_with_line_and_column() {
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("nightlatch.toml"), "[enrich]\ngeo = []\ngeoo = []\n").unwrap();
    let run = nightlatch(data.path(), &["enrich", "status"]);
    assert_eq!(run.code, 2);
    assert!(run.err.contains("nightlatch.toml:3:1") && run.err.contains("geoo"), "{}", run.err);
    std::fs::write(data.path().join("nightlatch.toml"), "[names]\nresolver = \"here\"\n").unwrap();
    let run = nightlatch(data.path(), &["enrich", "status"]);
    assert_eq!(run.code, 2, "{}", run.out);
    assert!(run.err.contains("nightlatch.toml:2:12") && run.err.contains("\"system\""), "{}", run.err);
    std::fs::write(data.path().join("nightlatch.toml"), "[names]\nresolver = \"192.0.2.53\"\n").unwrap();
    assert!(nightlatch(data.path(), &["enrich", "status"]).out.contains("asked of 192.0.2.53:53"));
    std::fs::write(data.path().join("nightlatch.toml"), "[enrich]\ngeo = [\"missing.mmdb\"]\n").unwrap();
    let run = nightlatch(data.path(), &["scan", "127.0.0.1:9"]);
    assert_eq!(run.code, 2, "{}", run.err);
    assert!(run.err.contains("missing.mmdb"), "{}", run.err);
}

#[test]
fn severity_decides_the_exit_code() {
    let data = tempfile::tempdir().unwrap();
    let target = format!("127.0.0.1:{}", hostile_server());
    assert_eq!(nightlatch(data.path(), &["scan", &target, "--fail-on", "critical"]).code, 0);
    assert_eq!(nightlatch(data.path(), &["scan", &target, "--fail-on", "info"]).code, 1);
    assert_eq!(nightlatch(data.path(), &["scan", &target, "--fail-on", "awful"]).code, 2);
}

#[test]
fn import_takes_what_is_good_and_says_what_is_not() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("mixed.json");
    let banner = |port: &str, day: u32, text: &str| {
        format!(
            r#"{{"ip_str":"192.0.2.1","port":{port},"timestamp":"2026-09-{day:02}T10:00:00","data":"{text}"}}"#
        )
    };
    let lines = [
        format!("\u{feff}{}", banner("80", 3, "new")),
        banner("80", 1, "old"),
        banner("80", 2, "old"),
        "nonsense".to_owned(),
        banner(r#""443""#, 1, "port as text"),
        "x".repeat(nightlatch_banner::LINE_BYTES_MAX + 1),
        banner("22", 1, "after the long line"),
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let store = data.path().join("store");
    let import = || nightlatch(&store, &["import", file.to_str().unwrap()]);
    let counts = || {
        let count = |arguments: &[&str]| nightlatch(&store, arguments).out.trim().to_owned();
        (count(&["count"]), count(&["count", "--history"]), count(&["count", "old", "--history"]))
    };
    let first = import();
    assert_eq!(first.code, 2, "{}", first.err);
    for told in ["mixed.json: line 4: ", "mixed.json: line 6: ", "4 stored, 1 unchanged", "lines left out: 2"]
    {
        assert!(first.err.contains(told), "{told} in {}", first.err);
    }
    assert_eq!(counts(), ("3".into(), "4".into(), "1".into()));
    let again = import();
    assert!(again.err.contains("0 stored, 0 unchanged, 5 known already"), "{}", again.err);
    assert_eq!(counts(), ("3".into(), "4".into(), "1".into()));
    let newest = nightlatch(&store, &["search", "port:80", "-old", "--fields", "time,last_seen"]);
    assert!(newest.out.starts_with("2026-09-03"), "{} {}", newest.out, newest.err);
    assert_eq!(nightlatch(&store, &["count", "--history", "old", "after:2026-09-02"]).out.trim(), "1");

    let folder = nightlatch(&store, &["import", data.path().to_str().unwrap()]);
    assert_eq!(folder.code, 2);
    assert!(folder.err.contains(data.path().to_str().unwrap()), "{}", folder.err);
}

#[test]
fn export_replaces_files_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let path = |name: &str| data.path().join(name).to_str().unwrap().to_owned();
    assert_eq!(nightlatch(data.path(), &["import", "/dev/null"]).code, 0);
    std::fs::write(path("real"), "old").unwrap();
    std::os::unix::fs::symlink(path("real"), path("link")).unwrap();
    std::os::unix::fs::symlink("/dev/null", path("device")).unwrap();
    assert_eq!(nightlatch(data.path(), &["export", "", &path("link")]).code, 2);
    assert_eq!(nightlatch(data.path(), &["export", "", &path("link"), "--force"]).code, 0);
    assert!(std::fs::symlink_metadata(path("link")).unwrap().is_symlink());
    assert!(std::fs::read(path("real")).unwrap().starts_with(&[0x1f, 0x8b]));
    let refused = nightlatch(data.path(), &["export", "", &path("device"), "--force"]);
    assert_eq!(refused.code, 2, "{}", refused.err);
    assert!(refused.err.contains("is not a file"), "{}", refused.err);
    assert!(std::fs::symlink_metadata(path("device")).unwrap().is_symlink());
}

#[test]
fn a_second_writer_is_told_who_holds_the_directory() {
    let data = tempfile::tempdir().unwrap();
    let mut scanning = command(data.path())
        .args(["scan", "127.0.0.0/16", "--ports", "9", "--rate", "50"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let holder = scanning.id().to_string();
    let until = Instant::now() + Duration::from_secs(60);
    // The store is there once its manifest is; before that a second scan might be the first.
    let holds = || {
        std::fs::read_to_string(data.path().join("LOCK")).is_ok_and(|text| text.trim() == holder)
            && data.path().join("MANIFEST").exists()
    };
    while !holds() && Instant::now() < until {
        thread::sleep(Duration::from_millis(50));
    }
    let refused = nightlatch(data.path(), &["scan", "127.0.0.1:9"]);
    let count = nightlatch(data.path(), &["count"]);
    scanning.kill().unwrap();
    scanning.wait().unwrap();
    assert_eq!(refused.code, 3, "{}", refused.err);
    assert!(refused.err.contains(&format!("process {}", scanning.id())), "{}", refused.err);
    assert_eq!((count.code, count.out.trim()), (0, "0"), "readers are never locked out: {}", count.err);
}

#[test]
fn ctrl_c_keeps_what_was_found_and_says_how_to_go_on() {
    let data = tempfile::tempdir().unwrap();
    let target = hostile_server();
    let ports = format!("9,{target}");
    let child = command(data.path())
        .args(["scan", "127.0.0.0/28", "--ports", &ports, "--rate", "4"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_secs(3));
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(),
        rustix::process::Signal::INT,
    )
    .unwrap();
    let stopped = run(&child.wait_with_output().unwrap());
    assert_eq!(stopped.code, 130, "{}", stopped.err);
    let resume = stopped.err.lines().find_map(|line| line.split("--resume ").nth(1)).unwrap().trim();
    let resumed = nightlatch(data.path(), &["scan", "--resume", resume]);
    assert_eq!(resumed.code, 0, "{}", resumed.err);
    assert!(resumed.err.contains("at most 4 a second"), "the rate holds: {}", resumed.err);
    // 127.0.0.0 is no host address; every other one of the block is asked once, on both ports.
    let runs = nightlatch(data.path(), &["runs", "--json"]);
    let record: serde_json::Value = serde_json::from_str(runs.out.trim()).unwrap();
    assert_eq!(record["state"], "finished");
    let tally: u64 = record["tally"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(Some(tally), record["endpoints"].as_u64());
    assert_eq!(record["tally"]["open"], 1, "{}", runs.out);
}

/// What nobody reads or can be written ends no command: a scan is as good with its remarks lost.
#[test]
fn standard_error_may_be_full_or_closed() {
    let data = tempfile::tempdir().unwrap();
    let target = format!("127.0.0.1:{}", hostile_server());
    let full = || Stdio::from(std::fs::File::options().write(true).open("/dev/full").unwrap());
    let scan = command(data.path()).args(["scan", &target]).stderr(full()).output().unwrap();
    assert_eq!(scan.status.code(), Some(0));
    assert!(String::from_utf8(scan.stdout).unwrap().contains("(http)"));
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mistaken = command(data.path()).args(["search", "prodct:x"]).stderr(writer).output().unwrap();
    assert_eq!(mistaken.status.code(), Some(2));
    let unwritable = command(data.path()).args(["count"]).stdout(full()).stderr(full()).output().unwrap();
    assert_eq!(unwritable.status.code(), Some(3));
}

#[test]
fn rows_come_in_the_order_asked_for() {
    let data = tempfile::tempdir().unwrap();
    let banners = (1..=4).map(|n| {
        format!("{{\"ip_str\":\"192.0.2.{n}\",\"port\":80,\"data\":\"x\",\"timestamp\":\"2026-01-0{n}T00:00:00.000000\"}}\n")
    });
    let file = data.path().join("in.json");
    std::fs::write(&file, banners.collect::<String>()).unwrap();
    let import = nightlatch(data.path(), &["import", file.to_str().unwrap(), "--json"]);
    assert_eq!(
        import.out, "{\"known_already\":0,\"left_out\":0,\"new_endpoints\":4,\"stored\":4,\"unchanged\":0}\n",
        "{}",
        import.err
    );
    for (order, first) in [("newest", "192.0.2.4"), ("oldest", "192.0.2.1"), ("address", "192.0.2.1")] {
        let run = nightlatch(data.path(), &["search", "--sort", order]);
        assert!(run.out.lines().nth(1).unwrap().contains(first), "{order}: {}", run.out);
    }
}

#[test]
fn a_directory_that_cannot_be_written_to_is_searched_all_the_same() {
    let data = tempfile::tempdir().unwrap();
    let target = format!("127.0.0.1:{}", hostile_server());
    assert_eq!(nightlatch(data.path(), &["scan", &target]).code, 0);
    // A mount of its own in a name space of its own; it ends with the process.
    let script = "mount --bind \"$NIGHTLATCH_DATA\" \"$NIGHTLATCH_DATA\" \
        && mount -o remount,ro,bind \"$NIGHTLATCH_DATA\" && \"$0\" count && \"$0\" scan 127.0.0.1:9";
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_nightlatch")]);
    let output = unshare.env("NIGHTLATCH_DATA", data.path()).output().unwrap();
    let run = run(&output);
    assert_eq!((run.out.as_str(), run.code), ("1\n", 3), "{}", run.err);
    assert!(run.err.contains("Read-only file system"), "{}", run.err);
}

/// Whatever the disk has room for: what a scan says was found is found, or the scan says why not, and the directory
/// works again once there is room.
#[test]
fn a_full_disk_is_told_and_leaves_a_directory_that_works() {
    let place = tempfile::tempdir().unwrap();
    let target = format!("127.0.0.1:{}", hostile_server());
    let script = r#"for size in 16 24 32 40 48 56 64 72 80 96 112 128 160; do
        mount -t tmpfs -o size=${size}k tmpfs "$1" || exit 9
        "$0" scan "$2" > /dev/null 2>&1; code=$?
        count=$("$0" count 2> /dev/null)
        mount -o remount,size=20m "$1" || exit 9
        "$0" scan "$2" > /dev/null 2>&1; again=$?
        echo "$size $code ${count:-none} $again $("$0" count) $("$0" runs 2>&1 | grep -c 'cannot read')"
        umount "$1"
    done"#;
    let mut unshare = Command::new("unshare");
    unshare.args(["--mount", "--map-root-user", "sh", "-c", script, env!("CARGO_BIN_EXE_nightlatch")]);
    unshare.arg(place.path()).arg(&target).env("NIGHTLATCH_DATA", place.path().join("data"));
    let run = run(&unshare.output().unwrap());
    let (mut full, mut roomy) = (0, 0);
    for line in run.out.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words[1] {
            "0" => roomy += usize::from(words[2] == "1"),
            "3" => full += 1,
            _ => panic!("{line}"),
        }
        assert!(words[1] == "3" || words[2] == "1", "found, stored, and not to be found: {line}");
        assert_eq!(words[3..], ["0", "1", "0"], "it does not work again: {line}");
    }
    assert!(full > 0 && roomy > 0, "{}{}", run.out, run.err);
}

#[test]
fn what_a_data_directory_holds_is_for_its_owner() {
    use std::os::unix::fs::PermissionsExt;
    let parent = tempfile::tempdir().unwrap();
    let data = parent.path().join("new/data");
    assert_eq!(nightlatch(&data, &["scan", "127.0.0.1:9"]).code, 0);
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    // Cut short by a disk that was full: no later scan may take it for the real one.
    assert_eq!(std::fs::metadata(data.join("secret")).unwrap().len(), 32);
}

#[test]
fn scope_answers_can_be_read_by_programs() {
    let data = tempfile::tempdir().unwrap();
    let json = |run: &Run| -> Vec<serde_json::Value> {
        run.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let check = nightlatch(data.path(), &["scope", "check", "--json", "127.0.0.1", "192.0.2.0/24"]);
    let answers = json(&check);
    assert_eq!((check.code, answers.len()), (1, 2), "{}", check.err);
    assert_eq!(answers[0]["in_scope"], true);
    assert_eq!(answers[1]["refused"][0]["count"], 256);
    // The lines that are offered do what they say.
    std::fs::write(data.path().join("scope.toml"), answers[1]["lines_to_add"].as_str().unwrap()).unwrap();
    assert_eq!(nightlatch(data.path(), &["scope", "check", "192.0.2.0/24"]).code, 0);
    let explain = nightlatch(data.path(), &["scope", "explain", "192.0.2.7", "--json"]);
    assert_eq!(json(&explain)[0]["blocks"][0]["net"], "192.0.2.0/24", "{}", explain.err);
    for arguments in [
        vec!["fingerprint", "show", "etcd", "--json"],
        vec!["fingerprint", "lint", "etcd", "--json"],
        vec!["fingerprint", "test", "etcd", "--json"],
    ] {
        let run = nightlatch(data.path(), &arguments);
        assert!(
            run.code <= 1 && json(&run).iter().all(serde_json::Value::is_object),
            "{arguments:?}: {}",
            run.err
        );
    }
}

#[test]
fn a_name_without_an_address_does_not_hide_the_others() {
    let data = tempfile::tempdir().unwrap();
    let target = format!("127.0.0.1:{}", hostile_server());
    let scan = nightlatch(data.path(), &["scan", "gone.invalid", &target]);
    assert!(scan.out.contains("(http)"), "{}", scan.err);
    assert!(scan.err.contains("gone.invalid"), "{}", scan.err);
    assert_eq!(scan.code, 3, "a target that was not asked is not clean");
    let nothing = nightlatch(data.path(), &["scan", "127.0.0.1:9", "--csv"]);
    assert!(nothing.out.starts_with("time,ip,port,"), "{}", nothing.out);
    let excluded = nightlatch(data.path(), &["scan", &target, "--exclude", "gone.invalid"]);
    assert_eq!(excluded.code, 3, "nobody knows what must not be asked: {}", excluded.err);
    let excluded = nightlatch(data.path(), &["scan", &target, "--exclude", "localhost,192.0.2.1"]);
    assert_eq!(excluded.code, 2, "nothing is left: {}", excluded.err);
}

#[test]
fn shells_complete_fields_and_severities() {
    let data = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = nightlatch(data.path(), &["completions", shell]).out;
        assert!(script.contains("ssl.cert.issuer.cn") && script.contains("critical"), "{shell}");
    }
}

#[test]
fn completions_and_man_pages_are_written() {
    let data = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let run = nightlatch(data.path(), &["completions", shell]);
        assert!(run.code == 0 && run.out.contains("nightlatch"), "{shell}");
    }
    let dir = data.path().join("man");
    assert_eq!(nightlatch(data.path(), &["man", dir.to_str().unwrap()]).code, 0);
    assert!(std::fs::read_to_string(dir.join("nightlatch-scan.1")).unwrap().contains("TARGET"));
}

/// Opens a street of recordings, each at an address of its own.
fn street(houses: &[(&str, &str)]) -> nightlatch_replay::Street {
    let recordings = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../recordings");
    let house = |(name, address): &(&str, &str)| {
        let text = std::fs::read_to_string(recordings.join(format!("{name}.json"))).unwrap();
        let recording = nightlatch_replay::Recording::read(name, &text).unwrap();
        nightlatch_replay::House::new(&recording, address.parse().unwrap()).unwrap()
    };
    let began = Instant::now();
    loop {
        // The sockets of an earlier street close a moment after it, and a taken port would be replaced by a free one.
        let street = nightlatch_replay::Street::open(houses.iter().map(house).collect()).unwrap();
        let found = street.endpoints().iter().map(|resident| resident.address.to_string());
        if found.eq(houses.iter().map(|(_, address)| (*address).to_owned())) {
            return street;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "{:?} are taken", street.endpoints());
        drop(street);
        thread::sleep(Duration::from_millis(20));
    }
}

/// Scans everything of the first street, with a second look at the second one.
fn look_twice(data: &Path, first: &[(&str, &str)], second: &[(&str, &str)], arguments: &[&str]) -> Run {
    let open = street(first);
    let mut scan = command(data)
        .args(["scan", "--recheck", "3", "--json"])
        .args(first.iter().map(|(_, address)| address))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = std::io::BufReader::new(scan.stderr.take().unwrap());
    let mut err = String::new();
    while !err.contains("asked once more") {
        let read = std::io::BufRead::read_line(&mut told, &mut err).unwrap();
        assert!(read > 0, "no second look: {err}");
    }
    drop(open);
    let open = street(second);
    std::io::Read::read_to_string(&mut told, &mut err).unwrap();
    let output = scan.wait_with_output().unwrap();
    drop(open);
    Run { err, ..run(&output) }
}

#[test]
fn what_does_not_stand_open_twice_is_unknown() {
    let (docker, etcd, redis) = ("127.94.3.1:2375", "127.94.3.2:2379", "127.94.3.3:6379");
    let data = tempfile::tempdir().unwrap();
    let Run { code, out, err } = look_twice(
        data.path(),
        &[("docker/open", docker), ("etcd/open-v3", etcd), ("redis/open", redis)],
        &[("docker/open", docker), ("etcd/auth-enabled", etcd)],
        &["--fail-on", "critical"],
    );
    assert_eq!(code, 1, "Docker still stands open: {err}");
    assert!(err.contains("second look at 3 open doors: 1 answered differently, 1 not at all"), "{err}");
    let last = out.lines().last().unwrap();
    assert_eq!(out.lines().count(), 4, "three found, one answered differently: {out}");
    for part in ["\"exposure\":\"unknown\"", "flapping", "asked again: controllable at ", "127.94.3.2"] {
        assert!(last.contains(part), "{part} in {last}");
    }
    let count = |query: &str| nightlatch(data.path(), &["count", query]).out.trim().to_owned();
    assert_eq!(count("tag:flapping"), "1");
    assert_eq!(count("product:docker exposure:controllable"), "1");
    assert_eq!(count("product:etcd exposure:>=readable"), "0");
    assert_eq!(nightlatch(data.path(), &["runs", "--json"]).out.lines().count(), 2);
}

#[test]
fn what_a_second_look_unmasks_does_not_fail_the_scan() {
    let address = "127.94.4.1:2379";
    let data = tempfile::tempdir().unwrap();
    // Either answer alone would be critical.
    let run = look_twice(
        data.path(),
        &[("etcd/open-v3", address)],
        &[("docker/open", address)],
        &["--fail-on", "low"],
    );
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.lines().last().unwrap().contains("etcd controllable at "), "{}", run.out);
}

#[test]
fn lists_of_other_scanners_are_scanned_and_nothing_else() {
    let data = tempfile::tempdir().unwrap();
    let (port, other) = (hostile_server(), hostile_server());
    let name = |name: &str| data.path().join(name).to_str().unwrap().to_owned();
    let state = |state: &str, port: u16| {
        format!("<port protocol='tcp' portid='{port}'><state state='{state}'/></port>")
    };
    let host = format!(
        "<nmaprun><host><address addr='127.0.0.1'/><ports>{}{}</ports></host>",
        state("open", port),
        state("open|filtered", other)
    );
    for (tool, format, text) in [
        (
            "masscan",
            "list",
            format!("#masscan\nopen tcp {port} 127.0.0.1 1\nclosed tcp {other} 127.0.0.1 1\n# end\n"),
        ),
        ("masscan", "cut", format!("#masscan\nopen tcp {port} 127.0.0.1 1\nopen tcp {other} 127.0.")),
        ("zmap", "csv", format!("saddr,sport,success\n127.0.0.1,{port},1\n127.0.0.1,{other},0\n")),
        ("nmap", "xml", format!("{host}</nmaprun>")),
        ("nmap", "cut.xml", host),
    ] {
        let (file, store) = (name(format), data.path().join(format!("store-{format}")));
        std::fs::write(&file, text).unwrap();
        let run = nightlatch(&store, &["import", tool, &file, "--json"]);
        assert_eq!((run.code, run.out.lines().count()), (0, 1), "{format}: {} {}", run.out, run.err);
        assert!(run.out.contains(&format!("\"port\":{port}")), "{format}: {}", run.out);
        assert!(run.err.contains("1 open TCP ports"), "{format}: {}", run.err);
        assert_eq!(
            run.err.contains("is cut off at line"),
            format.starts_with("cut"),
            "{format}: {}",
            run.err
        );
        let runs = nightlatch(&store, &["runs", "--json"]);
        assert!(runs.out.contains("found open in"), "{}", runs.out);
    }
    std::fs::write(name("addresses"), "127.0.0.1\n").unwrap();
    let refused = nightlatch(data.path(), &["import", "zmap", &name("addresses")]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("addresses:1:1: this list has no ports"), "{}", refused.err);
    let both = ["import", "zmap", &name("addresses"), "--port", &port.to_string(), "--json"];
    assert_eq!(nightlatch(data.path(), &both).out.lines().count(), 1);
    // The scope and what is left out hold as in any scan.
    std::fs::write(name("far"), "open tcp 80 192.0.2.1 1\n").unwrap();
    let refused = nightlatch(data.path(), &["import", "masscan", &name("far")]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("192.0.2.1"), "{}", refused.err);
    let left_out = nightlatch(data.path(), &["import", "masscan", &name("list"), "--exclude", "127.0.0.1"]);
    assert!(left_out.code == 2 && left_out.err.contains("no target is left"), "{}", left_out.err);
    assert_eq!(nightlatch(data.path(), &["import", "nmap", &name("none")]).code, 2);
    assert_eq!(nightlatch(data.path(), &["import"]).code, 2);
}
