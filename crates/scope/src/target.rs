use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{AddressRange, AddressSyntax, address_range::shown, port_set::port};

/// One thing a person asks to be scanned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Target {
    /// An address, CIDR block or range, on the ports of the scan.
    Range(AddressRange),
    /// One address on one port.
    Endpoint(SocketAddr),
    /// All addresses of a name; on the ports of the scan when `port` is absent.
    Name {
        /// The name to resolve and to ask as.
        host: HostName,
        /// The one port, from `host:port` or a URL.
        port: Option<u16>,
    },
}

impl Target {
    /// The name to resolve; `None` where there is an address.
    pub fn host(&self) -> Option<&HostName> {
        match self {
            Self::Name { host, .. } => Some(host),
            Self::Range(_) | Self::Endpoint(_) => None,
        }
    }
}

/// A host name: 1 to 253 ASCII characters in labels of 1 to 63, lower case, without a trailing dot.
///
/// Source: RFC 1123, section 2.1; underscores are let through, because people use them.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostName(String);

impl HostName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<HostName> for String {
    fn from(name: HostName) -> Self {
        name.0
    }
}

impl TryFrom<String> for HostName {
    type Error = TargetSyntax;

    fn try_from(text: String) -> Result<Self, TargetSyntax> {
        text.parse()
    }
}

/// Why a text is no target.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what}, expected {expected}")]
pub struct TargetSyntax {
    /// Bytes before the offending part.
    pub at: usize,
    /// What is wrong.
    pub what: String,
    /// What would have been right.
    pub expected: String,
}

impl From<AddressSyntax> for TargetSyntax {
    fn from(error: AddressSyntax) -> Self {
        Self { at: error.at, what: error.what, expected: error.expected }
    }
}

impl TargetSyntax {
    fn new(at: usize, what: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { at, what: what.into(), expected: expected.into() }
    }

    fn moved(mut self, by: usize) -> Self {
        self.at += by;
        self
    }
}

const EXPECTED: &str = "an address, a CIDR block, a range, a host name, host:port or a URL";
const EXPECTED_PORT: &str = "a port from 1 to 65535";

impl FromStr for Target {
    type Err = TargetSyntax;

    fn from_str(text: &str) -> Result<Self, TargetSyntax> {
        if text.is_empty() {
            return Err(TargetSyntax::new(0, "a target is missing", EXPECTED));
        }
        if let Some(scheme_end) = text.find("://") {
            return parse_url(text, scheme_end);
        }
        if text.starts_with('[') {
            let (ip, rest) = bracketed(text)?;
            return Ok(match after_host(rest, text.len() - rest.len())? {
                Some(port) => Self::Endpoint(SocketAddr::new(ip, port)),
                None => Self::Range(AddressRange::single(ip)),
            });
        }
        if text.bytes().filter(|b| *b == b':').count() == 1 {
            return parse_host_and_port(text);
        }
        parse_host(text, None)
    }
}

/// `scheme://[user@]host[:port][/path]`; only host and port count.
fn parse_url(text: &str, scheme_end: usize) -> Result<Target, TargetSyntax> {
    let scheme = text[..scheme_end].to_ascii_lowercase();
    if scheme.is_empty() || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
        return Err(TargetSyntax::new(
            0,
            format!("`{}` is not a URL scheme", shown(&scheme)),
            "http or https",
        ));
    }
    let start = scheme_end + 3;
    let rest = &text[start..];
    let authority = &rest[..rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len())];
    if authority.contains('@') {
        let expected = "a URL without a user name; credentials are never used";
        return Err(TargetSyntax::new(start, "the URL carries a user name", expected));
    }
    let usual = match scheme.as_str() {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    };
    let target = match authority.is_empty() {
        true => return Err(TargetSyntax::new(start, "the URL has no host", "a host after `://`")),
        false => Target::from_str(authority).map_err(|error| error.moved(start))?,
    };
    let no_port = || {
        let what = format!("no port is known for `{}`", shown(&scheme));
        TargetSyntax::new(text.len(), what, "http, https, or a URL with a port")
    };
    match target {
        Target::Range(range) if range.span() == 0 => {
            Ok(Target::Endpoint(SocketAddr::new(range.first(), usual.ok_or_else(no_port)?)))
        }
        Target::Range(_) => Err(TargetSyntax::new(start, "a URL names one host", "an address or a name")),
        Target::Name { host, port: None } => {
            Ok(Target::Name { host, port: Some(usual.ok_or_else(no_port)?) })
        }
        with_port => Ok(with_port),
    }
}

/// `[v6]`, and what follows.
fn bracketed(text: &str) -> Result<(IpAddr, &str), TargetSyntax> {
    let end =
        text.find(']').ok_or_else(|| TargetSyntax::new(0, "`[` is not closed", "`[2001:db8::7]:443`"))?;
    let inner = &text[1..end];
    match inner.parse::<AddressRange>().map_err(|error| TargetSyntax::from(error).moved(1))? {
        range if range.span() == 0 && inner.contains(':') => Ok((range.first(), &text[end + 1..])),
        _ => Err(TargetSyntax::new(
            1,
            format!("`{}` is not an IPv6 address", shown(inner)),
            "`[2001:db8::7]:443`",
        )),
    }
}

fn after_host(rest: &str, at: usize) -> Result<Option<u16>, TargetSyntax> {
    if rest.is_empty() {
        return Ok(None);
    }
    let Some(digits) = rest.strip_prefix(':') else {
        return Err(TargetSyntax::new(
            at,
            format!("`{}` follows the address", shown(rest)),
            "`:` and a port",
        ));
    };
    port(digits)
        .map(Some)
        .ok_or_else(|| TargetSyntax::new(at + 1, format!("`{}` is not a port", shown(digits)), EXPECTED_PORT))
}

fn parse_host_and_port(text: &str) -> Result<Target, TargetSyntax> {
    let at = text.find(':').unwrap_or(text.len());
    let (host, rest) = text.split_at(at);
    let port = after_host(rest, at)?;
    parse_host(host, port)
}

fn parse_host(text: &str, port: Option<u16>) -> Result<Target, TargetSyntax> {
    // A name has a letter behind the last dot; numbers, slashes and colons announce an address.
    let looks_like_address = text.contains([':', '/'])
        || text.bytes().all(|b| b.is_ascii_digit() || b".-".contains(&b))
        || text
            .trim_end_matches('.')
            .rsplit('.')
            .next()
            .is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if !looks_like_address {
        return Ok(Target::Name { host: text.parse()?, port });
    }
    let range: AddressRange = text.parse().map_err(|error: AddressSyntax| {
        let expected = if error.at == 0 { EXPECTED.to_owned() } else { error.expected };
        TargetSyntax { at: error.at, what: error.what, expected }
    })?;
    match port {
        None => Ok(Target::Range(range)),
        Some(port) if range.span() == 0 => Ok(Target::Endpoint(SocketAddr::new(range.first(), port))),
        Some(_) => {
            let what = "a port follows a block of addresses";
            Err(TargetSyntax::new(text.len(), what, "one address, or the block alone and --ports"))
        }
    }
}

impl FromStr for HostName {
    type Err = TargetSyntax;

    fn from_str(text: &str) -> Result<Self, TargetSyntax> {
        let name = text.strip_suffix('.').unwrap_or(text);
        let quoted = || format!("`{}` is not a host name", shown(text));
        if !name.is_ascii() {
            let at = name.find(|c: char| !c.is_ascii()).unwrap_or_default();
            return Err(TargetSyntax::new(at, quoted(), "ASCII; write such names in their `xn--` form"));
        }
        if name.is_empty() || name.len() > 253 {
            return Err(TargetSyntax::new(0, quoted(), "1 to 253 characters"));
        }
        let mut at = 0;
        for label in name.split('.') {
            let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            if let Some(bad) = label.bytes().position(|b| !inside(b)) {
                return Err(TargetSyntax::new(at + bad, quoted(), EXPECTED));
            }
            if label.is_empty() || label.len() > 63 || label.starts_with('-') || label.ends_with('-') {
                let expected = "labels of 1 to 63 characters that neither begin nor end with `-`";
                return Err(TargetSyntax::new(at, quoted(), expected));
            }
            at += label.len() + 1;
        }
        Ok(Self(name.to_ascii_lowercase()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shape(text: &str) -> String {
        match text.parse::<Target>().unwrap_or_else(|error| panic!("{text}: {error}")) {
            Target::Range(range) => format!("range {range}"),
            Target::Endpoint(socket) => format!("endpoint {socket}"),
            Target::Name { host, port: None } => format!("name {host}"),
            Target::Name { host, port: Some(port) } => format!("name {host} {port}"),
        }
    }

    #[test]
    fn every_way_to_write_a_target_is_read() {
        for (text, expected) in [
            ("192.0.2.7", "range 192.0.2.7"),
            ("192.0.2.0/24", "range 192.0.2.0/24"),
            ("10.0.0.5-20", "range 10.0.0.5-10.0.0.20"),
            ("10.0.0.5-10.0.2.1", "range 10.0.0.5-10.0.2.1"),
            ("2001:db8::7", "range 2001:db8::7"),
            ("2001:db8::/120", "range 2001:db8::/120"),
            ("::1", "range ::1"),
            ("[::1]", "range ::1"),
            ("192.0.2.7:2375", "endpoint 192.0.2.7:2375"),
            ("[2001:db8::7]:443", "endpoint [2001:db8::7]:443"),
            ("[::ffff:192.0.2.7]:443", "endpoint 192.0.2.7:443"),
            ("localhost", "name localhost"),
            ("Example.ORG.", "name example.org"),
            ("k8s-1.example.org:6443", "name k8s-1.example.org 6443"),
            ("a_b.example", "name a_b.example"),
            ("1-2.example", "name 1-2.example"),
            ("http://example.org", "name example.org 80"),
            ("HTTPS://example.org/path?x=1#y", "name example.org 443"),
            ("https://192.0.2.7:8443/ui/", "endpoint 192.0.2.7:8443"),
            ("http://[::1]:8001/api", "endpoint [::1]:8001"),
            ("http://[::1]/", "endpoint [::1]:80"),
            ("redis://cache.example:6379/0", "name cache.example 6379"),
        ] {
            assert_eq!(shape(text), expected, "{text}");
        }
    }

    #[test]
    fn slips_are_named_with_their_place() {
        for (text, at) in [
            ("", 0),
            ("10.0.0", 0),
            ("10.0.0.256", 0),
            ("10.0.0.0/33", 9),
            ("10.0.0.0/24:80", 11),
            ("10.0.0.5-3", 9),
            ("192.0.2.7:0", 10),
            ("192.0.2.7:http", 10),
            ("192.0.2.7:65536", 10),
            ("[::1", 0),
            ("[::1]443", 5),
            ("[::1]:", 6),
            ("[192.0.2.1]:80", 1),
            ("example..org", 8),
            ("-x.example", 0),
            ("exa mple.org", 3),
            ("grüße.example", 2),
            ("http://", 7),
            ("http://user:pass@example.org/", 7),
            ("http://10.0.0.0/24", 99),
            ("ftp://example.org/", 18),
            ("http://exa mple/", 10),
            ("://x", 0),
        ] {
            match text.parse::<Target>() {
                Err(error) => assert_eq!(error.at, at, "{text}: {error}"),
                // A URL path is not read: this is the host 10.0.0.0.
                Ok(_) => assert_eq!(at, 99, "{text}"),
            }
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_the_place_lies_inside(text in any::<String>()) {
            if let Err(error) = text.parse::<Target>() {
                prop_assert!(error.at <= text.len());
            }
        }

        #[test]
        fn near_misses_are_survived(text in "[a-c0-9:./\\[\\]@%-]{0,24}") {
            if let Err(error) = text.parse::<Target>() {
                prop_assert!(error.at <= text.len());
            }
        }
    }
}
