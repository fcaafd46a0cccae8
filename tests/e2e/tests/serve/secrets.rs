//! No secret leaves by the log, by an error or by the list of processes.

use std::{fs, time::Duration};

use nightlatch_e2e::{console::Estate, receiver::Receiver, server::free_port, tenants::Tenants};

use super::{PATIENCE, begin, control, watches};

const PASSWORD: &str = "smtp-passwort-7f3a";
const TOKEN: &str = "hook-token-9c1e";
const SIGNING: &str = "signing-secret-2b8d";

#[test]
fn secrets_stand_in_no_log_and_no_answer() {
    let mail = free_port();
    let estate = Estate::with(&format!(
        "[watch]\nrecheck_seconds = 0\n[notify.webhook]\nallow = [\"127.0.0.1/32\"]\nsecret_env = \"HOOK_SECRET\"\n\
         [notify.smtp]\nserver = \"localhost\"\nport = {mail}\nfrom = \"nightlatch@example.com\"\n\
         user = \"nightlatch\"\npassword_env = \"SMTP_PASSWORD\"\ndefault_to = \"security@example.com\"\n"
    ));
    let (tenants, receiver) = (Tenants::open(), Receiver::open());
    let console = estate.serve_with(&[], |command| {
        command.env("SMTP_PASSWORD", PASSWORD).env("HOOK_SECRET", SIGNING);
    });
    let key = console.key().to_owned();
    let secret = key.rsplit('_').next().unwrap().to_owned();
    let mut said = String::new();
    let mut ask = |method: &str, path: &str, head: &str, body: &str| {
        let answer = console.ask(method, path, head, body.as_bytes());
        said.push_str(&answer.body);
        said.push('\n');
        answer
    };
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let json = "Content-Type: application/json\r\n";
    assert_eq!(ask("GET", &format!("/api-info?key={key}"), "", "").status, 200);
    ask("GET", &format!("/shodan/host/search?query=%28&key={key}"), "", "");
    ask("GET", &format!("/shodan/host/search?key={key}"), "", "");
    ask("GET", &format!("/no/such/{key}"), "", "");
    ask("GET", &format!("/shodan/alert/{key}/info?key={key}"), "", "");
    ask("GET", &format!("/api/v1/runs/{key}"), &format!("X-Api-Key: {key}\r\n"), "");
    ask("GET", &format!("/api-info?key={key}x"), "", "");
    ask("GET", &format!("/search?query={key}&key={key}"), "", "");
    ask("POST", &format!("/login?key={key}"), form, &format!("key={key}"));
    let login = ask("POST", "/login", form, &format!("key={key}"));
    let cookie = login.head.split("set-cookie:").nth(1).and_then(|rest| rest.split(';').next());
    let cookie = cookie.and_then(|pair| pair.split('=').nth(1)).map(str::to_owned).unwrap();
    assert!(cookie.len() > 20, "{login:?}");

    let hook = format!("http://{}/hook/{TOKEN}?token={TOKEN}", receiver.address);
    let bearer = format!("Authorization: Bearer {key}\r\n");
    let mut notifiers = vec!["default".to_owned()];
    for url in [
        hook.clone(),
        hook.replace("127.0.0.1", &format!("user:{TOKEN}@127.0.0.1")),
        hook.replace("http:", "ftp:"),
    ] {
        let body = serde_json::json!({ "provider": "webhook", "args": { "url": url, "secret": SIGNING } });
        ask("POST", "/api/v1/notifiers", &format!("{bearer}{json}"), &body.to_string());
        let body = format!(
            "provider=webhook&url={}&secret={SIGNING}&key={key}",
            nightlatch_e2e::console::percent(&url)
        );
        let made = ask("POST", "/notifier", form, &body);
        if made.status == 200 {
            notifiers.push(made.json()["id"].as_str().unwrap().to_owned());
        }
    }
    assert!(notifiers.len() >= 2, "no webhook was taken: {said}");
    let alert = serde_json::json!({ "name": "watch", "filters": { "ip": ["127.89.0.0/16"] } });
    let made = ask("POST", "/shodan/alert", &format!("{bearer}{json}"), &alert.to_string());
    let alert = made.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        ask("PUT", &format!("/shodan/alert/{alert}/trigger/new_service?key={key}"), "", "").status,
        200
    );
    for notifier in &notifiers {
        ask("PUT", &format!("/shodan/alert/{alert}/notifier/{notifier}?key={key}"), "", "");
    }
    console.until("the watcher counts", PATIENCE, || watches(&estate));
    for (status, target) in [(410, "127.89.0.1"), (503, "127.89.0.2"), (200, "127.89.0.3")] {
        receiver.answers(status, Duration::ZERO);
        let before = receiver.letters().len();
        let id = begin(&console, &[target], tenants.port, 100);
        console.scanned_run(&id);
        console.until("a message arrives", PATIENCE, || receiver.letters().len() > before);
    }
    // Mail goes nowhere: nobody listens there.
    console.until("mail has failed", PATIENCE, || {
        control(&estate)
            .deliveries(None, None, 100)
            .unwrap()
            .iter()
            .any(|d| d.notifier == "default" && d.error.is_some())
    });
    receiver.is_away(true);
    ask("POST", &format!("/api/v1/alerts/{alert}/test"), &bearer, "");
    for path in [
        "/api/v1/deliveries",
        "/api/v1/notifiers",
        "/notifier",
        "/api/v1/audit",
        "/api/v1/keys",
        "/metrics",
        "/api/v1/alerts",
    ] {
        assert_eq!(ask("GET", path, &bearer, "").status, 200, "{path}");
    }
    let (code, tested) = estate.run(&["alert", "test", &alert]);
    assert_eq!(code, Some(2), "without the variables the configuration is wrong: {tested}");
    let processes = fs::read(format!("/proc/{}/cmdline", console.process())).unwrap();
    let processes = String::from_utf8_lossy(&processes).into_owned();

    let log = console.log();
    assert!(log.lines().count() > 20, "{log}");
    for (place, text) in [
        ("the log", &log),
        ("an answer", &said),
        ("the list of processes", &processes),
        ("a command", &tested),
    ] {
        for secret in [secret.as_str(), PASSWORD, TOKEN, SIGNING, cookie.as_str()] {
            if let Some(line) = text.lines().find(|line| line.contains(secret)) {
                panic!("{place} shows {secret}: {line:.700}");
            }
        }
    }
}
