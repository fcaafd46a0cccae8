//! The few calls of bpf(2) that live frames need, and an assembler of a dozen instructions.
//!
//! No library: a BPF loader brings an object-file format, relocations and a compiler into a tool that needs two
//! programs of less than two hundred instructions. What the kernel gives out here are file descriptors; closing them is what takes
//! programs, maps and attachments away, also after `kill -9`.
//!
//! Source: Linux `include/uapi/linux/bpf.h`; RFC 9669 (BPF instruction set).

use std::{
    ffi::CStr,
    io,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    ptr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use super::mapping::Mapping;

/// `BPF_PROG_TYPE_XDP`.
pub(super) const XDP_PROGRAM: u32 = 6;
/// `BPF_PROG_TYPE_RAW_TRACEPOINT`.
pub(super) const RAW_TRACEPOINT_PROGRAM: u32 = 17;
/// Helper `bpf_get_smp_processor_id`.
pub(super) const GET_CPU: i32 = 8;
/// Helper `bpf_redirect`.
pub(super) const REDIRECT: i32 = 23;
/// What an XDP program answers to have the packet dropped.
pub(super) const XDP_DROP: i32 = 1;

const MAP_CREATE: u32 = 0;
const PROG_LOAD: u32 = 5;
const PROG_RUN: u32 = 10;
const RAW_TRACEPOINT_OPEN: u32 = 17;
const LINK_CREATE: u32 = 28;
const ARRAY_MAP: u32 = 2;
const MMAPABLE: u32 = 1 << 10;
const LIVE_FRAMES: u32 = 1 << 1;
const ATTACH_XDP: u32 = 37;
/// `BPF_PSEUDO_MAP_VALUE`: the 64-bit constant is the address of a map's first value.
const MAP_VALUE: u8 = 2;
/// The verifier's account of a refused program is read up to here.
const LOG_BYTES: usize = 16 * 1024;

/// A register of the BPF machine. `R0` holds results, `R1` to `R5` arguments (lost in a call), `R6` to `R9` are kept.
#[derive(Clone, Copy, Debug)]
pub(super) enum Register {
    R0,
    R1,
    R2,
    R3,
    R4,
    R5,
    R6,
    R7,
    R8,
    R9,
}

/// How much a load or store moves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Width {
    Half,
    Word,
    Double,
}

impl Width {
    /// Bytes of one move.
    pub(super) fn bytes(self) -> usize {
        match self {
            Self::Half => 2,
            Self::Word => 4,
            Self::Double => 8,
        }
    }

    fn bits(self) -> u8 {
        match self {
            Self::Word => 0x00,
            Self::Half => 0x08,
            Self::Double => 0x18,
        }
    }
}

/// When a jump is taken; both sides are unsigned 64-bit registers.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    Equal,
    Differ,
    Greater,
    NotLess,
}

impl When {
    fn code(self) -> u8 {
        match self {
            Self::Equal => 0x1d,
            Self::Differ => 0x5d,
            Self::Greater => 0x2d,
            Self::NotLess => 0x3d,
        }
    }
}

/// One instruction as the kernel takes it: 8 bytes, host byte order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Instruction {
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
}

/// A place in a program that jumps lead to; made by [`Assembler::label`], set by [`Assembler::place`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Label(usize);

/// Writes a program, one instruction a call; jumps only lead forward.
#[derive(Default)]
pub(super) struct Assembler {
    instructions: Vec<Instruction>,
    places: Vec<usize>,
    jumps: Vec<(usize, Label)>,
}

impl Assembler {
    /// `to = from`.
    pub(super) fn copy(&mut self, to: Register, from: Register) -> &mut Self {
        self.put(0xbf, to as u8, from as u8, 0, 0)
    }

    /// `to = value`, sign-extended.
    pub(super) fn set(&mut self, to: Register, value: i32) -> &mut Self {
        self.put(0xb7, to as u8, 0, 0, value)
    }

    /// `to += from`.
    pub(super) fn add(&mut self, to: Register, from: Register) -> &mut Self {
        self.put(0x0f, to as u8, from as u8, 0, 0)
    }

    /// `to += value`.
    pub(super) fn add_value(&mut self, to: Register, value: i32) -> &mut Self {
        self.put(0x07, to as u8, 0, 0, value)
    }

    /// `to &= value`: also what tells the verifier how large an index can be.
    pub(super) fn and_value(&mut self, to: Register, value: i32) -> &mut Self {
        self.put(0x57, to as u8, 0, 0, value)
    }

    /// `to <<= bits`.
    pub(super) fn shift_left(&mut self, to: Register, bits: i32) -> &mut Self {
        self.put(0x67, to as u8, 0, 0, bits)
    }

    /// `to <<= by`, of which the lowest six bits count.
    pub(super) fn shift_left_by(&mut self, to: Register, by: Register) -> &mut Self {
        self.put(0x6f, to as u8, by as u8, 0, 0)
    }

    /// `to = *(from + offset)`, zero-extended.
    pub(super) fn load(&mut self, width: Width, to: Register, from: Register, offset: i16) -> &mut Self {
        self.put(0x61 | width.bits(), to as u8, from as u8, offset, 0)
    }

    /// `*(to + offset) = from`.
    pub(super) fn store(&mut self, width: Width, to: Register, offset: i16, from: Register) -> &mut Self {
        self.put(0x63 | width.bits(), to as u8, from as u8, offset, 0)
    }

    /// Calls a helper by its number; the answer is in `R0`.
    pub(super) fn call(&mut self, helper: i32) -> &mut Self {
        self.put(0x85, 0, 0, 0, helper)
    }

    /// Ends the program with what is in `R0`.
    pub(super) fn exit(&mut self) -> &mut Self {
        self.put(0x95, 0, 0, 0, 0)
    }

    /// `to = ` address of the byte `offset` in the only value of an array map.
    pub(super) fn map_value(&mut self, to: Register, map: &OwnedFd, offset: i32) -> &mut Self {
        self.put(0x18, to as u8, MAP_VALUE, 0, map.as_raw_fd());
        self.put(0, 0, 0, 0, offset)
    }

    /// A label to jump to; it must be placed before [`finish`](Self::finish).
    pub(super) fn label(&mut self) -> Label {
        self.places.push(0);
        Label(self.places.len() - 1)
    }

    /// Jumps to `label` if the comparison holds.
    pub(super) fn jump(&mut self, when: When, left: Register, right: Register, label: Label) -> &mut Self {
        self.jumps.push((self.instructions.len(), label));
        self.put(when.code(), left as u8, right as u8, 0, 0)
    }

    /// The next instruction is where `label` leads to.
    pub(super) fn place(&mut self, label: Label) -> &mut Self {
        if let Some(place) = self.places.get_mut(label.0) {
            *place = self.instructions.len();
        }
        self
    }

    /// The program, with its jumps filled in.
    pub(super) fn finish(mut self) -> Vec<Instruction> {
        for (at, label) in self.jumps {
            let place = self.places.get(label.0).copied().unwrap_or(0);
            if let Some(jump) = self.instructions.get_mut(at) {
                // A jump that was never placed becomes one to itself, which the verifier refuses.
                jump.offset = i16::try_from(place.saturating_sub(at)).unwrap_or(0).saturating_sub(1);
            }
        }
        self.instructions
    }

    fn put(&mut self, code: u8, to: u8, from: u8, offset: i16, immediate: i32) -> &mut Self {
        self.instructions.push(Instruction { code, registers: to | from << 4, offset, immediate });
        self
    }
}

/// Calls bpf(2). `attributes` is the beginning of the kernel's union; zeroes are what the rest of it means.
fn call<T>(command: u32, attributes: &mut T) -> io::Result<i64> {
    // SAFETY: the kernel reads and writes at most `size_of::<T>()` bytes at the address, which is exclusively borrowed;
    // every address inside `attributes` belongs to a buffer that its maker below keeps alive over the call.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, ptr::from_mut(attributes), size_of::<T>()) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(answer) }
}

fn call_for_descriptor<T>(command: u32, attributes: &mut T) -> io::Result<OwnedFd> {
    let descriptor = i32::try_from(call(command, attributes)?).map_err(io::Error::other)?;
    // SAFETY: the command answered with a new descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

#[repr(C)]
#[derive(Default)]
struct MapCreate {
    kind: u32,
    key_bytes: u32,
    value_bytes: u32,
    entries: u32,
    flags: u32,
    inner_map: u32,
    numa_node: u32,
    name: [u8; 16],
}

/// Creates a map of one value that this process can map into its memory.
///
/// # Errors
/// What the kernel said: `EPERM` without CAP_BPF, `ENOMEM` or `E2BIG` when the value is too large.
pub(super) fn shared_map(value_bytes: usize) -> io::Result<OwnedFd> {
    let value_bytes = u32::try_from(value_bytes).map_err(io::Error::other)?;
    let attributes = MapCreate {
        kind: ARRAY_MAP,
        key_bytes: 4,
        value_bytes,
        entries: 1,
        flags: MMAPABLE,
        name: *b"nightlatch\0\0\0\0\0\0",
        ..MapCreate::default()
    };
    call_for_descriptor(MAP_CREATE, &mut { attributes })
}

#[repr(C)]
#[derive(Default)]
struct ProgramLoad {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_bytes: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
}

/// Has the kernel verify and compile a program.
///
/// # Errors
/// What the kernel said; for a refused program with the end of the verifier's log.
pub(super) fn load(kind: u32, program: &[Instruction]) -> io::Result<OwnedFd> {
    let mut attributes = ProgramLoad {
        kind,
        instruction_count: u32::try_from(program.len()).map_err(io::Error::other)?,
        instructions: program.as_ptr() as u64,
        license: c"Apache-2.0".as_ptr() as u64,
        name: *b"nightlatch\0\0\0\0\0\0",
        ..ProgramLoad::default()
    };
    let error = match call_for_descriptor(PROG_LOAD, &mut attributes) {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    if !matches!(error.raw_os_error(), Some(libc::EACCES | libc::EINVAL)) {
        return Err(error);
    }
    let mut log = vec![0_u8; LOG_BYTES];
    attributes.log_level = 1;
    attributes.log_bytes = LOG_BYTES as u32;
    attributes.log = log.as_mut_ptr() as u64;
    let error = match call_for_descriptor(PROG_LOAD, &mut attributes) {
        Ok(program) => return Ok(program),
        Err(error) => error,
    };
    let text = String::from_utf8_lossy(&log).trim_end_matches('\0').to_owned();
    let last: Vec<&str> = text.lines().rev().take(3).collect();
    Err(io::Error::new(error.kind(), format!("{error}: {}", last.join(" < "))))
}

#[repr(C)]
#[derive(Default)]
struct Run {
    program: u32,
    answer: u32,
    frame_bytes: u32,
    frame_bytes_out: u32,
    frame: u64,
    frame_out: u64,
    repeat: u32,
    duration_ns: u32,
    context_bytes: u32,
    context_bytes_out: u32,
    context: u64,
    context_out: u64,
    flags: u32,
    cpu: u32,
    batch: u32,
    padding: u32,
}

/// Runs an XDP program `repeat` times on frames as long as `frame`, and does with each what the program answers.
///
/// - `batch`: frames between two flushes to the device, at most 256.
///
/// # Errors
/// What the kernel said: `EINVAL` before Linux 5.18, `EINTR` after a signal (part of the frames may have left).
pub(super) fn run_live(program: &OwnedFd, frame: &[u8], repeat: u32, batch: u32) -> io::Result<()> {
    let attributes = Run {
        program: program.as_raw_fd() as u32,
        frame_bytes: u32::try_from(frame.len()).map_err(io::Error::other)?,
        frame: frame.as_ptr() as u64,
        repeat,
        batch,
        flags: LIVE_FRAMES,
        ..Run::default()
    };
    call(PROG_RUN, &mut { attributes }).map(drop)
}

#[repr(C)]
#[derive(Default)]
struct TracepointOpen {
    name: u64,
    program: u32,
    padding: u32,
}

/// Runs `program` at each passage of a tracepoint of the kernel, until the descriptor is closed.
///
/// # Errors
/// What the kernel said: `EPERM` without CAP_PERFMON, `ENOENT` when the kernel has no such tracepoint.
pub(super) fn attach_tracepoint(name: &CStr, program: &OwnedFd) -> io::Result<OwnedFd> {
    let attributes =
        TracepointOpen { name: name.as_ptr() as u64, program: program.as_raw_fd() as u32, padding: 0 };
    call_for_descriptor(RAW_TRACEPOINT_OPEN, &mut { attributes })
}

#[repr(C)]
#[derive(Default)]
struct LinkCreate {
    program: u32,
    device: u32,
    kind: u32,
    flags: u32,
}

/// Attaches an XDP program to a device of this network namespace, until the descriptor is closed.
///
/// # Errors
/// What the kernel said: `EBUSY` when another program is attached, `EPERM` without CAP_NET_ADMIN.
pub(super) fn attach_xdp(program: &OwnedFd, device: u32) -> io::Result<OwnedFd> {
    let attributes = LinkCreate { program: program.as_raw_fd() as u32, device, kind: ATTACH_XDP, flags: 0 };
    call_for_descriptor(LINK_CREATE, &mut { attributes })
}

/// Words of a shared value, which programs write to while this process reads.
#[derive(Debug)]
pub(super) struct SharedWords {
    mapping: Arc<Mapping>,
    offset: usize,
    bytes: usize,
}

/// A part of a shared value that belongs to whoever holds it. Programs only read it, and only in a run that the holder
/// started.
#[derive(Debug)]
pub(super) struct Part {
    mapping: Arc<Mapping>,
    offset: usize,
    bytes: usize,
}

/// Maps a shared value: areas of words, then parts.
///
/// - `words`, `parts`: how many there are, and the bytes of each.
///
/// # Errors
/// What mmap(2) said, also when the value is shorter than that.
pub(super) fn map_value(
    map: &OwnedFd,
    words: (usize, usize),
    parts: (usize, usize),
) -> io::Result<(Vec<SharedWords>, Vec<Part>)> {
    let word_bytes = words.0.checked_mul(words.1).ok_or(io::ErrorKind::InvalidInput)?;
    let bytes = parts.0.checked_mul(parts.1).and_then(|bytes| bytes.checked_add(word_bytes));
    let bytes = bytes.ok_or(io::ErrorKind::InvalidInput)?;
    let mapping = Arc::new(Mapping::shared(map.as_fd(), bytes, 0)?);
    let words = (0..words.0).map(|at| SharedWords {
        mapping: Arc::clone(&mapping),
        offset: at * words.1,
        bytes: words.1,
    });
    let parts = (0..parts.0).map(|at| Part {
        mapping: Arc::clone(&mapping),
        offset: word_bytes + at * parts.1,
        bytes: parts.1,
    });
    Ok((words.collect(), parts.collect()))
}

impl SharedWords {
    /// The word at `offset`; zero outside.
    pub(super) fn get(&self, offset: usize) -> u32 {
        self.word(offset).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Sets the word at `offset`; outside, nothing happens.
    pub(super) fn set(&self, offset: usize, value: u32) {
        if let Some(word) = self.word(offset) {
            word.store(value, Ordering::Release);
        }
    }

    fn word(&self, offset: usize) -> Option<&AtomicU32> {
        if offset < self.bytes { self.mapping.word(self.offset + offset) } else { None }
    }
}

impl Part {
    /// `bytes` of memory that no kernel reads.
    #[cfg(test)]
    pub(super) fn anonymous(bytes: usize) -> Self {
        Self { mapping: Arc::new(Mapping::anonymous(bytes).unwrap()), offset: 0, bytes }
    }

    /// `count` bytes from `offset` on, to be written; `None` where they are not inside.
    #[inline]
    pub(super) fn slice_mut(&mut self, offset: usize, count: usize) -> Option<&mut [u8]> {
        if !self.holds(offset, count) {
            return None;
        }
        // SAFETY: this part is borrowed exclusively, no other part overlaps it, and a program reads it only in a run of its
        // holder.
        unsafe { self.mapping.slice_mut(self.offset + offset, count) }
    }

    /// `count` bytes from `offset` on; `None` where they are not inside.
    #[cfg(test)]
    pub(super) fn slice(&self, offset: usize, count: usize) -> Option<&[u8]> {
        if !self.holds(offset, count) {
            return None;
        }
        // SAFETY: whoever writes has this part borrowed exclusively.
        unsafe { self.mapping.slice_mut(self.offset + offset, count).map(|slice| &*slice) }
    }

    /// Copies `count` bytes within the part; nothing happens when they are not inside.
    pub(super) fn copy_within(&mut self, from: usize, to: usize, count: usize) {
        if self.holds(from, count) && self.holds(to, count) {
            // SAFETY: as in `slice_mut`.
            unsafe { self.mapping.copy_within(self.offset + from, self.offset + to, count) };
        }
    }

    /// Whether both are parts of one value.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.mapping, &other.mapping)
    }

    fn holds(&self, offset: usize, count: usize) -> bool {
        offset.checked_add(count).is_some_and(|end| end <= self.bytes)
    }
}
