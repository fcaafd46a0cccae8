use std::{
    io::{self, Read},
    mem,
    net::IpAddr,
    os::fd::AsRawFd,
    time::Duration,
};

use nightlatch_scope::AddressSet;
use nightlatch_wire::Link;
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    Path, Route, RouteError, Routes, SenderKind,
    netlink::{Netlink, messages, number},
    packet::set_option,
    routes::{Known, Outline, is_about, known},
};

/// Groups of messages that may be about a way (`linux/rtnetlink.h`): links, addresses, routes and rules of both families.
const GROUPS: i32 = libc::RTMGRP_LINK
    | libc::RTMGRP_IPV4_IFADDR
    | libc::RTMGRP_IPV4_ROUTE
    | libc::RTMGRP_IPV4_RULE
    | libc::RTMGRP_IPV6_IFADDR
    | libc::RTMGRP_IPV6_ROUTE;
/// The group of IPv6 rules, which has no bit of its own.
const GROUP_IPV6_RULE: i32 = 19;
/// Messages are at most this long; longer ones are cut off, and count as news.
const BUFFER_BYTES: usize = 32 << 10;
/// Messages that are taken at one call, so that a flood of them does not hold the caller.
const MESSAGES_MAX: usize = 4096;

/// Watches whether the way to the targets is still the one that a sender was opened for (`rtnetlink(7)`).
///
/// The kernel tells of every change of links, addresses, routes and rules, and of the gateway's hardware address; what it
/// means for these targets is then read from the tables again. Needs no right.
#[derive(Debug)]
pub struct WayWatch {
    socket: Socket,
    targets: AddressSet,
    opened: Path,
    /// Those that the targets were reached through when somebody last looked.
    gateways: Vec<IpAddr>,
    /// The kernel finds the way of each packet; only where it is sent from, and where answers come in, must stay.
    kernel_routes: bool,
    buffer: Vec<u8>,
}

/// How the way is now.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Way {
    /// As it was.
    Same,
    /// By the same device from the same address, but to another hardware address.
    NextHop {
        /// What stands before the IP header now.
        link: Link,
        /// The gateway that has the address.
        gateway: IpAddr,
    },
    /// It is another one, or none: why, in words.
    Other(String),
}

impl WayWatch {
    /// Begins to watch the way to `targets`.
    ///
    /// - `route`, `kind`: what the sender was opened for, and which it is; not `Auto`.
    ///
    /// # Errors
    /// The system's own.
    pub fn open(targets: AddressSet, route: &Route, kind: SenderKind) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::from(libc::AF_NETLINK),
            Type::RAW,
            Some(Protocol::from(libc::NETLINK_ROUTE)),
        )?;
        let kernel_routes = kind == SenderKind::Ip;
        let neighbours = if kernel_routes { 0 } else { libc::RTMGRP_NEIGH };
        bind(&socket, (GROUPS | neighbours) as u32)?;
        // A kernel without rules for IPv6 has no such group.
        let _ = set_option(&socket, libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP, &GROUP_IPV6_RULE);
        socket.set_nonblocking(true)?;
        let opened = route.path().clone();
        let gateways = opened.next_hop.into_iter().collect();
        let buffer = vec![0; BUFFER_BYTES];
        let mut watch = Self { socket, targets, opened, gateways, kernel_routes, buffer };
        // Of two families, there are two.
        if let Ok(Outline::One { gateways, .. }) = watch.outline()? {
            watch.gateways = gateways;
        }
        Ok(watch)
    }

    /// Waits for news that may be about the way, `timeout` at most. `true` when there are some.
    ///
    /// # Errors
    /// The system's own.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<bool> {
        let milliseconds = timeout.as_millis().min(60_000) as libc::c_int;
        let mut poll = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid entry.
        if unsafe { libc::poll(&mut poll, 1, milliseconds) } < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(false) } else { Err(error) };
        }
        let mut is_news = false;
        for _ in 0..MESSAGES_MAX {
            match (&self.socket).read(&mut self.buffer) {
                Ok(length) => is_news |= self.is_news(self.buffer.get(..length).unwrap_or_default()),
                Err(error) => match error.raw_os_error() {
                    Some(libc::EAGAIN) => break,
                    Some(libc::EINTR) => {}
                    // The kernel had more to tell than fits: any of it may have been about us.
                    Some(libc::ENOBUFS) => is_news = true,
                    _ => return Err(error),
                },
            }
        }
        Ok(is_news)
    }

    fn is_news(&self, bytes: &[u8]) -> bool {
        messages(bytes).any(|message| {
            let Ok(message) = message else { return true };
            let device = self.opened.device.as_ref().map(|device| device.index);
            match message.kind {
                // `ifinfomsg` has the number of the link behind four bytes.
                libc::RTM_NEWLINK | libc::RTM_DELLINK => {
                    device.is_none_or(|index| message.body.get(4..).and_then(number) == Some(index))
                }
                libc::RTM_NEWNEIGH | libc::RTM_DELNEIGH => device.is_some_and(|index| {
                    self.gateways.iter().any(|gateway| is_about(message.body, index, *gateway))
                }),
                _ => true,
            }
        })
    }

    /// Reads the tables again and compares with what was opened, or with the next hop that was told last.
    ///
    /// # Errors
    /// The tables cannot be read.
    pub fn look(&mut self) -> io::Result<Way> {
        let outline = match self.outline()? {
            Ok(outline) => outline,
            Err(why) => return Ok(Way::Other(why.to_string())),
        };
        let (Outline::One { path, .. } | Outline::Many { path, .. }) = &outline;
        if let Some(why) = self.difference(path) {
            return Ok(Way::Other(why));
        }
        match outline {
            _ if self.kernel_routes => Ok(Way::Same),
            Outline::Many { reason, .. } => Ok(Way::Other(reason)),
            Outline::One { device, source, gateways, .. } => {
                let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
                let link = |destination| match self.opened.link {
                    Link::Ethernet { vlan, .. } => Link::Ethernet { source, destination, vlan },
                    Link::Bare => Link::Bare,
                };
                let mut ways = Vec::new();
                for &gateway in &gateways {
                    ways.push(match known(&mut netlink, device.index, gateway)? {
                        Known::Address(address) if link(address) == self.opened.link => Way::Same,
                        Known::Address(address) => Way::NextHop { link: link(address), gateway },
                        Known::Silent => Way::Other(format!(
                            "the gateway {gateway} on {} does not say its hardware address any more",
                            device.name
                        )),
                        // The kernel forgets who is not talked to; where packets go is not changed by that.
                        Known::Nothing if self.gateways.contains(&gateway) => Way::Same,
                        Known::Nothing => Way::Other(format!(
                            "the targets are now reached through {gateway}, whose hardware address is not known"
                        )),
                    });
                }
                if let Some(at) = ways.iter().position(|way| matches!(way, Way::Other(_))) {
                    return Ok(ways.swap_remove(at));
                }
                let link = |way: &Way| match way {
                    Way::NextHop { link, .. } => Some(*link),
                    _ => None,
                };
                if ways.windows(2).any(|pair| link(&pair[0]) != link(&pair[1])) {
                    return Ok(Way::Other("IPv4 and IPv6 now have different gateways".to_owned()));
                }
                let way = ways.into_iter().next().unwrap_or(Way::Same);
                if let Way::NextHop { link, .. } = way {
                    (self.opened.link, self.gateways) = (link, gateways);
                }
                Ok(way)
            }
        }
    }

    fn outline(&self) -> io::Result<Result<Outline, RouteError>> {
        let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
        match Routes::read()?.outline(&mut netlink, &self.targets) {
            Err(RouteError::System(error)) => Err(error),
            outline => Ok(outline),
        }
    }

    /// What a sender of any kind cannot follow.
    fn difference(&self, now: &Path) -> Option<String> {
        let name = |path: &Path| {
            path.device.as_ref().map_or_else(|| "several interfaces".to_owned(), |device| device.name.clone())
        };
        let index = |path: &Path| path.device.as_ref().map(|device| device.index);
        // Who listens on all of them hears answers wherever they come in.
        if index(&self.opened).is_some() && index(&self.opened) != index(now) {
            return Some(format!(
                "the targets are now reached by {} instead of {}",
                name(now),
                name(&self.opened)
            ));
        }
        let list =
            |path: &Path| path.sources().iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" and ");
        let same = (now.source_v4, now.source_v6) == (self.opened.source_v4, self.opened.source_v6)
            && now.other_sources == self.opened.other_sources;
        (!same).then(|| {
            format!("the targets are now reached from {} instead of {}", list(now), list(&self.opened))
        })
    }
}

/// Joins groups of messages, with an address of the kernel's choice.
fn bind(socket: &Socket, groups: u32) -> io::Result<()> {
    // SAFETY: all bits zero is a value of this struct of numbers.
    let mut address: libc::sockaddr_nl = unsafe { mem::zeroed() };
    address.nl_family = libc::AF_NETLINK as libc::sa_family_t;
    address.nl_groups = groups;
    // SAFETY: the pointer and size describe `address`.
    let result = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            mem::size_of::<libc::sockaddr_nl>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
