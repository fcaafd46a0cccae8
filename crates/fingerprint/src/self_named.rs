//! Ordinary servers that say their own name: the last resort, where nothing of the catalogue was recognised.

use std::sync::LazyLock;

use regex::Regex;
use serde::Deserialize;

use crate::catalogue::SERVERS;

/// Bytes of a first line that are looked at.
const LINE_BYTES_MAX: usize = 512;

/// A row of `fingerprints/servers.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// The name that people search for.
    pub(crate) product: String,
    says: Says,
    #[serde(deserialize_with = "expression")]
    text: Regex,
    /// CPE name with `{version}`; absent where none is assigned.
    pub(crate) cpe: Option<String>,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests of the rows"))]
    example: String,
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests of the rows"))]
    version: Option<String>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Says {
    ServerHeader,
    FirstLine,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    server: Vec<Server>,
}

fn expression<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Regex, D::Error> {
    Regex::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

// A test reads the embedded file; a broken one names nobody.
static ROWS: LazyLock<Vec<Server>> =
    LazyLock::new(|| toml::from_str::<File>(SERVERS).map(|file| file.server).unwrap_or_default());

/// The server that calls itself so in a `Server` header, and its version where it tells it.
pub(crate) fn by_header(header: &str) -> Option<(&'static Server, Option<&str>)> {
    find(Says::ServerHeader, header)
}

/// The server that begins to speak so, and its version where it tells it.
pub(crate) fn by_first_line(bytes: &[u8]) -> Option<(&'static Server, Option<String>)> {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let line = String::from_utf8_lossy(line.get(..LINE_BYTES_MAX).unwrap_or(line));
    find(Says::FirstLine, &line).map(|(server, version)| (server, version.map(str::to_owned)))
}

fn find(says: Says, text: &str) -> Option<(&'static Server, Option<&str>)> {
    ROWS.iter().filter(|server| server.says == says).find_map(|server| {
        let found = server.text.captures(text)?;
        Some((server, found.get(1).map(|version| version.as_str())))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_names_its_own_example_and_no_other_row_does() {
        let file: File = toml::from_str(SERVERS).unwrap();
        assert!(file.server.len() > 20);
        for server in &file.server {
            let (named, version) = match server.says {
                Says::ServerHeader => by_header(&server.example).map(|(s, v)| (s, v.map(str::to_owned))),
                Says::FirstLine => by_first_line(format!("{}\r\nmore", server.example).as_bytes()),
            }
            .unwrap_or_else(|| panic!("{} does not know its example", server.product));
            assert_eq!((&named.product, &version), (&server.product, &server.version));
            let hits =
                ROWS.iter().filter(|row| row.says == server.says && row.text.is_match(&server.example));
            assert_eq!(hits.count(), 1, "{} is claimed twice", server.example);
        }
    }

    #[test]
    fn strangers_and_mentions_stay_without_a_name() {
        for header in ["", "my-nginx", "Apache-of-the-house", "Server", "kong/3.4.0", "nginxish"] {
            assert!(by_header(header).is_none(), "{header}");
        }
        for line in [&b"HTTP/1.1 200 OK"[..], b"", b"220 hello", b"SSH-2.0-Go", &[0xff; 4096]] {
            assert!(by_first_line(line).is_none());
        }
    }
}
