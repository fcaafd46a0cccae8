use std::{collections::BTreeMap, fmt};

use nightlatch_asset::nearest;
use serde::{Deserialize, Serialize};

use crate::{address_range::shown, scope_error::did_you_mean};

/// Names that stand for ports, such as `kubernetes`; lower case.
pub type PortNames = BTreeMap<String, Vec<u16>>;

/// Ports, each once, in order. Never port 0.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PortSet(Vec<u16>);

impl PortSet {
    /// Reads a comma list of ports, ranges and names, such as `kubernetes,docker,9200,8000-8100`.
    ///
    /// - `names`: what the names stand for.
    ///
    /// # Errors
    /// The first item that is neither, with its place and the nearest name.
    pub fn parse(text: &str, names: &PortNames) -> Result<Self, PortSyntax> {
        let mut ports = Vec::new();
        let mut at = 0;
        for item in text.split(',') {
            let lead = item.len() - item.trim_start().len();
            read_item(item.trim(), at + lead, names, &mut ports)?;
            at += item.len() + 1;
        }
        Ok(ports.into_iter().collect())
    }

    /// The ports, lowest first.
    pub fn as_slice(&self) -> &[u16] {
        &self.0
    }

    /// Number of ports.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `port` is in it.
    pub fn contains(&self, port: u16) -> bool {
        self.0.binary_search(&port).is_ok()
    }
}

impl FromIterator<u16> for PortSet {
    fn from_iter<I: IntoIterator<Item = u16>>(ports: I) -> Self {
        let mut ports: Vec<u16> = ports.into_iter().filter(|port| *port != 0).collect();
        ports.sort_unstable();
        ports.dedup();
        Self(ports)
    }
}

impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = self.0.chunk_by(|a, b| u32::from(*a) + 1 == u32::from(*b));
        for (index, run) in runs.enumerate() {
            let comma = if index > 0 { "," } else { "" };
            match run {
                [first, .., last] => write!(f, "{comma}{first}-{last}")?,
                [only] => write!(f, "{comma}{only}")?,
                [] => {}
            }
        }
        Ok(())
    }
}

impl From<PortSet> for String {
    fn from(ports: PortSet) -> Self {
        ports.to_string()
    }
}

impl TryFrom<String> for PortSet {
    type Error = PortSyntax;

    fn try_from(text: String) -> Result<Self, PortSyntax> {
        if text.is_empty() { Ok(Self::default()) } else { Self::parse(&text, &PortNames::new()) }
    }
}

/// Why a text is no list of ports.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{what}, expected {expected}{}", did_you_mean(nearest.as_deref()))]
pub struct PortSyntax {
    /// Bytes before the offending item.
    pub at: usize,
    /// What is wrong.
    pub what: String,
    /// What would have been right.
    pub expected: &'static str,
    /// The known name that is nearest.
    pub nearest: Option<String>,
}

const EXPECTED: &str = "a port from 1 to 65535, a range such as 8000-8100, or a name such as kubernetes";

fn read_item(item: &str, at: usize, names: &PortNames, ports: &mut Vec<u16>) -> Result<(), PortSyntax> {
    let wrong = |what: String| PortSyntax { at, what, expected: EXPECTED, nearest: None };
    if item.is_empty() {
        return Err(wrong("a port is missing".to_owned()));
    }
    if item.bytes().all(|b| b.is_ascii_digit()) {
        ports.push(port(item).ok_or_else(|| wrong(format!("`{}` is not a port", shown(item))))?);
        return Ok(());
    }
    let range = item.split_once('-').filter(|_| item.bytes().all(|b| b.is_ascii_digit() || b == b'-'));
    if let Some((first, last)) = range {
        return match (port(first), port(last)) {
            (Some(first), Some(last)) if first <= last => {
                ports.extend(first..=last);
                Ok(())
            }
            (Some(_), Some(_)) => Err(wrong(format!("the range `{item}` ends before it starts"))),
            _ => Err(wrong(format!("`{}` is not a range of ports", shown(item)))),
        };
    }
    let name = item.to_ascii_lowercase();
    match names.get(&name) {
        Some(known) => {
            ports.extend(known);
            Ok(())
        }
        None => {
            let nearest = nearest(&name, names.keys().map(String::as_str)).map(str::to_owned);
            Err(PortSyntax { nearest, ..wrong(format!("unknown port name `{}`", shown(item))) })
        }
    }
}

/// A port from 1 to 65535 in plain digits.
pub(crate) fn port(text: &str) -> Option<u16> {
    let plain = !text.is_empty() && text.len() <= 5 && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| plain && *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names() -> PortNames {
        let rows: [(&str, &[u16]); 2] = [("kubernetes", &[6443, 10250]), ("docker", &[2375, 2376])];
        rows.into_iter().map(|(name, ports)| (name.to_owned(), ports.to_vec())).collect()
    }

    #[test]
    fn lists_ranges_and_names_are_read_once_each() {
        let ports = PortSet::parse("kubernetes, Docker,9200,8000-8002,8001", &names()).unwrap();
        assert_eq!(ports.to_string(), "2375-2376,6443,8000-8002,9200,10250");
        assert_eq!(PortSet::parse("1-65535", &names()).unwrap().len(), 65535);
    }

    #[test]
    fn slips_are_named_with_their_place() {
        for (text, at, nearest) in [
            ("", 0, None),
            ("80,", 3, None),
            ("80,,81", 3, None),
            ("0", 0, None),
            ("80,65536", 3, None),
            ("81-80", 0, None),
            ("-", 0, None),
            ("80-", 0, None),
            ("80, kubernets", 4, Some("kubernetes")),
            ("80,zzz", 3, None),
        ] {
            let error = PortSet::parse(text, &names()).unwrap_err();
            assert_eq!((error.at, error.nearest.as_deref()), (at, nearest), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_what_is_read_prints_and_reads_again(text in "[0-9a-z,\\- ]{0,20}") {
            if let Ok(ports) = PortSet::parse(&text, &names()) {
                prop_assert_eq!(PortSet::parse(&ports.to_string(), &PortNames::new()).unwrap(), ports);
            }
        }
    }
}
