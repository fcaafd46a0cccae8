//! Other people's JSON objects: a word of an unexpected type is as good as absent.

use std::collections::BTreeMap;
use std::fmt;

use nightlatch_asset::Text;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde_json::value::RawValue;

/// An object whose values are looked at only when somebody asks for them.
#[derive(Default)]
pub(crate) struct Object<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Object<'a> {
    /// Reads one object; of a key given twice, the last one counts.
    pub(crate) fn parse(text: &'a str) -> serde_json::Result<Self> {
        serde_json::from_str(text).map(Self)
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The JSON text of a value; none when absent or `null`.
    pub(crate) fn raw(&self, key: &str) -> Option<&'a str> {
        self.0.get(key).map(|value| value.get()).filter(|text| *text != "null")
    }

    /// A text, or a number as text (versions are given both ways).
    pub(crate) fn text(&self, key: &str) -> Option<Text> {
        text(self.raw(key)?)
    }

    /// A number of type `T`; also one written as a text, as many tools do that wrote JSON by hand.
    pub(crate) fn number<T: DeserializeOwned>(&self, key: &str) -> Option<T> {
        let raw = self.raw(key)?;
        let bare = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(raw);
        serde_json::from_str(bare.trim()).ok()
    }

    /// An object.
    pub(crate) fn object(&self, key: &str) -> Option<Object<'a>> {
        Self::parse(self.raw(key)?).ok()
    }

    /// The texts of a list; a single text is a list of one.
    pub(crate) fn texts(&self, key: &str) -> Vec<Text> {
        let Some(raw) = self.raw(key) else { return Vec::new() };
        match serde_json::from_str::<Vec<&RawValue>>(raw) {
            Ok(list) => list.into_iter().filter_map(|value| text(value.get())).collect(),
            Err(_) => text(raw).into_iter().collect(),
        }
    }
}

fn text(raw: &str) -> Option<Text> {
    if raw.starts_with('"') {
        return serde_json::from_str::<Lossy>(raw).ok().map(|lossy| Text::from(lossy.0));
    }
    raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()).then(|| Text::from(raw))
}

/// A string in which an unpaired surrogate became U+FFFD, where `String` would refuse it: crawlers put
/// binary banners into JSON.
struct Lossy(String);

impl<'de> Deserialize<'de> for Lossy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Lossy;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Lossy, E> {
                Ok(Lossy(String::from_utf8_lossy(bytes).into_owned()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Lossy, E> {
                Ok(Lossy(text.to_owned()))
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrong_type_is_absence() {
        let object = Object::parse(
            r#"{"a":1,"b":"x","c":null,"d":{"e":"\ud800y"},"f":["p",2,null,[3]],"g":"one","h":"A\u00e9\n"}"#,
        )
        .unwrap();
        assert_eq!(object.text("a"), Some("1".into()));
        assert_eq!(object.text("c"), None);
        assert_eq!(object.text("d"), None);
        assert_eq!(object.text("h"), Some("Aé\n".into()));
        assert_eq!(object.number::<u16>("b"), None);
        assert_eq!(object.number::<u16>("a"), Some(1));
        let texts =
            Object::parse(r#"{"a":"443","b":"-1.5","c":"70000","d":"true","e":"","f":"\"1"}"#).unwrap();
        assert_eq!(texts.number::<u16>("a"), Some(443));
        assert_eq!(texts.number::<f64>("b"), Some(-1.5));
        for wrong in ["b", "c", "d", "e", "f"] {
            assert_eq!(texts.number::<u16>(wrong), None, "{wrong}");
        }
        assert!(object.object("a").is_none());
        assert!(object.object("d").unwrap().text("e").unwrap().raw().ends_with('y'));
        assert_eq!(object.texts("f"), [Text::from("p"), Text::from("2")]);
        assert_eq!(object.texts("g"), [Text::from("one")]);
        assert_eq!(object.texts("zz"), []);
    }
}
