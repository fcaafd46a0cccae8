//! Programs of the user, run with bounded time and output.

use std::{
    io::{self, Read},
    os::{
        fd::AsFd,
        unix::process::{CommandExt, ExitStatusExt},
    },
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid},
};

/// How long is read on once the program has ended: what it wrote is in the pipe, and only a process that it left behind
/// can keep the pipe open.
const AFTERWARDS: Duration = Duration::from_millis(500);
/// How often it is looked whether the program has ended.
const LOOK: Duration = Duration::from_millis(5);
/// Bytes of the end of its complaints that are kept.
const COMPLAINT_BYTES_MAX: usize = 8_000;

/// What a program gave.
#[derive(Debug)]
pub(crate) struct Ended {
    /// How it ended.
    pub(crate) status: ExitStatus,
    /// Its standard output.
    pub(crate) output: Vec<u8>,
    /// The end of its standard error.
    pub(crate) complaint: String,
}

/// Why there is no [`Ended`].
#[derive(Debug)]
pub(crate) enum Stopped {
    /// It could not be started, read or waited for.
    Io(io::Error),
    /// It took too long.
    TooSlow,
    /// It wrote too much.
    TooLong,
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Runs a program with nothing on its standard input. When this returns, it has ended, and so has everything that it
/// started and that did not leave its process group.
///
/// - `time_max`: longest time until it ends.
/// - `bytes_max`: longest standard output.
///
/// # Errors
/// [`Stopped`].
pub(crate) fn run(mut command: Command, time_max: Duration, bytes_max: u64) -> Result<Ended, Stopped> {
    // A group of its own, so that helpers that it leaves behind end with it.
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = Running { child: command.spawn()?, is_reaped: false };
    let (mut output, mut complaint) = (Vec::new(), Vec::new());
    let (mut out, mut err) = (child.child.stdout.take(), child.child.stderr.take());
    let mut until = Instant::now() + time_max;
    let mut has_ended = false;
    while !(has_ended && out.is_none() && err.is_none()) {
        if !has_ended && child.has_ended()? {
            has_ended = true;
            until = Instant::now() + AFTERWARDS;
        }
        if Instant::now() >= until {
            if has_ended {
                break;
            }
            return Err(Stopped::TooSlow);
        }
        read_some(&mut out, &mut err, &mut output, &mut complaint)?;
        if output.len() as u64 > bytes_max {
            return Err(Stopped::TooLong);
        }
        if complaint.len() > 2 * COMPLAINT_BYTES_MAX {
            complaint.drain(..complaint.len() - COMPLAINT_BYTES_MAX);
        }
    }
    let status = child.end()?;
    Ok(Ended { status, output, complaint: last_words(&complaint) })
}

/// Reads what is there, and waits a little when nothing is. A pipe that was closed becomes none.
fn read_some<O: Read + AsFd, E: Read + AsFd>(
    out: &mut Option<O>,
    err: &mut Option<E>,
    output: &mut Vec<u8>,
    complaint: &mut Vec<u8>,
) -> io::Result<()> {
    let mut open = Vec::with_capacity(2);
    open.extend(out.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    open.extend(err.as_ref().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
    let wait = Timespec { tv_sec: 0, tv_nsec: LOOK.subsec_nanos().into() };
    match poll(&mut open, Some(&wait)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let mut ready = open.iter().map(|one| !one.revents().is_empty());
    let out_is_ready = out.is_some() && ready.next().unwrap_or(false);
    let err_is_ready = err.is_some() && ready.next().unwrap_or(false);
    if out_is_ready && take_in(out.as_mut(), output)? == 0 {
        *out = None;
    }
    if err_is_ready && take_in(err.as_mut(), complaint)? == 0 {
        *err = None;
    }
    Ok(())
}

/// One read of a pipe that has something to give; 0 at its end.
fn take_in(pipe: Option<&mut impl Read>, into: &mut Vec<u8>) -> io::Result<usize> {
    let Some(pipe) = pipe else { return Ok(0) };
    let mut buffer = [0; 64 * 1024];
    match pipe.read(&mut buffer) {
        Ok(count) => {
            into.extend_from_slice(buffer.get(..count).unwrap_or_default());
            Ok(count)
        }
        // Nothing was read, and nothing is over.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(1),
        Err(error) => Err(error),
    }
}

/// A child that does not outlive the value, nor does its group.
struct Running {
    child: Child,
    is_reaped: bool,
}

impl Running {
    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    /// Whether it has ended. It is not reaped: until then nobody else gets its number, which is that of its group.
    fn has_ended(&self) -> io::Result<bool> {
        let Some(pid) = self.pid() else { return Ok(true) };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::Pid(pid), options) {
            Ok(status) => Ok(status.is_some()),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Ends its group and reaps it.
    fn end(&mut self) -> io::Result<ExitStatus> {
        if let Some(pid) = self.pid() {
            // Whoever has ended already is no loss.
            let _ = kill_process_group(pid, Signal::KILL);
        }
        let status = self.child.wait()?;
        self.is_reaped = true;
        Ok(status)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Once it was reaped its number may be somebody else's.
        if !self.is_reaped {
            let _ = self.end();
        }
    }
}

/// The end of what a program complained.
fn last_words(kept: &[u8]) -> String {
    let text = String::from_utf8_lossy(kept);
    let text = text.trim();
    let skipped = text.chars().count().saturating_sub(2_000);
    text.chars().skip(skipped).collect()
}

/// What to say of a program that failed: its own words, or how it ended.
pub(crate) fn failure(ended: &Ended) -> String {
    match (ended.complaint.is_empty(), ended.status.code(), ended.status.signal()) {
        (false, ..) => ended.complaint.clone(),
        (true, Some(code), _) => format!("it ended with exit code {code} and said nothing"),
        (true, None, signal) => format!("signal {} ended it", signal.unwrap_or_default()),
    }
}
