//! A server of the real kind: started in its own directory on its own port, stopped by its process group.

use std::{
    fs::{self, File},
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, geteuid, kill_process_group};
use tempfile::TempDir;

/// How long a server may take until it answers; RabbitMQ on a busy machine with two cores needs the most.
pub const READY_MAX: Duration = Duration::from_secs(150);
/// How long a server may take to end after it was asked to.
const STOP_MAX: Duration = Duration::from_secs(20);
/// How often a server is started anew when its port was taken between choosing and listening.
const STARTS_MAX: usize = 4;
/// Lines of a server's log that a failure shows.
const LOG_LINES_MAX: usize = 40;
const POLL: Duration = Duration::from_millis(50);

/// The directory of one server, removed with it.
#[derive(Debug)]
pub struct Home {
    dir: TempDir,
}

impl Home {
    /// A new directory that every user may enter, because some servers give up root.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("nightlatch-e2e-").tempdir().unwrap();
        open_to_all(dir.path());
        Self { dir }
    }

    /// A path inside.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file that every user may read.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        path
    }

    /// Makes a directory that belongs to `user` when the tests run as root.
    pub fn dir_for(&self, name: &str, user: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        give_to(&path, user);
        path
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

/// Keeps others than `user` out, as databases demand of their directories and keys; without root, others than ourselves.
pub fn give_to(path: &Path, user: &str) {
    if is_root() {
        let done = Command::new("chown").arg(format!("{user}:")).arg(path).status().unwrap();
        assert!(done.success(), "chown {user} {} failed", path.display());
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700)).unwrap();
}

fn open_to_all(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// A port on 127.0.0.1 that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A command that runs as `user` when the tests run as root, and dies with the thread that started it.
pub fn command_as(user: Option<&str>, program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig=KILL");
    if let (Some(user), true) = (user, is_root()) {
        command.args([format!("--reuid={user}"), format!("--regid={user}"), "--init-groups".to_owned()]);
    }
    command.arg(program);
    // A locale or proxy of the developer's shell must not decide what a server says.
    command.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    command.env("LANG", "C.UTF-8").env("HOME", "/nonexistent");
    command
}

/// A running server. Dropping it stops the whole process group and waits for the end.
#[derive(Debug)]
pub struct Server {
    name: String,
    child: Child,
    log: PathBuf,
    /// Where the port under test listens.
    pub address: SocketAddr,
    /// Its directory.
    pub home: Home,
    /// Its other ports, in the order that its product says.
    pub more_ports: Vec<u16>,
    /// Servers that this one leans on; stopped after it.
    pub companions: Vec<Server>,
}

impl Server {
    /// Starts a server on a free port and waits until it accepts connections there.
    ///
    /// `command` makes the command line for a directory and a port; it is called again when the port was taken meanwhile.
    pub fn start(name: &str, home: Home, mut command: impl FnMut(&Home, u16) -> Command) -> Self {
        let mut home = home;
        for attempt in 1..=STARTS_MAX {
            let port = free_port();
            let command = command(&home, port);
            let mut server = Self::spawn(name, home, command, SocketAddr::from(([127, 0, 0, 1], port)));
            match server.wait_until(READY_MAX, |server| TcpStream::connect(server.address).is_ok()) {
                Ok(()) => return server,
                Err(_) if attempt < STARTS_MAX && server.port_was_taken() => home = server.stop(),
                Err(why) => panic!("{name} {why}\n{}", server.log_tail()),
            }
        }
        panic!("{name} found no free port in {STARTS_MAX} attempts")
    }

    /// As [`Self::start`], on a port that must be free: for products that are known by their port.
    pub fn start_on(port: u16, name: &str, home: Home, command: impl FnOnce(&Home, u16) -> Command) -> Self {
        let command = command(&home, port);
        let server = Self::spawn(name, home, command, SocketAddr::from(([127, 0, 0, 1], port)));
        server.ready(|server| TcpStream::connect(server.address).is_ok())
    }

    fn spawn(name: &str, home: Home, mut command: Command, address: SocketAddr) -> Self {
        let log = home.path(&format!("{}.log", name.replace('/', "-")));
        let out = File::create(&log).unwrap();
        command.stdin(Stdio::null()).stdout(out.try_clone().unwrap()).stderr(out).process_group(0);
        let child = command.spawn().unwrap_or_else(|e| panic!("{name} did not start: {e} ({command:?})"));
        Self {
            name: name.to_owned(),
            child,
            log,
            address,
            home,
            more_ports: Vec::new(),
            companions: Vec::new(),
        }
    }

    /// Waits until `ready` holds; the error says what happened instead.
    pub fn wait_until(
        &mut self,
        limit: Duration,
        mut ready: impl FnMut(&Self) -> bool,
    ) -> Result<(), String> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Err(format!("ended at once: {status}"));
            }
            if ready(self) {
                return Ok(());
            }
            if started.elapsed() > limit {
                return Err(format!("is not ready after {} s", limit.as_secs()));
            }
            sleep(POLL);
        }
    }

    /// As `wait_until` with the usual deadline; a failure shows the log.
    #[must_use]
    pub fn ready(mut self, ready: impl FnMut(&Self) -> bool) -> Self {
        if let Err(why) = self.wait_until(READY_MAX, ready) {
            panic!("{} {why}\n{}", self.name, self.log_tail());
        }
        self
    }

    /// Another port of the same server.
    pub fn at_port(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.address.ip(), port)
    }

    /// The last lines of what the server wrote, for failures.
    pub fn log_tail(&self) -> String {
        let text =
            fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES_MAX);
        format!(
            "--- log of {} ---\n{}\n--- end ---",
            self.name,
            lines.get(from..).unwrap_or_default().join("\n")
        )
    }

    fn port_was_taken(&self) -> bool {
        let log = self.log_tail().to_lowercase();
        ["address already in use", "could not bind", "failed to bind", "eaddrinuse", "can't bind"]
            .iter()
            .any(|words| log.contains(words))
    }

    fn stop(mut self) -> Home {
        self.end();
        std::mem::take(&mut self.home)
    }

    fn end(&mut self) {
        let Some(group) = Pid::from_raw(self.child.id().cast_signed()) else { return };
        // Both signals can only fail when the group is gone already.
        let _ = kill_process_group(group, Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < STOP_MAX && matches!(self.child.try_wait(), Ok(None)) {
            sleep(POLL);
        }
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// What a finished command wrote; panics when it fails or takes longer than `limit`.
pub fn run_to_end(mut command: Command, limit: Duration) -> String {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{command:?} did not start: {e}"));
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let reader = std::thread::spawn(move || io::read_to_string(&mut out).unwrap_or_default());
    let errors = std::thread::spawn(move || io::read_to_string(&mut err).unwrap_or_default());
    let started = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > limit {
            let _ = child.kill();
            panic!("{command:?} runs for more than {} s", limit.as_secs());
        }
        sleep(POLL);
    };
    let (out, err) = (reader.join().unwrap(), errors.join().unwrap());
    assert!(status.success(), "{command:?}: {status}\n{out}\n{err}");
    out + &err
}
