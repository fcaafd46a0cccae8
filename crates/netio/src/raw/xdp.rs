use std::{
    io, mem,
    os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd},
    ptr,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use nightlatch_wire::SLOT_BYTES;

use super::{Batch, Device, RawError, mapping::Mapping, packet::not_taken, sender::Unsent};

/// Frames that can be on their way to the driver. A power of two.
const SLOTS: usize = 2048;
/// Bytes from one frame to the next in the shared memory. Frames may lie anywhere in a chunk, so many share one: a chunk
/// for each would spread the frames over eight megabytes and over few sets of the cache.
const SLOT_STRIDE: usize = 128;
/// Smallest chunk that every kernel takes.
const CHUNK_BYTES: u32 = 2048;
/// The ring of empty chunks for receiving: it must exist, and stays empty.
const FILL_SLOTS: u32 = 16;
/// Calls in a row in which the kernel takes nothing, before the caller hears of it.
const STALLS_MAX: u32 = 3;
/// How long a full device is given.
const DEVICE_FULL_PAUSE: Duration = Duration::from_micros(50);
/// How often a queue that is in use is tried, and the pause between.
const BINDS_MAX: u32 = 20;
const BIND_PAUSE: Duration = Duration::from_millis(50);
/// How long closing waits for frames that have not left.
const CLOSE_MAX: Duration = Duration::from_millis(100);
/// Descriptors that the kernel takes in one call, where it can be told (`XDP_MAX_TX_SKB_BUDGET`, Linux 6.17).
const BUDGET: u32 = 512;
const XDP_MAX_TX_SKB_BUDGET: i32 = 9;

const _: () = assert!(SLOT_STRIDE >= SLOT_BYTES && SLOTS.is_power_of_two());

/// Sends whole Ethernet frames by an AF_XDP socket: they lie in memory shared with the kernel, and two rings say which are
/// to be sent and which have been.
///
/// It only sends. No program is attached to the device, and what arrives goes its ordinary way. For the same reason frames
/// are always copied once by the kernel (`XDP_COPY`): with zero copy a driver hands the *receiving* half of the queue to
/// the socket as well, and replies that arrive there would be lost.
///
/// Each sends to one queue of the device. Another thread has a queue of its own, see [`another`](Self::another): two sockets
/// of one queue are given their frames back by one ring under one lock of the kernel, and are hardly faster than one (1.1
/// times, where two queues are 1.8 times as fast; measured on veth).
///
/// Needs CAP_NET_RAW. Works on any Ethernet device from Linux 5.4 on.
#[derive(Debug)]
pub(super) struct XdpSender {
    socket: OwnedFd,
    frames: Mapping,
    to_send: Ring,
    finished: Ring,
    /// Offsets of the slots that nobody uses.
    free: Vec<u64>,
    device: Device,
    queue: u32,
}

/// A ring in memory shared with the kernel: one side produces, the other consumes.
#[derive(Debug)]
struct Ring {
    memory: Mapping,
    producer: usize,
    consumer: usize,
    rows: usize,
    row_bytes: usize,
}

impl XdpSender {
    /// Opens a socket that sends on `device`.
    ///
    /// # Errors
    /// A missing right, a kernel without AF_XDP, or the system's own.
    pub(super) fn open(device: &Device) -> Result<Self, RawError> {
        let wanted = || format!("sending on {} by AF_XDP", device.name);
        Self::set_up(device, 0).map_err(|source| match source.raw_os_error() {
            Some(libc::EPERM) => RawError::of(wanted(), "CAP_NET_RAW", source),
            Some(code) => match why_not(code) {
                Some(why) => {
                    RawError::Unsupported { wanted: wanted(), why: format!("{why}; use `--sender packet`") }
                }
                None => RawError::System { wanted: wanted(), source },
            },
            None => RawError::System { wanted: wanted(), source },
        })
    }

    /// One more, which sends to the next queue of the device.
    ///
    /// # Errors
    /// Why there is none, in plain words.
    pub(super) fn another(&self) -> Result<Self, String> {
        let queue = self.queue + 1;
        Self::set_up(&self.device, queue).map_err(|error| match error.raw_os_error() {
            Some(libc::EINVAL) if queue == 1 => format!("{} has one queue", self.device.name),
            Some(libc::EINVAL) => format!("{} has {queue} queues", self.device.name),
            Some(libc::EBUSY) => format!("another program has queue {queue} of {}", self.device.name),
            code => code.and_then(why_not).map_or_else(|| error.to_string(), str::to_owned),
        })
    }

    /// - `queue`: of the device, from 0. All Ethernet devices have the first one.
    fn set_up(device: &Device, queue: u32) -> io::Result<Self> {
        // SAFETY: no pointers; the answer is checked.
        let socket = unsafe { libc::socket(libc::AF_XDP, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0) };
        if socket < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: a new descriptor that nobody else owns.
        let socket = unsafe { OwnedFd::from_raw_fd(socket) };
        let frames = Mapping::anonymous(SLOTS * SLOT_STRIDE)?;
        let memory = libc::xdp_umem_reg {
            addr: frames.address(),
            len: frames.bytes() as u64,
            chunk_size: CHUNK_BYTES,
            headroom: 0,
            flags: 0,
            tx_metadata_len: 0,
        };
        set(&socket, libc::XDP_UMEM_REG, &memory)?;
        set(&socket, libc::XDP_UMEM_FILL_RING, &FILL_SLOTS)?;
        set(&socket, libc::XDP_UMEM_COMPLETION_RING, &(SLOTS as u32))?;
        set(&socket, libc::XDP_TX_RING, &(SLOTS as u32))?;
        // Older kernels do not know it and take 32 at a time.
        let _ = set(&socket, XDP_MAX_TX_SKB_BUDGET, &BUDGET);
        let offsets = ring_offsets(&socket)?;
        let to_send = Ring::map(&socket, libc::XDP_PGOFF_TX_RING, offsets.tx, size_of::<libc::xdp_desc>())?;
        let finished =
            Ring::map(&socket, libc::XDP_UMEM_PGOFF_COMPLETION_RING as i64, offsets.cr, size_of::<u64>())?;
        bind_patiently(&socket, device.index, queue)?;
        let free = (0..SLOTS).map(|at| (at * SLOT_STRIDE) as u64).collect();
        Ok(Self { socket, frames, to_send, finished, free, device: device.clone(), queue })
    }

    /// Takes the first frames of `batch`, as many as there is room for, and has the kernel send them.
    pub(super) fn send(&mut self, batch: &mut Batch, unsent: &mut Unsent) -> io::Result<usize> {
        self.reap();
        if self.free.is_empty() {
            thread::sleep(DEVICE_FULL_PAUSE);
            self.push_out(unsent)?;
            self.reap();
        }
        let mut count = 0;
        for (_, frame) in batch.rows(0) {
            let Some(slot) = self.free.pop() else { break };
            // SAFETY: the kernel reads a slot only between `offer` and its coming back by `reap`.
            unsafe { self.frames.write(slot as usize, frame) };
            self.to_send.offer(count, slot, frame.len() as u32);
            count += 1;
        }
        self.to_send.publish(count);
        batch.remove_first(count);
        if count < batch.len() {
            unsent.full += 1;
        }
        self.push_out(unsent)?;
        Ok(count)
    }

    /// Has the kernel take what is in the ring, until nothing is left or it takes no more.
    fn push_out(&mut self, unsent: &mut Unsent) -> io::Result<()> {
        let mut stalls = 0;
        while self.to_send.waiting() > 0 && stalls < STALLS_MAX {
            let before = self.to_send.waiting();
            // SAFETY: no data and no address are passed.
            let result = unsafe {
                libc::sendto(self.socket.as_raw_fd(), ptr::null(), 0, libc::MSG_DONTWAIT, ptr::null(), 0)
            };
            let error = if result < 0 { io::Error::last_os_error().raw_os_error() } else { None };
            match error {
                None | Some(libc::EAGAIN | libc::EINTR | libc::ENOBUFS | libc::ENOMEM) => {}
                Some(libc::EBUSY) => self.again(unsent),
                Some(code) => return Err(self.explain(io::Error::from_raw_os_error(code))),
            }
            if self.to_send.waiting() < before {
                stalls = 0;
            } else {
                stalls += 1;
                thread::sleep(DEVICE_FULL_PAUSE);
                self.reap();
            }
        }
        Ok(())
    }

    /// The driver has dropped the last frame that the kernel took (`EBUSY`): it is put into the ring once more, in a slot that
    /// is free, because its own comes back as finished.
    fn again(&mut self, unsent: &mut Unsent) {
        let (slot, frame_bytes) = self.to_send.last_taken();
        unsent.full += 1;
        if self.free.is_empty() {
            self.reap();
        }
        match self.free.pop() {
            Some(other) => {
                // SAFETY: `other` is free. The kernel is done with `slot`, and nothing was written to it since.
                unsafe { self.frames.copy_within(slot as usize, other as usize, SLOT_STRIDE) };
                self.to_send.offer(0, other, frame_bytes);
                self.to_send.publish(1);
            }
            None => unsent.lost += 1,
        }
        thread::sleep(DEVICE_FULL_PAUSE);
    }

    /// Takes back the slots of frames that have left.
    fn reap(&mut self) {
        for at in 0..self.finished.waiting() {
            let slot = self.finished.peek(at);
            // The kernel gives back what it was given; whatever else it were must not become a slot.
            if slot.is_multiple_of(SLOT_STRIDE as u64) && slot < (SLOTS * SLOT_STRIDE) as u64 {
                self.free.push(slot);
            }
        }
        self.finished.consume(self.finished.waiting());
    }

    /// Waits until all that was taken has left, a tenth of a second at most; what has not is lost.
    pub(super) fn flush(&mut self, unsent: &mut Unsent) -> io::Result<()> {
        let start = Instant::now();
        while self.to_send.waiting() > 0 && start.elapsed() < CLOSE_MAX {
            self.push_out(unsent)?;
        }
        unsent.lost += self.to_send.waiting() as u64;
        Ok(())
    }

    fn explain(&self, error: io::Error) -> io::Error {
        not_taken(&self.device.name, " by AF_XDP", error)
    }
}

/// What an error of setting a socket up means, where it is not the machine's own trouble.
fn why_not(code: i32) -> Option<&'static str> {
    match code {
        libc::EAFNOSUPPORT => Some("the kernel was built without AF_XDP (CONFIG_XDP_SOCKETS)"),
        libc::ENOPROTOOPT => Some("the kernel's AF_XDP is too old; it takes Linux 5.4"),
        libc::EOPNOTSUPP => Some("the device's driver does not take frames by AF_XDP"),
        libc::EBUSY => Some("another program has an AF_XDP socket on the device's first queue"),
        libc::ENETDOWN => Some("the interface is down"),
        libc::ENODEV => Some("the interface is gone"),
        libc::ENOBUFS => Some("too little memory may be locked (`ulimit -l`, at least 512)"),
        _ => None,
    }
}

impl Ring {
    fn map(
        socket: &OwnedFd,
        page_offset: i64,
        offsets: libc::xdp_ring_offset,
        row_bytes: usize,
    ) -> io::Result<Self> {
        let number = |offset: u64| usize::try_from(offset).map_err(io::Error::other);
        let rows = number(offsets.desc)?;
        let bytes = rows.checked_add(SLOTS * row_bytes).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self {
            memory: Mapping::shared(socket.as_fd(), bytes, page_offset)?,
            producer: number(offsets.producer)?,
            consumer: number(offsets.consumer)?,
            rows,
            row_bytes,
        })
    }

    fn get(&self, offset: usize) -> u32 {
        self.memory.word(offset).map_or(0, |word| word.load(Ordering::Acquire))
    }

    fn advance(&self, offset: usize, count: usize) {
        if let Some(word) = self.memory.word(offset) {
            // Only this side writes the word.
            word.store(word.load(Ordering::Relaxed).wrapping_add(count as u32), Ordering::Release);
        }
    }

    /// Rows that were produced and not consumed.
    fn waiting(&self) -> usize {
        let waiting = self.get(self.producer).wrapping_sub(self.get(self.consumer)) as usize;
        waiting.min(SLOTS)
    }

    fn row(&self, number: u32) -> usize {
        self.rows + (number as usize & (SLOTS - 1)) * self.row_bytes
    }

    /// Writes the row `ahead` after the last one produced: a frame of `bytes` at `slot`. Seen by the kernel after
    /// [`publish`](Self::publish). There are as many rows as slots, so it is never one in use.
    #[inline]
    fn offer(&self, ahead: usize, slot: u64, bytes: u32) {
        let row = self.row(self.get(self.producer).wrapping_add(ahead as u32));
        if let (Some(address), Some(length), Some(options)) =
            (self.memory.double_word(row), self.memory.word(row + 8), self.memory.word(row + 12))
        {
            address.store(slot, Ordering::Relaxed);
            length.store(bytes, Ordering::Relaxed);
            options.store(0, Ordering::Relaxed);
        }
    }

    fn publish(&self, count: usize) {
        self.advance(self.producer, count);
    }

    /// Slot and length of the last frame that the kernel has taken.
    fn last_taken(&self) -> (u64, u32) {
        let row = self.row(self.get(self.consumer).wrapping_sub(1));
        let slot = self.memory.double_word(row).map_or(0, |word| word.load(Ordering::Relaxed));
        (slot, self.get(row + 8))
    }

    /// The slot in the row `ahead` of those that wait.
    fn peek(&self, ahead: usize) -> u64 {
        let row = self.row(self.get(self.consumer).wrapping_add(ahead as u32));
        self.memory.double_word(row).map_or(u64::MAX, |word| word.load(Ordering::Relaxed))
    }

    fn consume(&self, count: usize) {
        self.advance(self.consumer, count);
    }
}

fn set<T>(socket: &OwnedFd, name: i32, value: &T) -> io::Result<()> {
    // SAFETY: pointer and size describe `value`, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_XDP,
            name,
            ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn ring_offsets(socket: &OwnedFd) -> io::Result<libc::xdp_mmap_offsets> {
    // SAFETY: all bits zero is a value of this struct of numbers.
    let mut offsets: libc::xdp_mmap_offsets = unsafe { mem::zeroed() };
    let mut bytes = size_of::<libc::xdp_mmap_offsets>() as libc::socklen_t;
    // SAFETY: pointer and size describe `offsets`, exclusively borrowed.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_XDP,
            libc::XDP_MMAP_OFFSETS,
            ptr::from_mut(&mut offsets).cast(),
            &mut bytes,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // Before Linux 5.4 the answer is shorter and means something else.
    if bytes as usize != size_of::<libc::xdp_mmap_offsets>() {
        return Err(io::Error::from_raw_os_error(libc::ENOPROTOOPT));
    }
    Ok(offsets)
}

/// Binds, and waits a second for a queue that is in use: the kernel frees it some time after its socket was closed.
fn bind_patiently(socket: &OwnedFd, device: u32, queue: u32) -> io::Result<()> {
    for _ in 1..BINDS_MAX {
        match bind(socket, device, queue) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => thread::sleep(BIND_PAUSE),
            result => return result,
        }
    }
    bind(socket, device, queue)
}

fn bind(socket: &OwnedFd, device: u32, queue: u32) -> io::Result<()> {
    let address = libc::sockaddr_xdp {
        sxdp_family: libc::AF_XDP as u16,
        sxdp_flags: libc::XDP_COPY | libc::XDP_USE_NEED_WAKEUP,
        sxdp_ifindex: device,
        sxdp_queue_id: queue,
        sxdp_shared_umem_fd: 0,
    };
    // SAFETY: pointer and size describe `address`.
    let result = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_xdp>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
