//! An API server that refuses, breaks off, never ends and lies: what can be read is audited, what cannot is named.

#![expect(clippy::unwrap_used, reason = "a test, also in the functions around it")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use nightlatch_e2e::nightlatch::run;
use serde_json::{Value, json};

const RUN_MAX: Duration = Duration::from_secs(180);
/// Longest answer that is read to its end is 128 MB; a few times that may be held while it is looked at.
const MEMORY_MAX: u64 = 900 << 20;
const SECRET_VALUE: &str = "lab-secret-value-0815";

/// Kinds of the core group and what the server does when it is asked for them.
const CORE: [(&str, &str, Trick); 10] = [
    ("pods", "Pod", Trick::Honest),
    ("configmaps", "ConfigMap", Trick::Refused),
    ("secrets", "Secret", Trick::WholeSecrets),
    ("services", "Service", Trick::BreaksOff),
    ("nodes", "Node", Trick::NeverEnds),
    ("namespaces", "Namespace", Trick::SaysMoreThanItSends),
    ("serviceaccounts", "ServiceAccount", Trick::NoList),
    ("endpoints", "Endpoints", Trick::Silent),
    ("persistentvolumes", "PersistentVolume", Trick::SamePage),
    ("limitranges", "LimitRange", Trick::NotJson),
];
const APPS: [(&str, &str, Trick); 3] = [
    ("deployments", "Deployment", Trick::Endless),
    ("daemonsets", "DaemonSet", Trick::SendsElsewhere),
    ("statefulsets", "StatefulSet", Trick::Expired),
];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Trick {
    Honest,
    Refused,
    WholeSecrets,
    BreaksOff,
    NeverEnds,
    SaysMoreThanItSends,
    NoList,
    Silent,
    SamePage,
    NotJson,
    Endless,
    SendsElsewhere,
    Expired,
}

/// What was asked, and by which method.
type Log = Arc<Mutex<Vec<String>>>;

#[test]
fn what_can_be_read_is_audited_and_the_rest_is_named() {
    let (elsewhere, visits) = listen(|mut stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    });
    let (address, asked) = listen(move |stream, request| answer(stream, request, elsewhere));
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config");
    std::fs::write(&config, kubeconfig(address)).unwrap();
    let config = config.display().to_string();

    let json = run(&["audit", "--kubeconfig", &config, "--json", "--all"], RUN_MAX);
    let report: Value =
        serde_json::from_str(&json.stdout).unwrap_or_else(|e| panic!("{e}: {}{}", json.stdout, json.stderr));
    assert_eq!(json.code, Some(2), "an audit of a part is not clean: {}", json.stderr);
    let findings = report["findings"].to_string();
    assert!(
        findings.contains("POD-001") && findings.contains("wide-open"),
        "the honest part is audited: {findings}"
    );
    let notices = report["notices"].as_array().unwrap();
    for (plural, _, trick) in CORE.iter().chain(&APPS) {
        let named =
            notices.iter().filter(|notice| notice.to_string().contains(&format!(" {plural}: "))).count();
        let expected = usize::from(!matches!(trick, Trick::Honest | Trick::WholeSecrets));
        assert_eq!(named, expected, "{plural} ({trick:?}): {notices:#?}");
    }
    let said = format!("{}{}", json.stdout, json.stderr);
    assert!(!said.contains(SECRET_VALUE), "a value that was not asked for is printed");
    assert!(json.peak_bytes < MEMORY_MAX, "{} MB", json.peak_bytes >> 20);

    let asked = asked.lock().unwrap().clone();
    assert!(asked.iter().all(|line| line.starts_with("GET ")), "only reading: {asked:?}");
    let secrets = asked.iter().find(|line| line.contains("/secrets?")).unwrap();
    assert!(
        secrets.contains("PartialObjectMetadataList"),
        "of secrets only the metadata is asked for: {secrets}"
    );
    assert!(visits.lock().unwrap().is_empty(), "another server was asked: {visits:?}");
}

#[test]
fn what_a_server_says_reaches_no_terminal_as_it_is() {
    let (address, _) = listen(|mut stream, _| {
        let body =
            json!({"kind": "Status", "message": "\u{1b}[31mred\u{7}\u{202e}", "code": 401}).to_string();
        let _ = write!(
            stream,
            "HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
    });
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("config");
    std::fs::write(&config, kubeconfig(address)).unwrap();
    let refused = run(&["audit", "--kubeconfig", &config.display().to_string()], RUN_MAX);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    let said = format!("{}{}", refused.stdout, refused.stderr);
    assert!(said.contains("red") && !said.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{said:?}");
}

fn kubeconfig(address: SocketAddr) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "u", "user": {"token": "lab"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    })
    .to_string()
}

/// Serves each connection in a thread of its own; gives the address and the requests as they came.
fn listen(answer: impl Fn(TcpStream, &str) + Clone + Send + 'static) -> (SocketAddr, Log) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let log = Log::default();
    let own = Arc::clone(&log);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (answer, log) = (answer.clone(), Arc::clone(&own));
            thread::spawn(move || {
                let Some(request) = read_request(&stream) else { return };
                log.lock().unwrap().push(request.clone());
                answer(stream, &request);
            });
        }
    });
    (address, log)
}

/// The first line and the `Accept` header.
fn read_request(stream: &TcpStream) -> Option<String> {
    let mut lines = BufReader::new(stream.try_clone().ok()?.take(1 << 16)).lines();
    let mut request = lines.next()?.ok()?;
    for line in lines {
        let line = line.ok()?;
        if line.is_empty() {
            return Some(request);
        }
        if line.to_ascii_lowercase().starts_with("accept:") {
            request.push(' ');
            request.push_str(&line);
        }
    }
    None
}

fn answer(mut stream: TcpStream, request: &str, elsewhere: SocketAddr) {
    let path = request.split(' ').nth(1).unwrap_or_default();
    let fixed = match path {
        "/version" => Some(json!({"major": "1", "minor": "29", "gitVersion": "v1.29.0"})),
        "/apis" => Some(
            json!({"groups": [{"name": "apps", "versions": [{"groupVersion": "apps/v1", "version": "v1"}],
            "preferredVersion": {"groupVersion": "apps/v1", "version": "v1"}}]}),
        ),
        "/api/v1" => Some(resources("v1", &CORE)),
        "/apis/apps/v1" => Some(resources("apps/v1", &APPS)),
        _ => None,
    };
    if let Some(body) = fixed {
        return send(&mut stream, "200 OK", &body.to_string());
    }
    let all = CORE.iter().chain(&APPS);
    let known = all
        .into_iter()
        .find(|(plural, _, _)| path.split('?').next().unwrap_or_default().ends_with(&format!("/{plural}")));
    match known {
        Some((_, kind, trick)) => play(stream, path, kind, *trick, elsewhere),
        None => send(&mut stream, "404 Not Found", "{}"),
    }
}

fn resources(version: &str, kinds: &[(&str, &str, Trick)]) -> Value {
    let resources: Vec<Value> = kinds
        .iter()
        .map(|(plural, kind, _)| json!({"name": plural, "kind": kind, "namespaced": true, "verbs": ["get", "list"]}))
        .collect();
    json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources})
}

fn list(kind: &str, items: &Value, more: &str) -> String {
    json!({"kind": format!("{kind}List"), "apiVersion": "v1", "metadata": {"continue": more}, "items": items})
        .to_string()
}

fn send(stream: &mut TcpStream, status: &str, body: &str) {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes()));
}

fn play(mut stream: TcpStream, path: &str, kind: &str, trick: Trick, elsewhere: SocketAddr) {
    let more = path.split_once("continue=").map(|(_, token)| token.to_owned());
    let one = json!([{"metadata": {"name": "a", "namespace": "default"}}]);
    let container = json!({"name": "c", "image": "a:1", "securityContext": {"privileged": true}});
    match trick {
        Trick::Honest => {
            let pod = json!([{"metadata": {"name": "wide-open", "namespace": "default"}, "spec": {"containers": [container]}}]);
            send(&mut stream, "200 OK", &list(kind, &pod, ""));
        }
        Trick::Refused => {
            let status = json!({"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403, "message": "no, \u{1b}[31mnever"});
            send(&mut stream, "403 Forbidden", &status.to_string());
        }
        Trick::WholeSecrets => {
            let secret = json!([{"metadata": {"name": "s", "namespace": "default"}, "data": {"password": SECRET_VALUE}}]);
            send(&mut stream, "200 OK", &list(kind, &secret, ""));
        }
        Trick::BreaksOff if more.is_none() => send(&mut stream, "200 OK", &list(kind, &one, "two")),
        Trick::BreaksOff | Trick::SaysMoreThanItSends => {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n";
            let _ = write!(stream, "{head}{{\"items\": [");
        }
        Trick::NeverEnds => {
            let number: u64 = more.and_then(|token| token.parse().ok()).unwrap_or(0);
            send(&mut stream, "200 OK", &list(kind, &json!([]), &(number + 1).to_string()));
        }
        Trick::NoList => send(&mut stream, "200 OK", r#"{"kind": "List", "items": 7}"#),
        Trick::Silent => thread::sleep(RUN_MAX),
        Trick::SamePage => send(&mut stream, "200 OK", &list(kind, &one, "again")),
        Trick::NotJson => send(&mut stream, "200 OK", "<html>"),
        Trick::Endless => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n{\"items\": [");
            let chunk = vec![b' '; 1 << 16];
            while stream.write_all(&chunk).is_ok() {}
        }
        Trick::SendsElsewhere => {
            let _ = write!(
                stream,
                "HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        Trick::Expired if more.is_none() => send(&mut stream, "200 OK", &list(kind, &one, "old")),
        Trick::Expired => {
            let status = json!({"kind": "Status", "code": 410, "reason": "Expired", "message": "the token is too old"});
            send(&mut stream, "410 Gone", &status.to_string());
        }
    }
}
