mod choose;
mod links;
mod neighbour;
mod table;

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use nightlatch_scope::{AddressRange, AddressSet};
use nightlatch_wire::Link;

use super::{Device, Path, Route, netlink::Netlink};
use choose::{Answer, ask_kernel};
use links::Links;
use neighbour::{Found, hardware_address};
pub(super) use neighbour::{Known, is_about, known};
use table::{Entry, Kind, Segment, Tables, Way};

/// Why no way leads to the targets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// No route covers a target.
    #[error(
        "there is no route to {target}{}",
        if *has_default { "" } else { ", and no default route; add one, or leave out what cannot be reached" }
    )]
    None {
        /// The first such target.
        target: IpAddr,
        /// Whether there is a default route for its family.
        has_default: bool,
    },
    /// A route says that packets are not to be sent.
    #[error("the route to {target} says {says}; nothing can be sent there")]
    Refused {
        /// The first such target.
        target: IpAddr,
        /// The kernel's word for it, such as `unreachable`.
        says: &'static str,
    },
    /// The device is off, or its cable is out.
    #[error("the interface {device}, by which {target} is reached, is down")]
    Down {
        /// Its name.
        device: String,
        /// The first target reached by it.
        target: IpAddr,
    },
    /// All targets are addresses of this machine.
    #[error(
        "{target} is an address of this machine; connect instead of sending raw packets (`--sender connect`)"
    )]
    Own {
        /// The first of them.
        target: IpAddr,
    },
    /// The next hop does not say its hardware address.
    #[error("the gateway {gateway} on {device} does not answer {}", if gateway.is_ipv4() { "ARP" } else { "neighbour discovery" })]
    Silent {
        /// Its address.
        gateway: IpAddr,
        /// The device it is on.
        device: String,
    },
    /// This machine has no address to send from.
    #[error("this machine has no address from which {target} can be reached")]
    NoSource {
        /// The first such target.
        target: IpAddr,
    },
    /// Nothing to send to.
    #[error("there are no targets")]
    Empty,
    /// The kernel could not be asked.
    #[error("the kernel's routes could not be read")]
    System(#[from] io::Error),
}

/// What the kernel knows about ways out of this machine, as it was when it was read: links, addresses, routes, rules.
#[derive(Clone, Debug)]
pub struct Routes {
    links: Links,
    tables: Tables,
}

/// Targets that take one way.
#[derive(Clone, Debug)]
struct Group {
    way: Way,
    first: IpAddr,
    answer: Answer,
}

/// A way as the tables have it.
#[derive(Clone, Debug)]
pub(super) enum Outline {
    /// By one Ethernet device, whose hardware address is `source`, through one gateway for each family.
    One { device: Device, source: [u8; 6], gateways: Vec<IpAddr>, path: Path },
    /// By ways that differ, or that only the kernel knows.
    Many { reason: String, path: Path },
}

impl Routes {
    /// Reads links and routes by rtnetlink. Needs no right.
    ///
    /// # Errors
    /// The system's own, or tables that are larger than can be held.
    pub fn read() -> io::Result<Self> {
        let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
        Ok(Self { links: Links::read(&mut netlink)?, tables: Tables::read(&mut netlink)? })
    }

    /// Those of `targets` that are addresses of this machine, loopback included. They answer a connection, and no packet
    /// leaves the machine for them.
    pub fn own(&self, targets: &AddressSet) -> AddressSet {
        let own = self.tables.segments().filter(|s| self.kind(s) == Some(Kind::Local));
        own.filter_map(Segment::range).collect::<AddressSet>().intersect(targets)
    }

    /// The way that packets to `targets` take: longest prefix first in the local table, then in the main one. Where all
    /// take one next hop its hardware address is looked up, and asked for when it is not known, for 3 seconds at most.
    ///
    /// # Errors
    /// No way, or none that works, for at least one of the targets.
    pub fn path_for(&self, targets: &AddressSet) -> Result<Route, RouteError> {
        let mut netlink = Netlink::open(libc::NETLINK_ROUTE)?;
        match self.outline(&mut netlink, targets)? {
            Outline::Many { reason, path } => Ok(Route::Many { reason, path }),
            Outline::One { device, source, gateways, path } => {
                self.resolved(&mut netlink, &device, source, &gateways, path)
            }
        }
    }

    /// As [`path_for`](Self::path_for), without a look at hardware addresses.
    pub(super) fn outline(&self, netlink: &mut Netlink, targets: &AddressSet) -> Result<Outline, RouteError> {
        if targets.is_empty() {
            return Err(RouteError::Empty);
        }
        if let Some(what) = self.tables.not_understood() {
            return self.by_kernel(netlink, targets, what);
        }
        let mut pieces = Vec::new();
        for &range in targets.ranges() {
            self.tables.pieces(range, |first, last, entry| pieces.push((first, last, entry)));
        }
        let mut groups = BTreeMap::new();
        let mut own = None;
        for &(first, _, entry) in &pieces {
            let entry = entry.ok_or_else(|| self.no_route(first))?;
            match entry.kind {
                Kind::Unicast => _ = groups.entry(entry.way.clone()).or_insert(first),
                Kind::Local => _ = own.get_or_insert(first),
                // The kernel refuses these one by one, and they are counted.
                Kind::Broadcast => {}
                Kind::Refused(says) => return Err(RouteError::Refused { target: first, says }),
            }
        }
        match (groups.is_empty(), own) {
            (true, Some(target)) => return Err(RouteError::Own { target }),
            (true, None) => {
                return Err(self.no_route(pieces.first().map_or(Ipv4Addr::UNSPECIFIED.into(), |p| p.0)));
            }
            _ => {}
        }
        let groups = self.ask_for_groups(netlink, groups)?;
        let path = self.common(&groups, &pieces);
        if let Some(target) = own {
            let reason = format!("{target} is an address of this machine");
            return Ok(Outline::Many { reason, path: Path { device: None, ..path } });
        }
        Ok(one_or_many(&groups, path))
    }

    fn kind(&self, segment: &Segment) -> Option<Kind> {
        self.tables.entry(segment).map(|entry| entry.kind)
    }

    fn no_route(&self, target: IpAddr) -> RouteError {
        RouteError::None { target, has_default: self.tables.has_default(target.is_ipv4()) }
    }

    /// Asks the kernel from which address each way is taken, and that its device is up.
    fn ask_for_groups(
        &self,
        netlink: &mut Netlink,
        groups: BTreeMap<Way, IpAddr>,
    ) -> Result<Vec<Group>, RouteError> {
        let mut found = Vec::with_capacity(groups.len());
        for (way, first) in groups {
            let answer = ask_kernel(netlink, first)?.ok_or_else(|| self.no_route(first))?;
            self.check_up(answer.device, first)?;
            if answer.source.is_none_or(|source| source.is_unspecified()) {
                return Err(RouteError::NoSource { target: first });
            }
            found.push(Group { way, first, answer });
        }
        Ok(found)
    }

    fn check_up(&self, device: u32, target: IpAddr) -> Result<(), RouteError> {
        match self.links.get(device) {
            Some(link) if !link.up => Err(RouteError::Down { device: link.device.name.clone(), target }),
            _ => Ok(()),
        }
    }

    /// What all groups have in common, and the sources of those that differ.
    fn common(&self, groups: &[Group], pieces: &[(IpAddr, IpAddr, Option<&Entry>)]) -> Path {
        let device = groups.first().map(|group| group.answer.device);
        let device = device.filter(|&index| groups.iter().all(|group| group.answer.device == index));
        let source = |v4: bool| {
            groups.iter().find(|group| group.first.is_ipv4() == v4).and_then(|group| group.answer.source)
        };
        let (v4, v6) = (source(true), source(false));
        let sources: BTreeMap<&Way, IpAddr> =
            groups.iter().filter_map(|group| Some((&group.way, group.answer.source?))).collect();
        let other = pieces.iter().filter_map(|&(first, last, entry)| {
            let source = *sources.get(&entry?.way)?;
            let usual = if first.is_ipv4() { v4 } else { v6 };
            (Some(source) != usual).then_some((first, last, source))
        });
        Path {
            device: device.and_then(|index| self.links.get(index)).map(|link| link.device.clone()),
            link: Link::Bare,
            source_v4: v4.and_then(as_v4),
            source_v6: v6.and_then(as_v6),
            next_hop: None,
            other_sources: other.collect(),
        }
    }

    fn resolved(
        &self,
        netlink: &mut Netlink,
        device: &Device,
        source: [u8; 6],
        gateways: &[IpAddr],
        path: Path,
    ) -> Result<Route, RouteError> {
        let mut destination = None;
        for &gateway in gateways {
            let address = match hardware_address(netlink, device.index, gateway)? {
                Found::Address(address) => address,
                Found::Silent => return Err(RouteError::Silent { gateway, device: device.name.clone() }),
                Found::MayNotAsk => {
                    let reason = format!(
                        "the hardware address of the gateway {gateway} is not known yet, and having the kernel ask for it needs CAP_NET_ADMIN"
                    );
                    return Ok(Route::Many { reason, path });
                }
            };
            if destination.is_some_and(|other| other != address) {
                let reason = format!("IPv4 and IPv6 have different gateways on {}", device.name);
                return Ok(Route::Many { reason, path });
            }
            destination = Some(address);
        }
        let Some(destination) = destination else {
            return Ok(Route::Many { reason: "there is no gateway".to_owned(), path });
        };
        let link = Link::Ethernet { source, destination, vlan: None };
        Ok(Route::One(Path { link, next_hop: gateways.first().copied(), ..path }))
    }

    /// Where our reading of the tables cannot be relied on: the kernel is asked about the first target of each range.
    fn by_kernel(
        &self,
        netlink: &mut Netlink,
        targets: &AddressSet,
        what: &str,
    ) -> Result<Outline, RouteError> {
        let mut rows: Vec<(AddressRange, Answer)> = Vec::new();
        for &range in targets.ranges() {
            let answer = ask_kernel(netlink, range.first())?;
            let answer = answer.ok_or_else(|| self.no_route(range.first()))?;
            self.check_up(answer.device, range.first())?;
            if answer.source.is_none() {
                return Err(RouteError::NoSource { target: range.first() });
            }
            rows.push((range, answer));
        }
        let source =
            |v4: bool| rows.iter().find(|row| row.0.first().is_ipv4() == v4).and_then(|row| row.1.source);
        let (v4, v6) = (source(true), source(false));
        let other = rows.iter().filter_map(|(range, answer)| {
            let usual = if range.first().is_ipv4() { v4 } else { v6 };
            let source = answer.source.filter(|source| Some(*source) != usual)?;
            Some((range.first(), range.last(), source))
        });
        let path = Path {
            device: None,
            link: Link::Bare,
            source_v4: v4.and_then(as_v4),
            source_v6: v6.and_then(as_v6),
            next_hop: None,
            other_sources: other.collect(),
        };
        Ok(Outline::Many { reason: what.to_owned(), path })
    }
}

/// `Outline::One` when all `groups` leave by one Ethernet device to one hardware address.
fn one_or_many(groups: &[Group], path: Path) -> Outline {
    let many = |reason: String, path: Path| Outline::Many { reason, path };
    let Some(device) = path.device.clone() else {
        return many("the targets leave by several interfaces".to_owned(), path);
    };
    if !path.other_sources.is_empty() {
        return many("the targets are reached from several addresses of this machine".to_owned(), path);
    }
    if !device.is_ethernet {
        return many(format!("{} is not an Ethernet device with ARP", device.name), path);
    }
    let Some(source) = device.hardware else {
        return many(format!("{} has no hardware address", device.name), path);
    };
    let mut gateways = Vec::new();
    for group in groups {
        let (answer, way) = (&group.answer, &group.way);
        let Some(gateway) = answer.gateway else {
            let reason = format!(
                "{} is on the link of {}, where each host has its own hardware address",
                group.first, device.name
            );
            return many(reason, path);
        };
        if way.several || way.device != Some(answer.device) || way.gateway.is_some_and(|g| g != gateway) {
            let reason = format!("the way to {} has several next hops", group.first);
            return many(reason, path);
        }
        if !gateways.contains(&gateway) {
            gateways.push(gateway);
        }
    }
    let per_family = |v4: bool| gateways.iter().filter(|gateway| gateway.is_ipv4() == v4).count();
    if per_family(true) > 1 || per_family(false) > 1 {
        return many(format!("the targets have several gateways on {}", device.name), path);
    }
    Outline::One { device, source, gateways, path }
}

fn as_v4(ip: IpAddr) -> Option<Ipv4Addr> {
    match ip {
        IpAddr::V4(v4) => Some(v4),
        IpAddr::V6(_) => None,
    }
}

fn as_v6(ip: IpAddr) -> Option<Ipv6Addr> {
    match ip {
        IpAddr::V6(v6) => Some(v6),
        IpAddr::V4(_) => None,
    }
}
