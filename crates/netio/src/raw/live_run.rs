use std::{
    ffi::CStr,
    fs::File,
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use nightlatch_wire::SLOT_BYTES;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use super::{
    Device, RawError,
    bpf::{
        self, Assembler, GET_CPU, Instruction, RAW_TRACEPOINT_PROGRAM, REDIRECT,
        Register::{R0, R1, R2, R3, R4, R5, R6, R7, R8, R9},
        SharedWords,
        When::{Differ, Equal, Greater, NotLess},
        Width::{Double, Half, Word},
        XDP_DROP, XDP_PROGRAM,
    },
    features::takes_redirected,
    lane::{LANE_BYTES, LANE_FRAMES, Lane, Stretch},
};

/// Frames between two flushes to the device. What a `veth` queues (256) and what a device's poll takes (64) hold it.
const FLUSH_EVERY: u32 = 64;
/// Frames that the kernel hands to a driver in one call (`DEV_MAP_BULK_SIZE`).
const BULK: usize = 16;

// Words that this process and the programs share, by offset. The first four are set before a run.
/// Where the first frame begins, counted from the first of all lanes.
const START: usize = 0;
/// Bytes from one frame to the next, as a power of two.
const SHIFT: usize = 36;
/// Frames to be sent.
const COUNT: usize = 4;
/// Bytes of each.
const FRAME_BYTES: usize = 8;
/// Frames that the program has redirected in this run.
const NEXT: usize = 12;
/// One more than the CPU that it runs on.
const CPU: usize = 16;
/// Frames of this run that the driver was offered.
const OFFERED: usize = 20;
/// Calls of the driver in this run.
const CALLS: usize = 24;
/// Frames that were refused before the driver saw them.
const REFUSED: usize = 28;
/// Last error, negative, zero for none.
const ERROR: usize = 32;
/// Frames that each call took (low half) and left (high half).
const CALL: usize = 64;
const CALLS_MAX: usize = 512;
const WORD_BYTES: usize = CALL + 4 * CALLS_MAX;

/// Behind the last place at which the verifier must think that a frame can begin: a frame, and the eight bytes at its end
/// as far off as the mask lets them be.
const SPARE_BYTES: usize = 256;
/// What the place of the last eight bytes in a frame is kept below.
const FRAME_ROOM: usize = 128;

const _: () = assert!(LANE_FRAMES / BULK + LANE_FRAMES / FLUSH_EVERY as usize <= CALLS_MAX);
const _: () =
    assert!(FRAME_ROOM.is_power_of_two() && SLOT_BYTES <= FRAME_ROOM && FRAME_ROOM + 8 <= SPARE_BYTES);

/// Runs live frames out of shared memory, for one thread, and knows which of them the device took.
///
/// The kernel tells nobody who runs a program what became of its frames: `bpf_redirect` always answers yes, and drivers
/// count drops in places of their own. But it passes the tracepoint `xdp_devmap_xmit` after each call of a driver, with
/// the number of frames taken; frames are offered in order and taken from the front, so the losses are known one by one.
/// A program at that tracepoint writes the numbers down. It knows our frames from those of others by the CPU (a run is
/// not interrupted by other redirections of its CPU) and by there being frames of ours that are not accounted for.
///
/// A second detail decides the speed. A run registers its program in the kernel's table of direct calls and takes it out
/// again, and both wait for all CPUs, some 25 ms together. A program that is attached to any device is in that table
/// already, so ours is attached to a TAP device of its own, which never comes up and which the kernel removes when its
/// descriptor is closed.
pub(super) struct Runner {
    program: OwnedFd,
    words: SharedWords,
    holder: String,
    /// Only kept open: the attachment to the TAP device, that device, the tracepoints. The programs keep the memory.
    _kept: Vec<OwnedFd>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").finish_non_exhaustive()
    }
}

impl Runner {
    /// Loads the programs that send to `device`, for `count` threads, and makes `lanes` parts of memory for frames, each of
    /// which any of them can send from.
    ///
    /// # Errors
    /// A missing right, or what kernel and device lack.
    pub(super) fn open(
        device: &Device,
        count: usize,
        lanes: usize,
    ) -> Result<(Vec<Self>, Vec<Lane>), RawError> {
        if takes_redirected(device.index) == Some(false) {
            return Err(unsupported(&cannot_take(&device.name)));
        }
        // More than is used: what the verifier has to assume that a frame's place can be.
        let bytes = (lanes * LANE_BYTES).next_power_of_two();
        let map = bpf::shared_map(count * WORD_BYTES + bytes + SPARE_BYTES).map_err(denied)?;
        let (words, parts) =
            bpf::map_value(&map, (count, WORD_BYTES), (lanes, LANE_BYTES)).map_err(denied)?;
        let lanes =
            parts.into_iter().enumerate().map(|(at, slots)| Lane::new(at * LANE_BYTES, slots)).collect();
        let runners = words.into_iter().enumerate().map(|(at, words)| {
            let shared =
                Shared { map: &map, words: at * WORD_BYTES, frames: count * WORD_BYTES, frame_bytes: bytes };
            Self::load(device, shared, words)
        });
        Ok((runners.collect::<Result<_, _>>()?, lanes))
    }

    fn load(device: &Device, shared: Shared<'_>, words: SharedWords) -> Result<Self, RawError> {
        let program = load(XDP_PROGRAM, &send_program(shared, device.index))?;
        let offered = load(RAW_TRACEPOINT_PROGRAM, &offered_program(shared))?;
        let refused = load(RAW_TRACEPOINT_PROGRAM, &refused_program(shared))?;
        let attach = |name, program| bpf::attach_tracepoint(name, program).map_err(untold);
        let watchers = [attach(c"xdp_devmap_xmit", &offered)?, attach(c"xdp_redirect_err", &refused)?];
        let (tap, holder) = tap()?;
        let link = bpf::attach_xdp(&program, holder.0).map_err(denied)?;
        let mut kept = vec![link, tap];
        kept.extend(watchers);
        let runner = Self { program, words, holder: holder.1, _kept: kept };
        runner.idle().map_err(|source| match source.raw_os_error() {
            Some(libc::EINVAL) => unsupported("the kernel has no live frames, which came with Linux 5.18"),
            _ => denied(source),
        })?;
        Ok(runner)
    }

    /// Name of the TAP device that holds the program.
    pub(super) fn holder(&self) -> &str {
        &self.holder
    }

    /// Runs the program without a frame to send: it drops what the kernel gives it.
    ///
    /// # Errors
    /// `EINVAL` when the kernel has no live frames; `EPERM` when this thread may not run programs.
    fn idle(&self) -> io::Result<()> {
        self.words.set(COUNT, 0);
        bpf::run_live(&self.program, &[0; SLOT_BYTES], 2, FLUSH_EVERY)
    }

    /// Gives up all capabilities of this thread, but for CAP_BPF where the kernel wants it for running what is loaded
    /// (before Linux 5.19).
    ///
    /// # Errors
    /// The system's own.
    pub(super) fn give_up_rights(&self) -> io::Result<()> {
        let none = CapabilitySet::empty();
        let kept = capabilities(None)?.permitted & CapabilitySet::BPF;
        let set = |effective, permitted| {
            set_capabilities(None, CapabilitySets { effective, permitted, inheritable: none })
        };
        set(none, kept)?;
        match self.idle() {
            Ok(()) => set(none, none)?,
            Err(_) => set(kept, kept)?,
        }
        Ok(())
    }

    /// Sends the frames of `stretch`, and returns which of them the device did not take (ascending, 0 is the first).
    ///
    /// # Errors
    /// Why the kernel or the device takes none, and how many were left.
    pub(super) fn run(&self, stretch: Stretch) -> Result<Vec<usize>, (usize, io::Error)> {
        let Stretch { start, shift, count, frame_bytes } = stretch;
        let numbers = (u32::try_from(start), u32::try_from(count), u32::try_from(frame_bytes));
        let (Ok(start), Ok(repeat), Ok(bytes)) = numbers else {
            return Err((count, io::ErrorKind::InvalidInput.into()));
        };
        for word in [NEXT, OFFERED, CALLS, REFUSED, ERROR] {
            self.words.set(word, 0);
        }
        self.words.set(START, start);
        self.words.set(SHIFT, shift);
        self.words.set(FRAME_BYTES, bytes);
        self.words.set(COUNT, repeat);
        let frame = [0; SLOT_BYTES];
        let frame = frame.get(..frame_bytes).unwrap_or(&frame);
        let result = bpf::run_live(&self.program, frame, repeat, FLUSH_EVERY);
        // Whoever runs the program from now on sends nothing.
        self.words.set(COUNT, 0);
        let left = self.left(count);
        if let Err(error) = result
            && error.kind() != io::ErrorKind::Interrupted
        {
            return Err((left.len(), error));
        }
        match (self.words.get(ERROR) as i32).wrapping_neg() {
            // Drivers that are full take none, or say one of these.
            0 | libc::ENOSPC | libc::ENOBUFS | libc::EBUSY | libc::EAGAIN => Ok(left),
            error => Err((left.len(), io::Error::from_raw_os_error(error))),
        }
    }

    /// Frames of the last run that no driver took.
    fn left(&self, count: usize) -> Vec<usize> {
        let calls = (self.words.get(CALLS) as usize).min(CALLS_MAX);
        left((0..calls).map(|call| self.words.get(CALL + 4 * call)), count)
    }
}

/// Which of `count` frames are left after `calls` of a driver (low half: taken, high half: dropped). What was never
/// offered is at the end.
fn left(calls: impl Iterator<Item = u32>, count: usize) -> Vec<usize> {
    let mut left = Vec::new();
    let mut at = 0;
    for call in calls {
        let (taken, dropped) = (call as usize & 0xffff, call as usize >> 16);
        left.extend(at + taken..at + taken + dropped);
        at += taken + dropped;
    }
    left.extend(at..count);
    left.retain(|frame| *frame < count);
    left
}

/// The value that the programs of a thread share with it.
#[derive(Clone, Copy)]
struct Shared<'a> {
    map: &'a OwnedFd,
    /// Where the thread's own words begin.
    words: usize,
    /// Where the frames of all begin, and how many bytes they take, a power of two.
    frames: usize,
    frame_bytes: usize,
}

impl Shared<'_> {
    /// `to = ` address of the words.
    fn words(self, program: &mut Assembler, to: bpf::Register) {
        program.map_value(to, self.map, self.words as i32);
    }
}

/// Copies the next frame into the packet and redirects it; drops the packet when there is none.
fn send_program(shared: Shared<'_>, device: u32) -> Vec<Instruction> {
    let mut program = Assembler::default();
    let (drop, last) = (program.label(), program.label());
    program.copy(R6, R1);
    shared.words(&mut program, R7);
    program.load(Word, R8, R7, NEXT as i16).load(Word, R2, R7, COUNT as i16).jump(NotLess, R8, R2, drop);
    program.call(GET_CPU).add_value(R0, 1).store(Word, R7, CPU as i16, R0);
    // R9: the frame. The mask tells the verifier that it is inside the value.
    program.copy(R9, R8).load(Word, R1, R7, SHIFT as i16).shift_left_by(R9, R1);
    program.load(Word, R1, R7, START as i16).add(R9, R1).and_value(R9, shared.frame_bytes as i32 - 1);
    program.map_value(R1, shared.map, shared.frames as i32).add(R9, R1);
    program.add_value(R8, 1).store(Word, R7, NEXT as i16, R8);
    // R1, R2: the packet and its end. Pages come back as the last run left them, so all of it is written.
    program.load(Word, R1, R6, 0).load(Word, R2, R6, 4);
    for at in (0..SLOT_BYTES).step_by(Double.bytes()) {
        program.copy(R3, R1).add_value(R3, (at + Double.bytes()) as i32).jump(Greater, R3, R2, last);
        program.load(Double, R4, R9, at as i16).store(Double, R1, at as i16, R4);
    }
    // The last eight bytes again, wherever the frame ends.
    program
        .place(last)
        .load(Word, R5, R7, FRAME_BYTES as i16)
        .add_value(R5, -8)
        .and_value(R5, FRAME_ROOM as i32 - 1);
    program.add(R1, R5).copy(R3, R1).add_value(R3, 8).jump(Greater, R3, R2, drop);
    program.add(R9, R5).load(Double, R4, R9, 0).store(Double, R1, 0, R4);
    program.set(R1, device as i32).set(R2, 0).call(REDIRECT).exit();
    program.place(drop).set(R0, XDP_DROP).exit();
    program.finish()
}

/// At `xdp_devmap_xmit` (from, to, taken, dropped, error): one call of a driver.
fn offered_program(shared: Shared<'_>) -> Vec<Instruction> {
    let mut program = Assembler::default();
    let (end, fine) = (program.label(), program.label());
    if_ours(&mut program, shared, end);
    program.load(Double, R3, R6, 2 * 8).load(Double, R4, R6, 3 * 8);
    program
        .load(Word, R5, R7, CALLS as i16)
        .copy(R1, R5)
        .and_value(R1, CALLS_MAX as i32 - 1)
        .shift_left(R1, 2);
    program.add(R1, R7).store(Half, R1, CALL as i16, R3).store(Half, R1, CALL as i16 + 2, R4);
    program.add_value(R5, 1).store(Word, R7, CALLS as i16, R5);
    program.load(Word, R2, R7, OFFERED as i16).add(R2, R3).add(R2, R4).store(Word, R7, OFFERED as i16, R2);
    program.load(Double, R1, R6, 4 * 8).set(R2, 0).jump(Equal, R1, R2, fine).store(
        Word,
        R7,
        ERROR as i16,
        R1,
    );
    program.place(fine).place(end).set(R0, 0).exit();
    program.finish()
}

/// At `xdp_redirect_err` (device, program, target, error, ...): a frame that no driver was offered.
fn refused_program(shared: Shared<'_>) -> Vec<Instruction> {
    let mut program = Assembler::default();
    let end = program.label();
    if_ours(&mut program, shared, end);
    program.load(Word, R2, R7, REFUSED as i16).add_value(R2, 1).store(Word, R7, REFUSED as i16, R2);
    program.load(Double, R1, R6, 3 * 8).store(Word, R7, ERROR as i16, R1);
    program.place(end).set(R0, 0).exit();
    program.finish()
}

/// Goes on if this CPU is in a run of ours with frames that are not accounted for, else jumps to `end`. R6: what the
/// tracepoint tells; R7: the shared value.
fn if_ours(program: &mut Assembler, shared: Shared<'_>, end: bpf::Label) {
    program.copy(R6, R1);
    shared.words(program, R7);
    program.call(GET_CPU).add_value(R0, 1).load(Word, R1, R7, CPU as i16).jump(Differ, R0, R1, end);
    program.load(Word, R1, R7, NEXT as i16).load(Word, R2, R7, OFFERED as i16);
    program.load(Word, R3, R7, REFUSED as i16).add(R2, R3).jump(Equal, R1, R2, end);
}

fn load(kind: u32, program: &[Instruction]) -> Result<OwnedFd, RawError> {
    bpf::load(kind, program).map_err(denied)
}

/// A TAP device of our own that never comes up, with its number and name. It goes when the descriptor is closed.
fn tap() -> Result<(OwnedFd, (u32, String)), RawError> {
    const NAME_BYTES: usize = 16;
    let file = File::options().read(true).write(true).open("/dev/net/tun").map_err(|source| match source
        .kind()
    {
        io::ErrorKind::PermissionDenied => denied(source),
        _ => unsupported(&format!(
            "it needs the device file /dev/net/tun ({source}; `modprobe tun` may bring it)"
        )),
    })?;
    // struct ifreq: 16 bytes of name, which the kernel completes, then flags; more room than it has in all.
    let mut request = [0_u8; 64];
    let (name, rest) = request.split_at_mut(NAME_BYTES);
    for (to, from) in name.iter_mut().zip(b"nightlatch%d") {
        *to = *from;
    }
    for (to, from) in rest.iter_mut().zip(((libc::IFF_TAP | libc::IFF_NO_PI) as u16).to_ne_bytes()) {
        *to = from;
    }
    // SAFETY: the kernel reads and writes a struct ifreq of 40 bytes; `request` is longer and exclusively borrowed.
    let answer = unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, request.as_mut_ptr()) };
    if answer < 0 {
        return Err(denied(io::Error::last_os_error()));
    }
    let name = CStr::from_bytes_until_nul(&request).map_err(|error| denied(io::Error::other(error)))?;
    // SAFETY: a string that ends with a zero.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    Ok((OwnedFd::from(file), (index, name.to_string_lossy().into_owned())))
}

const WANTED: &str = "sending live frames";

/// All rights that live frames need: maps and programs, XDP and the TAP device, tracepoints.
const RIGHTS: &str = "CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON";

fn denied(source: io::Error) -> RawError {
    let needed = CapabilitySet::BPF | CapabilitySet::NET_ADMIN | CapabilitySet::PERFMON;
    let has_all = capabilities(None).is_ok_and(|rights| rights.effective.contains(needed));
    match source.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) if has_all => unsupported(
            "the kernel refuses BPF although the rights are there (a user namespace, a security module, lockdown)",
        ),
        Some(libc::ENOSYS) => unsupported("the kernel was built without BPF"),
        _ => RawError::of(WANTED, RIGHTS, source),
    }
}

/// The error of a tracepoint that cannot be had.
fn untold(source: io::Error) -> RawError {
    match source.raw_os_error() {
        Some(libc::ENOENT | libc::EINVAL) => unsupported(
            "the kernel has no XDP tracepoints, so it would not be known which frames were dropped",
        ),
        _ => denied(source),
    }
}

fn unsupported(why: &str) -> RawError {
    RawError::Unsupported { wanted: WANTED.to_owned(), why: format!("{why}; use `--sender packet`") }
}

/// What to do when a device takes no redirected frames.
pub(super) fn cannot_take(device: &str) -> String {
    format!(
        "{device} takes no redirected frames; a veth does once its far end has GRO on (`ethtool -K FAR_END gro on`) or an \
         XDP program, many network cards once an XDP program is attached to them"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drivers_left_is_known_frame_by_frame() {
        /// What each call took and dropped, the frames of the run, and which of them are left.
        type Case = (&'static [(u32, u32)], usize, &'static [usize]);
        let cases: [Case; 6] = [
            (&[(16, 0), (4, 0)], 20, &[]),
            (&[(13, 3), (16, 0)], 32, &[13, 14, 15]),
            (&[(16, 0), (0, 4)], 20, &[16, 17, 18, 19]),
            // Interrupted: the end was never offered.
            (&[(16, 0), (15, 1)], 34, &[31, 32, 33]),
            (&[], 2, &[0, 1]),
            (&[(16, 16)], 20, &[16, 17, 18, 19]),
        ];
        for (calls, count, expected) in cases {
            let calls = calls.iter().map(|(taken, dropped)| taken | dropped << 16);
            assert_eq!(left(calls, count), expected);
        }
    }
}
