//! `/shodan/host/{ip}`: what is known of an address.

use std::{collections::BTreeSet, net::IpAddr, sync::Arc};

use axum::extract::{Path, State};
use nightlatch_asset::{Exposure, Record, Severity, Text, Timestamp};
use nightlatch_banner::{Location, to_banner};
use nightlatch_gate::Caller;
use nightlatch_store::View;
use serde::Serialize;
use serde_json::value::RawValue;

use super::search::whole_banner;
use crate::{
    Api, answer,
    params::Params,
    trouble::{Reply, Trouble, shown},
};

/// Most addresses of one request.
const ADDRESSES_MAX: usize = 100;
/// What programs look for, word for word.
pub(super) const NOTHING_KNOWN: &str = "No information available for that IP.";

/// A host in Shodan's shape: its place is flat.
#[derive(Serialize)]
struct Host {
    #[serde(flatten)]
    location: Location,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<u32>,
    ip_str: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ipv6: Option<String>,
    ports: BTreeSet<u16>,
    data: Vec<Box<RawValue>>,
    hostnames: Vec<Text>,
    domains: Vec<Text>,
    tags: BTreeSet<Text>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    vulns: BTreeSet<String>,
    last_update: String,
    asn: Option<String>,
    isp: Option<Text>,
    org: Option<Text>,
    os: Option<Text>,
    nightlatch: OwnHost,
}

/// What only we know.
#[derive(Serialize)]
struct OwnHost {
    exposure: Exposure,
    severity: Severity,
    owner: Option<Text>,
    first_seen: Timestamp,
    last_seen: Timestamp,
}

impl Host {
    /// - `records`: all of one address; none when there are none.
    fn of(records: &[Record], with_data: bool) -> Option<Self> {
        let newest = records.iter().max_by_key(|record| record.observation.time)?;
        let mut by_time: Vec<&Record> = records.iter().collect();
        by_time.sort_by_key(|record| std::cmp::Reverse(record.observation.time));
        let told = |value: fn(&Record) -> Option<Text>| by_time.iter().find_map(|record| value(record));
        let placed = by_time.iter().find(|record| record.observation.place.is_some());
        let networked = by_time.iter().find(|record| record.observation.network.is_some());
        let shape = to_banner(newest);
        let network = networked.map(|record| to_banner(record));
        Some(Self {
            location: placed.map(|record| to_banner(record).location).unwrap_or_default(),
            ip: shape.ip,
            ip_str: shape.ip_str,
            ipv6: shape.ipv6,
            ports: records.iter().map(|record| record.observation.port).collect(),
            data: if with_data { records.iter().filter_map(whole_banner).collect() } else { Vec::new() },
            hostnames: once(by_time.iter().flat_map(|record| &record.observation.hostnames)),
            domains: once(by_time.iter().flat_map(|record| &record.observation.domains)),
            tags: records.iter().flat_map(|record| record.observation.tags.iter().cloned()).collect(),
            vulns: vulns(records),
            last_update: shape.timestamp,
            asn: network.as_ref().and_then(|banner| banner.asn.clone()),
            isp: network.as_ref().and_then(|banner| banner.isp.clone()),
            org: network.and_then(|banner| banner.org),
            os: told(|record| record.observation.os.clone()),
            nightlatch: OwnHost {
                exposure: current(records).map(|r| r.observation.verdict.exposure).max().unwrap_or_default(),
                severity: current(records).map(|r| r.observation.verdict.severity).max().unwrap_or_default(),
                owner: told(|record| record.observation.owner.clone()),
                first_seen: records.iter().map(|record| record.first_seen).min()?,
                last_seen: records.iter().map(|record| record.last_seen).max()?,
            },
        })
    }
}

fn current(records: &[Record]) -> impl Iterator<Item = &Record> {
    records.iter().filter(|record| record.latest)
}

/// Vulnerabilities by their public number, as far as a fingerprint found one.
pub(super) fn vulns(records: &[Record]) -> BTreeSet<String> {
    let findings = records.iter().flat_map(|record| &record.observation.verdict.findings);
    findings.map(|finding| finding.id.to_ascii_uppercase()).filter(|id| id.starts_with("CVE-")).collect()
}

/// Each value once, in the order they come.
fn once<'a>(values: impl Iterator<Item = &'a Text>) -> Vec<Text> {
    let mut known = BTreeSet::new();
    values.filter(|value| known.insert(*value)).cloned().collect()
}

/// Reads addresses separated by commas.
pub(super) fn addresses(text: &str) -> Result<Vec<IpAddr>, Trouble> {
    let parts: Vec<&str> = text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.len() > ADDRESSES_MAX {
        return Err(Trouble::bad(format!("more than {ADDRESSES_MAX} addresses at once")));
    }
    let read = |part: &str| {
        let ip = part.parse::<IpAddr>().map(|ip| ip.to_canonical());
        ip.map_err(|_| Trouble::bad(format!("Invalid IP: `{}`", shown(part))))
    };
    let ips = parts.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
    if ips.is_empty() { Err(Trouble::bad("Invalid IP")) } else { Ok(ips) }
}

/// One address as an object, several as a list.
pub(super) async fn host(
    State(api): State<Arc<Api>>,
    _: Caller,
    Path(ips): Path<String>,
    params: Params,
) -> Reply {
    let (ips, is_list) = (addresses(&ips)?, ips.contains(','));
    let view = if params.flag("history", false)? { View::History } else { View::Latest };
    let with_data = !params.flag("minify", false)?;
    let hosts = api
        .app
        .ask(move |snapshot| {
            let mut hosts = Vec::new();
            for ip in ips {
                hosts.extend(Host::of(&snapshot.host(ip, view)?, with_data));
            }
            Ok(hosts)
        })
        .await?;
    match (hosts.as_slice(), is_list) {
        ([], _) => Err(Trouble::absent(NOTHING_KNOWN)),
        ([one], false) => answer::json(one),
        (hosts, _) => answer::json(hosts),
    }
}

#[derive(Serialize)]
struct InternetDb {
    ip: String,
    ports: BTreeSet<u16>,
    cpes: BTreeSet<Text>,
    hostnames: Vec<Text>,
    tags: BTreeSet<Text>,
    vulns: BTreeSet<String>,
}

/// The few facts that some tools ask InternetDB for.
pub(super) async fn internetdb(State(api): State<Arc<Api>>, _: Caller, Path(ip): Path<String>) -> Reply {
    let Some(ip) = addresses(&ip)?.first().copied() else { return Err(Trouble::bad("Invalid IP")) };
    let records = api.app.ask(move |snapshot| snapshot.host(ip, View::Latest)).await?;
    if records.is_empty() {
        return Err(Trouble::absent(NOTHING_KNOWN));
    }
    answer::json(&InternetDb {
        ip: ip.to_string(),
        ports: records.iter().map(|record| record.observation.port).collect(),
        cpes: records.iter().flat_map(|record| to_banner(record).cpe).collect(),
        hostnames: once(records.iter().flat_map(|record| &record.observation.hostnames)),
        tags: records.iter().flat_map(|record| record.observation.tags.iter().cloned()).collect(),
        vulns: vulns(&records),
    })
}

#[cfg(test)]
mod tests {
    use nightlatch_store::{MemoryStore, Store, synthetic};
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_place_is_flat_and_unknown_values_are_null() {
        let mut store = MemoryStore::new();
        let mut seen = synthetic::observations(7, 1).next().unwrap();
        (seen.place, seen.network, seen.os) = (None, None, None);
        let ip = seen.ip;
        store.ingest(&[seen]).unwrap();
        let records = store.snapshot().unwrap().host(ip, View::Latest).unwrap();
        let shown: Value = serde_json::to_value(Host::of(&records, true).unwrap()).unwrap();
        for name in [
            "city",
            "region_code",
            "area_code",
            "postal_code",
            "dma_code",
            "country_code",
            "country_code3",
            "country_name",
            "latitude",
            "longitude",
            "asn",
            "isp",
            "org",
            "os",
        ] {
            assert_eq!(shown.get(name), Some(&Value::Null), "{name}");
        }
        assert!(shown.get("vulns").is_none() && shown["ports"].is_array() && shown["hostnames"].is_array());
        assert_eq!(shown["data"].as_array().unwrap().len(), 1);
        assert!(Host::of(&[], true).is_none());
    }

    #[test]
    fn addresses_are_read_in_both_families() {
        assert_eq!(addresses("192.0.2.1, 2001:db8::1").unwrap().len(), 2);
        assert_eq!(addresses("::ffff:192.0.2.1").unwrap(), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert!(addresses("example.com").unwrap_err().detail.starts_with("Invalid IP"));
        assert!(addresses(",").is_err());
        assert!(addresses(&"192.0.2.1,".repeat(101)).is_err());
    }
}
