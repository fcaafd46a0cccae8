//! `/dns`: names as observations know them. Nobody is asked: a lookup would tell others what is looked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use axum::extract::{Path, State};
use nightlatch_asset::{Field, Record, Text, Timestamp, token};
use nightlatch_gate::Caller;
use nightlatch_query::{Expr, Match, Test};
use nightlatch_store::{Selection, Snapshot, Sort, StoreError, View};
use serde::Serialize;

use super::host::addresses;
use crate::{
    Api, answer,
    params::Params,
    trouble::{Reply, Trouble, shown},
};

/// Records looked at for one page of a domain.
const PAGE_RECORDS: usize = 1000;
/// Most names of one request.
const NAMES_MAX: usize = 100;
/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 253;

#[derive(Debug, PartialEq, Serialize)]
struct Domain {
    domain: String,
    tags: Vec<&'static str>,
    subdomains: BTreeSet<String>,
    data: Vec<Entry>,
    more: bool,
}

#[derive(Debug, PartialEq, Serialize)]
struct Entry {
    subdomain: String,
    #[serde(rename = "type")]
    kind: &'static str,
    value: String,
    last_seen: String,
    ports: BTreeSet<u16>,
}

/// Records that have a name in `domain`, perhaps: words are compared, so `a-b.com` finds `a.b.com` as well.
fn named(domain: &str) -> Expr {
    Expr::Match(Match { field: Field::Hostname, tests: vec![Test::Phrase(token::words(domain).collect())] })
}

/// What stands before `domain` in `name`; none when it is not in it.
fn before<'n>(name: &'n str, domain: &str) -> Option<&'n str> {
    let rest = name.trim_end_matches('.').strip_suffix(domain)?;
    if rest.is_empty() { Some("") } else { rest.strip_suffix('.') }
}

fn kind(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "A" } else { "AAAA" }
}

impl Domain {
    fn of(domain: &str, wanted: Option<&str>, records: &[Record], more: bool) -> Self {
        let mut known: BTreeMap<(String, IpAddr), (Timestamp, BTreeSet<u16>)> = BTreeMap::new();
        for record in records {
            let seen = &record.observation;
            for name in &seen.hostnames {
                let name = name.raw().to_lowercase();
                let Some(subdomain) = before(&name, domain) else { continue };
                let (last, ports) = known
                    .entry((subdomain.to_owned(), seen.ip))
                    .or_insert((record.last_seen, BTreeSet::new()));
                *last = record.last_seen.max(*last);
                ports.insert(seen.port);
            }
        }
        let entries = known.into_iter().map(|((subdomain, ip), (last, ports))| Entry {
            subdomain,
            kind: kind(ip),
            value: ip.to_string(),
            last_seen: super::time(last),
            ports,
        });
        let data: Vec<Entry> =
            entries.filter(|entry| wanted.is_none_or(|wanted| entry.kind == wanted)).collect();
        let subdomains =
            data.iter().map(|entry| entry.subdomain.clone()).filter(|name| !name.is_empty()).collect();
        Self { domain: domain.to_owned(), tags: Vec::new(), subdomains, data, more }
    }
}

fn name(text: &str) -> Result<String, Trouble> {
    let name = text.trim().trim_end_matches('.').to_lowercase();
    let plain = name.chars().all(|c| c.is_alphanumeric() || "-_.".contains(c));
    let right = plain && name.chars().any(char::is_alphanumeric) && name.len() <= NAME_BYTES_MAX;
    if right { Ok(name) } else { Err(Trouble::bad(format!("`{}` is no host name", shown(text)))) }
}

pub(super) async fn domain(
    State(api): State<Arc<Api>>,
    _: Caller,
    Path(text): Path<String>,
    params: Params,
) -> Reply {
    let domain = name(&text)?;
    let page = params.number("page", 1, u32::MAX as usize)?.unwrap_or(1);
    let view = if params.flag("history", false)? { View::History } else { View::Latest };
    let wanted = params.text("type").filter(|kind| !kind.is_empty()).map(str::to_ascii_uppercase);
    let answer = api
        .app
        .ask(move |snapshot| {
            let selection = Selection { expr: named(&domain), view };
            let skip = (page - 1).saturating_mul(PAGE_RECORDS);
            let mut records = snapshot.search(&selection, Sort::Newest, skip, PAGE_RECORDS + 1)?;
            let more = records.len() > PAGE_RECORDS;
            records.truncate(PAGE_RECORDS);
            let none = page == 1 && records.is_empty();
            Ok((!none).then(|| Domain::of(&domain, wanted.as_deref(), &records, more)))
        })
        .await?;
    match answer {
        Some(domain) => answer::json(&domain),
        None => Err(Trouble::absent("No information available for that domain.")),
    }
}

/// The newest address of each name, IPv4 first.
pub(super) async fn resolve(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    let names = list(params.required("hostnames")?, "hostnames")?;
    let names = names.into_iter().map(name).collect::<Result<Vec<_>, _>>()?;
    let found = api
        .app
        .ask(move |snapshot| {
            names
                .into_iter()
                .map(|name| Ok((address(snapshot, &name)?.map(|ip| ip.to_string()), name)))
                .map(|found: Result<_, StoreError>| found.map(|(ip, name)| (name, ip)))
                .collect::<Result<BTreeMap<_, _>, _>>()
        })
        .await?;
    answer::json(&found)
}

fn address(snapshot: &dyn Snapshot, name: &str) -> Result<Option<IpAddr>, StoreError> {
    let selection = Selection { expr: named(name), view: View::Latest };
    let records = snapshot.search(&selection, Sort::Newest, 0, PAGE_RECORDS)?;
    let same = |record: &&Record| {
        record.observation.hostnames.iter().any(|known| known.raw().eq_ignore_ascii_case(name))
    };
    let ips: Vec<IpAddr> = records.iter().filter(same).map(|record| record.observation.ip).collect();
    Ok(ips.iter().find(|ip| ip.is_ipv4()).or(ips.first()).copied())
}

/// The names of each address.
pub(super) async fn reverse(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    let text = params.required("ips")?;
    list(text, "ips")?;
    let ips = addresses(text)?;
    let found = api
        .app
        .ask(move |snapshot| {
            let mut found: BTreeMap<String, Option<BTreeSet<Text>>> = BTreeMap::new();
            for ip in ips {
                let records = snapshot.host(ip, View::Latest)?;
                let names: BTreeSet<Text> =
                    records.into_iter().flat_map(|record| record.observation.hostnames).collect();
                found.insert(ip.to_string(), (!names.is_empty()).then_some(names));
            }
            Ok(found)
        })
        .await?;
    answer::json(&found)
}

fn list<'t>(text: &'t str, name: &str) -> Result<Vec<&'t str>, Trouble> {
    let parts: Vec<&str> = text.split(',').filter(|part| !part.trim().is_empty()).collect();
    match parts.len() > NAMES_MAX {
        true => Err(Trouble::bad_value(name, format!("names more than {NAMES_MAX} at once"))),
        false => Ok(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subdomains_are_cut_at_a_dot() {
        for (name, expected) in [
            ("example.com", Some("")),
            ("a.b.example.com", Some("a.b")),
            ("example.com.", Some("")),
            ("notexample.com", None),
            ("example.com.evil.net", None),
        ] {
            assert_eq!(before(name, "example.com"), expected, "{name}");
        }
    }

    #[test]
    fn names_are_names() {
        assert_eq!(name("Example.COM.").unwrap(), "example.com");
        for text in ["", ".", "a b", "x\u{1b}[2J", &"a".repeat(254), "a/b"] {
            assert!(name(text).is_err(), "{text:?}");
        }
    }
}
