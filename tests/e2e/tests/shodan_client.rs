//! The official `shodan` library and command line, 1.31.0, against a running server: unchanged, by `SHODAN_API_URL`.
//!
//! Needs the client and our plug-in for it, which `./test` installs beside the interpreter in `NIGHTLATCH_PYTHON`.
//! Run by `./test` with `--ignored`; without the client it fails.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test, also in the functions around it")]

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use flate2::read::GzDecoder;
use nightlatch_asset::{Observation, Record};
use nightlatch_banner::Writer;
use nightlatch_e2e::console::{Console, Estate, finish};
use nightlatch_replay::{Street, demo_street};
use serde_json::{Value, json};

const NEEDED: &str =
    "needs the official client: ./test installs it and names its python in NIGHTLATCH_PYTHON";

fn python() -> PathBuf {
    std::env::var_os("NIGHTLATCH_PYTHON").map(PathBuf::from).unwrap_or_else(|| panic!("{NEEDED}"))
}

/// A server on a book of `count` observations in 192.0.2.0/24, 198.51.100.0/24 and 2001:db8::/32.
struct World {
    estate: Estate,
    console: Console,
    key: String,
}

/// As many requests as it takes: one test asks like many people.
const CONFIG: &str = "[server]\nrequests_per_minute = 1000000\n";

impl World {
    fn with(count: u32) -> Self {
        let estate = Estate::with(CONFIG);
        let file = estate.path("book.json.gz");
        let mut writer = Writer::new(File::create(&file).unwrap());
        (0..count).for_each(|number| writer.write(&record(number)).unwrap());
        writer.finish().unwrap();
        let (code, said) = estate.run(&["import", &file.display().to_string()]);
        assert_eq!(code, Some(0), "{said}");
        let console = estate.serve();
        let spec = json!({"label": "the shodan command line", "role": "operator"});
        let made = console.send_json("POST", "/api/v1/keys", &spec);
        assert_eq!(made.status, 201, "{made:?}");
        let key = made.json()["text"].as_str().unwrap().to_owned();
        let world = Self { estate, console, key };
        world.shodan(&["init", &world.key]);
        world
    }

    fn url(&self) -> String {
        format!("http://{}", self.console.address)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(python().with_file_name("shodan"));
        self.estate.tidy(&mut command);
        command.args(arguments).env("SHODAN_API_URL", self.url()).env("LC_ALL", "C.UTF-8");
        command
    }

    fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        finish(self.command(arguments))
    }

    /// Runs the command line, which must succeed.
    fn shodan(&self, arguments: &[&str]) -> String {
        let (code, said) = self.run(arguments);
        assert_eq!(code, Some(0), "shodan {arguments:?}: {said}\n{}", self.console.log_end());
        said
    }

    /// Runs the command line, which must fail with this text.
    fn refused(&self, arguments: &[&str], text: &str) {
        let (code, said) = self.run(arguments);
        assert_ne!(code, Some(0), "shodan {arguments:?}: {said}");
        assert!(said.contains(text), "shodan {arguments:?}: {said}");
    }

    fn lines(&self, file: &str) -> Vec<Value> {
        let file = File::open(self.estate.path(file)).unwrap();
        let lines = BufReader::new(GzDecoder::new(file)).lines();
        lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect()
    }
}

fn record(number: u32) -> Record {
    let (high, low) = (number / 200, number % 200 + 1);
    let ip = match number % 10 {
        0 => format!("2001:db8::{number:x}"),
        odd if odd % 2 == 1 => format!("192.0.2.{low}"),
        _ => format!("198.51.100.{low}"),
    };
    let observation: Observation = serde_json::from_value(json!({
        "ip": ip, "port": 1000 + high, "protocol": "http",
        "time": format!("2026-0{}-{:02}T10:{:02}:{:02}.5Z", 6 + number % 3, 1 + number % 28, number % 60, high % 60),
        "data": format!("HTTP/1.1 200 OK\r\nServer: nginx\r\nX-Number: {number}"),
        "hostnames": [format!("h{number}.example.com")], "domains": ["example.com"],
        "place": {"country_code": if number.is_multiple_of(3) { "DE" } else { "FR" }, "country_name": "Somewhere", "city": "Town"},
        "network": {"asn": 64_496 + number % 4, "org": "Example Corp"},
        "verdict": {
            "product": if number.is_multiple_of(2) { "Kubernetes" } else { "etcd" }, "version": "1.20.0",
            "exposure": "readable", "severity": "high", "confidence": "high", "why": "it says so"
        },
        "tags": ["database"],
    }))
    .unwrap();
    let time = observation.time;
    Record { id: 0, first_seen: time, last_seen: time, times_seen: 1, latest: true, observation }
}

#[test]
#[ignore = "needs the shodan command line; ./test installs it and runs this"]
fn commands_that_read() {
    let world = World::with(450);
    assert!(world.shodan(&["info"]).contains("Query credits available: 1000000"));
    assert_eq!(world.shodan(&["count", "product:Kubernetes"]).trim(), "225");
    world.refused(&["count", "produkt:x"], "did you mean `product`?");
    let found = world.shodan(&[
        "search",
        "--no-color",
        "--limit",
        "300",
        "--fields",
        "ip_str,port,hostnames,location.country_code",
        "product:etcd",
    ]);
    assert_eq!(found.lines().filter(|line| line.contains("example.com")).count(), 225, "{found:.500}");
    let stats = world.shodan(&["stats", "--facets", "country,asn,port,org", "--limit", "3", "product:etcd"]);
    let order: Vec<usize> = ["country", "asn", "port", "org"]
        .iter()
        .map(|facet| stats.find(&format!("Facet: {facet}")).unwrap_or_else(|| panic!("no {facet}: {stats}")))
        .collect();
    assert!(order.is_sorted(), "{stats}");
    world.refused(&["stats", "--facets", "countri", "*"], "did you mean `country`?");

    for ip in ["192.0.2.2", "2001:db8::a"] {
        let host = world.shodan(&["host", ip]);
        assert!(
            host.contains(ip) && host.contains("Organization:") && host.contains("Example Corp"),
            "{host}"
        );
        world.shodan(&["host", "--history", "--format", "tsv", "-O", "host", ip]);
        assert!(!world.lines("host.json.gz").is_empty());
    }
    world.refused(&["host", "192.0.2.251"], "No information available for that IP.");
    assert!(world.shodan(&["domain", "example.com"]).contains("EXAMPLE.COM"));
    assert!(world.shodan(&["domain", "-D", "-T", "AAAA", "example.com"]).contains("2001:db8::"));
    world.refused(&["domain", "nosuch.example"], "No information available for that domain.");
    assert_eq!(world.shodan(&["myip"]).trim(), "127.0.0.1");
    world.refused(&["honeyscore", "192.0.2.2"], "");
    world.refused(&["data", "list"], "export");
    world.refused(&["org", "info"], "/api/v1/keys");
    assert!(world.shodan(&["scan", "protocols"]).contains("https"));
    assert!(world.shodan(&["nightlatch"]).contains(&world.url()), "the plug-in is loaded");

    // Downloads are whole, and what reads them does.
    let said = world.shodan(&["download", "--limit", "-1", "all", "*"]);
    assert!(said.contains("Saved 450 results") && !said.contains("fewer"), "{said}");
    let banners = world.lines("all.json.gz");
    let distinct: std::collections::BTreeSet<String> =
        banners.iter().map(|b| b["_shodan"]["id"].to_string()).collect();
    assert_eq!((banners.len(), distinct.len()), (450, 450));
    assert!(banners.iter().all(|banner| banner.get("opts").is_some()), "full banners");
    world.shodan(&[
        "download",
        "--fields",
        "ip_str,http.status,location.country_code",
        "few",
        "product:etcd",
    ]);
    assert_eq!(world.lines("few.json.gz").len(), 225);
    let parsed = world.shodan(&[
        "parse",
        "--no-color",
        "--fields",
        "ip_str,nightlatch.exposure",
        "-f",
        "product:etcd",
        "all.json.gz",
    ]);
    assert_eq!(parsed.lines().filter(|line| line.ends_with("readable")).count(), 225);
    world.shodan(&["convert", "all.json.gz", "csv"]);
    assert!(fs::read_to_string(world.estate.path("all.csv")).unwrap().lines().count() > 450);
    let (code, _) = world.estate.run(&["import", &world.estate.path("all.json.gz").display().to_string()]);
    assert!(code.is_some(), "what was downloaded can be read back");
}

#[test]
#[ignore = "needs the shodan command line; ./test installs it and runs this"]
fn alerts_by_the_command_line() {
    let world = World::with(50);
    let made = world.shodan(&["alert", "create", "the office", "192.0.2.0/24", "198.51.100.7"]);
    let id = made.rsplit(' ').next().unwrap().trim().to_owned();
    assert_eq!(id.len(), 16, "{made}");
    assert!(world.shodan(&["alert", "triggers"]).contains("open_database"));
    world.shodan(&["alert", "enable", &id, "new_service,open_database,exposed"]);
    world.refused(&["alert", "enable", &id, "open_databse"], "did you mean `open_database`?");
    world.shodan(&["alert", "disable", &id, "exposed"]);
    let list = world.shodan(&["alert", "list"]);
    assert!(
        list.contains("the office")
            && list.contains("192.0.2.0/24, 198.51.100.7")
            && list.contains("open_database"),
        "{list}"
    );
    let info = world.shodan(&["alert", "info", &id]);
    assert!(info.contains("> new_service") && info.contains("> 192.0.2.0/24"), "{info}");
    let stats = world.shodan(&["alert", "stats", "port", "country"]);
    assert!(stats.contains("Facet: port") && stats.contains("FR"), "{stats}");
    world.shodan(&["alert", "export", "--filename", "alerts.json.gz"]);
    world.shodan(&["alert", "download", "--alert-id", &id, "office.json.gz"]);
    assert!(!world.lines("office.json.gz").is_empty());
    world.shodan(&["alert", "remove", &id]);
    world.shodan(&["alert", "import", "alerts.json.gz"]);
    let list = world.shodan(&["alert", "list"]);
    assert!(list.contains("the office") && list.contains("new_service") && !list.contains(&id), "{list}");
    world.refused(&["alert", "domain", "example.com"], "No external IPs");
    world.shodan(&["alert", "clear"]);
    assert!(world.shodan(&["alert", "list"]).contains("You haven't created any alerts yet."));
}

#[test]
#[ignore = "needs the shodan library; ./test installs it and runs this"]
fn the_library_is_content() {
    let world = World::with(450);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shodan/library.py");
    let mut command = Command::new(python());
    world.estate.tidy(&mut command);
    command.arg(script).args([&world.url(), &world.key, "192.0.2.2"]);
    let (code, said) = finish(command);
    assert_eq!(code, Some(0), "{said}\n{}", world.console.log_end());
    assert!(said.contains("the library is content"), "{said}");
}

/// Walks over everything while others write; prints how many it saw, how many distinct, the total, and the seconds.
const WALK: &str = r#"
import sys, time, shodan
api = shodan.Shodan(sys.argv[2]); api.base_url = sys.argv[1]; api.api_rate_limit = 0
total = api.count("*")["total"]
began = time.time()
seen = [b["_shodan"]["id"] for b in api.search_cursor("*", fields=["_shodan.id"])]
print(len(seen), len(set(seen)), total, time.time() - began)
"#;

#[test]
#[ignore = "needs the shodan library; ./test installs it and runs this"]
fn a_long_walk_is_whole_while_a_scan_writes() {
    let world = World::with(20_000);
    let street = demo_street().unwrap();
    let targets: Vec<String> = street.endpoints().iter().map(|one| one.address.to_string()).collect();
    let mut command = Command::new(python());
    world.estate.tidy(&mut command);
    command.args(["-c", WALK, &world.url(), &world.key]);
    let walking = std::thread::spawn(move || finish(command));
    let id = world.console.scan(&targets.join(","));
    let (code, said) = walking.join().unwrap();
    assert_eq!(code, Some(0), "{said}");
    let told: Vec<f64> = said.split_whitespace().map(|word| word.parse().unwrap()).collect();
    let [seen, distinct, total, seconds] = told[..] else { panic!("{said}") };
    assert!(seen == distinct && seen >= 20_000.0 && seen >= total, "{said}");
    assert!(seconds < 120.0, "a walk of 200 pages took {seconds} s");
    world.console.scanned(&id, Duration::from_secs(120));
    assert!(world.console.count("*") > 20_000);
}

/// A stream of the command line, with what it has said so far.
struct Listening {
    child: Child,
    said: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Listening {
    fn to(world: &World, arguments: &[&str]) -> Self {
        let url = world.url();
        let mut all = vec!["stream", "--no-color", "--streamer", &url, "--fields", "ip_str,port"];
        all.extend(arguments);
        let mut child = world
            .command(&all)
            .env("PYTHONUNBUFFERED", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = std::sync::Arc::<std::sync::Mutex<String>>::default();
        let (mut out, keep) = (child.stdout.take().unwrap(), said.clone());
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = out.read(&mut chunk) {
                keep.lock().unwrap().push_str(&String::from_utf8_lossy(&chunk[..length]));
            }
        });
        Self { child, said }
    }

    fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    fn hears(&self, text: &str) -> bool {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            if self.said().contains(text) {
                return true;
            }
            sleep(Duration::from_millis(100));
        }
        false
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn open_streams(world: &World) -> usize {
    let metrics = world.console.get("/metrics").body;
    let line = metrics.lines().find(|line| line.starts_with("nightlatch_streams "));
    line.and_then(|line| line.rsplit(' ').next()).and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[test]
#[ignore = "needs the shodan command line; ./test installs it and runs this"]
fn streams_and_scans_by_the_command_line() {
    let world = World::with(50);
    let street: Street = demo_street().unwrap();
    let all: Vec<SocketAddr> = street.endpoints().iter().map(|one| one.address).collect();
    let (first, second) = (all[0], all[1]);
    let port = first.port().to_string();
    let query = format!("port:{port}");
    let body = json!({"name": "street", "filters": {"ip": ["127.0.0.0/8"]}});
    let made = world.console.ask(
        "POST",
        &format!("/shodan/alert?key={}", world.key),
        "Content-Type: application/json\r\n",
        body.to_string().as_bytes(),
    );
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let streams = [
        (Listening::to(&world, &[]), true),
        (Listening::to(&world, &["--ports", &port]), true),
        (Listening::to(&world, &["--custom-filters", &query]), true),
        (Listening::to(&world, &["--alert", &id]), true),
        (Listening::to(&world, &["--alert", "all"]), true),
        (Listening::to(&world, &["--asn", "AS64496"]), false),
        (Listening::to(&world, &["--countries", "DE"]), false),
        (Listening::to(&world, &["--tags", "nosuch"]), false),
        (Listening::to(&world, &["--vulns", "CVE-2018-1002105"]), false),
    ];
    world
        .console
        .until("all streams are open", Duration::from_secs(60), || open_streams(&world) == streams.len());
    let said = world.shodan(&["scan", "submit", "--wait", "0", "--verbose", &first.to_string()]);
    let scan = said.split("Scan ID: ").nth(1).unwrap().lines().next().unwrap().trim().to_owned();
    for (number, (stream, hears)) in streams.iter().enumerate() {
        if *hears {
            assert!(
                stream.hears(&port),
                "stream {number} heard nothing: {}\n{}",
                stream.said(),
                world.console.log_end()
            );
        }
    }
    world.console.scanned(&scan, Duration::from_secs(60));
    for (number, (stream, hears)) in streams.iter().enumerate() {
        assert_eq!(stream.said().contains(&port), *hears, "stream {number}: {}", stream.said());
    }
    drop(streams);
    assert_eq!(world.shodan(&["scan", "status", &scan]).trim(), "DONE");
    assert!(world.shodan(&["scan", "list"]).contains(&scan));
    world.refused(&["scan", "submit", "--wait", "0", "203.0.113.1"], "scope");
    world.refused(&["scan", "internet", "6443", "http"], "scope");

    // Waiting for a scan needs the streams of the class attribute: that is what the plug-in is for.
    let said =
        world.shodan(&["scan", "submit", "--wait", "5", "--filename", "scan", &second.ip().to_string()]);
    assert!(said.contains("Open Ports:") && said.contains(&second.port().to_string()), "{said}");
    assert!(!world.lines("scan.json.gz").is_empty());
    let left = world.console.get(&format!("/shodan/alert/info?key={}", world.key)).json();
    assert_eq!(left.as_array().unwrap().len(), 1, "the alert of the wait was removed: {left}");
    // Twice N+1 banners end a stream with a limit.
    let mut limited = Listening::to(&world, &["--limit", "1", "--datadir", "."]);
    world.console.until("the stream is open", Duration::from_secs(60), || open_streams(&world) == 1);
    let id = world.console.scan(&all.iter().take(6).map(ToString::to_string).collect::<Vec<_>>().join(","));
    world.console.scanned(&id, Duration::from_secs(60));
    world.console.until("the stream ends by itself", Duration::from_secs(60), || {
        limited.child.try_wait().unwrap().is_some()
    });
}
