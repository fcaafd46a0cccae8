//! `nightlatch serve` as somebody runs it: started, asked, ended by a signal, started again on the same directory.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::nightlatch::binary;

/// How long a server may take until it listens, and until it has ended; the machine may be slow and busy.
const START_MAX: Duration = Duration::from_secs(60);
const STOP_MAX: Duration = Duration::from_secs(60);
/// How long one answer may take before the test calls it a hang.
const ANSWER_MAX: Duration = Duration::from_secs(40);
const POLL: Duration = Duration::from_millis(20);
/// What stands before the address in what the server says.
const LISTENING: &str = "listening on ";
const FIRST_KEY: &str = "admin key, shown this once: ";

/// A data directory with what belongs around it; removed with the value.
#[derive(Debug)]
pub struct Estate {
    dir: TempDir,
    starts: AtomicU32,
}

impl Estate {
    /// An empty one.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("nightlatch-console-").tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        Self { dir, starts: AtomicU32::new(0) }
    }

    /// With this as its `nightlatch.toml`.
    pub fn with(config: &str) -> Self {
        let estate = Self::new();
        estate.configure(config);
        estate
    }

    /// Writes `nightlatch.toml`.
    pub fn configure(&self, config: &str) {
        fs::write(self.data().join("nightlatch.toml"), config).unwrap();
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A path beside the data directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The binary on this data directory, in an environment of its own, dying with whoever started it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        command.arg("--pdeathsig=KILL").arg(binary()).arg("--data").arg(self.data()).args(arguments);
        self.tidy(&mut command);
        command
    }

    /// Takes the developer's own settings away from a command.
    pub fn tidy(&self, command: &mut Command) {
        command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("HOME", self.dir.path()).env("LANG", "C.UTF-8").current_dir(self.dir.path());
        command.stdin(Stdio::null());
    }

    /// Runs a command of the binary to its end: exit code and all that it said.
    pub fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        finish(self.command(arguments))
    }

    /// Starts a server on a free port and waits until it listens.
    pub fn serve(&self) -> Console {
        self.serve_with(&[], |_| ())
    }

    /// As [`Estate::serve`], with further arguments, and a command that was prepared further.
    pub fn serve_with(&self, arguments: &[&str], prepare: impl FnOnce(&mut Command)) -> Console {
        let mut all = vec!["serve", "--log", "json"];
        all.extend(arguments);
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        let mut command = self.command(&all);
        prepare(&mut command);
        self.launch(command)
    }

    /// Starts a server with a command that ends in `nightlatch serve ...`, and waits until it listens.
    pub fn launch(&self, mut command: Command) -> Console {
        let number = self.starts.fetch_add(1, Relaxed);
        let (out, log) =
            (self.path(&format!("serve-{number}.out")), self.path(&format!("serve-{number}.err")));
        command.stdout(File::create(&out).unwrap()).stderr(File::create(&log).unwrap()).process_group(0);
        let child = command.spawn().unwrap_or_else(|e| panic!("{command:?} did not start: {e}"));
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut console =
            Console { child, address, tls: false, log, out, key: None, key_file: self.path("admin.key") };
        let began = Instant::now();
        while !console.has_begun() {
            let ended = console.child.try_wait().unwrap();
            assert!(ended.is_none(), "the server ended at once: {ended:?}\n{}", console.log());
            assert!(began.elapsed() < START_MAX, "the server does not listen\n{}", console.log());
            sleep(POLL);
        }
        console
    }
}

impl Default for Estate {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs a command to its end, at most two minutes: exit code and all that it said.
pub fn finish(mut command: Command) -> (Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let out = std::thread::spawn(move || std::io::read_to_string(&mut out).unwrap_or_default());
    let err = std::thread::spawn(move || std::io::read_to_string(&mut err).unwrap_or_default());
    let status = wait(&mut child, 2 * STOP_MAX);
    let said = out.join().unwrap() + &err.join().unwrap();
    (status.unwrap_or_else(|| panic!("{command:?} does not end\n{said}")).code(), said)
}

fn wait(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if began.elapsed() > limit {
            // Whoever waits for it says what is wrong.
            let _ = child.kill();
            let _ = child.wait();
            return None;
        }
        sleep(POLL);
    }
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Console {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    key: Option<String>,
    key_file: PathBuf,
    log: PathBuf,
    out: PathBuf,
}

impl Console {
    /// Whether it says where it listens; then it is known here as well, and so is the first key.
    fn has_begun(&mut self) -> bool {
        let log = self.log();
        let Some((_, rest)) = log.split_once(LISTENING) else { return false };
        let Some((scheme, rest)) = rest.split_once("://") else { return false };
        let end = rest.find(|c: char| !(c.is_ascii_digit() || ".:[]".contains(c))).unwrap_or(rest.len());
        let Ok(address) = rest[..end].trim_end_matches(':').parse() else { return false };
        self.address = address;
        self.tls = scheme == "https";
        if let Some((_, key)) = self.stdout().split_once(FIRST_KEY) {
            fs::write(&self.key_file, key.trim()).unwrap();
        }
        self.key = fs::read_to_string(&self.key_file).ok();
        true
    }

    /// The admin key of the first start.
    pub fn key(&self) -> &str {
        self.key.as_deref().unwrap_or_else(|| panic!("the server has shown no key"))
    }

    /// Its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Everything on standard error: what it says, and the log.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Everything on standard output.
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.out).unwrap_or_default()
    }

    /// Asks it to end, as systemd does, and waits.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        wait(&mut self.child, STOP_MAX).unwrap_or_else(|| panic!("the server does not end\n{}", self.log()))
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(self.child.id().cast_signed()).unwrap(), signal).unwrap();
    }

    /// Whether it has not ended.
    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Physical memory at this moment, in bytes. Source: proc(5), `VmRSS`.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Open file descriptors at this moment.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }

    /// A connection of its own, with bounded waits.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect_timeout(&self.address, ANSWER_MAX).unwrap();
        stream.set_read_timeout(Some(ANSWER_MAX)).unwrap();
        stream.set_write_timeout(Some(ANSWER_MAX)).unwrap();
        stream
    }

    /// `GET`, with the admin key.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &self.bearer(), b"")
    }

    /// `POST` of a form, with the admin key.
    pub fn post_form(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        let body: Vec<String> = form.iter().map(|(k, v)| format!("{k}={}", percent(v))).collect();
        let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
        self.ask("POST", path, &format!("{}{kind}", self.bearer()), body.join("&").as_bytes())
    }

    /// Any method with a JSON body, with the admin key.
    pub fn send_json(&self, method: &str, path: &str, body: &Value) -> Answer {
        let head = format!("{}Content-Type: application/json\r\n", self.bearer());
        self.ask(method, path, &head, body.to_string().as_bytes())
    }

    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.key())
    }

    /// Sends a request as it is told, on a connection of its own.
    ///
    /// - `head`: further lines of the head, each with its line end.
    pub fn ask(&self, method: &str, path: &str, head: &str, body: &[u8]) -> Answer {
        let mut request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Length: {}\r\n{head}\r\n",
            self.address,
            body.len()
        )
        .into_bytes();
        request.extend_from_slice(body);
        self.ask_raw(&request)
            .unwrap_or_else(|| panic!("{method} {path:.200}: no answer\n{}", self.log_end()))
    }

    /// Sends bytes as they are, and reads until the server closes; none when that was no HTTP.
    pub fn ask_raw(&self, request: &[u8]) -> Option<Answer> {
        let mut stream = self.connect();
        // A server that has heard enough answers before it has read all, and closes.
        let _ = stream.write_all(request);
        let mut bytes = Vec::new();
        let mut chunk = [0; 16 * 1024];
        loop {
            match stream.read(&mut chunk) {
                Ok(0) | Err(_) => return Answer::read(&bytes),
                Ok(length) => bytes.extend_from_slice(&chunk[..length]),
            }
        }
    }

    /// The last lines of the log that are more than a request that went well, for failures.
    pub fn log_end(&self) -> String {
        let log = self.log();
        let is_usual =
            |line: &&str| line.contains("\"body\":\"request\"") && !line.contains("status_code\":5");
        let lines: Vec<&str> = log.lines().filter(|line| !is_usual(line)).collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// Waits until `holds`; a failure shows the log.
    pub fn until(&self, what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
        let began = Instant::now();
        while !holds() {
            assert!(began.elapsed() < limit, "waited too long: {what}\n{}", self.log_end());
            sleep(Duration::from_millis(50));
        }
    }

    /// How many records a query finds.
    pub fn count(&self, query: &str) -> u64 {
        let answer = self.get(&format!("/shodan/host/count?query={}", percent(query)));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["total"].as_u64().unwrap()
    }

    /// Begins a run over these targets (see `/shodan/scan`); gives its name.
    pub fn scan(&self, ips: &str) -> String {
        let answer = self.post_form("/shodan/scan", &[("ips", ips)]);
        assert_eq!(answer.status, 200, "{answer:?}\n{}", self.log_end());
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// Waits until a run of `/api/v1/runs` is finished.
    pub fn scanned_run(&self, id: &str) {
        self.until("the run is finished", 2 * STOP_MAX, || {
            let run = self.get(&format!("/api/v1/runs/{id}")).json();
            run["run"]["state"] == "finished" && run["live"].is_null()
        });
    }

    /// Waits until a scan of `/shodan/scan` has ended.
    pub fn scanned(&self, id: &str, limit: Duration) {
        self.until("the run ends", limit, || {
            self.get(&format!("/shodan/scan/{id}")).json()["status"] == "DONE"
        });
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        // It may have ended by itself; what counts is that it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What it answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Head, lower case.
    pub head: String,
    /// Body, chunks put together.
    pub body: String,
}

impl Answer {
    fn read(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        let status = head.strip_prefix("http/1.1 ")?.get(..3)?.parse().ok()?;
        let body = &bytes[end + 4..];
        let body = if head.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_vec() };
        Some(Self { status, body: String::from_utf8_lossy(&body).into_owned(), head })
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("no JSON ({e}): {self:?}"))
    }
}

fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size =
            std::str::from_utf8(&rest[..end]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let Some(size) = size.filter(|size| *size > 0) else { break };
        let from = (end + 2).min(rest.len());
        let to = (from + size).min(rest.len());
        whole.extend_from_slice(&rest[from..to]);
        rest = &rest[(to + 2).min(rest.len())..];
    }
    whole
}

/// Text as a part of an address or a form.
pub fn percent(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Whether a text stands in a file under `folder`, raw.
pub fn stands_in_a_file(folder: &Path, text: &str) -> Option<PathBuf> {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if let Some(found) = stands_in_a_file(&path, text) {
                return Some(found);
            }
        } else if fs::read(&path).is_ok_and(|b| b.windows(text.len()).any(|part| part == text.as_bytes())) {
            return Some(path);
        }
    }
    None
}
