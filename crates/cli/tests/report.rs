//! `nightlatch report` as people meet it: what is written where, and what is refused.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output, Stdio},
};

use nightlatch_asset::{Observation, Record};
use nightlatch_banner::to_banner;
use nightlatch_untrusted::{hostile, is_dangerous};
use serde_json::{Value, json};

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn command(data: &Path, program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("NIGHTLATCH_DATA", data).env("COLUMNS", "80").env("LANG", "C.UTF-8");
    command.stdin(Stdio::null());
    command
}

fn nightlatch(data: &Path, arguments: &[&str]) -> Run {
    finished(&command(data, env!("CARGO_BIN_EXE_nightlatch")).args(arguments).output().unwrap())
}

fn finished(output: &Output) -> Run {
    Run {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout.clone()).unwrap(),
        err: String::from_utf8(output.stderr.clone()).unwrap(),
    }
}

fn observation(ip: &str, owner: Option<&str>, fingerprint: &str, exposure: &str, text: &str) -> Observation {
    serde_json::from_value(json!({
        "ip": ip, "port": 2375, "protocol": "http", "time": "2026-09-20T00:00:00Z", "run": "20260920T000000Z-7f3a",
        "owner": owner, "hostnames": [text],
        "verdict": {
            "fingerprint": fingerprint, "product": text, "version": "1.2.3", "exposure": exposure,
            "severity": if exposure == "limited" { "low" } else { "critical" }, "why": text,
            "evidence": [{"request": "version", "class": "T1", "asked": "GET /version", "answered": text}],
        },
    }))
    .unwrap()
}

/// A data directory with these observations.
fn stored(observations: &[Observation]) -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let mut lines = String::new();
    for observation in observations {
        let time = observation.time;
        let observation = observation.clone();
        let record =
            Record { id: 1, first_seen: time, last_seen: time, times_seen: 1, latest: true, observation };
        lines.push_str(&serde_json::to_string(&to_banner(&record)).unwrap());
        lines.push('\n');
    }
    let file = data.path().join("in.json");
    fs::write(&file, lines).unwrap();
    let import = nightlatch(data.path(), &["import", file.to_str().unwrap()]);
    assert_eq!(import.code, 0, "{}", import.err);
    data
}

fn three() -> tempfile::TempDir {
    stored(&[
        observation("192.0.2.1", Some("Shop team"), "docker-engine", "controllable", "Docker"),
        observation("192.0.2.2", Some("Shop team"), "etcd", "limited", "etcd"),
        observation("2001:db8::3", None, "elasticsearch", "readable", "Elasticsearch"),
    ])
}

#[test]
fn owners_get_what_is_theirs() {
    let data = three();
    let all = nightlatch(data.path(), &["report", "owner"]);
    assert_eq!(all.code, 0, "{}", all.err);
    for expected in ["## Shop team", "## nobody named", "1 of 2 services stands open", "DROP"] {
        assert!(all.out.contains(expected), "{expected}: {}", all.out);
    }
    let one = nightlatch(data.path(), &["report", "owner", "--owner", "shop TEAM", "--format", "json"]);
    let json: Value = serde_json::from_str(&one.out).unwrap();
    assert_eq!(json["owners"].as_array().unwrap().len(), 1);
    assert_eq!(json["owners"][0]["owner"], "Shop team");
    assert_eq!(json["owners"][0]["items"][0]["ip"], "192.0.2.1");
    let nobody = nightlatch(data.path(), &["report", "owner", "--owner", "", "--format", "csv"]);
    assert_eq!(nobody.out.lines().count(), 2, "{}", nobody.out);
    let wrong = nightlatch(data.path(), &["report", "owner", "--owner", "Shop"]);
    assert!(
        wrong.err.contains("owners: Shop team") && wrong.out.contains("Nothing was seen"),
        "{}",
        wrong.err
    );
    let late = nightlatch(data.path(), &["report", "owner", "--since", "2027-01-01"]);
    assert!(late.out.contains("Nothing was seen") && late.err.contains("nothing matches"), "{}", late.out);
}

#[test]
fn files_are_whole_and_replaced_only_when_told() {
    let data = three();
    let dir = data.path().join("out");
    let owners = format!("{}/", dir.display());
    let written = nightlatch(data.path(), &["report", "owner", "--output", &owners]);
    assert_eq!(written.code, 0, "{}", written.err);
    let names = || {
        let mut names: Vec<_> = fs::read_dir(&dir)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["owner-nobody-named.html", "owner-shop-team.html"]);
    let shop = dir.join("owner-shop-team.html");
    fs::write(&shop, "mine").unwrap();
    for arguments in [vec!["--output", &owners], vec!["--output", shop.to_str().unwrap()]] {
        let again = nightlatch(data.path(), &[vec!["report", "owner"], arguments].concat());
        assert_eq!(again.code, 2);
        assert!(again.err.contains("exists already") && again.err.contains("--force"), "{}", again.err);
    }
    assert_eq!(fs::read_to_string(&shop).unwrap(), "mine");
    assert_eq!(names().len(), 2, "a part was left behind: {:?}", names());
    let forced = nightlatch(data.path(), &["report", "owner", "--force", "--output", &owners]);
    assert_eq!(forced.code, 0, "{}", forced.err);
    let page = fs::read_to_string(&shop).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
}

#[test]
fn shadowserver_files_are_named_and_split() {
    let data = three();
    let dir = data.path().join("spool");
    let dir = dir.to_str().unwrap();
    let run = nightlatch(
        data.path(),
        &["report", "shadowserver", "--output", dir, "--identifier", "example", "--split", "/24,/48"],
    );
    assert_eq!(run.code, 0, "{}", run.err);
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let parts: Vec<&str> = names.iter().map(|name| &name[11..]).collect();
    assert_eq!(
        parts,
        ["scan6_elasticsearch-example-2001_db8___48.csv", "scan_docker-example-192_0_2_0_24.csv"]
    );
    let docker = fs::read_to_string(Path::new(dir).join(&names[1])).unwrap();
    assert_eq!(docker.lines().count(), 2);
    assert!(docker.starts_with("timestamp,severity,ip,protocol,port,"), "{docker}");
    assert!(docker.contains("\n2026-09-20 00:00:00,critical,192.0.2.1,tcp,2375,"), "{docker}");
}

#[test]
fn other_formats_are_what_they_say() {
    let data = three();
    let sarif: Value = serde_json::from_str(&nightlatch(data.path(), &["report", "sarif"]).out).unwrap();
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), 2);
    assert_eq!(nightlatch(data.path(), &["report", "cef"]).out.matches("CEF:0|Nightlatch|").count(), 2);
    let all = nightlatch(data.path(), &["report", "ecs", "--all"]).out;
    assert_eq!(all.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count(), 3);
    let landscape = nightlatch(data.path(), &["report", "landscape", "exposure:>=readable"]);
    assert!(landscape.out.contains("2 of 2 services (100 %)"), "{}", landscape.out);
}

#[test]
fn mistakes_end_with_code_2_and_write_nothing() {
    let data = three();
    let spool = data.path().join("spool");
    let spool = spool.to_str().unwrap();
    for (arguments, expected) in [
        (vec!["owner", "--since", "yesterday"], "--since `yesterday`"),
        (vec!["owner", "history:true"], "history:true"),
        (vec!["owner", "prodct:x"], "did you mean `product`?"),
        (vec!["owner", "--format", "pdf"], "pdf"),
        (vec!["landscape", "--format", "csv"], "not a table"),
        (vec!["sarif", "--output", "/"], "not a file"),
        (vec!["shadowserver"], "--output"),
        (vec!["shadowserver", "--output", "-"], "standard output"),
        (vec!["shadowserver", "--output", spool, "--split", "/33"], "--split `/33`"),
        (vec!["shadowserver", "--output", spool, "--split", "scope"], "scope.toml"),
    ] {
        let run = nightlatch(data.path(), &[vec!["report"], arguments.clone()].concat());
        assert_eq!(run.code, 2, "{arguments:?}: {}", run.err);
        assert!(run.err.contains(expected), "{arguments:?} lacks {expected:?}: {}", run.err);
        assert!(run.out.is_empty(), "{arguments:?}: {}", run.out);
    }
    assert!(!Path::new(spool).exists());
    let unwritable = nightlatch(data.path(), &["report", "cef", "--output", "/proc/nothing/x"]);
    assert_eq!(unwritable.code, 3, "{}", unwritable.err);
    assert!(unwritable.err.contains("/proc/nothing/x"), "{}", unwritable.err);
}

#[test]
fn what_a_server_says_is_harmless_in_every_report() {
    let mut observations = Vec::new();
    for (number, text) in hostile::CORPUS.iter().enumerate() {
        let ip = format!("198.51.100.{number}");
        observations.push(observation(&ip, Some(text), "docker-engine", "controllable", text));
    }
    let data = stored(&observations);
    let spool = data.path().join("spool");
    for arguments in [
        vec!["owner"],
        vec!["owner", "--format", "html"],
        vec!["owner", "--format", "json"],
        vec!["owner", "--format", "csv"],
        vec!["landscape"],
        vec!["landscape", "--format", "html"],
        vec!["sarif"],
        vec!["ecs"],
        vec!["cef"],
        vec!["owner", "--owner", "nobody of these"],
        vec!["shadowserver", "--output", spool.to_str().unwrap()],
        vec!["owner", "--output", spool.to_str().unwrap()],
    ] {
        let run = nightlatch(data.path(), &[vec!["report"], arguments.clone()].concat());
        assert_eq!(run.code, 0, "{arguments:?}: {}", run.err);
        for (name, text) in [("out", &run.out), ("err", &run.err)] {
            let bad = text.chars().find(|c| *c != '\n' && *c != '\t' && is_dangerous(*c));
            assert_eq!(bad, None, "{arguments:?} {name}");
        }
    }
    let mut files = 0;
    for entry in fs::read_dir(&spool).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)), "{name:?}");
        files += 1;
    }
    assert!(files > hostile::CORPUS.len() / 2, "{files}");
}

/// Every command of the guide, in its order, in one directory.
#[test]
fn the_commands_of_the_guide_work() {
    let data = three();
    let place = tempfile::tempdir().unwrap();
    let bin = place.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_nightlatch"), bin.join("nightlatch")).unwrap();
    let guide = include_str!("../../../docs/guide/reports.md");
    let mut met = 0;
    let shell = guide.split("```sh\n").skip(1).filter_map(|part| part.split("```").next());
    for line in shell.flat_map(str::lines).filter(|line| !line.is_empty()) {
        let output = command(data.path(), "sh")
            .args(["-c", line])
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .current_dir(place.path())
            .output()
            .unwrap();
        let run = finished(&output);
        assert_eq!(run.code, 0, "{line}: {}", run.err);
        met += 1;
    }
    assert!(met >= 10, "the guide lost its commands");
}
