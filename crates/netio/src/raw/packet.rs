use std::{io, mem, os::fd::AsFd, thread, time::Duration};

use socket2::{Domain, Socket, Type};

use super::{
    Batch, Device, RawError,
    messages::{Messages, wait_for_room},
    netlink::{Message, Netlink, attribute},
    sender::Unsent,
};

/// Room for what the device has not taken yet. Frames of this size count as about 800 bytes each.
const SEND_BUFFER: usize = 8 << 20;
/// How long a full device is given before the caller hears of it.
const DEVICE_FULL_PAUSE: Duration = Duration::from_micros(50);

/// Queues that only put packets in order. `noqueue` is not among them: virtual devices have none to pass by, and their
/// frames take about a twentieth longer the other way (measured on veth).
const ORDINARY_QUEUES: [&str; 5] = ["mq", "fq_codel", "fq", "pfifo_fast", "pfifo"];
/// Attribute of a link that names its queue (`linux/if_link.h`), and bytes of `ifinfomsg`.
const IFLA_QDISC: u16 = 6;
const LINK_HEADER: usize = 16;

/// Sends whole Ethernet frames by one device (`packet(7)`). Needs CAP_NET_RAW.
#[derive(Debug)]
pub(super) struct PacketSender {
    socket: Socket,
    messages: Messages,
    device: String,
}

impl PacketSender {
    /// Opens it. An ordinary queue of the device is passed by: what does not fit is then refused and tried again, where a
    /// queue would drop it without a word. One that shapes stays in force, since somebody wants it so.
    pub(super) fn open(device: &Device) -> Result<Self, RawError> {
        let wanted = || format!("sending frames on {}", device.name);
        let fail = |source| RawError::of(wanted(), "CAP_NET_RAW", source);
        // Protocol 0: nothing is received.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None).map_err(fail)?;
        if queue_of(device.index).is_some_and(|queue| ORDINARY_QUEUES.contains(&queue.as_str())) {
            set_option(&socket, libc::SOL_PACKET, libc::PACKET_QDISC_BYPASS, &1i32).map_err(fail)?;
        }
        // Beyond the ordinary limit where CAP_NET_ADMIN allows it, up to it where not.
        if set_option(&socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &(SEND_BUFFER as i32)).is_err() {
            socket.set_send_buffer_size(SEND_BUFFER).map_err(fail)?;
        }
        bind_packet(&socket, 0, device.index).map_err(fail)?;
        Ok(Self { socket, messages: Messages::new(false), device: device.name.clone() })
    }

    pub(super) fn send(&mut self, batch: &mut Batch, unsent: &mut Unsent) -> io::Result<usize> {
        let mut sent = 0;
        let mut waited = false;
        while sent < batch.len() {
            match self.messages.send(self.socket.as_fd(), batch.rows(sent)) {
                Ok(0) => break,
                Ok(count) => (sent, waited) = (sent + count, false),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN) if !waited => {
                        wait_for_room(self.socket.as_fd());
                        waited = true;
                    }
                    Some(libc::ENOBUFS) if !waited => {
                        thread::sleep(DEVICE_FULL_PAUSE);
                        waited = true;
                    }
                    Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => {
                        unsent.full += 1;
                        break;
                    }
                    _ if sent > 0 => break,
                    _ => return Err(self.explain(error)),
                },
            }
        }
        batch.remove_first(sent);
        Ok(sent)
    }

    fn explain(&self, error: io::Error) -> io::Error {
        not_taken(&self.device, "", error)
    }
}

/// Why a device takes no frames, in plain words.
///
/// - `how`: the way they were handed to it, such as ` by AF_XDP`; empty for the ordinary one.
pub(super) fn not_taken(device: &str, how: &str, error: io::Error) -> io::Error {
    let text = match error.raw_os_error() {
        Some(libc::ENETDOWN) => format!("the interface {device} went down"),
        Some(libc::ENXIO | libc::ENODEV) => format!("the interface {device} is gone"),
        Some(libc::EMSGSIZE) => format!("a frame is larger than {device} takes (its MTU is too small)"),
        _ => format!("{device} does not take frames{how}: {error}"),
    };
    io::Error::new(error.kind(), text)
}

/// The name of the queue that frames wait in before the device takes them.
fn queue_of(index: u32) -> Option<String> {
    let mut header = [0; LINK_HEADER];
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    let mut netlink = Netlink::open(libc::NETLINK_ROUTE).ok()?;
    let link = netlink.ask(&Message::new(libc::RTM_GETLINK, 0, &header)).ok()?;
    let name = attribute(link.get(LINK_HEADER..)?, IFLA_QDISC)?;
    Some(String::from_utf8_lossy(name.split(|byte| *byte == 0).next()?).into_owned())
}

/// Sets a socket option that is a plain C struct or number.
pub(super) fn set_option<T: Copy>(socket: &Socket, level: i32, name: i32, value: &T) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: the pointer and size describe `value`, which the kernel only reads.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(value).cast(),
            mem::size_of::<T>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Binds a packet socket to `protocol` (an EtherType; 0 receives nothing) on the device `index` (0: all).
pub(super) fn bind_packet(socket: &Socket, protocol: u16, index: u32) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: all bits zero is a value of this struct of numbers.
    let mut address: libc::sockaddr_ll = unsafe { mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = i32::try_from(index).unwrap_or(0);
    // SAFETY: the pointer and size describe `address`.
    let result = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            mem::size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_device_has_no_queue() {
        // Number 1 in every namespace.
        assert_eq!(queue_of(1).as_deref(), Some("noqueue"));
        assert_eq!(queue_of(u32::MAX), None);
    }
}
