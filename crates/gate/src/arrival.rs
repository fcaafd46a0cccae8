//! Where a request came from, as far as that can be believed.

use std::{
    borrow::Cow,
    convert::Infallible,
    net::{IpAddr, Ipv6Addr, SocketAddr},
};

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};

use crate::settings::{ProxyHeader, Settings};

/// The connection a request came over. Put into the extensions of a request by the listener.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// The other end.
    pub(crate) address: SocketAddr,
    /// Whether the connection is TLS.
    pub(crate) tls: bool,
}

/// Where a request came from. In the extensions of every request; also an extractor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Arrival {
    /// The other end of the connection: the client, or the proxy.
    pub peer: IpAddr,
    /// The client: behind a trusted proxy, what the proxy says.
    pub source: IpAddr,
    /// Whether the client sees `https`.
    pub secure: bool,
}

/// Proxies that one request may have come through; more are not looked at.
const HOPS_MAX: usize = 32;

impl Arrival {
    pub(crate) fn of(settings: &Settings, peer: Option<Peer>, headers: &HeaderMap) -> Self {
        // Without a listener (a test of a router) nothing is known.
        let unknown = Peer { address: SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)), tls: false };
        let Peer { address, tls } = peer.unwrap_or(unknown);
        let peer = address.ip().to_canonical();
        let direct = Self { peer, source: peer, secure: tls };
        if !settings.is_trusted_proxy(peer) {
            return direct;
        }
        let hops = match settings.proxy_header {
            ProxyHeader::XForwardedFor => x_forwarded_for(headers),
            ProxyHeader::Forwarded => forwarded(headers),
        };
        let mut source = peer;
        // The last entry was written by the proxy before us, the one before it by the proxy before that one...
        for hop in hops.iter().rev().take(HOPS_MAX) {
            let Some(ip) = hop.client else { break };
            source = ip;
            if !settings.is_trusted_proxy(ip) {
                break;
            }
        }
        let said = match settings.proxy_header {
            ProxyHeader::XForwardedFor => x_forwarded_proto(headers),
            ProxyHeader::Forwarded => hops.first().and_then(|hop| hop.secure),
        };
        let public = || settings.public_url.as_ref().is_some_and(|url| url.starts_with("https:"));
        Self { peer, source, secure: tls || said.unwrap_or_else(public) }
    }
}

impl<S: Sync> FromRequestParts<S> for Arrival {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let known = parts.extensions.get::<Self>().copied();
        Ok(known.unwrap_or_else(|| Self::of(&Settings::default(), None, &parts.headers)))
    }
}

/// What one proxy wrote.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
struct Hop {
    client: Option<IpAddr>,
    secure: Option<bool>,
}

/// The lines of a header. Bytes that are no text spoil the entry they are in, not what a proxy wrote behind them.
fn values<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = Cow<'h, str>> {
    headers.get_all(name).into_iter().map(|value| String::from_utf8_lossy(value.as_bytes()))
}

fn x_forwarded_for(headers: &HeaderMap) -> Vec<Hop> {
    let mut hops = Vec::new();
    for value in values(headers, "x-forwarded-for") {
        hops.extend(value.split(',').map(|entry| Hop { client: node(entry.trim()), secure: None }));
    }
    hops
}

fn x_forwarded_proto(headers: &HeaderMap) -> Option<bool> {
    let line = values(headers, "x-forwarded-proto").next()?;
    scheme(line.split(',').next()?.trim())
}

/// `Forwarded`, RFC 7239: elements separated by commas, pairs by semicolons, values may be quoted.
fn forwarded(headers: &HeaderMap) -> Vec<Hop> {
    let mut hops = Vec::new();
    for value in values(headers, "forwarded") {
        for element in split_unquoted(&value, ',') {
            let mut hop = Hop::default();
            for pair in split_unquoted(element, ';') {
                let Some((name, value)) = pair.split_once('=') else { continue };
                let value = value.trim().trim_matches('"');
                match name.trim().to_ascii_lowercase().as_str() {
                    "for" => hop.client = node(value),
                    "proto" => hop.secure = scheme(value),
                    _ => {}
                }
            }
            hops.push(hop);
        }
    }
    hops
}

fn scheme(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "https" => Some(true),
        "http" => Some(false),
        _ => None,
    }
}

/// An address with or without port and brackets. Obfuscated names are nobody.
fn node(text: &str) -> Option<IpAddr> {
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    bare().or_else(with_port).or_else(bracketed).map(|ip| ip.to_canonical())
}

/// Splits at `separator` outside of double quotes.
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if c == separator && !is_quoted => {
                parts.push(&text[start..at]);
                start = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    use super::*;

    fn arrive(settings: &Settings, peer: &str, lines: &[(&str, &str)]) -> Arrival {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let peer = Peer { address: SocketAddr::new(peer.parse().unwrap(), 1), tls: false };
        Arrival::of(settings, Some(peer), &headers)
    }

    fn proxied(trusted: &[&str], proxy_header: ProxyHeader) -> Settings {
        let trusted_proxies = trusted.iter().map(|network| network.parse().unwrap()).collect();
        Settings { behind_proxy: true, trusted_proxies, proxy_header, ..Settings::default() }
    }

    #[test]
    fn only_a_trusted_proxy_names_the_client() {
        let alone = Settings::default();
        let local = proxied(&[], ProxyHeader::XForwardedFor);
        let two = proxied(&["10.0.0.0/8", "127.0.0.1"], ProxyHeader::XForwardedFor);
        for (settings, peer, said, expected) in [
            (&alone, "127.0.0.1", "192.0.2.7", "127.0.0.1"),
            (&local, "127.0.0.1", "192.0.2.7", "192.0.2.7"),
            (&local, "::1", "192.0.2.7", "192.0.2.7"),
            (&local, "::ffff:127.0.0.1", "192.0.2.7", "192.0.2.7"),
            (&local, "198.51.100.1", "192.0.2.7", "198.51.100.1"),
            (&local, "127.0.0.1", "192.0.2.7, 203.0.113.9", "203.0.113.9"),
            (&local, "127.0.0.1", "203.0.113.9:4711", "203.0.113.9"),
            (&local, "127.0.0.1", "[2001:db8::7]:80", "2001:db8::7"),
            (&local, "127.0.0.1", "[2001:db8::7]", "2001:db8::7"),
            (&local, "127.0.0.1", "192.0.2.7, unknown", "127.0.0.1"),
            (&local, "127.0.0.1", "", "127.0.0.1"),
            (&two, "127.0.0.1", "1.1.1.1, 192.0.2.7, 10.1.1.1", "192.0.2.7"),
            (&two, "127.0.0.1", "10.2.2.2, 10.1.1.1", "10.2.2.2"),
        ] {
            let arrival = arrive(settings, peer, &[("x-forwarded-for", said)]);
            assert_eq!(arrival.source, expected.parse::<IpAddr>().unwrap(), "{peer} {said}");
        }
        let mut headers = HeaderMap::new();
        let garbled = HeaderValue::from_bytes(b"\xff\xfe, 203.0.113.9").unwrap();
        headers.append("x-forwarded-for", garbled);
        let peer = Peer { address: "127.0.0.1:1".parse().unwrap(), tls: false };
        assert_eq!(Arrival::of(&local, Some(peer), &headers).source.to_string(), "203.0.113.9");
        let lines = [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-for", "203.0.113.9")];
        assert_eq!(arrive(&local, "127.0.0.1", &lines).source.to_string(), "203.0.113.9");
    }

    #[test]
    fn only_the_configured_header_counts() {
        let forwarded = proxied(&[], ProxyHeader::Forwarded);
        for (said, source, secure) in [
            ("for=192.0.2.60;proto=https;by=203.0.113.43", "192.0.2.60", true),
            (r#"For="[2001:db8:cafe::17]:4711";Proto=http"#, "2001:db8:cafe::17", false),
            (r#"for="a,for=192.0.2.1", for=198.51.100.17"#, "198.51.100.17", false),
            ("for=_hidden", "127.0.0.1", false),
        ] {
            let lines = [("forwarded", said), ("x-forwarded-for", "1.2.3.4"), ("x-forwarded-proto", "https")];
            let arrival = arrive(&forwarded, "127.0.0.1", &lines);
            assert_eq!((arrival.source.to_string().as_str(), arrival.secure), (source, secure), "{said}");
        }
        let usual = proxied(&[], ProxyHeader::XForwardedFor);
        let arrival = arrive(&usual, "127.0.0.1", &[("forwarded", "for=192.0.2.60;proto=https")]);
        assert_eq!((arrival.source.to_string().as_str(), arrival.secure), ("127.0.0.1", false));
        let lines = [("x-forwarded-for", "192.0.2.60"), ("x-forwarded-proto", "https")];
        assert!(arrive(&usual, "127.0.0.1", &lines).secure);
        assert!(!arrive(&Settings::default(), "127.0.0.1", &lines).secure);
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_a_panic_and_never_beats_an_untrusted_peer(text in "\\PC*") {
            let Ok(value) = HeaderValue::from_str(&text) else { return Ok(()) };
            let mut headers = HeaderMap::new();
            for name in ["forwarded", "x-forwarded-for", "x-forwarded-proto"] {
                headers.append(name, value.clone());
            }
            let peer = Peer { address: "198.51.100.1:1".parse().unwrap(), tls: false };
            for header in [ProxyHeader::Forwarded, ProxyHeader::XForwardedFor] {
                let local = proxied(&[], header);
                let arrival = Arrival::of(&local, Some(peer), &headers);
                prop_assert_eq!(arrival.source, peer.address.ip());
                let near = Peer { address: "127.0.0.1:1".parse().unwrap(), tls: false };
                Arrival::of(&local, Some(near), &headers);
            }
        }

        #[test]
        fn what_is_split_is_whole_when_joined(text in "[a-c,;\"\\\\]{0,40}") {
            prop_assert_eq!(split_unquoted(&text, ',').join(","), text);
        }
    }
}
