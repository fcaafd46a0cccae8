//! `[server]` of `nightlatch.toml`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{GateError, Network, tls};

/// `[server]`: where the server listens, whom it believes and what it allows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address and port. Any address but loopback needs `tls_certificate` and `tls_key`, or `behind_proxy = true`.
    pub listen: SocketAddr,
    /// Certificate chain, PEM, the server's own first. Read again when it changes and on SIGHUP.
    pub tls_certificate: Option<PathBuf>,
    /// Private key of the certificate, PEM.
    pub tls_key: Option<PathBuf>,
    /// Says that a reverse proxy stands before the server and adds TLS.
    pub behind_proxy: bool,
    /// Proxies whose word on address and scheme of a client is believed, as networks. Only with `behind_proxy`; an
    /// empty list then means this machine.
    pub trusted_proxies: Vec<Network>,
    /// The header in which the proxy names the client. Only this one is believed: a proxy that writes one of them
    /// may pass the other on from the client as it came.
    pub proxy_header: ProxyHeader,
    /// Where people reach the pages, such as `https://nightlatch.example.com`.
    pub public_url: Option<String>,
    /// Further host names by which the server may be called. Addresses, `localhost`, the names of the certificate
    /// and the host of `public_url` need not be listed.
    pub hosts: Vec<String>,
    /// Requests a minute for a key without a limit of its own.
    pub requests_per_minute: u32,
    /// Requests a minute without a key, for each address (for IPv6: each /64).
    pub strangers_per_minute: u32,
    /// Most records one request may return, for a key without a limit of its own.
    pub results_max: u32,
    /// Hours after which a session of the pages ends.
    pub sessions_hours: u32,
    /// Streams that may be open at a time; one key may have half of them.
    pub streams_max: usize,
    /// Connections that may be open at a time; one address may have half of them.
    pub connections_max: usize,
    /// Largest body that is read.
    pub body_bytes_max: usize,
    /// Largest request head (request line and headers) that is read.
    pub head_bytes_max: usize,
    /// Seconds a client has for the head of a request, and for the TLS handshake; also how long an idle connection
    /// is kept.
    pub head_seconds: u32,
    /// Seconds for a request, reading its body included; streams excepted.
    pub request_seconds: u32,
    /// Seconds for which a client may take nothing of an answer.
    pub write_seconds: u32,
    /// Seconds that requests have to finish when the server stops.
    pub stop_seconds: u32,
    /// Whether `/metrics` needs no key when asked from this machine.
    pub metrics_open: bool,
}

/// The header in which a proxy names the client.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyHeader {
    /// `X-Forwarded-For`, with `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8420)),
            tls_certificate: None,
            tls_key: None,
            behind_proxy: false,
            trusted_proxies: Vec::new(),
            proxy_header: ProxyHeader::default(),
            public_url: None,
            hosts: Vec::new(),
            requests_per_minute: 600,
            strangers_per_minute: 300,
            results_max: 1000,
            sessions_hours: 12,
            streams_max: 4096,
            connections_max: 8192,
            body_bytes_max: 1 << 20,
            head_bytes_max: 128 << 10,
            head_seconds: 20,
            request_seconds: 30,
            write_seconds: 30,
            stop_seconds: 20,
            metrics_open: false,
        }
    }
}

/// Smallest request head that may be configured: hyper reads at least this much.
const HEAD_BYTES_MIN: usize = 8 << 10;

impl Settings {
    /// Whether the settings can be obeyed: values, files and what they mean together.
    ///
    /// # Errors
    /// The first that cannot, with its name and what to do.
    pub fn check(&self) -> Result<(), GateError> {
        match (&self.tls_certificate, &self.tls_key) {
            (Some(certificate), Some(key)) => {
                tls::load(certificate, key)?;
            }
            (Some(_), None) => {
                return Err(GateError::setting("tls_key", "is missing; a certificate needs its private key"));
            }
            (None, Some(_)) => {
                return Err(GateError::setting("tls_certificate", "is missing; a key needs its certificate"));
            }
            (None, None) if !self.listen.ip().to_canonical().is_loopback() && !self.behind_proxy => {
                let problem = format!(
                    "{} can be reached from elsewhere, and keys would cross the network in clear text; set \
                     `tls_certificate` and `tls_key`, or `behind_proxy = true` when a proxy adds TLS",
                    self.listen
                );
                return Err(GateError::setting("listen", problem));
            }
            (None, None) => {}
        }
        if !self.trusted_proxies.is_empty() && !self.behind_proxy {
            let problem = "has no meaning without `behind_proxy = true`; add that, or remove this";
            return Err(GateError::setting("trusted_proxies", problem));
        }
        if self.metrics_open && self.behind_proxy {
            let problem =
                "would show metrics to everybody behind the proxy; remove it and give Prometheus a key";
            return Err(GateError::setting("metrics_open", problem));
        }
        if let Some(url) = &self.public_url
            && public_host(url).is_none()
        {
            let problem = "is no address of pages; expected such as https://nightlatch.example.com";
            return Err(GateError::setting("public_url", problem));
        }
        if let Some(name) = self.hosts.iter().find(|name| !is_host_name(name)) {
            let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
            return Err(GateError::setting(
                "hosts",
                format!("`{name}` is no host name (write it without port)"),
            ));
        }
        for (setting, value) in [
            ("requests_per_minute", u64::from(self.requests_per_minute)),
            ("strangers_per_minute", u64::from(self.strangers_per_minute)),
            ("results_max", u64::from(self.results_max)),
            ("sessions_hours", u64::from(self.sessions_hours)),
            ("head_seconds", u64::from(self.head_seconds)),
            ("request_seconds", u64::from(self.request_seconds)),
            ("write_seconds", u64::from(self.write_seconds)),
            ("connections_max", self.connections_max as u64),
            ("body_bytes_max", self.body_bytes_max as u64),
        ] {
            if value == 0 {
                return Err(GateError::setting(setting, "must be at least 1"));
            }
        }
        if self.head_bytes_max < HEAD_BYTES_MIN {
            return Err(GateError::setting("head_bytes_max", format!("must be at least {HEAD_BYTES_MIN}")));
        }
        Ok(())
    }

    /// Whether the server itself speaks TLS.
    pub fn has_tls(&self) -> bool {
        self.tls_certificate.is_some()
    }

    /// Whether `peer` is a proxy whose word on clients is believed.
    pub fn is_trusted_proxy(&self, peer: IpAddr) -> bool {
        if !self.behind_proxy {
            return false;
        }
        if self.trusted_proxies.is_empty() {
            return peer.to_canonical().is_loopback();
        }
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }

    pub(crate) fn request_time(&self) -> Duration {
        Duration::from_secs(self.request_seconds.into())
    }
}

/// The host and port of an address of pages.
pub(crate) fn public_host(url: &str) -> Option<String> {
    let uri: axum::http::Uri = url.parse().ok()?;
    let scheme = uri.scheme_str()?;
    let host = uri.authority()?.as_str();
    (matches!(scheme, "http" | "https") && !host.contains('@')).then(|| host.to_ascii_lowercase())
}

fn is_host_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    !name.is_empty() && name.len() <= 253 && name.chars().all(plain)
}
