use std::{
    io,
    net::{IpAddr, SocketAddr},
    os::fd::AsFd,
};

use socket2::{Domain, Protocol, Socket, Type};

use super::{
    Batch, Path, RawError,
    messages::{Messages, wait_for_room},
    packet::set_option,
    sender::Unsent,
};

const SEND_BUFFER: usize = 8 << 20;

/// Sends packets that begin with the IP header; the kernel finds device and next hop of each (`raw(7)`). Needs
/// CAP_NET_RAW.
#[derive(Debug)]
pub(super) struct IpSender {
    v4: Option<Socket>,
    v6: Option<Socket>,
    messages: Messages,
}

impl IpSender {
    pub(super) fn open(path: &Path) -> Result<Self, RawError> {
        let sources = path.sources();
        let open = |domain, wanted: &str| {
            socket(domain).map_err(|source| RawError::of(wanted, "CAP_NET_RAW", source))
        };
        let v4 = sources.iter().any(IpAddr::is_ipv4).then(|| open(Domain::IPV4, "sending raw IPv4 packets"));
        let v6 = sources.iter().any(IpAddr::is_ipv6).then(|| open(Domain::IPV6, "sending raw IPv6 packets"));
        Ok(Self { v4: v4.transpose()?, v6: v6.transpose()?, messages: Messages::new(true) })
    }

    pub(super) fn send(&mut self, batch: &mut Batch, unsent: &mut Unsent) -> io::Result<usize> {
        // `done` counts what has left and what the kernel refused for a reason of its own target.
        let (mut done, mut sent, mut waited) = (0, 0, false);
        while let Some(target) = batch.target(done) {
            let socket = if target.is_ipv4() { &self.v4 } else { &self.v6 };
            let Some(socket) = socket else {
                unsent.refuse(target, "no socket of this family");
                done += 1;
                continue;
            };
            let run = batch.rows(done).take_while(|row| row.0.is_ipv4() == target.is_ipv4());
            match self.messages.send(socket.as_fd(), run) {
                Ok(0) => break,
                Ok(count) => (done, sent, waited) = (done + count, sent + count, false),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EINTR) => {}
                    Some(libc::EAGAIN | libc::ENOBUFS) if !waited => {
                        wait_for_room(socket.as_fd());
                        waited = true;
                    }
                    Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => {
                        unsent.full += 1;
                        break;
                    }
                    code => {
                        let Some(why) = refusal(code) else {
                            batch.remove_first(done);
                            return if sent > 0 { Ok(sent) } else { Err(explain(target, error)) };
                        };
                        unsent.refuse(target, why);
                        done += 1;
                    }
                },
            }
        }
        batch.remove_first(done);
        Ok(sent)
    }
}

fn socket(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(libc::IPPROTO_RAW)))?;
    if domain == Domain::IPV6 {
        set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_HDRINCL, &1i32)?;
    } else {
        set_option(&socket, libc::IPPROTO_IP, libc::IP_HDRINCL, &1i32)?;
    }
    if set_option(&socket, libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &(SEND_BUFFER as i32)).is_err() {
        socket.set_send_buffer_size(SEND_BUFFER)?;
    }
    Ok(socket)
}

/// Why the kernel did not send to this one target; others may go. `None` when it is not about the target.
fn refusal(code: Option<i32>) -> Option<&'static str> {
    Some(match code? {
        libc::EACCES => "it is a broadcast address, or a route prohibits it",
        libc::EPERM => "this machine's own firewall refuses it",
        libc::EHOSTUNREACH => "no neighbour answers, or a route says that it cannot be reached",
        libc::ENETUNREACH => "there is no route to it",
        libc::EINVAL => "the kernel calls it invalid",
        libc::EADDRNOTAVAIL => "our address is gone",
        _ => return None,
    })
}

fn explain(target: SocketAddr, error: io::Error) -> io::Error {
    let text = match error.raw_os_error() {
        Some(libc::ENETDOWN) => format!("the interface to {} went down", target.ip()),
        Some(libc::EMSGSIZE) => format!("the way to {} has too small an MTU", target.ip()),
        _ => format!("packets to {} cannot be sent: {error}", target.ip()),
    };
    io::Error::new(error.kind(), text)
}
