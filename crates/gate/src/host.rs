//! By which names the server may be called, and from whose pages a browser may change something.
//!
//! A page of an attacker whose name suddenly leads to 127.0.0.1 (DNS rebinding) can talk to a server on loopback as
//! if it were its own; the browser then still sends the attacker's name in `Host`. An address in `Host` is never a
//! sign of that, so addresses are let through.

use std::{collections::HashSet, net::IpAddr, str::FromStr};

use axum::http::{HeaderMap, Uri, header, uri::Authority};

use crate::{
    Refused,
    settings::{Settings, public_host},
};

/// Names the server goes by.
#[derive(Debug)]
pub(crate) struct Hosts {
    /// Lower case, without port; those of a certificate may begin with `*.`.
    names: HashSet<String>,
    /// Host and port of the public address.
    public: Option<String>,
}

impl Hosts {
    pub(crate) fn new(settings: &Settings) -> Self {
        let public = settings.public_url.as_deref().and_then(public_host);
        let public_name = public.as_deref().and_then(|text| Authority::from_str(text).ok());
        let names = settings.hosts.iter().map(|name| plain(name));
        let names = names.chain(public_name.map(|authority| plain(authority.host())));
        Self { names: names.chain(["localhost".to_owned()]).collect(), public }
    }

    /// Whether the request calls the server by one of its names. A program that gives no name is no browser.
    pub(crate) fn check(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        certificate: &[String],
    ) -> Result<(), Refused> {
        let Some(authority) = authority(uri, headers)? else { return Ok(()) };
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if bare.parse::<IpAddr>().is_ok() {
            return Ok(());
        }
        let name = plain(host);
        let is_covered = |pattern: &String| covers(pattern, &name);
        if self.names.contains(&name) || certificate.iter().any(is_covered) {
            return Ok(());
        }
        Err(Refused::WrongHost)
    }

    /// Whether a change was asked for by a page of this server, or by no page at all.
    pub(crate) fn check_origin(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refused> {
        let site = headers.get("sec-fetch-site").map(|value| value.as_bytes());
        if !matches!(site, None | Some(b"same-origin" | b"none")) {
            return Err(Refused::CrossSite);
        }
        let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
        let origin = origin.to_str().map_err(|_| Refused::CrossSite)?;
        if origin == "null" {
            return if site == Some(b"same-origin") { Ok(()) } else { Err(Refused::CrossSite) };
        }
        let origin: Uri = origin.parse().map_err(|_| Refused::CrossSite)?;
        let from = origin.authority().ok_or(Refused::CrossSite)?;
        let is_public = self.public.as_deref() == Some(from.as_str().to_ascii_lowercase().as_str());
        let is_here = authority(uri, headers)?.is_some_and(|here| same(&here, from));
        if is_public || is_here { Ok(()) } else { Err(Refused::CrossSite) }
    }
}

fn authority(uri: &Uri, headers: &HeaderMap) -> Result<Option<Authority>, Refused> {
    if let Some(authority) = uri.authority() {
        return nobody_in(authority.clone()).map(Some);
    }
    let mut hosts = headers.get_all(header::HOST).into_iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return if headers.contains_key(header::HOST) { Err(Refused::WrongHost) } else { Ok(None) };
    };
    nobody_in(Authority::try_from(host.as_bytes()).map_err(|_| Refused::WrongHost)?).map(Some)
}

/// A user before the host is no business of a server.
fn nobody_in(authority: Authority) -> Result<Authority, Refused> {
    if authority.as_str().contains('@') { Err(Refused::WrongHost) } else { Ok(authority) }
}

fn same(one: &Authority, other: &Authority) -> bool {
    let port = |authority: &Authority| authority.port_u16().filter(|port| !matches!(port, 80 | 443));
    plain(one.host()) == plain(other.host()) && port(one) == port(other)
}

fn plain(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Whether a certificate's name, perhaps with a leading `*.`, is `name`.
fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(rest) => name.split_once('.').is_some_and(|(label, parent)| !label.is_empty() && parent == rest),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn hosts() -> Hosts {
        Hosts::new(&Settings {
            public_url: Some("https://Watch.example.com:8443".into()),
            hosts: vec!["nightlatch.internal".into()],
            ..Settings::default()
        })
    }

    #[test]
    fn the_server_answers_to_its_names_only() {
        let certificate = ["door.example.org".to_owned(), "*.wild.example".to_owned()];
        for (host, expected) in [
            ("127.0.0.1:8420", true),
            ("[::1]:8420", true),
            ("192.0.2.1", true),
            ("localhost", true),
            ("LOCALHOST.:8420", true),
            ("nightlatch.internal:1", true),
            ("watch.example.com", true),
            ("door.example.org", true),
            ("a.wild.example", true),
            ("a.b.wild.example", false),
            ("wild.example", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("evil.example@localhost", false),
            ("", false),
            ("a b", false),
        ] {
            let result = hosts().check(&Uri::from_static("/"), &headers(&[("host", host)]), &certificate);
            assert_eq!(result.is_ok(), expected, "{host}");
        }
        let two = headers(&[("host", "localhost"), ("host", "evil.example")]);
        assert_eq!(hosts().check(&Uri::from_static("/"), &two, &[]), Err(Refused::WrongHost));
        let absolute = Uri::from_static("http://evil.example/");
        assert!(hosts().check(&absolute, &headers(&[("host", "localhost")]), &[]).is_err());
        assert!(hosts().check(&Uri::from_static("/"), &HeaderMap::new(), &[]).is_ok());
    }

    #[test]
    fn changes_come_from_our_own_pages() {
        for (lines, expected) in [
            (&[][..], true),
            (&[("origin", "http://localhost:8420")], true),
            (&[("origin", "https://watch.example.com:8443")], true),
            (&[("origin", "https://watch.example.com")], false),
            (&[("origin", "http://localhost:9999")], false),
            (&[("origin", "http://evil.example")], false),
            (&[("origin", "null")], false),
            (&[("origin", "null"), ("sec-fetch-site", "same-origin")], true),
            (&[("origin", "http://localhost:8420"), ("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "same-site")], false),
            (&[("sec-fetch-site", "none")], true),
            (&[("origin", "%%")], false),
        ] {
            let mut all = headers(lines);
            all.append("host", "localhost:8420".parse().unwrap());
            let result = hosts().check_origin(&Uri::from_static("/"), &all);
            assert_eq!(result.is_ok(), expected, "{lines:?}");
        }
    }
}
