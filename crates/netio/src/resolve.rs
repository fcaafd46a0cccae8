use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use tokio::{net::lookup_host, time::timeout};

/// Most addresses of one name that are used; more than a name has in good faith.
pub const ADDRESSES_MAX: usize = 256;

/// Why a name has no addresses.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResolveError {
    /// The resolver knows no address.
    #[error("`{host}` has no address")]
    NotFound {
        /// The name.
        host: String,
        /// What the resolver said; absent when it answered with nothing.
        #[source]
        source: Option<io::Error>,
    },
    /// The resolver did not answer.
    #[error("`{host}` was not resolved within {seconds} s; is the resolver reachable?")]
    Timeout {
        /// The name.
        host: String,
        /// How long was waited.
        seconds: f64,
    },
}

/// All addresses of `host`, in order, each once, at most [`ADDRESSES_MAX`], by the resolver of the system.
///
/// # Errors
/// When there is none, or no answer within `patience`.
pub async fn resolve(host: &str, patience: Duration) -> Result<Vec<IpAddr>, ResolveError> {
    bounded(host, lookup_host((host, 0)), patience).await
}

async fn bounded<A: Iterator<Item = SocketAddr>>(
    host: &str,
    lookup: impl Future<Output = io::Result<A>>,
    patience: Duration,
) -> Result<Vec<IpAddr>, ResolveError> {
    let owned = || host.to_owned();
    let found = match timeout(patience, lookup).await {
        Err(_) => return Err(ResolveError::Timeout { host: owned(), seconds: patience.as_secs_f64() }),
        Ok(Err(source)) => return Err(ResolveError::NotFound { host: owned(), source: Some(source) }),
        Ok(Ok(found)) => found,
    };
    let mut addresses: Vec<IpAddr> = found.map(|socket| socket.ip().to_canonical()).collect();
    addresses.sort_unstable();
    addresses.dedup();
    addresses.truncate(ADDRESSES_MAX);
    match addresses.is_empty() {
        true => Err(ResolveError::NotFound { host: owned(), source: None }),
        false => Ok(addresses),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_machine_itself_is_found() {
        let addresses = resolve("localhost", Duration::from_secs(10)).await.unwrap();
        assert!(addresses.iter().all(IpAddr::is_loopback), "{addresses:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn no_answer_and_no_address_are_told_apart() {
        let silence = std::future::pending::<io::Result<std::vec::IntoIter<SocketAddr>>>();
        let error = bounded("a.example", silence, Duration::from_secs(3)).await.unwrap_err();
        assert_eq!(error.to_string(), "`a.example` was not resolved within 3 s; is the resolver reachable?");
        let nothing = async { Ok(Vec::new().into_iter()) };
        let error = bounded("a.example", nothing, Duration::from_secs(3)).await.unwrap_err();
        assert_eq!(error.to_string(), "`a.example` has no address");
    }

    #[tokio::test]
    async fn addresses_are_there_once() {
        let sockets =
            ["192.0.2.7:0", "[::ffff:192.0.2.7]:0", "[2001:db8::7]:0"].map(|text| text.parse().unwrap());
        let found =
            bounded("a.example", async { Ok(sockets.into_iter()) }, Duration::from_secs(3)).await.unwrap();
        assert_eq!(found.len(), 2);
    }
}
