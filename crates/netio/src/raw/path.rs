use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nightlatch_wire::Link;

/// A network device.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Device {
    /// The kernel's number of it.
    pub index: u32,
    /// Its name, such as `eth0`.
    pub name: String,
    /// Largest packet in bytes, without the header of the link.
    pub mtu: u32,
    /// Whether packets on it begin with an Ethernet header and neighbours are asked for by ARP and ND.
    pub is_ethernet: bool,
    /// Its hardware address; `None` when it has none of six bytes.
    pub hardware: Option<[u8; 6]>,
}

/// How packets to a set of targets leave this machine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Path {
    /// The device by which all of them leave; `None` when there are several.
    pub device: Option<Device>,
    /// What stands before the IP header of what we send.
    pub link: Link,
    /// Our address for IPv4; `None` when no target is of that family.
    pub source_v4: Option<Ipv4Addr>,
    /// Our address for IPv6; `None` when no target is of that family.
    pub source_v6: Option<Ipv6Addr>,
    /// The gateway that takes all of them; `None` when there is none, or several.
    pub next_hop: Option<IpAddr>,
    /// Ranges of targets that are reached from another address than the two above, in order and disjoint.
    pub(super) other_sources: Vec<(IpAddr, IpAddr, IpAddr)>,
}

impl Path {
    /// All addresses that we send from, each once.
    pub fn sources(&self) -> Vec<IpAddr> {
        let mut all: Vec<IpAddr> = self.other_sources.iter().map(|row| row.2).collect();
        all.extend(self.source_v4.map(IpAddr::V4));
        all.extend(self.source_v6.map(IpAddr::V6));
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The same way with the kernel finding the next hop of each packet.
    pub(super) fn bare(&self) -> Self {
        Self { link: Link::Bare, ..self.clone() }
    }
}

/// Which way a set of targets takes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Route {
    /// All of them leave by one Ethernet device to one next hop, whose hardware address is known.
    One(Path),
    /// The kernel has to find the way of each packet.
    Many {
        /// Why, in plain words.
        reason: String,
        /// What is alike for all of them.
        path: Path,
    },
}

impl Route {
    /// The way.
    pub fn path(&self) -> &Path {
        match self {
            Self::One(path) | Self::Many { path, .. } => path,
        }
    }
}
