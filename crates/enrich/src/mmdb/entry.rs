//! One entry of a database, whatever its layout: nested (GeoLite2, GeoIP2, DB-IP) or flat (IPinfo,
//! ip-location-db).

use std::fmt;

use nightlatch_asset::{Network, Place, Text};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Longest text taken over from a database, in bytes.
const TEXT_BYTES_MAX: usize = 256;

/// Elements of a list that are kept; of subdivisions only the first is used.
const LIST_MAX: usize = 4;

/// The keys that are read, of all layouts; everything else (seven more languages, identifiers, time
/// zones) is passed over.
///
/// Sources: MaxMind, "GeoIP2 and GeoLite2 databases", whose nested layout DB-IP's files follow; IPinfo,
/// "Database schema" of IP geolocation, country + ASN, ASN and Lite; the files that ip-location-db makes of
/// GeoLite2 and DB-IP (`state1` is the larger of two subdivisions).
const KEYS: [&str; 31] = [
    "country",
    "city",
    "subdivisions",
    "postal",
    "location",
    "traits",
    "iso_code",
    "code",
    "names",
    "en",
    "latitude",
    "longitude",
    "autonomous_system_number",
    "autonomous_system_organization",
    "isp",
    "organization",
    "country_code",
    "country_name",
    "region",
    "region_code",
    "postal_code",
    "lat",
    "lng",
    "asn",
    "as_name",
    "name",
    "region_name",
    "zip",
    "lon",
    "state1",
    "postcode",
];

/// An entry, reduced to the keys that are read.
#[derive(Debug, Default, PartialEq)]
pub(super) enum Entry {
    /// A value of a kind that no layout uses.
    #[default]
    Other,
    Text(String),
    Number(f64),
    List(Vec<Entry>),
    Map(Vec<(&'static str, Entry)>),
}

impl Entry {
    /// Where the address is; all fields absent when the entry does not say.
    pub(super) fn place(&self) -> Place {
        let country = self.text(&["country"]);
        let is_code = |text: &String| text.len() == 2 && text.bytes().all(|b| b.is_ascii_uppercase());
        Place {
            country_code: text(
                self.text(&["country", "iso_code"])
                    .or_else(|| self.text(&["country_code"]))
                    .or_else(|| country.clone().filter(is_code)),
            ),
            country_name: text(
                self.text(&["country", "names", "en"])
                    .or_else(|| self.text(&["country_name"]))
                    .or_else(|| country.filter(|text| !is_code(text))),
            ),
            region: text(self.first(&[
                &["subdivisions", "iso_code"],
                &["subdivisions", "names", "en"],
                &["region_code"],
                &["region"],
                &["region_name"],
                &["state1"],
            ])),
            city: text(self.first(&[&["city", "names", "en"], &["city"]])),
            postal: text(self.first(&[
                &["postal", "code"],
                &["postal_code"],
                &["postal"],
                &["zip"],
                &["postcode"],
            ])),
            latitude: self.degrees(&[&["location", "latitude"], &["latitude"], &["lat"]], 90.0),
            longitude: self.degrees(&[&["location", "longitude"], &["longitude"], &["lng"], &["lon"]], 180.0),
        }
    }

    /// Whose network it is; all fields absent when the entry does not say.
    pub(super) fn network(&self) -> Network {
        let asn =
            self.first(&[&["autonomous_system_number"], &["traits", "autonomous_system_number"], &["asn"]]);
        let mut org = self.first(&[
            &["organization"],
            &["traits", "organization"],
            &["autonomous_system_organization"],
            &["traits", "autonomous_system_organization"],
            &["as_name"],
        ]);
        // IPinfo's file of autonomous systems calls the organisation plainly `name`.
        if org.is_none() && self.get(&["asn"]).is_some() {
            org = self.text(&["name"]);
        }
        Network {
            asn: asn.and_then(|asn| asn.trim_start_matches("AS").parse().ok()).filter(|asn| *asn != 0),
            org: text(org),
            isp: text(self.first(&[&["isp"], &["traits", "isp"]])),
        }
    }

    /// Follows keys; a list stands for its first element.
    fn get(&self, path: &[&str]) -> Option<&Self> {
        match self {
            Self::List(list) => list.first()?.get(path),
            _ if path.is_empty() => Some(self),
            Self::Map(map) => {
                let (key, rest) = path.split_first()?;
                map.iter().find(|(name, _)| name == key)?.1.get(rest)
            }
            _ => None,
        }
    }

    fn text(&self, path: &[&str]) -> Option<String> {
        match self.get(path)? {
            Self::Text(text) if !text.is_empty() => Some(text.clone()),
            Self::Number(number) => Some(number.to_string()),
            _ => None,
        }
    }

    fn first(&self, paths: &[&[&str]]) -> Option<String> {
        paths.iter().find_map(|path| self.text(path))
    }

    /// A position, given as a number or, by IPinfo, as text; absent when outside of the globe.
    fn degrees(&self, paths: &[&[&str]], max: f64) -> Option<f64> {
        let degrees = self.first(paths)?.parse::<f64>().ok()?;
        (degrees.abs() <= max).then_some(degrees)
    }
}

fn text(value: Option<String>) -> Option<Text> {
    value.map(|value| Text::from_bytes(value.as_bytes(), TEXT_BYTES_MAX))
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Kinds)
    }
}

struct Kinds;

impl<'de> Visitor<'de> for Kinds {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of a database entry")
    }

    fn visit_str<E>(self, text: &str) -> Result<Entry, E> {
        Ok(Entry::Text(text.to_owned()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Entry, E> {
        Ok(Entry::Number(number))
    }

    fn visit_f32<E>(self, number: f32) -> Result<Entry, E> {
        // Through the shortest decimal form, so that 52.52 stays 52.52.
        Ok(Entry::Text(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Entry, E> {
        Ok(Entry::Text(number.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Entry, E> {
        Ok(Entry::Text(number.to_string()))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Entry, E> {
        Ok(Entry::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Entry, E> {
        Ok(Entry::Other)
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Entry, E> {
        Ok(Entry::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entry, A::Error> {
        let mut kept = Vec::new();
        while kept.len() < LIST_MAX {
            match list.next_element()? {
                Some(element) => kept.push(element),
                None => return Ok(Entry::List(kept)),
            }
        }
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry::List(kept))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut kept: Vec<(&'static str, Entry)> = Vec::new();
        while let Some(Key(key)) = map.next_key()? {
            match key {
                Some(key) => kept.push((key, map.next_value()?)),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Entry::Map(kept))
    }
}

/// A key that is read, or none.
struct Key(Option<&'static str>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl Visitor<'_> for Names {
            type Value = Key;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_str<E>(self, name: &str) -> Result<Key, E> {
                Ok(Key(KEYS.iter().find(|key| **key == name).copied()))
            }
            fn visit_bytes<E>(self, name: &[u8]) -> Result<Key, E> {
                Ok(Key(KEYS.iter().find(|key| key.as_bytes() == name).copied()))
            }
        }
        deserializer.deserialize_identifier(Names)
    }
}
