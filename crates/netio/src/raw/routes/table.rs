use std::{io, net::IpAddr};

use nightlatch_scope::AddressRange;

use crate::raw::netlink::{Message, Netlink, attribute, number};

/// Routes of which more are not held: twice the Internet's table of both families.
const ROUTES_MAX: usize = 1 << 21;
const RULES_MAX: usize = 65_536;
/// Bytes of `rtmsg`, and of `fib_rule_hdr`.
pub(super) const HEADER: usize = 12;
const FRA_PRIORITY: u16 = 6;
const FRA_TABLE: u16 = 15;
/// `FR_ACT_TO_TBL`.
const RULE_TO_TABLE: u8 = 1;
const RTA_NH_ID: u16 = 30;
/// `RTNH_F_DEAD`.
const NEXT_HOP_DEAD: u32 = 1;

/// What a route has done with a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Unicast,
    Local,
    Broadcast,
    Refused(&'static str),
}

/// By which way packets go.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Way {
    pub(super) device: Option<u32>,
    pub(super) gateway: Option<IpAddr>,
    /// The address it prefers to send from.
    pub(super) source: Option<IpAddr>,
    /// Whether there are several next hops.
    pub(super) several: bool,
    /// Ways of the two families are never one.
    pub(super) v6: bool,
}

/// A route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Entry {
    local_table: bool,
    first: u128,
    last: u128,
    prefix: u8,
    metric: u32,
    pub(super) kind: Kind,
    pub(super) way: Way,
}

/// Addresses for which one route counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Segment {
    v6: bool,
    first: u128,
    last: u128,
    entry: usize,
}

impl Segment {
    /// As a range of addresses.
    pub(super) fn range(&self) -> Option<AddressRange> {
        AddressRange::new(to_ip(self.v6, self.first)?, to_ip(self.v6, self.last)?)
    }
}

/// The tables that count, cut into disjoint segments.
#[derive(Clone, Debug, Default)]
pub(super) struct Tables {
    entries: Vec<Entry>,
    v4: Vec<Segment>,
    v6: Vec<Segment>,
    rules: bool,
}

impl Tables {
    pub(super) fn read(netlink: &mut Netlink) -> io::Result<Self> {
        let (mut entries, mut rules) = (Vec::new(), false);
        for family in [libc::AF_INET, libc::AF_INET6] {
            let mut header = [0; HEADER];
            header[0] = family as u8;
            let mut bodies = Vec::new();
            let request = Message::new(libc::RTM_GETROUTE, libc::NLM_F_DUMP, &header);
            dump(netlink, &request, &mut bodies, ROUTES_MAX)?;
            entries.extend(bodies.iter().filter_map(|body| route(body)));
            let request = Message::new(libc::RTM_GETRULE, libc::NLM_F_DUMP, &header);
            dump(netlink, &request, &mut bodies, RULES_MAX)?;
            rules |= !bodies.iter().all(|body| is_usual_rule(body));
        }
        Ok(Self { rules, ..Self::of(entries) })
    }

    fn of(mut entries: Vec<Entry>) -> Self {
        // Wider first, and of equals the one that the kernel prefers.
        entries.sort_by_key(|e| (e.way.v6, e.local_table, e.first, e.prefix, e.metric));
        let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            match kept.last_mut() {
                Some(before)
                    if (before.way.v6, before.local_table, before.first, before.prefix)
                        == (entry.way.v6, entry.local_table, entry.first, entry.prefix) =>
                {
                    // IPv6 spreads over equal routes.
                    before.way.several |=
                        entry.way.v6 && before.metric == entry.metric && before.way != entry.way;
                }
                _ => kept.push(entry),
            }
        }
        let segments = |v6: bool, local: bool| {
            let of = |(_, e): &(usize, &Entry)| e.way.v6 == v6 && e.local_table == local;
            cut(v6, kept.iter().enumerate().filter(of))
        };
        let (v4, v6) = [false, true].map(|v6| overlay(&segments(v6, true), &segments(v6, false))).into();
        Self { entries: kept, v4, v6, rules: false }
    }

    /// Why segments may not say what the kernel does.
    pub(super) fn not_understood(&self) -> Option<&'static str> {
        self.rules.then_some("this machine has policy routing rules")
    }

    pub(super) fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.v4.iter().chain(&self.v6)
    }

    pub(super) fn entry(&self, segment: &Segment) -> Option<&Entry> {
        self.entries.get(segment.entry)
    }

    pub(super) fn has_default(&self, v4: bool) -> bool {
        self.entries.iter().any(|e| e.prefix == 0 && e.way.v6 != v4 && e.kind == Kind::Unicast)
    }

    /// Cuts `range` by the route that counts; `None` where there is none.
    pub(super) fn pieces<'a>(
        &'a self,
        range: AddressRange,
        mut each: impl FnMut(IpAddr, IpAddr, Option<&'a Entry>),
    ) {
        let v6 = range.first().is_ipv6();
        let (first, last) = (to_number(range.first()), to_number(range.last()));
        let segments = if v6 { &self.v6 } else { &self.v4 };
        let mut piece = |first: u128, last: u128, entry| {
            if let (Some(first), Some(last)) = (to_ip(v6, first), to_ip(v6, last)) {
                each(first, last, entry);
            }
        };
        let mut next = Some(first);
        let begin = segments.partition_point(|segment| segment.last < first);
        for segment in segments.get(begin..).unwrap_or_default() {
            let Some(from) = next.filter(|from| *from <= last) else { break };
            if segment.first > last {
                break;
            }
            if from < segment.first {
                piece(from, segment.first - 1, None);
            }
            let end = segment.last.min(last);
            piece(from.max(segment.first), end, self.entries.get(segment.entry));
            next = end.checked_add(1);
        }
        if let Some(from) = next.filter(|from| *from <= last) {
            piece(from, last, None);
        }
    }
}

/// A dump of what the kernel may have been built without (IPv6, policy rules).
fn dump(netlink: &mut Netlink, request: &Message, bodies: &mut Vec<Vec<u8>>, most: usize) -> io::Result<()> {
    match netlink.dump(request, bodies, most) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT)) => {
            bodies.clear();
            Ok(())
        }
        result => result,
    }
}

/// Cuts nested prefixes, sorted by first address and then by length, into disjoint segments: the longest counts.
fn cut<'a>(v6: bool, entries: impl Iterator<Item = (usize, &'a Entry)>) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut open: Vec<(usize, u128)> = Vec::new();
    // The first address that is not cut yet; none behind the last there is.
    let mut next = Some(0u128);
    let mut close = |next: &mut Option<u128>, last: u128, entry: usize| {
        if let Some(first) = next.filter(|first| *first <= last) {
            segments.push(Segment { v6, first, last, entry });
            *next = last.checked_add(1);
        }
    };
    for (index, entry) in entries {
        while let Some(&(outer, last)) = open.last().filter(|open| open.1 < entry.first) {
            close(&mut next, last, outer);
            open.pop();
        }
        if let (Some(&(outer, _)), Some(before)) = (open.last(), entry.first.checked_sub(1)) {
            close(&mut next, before, outer);
        }
        next = Some(entry.first);
        open.push((index, entry.last));
    }
    while let Some((outer, last)) = open.pop() {
        close(&mut next, last, outer);
    }
    segments
}

/// `upper` where it has anything, `lower` elsewhere.
fn overlay(upper: &[Segment], lower: &[Segment]) -> Vec<Segment> {
    let mut all = upper.to_vec();
    for segment in lower {
        let mut next = Some(segment.first);
        let begin = upper.partition_point(|above| above.last < segment.first);
        for above in upper.iter().skip(begin).take_while(|above| above.first <= segment.last) {
            if let Some(first) = next.filter(|first| *first < above.first) {
                all.push(Segment { first, last: above.first - 1, ..*segment });
            }
            next = above.last.checked_add(1);
        }
        if let Some(first) = next.filter(|first| *first <= segment.last) {
            all.push(Segment { first, ..*segment });
        }
    }
    all.sort_by_key(|segment| segment.first);
    all
}

/// Reads an `rtmsg` with its attributes; `None` for routes that do not count for packets of ours.
fn route(body: &[u8]) -> Option<Entry> {
    let header: &[u8; HEADER] = body.first_chunk()?;
    let [family, prefix, source_prefix, tos, table, _, _, kind, ..] = *header;
    let attributes = body.get(HEADER..)?;
    let flags = u32::from_ne_bytes([header[8], header[9], header[10], header[11]]);
    let table = attribute(attributes, libc::RTA_TABLE).and_then(number).unwrap_or_else(|| u32::from(table));
    let local_table = table == u32::from(libc::RT_TABLE_LOCAL);
    let counts = (local_table || table == u32::from(libc::RT_TABLE_MAIN))
        && (source_prefix, tos) == (0, 0)
        && flags & (libc::RTM_F_CLONED | NEXT_HOP_DEAD) == 0;
    let v6 = match i32::from(family) {
        libc::AF_INET => false,
        libc::AF_INET6 => true,
        _ => return None,
    };
    let bits = if v6 { 128 } else { 32 };
    if !counts || prefix > bits {
        return None;
    }
    let first = attribute(attributes, libc::RTA_DST).and_then(address).map_or(0, to_number);
    let span = if prefix == 0 { u128::MAX >> (128 - bits) } else { (1u128 << (bits - prefix)) - 1 };
    let metric = attribute(attributes, libc::RTA_PRIORITY).and_then(number).unwrap_or(0);
    let via = attribute(attributes, libc::RTA_VIA).and_then(|via| address(via.get(2..)?));
    let device = attribute(attributes, libc::RTA_OIF).and_then(number);
    let way = Way {
        device,
        gateway: attribute(attributes, libc::RTA_GATEWAY).and_then(address).or(via),
        source: attribute(attributes, libc::RTA_PREFSRC).and_then(address),
        several: attribute(attributes, libc::RTA_MULTIPATH).is_some()
            || (attribute(attributes, RTA_NH_ID).is_some() && device.is_none()),
        v6,
    };
    let kind = match kind {
        libc::RTN_UNICAST => Kind::Unicast,
        libc::RTN_LOCAL | libc::RTN_ANYCAST => Kind::Local,
        libc::RTN_BROADCAST | libc::RTN_MULTICAST => Kind::Broadcast,
        libc::RTN_BLACKHOLE => Kind::Refused("blackhole"),
        libc::RTN_UNREACHABLE if v6 && prefix == 0 => return None,
        libc::RTN_UNREACHABLE => Kind::Refused("unreachable"),
        libc::RTN_PROHIBIT => Kind::Refused("prohibit"),
        libc::RTN_THROW => Kind::Refused("throw"),
        _ => return None,
    };
    let first = first & !span;
    Some(Entry { local_table, first, last: first | span, prefix, metric, kind, way })
}

/// Whether a rule is one of the three that every machine has: local, main, default.
fn is_usual_rule(body: &[u8]) -> bool {
    let Some(&[_, to, from, tos, table, _, _, action, ..]) = body.first_chunk::<HEADER>() else {
        return false;
    };
    let attributes = body.get(HEADER..).unwrap_or_default();
    let priority = attribute(attributes, FRA_PRIORITY).and_then(number).unwrap_or(0);
    let table = attribute(attributes, FRA_TABLE).and_then(number).unwrap_or_else(|| u32::from(table));
    // Suppressors are always told, as -1; they and the protocol narrow nothing.
    let narrowing = [1, 2, 3, 10, 11, 12, 16, 17, 19, 20, 22, 23, 24];
    let narrowed = narrowing.iter().any(|&kind| attribute(attributes, kind).is_some());
    let usual = [(0, 255), (32_766, 254), (32_767, 253)].contains(&(priority, table));
    usual && (to, from, tos, action) == (0, 0, 0, RULE_TO_TABLE) && !narrowed
}

/// An address of four or sixteen bytes.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => bytes.first_chunk::<4>().map(|octets| IpAddr::from(*octets)),
        16 => bytes.first_chunk::<16>().map(|octets| IpAddr::from(*octets)),
        _ => None,
    }
}

fn to_number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(v4) => v4.to_bits().into(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

fn to_ip(v6: bool, number: u128) -> Option<IpAddr> {
    if v6 { Some(IpAddr::V6(number.into())) } else { Some(IpAddr::V4(u32::try_from(number).ok()?.into())) }
}

#[cfg(test)]
#[path = "table/tests.rs"]
mod tests;
