use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    os::fd::AsFd,
    process::{Child, Command, Stdio},
    thread,
};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::run::{Run, run};

/// Why this machine has no such lab, in words for a person.
#[derive(Clone, Debug)]
pub struct Unavailable(pub String);

/// A network namespace, as long as this value lives.
#[derive(Debug)]
pub struct Namespace {
    holder: Child,
    path: String,
}

/// What the holder runs: the end of its standard input, which comes with the end of this process, ends it.
const HOLD: &str = "ip link set lo up && echo up && read -r forever";

impl Namespace {
    /// Makes one, with its loopback up.
    ///
    /// # Errors
    /// When the machine does not allow it.
    pub fn new() -> Result<Self, Unavailable> {
        let mut holder = Command::new("unshare")
            .args(["--net", "--", "sh", "-c", HOLD])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Unavailable(format!("unshare (util-linux) does not start: {error}")))?;
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line != "up\n" {
            let mut words = String::new();
            holder.stderr.as_mut().unwrap().read_to_string(&mut words).unwrap();
            let _ = holder.wait();
            return Err(Unavailable(format!("no network namespace can be made: {}", words.trim())));
        }
        let path = format!("/proc/{}/ns/net", holder.id());
        Ok(Self { holder, path })
    }

    /// The process that holds it, for tools that name namespaces so.
    pub fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// A program inside. It ends with the thread that starts it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "nsenter"]).arg(format!("--net={}", self.path));
        command.arg("--").arg(program).stdin(Stdio::null());
        command
    }

    /// Runs a script of the shell inside, which must succeed.
    pub fn shell(&self, script: &str) -> Run {
        let done = run(self.command("sh").args(["-euc", script]));
        assert_eq!(done.code, Some(0), "{script}\n{}", done.stderr);
        done
    }

    /// Does something of this program inside, on a thread of its own.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let namespace = File::open(&self.path).unwrap();
        thread::scope(|scope| {
            let done = scope.spawn(|| {
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
                work()
            });
            done.join().unwrap()
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
