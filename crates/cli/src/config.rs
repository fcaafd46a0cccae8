//! `nightlatch.toml` in the data directory: what is not said on the command line.

use std::path::Path;

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
}

impl Config {
    /// Reads the file of a data directory; without one, everything is as usual.
    pub(crate) fn read(data: &Path) -> Result<Self, Failure> {
        let path = data.join(CONFIG_FILE);
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = crate::commands::read_text(&path, CONFIG_BYTES_MAX)?;
        let config: Self = toml::from_str(&text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start).min(text.len());
            let before = text.get(..at).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            Failure::usage(format!("{}:{line}:{column}: {}", path.display(), error.message()))
                .excerpt(crate::commands::excerpt(&text, line, column))
        })?;
        Ok(Self { enrich: config.enrich.relative_to(data) })
    }

    /// Loads the files that the configuration names.
    pub(crate) fn enricher(&self) -> Result<Enricher, Failure> {
        Enricher::open(&self.enrich).map_err(|error| Failure::from_error(Exit::Usage, &error))
    }
}
