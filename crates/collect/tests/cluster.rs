//! Clusters that refuse, break off, go on for ever and lie: what was read is there, what was not is named.

#![expect(clippy::unwrap_used, reason = "a test, also in the functions around it")]

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use nightlatch_collect::{Cluster, ClusterError, ClusterOptions, read_cluster};

/// What the server does for a path: the whole answer as bytes; the number counts requests for that path.
type Answer = fn(&str, usize) -> Vec<u8>;

fn json(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
        .into_bytes()
}

fn usual(path: &str) -> Option<Vec<u8>> {
    let body = match path {
        "/version" => r#"{"major":"1","minor":"29+"}"#,
        "/apis" => r#"{"groups":[{"preferredVersion":{"groupVersion":"apps/v1"}}]}"#,
        "/api/v1" => {
            r#"{"resources":[{"name":"pods","kind":"Pod","namespaced":true,"verbs":["list"]},
                {"name":"secrets","kind":"Secret","namespaced":true,"verbs":["list"]}]}"#
        }
        "/apis/apps/v1" => {
            r#"{"resources":[{"name":"deployments","kind":"Deployment","namespaced":true,"verbs":["list"]}]}"#
        }
        _ => return None,
    };
    Some(json("200 OK", body))
}

/// Serves on loopback until the test ends, and notes what was asked.
fn serve(answer: Answer) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let count = Arc::new(AtomicUsize::new(0));
    thread::spawn(move || {
        for stream in listener.incoming().take(500).flatten() {
            let (noted, count) = (Arc::clone(&noted), Arc::clone(&count));
            thread::spawn(move || one(stream, answer, &noted, &count));
        }
    });
    (port, asked)
}

fn one(mut stream: TcpStream, answer: Answer, noted: &Mutex<Vec<String>>, count: &AtomicUsize) {
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16_000 {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    noted.lock().unwrap().push(head.clone());
    let target = head.split(' ').nth(1).unwrap_or("").to_owned();
    let path = target.split('?').next().unwrap_or("").to_owned();
    let bytes = usual(&path).unwrap_or_else(|| answer(&target, count.fetch_add(1, Ordering::SeqCst)));
    let _ = stream.write_all(&bytes);
}

fn read(port: u16, change: impl FnOnce(&mut ClusterOptions)) -> Result<Cluster, ClusterError> {
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig: PathBuf = folder.path().join("config");
    fs::write(
        &kubeconfig,
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: lab\nclusters:\n- name: lab\n  cluster: {{server: 'http://127.0.0.1:{port}'}}\n\
             contexts:\n- name: lab\n  context: {{cluster: lab, user: me}}\nusers:\n- name: me\n  user: {{token: not-a-secret}}\n"
        ),
    )
    .unwrap();
    let mut options = ClusterOptions {
        kubeconfig: Some(kubeconfig),
        request_max: Duration::from_secs(2),
        time_max: Duration::from_secs(20),
        ..ClusterOptions::default()
    };
    change(&mut options);
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(read_cluster(&options))
}

fn names(cluster: &Cluster) -> Vec<&str> {
    cluster.inputs.iter().map(|input| input.name.raw()).collect()
}

fn said(cluster: &Cluster) -> String {
    cluster
        .diagnostics
        .iter()
        .map(|diagnostic| format!("{}: {}\n", diagnostic.name.raw(), diagnostic.message.raw()))
        .collect()
}

#[test]
fn pages_are_read_and_only_metadata_of_secrets_is_asked_for() {
    let (port, asked) = serve(|target, _| {
        if target.starts_with("/api/v1/pods") && !target.contains("continue=next%2Fpage") {
            return json(
                "200 OK",
                r#"{"metadata":{"continue":"next/page"},"items":[{"metadata":{"name":"a","namespace":"x","managedFields":[1]}}]}"#,
            );
        }
        if target.starts_with("/api/v1/pods") {
            return json("200 OK", r#"{"metadata":{},"items":[{"metadata":{"name":"b","namespace":"x"}}]}"#);
        }
        json("200 OK", r#"{"metadata":{},"items":[]}"#)
    });
    let cluster = read(port, |_| {}).unwrap();
    assert_eq!(names(&cluster), ["cluster:lab/Pod/x/a", "cluster:lab/Pod/x/b"]);
    assert_eq!((cluster.complete, cluster.version.as_deref()), (true, Some("1.29")), "{}", said(&cluster));
    let text = String::from_utf8(cluster.inputs[0].bytes.clone()).unwrap();
    assert!(text.contains("\"kind\": \"Pod\"") && !text.contains("managedFields"), "{text}");
    let asked = asked.lock().unwrap();
    assert!(asked.iter().all(|head| head.starts_with("GET ")), "only reads: {asked:?}");
    let secrets = asked.iter().find(|head| head.contains("/secrets?")).unwrap();
    assert!(secrets.to_ascii_lowercase().contains("partialobjectmetadatalist"), "{secrets}");
}

#[test]
fn what_is_forbidden_is_named_and_the_rest_is_read() {
    let (port, _) = serve(|target, _| {
        if target.starts_with("/api/v1/secrets") {
            return json(
                "403 Forbidden",
                r#"{"kind":"Status","message":"secrets is forbidden: User \"me\" cannot list"}"#,
            );
        }
        json("200 OK", r#"{"metadata":{},"items":[{"metadata":{"name":"a","namespace":"x"}}]}"#)
    });
    let cluster = read(port, |_| {}).unwrap();
    assert_eq!(names(&cluster), ["cluster:lab/Pod/x/a", "cluster:lab/Deployment/x/a"]);
    assert!(!cluster.complete);
    assert!(said(&cluster).contains("/v1 secrets: not allowed: secrets is forbidden"), "{}", said(&cluster));
}

#[test]
fn what_was_read_before_a_list_broke_off_stays() {
    let (port, _) = serve(|target, _| match target {
        t if t.starts_with("/api/v1/pods") && !t.contains("continue") => {
            json("200 OK", r#"{"metadata":{"continue":"2"},"items":[{"metadata":{"name":"a"}}]}"#)
        }
        t if t.starts_with("/api/v1/pods") => {
            b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{\"items\":[{".to_vec()
        }
        t if t.starts_with("/api/v1/secrets") => json("200 OK", "{\"items\": 7}"),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\n<x>".to_vec(),
    });
    let cluster = read(port, |_| {}).unwrap();
    assert_eq!(names(&cluster), ["cluster:lab/Pod/a"]);
    let said = said(&cluster);
    assert!(said.contains("1 objects were read before"), "{said}");
    assert!(said.contains("the answer is no list") && said.contains("the answer is no JSON"), "{said}");
}

#[test]
fn lists_without_end_and_answers_without_end_are_bounded() {
    let (port, _) = serve(|target, count| match target {
        t if t.starts_with("/api/v1/pods") => json(
            "200 OK",
            &format!(
                r#"{{"metadata":{{"continue":"{count}"}},"items":[{{"metadata":{{"name":"p{count}"}}}}]}}"#
            ),
        ),
        t if t.starts_with("/api/v1/secrets") => {
            json("200 OK", r#"{"metadata":{"continue":"same"},"items":[]}"#)
        }
        _ => json("200 OK", &format!("{{\"items\":[],\"x\":\"{}\"}}", "y".repeat(200_000))),
    });
    let cluster = read(port, |options| {
        options.objects_max = 5;
        options.page_bytes_max = 100_000;
    })
    .unwrap();
    let said = said(&cluster);
    assert!(cluster.inputs.len() <= 5, "{:?}", names(&cluster));
    assert!(said.contains("/v1 pods: "), "{said}");
    assert!(said.contains("the same page again"), "{said}");
    assert!(said.contains("/apps/v1 deployments: the answer is longer than"), "{said}");
}

#[test]
fn a_server_that_says_nothing_is_left() {
    let (port, _) = serve(|_, _| {
        thread::sleep(Duration::from_secs(4));
        Vec::new()
    });
    let cluster = read(port, |options| options.request_max = Duration::from_millis(300)).unwrap();
    assert!(cluster.inputs.is_empty());
    assert!(said(&cluster).contains("no answer within"), "{}", said(&cluster));
}

#[test]
fn who_is_not_known_is_told_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = read(port, |_| {}).unwrap_err();
    assert!(matches!(error, ClusterError::Unreachable(_)), "{error}");
    assert!(!error.to_string().contains("not-a-secret"));
}

/// A kubeconfig whose user is got by a program, which leaves a mark where it ran.
fn with_program(port: u16, folder: &std::path::Path, user: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let script = folder.join("login");
    let credential =
        r#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t"}}"#;
    fs::write(&script, format!("#!/bin/sh\ntouch '{}'\necho '{credential}'\n", folder.join("ran").display()))
        .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.join("config");
    let user = user.replace("SCRIPT", &script.display().to_string());
    fs::write(
        &path,
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: lab\nclusters:\n- name: lab\n  cluster: {{server: 'http://127.0.0.1:{port}'}}\n\
             contexts:\n- name: lab\n  context: {{cluster: lab, user: me}}\nusers:\n- name: me\n  user: {user}\n"
        ),
    )
    .unwrap();
    path
}

#[test]
fn programs_of_a_kubeconfig_run_only_when_allowed() {
    let exec =
        "{exec: {apiVersion: client.authentication.k8s.io/v1, command: SCRIPT, interactiveMode: Never}}";
    let provider =
        "{auth-provider: {name: gcp, config: {cmd-path: SCRIPT, cmd-args: x, token-key: '{.status.token}'}}}";
    for user in [exec, provider] {
        let (port, asked) = serve(|_, _| json("200 OK", r#"{"metadata":{},"items":[]}"#));
        let folder = tempfile::tempdir().unwrap();
        let path = with_program(port, folder.path(), user);
        let error = read(port, |options| options.kubeconfig = Some(path.clone())).unwrap_err();
        assert!(matches!(&error, ClusterError::Program { user, .. } if user == "me"), "{error}");
        assert!(error.to_string().contains("login"), "{error}");
        assert!(!folder.path().join("ran").exists(), "it ran: {user}");
        assert!(asked.lock().unwrap().is_empty(), "nothing is asked either");
        let allowed = read(port, |options| {
            options.kubeconfig = Some(path);
            options.allow_exec = true;
        });
        allowed.unwrap();
        assert!(folder.path().join("ran").exists(), "it did not run: {user}");
        assert!(asked.lock().unwrap().iter().any(|head| head.contains("Bearer t")));
    }
}
