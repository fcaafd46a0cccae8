use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Context, no_sign};
use crate::{
    QueryError, QueryErrorKind, Test, Warning,
    lex::{Sign, Value},
};

/// What `has_ipv6:true` asks.
pub(crate) const ALL_IPV6: Test = Test::Net { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix: 0 };

/// Bits that tell an IPv4-mapped IPv6 address (RFC 4291, section 2.5.5.2).
const MAPPED_PREFIX: u8 = 96;

/// An address or a block. Host bits are masked with a warning; IPv4-mapped addresses become IPv4.
pub(super) fn net(value: &Value, context: &mut Context<'_>) -> Result<Test, QueryError> {
    const EXPECTED: &str = "an address or a block, such as `192.0.2.0/24` or `2001:db8::/32`";
    let query = context.query;
    no_sign(query, value, &[Sign::Equal], EXPECTED)?;
    let fail = |kind, expected: String| QueryError::new(kind, query, value.span.clone(), expected);
    let text = value.text();
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text.as_str(), None),
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        let hint = if address.contains('-') {
            "write a range of addresses as blocks, separated by commas"
        } else {
            ""
        };
        return Err(fail(QueryErrorKind::BadValue, EXPECTED.into()).hint(hint));
    };
    let bits = if address.is_ipv4() { 32 } else { 128 };
    let prefix = match length {
        None => bits,
        Some(length) => {
            let digits =
                !length.is_empty() && length.len() <= 3 && length.bytes().all(|b| b.is_ascii_digit());
            match length.parse::<u8>() {
                Ok(prefix) if digits && prefix <= bits => prefix,
                _ => {
                    return Err(fail(
                        QueryErrorKind::OutOfRange,
                        format!("a prefix length from 0 to {bits}"),
                    ));
                }
            }
        }
    };
    let masked = mask(address, prefix);
    if masked != address {
        let message = format!("`{text}` has host bits, taken as `{masked}/{prefix}`");
        context.warnings.push(Warning { span: value.span.clone(), message });
    }
    let (address, prefix) = unmapped(masked, prefix);
    Ok(Test::Net { address, prefix })
}

fn mask(address: IpAddr, prefix: u8) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
            Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
            Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    }
}

fn unmapped(address: IpAddr, prefix: u8) -> (IpAddr, u8) {
    match address {
        IpAddr::V6(v6) if prefix >= MAPPED_PREFIX => match v6.to_ipv4_mapped() {
            Some(v4) => (v4.into(), prefix - MAPPED_PREFIX),
            None => (address, prefix),
        },
        _ => (address, prefix),
    }
}
