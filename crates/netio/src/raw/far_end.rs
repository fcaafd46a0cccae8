use std::{ffi::CString, io, net::IpAddr, os::fd::OwnedFd};

use super::bpf::{
    self, Assembler, Label,
    Register::{R0, R1, R2, R3, R4},
    When::{Differ, Equal, Greater},
    Width::{Half, Word},
    XDP_DROP, XDP_PROGRAM,
};

const XDP_PASS: i32 = 2;
const ETHERNET_BYTES: usize = 14;
const V4_DESTINATION: usize = ETHERNET_BYTES + 16;
const V6_DESTINATION: usize = ETHERNET_BYTES + 24;

/// The dead part of a lab's sky: an XDP program at the far end of a veth pair drops what goes to dead addresses, before
/// the kernel spends anything on it. With a program there the far end also takes redirected frames (the sender `live`).
///
/// For labs only; a rule of a firewall does the same at a tenth of the speed, and measures the firewall.
#[derive(Debug)]
pub struct FarEnd {
    _program: OwnedFd,
    _link: OwnedFd,
}

impl FarEnd {
    /// Drops what arrives at `device` (of the calling thread's namespace) for an address in one of
    /// `prefixes`, unless its last 32 bits are `alive`: (mask, value). Nothing is alive without one. Everything else passes.
    /// Lasts until the value is dropped.
    ///
    /// # Errors
    /// The system's own: a right or the device is missing, or another program is attached.
    pub fn attach(device: &str, prefixes: &[(IpAddr, u8)], alive: Option<(u32, u32)>) -> io::Result<Self> {
        let program = bpf::load(XDP_PROGRAM, &program(prefixes, alive))?;
        let name = CString::new(device)?;
        // SAFETY: a string that ends with a zero. No such device is number 0, which the next call refuses.
        let link = bpf::attach_xdp(&program, unsafe { libc::if_nametoindex(name.as_ptr()) })?;
        Ok(Self { _program: program, _link: link })
    }
}

fn program(prefixes: &[(IpAddr, u8)], alive: Option<(u32, u32)>) -> Vec<bpf::Instruction> {
    let mut program = Assembler::default();
    let (pass, drop) = (program.label(), program.label());
    program.load(Word, R2, R1, 4).load(Word, R1, R1, 0);
    for (ip, bits) in prefixes {
        let next = program.label();
        let (kind, at, address) = match ip {
            IpAddr::V4(ip) => ([8, 0], V4_DESTINATION, ip.octets().to_vec()),
            IpAddr::V6(ip) => ([0x86, 0xdd], V6_DESTINATION, ip.octets().to_vec()),
        };
        let end = at + address.len();
        program.copy(R3, R1).add_value(R3, end as i32).jump(Greater, R3, R2, next);
        program
            .load(Half, R3, R1, 12)
            .set(R4, i32::from(u16::from_ne_bytes(kind)))
            .jump(Differ, R3, R4, next);
        for (word, bytes) in address.chunks_exact(4).enumerate() {
            let bits = u32::from(*bits).saturating_sub(word as u32 * 32).min(32);
            let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            let value = bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte));
            compare(&mut program, at + 4 * word, (mask, value), (Differ, next));
        }
        if let Some(alive) = alive {
            compare(&mut program, end - 4, alive, (Equal, pass));
        }
        program.set(R3, 0).copy(R4, R3).jump(Equal, R3, R4, drop).place(next);
    }
    program.place(pass).set(R0, XDP_PASS).exit();
    program.place(drop).set(R0, XDP_DROP).exit();
    program.finish()
}

/// Jumps by how the masked word at `offset` of the packet compares, in network order.
fn compare(
    program: &mut Assembler,
    offset: usize,
    (mask, value): (u32, u32),
    (when, label): (bpf::When, Label),
) {
    let (mask, value) = (mask.to_be(), (value & mask).to_be());
    // Constants are sign-extended to 64 bits; shifting left cuts both sides alike.
    program.load(Word, R3, R1, offset as i16).and_value(R3, mask as i32).shift_left(R3, 32);
    program.set(R4, value as i32).shift_left(R4, 32).jump(when, R3, R4, label);
}
