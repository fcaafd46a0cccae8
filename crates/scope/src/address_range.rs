use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

/// IPv4 or IPv6. IPv4 sorts first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Family {
    /// 32-bit addresses.
    V4,
    /// 128-bit addresses.
    V6,
}

impl Family {
    /// Bits of an address.
    pub const fn bits(self) -> u32 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// The highest address as a number.
    pub const fn max(self) -> u128 {
        match self {
            Self::V4 => u32::MAX as u128,
            Self::V6 => u128::MAX,
        }
    }

    /// The address with number `value`; `value` is at most [`Family::max`].
    pub(crate) fn address(self, value: u128) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(value).unwrap_or(u32::MAX))),
            Self::V6 => IpAddr::V6(Ipv6Addr::from_bits(value)),
        }
    }
}

/// The family and number of an address; an IPv4-mapped IPv6 address counts as the IPv4 address it means.
pub(crate) fn number(ip: IpAddr) -> (Family, u128) {
    match ip.to_canonical() {
        IpAddr::V4(v4) => (Family::V4, u128::from(v4.to_bits())),
        IpAddr::V6(v6) => (Family::V6, v6.to_bits()),
    }
}

/// Addresses from `first` to `last`, both included, of one family. Ordered by family, then first address.
///
/// It parses from an address, a CIDR block or a range (`10.0.0.5-20`, `10.0.0.5-10.0.1.7`), and prints as the
/// shortest of the three. In text, an IPv4-mapped IPv6 address is read as the IPv4 address.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressRange {
    family: Family,
    first: u128,
    last: u128,
}

impl AddressRange {
    /// The range from `first` to `last`; `None` when they are of different families or in the wrong order.
    pub fn new(first: IpAddr, last: IpAddr) -> Option<Self> {
        let ((family, first), (other, last)) = (number(first), number(last));
        (family == other && first <= last).then_some(Self { family, first, last })
    }

    /// The range of one address.
    pub fn single(ip: IpAddr) -> Self {
        let (family, value) = number(ip);
        Self { family, first: value, last: value }
    }

    /// The block of `prefix` leading bits around `ip`; `None` when the prefix is longer than the address.
    pub fn cidr(ip: IpAddr, prefix: u32) -> Option<Self> {
        let bits = match ip {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        if prefix > bits {
            return None;
        }
        let (family, value) = number(ip);
        // A mapped address: the prefix counts bits of the IPv6 spelling, of which 96 are fixed.
        let prefix = if bits == 128 && family == Family::V4 {
            match prefix.checked_sub(96) {
                Some(prefix) => prefix,
                None => return Self::v6_block(ip, prefix),
            }
        } else {
            prefix
        };
        Some(Self::block(family, value, prefix))
    }

    fn v6_block(ip: IpAddr, prefix: u32) -> Option<Self> {
        match ip {
            IpAddr::V6(v6) => Some(Self::block(Family::V6, v6.to_bits(), prefix)),
            IpAddr::V4(_) => None,
        }
    }

    fn block(family: Family, value: u128, prefix: u32) -> Self {
        let host_bits = family.bits() - prefix;
        let host_mask = if host_bits == 128 { u128::MAX } else { (1u128 << host_bits) - 1 };
        Self { family, first: value & !host_mask, last: value | host_mask }
    }

    /// A range by numbers; `first <= last <= family.max()`.
    pub(crate) fn from_numbers(family: Family, first: u128, last: u128) -> Self {
        debug_assert!(first <= last && last <= family.max());
        Self { family, first, last }
    }

    /// The family.
    pub fn family(self) -> Family {
        self.family
    }

    /// The lowest address.
    pub fn first(self) -> IpAddr {
        self.family.address(self.first)
    }

    /// The highest address.
    pub fn last(self) -> IpAddr {
        self.family.address(self.last)
    }

    pub(crate) fn first_number(self) -> u128 {
        self.first
    }

    pub(crate) fn last_number(self) -> u128 {
        self.last
    }

    /// Number of addresses, minus one (so that the whole of IPv6 fits).
    pub fn span(self) -> u128 {
        self.last - self.first
    }

    /// Number of addresses; the whole of IPv6 counts one too few.
    pub fn count(self) -> u128 {
        self.span().saturating_add(1)
    }

    /// Whether `ip` is in the range.
    pub fn contains(self, ip: IpAddr) -> bool {
        let (family, value) = number(ip);
        family == self.family && (self.first..=self.last).contains(&value)
    }

    /// The prefix length, when the range is exactly one CIDR block.
    pub fn prefix(self) -> Option<u32> {
        let span = self.span();
        let is_block = span & span.wrapping_add(1) == 0 && self.first & span == 0;
        is_block.then(|| self.family.bits() - (128 - span.leading_zeros()))
    }

    /// The CIDR block that begins at the first address and is as large as the range allows.
    pub fn first_block(self) -> Self {
        let aligned = if self.first == 0 { self.family.bits() } else { self.first.trailing_zeros() };
        // The largest power of two that fits; the whole of IPv6 has no count, hence the special case.
        let fits = if self.span() == u128::MAX { 128 } else { (self.span() + 1).ilog2() };
        Self::block(self.family, self.first, self.family.bits() - aligned.min(fits).min(self.family.bits()))
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix() {
            _ if self.first == self.last => write!(f, "{}", self.first()),
            Some(prefix) => write!(f, "{}/{prefix}", self.first()),
            None => write!(f, "{}-{}", self.first(), self.last()),
        }
    }
}

impl fmt::Debug for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a text is no address, block or range.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what}, expected {expected}")]
pub struct AddressSyntax {
    /// Bytes before the offending part of the text.
    pub at: usize,
    /// What is wrong.
    pub what: String,
    /// What would have been right.
    pub expected: String,
}

fn wrong(at: usize, what: impl Into<String>, expected: impl Into<String>) -> AddressSyntax {
    AddressSyntax { at, what: what.into(), expected: expected.into() }
}

impl FromStr for AddressRange {
    type Err = AddressSyntax;

    fn from_str(text: &str) -> Result<Self, AddressSyntax> {
        if let Some((address, prefix)) = text.split_once('/') {
            return parse_cidr(address, prefix);
        }
        if let Some((first, last)) = text.split_once('-') {
            return parse_range(first, last);
        }
        Ok(Self::single(parse_address(text, 0)?))
    }
}

/// Longest piece of foreign text that a message repeats, in columns.
const SHOWN_COLUMNS: usize = 60;

/// `text` as messages quote it: cut, and harmless on a terminal.
pub(crate) fn shown(text: &str) -> String {
    nightlatch_untrusted::terminal_cut(text, SHOWN_COLUMNS)
}

fn parse_address(text: &str, at: usize) -> Result<IpAddr, AddressSyntax> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(ip.to_canonical());
    }
    let expected = "an IPv4 address such as 192.0.2.7 or an IPv6 address such as 2001:db8::7";
    if text.is_empty() {
        return Err(wrong(at, "an address is missing", expected));
    }
    if text.contains('%') {
        return Err(wrong(at, format!("`{}` has a zone, which is not supported", shown(text)), expected));
    }
    Err(wrong(at, format!("`{}` is not an address", shown(text)), expected))
}

fn parse_cidr(address: &str, prefix: &str) -> Result<AddressRange, AddressSyntax> {
    let ip: IpAddr = match address.parse() {
        Ok(ip) => ip,
        Err(_) => parse_address(address, 0)?,
    };
    let max = if ip.is_ipv4() { 32 } else { 128 };
    let at = address.len() + 1;
    let expected = || format!("a prefix length from 0 to {max}");
    let digits = !prefix.is_empty() && prefix.len() <= 3 && prefix.bytes().all(|b| b.is_ascii_digit());
    let length: u32 = match prefix.parse() {
        Ok(length) if digits => length,
        _ => return Err(wrong(at, format!("`/{}` is not a prefix length", shown(prefix)), expected())),
    };
    AddressRange::cidr(ip, length)
        .ok_or_else(|| wrong(at, format!("`/{length}` is longer than the address"), expected()))
}

fn parse_range(first: &str, last: &str) -> Result<AddressRange, AddressSyntax> {
    let start = parse_address(first, 0)?;
    let at = first.len() + 1;
    let end = match start {
        IpAddr::V4(v4) if last.len() <= 3 && !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()) => {
            let [a, b, c, _] = v4.octets();
            let octet = last.parse::<u8>().map_err(|_| {
                wrong(at, format!("`{last}` is not the last part of an address"), "a number from 0 to 255")
            })?;
            IpAddr::V4(Ipv4Addr::new(a, b, c, octet))
        }
        _ => parse_address(last, at)?,
    };
    if start.is_ipv4() != end.is_ipv4() {
        return Err(wrong(at, "a range cannot go from IPv4 to IPv6", "two addresses of one family"));
    }
    AddressRange::new(start, end).ok_or_else(|| {
        wrong(at, format!("the range ends at {end}, before it starts"), format!("{start} or more"))
    })
}

impl TryFrom<String> for AddressRange {
    type Error = AddressSyntax;

    fn try_from(text: String) -> Result<Self, AddressSyntax> {
        text.parse()
    }
}

impl From<AddressRange> for String {
    fn from(range: AddressRange) -> Self {
        range.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, shown: &str) {
        assert_eq!(text.parse::<AddressRange>().unwrap().to_string(), shown, "{text}");
    }

    #[test]
    fn addresses_blocks_and_ranges_are_read() {
        check("192.0.2.7", "192.0.2.7");
        check("192.0.2.7/24", "192.0.2.0/24");
        check("192.0.2.7/32", "192.0.2.7");
        check("0.0.0.0/0", "0.0.0.0/0");
        check("::/0", "::/0");
        check("10.0.0.5-20", "10.0.0.5-10.0.0.20");
        check("10.0.0.0-255", "10.0.0.0/24");
        check("10.0.0.5-10.0.1.7", "10.0.0.5-10.0.1.7");
        check("2001:db8::1-2001:db8::ff", "2001:db8::1-2001:db8::ff");
        check("2001:db8::/32", "2001:db8::/32");
        check("::ffff:10.0.0.1", "10.0.0.1");
        check("::ffff:10.0.0.0/104", "10.0.0.0/8");
    }

    #[test]
    fn slips_are_named_with_their_place() {
        for (text, at) in [
            ("", 0),
            ("10.0.0", 0),
            ("010.0.0.1", 0),
            ("10.0.0.0/33", 9),
            ("10.0.0.0/", 9),
            ("10.0.0.0/+8", 9),
            ("2001:db8::/129", 11),
            ("10.0.0.5-4", 9),
            ("10.0.0.5-256", 9),
            ("10.0.0.5-::1", 9),
            ("fe80::1%eth0", 0),
        ] {
            assert_eq!(text.parse::<AddressRange>().unwrap_err().at, at, "{text}");
        }
    }

    #[test]
    fn messages_do_not_obey_what_they_quote() {
        let error = "\x1b[31m".parse::<AddressRange>().unwrap_err();
        assert!(!error.to_string().contains('\x1b'));
    }

    proptest! {
        #[test]
        fn text_never_panics_and_what_is_read_prints_and_reads_again(text in "[0-9a-f:./%-]{0,24}") {
            if let Ok(range) = text.parse::<AddressRange>() {
                prop_assert_eq!(range.to_string().parse::<AddressRange>().unwrap(), range);
            }
        }

        #[test]
        fn the_first_block_is_a_block_inside(first in any::<u128>(), last in any::<u128>()) {
            let range = AddressRange::from_numbers(Family::V6, first.min(last), first.max(last));
            let block = range.first_block();
            prop_assert!(block.prefix().is_some());
            prop_assert_eq!(block.first_number(), range.first_number());
            prop_assert!(block.last_number() <= range.last_number());
        }
    }
}
