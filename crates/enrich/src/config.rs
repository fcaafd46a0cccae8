use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Which files to read. Nothing here has a default file.
///
/// ```toml
/// geo = ["GeoLite2-City.mmdb"]
/// asn = ["GeoLite2-ASN.mmdb"]
///
/// [[cloud]]
/// provider = "aws"
/// file = "ip-ranges.json"
/// ```
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// MaxMind-format files with places: GeoLite2 or GeoIP2 City and Country, DB-IP, IPinfo. The first
    /// file that knows a field gives it.
    pub geo: Vec<PathBuf>,
    /// MaxMind-format files with networks: GeoLite2 ASN, GeoIP2 ISP, DB-IP, IPinfo. A file that holds
    /// both (IPinfo country and ASN) may stand in either list.
    pub asn: Vec<PathBuf>,
    /// Address ranges as cloud providers publish them.
    pub cloud: Vec<CloudFile>,
}

/// One provider's range file.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct CloudFile {
    /// The word that goes into `cloud.provider`, such as `aws`, `azure`, `gcp`, `oracle`.
    pub provider: String,
    /// `ip-ranges.json`, `ServiceTags_Public_*.json`, `cloud.json`, `public_ip_ranges.json`, the JSON of
    /// Cloudflare's, Fastly's and Vultr's lists, or a text with one block a line (Cloudflare) or one block
    /// and its place a line (DigitalOcean, RFC 8805).
    pub file: PathBuf,
}

impl Config {
    /// True when no file is named.
    pub fn is_empty(&self) -> bool {
        self.geo.is_empty() && self.asn.is_empty() && self.cloud.is_empty()
    }

    /// Takes relative paths as relative to `folder`: that of the file in which they are written.
    pub fn relative_to(mut self, folder: &Path) -> Self {
        let clouds = self.cloud.iter_mut().map(|cloud| &mut cloud.file);
        for path in self.geo.iter_mut().chain(&mut self.asn).chain(clouds) {
            *path = folder.join(&*path);
        }
        self
    }
}
