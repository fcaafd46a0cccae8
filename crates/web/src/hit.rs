//! One record as a card: the same words in searches and on the page of a host. Text from outside stays as it is; the
//! template escapes it.

use std::net::IpAddr;

use nightlatch_asset::{Field, Record, Text, Timestamp};

use crate::{
    escape, link,
    words::{ago, minute},
};

/// Characters of the response that a card shows; its box scrolls.
const DATA_CHARS_MAX: usize = 700;
/// Names and tags that a card shows.
const LIST_MAX: usize = 12;

/// A word with what it leads to.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) href: String,
}

/// One record as a card.
#[derive(Clone, Debug)]
pub(crate) struct Hit {
    pub(crate) address: String,
    pub(crate) href: String,
    pub(crate) exposure: &'static str,
    pub(crate) proof: &'static str,
    pub(crate) severity: &'static str,
    pub(crate) product: String,
    pub(crate) version: String,
    pub(crate) why: String,
    pub(crate) protocol: String,
    pub(crate) names: String,
    pub(crate) owner: Option<Word>,
    pub(crate) org: Option<Word>,
    pub(crate) place: String,
    pub(crate) title: String,
    pub(crate) tags: Vec<Word>,
    pub(crate) data: String,
    pub(crate) seen: String,
    pub(crate) seen_exactly: String,
}

pub(crate) fn raw(text: Option<&Text>) -> String {
    text.map(|text| text.raw().to_owned()).unwrap_or_default()
}

fn word(field: Field, text: &str) -> Word {
    Word {
        text: text.to_owned(),
        href: link::filter(field, text).map_or_else(String::new, |query| link::search(&query)),
    }
}

/// Names, at most twelve, as one line.
pub(crate) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a Text>) -> String {
    let more = names.len().saturating_sub(LIST_MAX);
    let mut out =
        names.take(LIST_MAX).map(|name| escape::cut(name.raw(), 253)).collect::<Vec<_>>().join(", ");
    if more > 0 {
        out.push_str(&format!(" and {more} more"));
    }
    out
}

/// An address and port as one writes them.
pub(crate) fn address(ip: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(ip, port).to_string()
}

impl Hit {
    pub(crate) fn of(record: &Record, now: Timestamp) -> Self {
        let seen = &record.observation;
        let verdict = &seen.verdict;
        let place = seen.place.as_ref();
        let parts = [
            place.and_then(|p| p.city.as_ref()),
            place.and_then(|p| p.country_name.as_ref().or(p.country_code.as_ref())),
        ];
        let cloud = seen.cloud.as_ref().map(|cloud| {
            let region = cloud.region.as_ref().map(|region| format!(" {}", region.raw())).unwrap_or_default();
            format!("{}{region}", cloud.provider.raw())
        });
        let place: Vec<String> =
            parts.into_iter().flatten().map(|text| escape::cut(text.raw(), 80)).chain(cloud).collect();
        let network = seen.network.as_ref();
        Self {
            address: address(seen.ip, seen.port),
            href: format!("{}#{}", link::host(seen.ip), anchor(seen.port, seen.transport.as_str())),
            exposure: verdict.exposure.as_str(),
            proof: verdict.proof.map_or("", |proof| proof.as_str()),
            severity: verdict.severity.as_str(),
            product: escape::cut(&raw(verdict.product.as_ref()), 120),
            version: escape::cut(&raw(verdict.version.as_ref()), 80),
            why: escape::cut(verdict.why.raw(), 400),
            protocol: escape::cut(&seen.protocol, 40),
            names: listed(seen.hostnames.iter()),
            owner: seen.owner.as_ref().map(|owner| word(Field::Owner, owner.raw())),
            org: network.and_then(|n| n.org.as_ref()).map(|org| word(Field::Org, org.raw())),
            place: place.join(", "),
            title: escape::cut(&raw(seen.http.as_ref().and_then(|http| http.title.as_ref())), 200),
            tags: seen.tags.iter().take(LIST_MAX).map(|tag| word(Field::Tag, tag.raw())).collect(),
            data: escape::cut(escape::lines(seen.data.raw()).trim_end(), DATA_CHARS_MAX),
            seen: ago(record.last_seen, now),
            seen_exactly: minute(record.last_seen),
        }
    }
}

/// Where a service stands on the page of its host.
pub(crate) fn anchor(port: u16, transport: &str) -> String {
    format!("port-{port}-{transport}")
}
