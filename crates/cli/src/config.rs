//! `nightlatch.toml` in the data directory: what is not said on the command line.

use std::{
    net::{IpAddr, SocketAddr},
    path::Path,
};

use nightlatch_enrich::{Config as EnrichConfig, Enricher};
use serde::Deserialize;

use crate::{exit::Exit, failure::Failure};

/// Largest configuration file that is read, in bytes.
const CONFIG_BYTES_MAX: u64 = 1024 * 1024;
/// Its name in the data directory.
const CONFIG_FILE: &str = "nightlatch.toml";

/// The configuration. Unknown keys are refused.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Files that say where an address is and whose.
    pub(crate) enrich: EnrichConfig,
    /// Whether and whom to ask for the names of addresses.
    pub(crate) names: Names,
}

/// Names of addresses (PTR records). Off unless a resolver is named: the questions tell it what is scanned.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Names {
    /// `"system"` for the first of /etc/resolv.conf, or an address with or without a port.
    pub(crate) resolver: Option<Resolver>,
}

/// Whom to ask for names.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Resolver {
    /// The first of /etc/resolv.conf.
    System,
    /// This one.
    At(SocketAddr),
}

impl TryFrom<String> for Resolver {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text == "system" {
            return Ok(Self::System);
        }
        let parsed = text.parse().or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 53)));
        parsed.map(Self::At).map_err(|_| {
            let shown = nightlatch_untrusted::terminal_cut(&text, 60);
            format!("`{shown}` is no resolver, expected \"system\" or an address such as 192.0.2.53 or 192.0.2.53:5353")
        })
    }
}

impl Names {
    /// The resolver to ask, if any.
    pub(crate) fn resolver(&self) -> Result<Option<SocketAddr>, Failure> {
        match self.resolver {
            None => Ok(None),
            Some(Resolver::At(address)) => Ok(Some(address)),
            Some(Resolver::System) => {
                let path = Path::new("/etc/resolv.conf");
                let text = crate::commands::read_text(path, CONFIG_BYTES_MAX)?;
                let first = nightlatch_enrich::ptr::nameservers(&text).into_iter().next();
                first.map(Some).ok_or_else(|| {
                    Failure::usage("/etc/resolv.conf names no resolver")
                        .hint("name one: resolver = \"192.0.2.53\"")
                })
            }
        }
    }
}

impl Config {
    /// Reads the file of a data directory; without one, everything is as usual.
    pub(crate) fn read(data: &Path) -> Result<Self, Failure> {
        let path = data.join(CONFIG_FILE);
        let Some(text) = crate::commands::read_text_if_there(&path, CONFIG_BYTES_MAX)? else {
            return Ok(Self::default());
        };
        let config: Self = toml::from_str(&text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            let before = text.get(..at).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            Failure::usage(format!("{}:{line}:{column}: {}", path.display(), error.message()))
                .excerpt(crate::commands::excerpt(&text, line, column))
        })?;
        Ok(Self { enrich: config.enrich.relative_to(data), ..config })
    }

    /// Loads the files that the configuration names.
    pub(crate) fn enricher(&self) -> Result<Enricher, Failure> {
        Enricher::open(&self.enrich).map_err(|error| Failure::from_error(Exit::Usage, &error))
    }
}
