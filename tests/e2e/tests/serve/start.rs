//! How it begins: the first key, who may do what, and everything that is said before anything runs.

use std::{fs, net::TcpListener, process::Command, time::Duration};

use jiff::{SignedDuration, Timestamp};
use nightlatch_control::{KeySpec, Role};
use nightlatch_e2e::{
    client::{Scheme, ask_tls, get},
    console::{Estate, finish, stands_in_a_file},
    pki::Pki,
    server::{Home, is_root},
};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};

use super::{PATIENCE, control};

#[test]
fn the_first_start_shows_one_key_and_keeps_only_its_hash() {
    let estate = Estate::new();
    // A first start that cannot listen has shown nothing, and must not have used up the first key.
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, said) = estate.run(&["serve", "--listen", &address]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&address) && said.contains("another program"), "{said}");
    assert!(!said.contains("nl_"), "{said}");

    let console = estate.serve();
    let key = console.key().to_owned();
    assert_eq!(console.stdout().matches("nl_").count(), 1, "{}", console.stdout());
    assert!(!console.log().contains(&key), "the key stands in the log");
    assert_eq!(console.get("/api-info").status, 200);
    assert!(console.terminate().success());
    let secret = key.rsplit('_').next().unwrap();
    assert!(secret.len() > 20, "{key}");
    assert_eq!(stands_in_a_file(&estate.data(), secret), None, "the key is kept as it is");

    let again = estate.serve();
    assert_eq!(again.stdout(), "", "a second start shows no key");
    assert_eq!(again.get("/api-info").status, 200, "the key of the first start still holds");
}

#[test]
fn keys_have_roles_and_ends_and_are_revoked_at_once() {
    let estate = Estate::new();
    let console = estate.serve();
    let create = |role: &str| {
        let (code, said) = estate.run(&["--quiet", "key", "create", "--label", "someone", "--role", role]);
        assert_eq!(code, Some(0), "{said}");
        said.trim().to_owned()
    };
    let ask = |key: &str, method: &str, path: &str, body: &str| {
        let head =
            format!("Authorization: Bearer {key}\r\nContent-Type: application/x-www-form-urlencoded\r\n");
        console.ask(method, path, &head, body.as_bytes()).status
    };
    let [viewer, analyst, operator] = ["viewer", "analyst", "operator"].map(create);
    let alert = r#"{"name":"x","filters":{"ip":["192.0.2.0/24"]}}"#;
    let allowed = |key: &str| {
        [
            ask(key, "GET", "/shodan/host/count?query=port:22", "") == 200,
            ask(key, "POST", "/shodan/alert", alert) == 200,
            ask(key, "POST", "/shodan/scan", "ips=127.91.0.1") == 200,
        ]
    };
    assert_eq!(allowed(&viewer), [true, false, false]);
    assert_eq!(allowed(&analyst), [true, true, false]);
    assert_eq!(allowed(&operator), [true, true, true]);

    let (code, said) = estate.run(&["key", "revoke", viewer.split('_').nth(1).unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(ask(&viewer, "GET", "/api-info", ""), 401, "revoked by the command, refused at once");

    let ends = Timestamp::now() + SignedDuration::from_secs(3);
    let spec =
        KeySpec { label: "short".into(), role: Role::Viewer, expires: Some(ends), ..KeySpec::default() };
    let short = control(&estate).create_key(&spec, Timestamp::now()).unwrap().text;
    assert_eq!(ask(&short, "GET", "/api-info", ""), 200);
    console.until("the key has expired", PATIENCE, || ask(&short, "GET", "/api-info", "") == 401);
    assert!(Timestamp::now() >= ends, "refused before its end");
}

#[test]
fn what_is_wrong_is_said_before_anything_runs() {
    let estate = Estate::new();
    let (code, said) = estate.run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(code, Some(2), "{said}");
    for word in ["0.0.0.0:0", "tls_certificate", "tls_key", "behind_proxy = true"] {
        assert!(said.contains(word), "{word}: {said}");
    }
    let home = Home::new();
    let pki = Pki::write(&home);
    let expired = {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
        let cert = params.self_signed(&key).unwrap().pem();
        (home.write("old.pem", &cert), home.write("old.key", &key.serialize_pem()))
    };
    let tls = |cert: &std::path::Path, key: &std::path::Path| {
        format!("[server]\ntls_certificate = {:?}\ntls_key = {:?}\n", cert.display(), key.display())
            .replace("= /", "= \"/")
    };
    let absent = home.path("absent.pem");
    let garbage = home.write("garbage.pem", "-----BEGIN CERTIFICATE-----\nnonsense\n");
    for (config, words) in [
        (tls(&absent, &pki.key), vec!["absent.pem", "tls_certificate", "No such file"]),
        (tls(&garbage, &pki.key), vec!["garbage.pem", "tls_certificate"]),
        (tls(&expired.0, &expired.1), vec!["old.pem", "expired", "2021"]),
        (tls(&pki.cert, &expired.1), vec!["old.key", "is not the key of the certificate"]),
        (tls(&pki.cert, &absent), vec!["absent.pem", "tls_key"]),
        ("[server]\n\nlisten = \"127.0.0.1:0\"\nlistem = 5\n".into(), vec!["nightlatch.toml:4:1", "listem"]),
        ("[server]\nlisten = \"nowhere\"\n".into(), vec!["nightlatch.toml:2", "listen"]),
        ("[sever]\n".into(), vec!["nightlatch.toml:1", "sever"]),
        (
            "[[schedule]]\nname = \"a\"\nevery = \"61 * * * *\"\ntargets = [\"127.0.0.1\"]\n".into(),
            vec!["`a`", "crontab"],
        ),
        (
            "[[schedule]]\nname = \"a\"\nevery = \"1h\"\ntargets = [\"127.0.0.1/99\"]\n".into(),
            vec!["`a`", "127.0.0.1/99"],
        ),
        (
            "[[schedule]]\nname = \"a\"\nevery = \"1h\"\ntimezone = \"Mars/Base\"\n".into(),
            vec!["`a`", "Mars/Base"],
        ),
    ] {
        estate.configure(&config);
        for command in [vec!["serve", "--listen", "127.0.0.1:0"], vec!["config", "check"]] {
            let (code, said) = estate.run(&command);
            assert_eq!(code, Some(2), "{command:?} with\n{config}\n{said}");
            for word in &words {
                assert!(said.contains(word), "`{word}` is missing: {command:?} with\n{config}\n{said}");
            }
        }
    }
    assert!(!estate.data().join("control.sqlite3").exists(), "nothing was made by starts that failed");
}

#[test]
fn a_template_is_right_and_the_environment_wins() {
    let estate = Estate::new();
    let (code, said) = estate.run(&["config", "init"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(estate.run(&["config", "check"]).0, Some(0));
    assert_eq!(estate.run(&["config", "init"]).0, Some(3), "what is there stays");

    let mut command = estate.command(&["serve", "--log", "json"]);
    command.env("NIGHTLATCH__SERVER__LISTEN", "127.0.0.1:0");
    command.env("NIGHTLATCH__SERVER__REQUESTS_PER_MINUTE", "3");
    let console = estate.launch(command);
    let codes: Vec<u16> = (0..4).map(|_| console.get("/api-info").status).collect();
    assert_eq!(codes, [200, 200, 200, 429]);
    let refused = console.get("/api-info");
    assert!(refused.head.contains("retry-after: "), "{refused:?}");

    for (name, value) in
        [("NIGHTLATCH__SERVER__LISTENN", "geheim"), ("NIGHTLATCH__SERVER__STREAMS_MAX", "geheim")]
    {
        let mut command = estate.command(&["config", "check"]);
        command.env(name, value);
        let (code, said) = finish(command);
        assert!(code == Some(2) && said.contains(name), "{said}");
    }
}

#[test]
fn tls_is_spoken_and_nothing_else() {
    let home = Home::new();
    let pki = Pki::write(&home);
    let config = format!(
        "[server]\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n",
        pki.cert.display(),
        pki.key.display()
    );
    let estate = Estate::with(&config);
    let console = estate.serve_with(&["--listen", "0.0.0.0:0"], |_| ());
    assert!(console.tls, "{}", console.log());
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", console.address);
    let answer = ask_tls(console.address, request.as_bytes(), |_| false).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("alive"), "{answer}");
    assert!(answer.to_lowercase().contains("strict-transport-security"), "{answer}");
    let plain = get(Scheme::Http, console.address, "/healthz").unwrap();
    assert!(plain.status == 400 && plain.text.contains("https"), "{plain:?}");
}

#[test]
fn a_damaged_database_and_a_directory_that_cannot_be_written_are_named() {
    let estate = Estate::new();
    let file = estate.data().join("control.sqlite3");
    fs::write(&file, "this is no database, and longer than a header of one: ".repeat(40)).unwrap();
    let (code, said) = estate.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("control.sqlite3") && said.contains("damaged"), "{said}");
    fs::remove_file(&file).unwrap();

    // A good one whose pages were overwritten in the middle.
    let console = estate.serve();
    assert!(console.terminate().success());
    let mut bytes = fs::read(&file).unwrap();
    bytes.iter_mut().skip(100).for_each(|byte| *byte = 0xa5);
    fs::write(&file, bytes).unwrap();
    let (code, said) = estate.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("control.sqlite3") && said.contains("damaged"), "{said}");
    fs::remove_file(&file).unwrap();

    // Read-only for everybody, root included: a mount of its own.
    let data = estate.data();
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && exec \"$2\" --data \"$1\" serve --listen 127.0.0.1:0";
    let mut command = Command::new("unshare");
    command.args(if is_root() { &["--mount"][..] } else { &["--map-root-user", "--mount"] });
    command.args(["sh", "-c", script, "sh"]).arg(&data).arg(nightlatch_e2e::nightlatch::binary());
    estate.tidy(&mut command);
    let (code, said) = finish(command);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("Read-only") && said.contains(&data.display().to_string()), "{said}");
}

#[test]
fn a_broken_folder_of_a_run_hinders_nothing() {
    let estate = Estate::new();
    let console = estate.serve();
    let id = console.scan("127.91.1.1");
    console.scanned(&id, PATIENCE);
    assert!(console.terminate().success());
    let runs = estate.data().join("runs");
    let mine = fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
    for file in fs::read_dir(&mine).unwrap() {
        fs::write(file.unwrap().path(), b"\x00\xff nonsense").unwrap();
    }
    fs::create_dir(runs.join("not a run")).unwrap();
    fs::write(runs.join("a file"), "x").unwrap();
    let console = estate.serve();
    let again = console.scan("127.91.1.1");
    console.scanned(&again, PATIENCE);
    assert_eq!(console.get("/shodan/scans").status, 200);
    assert_eq!(console.ask("GET", "/healthz", "", b"").status, 200);
    std::thread::sleep(Duration::from_secs(2));
    assert!(!console.log().contains("\"ERROR\""), "{}", console.log());
}

#[test]
fn told_to_stop_at_any_moment_after_it_listens_it_stops_gracefully() {
    let estate = Estate::new();
    for wait in [0, 0, 0, 1, 3, 10, 30, 100, 300] {
        let console = estate.serve();
        std::thread::sleep(Duration::from_millis(wait));
        let ended = console.terminate();
        assert!(ended.success(), "after {wait} ms: {ended:?}");
    }
}

#[test]
fn two_servers_never_work_on_one_directory() {
    let estate = Estate::new();
    let console = estate.serve();
    let (code, said) = estate.run(&["serve", "--listen", "127.0.0.1:0"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains(&format!("(process {})", console.process())), "{said}");
    assert_eq!(console.get("/api-info").status, 200, "the first goes on");
    console.kill();
    let console = estate.serve();
    assert_eq!(
        console.get("/api-info").status,
        200,
        "a killed server leaves nothing behind that is in the way"
    );
}
