//! Where a program listens, told by its addresses and URLs.

use std::net::IpAddr;

use super::{INJECTED, programs, values::is_placeholder};
use crate::{Context, Sink};

/// Who can reach an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reach {
    /// Processes of the same host.
    Host,
    /// Whoever a network lets through; a host name other than `localhost` is taken to be one.
    Network,
    /// Not known: filled in later.
    Unknown,
}

/// The reach of a host without a port. Empty, `0.0.0.0` and `::` are every address.
pub(crate) fn reach(host: &str) -> Reach {
    let host = host.trim().trim_start_matches('[').trim_end_matches(']');
    if is_placeholder(host) {
        return Reach::Unknown;
    }
    if host.eq_ignore_ascii_case("localhost") || address(host).is_some_and(|address| address.is_loopback()) {
        return Reach::Host;
    }
    Reach::Network
}

/// The address of a host, an IPv4 address written as IPv6 undone.
pub(crate) fn address(host: &str) -> Option<IpAddr> {
    let host = host.trim().trim_start_matches('[').trim_end_matches(']');
    host.split('%').next()?.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// The host of `host:port`, `[v6]:port`, `:port`, a lone host or a lone IPv6 address.
pub(crate) fn host_of(address: &str) -> &str {
    let address = address.trim();
    if let Some(rest) = address.strip_prefix('[') {
        return rest.split(']').next().unwrap_or(rest);
    }
    match address.split_once(':') {
        Some((host, port)) if !port.contains(':') => host,
        _ => address,
    }
}

/// A URL as flags have it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Url<'t> {
    /// As written, in whatever case.
    pub scheme: &'t str,
    /// Who can reach it.
    pub reach: Reach,
}

/// Reads a URL; nothing for what has no scheme. Sockets in the file system are reached from the host only.
pub(crate) fn url(text: &str) -> Option<Url<'_>> {
    let (scheme, rest) = text.trim().split_once("://")?;
    if scheme.eq_ignore_ascii_case("unix") || scheme.eq_ignore_ascii_case("unixs") {
        return Some(Url { scheme, reach: Reach::Host });
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let reach = if is_placeholder(authority) { Reach::Unknown } else { reach(host_of(authority)) };
    Some(Url { scheme, reach })
}

impl Url<'_> {
    /// True for plain HTTP.
    pub(crate) fn is_plain(self) -> bool {
        self.scheme.eq_ignore_ascii_case("http")
    }
}

/// True for an address that is routed in the internet: not private, shared (RFC 6598), link-local, loopback, multicast or
/// unspecified.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [a, b, ..] = address.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
                || is_shared
                || a == 0
                || a >= 240)
        }
        IpAddr::V6(address) => (address.segments()[0] & 0xe000) == 0x2000,
    }
}

/// Judges `--bind-address` of a program whose secure port only its own host needs; the default is every address.
pub(crate) fn bind_address<'a>(context: &Context<'a>, program: &str, sink: &mut Sink<'a>) {
    let flag = "bind-address";
    for program in programs(context, program) {
        let Some(setting) = program.get(flag) else {
            if program.is_whole() {
                let found = program.missing("it listens on every address, which is the default");
                sink.fail(program.setting_to(found, None, flag, "127.0.0.1"));
            } else {
                sink.unknown(INJECTED);
            }
            continue;
        };
        match reach(setting.text()) {
            Reach::Host => sink.pass(),
            Reach::Unknown => sink.unknown("the address is filled in later"),
            Reach::Network => {
                let found = program.found(&setting, "it listens on an address that others reach");
                sink.fail(program.setting_to(found, Some(&setting), flag, "127.0.0.1"));
            }
        }
    }
}

/// Judges the port without authentication of old versions: `--port`, and `--address` where it is not closed.
pub(crate) fn legacy_port<'a>(context: &Context<'a>, program: &str, sink: &mut Sink<'a>) {
    for program in programs(context, program) {
        let port = program.get("port");
        if let Some(port) = port.as_ref().filter(|port| port.text() != "0") {
            let found = program.found(port, "the port without authentication is open");
            sink.fail(program.setting_to(found, Some(port), "port", "0"));
            continue;
        }
        let address = program.get("address").filter(|address| reach(address.text()) == Reach::Network);
        match address.filter(|_| port.is_none()) {
            Some(address) => {
                sink.fail(program.found(&address, "the port without authentication serves the network"))
            }
            None => sink.pass(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_networks() {
        let check = |text, expected| assert_eq!(reach(host_of(text)), expected, "{text}");
        for text in [
            "127.0.0.1",
            "127.0.0.53:80",
            "[::1]:10259",
            "::1",
            "localhost",
            "LOCALHOST:1",
            "::ffff:127.0.0.1",
        ] {
            check(text, Reach::Host);
        }
        for text in [
            "",
            ":10249",
            "0.0.0.0",
            "0.0.0.0:1",
            "::",
            "[::]:1",
            "192.0.2.1:1",
            "node-1",
            "localhost.example",
        ] {
            check(text, Reach::Network);
        }
        check("$(POD_IP):1", Reach::Unknown);
        check("{{ ip }}", Reach::Unknown);
    }

    #[test]
    fn urls() {
        let check = |text, plain, expected| {
            let url = url(text).unwrap();
            assert_eq!((url.is_plain(), url.reach), (plain, expected), "{text}");
        };
        check("http://127.0.0.1:2379", true, Reach::Host);
        check("HTTP://0.0.0.0:2379/x", true, Reach::Network);
        check("https://[2001:db8::1]:2379", false, Reach::Network);
        check("unix:///run/etcd.sock", false, Reach::Host);
        check("http://127.0.0.1@192.0.2.1:2379", true, Reach::Network);
        check("https://${IP}:2379", false, Reach::Unknown);
        assert_eq!(url("127.0.0.1:2379"), None);
    }

    #[test]
    fn public_addresses() {
        let check = |text: &str, expected| assert_eq!(is_public(text.parse().unwrap()), expected, "{text}");
        for text in [
            "10.1.2.3",
            "192.168.0.1",
            "172.16.0.1",
            "100.64.0.1",
            "169.254.1.1",
            "0.0.0.0",
            "fd00::1",
            "fe80::1",
            "::",
        ] {
            check(text, false);
        }
        for text in ["203.0.113.9", "198.51.100.1", "2001:db8::1", "100.128.0.1"] {
            check(text, true);
        }
    }
}
