//! Alerts to real receivers: Exim takes the mails, rsyslog takes the log lines, and Python's mail parser, which is
//! nobody's here, says what the mails are.

#![allow(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use std::{
    fs,
    net::SocketAddr,
    path::PathBuf,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use nightlatch_alert::{Alert, Change, Message, Notifier, Trigger};
use nightlatch_e2e::{
    pki::Pki,
    server::{Home, Server, command_as, free_port, is_root, run_to_end},
};
use nightlatch_notify::{Channels, NotifyError, Sent, Settings, SmtpSettings, SmtpTls, SyslogSettings};
use nightlatch_untrusted::{hostile::CORPUS, is_dangerous};
use rustix::process::{getegid, geteuid};
use serde_json::{Value, json};

/// User that Exim and rsyslog run as when the tests run as root.
const MAIL_USER: &str = "Debian-exim";
const LOG_USER: &str = "daemon";
/// How long an accepted message may take until it is in its box or file.
const ARRIVAL_MAX: Duration = Duration::from_secs(30);
const PYTHON_MAX: Duration = Duration::from_secs(60);

/// Reads every mail of a folder strictly, and says what it found.
const READER: &str = r#"
import email, email.policy, json, pathlib, sys
mails = []
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    parts = [part for part in mail.walk() if not part.is_multipart()]
    mails.append({
        "headers": [name for name, _ in mail.items()],
        "subject": mail["subject"], "from": mail["from"], "to": mail["to"], "identifier": mail["message-id"],
        "key": mail["x-nightlatch-key"], "envelope": mail["return-path"],
        "defects": [str(d) for part in mail.walk() for d in part.defects]
            + [str(d) for _, value in mail.items() for d in value.defects],
        "types": [part.get_content_type() for part in parts],
        "plain": parts[0].get_content(), "html": parts[-1].get_content(),
    })
print(json.dumps(mails))
"#;

fn message(words: &str) -> Message {
    let alert: Alert = serde_json::from_value(json!({
        "id": "ABCDEFGH23456789", "name": words, "created": "2026-09-01T00:00:00Z", "networks": ["192.0.2.0/24"],
    }))
    .unwrap();
    let change: Change = serde_json::from_value(json!({
        "key": "state-up.192.0.2.7.9200.tcp.16.17", "kind": "state-up", "ip": "192.0.2.7", "port": 9200,
        "time": "2026-09-10T10:00:00Z", "run": "R-1", "record": 17, "previous": 16, "before": words, "after": words,
        "exposure": "readable", "severity": "high", "product": words, "owner": words,
    }))
    .unwrap();
    Message::new(&alert, Trigger::OpenDatabase, change, json!({ "data": words }).to_string(), None)
}

fn send(settings: &Settings, notifier: &Notifier, message: &Message) -> Result<Sent, NotifyError> {
    let channels = Channels::with_environment(settings, &|_| None).unwrap();
    channels.check(notifier).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(channels.send(notifier, message))
}

fn notifier(provider: &str, args: &[(&str, &str)]) -> Notifier {
    serde_json::from_value(json!({ "id": "N1", "provider": provider, "args": args.iter().copied().collect::<std::collections::BTreeMap<_, _>>() }))
        .unwrap()
}

/// Waits until `found` gives at least `count`.
fn arrived<T>(server: &Server, count: usize, mut found: impl FnMut() -> Vec<T>) -> Vec<T> {
    let started = Instant::now();
    loop {
        let all = found();
        if all.len() >= count {
            return all;
        }
        assert!(started.elapsed() < ARRIVAL_MAX, "{} of {count} arrived\n{}", all.len(), server.log_tail());
        sleep(Duration::from_millis(50));
    }
}

/// Exim that takes mail for example.com, encrypted as `tls` says and from user `watch` only.
fn exim(tls: SmtpTls) -> (Server, Pki) {
    let home = Home::new();
    let pki = Pki::write(&home);
    home.dir_for("spool", MAIL_USER);
    home.dir_for("box", MAIL_USER);
    // Without root, Exim must be told that it is to stay who it is.
    let unprivileged = match is_root() {
        true => String::new(),
        false => {
            let (user, group) = (geteuid().as_raw(), getegid().as_raw());
            format!("exim_user = {user}\nexim_group = {group}\nadmin_groups = {group}\n")
        }
    };
    let server = Server::start("exim", home, |home, port| {
        let at = |name: &str| home.path(name).display().to_string();
        let (spool, log, mail_box) = (at("spool"), at("spool/%slog"), at("box"));
        let (cert, key) = (at("cert.pem"), at("key.pem"));
        let encryption = match tls {
            SmtpTls::Starttls => "tls_advertise_hosts = *\n".to_owned(),
            SmtpTls::Implicit => format!("tls_on_connect_ports = {port}\ntls_advertise_hosts =\n"),
            SmtpTls::None => "tls_advertise_hosts =\n".to_owned(),
        };
        let config = home.write(
            "exim.conf",
            &format!(
                r"{unprivileged}{encryption}primary_hostname = localhost
spool_directory = {spool}
log_file_path = {log}
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port}
tls_certificate = {cert}
tls_privatekey = {key}
host_lookup =
rfc1413_hosts =
keep_environment =
deliver_drop_privilege = true
smtp_accept_max = 50
smtp_accept_queue_per_connection = 0
acl_smtp_mail = mail
acl_smtp_rcpt = rcpt
begin acl
mail:
  deny !encrypted = *
       message = STARTTLS first
  deny !authenticated = *
       message = log in first
  accept
rcpt:
  defer local_parts = later
  accept domains = example.com
  deny message = nobody of that name
begin routers
all:
  driver = accept
  transport = box
begin transports
box:
  driver = appendfile
  directory = {mail_box}
  maildir_format
  return_path_add
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{watch}}}}{{eq{{$auth3}}{{correct horse}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = ${{if def:tls_in_cipher}}
"
            ),
        );
        let mut command = command_as(Some(MAIL_USER), "/usr/sbin/exim4");
        command.arg("-C").arg(config).args(["-bdf", "-q1h"]);
        command
    });
    (server, pki)
}

fn smtp(server: &Server, pki: &Pki, password: &str) -> Settings {
    Settings {
        smtp: Some(SmtpSettings {
            server: "localhost".into(),
            port: Some(server.address.port()),
            tls: SmtpTls::Starttls,
            from: "Nightlatch <nightlatch@example.com>".into(),
            default_to: None,
            user: Some("watch".into()),
            password_file: Some(server.home.write("password", &format!("{password}\n"))),
            password_env: None,
            ca_file: Some(pki.ca.clone()),
        }),
        ..Settings::default()
    }
}

fn mails(server: &Server, count: usize) -> Vec<Value> {
    let new = server.home.path("box/new");
    arrived(server, count, || {
        fs::read_dir(&new).map(|found| found.filter_map(Result::ok).collect::<Vec<_>>()).unwrap_or_default()
    });
    let mut python = Command::new("python3");
    python.arg("-c").arg(READER).arg(new);
    let mails: Vec<Value> = serde_json::from_str(&run_to_end(python, PYTHON_MAX)).unwrap();
    assert_eq!(mails.len(), count);
    mails
}

#[test]
fn mails_reach_a_real_server_whatever_stands_in_them() {
    let (server, pki) = exim(SmtpTls::Starttls);
    let settings = smtp(&server, &pki, "correct horse");
    let to = notifier("email", &[("to", "soc@example.com, second@example.com")]);
    let sent =
        send(&settings, &to, &message("search")).unwrap_or_else(|e| panic!("{e}\n{}", server.log_tail()));
    assert_eq!(sent.answer, "250 from localhost");

    // One message to two receivers is two mails in one box.
    let first = mails(&server, 2);
    assert_eq!(
        first[0]["subject"],
        "[Nightlatch] opens further: search at 192.0.2.7:9200/tcp: search -> search"
    );
    assert_eq!(first[0]["to"], "soc@example.com, second@example.com");
    assert_eq!(first[0]["envelope"], "<nightlatch@example.com>");
    assert_eq!(first[0]["key"], message("search").key.as_str());
    assert_eq!(first[0]["types"], json!(["text/plain", "text/html"]));
    assert_eq!(first[0]["defects"], json!([]));
    assert!(first[0]["plain"].as_str().unwrap().contains("Where    192.0.2.7:9200/tcp"));
    let headers = first[0]["headers"].clone();

    let one = notifier("email", &[("to", "soc@example.com")]);
    let attacks =
        ["x\r\nBcc: victim@example.com", "x\r\n\r\n.\r\nQUIT\r\n", ".\n.\n.", "=?utf-8?q?=0D=0AX:_y?="];
    for words in CORPUS.iter().chain(&attacks) {
        send(&settings, &one, &message(words))
            .unwrap_or_else(|e| panic!("{words:?}: {e}\n{}", server.log_tail()));
    }
    for mail in mails(&server, 2 + CORPUS.len() + attacks.len()) {
        assert_eq!((&mail["headers"], &mail["defects"]), (&headers, &json!([])), "{mail}");
        assert!(!mail["subject"].as_str().unwrap().chars().any(is_dangerous), "{mail}");
        let html = mail["html"].as_str().unwrap();
        assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("href"), "{html}");
    }
}

#[test]
fn what_a_mail_server_refuses_is_told_without_the_password() {
    let (server, pki) = exim(SmtpTls::Starttls);
    let to = |to: &str| notifier("email", &[("to", to)]);
    let good = smtp(&server, &pki, "correct horse");
    let check = |settings: &Settings, receiver: &str, may_pass: bool, part: &str| {
        let error = send(settings, &to(receiver), &message("search")).unwrap_err();
        let text = format!("{error} {error:?}");
        assert_eq!(error.may_pass(), may_pass, "{text}");
        assert!(text.contains(part) && !text.contains("horse"), "{text}\n{}", server.log_tail());
    };
    check(&good, "soc@elsewhere.example", false, "refused the message with 550");
    check(&good, "later@example.com", true, "451");
    check(&smtp(&server, &pki, "wrong horse"), "soc@example.com", true, "535");

    let stranger = Home::new();
    let mut untrusted = good.clone();
    untrusted.smtp.as_mut().unwrap().ca_file = Some(Pki::write(&stranger).ca);
    check(&untrusted, "soc@example.com", true, "certificate");

    // Nothing is sent in the clear unless it is asked for, and this server does not take it.
    let mut plain = good.clone();
    let smtp = plain.smtp.as_mut().unwrap();
    (smtp.tls, smtp.user, smtp.password_file) = (SmtpTls::None, None, None);
    check(&plain, "soc@example.com", false, "550");
    let mut nobody = good;
    nobody.smtp.as_mut().unwrap().port = Some(free_port());
    check(&nobody, "soc@example.com", true, "cannot be reached");
    assert!(!server.home.path("box/new").exists(), "a mail went out");
}

#[test]
fn mail_is_encrypted_from_the_first_byte_where_the_server_wants_it() {
    let (server, pki) = exim(SmtpTls::Implicit);
    let mut settings = smtp(&server, &pki, "correct horse");
    let to = notifier("email", &[("to", "soc@example.com")]);
    settings.smtp.as_mut().unwrap().tls = SmtpTls::Implicit;
    send(&settings, &to, &message("search")).unwrap_or_else(|e| panic!("{e}\n{}", server.log_tail()));
    mails(&server, 1);
}

/// A server, or somebody in between, that does not offer STARTTLS gets neither mail nor password.
#[test]
fn nothing_is_sent_where_encryption_is_not_offered() {
    let (server, pki) = exim(SmtpTls::None);
    let settings = smtp(&server, &pki, "correct horse");
    let to = notifier("email", &[("to", "soc@example.com")]);
    let error = send(&settings, &to, &message("search")).unwrap_err();
    assert!(error.may_pass() && error.to_string().to_lowercase().contains("starttls"), "{error}");
    let log = fs::read_to_string(server.home.path("spool/mainlog")).unwrap_or_default() + &server.log_tail();
    assert!(!log.contains("AUTH") && !log.contains("MAIL FROM"), "{log}");
    assert!(!server.home.path("box/new").exists(), "a mail went out");
}

/// rsyslog that takes TLS only and writes what it understood as JSON.
fn rsyslog() -> (Server, Pki, PathBuf) {
    let home = Home::new();
    let pki = Pki::write(&home);
    home.dir_for("work", LOG_USER);
    let seen = home.path("work/seen");
    let server = Server::start("rsyslog", home, |home, port| {
        let at = |name: &str| home.path(name).display().to_string();
        let (work, ca, cert, key) = (at("work"), at("ca.pem"), at("cert.pem"), at("key.pem"));
        let config = home.write(
            "rsyslog.conf",
            &format!(
                r#"global(workDirectory="{work}" maxMessageSize="8k" DefaultNetstreamDriver="ossl"
  DefaultNetstreamDriverCAFile="{ca}" DefaultNetstreamDriverCertFile="{cert}" DefaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" StreamDriver.Name="ossl" StreamDriver.Mode="1" StreamDriver.Authmode="anon")
template(name="seen" type="list" option.jsonf="on") {{
  property(outname="priority" name="pri" format="jsonf")
  property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="program" name="app-name" format="jsonf")
  property(outname="kind" name="msgid" format="jsonf")
  property(outname="data" name="structured-data" format="jsonf")
  property(outname="text" name="msg" format="jsonf")
}}
input(type="imtcp" port="{port}" address="127.0.0.1")
if $app-name == "nightlatch" then action(type="omfile" file="{work}/seen" template="seen")
"#
            ),
        );
        let mut command = command_as(Some(LOG_USER), "/usr/sbin/rsyslogd");
        command.arg("-n").arg("-f").arg(config).arg("-i").arg(home.path("work/pid"));
        command
    });
    (server, pki, seen)
}

fn syslog(address: SocketAddr, ca: PathBuf) -> Settings {
    let (server, port) = ("localhost".to_owned(), address.port());
    Settings {
        syslog: Some(SyslogSettings { server, port, ca_file: Some(ca), hostname: None }),
        ..Settings::default()
    }
}

#[test]
fn log_lines_reach_a_real_collector_whatever_stands_in_them() {
    let (server, pki, seen) = rsyslog();
    let settings = syslog(server.address, pki.ca);
    let to = notifier("syslog", &[]);
    let attacks = ["x\"] <0>1 - - fake - - -", "a\n<0>1 - - fake - - - second", "\\\"]"];
    let words: Vec<&str> = ["search"].into_iter().chain(CORPUS.iter().copied()).chain(attacks).collect();
    for words in &words {
        send(&settings, &to, &message(words))
            .unwrap_or_else(|e| panic!("{words:?}: {e}\n{}", server.log_tail()));
    }
    let lines = arrived(&server, words.len(), || {
        let text = fs::read_to_string(&seen).unwrap_or_default();
        text.lines().map(ToOwned::to_owned).collect()
    });
    assert_eq!(lines.len(), words.len(), "{lines:#?}");
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).expect(line)).collect();
    for line in &lines {
        let head = ["priority", "program", "kind", "time"].map(|name| line[name].as_str().unwrap());
        assert_eq!(head, ["131", "nightlatch", "open_database", "2026-09-10T10:00:00.000000Z"]);
        let data = line["data"].as_str().unwrap();
        assert!(data.starts_with("[nightlatch@32473 alert=\"ABCDEFGH23456789\" name=\""), "{data}");
        assert!(data.ends_with(&format!(" key=\"{}\"]", message("").key)), "{data}");
        assert!(!line.to_string().contains("\\u00"), "{line}");
    }
    // Connections are handled side by side, so lines may change places.
    let plain = "opens further: search at 192.0.2.7:9200/tcp: search -> search";
    assert_eq!(lines.iter().filter(|line| line["text"] == plain).count(), 1, "{lines:#?}");

    let stranger = Home::new();
    let error = send(&syslog(server.address, Pki::write(&stranger).ca), &to, &message("search")).unwrap_err();
    assert!(error.may_pass() && error.to_string().contains("certificate"), "{error}");
}

/// The receiver that the guide prints, as it stands there.
#[test]
fn the_webhook_of_the_guide_takes_what_is_signed_and_nothing_else() {
    let guide = include_str!("../../../docs/guide/alerts.md");
    let script = guide.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let secret = "a secret of the guide";
    let server = Server::start("hook", Home::new(), |home, port| {
        let mut command = command_as(None, "python3");
        command.arg(home.write("hook.py", script)).arg(port.to_string()).env("HOOK_SECRET", secret);
        command
    });
    let mut settings = Settings::default();
    settings.webhook.allow = vec!["127.0.0.1".parse().unwrap()];
    let url = format!("http://{}/", server.address);
    let to = |secret: &str| notifier("webhook", &[("url", &url), ("secret", secret)]);
    for _ in 0..2 {
        let sent = send(&settings, &to(secret), &message("hook\x1b[2J")).unwrap();
        assert_eq!(sent.answer, "204 from 127.0.0.1");
    }
    let error = send(&settings, &to("another secret of 16 bytes"), &message("forged")).unwrap_err();
    assert!(!error.may_pass() && error.to_string().contains("401"), "{error}");
    let log = server.log_tail();
    assert_eq!(log.matches("opens further: hook\\x1b[2J at 192.0.2.7").count(), 1, "{log}");
    assert!(!log.contains("forged"), "{log}");
}
