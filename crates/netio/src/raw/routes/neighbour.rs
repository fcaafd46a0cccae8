use std::{
    io,
    net::IpAddr,
    thread,
    time::{Duration, Instant},
};

use crate::raw::netlink::{Message, Netlink, attribute, number};

use super::table::address;

/// Longest wait for a neighbour: the kernel asks three times, a second apart.
const WAIT: Duration = Duration::from_millis(3200);
const POLL: Duration = Duration::from_millis(20);
/// Bytes of `ndmsg`.
const HEADER: usize = 12;
const NEIGHBOURS_MAX: usize = 1 << 20;
/// States in which the hardware address is known (`NUD_VALID` of the kernel).
const KNOWN: u16 = libc::NUD_PERMANENT
    | libc::NUD_NOARP
    | libc::NUD_REACHABLE
    | libc::NUD_PROBE
    | libc::NUD_STALE
    | libc::NUD_DELAY;
/// Of these, the ones of which the kernel would want to be sure again.
const DOUBTFUL: u16 = libc::NUD_STALE;

/// What became of asking for a hardware address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Found {
    Address([u8; 6]),
    Silent,
    MayNotAsk,
}

/// The hardware address of `neighbour` on the device `index`. When it is not known the kernel is told to ask by ARP or
/// neighbour discovery; no packet of ours goes to the neighbour.
pub(super) fn hardware_address(netlink: &mut Netlink, index: u32, neighbour: IpAddr) -> io::Result<Found> {
    let known = look_up(netlink, index, neighbour)?;
    if let Some((address, state)) = known
        && state & DOUBTFUL == 0
    {
        return Ok(Found::Address(address));
    }
    match (ask(netlink, index, neighbour), known) {
        (Ok(()), _) => {}
        // What was true lately is better than nothing.
        (Err(_), Some((address, _))) => return Ok(Found::Address(address)),
        (Err(error), None) if error.kind() == io::ErrorKind::PermissionDenied => return Ok(Found::MayNotAsk),
        (Err(error), None) => return Err(error),
    }
    let end = Instant::now() + WAIT;
    loop {
        match look_up(netlink, index, neighbour)? {
            Some((address, state)) if state & (DOUBTFUL | libc::NUD_DELAY | libc::NUD_PROBE) == 0 => {
                return Ok(Found::Address(address));
            }
            // A neighbour that was known is kept until the kernel gives it up.
            Some((address, _)) if Instant::now() >= end => return Ok(Found::Address(address)),
            Some((address, _)) if known.is_some() => return Ok(Found::Address(address)),
            _ if Instant::now() >= end => return Ok(Found::Silent),
            _ => thread::sleep(POLL),
        }
    }
}

/// What the kernel knows of a neighbour by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::raw) enum Known {
    Address([u8; 6]),
    /// It was asked, and did not answer.
    Silent,
    Nothing,
}

/// What the kernel knows of `neighbour`; nobody is asked.
pub(in crate::raw) fn known(netlink: &mut Netlink, index: u32, neighbour: IpAddr) -> io::Result<Known> {
    let bodies = dump(netlink, neighbour)?;
    let failed = |body: &&Vec<u8>| {
        let state =
            body.get(8..).and_then(|state| state.first_chunk()).map(|state| u16::from_ne_bytes(*state));
        is_about(body, index, neighbour) && state == Some(libc::NUD_FAILED)
    };
    Ok(match bodies.iter().find_map(|body| entry(body, index, neighbour)) {
        Some((address, _)) => Known::Address(address),
        None if bodies.iter().any(|body| failed(&body)) => Known::Silent,
        None => Known::Nothing,
    })
}

/// Whether a message about a neighbour is about this one.
pub(in crate::raw) fn is_about(body: &[u8], index: u32, neighbour: IpAddr) -> bool {
    let device = body.get(4..).and_then(number);
    let destination = body.get(HEADER..).and_then(|rest| attribute(rest, libc::NDA_DST)).and_then(address);
    device == Some(index) && destination == Some(neighbour)
}

/// Address and state in the kernel's table, when the address is known.
fn look_up(netlink: &mut Netlink, index: u32, neighbour: IpAddr) -> io::Result<Option<([u8; 6], u16)>> {
    Ok(dump(netlink, neighbour)?.iter().find_map(|body| entry(body, index, neighbour)))
}

/// The kernel's table of the neighbour's family.
fn dump(netlink: &mut Netlink, neighbour: IpAddr) -> io::Result<Vec<Vec<u8>>> {
    let mut header = [0; HEADER];
    header[0] = family(neighbour);
    let mut bodies = Vec::new();
    netlink.dump(
        &Message::new(libc::RTM_GETNEIGH, libc::NLM_F_DUMP, &header),
        &mut bodies,
        NEIGHBOURS_MAX,
    )?;
    Ok(bodies)
}

fn entry(body: &[u8], index: u32, neighbour: IpAddr) -> Option<([u8; 6], u16)> {
    let header: &[u8; HEADER] = body.first_chunk()?;
    let attributes = body.get(HEADER..)?;
    let device = u32::from_ne_bytes([header[4], header[5], header[6], header[7]]);
    let state = u16::from_ne_bytes([header[8], header[9]]);
    let destination = attribute(attributes, libc::NDA_DST).and_then(address)?;
    if device != index || destination != neighbour || state & KNOWN == 0 {
        return None;
    }
    Some((attribute(attributes, libc::NDA_LLADDR)?.try_into().ok()?, state))
}

/// Tells the kernel that the neighbour is about to be used, which has it ask.
fn ask(netlink: &mut Netlink, index: u32, neighbour: IpAddr) -> io::Result<()> {
    let mut header = [0; HEADER];
    header[0] = family(neighbour);
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header[10] = libc::NTF_USE;
    let request = Message::new(libc::RTM_NEWNEIGH, libc::NLM_F_ACK | libc::NLM_F_CREATE, &header);
    let request = match neighbour {
        IpAddr::V4(v4) => request.with(libc::NDA_DST, &v4.octets()),
        IpAddr::V6(v6) => request.with(libc::NDA_DST, &v6.octets()),
    };
    netlink.change(&[request])
}

fn family(ip: IpAddr) -> u8 {
    (if ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }) as u8
}
