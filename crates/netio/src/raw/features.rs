use std::io;

use super::netlink::{Message, Netlink, attribute};

/// `GENL_ID_CTRL`: whom to ask for the number of a family.
const CONTROL: u16 = 16;
const CONTROL_GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const DEVICE_GET: u8 = 1;
const DEVICE_INDEX: u16 = 1;
const DEVICE_XDP_FEATURES: u16 = 3;
/// `NETDEV_XDP_ACT_NDO_XMIT`.
const TAKES_REDIRECTED: u64 = 1 << 2;
/// Bytes of `genlmsghdr`.
const HEADER: usize = 4;

/// Whether frames can be redirected to the device by XDP as things are now; `None` when the kernel does not tell, which
/// is before Linux 6.3.
///
/// Source: Linux `Documentation/netlink/specs/netdev.yaml`.
pub(super) fn takes_redirected(device: u32) -> Option<bool> {
    features(device).ok().flatten().map(|features| features & TAKES_REDIRECTED != 0)
}

fn features(device: u32) -> io::Result<Option<u64>> {
    let mut netlink = Netlink::open(libc::NETLINK_GENERIC)?;
    let question = Message::new(CONTROL, 0, &[CONTROL_GET_FAMILY, 1, 0, 0]).text(FAMILY_NAME, "netdev");
    let family = netlink.ask(&question)?;
    let Some(family) = attributes_of(&family, FAMILY_ID).and_then(|value| value.first_chunk().copied())
    else {
        return Ok(None);
    };
    let question = Message::new(u16::from_ne_bytes(family), 0, &[DEVICE_GET, 1, 0, 0])
        .with(DEVICE_INDEX, &device.to_ne_bytes());
    let answer = netlink.ask(&question)?;
    let features = attributes_of(&answer, DEVICE_XDP_FEATURES).and_then(|value| value.first_chunk().copied());
    Ok(features.map(u64::from_ne_bytes))
}

fn attributes_of(answer: &[u8], kind: u16) -> Option<&[u8]> {
    attribute(answer.get(HEADER..)?, kind)
}
