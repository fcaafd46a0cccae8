//! What a sweep costs: `cargo bench -p nightlatch-scan --bench sweep -- [closed] [open] [whole]`.
//!
//! - `closed`: 127.0.0.0/16 on one port that nobody listens on.
//! - `open`: 10,000 endpoints that answer one HTTP request, served by a process of its own on the same cores.
//! - `whole`: 127.0.0.0/8 on one closed port for 30 seconds, and how much memory it takes.
//!
//! Prints endpoints a second, processor time of this process per endpoint, and its highest resident memory.

use std::{
    env,
    error::Error,
    fs,
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use nightlatch_asset::{Observation, Timestamp};
use nightlatch_netio::{Dialer, Pace, read_more, write_all};
use nightlatch_scan::{Cancel, Discovery, Journal, Opened, Plan, Progress, Scan, Start};
use nightlatch_scope::{PortSet, Scope, Target, TargetSetBuilder};
use socket2::{Domain, Socket, Type};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::Instant,
};

/// A port that nobody listens on: discard, RFC 863.
const CLOSED: u16 = 9;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let wanted: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if wanted.first().is_some_and(|word| word == "serve") {
        return serve();
    }
    let wants = |word: &str| wanted.iter().any(|w| w == word) || (wanted.is_empty() && word != "whole");
    if wants("closed") {
        sweep("closed", "127.0.0.0/16", CLOSED, None)?;
    }
    if wants("open") {
        let (mut server, port) = start_server()?;
        let outcome = sweep("open", "127.1.0.0-127.1.39.15", port, None);
        server.kill()?;
        server.wait()?;
        outcome?;
    }
    if wants("whole") {
        sweep("whole", "127.0.0.0/8", CLOSED, Some(Duration::from_secs(30)))?;
    }
    Ok(())
}

fn sweep(what: &str, block: &str, port: u16, stop_after: Option<Duration>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let data = tempfile::tempdir()?;
    let mut builder = TargetSetBuilder::new(PortSet::from_iter([port]));
    builder.add(&block.parse::<Target>()?, &[]);
    let plan = Plan::new(Arc::new(builder.build()?), Arc::new(Scope::loopback_only()), [1, 2]);
    let journal = Journal::create(data.path(), &plan, Start::default(), Timestamp::now())?;
    let dialer = Arc::new(Dialer::new(Pace::default()));
    let cancel = Cancel::new();
    let scan = Scan {
        plan,
        dialer,
        journal: Some(journal),
        progress: Arc::new(Progress::new()),
        cancel,
        discovery: Discovery::Connect,
    };
    let cpu_before = cpu_seconds()?;
    let outcome = runtime.block_on(async {
        if let Some(after) = stop_after {
            let cancel = scan.cancel.clone();
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                cancel.stop();
            });
        }
        scan.run(ask_once, |_: &[Observation]| Ok(())).await.0
    });
    let done = outcome.tally.done() as f64;
    println!(
        "{what}: {:?}, {:.0} endpoints a second, {:.1} µs of processor time each, {} KiB resident at most",
        outcome.tally,
        done / outcome.elapsed.as_secs_f64(),
        (cpu_seconds()? - cpu_before) * 1e6 / done,
        status_kib("VmHWM:")?,
    );
    Ok(())
}

/// One request, one answer, one observation: the least a conversation can be.
async fn ask_once(mut opened: Opened) -> Vec<Observation> {
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut answer = Vec::new();
    let asked = write_all(&mut opened.stream, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", deadline).await;
    if asked.is_err() || read_more(&mut opened.stream, &mut answer, 4096, deadline).await.is_err() {
        return Vec::new();
    }
    let socket = opened.target.socket();
    let row = format!(
        "{{\"ip\":\"{}\",\"port\":{},\"protocol\":\"http\",\"time\":\"2026-01-01T00:00:00Z\"}}",
        socket.ip(),
        socket.port()
    );
    serde_json::from_str(&row).into_iter().collect()
}

/// A server process of its own, so that its processor time is not counted as the scanner's.
fn start_server() -> Result<(Child, u16), Failure> {
    let mut child = Command::new(env::current_exe()?).arg("serve").stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().ok_or("the server has no output")?).read_line(&mut line)?;
    Ok((child, line.trim().parse()?))
}

fn serve() -> Result<(), Failure> {
    // All endpoints share this listener, so its backlog must hold what each would hold by itself.
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into())?;
    socket.listen(4096)?;
    socket.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::from_std(socket.into())?;
        println!("{}", listener.local_addr()?.port());
        loop {
            let (mut stream, _) = listener.accept().await?;
            tokio::spawn(async move {
                let mut request = [0; 512];
                // A scanner that was stopped may be gone; the next one is served all the same.
                if stream.read(&mut request).await.is_ok() {
                    let _ = stream.write_all(ANSWER).await;
                }
            });
        }
    })
}

/// Processor time of this process, user and system. Source: proc(5), `stat` fields 14 and 15, in 1/100 s.
fn cpu_seconds() -> Result<f64, Failure> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |index: usize| fields.get(index).ok_or("short stat").map(|field| field.parse::<f64>());
    Ok((ticks(11)?? + ticks(12)??) / 100.0)
}

fn status_kib(key: &str) -> Result<u64, Failure> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(key)).ok_or("no such line in status")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse()?)
}
