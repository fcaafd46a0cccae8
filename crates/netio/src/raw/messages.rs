use std::{
    io,
    mem::{self, MaybeUninit},
    net::SocketAddr,
    os::fd::{AsRawFd, BorrowedFd},
    ptr,
};

/// Most messages that one call takes (`UIO_MAXIOV` of the kernel).
const MESSAGES_MAX: usize = 1024;

/// An address as `sendmmsg` takes it.
#[repr(C)]
union Address {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

/// The arrays that `sendmmsg` is called with, allocated once.
pub(super) struct Messages {
    headers: Vec<libc::mmsghdr>,
    parts: Vec<libc::iovec>,
    addresses: Vec<Address>,
}

// SAFETY: the pointers inside are written anew by each `send`, point to what that call borrows or to the vectors of
// the same value, and are not read outside it.
unsafe impl Send for Messages {}

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messages").field("room", &self.headers.len()).finish()
    }
}

fn zeroed<T>() -> T {
    // SAFETY: only used with the plain C structs of this file, for which all bits zero is a value.
    unsafe { MaybeUninit::zeroed().assume_init() }
}

impl Messages {
    /// Room for as many messages as the kernel takes at once.
    ///
    /// - `addressed`: each message names its destination; else the socket is bound to it.
    pub(super) fn new(addressed: bool) -> Self {
        Self {
            headers: (0..MESSAGES_MAX).map(|_| zeroed()).collect(),
            parts: (0..MESSAGES_MAX).map(|_| zeroed()).collect(),
            addresses: (0..if addressed { MESSAGES_MAX } else { 0 }).map(|_| zeroed()).collect(),
        }
    }

    /// Sends the first frames of `rows`, as many as one call takes, and says how many went.
    ///
    /// # Errors
    /// The kernel's reason when not even the first went.
    pub(super) fn send<'a>(
        &mut self,
        socket: BorrowedFd<'_>,
        rows: impl Iterator<Item = (SocketAddr, &'a [u8])>,
    ) -> io::Result<usize> {
        let mut count = 0;
        for ((header, part), (target, frame)) in self.headers.iter_mut().zip(&mut self.parts).zip(rows) {
            part.iov_base = frame.as_ptr().cast_mut().cast();
            part.iov_len = frame.len();
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_len = 0;
            if let Some(address) = self.addresses.get_mut(count) {
                header.msg_hdr.msg_namelen = write_address(address, target);
                header.msg_hdr.msg_name = ptr::from_mut(address).cast();
            }
            count += 1;
        }
        if count == 0 {
            return Ok(0);
        }
        // SAFETY: the first `count` headers point to parts, frames and addresses that live until the call returns, and
        // the kernel only reads the frames.
        let sent = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                count as libc::c_uint,
                libc::MSG_DONTWAIT as _,
            )
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

/// Writes `target` without its port, which means nothing to a raw socket (and which IPv6 refuses), and returns its size.
fn write_address(address: &mut Address, target: SocketAddr) -> libc::socklen_t {
    let size = match target {
        SocketAddr::V4(target) => {
            let mut v4: libc::sockaddr_in = zeroed();
            v4.sin_family = libc::AF_INET as libc::sa_family_t;
            v4.sin_addr.s_addr = u32::from_ne_bytes(target.ip().octets());
            address.v4 = v4;
            mem::size_of::<libc::sockaddr_in>()
        }
        SocketAddr::V6(target) => {
            let mut v6: libc::sockaddr_in6 = zeroed();
            v6.sin6_family = libc::AF_INET6 as libc::sa_family_t;
            v6.sin6_addr.s6_addr = target.ip().octets();
            address.v6 = v6;
            mem::size_of::<libc::sockaddr_in6>()
        }
    };
    size as libc::socklen_t
}

/// Waits until `socket` takes more, at most a millisecond.
pub(super) fn wait_for_room(socket: BorrowedFd<'_>) {
    let mut poll = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid entry. Whatever comes back, the caller tries again or gives up by itself.
    unsafe { libc::poll(&mut poll, 1, 1) };
}
