//! The binary under test: run as a user runs it, with a stopwatch and an eye on its memory.

use std::{
    env, fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

/// Deadline of a run when the test names none; the machine may be slow and busy.
pub const RUN_MAX: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(10);

/// A finished run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Exit code; absent when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Wall clock.
    pub elapsed: Duration,
    /// The most physical memory it held, in bytes.
    pub peak_bytes: u64,
}

/// Where the binary is: `NIGHTLATCH_BIN`, or beside the test.
pub fn binary() -> PathBuf {
    beside_the_test("NIGHTLATCH_BIN", "nightlatch", "nightlatch-cli")
}

/// Where the replaying server is: `NIGHTLATCH_STREET_BIN`, or beside the test.
pub fn street_binary() -> PathBuf {
    beside_the_test("NIGHTLATCH_STREET_BIN", "nightlatch-street", "nightlatch-replay")
}

fn beside_the_test(variable: &str, program: &str, package: &str) -> PathBuf {
    let path = env::var_os(variable).map_or_else(
        || {
            let test = env::current_exe().unwrap();
            test.parent().and_then(Path::parent).unwrap().join(program)
        },
        PathBuf::from,
    );
    assert!(
        path.exists(),
        "{} is missing; build it: cargo build -p {package}, or run ./test",
        path.display()
    );
    path
}

/// Runs the binary with `arguments`; kills it and panics after `limit`.
pub fn run(arguments: &[&str], limit: Duration) -> Run {
    run_beside(arguments, limit, None)
}

/// As [`run`], with the programs of a directory before those of the system.
pub fn run_beside(arguments: &[&str], limit: Duration, programs: Option<&Path>) -> Run {
    let mut command = Command::new(binary());
    // The user's own settings and scope must not decide what a test sees.
    let home = tempfile::tempdir().unwrap();
    command
        .args(arguments)
        .env_clear()
        .env(
            "PATH",
            programs.map_or_else(String::new, |path| format!("{}:", path.display())) + "/usr/bin:/bin",
        )
        .env("HOME", home.path())
        .env("LANG", "C.UTF-8");
    let mut child = command
        .current_dir(home.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?} did not start: {e}"));
    let started = Instant::now();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = thread::spawn(move || io::read_to_string(&mut out).unwrap());
    let err = thread::spawn(move || io::read_to_string(&mut err).unwrap());
    let mut peak_bytes = 0;
    let status = loop {
        peak_bytes = peak_bytes.max(high_water(child.id()));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("{arguments:?} runs for more than {} s\n{}", limit.as_secs(), err.join().unwrap());
        }
        thread::sleep(POLL);
    };
    let elapsed = started.elapsed();
    Run { code: status.code(), stdout: out.join().unwrap(), stderr: err.join().unwrap(), elapsed, peak_bytes }
}

/// The most physical memory a process has held so far; 0 once it is gone. Source: proc(5), `VmHWM`.
fn high_water(process: u32) -> u64 {
    let Ok(status) = fs::read_to_string(format!("/proc/{process}/status")) else { return 0 };
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    kilobytes.map_or(0, |kilobytes: u64| kilobytes * 1024)
}

/// A scan and what it found.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The run.
    pub run: Run,
    /// One observation a line, as the scan printed them.
    pub observations: Vec<Value>,
}

/// How to scan.
#[derive(Clone, Debug, Default)]
pub struct Options<'a> {
    /// Whether the scope allows questions spelt as POST.
    pub questions: bool,
    /// Further arguments.
    pub more: &'a [&'a str],
    /// Deadline; zero means the usual one.
    pub limit: Duration,
}

/// Scans `targets` into a data directory of its own. Panics unless the run ends by itself with code 0.
pub fn scan(targets: &[String], options: &Options<'_>) -> Scan {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("data").display().to_string();
    let scope = home.path().join("scope.toml");
    let scope_path = scope.display().to_string();
    let mut arguments = vec!["--data", data.as_str(), "scan", "--json"];
    if options.questions {
        fs::write(&scope, "[[block]]\nnet = \"127.0.0.0/8\"\nowner = \"lab\"\nt3 = true\n").unwrap();
        arguments.extend(["--scope", scope_path.as_str()]);
    }
    arguments.extend(options.more);
    arguments.extend(targets.iter().map(String::as_str));
    let run = run(&arguments, if options.limit.is_zero() { RUN_MAX } else { options.limit });
    assert_eq!(run.code, Some(0), "{arguments:?}\n{}", run.stderr);
    let observations = run
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON: {e}: {line}")))
        .collect();
    Scan { run, observations }
}

impl Scan {
    /// The observation of `address`; panics unless there is exactly one.
    pub fn of(&self, address: SocketAddr) -> &Value {
        let mut found = self.observations.iter().filter(|observation| {
            let ip = observation["ip"].as_str().and_then(|text| text.parse::<IpAddr>().ok());
            ip == Some(address.ip()) && observation["port"] == address.port()
        });
        let first = found.next();
        assert!(found.next().is_none(), "{address} was observed twice in one scan");
        first
            .unwrap_or_else(|| panic!("{address} was not observed\n{}\n{}", self.run.stdout, self.run.stderr))
    }
}

/// The product that an observation names.
pub fn product(observation: &Value) -> Option<&str> {
    observation["verdict"]["product"].as_str()
}

/// The version that an observation names.
pub fn version(observation: &Value) -> Option<&str> {
    observation["verdict"]["version"].as_str()
}

/// The state that an observation names.
pub fn exposure(observation: &Value) -> &str {
    observation["verdict"]["exposure"].as_str().unwrap_or("(none)")
}
