use std::{
    error::Error,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    header::{HeaderMap, RETRY_AFTER},
    redirect,
};
use rustls::ClientConfig;
use tokio::{net::lookup_host, time::timeout};

use crate::{NotifyError, address::Policy, error::shown};

/// How long one delivery may take, from the name to the status.
const DELIVERY_MAX: Duration = Duration::from_secs(10);
/// Most addresses of one name that are looked at.
const ADDRESSES_MAX: usize = 32;
/// How we name ourselves.
const USER_AGENT: &str = concat!("nightlatch/", env!("CARGO_PKG_VERSION"));

/// What a name leads to.
type Lookup = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;
/// Asks for the addresses of a name and port.
type Resolver = Arc<dyn Fn(&str, u16) -> Lookup + Send + Sync>;

/// Posts to addresses that users named, and never to one that the policy refuses.
#[derive(Clone)]
pub(crate) struct Http {
    tls: ClientConfig,
    policy: Policy,
    resolver: Resolver,
    limit: Duration,
}

/// Where a request goes, as far as it was checked.
struct Place {
    host: String,
    addresses: Vec<SocketAddr>,
}

impl Http {
    pub(crate) fn new(tls: ClientConfig, policy: Policy) -> Self {
        Self { tls, policy, resolver: Arc::new(lookup), limit: DELIVERY_MAX }
    }

    /// The same with another limit of time, for tests of slow receivers.
    #[cfg(test)]
    pub(crate) fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Posts `body` once. Redirects are not followed, proxies of the environment not used, and no byte of the
    /// answer's body is read.
    ///
    /// - returns the status, 200 to 299.
    ///
    /// # Errors
    /// Everything else, as [`NotifyError`].
    pub(crate) async fn post(&self, url: &Url, headers: HeaderMap, body: String) -> Result<u16, NotifyError> {
        let host = shown(url.host_str().unwrap_or_default());
        match timeout(self.limit, self.post_unlimited(url, headers, body)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(NotifyError::Slow { host, after: self.limit }),
        }
    }

    async fn post_unlimited(&self, url: &Url, headers: HeaderMap, body: String) -> Result<u16, NotifyError> {
        let place = self.place(url).await?;
        let client = Client::builder()
            .tls_backend_preconfigured(self.tls.clone())
            .dns_resolver(Arc::new(Pinned(place.addresses)))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .referer(false)
            .pool_max_idle_per_host(0)
            .user_agent(USER_AGENT)
            .build()
            .map_err(|e| NotifyError::Config(format!("no client can be made: {}", innermost(&e))))?;
        let answer = client.post(url.clone()).headers(headers).body(body).send().await;
        let answer =
            answer.map_err(|e| NotifyError::unreachable(&place.host, innermost(&e.without_url())))?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = retry_after.and_then(|text| read_retry_after(text, Timestamp::now()));
        NotifyError::of_status(&place.host, status, retry_after)?;
        Ok(status)
    }

    /// Resolves the host of `url` once; the request goes to what was looked at here and nowhere else, so that a name
    /// that answers differently the second time gains nothing.
    async fn place(&self, url: &Url) -> Result<Place, NotifyError> {
        let no_host = || NotifyError::Config("the address names no host".to_owned());
        let (name, port) = url.host_str().zip(url.port_or_known_default()).ok_or_else(no_host)?;
        let host = shown(name);
        let addresses = match literal(name) {
            Some(ip) => vec![SocketAddr::new(ip, port)],
            None => (self.resolver)(name, port).await.map_err(|e| NotifyError::unreachable(name, e))?,
        };
        if addresses.is_empty() {
            return Err(NotifyError::unreachable(name, "the name has no address"));
        }
        self.check(&host, &addresses)?;
        Ok(Place { host, addresses })
    }

    /// All addresses must be allowed: a name that leads to both kinds is a trick.
    fn check(&self, host: &str, addresses: &[SocketAddr]) -> Result<(), NotifyError> {
        for address in addresses {
            if let Some(why) = self.policy.refuses(address.ip()) {
                return Err(NotifyError::Refused { host: host.to_owned(), address: address.ip(), why });
            }
        }
        Ok(())
    }

    /// Reads an address and refuses what can be refused without asking for its name.
    ///
    /// # Errors
    /// [`NotifyError::Config`] or [`NotifyError::Refused`]; the address itself is not repeated.
    pub(crate) fn read_url(&self, text: &str) -> Result<Url, NotifyError> {
        let url =
            Url::parse(text).map_err(|e| NotifyError::Config(format!("the address cannot be read: {e}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(NotifyError::Config(
                "the address does not begin with https:// or http://".to_owned(),
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(NotifyError::Config("the address holds a user name or password".to_owned()));
        }
        let host = url.host_str().unwrap_or_default();
        if let Some(ip) = literal(host) {
            self.check(&shown(host), &[SocketAddr::new(ip, 0)])?;
        }
        Ok(url)
    }
}

/// The address that a host of a parsed address is; octal, decimal and short spellings were resolved by the parser.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn lookup(name: &str, port: u16) -> Lookup {
    let name = name.to_owned();
    Box::pin(async move { Ok(lookup_host((name, port)).await?.take(ADDRESSES_MAX).collect()) })
}

/// Answers every name with the addresses that were checked.
struct Pinned(Vec<SocketAddr>);

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

/// What lies at the bottom of an error: the outer ones say where, and that may be a secret.
fn innermost(error: &dyn Error) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// `Retry-After`: seconds, or a date.
///
/// Source: RFC 9110, section 10.2.3.
fn read_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(seconds.into()));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(Duration::from_secs(u64::try_from(until.as_second() - now.as_second()).unwrap_or(0)))
}

#[cfg(test)]
mod tests;
