use std::{io, net::IpAddr};

use crate::raw::netlink::{Message, Netlink, attribute, number};

use super::table::{HEADER, address};

/// What the kernel says about packets to one target.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Answer {
    pub(super) device: u32,
    pub(super) gateway: Option<IpAddr>,
    pub(super) source: Option<IpAddr>,
}

/// Asks the kernel which way a packet to `target` would take now. Nothing is sent. `None` when there is no route.
pub(super) fn ask_kernel(netlink: &mut Netlink, target: IpAddr) -> io::Result<Option<Answer>> {
    let mut header = [0; HEADER];
    let (family, bits) = match target {
        IpAddr::V4(_) => (libc::AF_INET, 32),
        IpAddr::V6(_) => (libc::AF_INET6, 128),
    };
    header[0] = family as u8;
    header[1] = bits;
    let request = Message::new(libc::RTM_GETROUTE, 0, &header);
    let request = match target {
        IpAddr::V4(v4) => request.with(libc::RTA_DST, &v4.octets()),
        IpAddr::V6(v6) => request.with(libc::RTA_DST, &v6.octets()),
    };
    let body = match netlink.ask(&request) {
        Ok(body) => body,
        Err(error) => {
            let code = error.raw_os_error();
            let none = [libc::ENETUNREACH, libc::EHOSTUNREACH, libc::EACCES, libc::EINVAL];
            return if none.iter().any(|none| code == Some(*none)) { Ok(None) } else { Err(error) };
        }
    };
    Ok(answer(&body))
}

fn answer(body: &[u8]) -> Option<Answer> {
    let attributes = body.get(HEADER..)?;
    // IPv6 answers for refused targets with a route that carries the refusal (`rtm_type`).
    if !matches!(*body.get(7)?, libc::RTN_UNICAST | libc::RTN_LOCAL | libc::RTN_ANYCAST) {
        return None;
    }
    let via = attribute(attributes, libc::RTA_VIA).and_then(|via| address(via.get(2..)?));
    Some(Answer {
        device: attribute(attributes, libc::RTA_OIF).and_then(number)?,
        gateway: attribute(attributes, libc::RTA_GATEWAY).and_then(address).or(via),
        source: attribute(attributes, libc::RTA_PREFSRC).and_then(address),
    })
}
