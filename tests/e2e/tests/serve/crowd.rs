//! Many at once, and slow ones among them: nobody else waits.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    thread::sleep,
    time::{Duration, Instant},
};

use nightlatch_e2e::{
    console::{Console, Estate},
    tenants::Tenants,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{PATIENCE, begin};

/// How long anybody else may wait for an answer.
const SERVED_MAX: Duration = Duration::from_secs(1);
/// What the server may hold at most.
const RESIDENT_MAX: u64 = 600 << 20;

fn many_files() {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(10_000, |most| most.min(10_000));
    assert!(wanted >= 5_000, "this test needs 5,000 open files; `ulimit -Hn` allows {wanted}");
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit }).unwrap();
}

/// Asks as another user does, and says how long the slowest answer took.
fn slowest(console: &Console, key: &str, times: usize) -> Duration {
    let head = format!("Authorization: Bearer {key}\r\n");
    let ask = |n: usize| {
        let began = Instant::now();
        let path = ["/api-info", "/shodan/host/count?query=port:80", "/api/v1/runs"][n % 3];
        let answer = console.ask("GET", path, &head, b"");
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        began.elapsed()
    };
    (0..times).map(ask).max().unwrap()
}

#[test]
fn slow_clients_are_let_go_and_hold_up_nobody() {
    many_files();
    let patience =
        "[server]\nhead_seconds = 3\nrequest_seconds = 4\nwrite_seconds = 3\nstrangers_per_minute = 100000\n";
    let estate = Estate::with(patience);
    let tenants = Tenants::open();
    let console = estate.serve();
    let id = begin(&console, &["127.90.0.0/23"], tenants.port, 5_000);
    console.scanned_run(&id);
    let (code, other) = estate.run(&["--quiet", "key", "create", "--label", "another", "--role", "viewer"]);
    assert_eq!(code, Some(0), "{other}");
    let other = other.trim().to_owned();
    let key = format!("Host: {}\r\nAuthorization: Bearer {}\r\n", console.address, console.key());
    let open = |text: String| {
        let mut stream = console.connect();
        stream.write_all(text.as_bytes()).unwrap();
        stream
    };
    // What a busy machine adds by itself is nobody's fault.
    let usual = slowest(&console, &other, 15);
    let mut slow: Vec<(&str, TcpStream)> = Vec::new();
    for _ in 0..100 {
        slow.push(("a head", open("GET /api-info HTTP/1.1\r\nX-Slow: ".into())));
        slow.push(("nothing", open(String::new())));
        let post = format!(
            "POST /shodan/alert HTTP/1.1\r\n{key}Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
        );
        slow.push(("a body", open(post)));
        // Asks for a lot, again and again, and takes nothing of it.
        let all =
            format!("GET /api/v1/observations/export?query=port:{} HTTP/1.1\r\n{key}\r\n", tenants.port);
        slow.push(("an answer", open(all.repeat(5))));
    }
    let began = Instant::now();
    let mut worst = Duration::ZERO;
    let mut waits = Vec::new();
    while began.elapsed() < Duration::from_secs(5) {
        // One more byte from each, as slow as it gets.
        slow.iter_mut().filter(|(what, _)| *what != "an answer").for_each(|(_, stream)| {
            let _ = stream.write_all(b" ");
        });
        let wait = slowest(&console, &other, 3);
        waits.push((began.elapsed(), wait));
        worst = worst.max(wait);
        sleep(Duration::from_millis(400));
    }
    assert!(worst < SERVED_MAX + usual, "somebody waited for {worst:?}, {usual:?} as a rule: {waits:?}");
    // All are let go, whatever they do.
    console.until("slow clients are let go", PATIENCE, || console.descriptors() < 100);
    assert!(console.resident_bytes() < RESIDENT_MAX, "{} bytes", console.resident_bytes());
}

#[test]
fn two_thousand_idle_streams_cost_little_and_disturb_nobody() {
    const STREAMS: usize = 2_000;
    many_files();
    let estate = Estate::with("[server]\nrequests_per_minute = 100000\n");
    let tenants = Tenants::open();
    let console = estate.serve();
    // Until a key was proved once, who shows it counts as a stranger.
    assert_eq!(console.get("/api-info").status, 200);
    let before = console.resident_bytes();
    let request = format!(
        "GET /shodan/banners HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\r\n",
        console.address,
        console.key()
    );
    let mut streams: Vec<BufReader<TcpStream>> = Vec::new();
    for _ in 0..STREAMS {
        let mut stream = console.connect();
        stream.write_all(request.as_bytes()).unwrap();
        streams.push(BufReader::new(stream));
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.1 200"), "stream {number}: {line}");
    }
    let worst = slowest(&console, console.key(), 60);
    assert!(worst < SERVED_MAX, "somebody waited for {worst:?}");
    let cost = console.resident_bytes().saturating_sub(before);
    assert!(before + cost < RESIDENT_MAX, "{STREAMS} idle streams cost {cost} bytes");

    let id = begin(&console, &["127.90.7.1-5"], tenants.port, 1_000);
    let began = Instant::now();
    for (number, stream) in streams.iter_mut().enumerate() {
        let mut banners = 0;
        while banners < 5 {
            let mut line = String::new();
            assert!(
                stream.read_line(&mut line).unwrap() > 0,
                "stream {number} ended after {banners} banners"
            );
            banners += usize::from(line.contains("\"127.90.7."));
        }
    }
    println!(
        "5 banners to {STREAMS} listeners in {:?}; {} kB for each",
        began.elapsed(),
        cost / STREAMS as u64 / 1024
    );
    console.scanned_run(&id);
    let began = Instant::now();
    assert!(console.terminate().success());
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "it took {:?} to end with open streams",
        began.elapsed()
    );
}
