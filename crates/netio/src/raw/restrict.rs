use std::io;

use super::filter::{Assembler, Instruction, To, op};

/// Offsets in `seccomp_data`: the number of the call, the architecture, and the low halves of its arguments.
mod at {
    pub(super) const CALL: u32 = 0;
    pub(super) const ARCHITECTURE: u32 = 4;
    pub(super) const FIRST: u32 = 16;
    pub(super) const THIRD: u32 = 32;
}
#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
/// `BPF_PROG_RUN`.
const BPF_RUN: u32 = 10;

/// What a thread that sends needs: sending, waiting, time, memory, and an orderly end.
const ALLOWED: &[libc::c_long] = &[
    libc::SYS_sendmmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_futex,
    libc::SYS_clock_gettime,
    libc::SYS_ppoll,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getsockopt,
    libc::SYS_sched_yield,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_read,
    libc::SYS_close,
    libc::SYS_madvise,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_brk,
    libc::SYS_getrandom,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_sched_getaffinity,
    libc::SYS_exit,
    libc::SYS_exit_group,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// Lets the calling thread do nothing from now on but send by what is open, wait, and use memory (`seccomp(2)`). Anything
/// else, such as opening a file or a socket, starting a thread or a program, fails with EPERM. No new code can be mapped.
///
/// # Errors
/// A kernel without seccomp; nothing has changed then.
pub fn restrict_sender() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    let mut filter: Vec<libc::sock_filter> = program()
        .iter()
        .map(|i| libc::sock_filter { code: i.code, jt: i.if_true, jf: i.if_false, k: i.value })
        .collect();
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program and its instructions live until the call returns; the kernel copies and verifies them.
    let result =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, std::ptr::from_ref(&program)) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn program() -> Vec<Instruction> {
    let mut program = Assembler::default()
        .plain(op::LOAD_WORD, at::ARCHITECTURE)
        .jump(op::JUMP_EQUAL, ARCHITECTURE, To::Next, To::Refuse)
        .plain(op::LOAD_WORD, at::CALL);
    for call in ALLOWED {
        program = program.jump(op::JUMP_EQUAL, *call as u32, To::Accept, To::Next);
    }
    // Memory is for data.
    for call in [libc::SYS_mmap, libc::SYS_mprotect] {
        program = program
            .jump(op::JUMP_EQUAL, call as u32, To::Next, To::Skip(2))
            .plain(op::LOAD_WORD, at::THIRD)
            .jump(op::JUMP_ANY_BIT, libc::PROT_EXEC as u32, To::Refuse, To::Accept);
    }
    program
        .jump(op::JUMP_EQUAL, libc::SYS_bpf as u32, To::Next, To::Refuse)
        .plain(op::LOAD_WORD, at::FIRST)
        .jump(op::JUMP_EQUAL, BPF_RUN, To::Accept, To::Refuse)
        .finish(libc::SECCOMP_RET_ALLOW, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32)
}
