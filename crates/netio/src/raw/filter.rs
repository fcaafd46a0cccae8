use std::{io, ops::RangeInclusive, os::fd::AsRawFd};

use socket2::Socket;

/// Classic BPF (`linux/filter.h`): operation codes, as far as they are used here.
pub(crate) mod op {
    pub(crate) const LOAD_WORD: u16 = 0x20;
    pub(crate) const LOAD_HALF: u16 = 0x28;
    pub(crate) const LOAD_BYTE: u16 = 0x30;
    pub(crate) const LOAD_HALF_X: u16 = 0x48;
    pub(crate) const LOAD_BYTE_X: u16 = 0x50;
    /// X = 4 * (byte & 15): length of an IPv4 header.
    pub(crate) const LOAD_X_HEADER: u16 = 0xb1;
    pub(crate) const AND: u16 = 0x54;
    pub(crate) const SHIFT_LEFT: u16 = 0x64;
    pub(crate) const ADD_X: u16 = 0x0c;
    pub(crate) const A_TO_X: u16 = 0x07;
    pub(crate) const JUMP_EQUAL: u16 = 0x15;
    pub(crate) const JUMP_GREATER: u16 = 0x25;
    pub(crate) const JUMP_AT_LEAST: u16 = 0x35;
    pub(crate) const JUMP_ANY_BIT: u16 = 0x45;
    pub(crate) const RETURN: u16 = 0x06;
}

/// Ancillary data (`SKF_AD_OFF + SKF_AD_PKTTYPE`): to whom the link says that the packet goes.
const PACKET_TYPE: u32 = 0xffff_f000 + 4;
const PACKET_HOST: u32 = 0;
const TCP: u32 = 6;
const ICMP: u32 = 1;
const ICMPV6: u32 = 58;
/// FIN, SYN, RST and ACK; what an answer to a SYN has of them (RFC 9293, section 3.10.7).
const FLAGS: u32 = 0x17;
const SYN_ACK: u32 = 0x12;
const RST_ACK: u32 = 0x14;
/// Most bytes of a packet that are kept: an ICMP message of IPv6 quotes up to 1,280.
pub(super) const SNAP_BYTES: u32 = 2048;

/// One instruction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Instruction {
    pub(crate) code: u16,
    pub(crate) if_true: u8,
    pub(crate) if_false: u8,
    pub(crate) value: u32,
}

/// Where a jump goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum To {
    Next,
    Accept,
    Refuse,
    /// As many instructions further.
    Skip(u8),
}

/// Writes a program of which the last two instructions accept and refuse.
#[derive(Debug, Default)]
pub(crate) struct Assembler(Vec<(u16, To, To, u32)>);

impl Assembler {
    pub(crate) fn plain(mut self, code: u16, value: u32) -> Self {
        self.0.push((code, To::Next, To::Next, value));
        self
    }

    pub(crate) fn jump(mut self, code: u16, value: u32, if_true: To, if_false: To) -> Self {
        self.0.push((code, if_true, if_false, value));
        self
    }

    /// The program: `accept` and `refuse` are what it returns at its two ends.
    pub(crate) fn finish(self, accept: u32, refuse: u32) -> Vec<Instruction> {
        let end = self.0.len();
        let mut program: Vec<Instruction> = Vec::with_capacity(end + 2);
        for (at, (code, if_true, if_false, value)) in self.0.into_iter().enumerate() {
            // A jump counts from the next instruction. Programs here are far below the 255 a jump can span.
            let to = |to: To| match to {
                To::Next => 0,
                To::Accept => (end - at - 1) as u8,
                To::Refuse => (end - at) as u8,
                To::Skip(count) => count,
            };
            debug_assert!(end - at < 255);
            program.push(Instruction { code, if_true: to(if_true), if_false: to(if_false), value });
        }
        for value in [accept, refuse] {
            program.push(Instruction { code: op::RETURN, if_true: 0, if_false: 0, value });
        }
        program
    }
}

/// Lets through, of IPv4 packets from the IP header on: TCP to `ports` with SYN+ACK or RST+ACK, and ICMP that says a TCP
/// packet from `ports` did not arrive (types 3 and 11). Only what the link delivers to this host, and no fragments.
pub(crate) fn ipv4(ports: &RangeInclusive<u16>) -> Vec<Instruction> {
    let assembler = Assembler::default()
        .plain(op::LOAD_WORD, PACKET_TYPE)
        .jump(op::JUMP_EQUAL, PACKET_HOST, To::Next, To::Refuse)
        .plain(op::LOAD_HALF, 6)
        .jump(op::JUMP_ANY_BIT, 0x3fff, To::Refuse, To::Next)
        .plain(op::LOAD_X_HEADER, 0)
        .plain(op::LOAD_BYTE, 9)
        .jump(op::JUMP_EQUAL, TCP, To::Next, To::Skip(6))
        // TCP: the port, then the flags.
        .plain(op::LOAD_HALF_X, 2)
        .jump(op::JUMP_AT_LEAST, u32::from(*ports.start()), To::Next, To::Refuse)
        .jump(op::JUMP_GREATER, u32::from(*ports.end()), To::Refuse, To::Next)
        .plain(op::LOAD_BYTE_X, 13)
        .plain(op::AND, FLAGS)
        .jump(op::JUMP_EQUAL, SYN_ACK, To::Accept, To::Skip(1))
        // Reached from the protocol's comparison only.
        .jump(op::JUMP_EQUAL, ICMP, To::Skip(1), To::Refuse)
        // Reached from the flags only.
        .jump(op::JUMP_EQUAL, RST_ACK, To::Accept, To::Refuse)
        .plain(op::LOAD_BYTE_X, 0)
        .jump(op::JUMP_EQUAL, 3, To::Skip(1), To::Next)
        .jump(op::JUMP_EQUAL, 11, To::Next, To::Refuse)
        // The quoted packet begins 8 bytes into the message.
        .plain(op::LOAD_BYTE_X, 8 + 9)
        .jump(op::JUMP_EQUAL, TCP, To::Next, To::Refuse)
        .plain(op::LOAD_BYTE_X, 8)
        .plain(op::AND, 0x0f)
        .plain(op::SHIFT_LEFT, 2)
        .plain(op::ADD_X, 0)
        .plain(op::A_TO_X, 0)
        .plain(op::LOAD_HALF_X, 8);
    port_of_quoted(assembler, ports).finish(SNAP_BYTES, 0)
}

/// As [`ipv4`] for IPv6, with ICMPv6 types 1 and 3. Packets with extension headers are refused: no host answers a SYN
/// without options by them, and wire does not read them either.
pub(crate) fn ipv6(ports: &RangeInclusive<u16>) -> Vec<Instruction> {
    let assembler = Assembler::default()
        .plain(op::LOAD_WORD, PACKET_TYPE)
        .jump(op::JUMP_EQUAL, PACKET_HOST, To::Next, To::Refuse)
        .plain(op::LOAD_BYTE, 6)
        .jump(op::JUMP_EQUAL, TCP, To::Next, To::Skip(6))
        .plain(op::LOAD_HALF, 42)
        .jump(op::JUMP_AT_LEAST, u32::from(*ports.start()), To::Next, To::Refuse)
        .jump(op::JUMP_GREATER, u32::from(*ports.end()), To::Refuse, To::Next)
        .plain(op::LOAD_BYTE, 53)
        .plain(op::AND, FLAGS)
        .jump(op::JUMP_EQUAL, SYN_ACK, To::Accept, To::Skip(1))
        // Reached from the next header's comparison only.
        .jump(op::JUMP_EQUAL, ICMPV6, To::Skip(1), To::Refuse)
        // Reached from the flags only.
        .jump(op::JUMP_EQUAL, RST_ACK, To::Accept, To::Refuse)
        .plain(op::LOAD_BYTE, 40)
        .jump(op::JUMP_EQUAL, 1, To::Skip(1), To::Next)
        .jump(op::JUMP_EQUAL, 3, To::Next, To::Refuse)
        .plain(op::LOAD_BYTE, 48 + 6)
        .jump(op::JUMP_EQUAL, TCP, To::Next, To::Refuse)
        .plain(op::LOAD_HALF, 48 + 40);
    port_of_quoted(assembler, ports).finish(SNAP_BYTES, 0)
}

fn port_of_quoted(assembler: Assembler, ports: &RangeInclusive<u16>) -> Assembler {
    assembler.jump(op::JUMP_AT_LEAST, u32::from(*ports.start()), To::Next, To::Refuse).jump(
        op::JUMP_GREATER,
        u32::from(*ports.end()),
        To::Refuse,
        To::Accept,
    )
}

/// Has the kernel run `program` on every packet for `socket`, for good.
pub(super) fn attach(socket: &Socket, program: &[Instruction]) -> io::Result<()> {
    let mut filter: Vec<libc::sock_filter> = program
        .iter()
        .map(|i| libc::sock_filter { code: i.code, jt: i.if_true, jf: i.if_false, k: i.value })
        .collect();
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program and its instructions live until the call returns; the kernel copies and verifies them.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            std::ptr::from_ref(&program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    super::packet::set_option(socket, libc::SOL_SOCKET, libc::SO_LOCK_FILTER, &1i32)
}

#[cfg(test)]
#[path = "filter/tests.rs"]
mod tests;
