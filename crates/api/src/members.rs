//! JSON objects taken apart without being understood: members keep their order and their exact text.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The members of an object.
pub(crate) struct Members<'a>(pub(crate) Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    /// Takes an object apart; none when it is no object.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members_;
        impl<'de> Visitor<'de> for Members_ {
            type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    members.push((Cow::Owned(name), value));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members_).map(Self)
    }
}

/// Which members of an object are wanted, such as `ip_str` and `location.country_code`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Wanted(Vec<WantedMember>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct WantedMember {
    name: String,
    /// Wanted as it is, whatever else is wanted of it.
    whole: bool,
    deeper: Wanted,
}

/// Deepest name; what is below is one name.
const DEPTH_MAX: usize = 8;

impl Wanted {
    pub(crate) fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let mut wanted = Self::default();
        names.into_iter().for_each(|name| wanted.add(&name.splitn(DEPTH_MAX, '.').collect::<Vec<_>>()));
        wanted
    }

    fn add(&mut self, path: &[&str]) {
        let Some((name, deeper)) = path.split_first() else { return };
        let index = self.0.iter().position(|member| member.name == *name).unwrap_or_else(|| {
            self.0.push(WantedMember { name: (*name).to_owned(), whole: false, deeper: Self::default() });
            self.0.len() - 1
        });
        let member = &mut self.0[index];
        member.whole |= deeper.is_empty();
        member.deeper.add(deeper);
    }

    /// The wanted members of the object `text`, nested as they were; what is not there is left out.
    pub(crate) fn pick(&self, text: &str) -> String {
        let Some(members) = Members::of(text) else { return "{}".to_owned() };
        let mut out = String::from("{");
        for member in &self.0 {
            let Some(value) = members.get(&member.name) else { continue };
            if out.len() > 1 {
                out.push(',');
            }
            out.push_str(&serde_json::Value::from(member.name.as_str()).to_string());
            out.push(':');
            match value.get() {
                whole if member.whole => out.push_str(whole),
                object if object.starts_with('{') => out.push_str(&member.deeper.pick(object)),
                _ => out.push_str("null"),
            }
        }
        out.push('}');
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dotted_names_come_back_nested() {
        let banner = r#"{"ip_str":"192.0.2.1","port":6443,"location":{"city":null,"country_code":"DE"},"big":123456789012345678901234567890}"#;
        let check =
            |names: &[&str], expected| assert_eq!(Wanted::of(names.iter().copied()).pick(banner), expected);
        check(&["port", "ip_str"], r#"{"port":6443,"ip_str":"192.0.2.1"}"#);
        check(&["location.country_code"], r#"{"location":{"country_code":"DE"}}"#);
        check(
            &["location.country_code", "location.city", "port"],
            r#"{"location":{"country_code":"DE","city":null},"port":6443}"#,
        );
        check(&["location.city", "location"], r#"{"location":{"city":null,"country_code":"DE"}}"#);
        check(&["big"], r#"{"big":123456789012345678901234567890}"#);
        check(&["nosuch", "location.nosuch", "port.x"], r#"{"location":{},"port":null}"#);
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        assert!(Members::of("[1]").is_none());
    }
}
