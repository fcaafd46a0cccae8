use std::{collections::BTreeMap, io};

use crate::raw::{
    Device,
    netlink::{Message, Netlink, attribute, number},
};

/// Links of which more are not held.
const LINKS_MAX: usize = 65_536;
/// Bytes of `ifinfomsg`.
const HEADER: usize = 16;

/// A link and whether packets can leave by it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct LinkState {
    pub(super) device: Device,
    pub(super) up: bool,
}

/// The links of this machine by number.
#[derive(Clone, Debug, Default)]
pub(super) struct Links(BTreeMap<u32, LinkState>);

impl Links {
    pub(super) fn read(netlink: &mut Netlink) -> io::Result<Self> {
        let mut bodies = Vec::new();
        netlink.dump(
            &Message::new(libc::RTM_GETLINK, libc::NLM_F_DUMP, &[0; HEADER]),
            &mut bodies,
            LINKS_MAX,
        )?;
        Ok(Self(bodies.iter().filter_map(|body| link(body)).map(|link| (link.device.index, link)).collect()))
    }

    pub(super) fn get(&self, index: u32) -> Option<&LinkState> {
        self.0.get(&index)
    }
}

/// Reads an `ifinfomsg` with its attributes.
fn link(body: &[u8]) -> Option<LinkState> {
    let header: &[u8; HEADER] = body.first_chunk()?;
    let attributes = body.get(HEADER..)?;
    let hardware_type = u16::from_ne_bytes([header[2], header[3]]);
    let index = number(&header[4..])?;
    let flags = number(&header[8..])? as i32;
    let name = attribute(attributes, libc::IFLA_IFNAME)?;
    let name = String::from_utf8_lossy(name.split(|byte| *byte == 0).next()?).into_owned();
    let has = |flag: i32| flags & flag != 0;
    let device = Device {
        index,
        name,
        mtu: attribute(attributes, libc::IFLA_MTU).and_then(number).unwrap_or(0),
        is_ethernet: hardware_type == libc::ARPHRD_ETHER
            && !has(libc::IFF_NOARP)
            && !has(libc::IFF_LOOPBACK)
            && !has(libc::IFF_POINTOPOINT),
        hardware: attribute(attributes, libc::IFLA_ADDRESS).and_then(|address| address.try_into().ok()),
    };
    // LOWER_UP: there is a carrier.
    Some(LinkState { device, up: has(libc::IFF_UP) && has(libc::IFF_LOWER_UP) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_loopback_device_is_read() {
        let links = Links::read(&mut Netlink::open(libc::NETLINK_ROUTE).unwrap()).unwrap();
        let lo = links.0.values().find(|link| link.device.name == "lo").unwrap();
        assert!(!lo.device.is_ethernet && lo.device.mtu > 1500, "{lo:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = link(&bytes);
        }
    }
}
