//! Counting by value: which fields are asked for, and how their values are written.

use nightlatch_asset::{CATALOGUE, Field, Kind, nearest};
use nightlatch_store::{Facet, Selection, Snapshot, StoreError};
use serde::Serialize;
use serde_json::Value;

use crate::{
    answer::Ordered,
    trouble::{Trouble, shown},
};

/// Most fields counted at once.
pub(crate) const FACETS_MAX: usize = 20;
/// Most values of one field.
pub(crate) const SIZE_MAX: usize = 1000;
/// Values of a field that does not say how many.
const SIZE_DEFAULT: usize = 5;

/// A field to be counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Asked {
    /// The name as asked for: the answer has the same.
    pub(crate) name: String,
    pub(crate) field: Field,
    pub(crate) size: usize,
}

/// One value of a field and how many have it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Count {
    pub(crate) count: u64,
    pub(crate) value: Value,
}

/// Reads `country,org:20`: names separated by commas, each with a number of values after a colon or not.
///
/// - `parameter`: its name, for messages.
pub(crate) fn asked(parameter: &str, text: &str) -> Result<Vec<Asked>, Trouble> {
    let mut all: Vec<Asked> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        if all.len() == FACETS_MAX {
            return Err(Trouble::bad_value(parameter, format!("names more than {FACETS_MAX} facets")));
        }
        let (name, size) = match part.split_once(':') {
            None => (part, SIZE_DEFAULT),
            Some((name, size)) => (name, sized(parameter, name, size)?),
        };
        if !all.iter().any(|known| known.name == name) {
            all.push(Asked { name: name.to_owned(), field: named(parameter, name)?, size });
        }
    }
    Ok(all)
}

fn sized(parameter: &str, name: &str, size: &str) -> Result<usize, Trouble> {
    let size = size.trim().parse().ok().filter(|size| (1..=SIZE_MAX).contains(size));
    size.ok_or_else(|| {
        Trouble::bad_value(
            parameter,
            format!("must ask for 1 to {SIZE_MAX} values of facet `{}`", shown(name)),
        )
    })
}

fn named(parameter: &str, name: &str) -> Result<Field, Trouble> {
    if let Ok(field) = Field::named(name)
        && field.info().facet
    {
        return Ok(field);
    }
    let hint =
        nearest(name, names()).map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default();
    Err(Trouble::bad_value(parameter, format!("names the unknown facet `{}`{hint}", shown(name))))
}

/// Every name a facet may have.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CATALOGUE
        .iter()
        .filter(|info| info.facet)
        .flat_map(|info| std::iter::once(info.name).chain(info.aliases.iter().copied()))
}

/// Counts the fields, in the order asked.
pub(crate) fn count(
    snapshot: &dyn Snapshot,
    selection: &Selection,
    asked: &[Asked],
) -> Result<Ordered<Vec<Count>>, StoreError> {
    let mut counted = Vec::with_capacity(asked.len());
    for one in asked {
        let facet = snapshot.facet(selection, one.field, one.size)?;
        counted.push((one.name.clone(), counts(one.field, facet)));
    }
    Ok(Ordered(counted))
}

/// The values of a facet, numbers as numbers.
pub(crate) fn counts(field: Field, facet: Facet) -> Vec<Count> {
    let count =
        |bucket: nightlatch_store::Bucket| Count { count: bucket.count, value: value(field, bucket.value) };
    facet.buckets.into_iter().map(count).collect()
}

pub(crate) fn value(field: Field, text: String) -> Value {
    match (field.info().kind, text.parse::<i64>()) {
        (Kind::Number { .. }, Ok(number)) => number.into(),
        (Kind::Flag, _) => (text == "true").into(),
        _ => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sizes_and_order_are_read() {
        let read = |text| {
            asked("facets", text)
                .map(|all| all.into_iter().map(|one| (one.name, one.field, one.size)).collect::<Vec<_>>())
        };
        let expected = vec![
            ("state".to_owned(), Field::Region, 5),
            ("port".to_owned(), Field::Port, 20),
            ("country".to_owned(), Field::Country, 1000),
        ];
        assert_eq!(read("state, port:20,country:1000,port:3,"), Ok(expected));
        assert_eq!(read(""), Ok(vec![]));
        let repeated = "port,org,asn,isp,os,".repeat(2000);
        for (text, part) in [
            ("countri", "did you mean `country`?"),
            ("data", "unknown facet `data`"),
            ("port:0", "1 to 1000 values of facet `port`"),
            ("port:1001", "1 to 1000"),
            ("port:x", "1 to 1000"),
            (repeated.as_str(), ""),
        ] {
            match read(text) {
                Err(trouble) => assert!(trouble.detail.contains(part), "{}", trouble.detail),
                Ok(all) => assert_eq!(all.len(), 5, "repetitions are one"),
            }
        }
        let many: Vec<_> = names().collect();
        assert!(read(&many.join(",")).unwrap_err().detail.contains("more than 20"));
    }

    #[test]
    fn numbers_and_flags_are_no_texts() {
        assert_eq!(value(Field::Port, "443".into()), Value::from(443));
        assert_eq!(value(Field::Hash, "-5".into()), Value::from(-5));
        assert_eq!(value(Field::SslExpired, "true".into()), Value::from(true));
        assert_eq!(value(Field::Version, "7".into()), Value::from("7"));
    }
}
