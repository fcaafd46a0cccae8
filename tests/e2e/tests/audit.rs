//! `nightlatch audit` as people and pipelines meet it: formats, gates, baselines, exemptions, patches, and bad input.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test, also in the functions around it")]

use std::{
    fs,
    io::Write,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

const DEPLOYMENT: &str = "\
# the shop
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: app # the app
        image: registry.example/web:1
        securityContext:
          privileged: true # for now
";

fn binary() -> Command {
    let mut command = Command::new(nightlatch_e2e::nightlatch::binary());
    command.env("NO_COLOR", "1").env("COLUMNS", "80").env_remove("NIGHTLATCH_DATA").stdin(Stdio::null());
    command
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn audit(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        binary().current_dir(folder).arg("audit").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

fn json(folder: &Path, arguments: &[&str]) -> (i32, Value) {
    let (code, out, err) = audit(folder, &[&["--json"], arguments].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{err}")))
}

/// Rule and line of everything that counts.
fn counted(report: &Value) -> Vec<(String, u64)> {
    report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding.get("suppressed").is_none())
        .map(|finding| {
            (finding["rule"].as_str().unwrap().to_owned(), finding["location"]["line"].as_u64().unwrap())
        })
        .collect()
}

#[test]
fn a_finding_says_where_and_the_gate_fails() {
    let folder = folder(&[("deploy/web.yaml", DEPLOYMENT)]);
    let (code, report) = json(folder.path(), &["deploy", "--rule", "POD-001"]);
    assert_eq!((code, counted(&report)), (0, vec![("POD-001".into(), 13)]));
    let finding = &report["findings"][0];
    assert_eq!(finding["location"]["file"], "deploy/web.yaml");
    assert_eq!(finding["location"]["column"], 23);
    assert_eq!(finding["subject"]["container"], "app");
    assert_eq!(audit(folder.path(), &[".", "--fail-on", "critical"]).0, 1);
    assert_eq!(audit(folder.path(), &[".", "--fail-on", "critical", "--skip", "POD-001"]).0, 0);
    let (_, text, _) = audit(folder.path(), &["."]);
    assert!(text.contains("deploy/web.yaml:13:23"), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
}

#[test]
fn every_format_is_written_and_read_back() {
    let folder = folder(&[("web.yaml", DEPLOYMENT)]);
    let names = ["text", "json", "sarif", "junit", "html", "markdown"];
    let reports: Vec<String> = names.iter().map(|name| format!("--report={name}=out.{name}")).collect();
    let arguments: Vec<&str> =
        std::iter::once("web.yaml").chain(reports.iter().map(String::as_str)).collect();
    let (code, _, err) = audit(folder.path(), &arguments);
    assert_eq!(code, 0, "{err}");
    for name in names {
        let text = fs::read_to_string(folder.path().join(format!("out.{name}"))).unwrap();
        assert!(text.contains("POD-001"), "{name}: {text}");
    }
    let sarif: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("out.sarif")).unwrap()).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
}

#[test]
fn a_baseline_leaves_only_what_is_new_even_when_lines_move() {
    let folder = folder(&[("web.yaml", DEPLOYMENT)]);
    assert_eq!(audit(folder.path(), &["web.yaml", "--write-baseline", "known.json"]).0, 0);
    fs::write(folder.path().join("web.yaml"), format!("# moved\n\n{DEPLOYMENT}")).unwrap();
    let (code, report) = json(folder.path(), &["web.yaml", "--baseline", "known.json", "--fail-on", "info"]);
    assert_eq!((code, counted(&report)), (0, vec![]));
    let worse = DEPLOYMENT.replace("    spec:\n", "    spec:\n      hostPID: true\n");
    fs::write(folder.path().join("web.yaml"), worse).unwrap();
    let (code, report) = json(folder.path(), &["web.yaml", "--baseline", "known.json", "--fail-on", "info"]);
    assert_eq!((code, counted(&report)), (1, vec![("POD-005".into(), 9)]));
}

#[test]
fn exemptions_hold_until_their_day_and_useless_ones_are_told() {
    let exempt = |mark: &str| {
        DEPLOYMENT.replace(
            "          privileged: true",
            &format!("          # nightlatch:ignore {mark}\n          privileged: true"),
        )
    };
    let check = |mark: &str, count: usize, notice: &str| {
        let folder = folder(&[("web.yaml", &exempt(mark))]);
        let (_, report) = json(folder.path(), &["web.yaml", "--rule", "POD-001,POD-005"]);
        assert_eq!(counted(&report).len(), count, "{mark}: {report}");
        let notices = report["notices"].to_string();
        assert!(notices.contains(notice), "{mark}: {notices}");
    };
    check("POD-001 the agent needs it", 0, "[]");
    check("pod/privileged until=2999-01-31 the agent needs it", 0, "[]");
    check("POD-001 until=2020-01-31", 1, "expired-suppression");
    check("POD-005", 1, "unused-suppression");
    check("POD-0001", 1, "there is no rule");
}

#[test]
fn settings_are_found_above_and_wrong_ones_are_refused_with_the_nearest() {
    let folder = folder(&[
        (
            "nightlatch-audit.toml",
            "fail-on = 'high'\n[[ignore]]\nrule = 'POD-001'\nname = 'w*'\nreason = 'node agent'\n",
        ),
        ("deploy/web.yaml", DEPLOYMENT),
    ]);
    let inside = folder.path().join("deploy");
    let (code, report) = json(&inside, &[".", "--rule", "POD-001"]);
    assert_eq!((code, counted(&report).len()), (0, 0));
    assert_eq!(report["findings"][0]["suppressed"]["by"], "config");
    fs::write(folder.path().join("nightlatch-audit.toml"), "disable = ['POD-01']\n").unwrap();
    let (code, _, err) = audit(&inside, &["."]);
    assert_eq!(code, 2);
    assert!(err.contains("unknown rule `POD-01`") && err.contains("did you mean"), "{err}");
}

#[test]
fn patches_keep_comments_and_are_only_shown_until_told_to_write() {
    let folder = folder(&[("web.yaml", DEPLOYMENT)]);
    let path = folder.path().join("web.yaml");
    let (code, diff, _) = audit(folder.path(), &["web.yaml", "--fix", "--rule", "POD-001,POD-002"]);
    assert_eq!(code, 0);
    assert!(diff.contains("-          privileged: true # for now"), "{diff}");
    assert_eq!(fs::read_to_string(&path).unwrap(), DEPLOYMENT);
    audit(folder.path(), &["web.yaml", "--fix", "--write", "--rule", "POD-001,POD-002"]);
    let mended = fs::read_to_string(&path).unwrap();
    assert!(mended.contains("# the shop") && mended.contains("# the app"), "{mended}");
    let (_, report) = json(folder.path(), &["web.yaml", "--rule", "POD-001,POD-002"]);
    assert_eq!(counted(&report), [], "{mended}");
}

#[test]
fn bad_documents_are_named_and_the_rest_is_audited() {
    let laugh: String =
        (1..30).map(|n| format!("a{n}: &a{n} [*a{0}, *a{0}, *a{0}, *a{0}]\n", n - 1)).collect();
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let bad = format!("a: [1, 2\n---\n{DEPLOYMENT}---\nkey: \"open\n");
    let folder = folder(&[
        ("a-bad.yaml", bad.as_str()),
        ("b-laugh.yaml", &format!("a0: &a0 [x, x]\n{laugh}")),
        ("c-deep.yaml", &deep),
        ("d-template.yaml", "kind: {{ .Values.kind }}\nmetadata:\n  name: {{ include \"x\" . }}\n"),
        ("e-crlf.yaml", &format!("\u{feff}{}", DEPLOYMENT.replace('\n', "\r\n"))),
        ("f-twice.yaml", &DEPLOYMENT.replace("kind: Deployment\n", "kind: Deployment\nkind: Deployment\n")),
    ]);
    fs::write(folder.path().join("g-bytes.yaml"), b"a: 1\nb: \xff\xfe\n").unwrap();
    symlink("/etc/passwd", folder.path().join("h-link.yaml")).unwrap();
    let started = Instant::now();
    let (code, report) = json(folder.path(), &[".", "--rule", "POD-001"]);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(code, 2, "{}", report["notices"]);
    let files: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|found| found["location"]["file"].as_str().unwrap())
        .collect();
    assert_eq!(files, ["a-bad.yaml", "e-crlf.yaml", "f-twice.yaml"], "{}", report["notices"]);
    let notices = report["notices"].to_string();
    for name in ["a-bad", "b-laugh", "c-deep", "d-template", "f-twice", "g-bytes", "h-link"] {
        assert!(notices.contains(name), "{name}: {notices}");
    }
}

#[test]
fn standard_input_a_closed_pipe_and_nothing_at_all() {
    let mut child = binary()
        .args(["audit", "-", "--json", "--rule", "POD-001"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(DEPLOYMENT.as_bytes()).unwrap();
    let report: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(report["findings"][0]["location"]["file"], "-");
    let empty = folder(&[]);
    let (code, _, err) = audit(empty.path(), &["."]);
    assert_eq!(code, 2);
    assert!(err.contains("nothing to read"), "{err}");
    let (code, _, err) = audit(empty.path(), &["absent.yaml"]);
    assert_eq!(code, 2, "{err}");
    let (code, out, _) = audit(empty.path(), &["--explain", "pod/privileged"]);
    assert!(code == 0 && out.contains("POD-001"), "{out}");
    let (code, _, err) = audit(empty.path(), &["--explain", "pod/priviliged"]);
    assert!(code == 2 && err.contains("did you mean `pod/privileged`"), "{err}");
}

#[test]
fn a_full_disk_is_an_error_and_nothing_is_lost() {
    let folder = folder(&[("web.yaml", DEPLOYMENT)]);
    let status = binary()
        .current_dir(folder.path())
        .args(["audit", "web.yaml"])
        .stdout(fs::File::options().write(true).open("/dev/full").unwrap())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(3));
}
