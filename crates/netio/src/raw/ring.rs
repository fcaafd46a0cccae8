use std::{
    io,
    ops::RangeInclusive,
    os::fd::AsRawFd,
    ptr::NonNull,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use nightlatch_wire::Checksum;
use socket2::{Domain, Socket, Type};

use super::{
    RawError,
    block::{BLOCK_STATUS, walk},
    filter,
    packet::{bind_packet, set_option},
};

/// Bytes of a block. The kernel hands blocks over when they are full or their time is up, so small ones let a receiver
/// that is late for a moment find more of them.
const BLOCK_BYTES: usize = 64 << 10;
/// Milliseconds after which the kernel hands over a block that is not full.
const BLOCK_TIMEOUT_MS: u32 = 8;
/// What the kernel reckons with for one frame. Only a multiple is asked for: blocks hold frames of any size.
const FRAME_BYTES: usize = 2048;
/// Room of a ring when the caller has no wish.
pub(crate) const RING_BYTES: usize = 8 << 20;
const ETHER_TYPE_IPV4: u16 = 0x0800;
const ETHER_TYPE_IPV6: u16 = 0x86dd;

/// Receives what may answer our probes: packet sockets with a filter in the kernel and a ring in shared memory
/// (`PACKET_RX_RING`, TPACKET_V3). Needs CAP_NET_RAW.
#[derive(Debug)]
pub struct Ring {
    sockets: Vec<RingSocket>,
    drops: u64,
    broken: u64,
}

#[derive(Debug)]
struct RingSocket {
    socket: Socket,
    memory: Mapping,
    /// The block to be looked at next.
    next: usize,
}

impl Ring {
    /// Room in bytes that suits a scan at full speed.
    pub const BYTES: usize = RING_BYTES;

    /// Opens a ring that receives TCP answers to our source `ports`, and ICMP about packets from them.
    ///
    /// - `device`: the kernel's number of the device to listen on; `None` listens on all.
    /// - `v4`, `v6`: families. Packets of IPv6 with extension headers do not come through.
    /// - `bytes`: memory for packets that wait, in all.
    ///
    /// # Errors
    /// A missing right, a device that is gone, or no memory.
    pub fn open(
        device: Option<u32>,
        ports: RangeInclusive<u16>,
        v4: bool,
        v6: bool,
        bytes: usize,
    ) -> Result<Self, RawError> {
        let families = [(v4, ETHER_TYPE_IPV4), (v6, ETHER_TYPE_IPV6)];
        let families: Vec<u16> = families.into_iter().filter(|row| row.0).map(|row| row.1).collect();
        let bytes = bytes / families.len().max(1);
        let open = |&protocol: &u16| {
            let program = match protocol {
                ETHER_TYPE_IPV4 => filter::ipv4(&ports),
                _ => filter::ipv6(&ports),
            };
            RingSocket::open(device.unwrap_or(0), protocol, &program, bytes)
                .map_err(|source| RawError::of("receiving raw packets", "CAP_NET_RAW", source))
        };
        Ok(Self { sockets: families.iter().map(open).collect::<Result<_, _>>()?, drops: 0, broken: 0 })
    }

    /// Hands every packet that has arrived, from its IP header on, to `each`, with what the kernel knows of its checksum.
    /// When there is none it waits for the first, `wait` at most. Returns how many there were.
    ///
    /// # Errors
    /// The interface went down, or the system's own reason. The ring remains usable.
    pub fn receive(&mut self, wait: Duration, mut each: impl FnMut(&[u8], Checksum)) -> io::Result<usize> {
        let mut count = self.drain(&mut each);
        if count == 0 {
            self.poll(wait)?;
            count = self.drain(&mut each);
        }
        Ok(count)
    }

    /// Packets that were lost because the ring was full, since it was opened.
    ///
    /// # Errors
    /// The system's own reason.
    pub fn drops(&mut self) -> io::Result<u64> {
        for ring in &self.sockets {
            self.drops += ring.drops()?;
        }
        Ok(self.drops)
    }

    /// Blocks of the ring that contradicted themselves; they were left. Above 0 the kernel is at fault.
    pub fn broken(&self) -> u64 {
        self.broken
    }

    fn drain(&mut self, each: &mut impl FnMut(&[u8], Checksum)) -> usize {
        let mut count = 0;
        for ring in &mut self.sockets {
            // One round at most, so that a flood cannot keep the caller in here.
            for _ in 0..ring.memory.blocks {
                let Some((packets, broken)) = ring.take_block(each) else { break };
                count += packets;
                self.broken += u64::from(broken);
            }
        }
        count
    }

    fn poll(&self, wait: Duration) -> io::Result<()> {
        let events = libc::POLLIN | libc::POLLERR;
        let mut polled: Vec<libc::pollfd> = self
            .sockets
            .iter()
            .map(|ring| libc::pollfd { fd: ring.socket.as_raw_fd(), events, revents: 0 })
            .collect();
        let timeout = libc::timespec {
            tv_sec: wait.as_secs().min(3600) as libc::time_t,
            tv_nsec: wait.subsec_nanos().into(),
        };
        // SAFETY: the pointer and count describe `polled`, the timeout lives until the call returns, no signal mask.
        let ready = unsafe {
            libc::ppoll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, &timeout, std::ptr::null())
        };
        if ready < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        for (ring, polled) in self.sockets.iter().zip(&polled) {
            if polled.revents & libc::POLLERR != 0
                && let Some(error) = ring.socket.take_error()?
            {
                return Err(match error.raw_os_error() {
                    Some(libc::ENETDOWN) => io::Error::new(error.kind(), "the interface went down"),
                    _ => error,
                });
            }
        }
        Ok(())
    }
}

impl RingSocket {
    fn open(device: u32, protocol: u16, program: &[filter::Instruction], bytes: usize) -> io::Result<Self> {
        // DGRAM: packets begin with the IP header, whatever the link. Protocol 0: nothing arrives before the filter is
        // there.
        let socket = Socket::new(Domain::PACKET, Type::DGRAM, None)?;
        filter::attach(&socket, program)?;
        set_option(
            &socket,
            libc::SOL_PACKET,
            libc::PACKET_VERSION,
            &(libc::tpacket_versions::TPACKET_V3 as i32),
        )?;
        // Older kernels do not know it, and with one EtherType the kernel shows nothing outgoing anyway.
        let _ = set_option(&socket, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1i32);
        let memory = Mapping::of(&socket, bytes)?;
        bind_packet(&socket, protocol, device)?;
        Ok(Self { socket, memory, next: 0 })
    }

    /// Walks over the next block when the kernel has handed it over, and hands it back. Packets in it, and whether it
    /// contradicted itself.
    fn take_block(&mut self, each: &mut impl FnMut(&[u8], Checksum)) -> Option<(usize, bool)> {
        let status = self.memory.status(self.next);
        if status.load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        let walked = walk(self.memory.block(self.next), each);
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % self.memory.blocks;
        Some((walked.packets, walked.broken))
    }

    /// Lost packets since the last call.
    fn drops(&self) -> io::Result<u64> {
        let mut statistics = libc::tpacket_stats_v3 { tp_packets: 0, tp_drops: 0, tp_freeze_q_cnt: 0 };
        let mut size = size_of::<libc::tpacket_stats_v3>() as libc::socklen_t;
        // SAFETY: pointer and size describe `statistics`, a struct of numbers.
        let result = unsafe {
            libc::getsockopt(
                self.socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                std::ptr::from_mut(&mut statistics).cast(),
                &mut size,
            )
        };
        if result == 0 { Ok(statistics.tp_drops.into()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Memory that is shared with the kernel: blocks one after the other.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    blocks: usize,
}

// SAFETY: the mapping belongs to this value alone; the kernel's side of it is ordered by the status of each block.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Has the kernel make the ring of `socket` and maps it. At least two blocks.
    fn of(socket: &Socket, bytes: usize) -> io::Result<Self> {
        let blocks = (bytes / BLOCK_BYTES).clamp(2, 4096);
        let request = libc::tpacket_req3 {
            tp_block_size: BLOCK_BYTES as u32,
            tp_block_nr: blocks as u32,
            tp_frame_size: FRAME_BYTES as u32,
            tp_frame_nr: (blocks * (BLOCK_BYTES / FRAME_BYTES)) as u32,
            tp_retire_blk_tov: BLOCK_TIMEOUT_MS,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set_option(socket, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        // SAFETY: a new mapping at an address of the kernel's choice; nothing of ours is replaced.
        let start = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                blocks * BLOCK_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        match NonNull::new(start.cast::<u8>()) {
            Some(start) if start.as_ptr().cast() != libc::MAP_FAILED => Ok(Self { start, blocks }),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Whose block `index` is: the kernel's, or ours.
    fn status(&self, index: usize) -> &AtomicU32 {
        assert!(index < self.blocks, "a block of the ring");
        // SAFETY: inside the mapping by the assertion; aligned, since blocks begin at pages and the status is 8 bytes in.
        // The kernel and we only read and write it as a whole.
        unsafe { AtomicU32::from_ptr(self.start.as_ptr().add(index * BLOCK_BYTES + BLOCK_STATUS).cast()) }
    }

    /// The bytes of block `index`, which must be ours: the kernel does not write to it until its status is set back.
    fn block(&self, index: usize) -> &[u8] {
        assert!(index < self.blocks, "a block of the ring");
        // SAFETY: inside the mapping by the assertion. The kernel has handed the block over (the caller has seen its
        // status with acquire), and the slice ends before the status is set back.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().add(index * BLOCK_BYTES), BLOCK_BYTES) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this size and nothing refers to it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.blocks * BLOCK_BYTES) };
    }
}
