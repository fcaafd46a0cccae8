//! `/api/v1/hosts` and `/api/v1/endpoints`: an address now and over time.

use std::{net::IpAddr, sync::Arc};

use axum::extract::{Path, State};
use jiff::Timestamp;
use nightlatch_asset::{Exposure, Record, Severity, Text, Transport};
use nightlatch_control::{Event, EventFilter};
use nightlatch_gate::Caller;
use nightlatch_store::View;
use serde::Serialize;
use utoipa::ToSchema;

use super::shapes;
use crate::{
    Api, answer,
    params::Params,
    trouble::{Reply, Trouble, shown},
};

/// Events told of one address.
const EVENTS_MAX: u32 = 500;

/// An address: what answers there, and what changed.
#[derive(Serialize, ToSchema)]
pub(super) struct Host {
    /// The address.
    #[schema(value_type = String)]
    ip: IpAddr,
    /// How far its widest door opens now.
    #[schema(value_type = shapes::Exposure)]
    exposure: Exposure,
    /// How bad its worst service is now.
    #[schema(value_type = shapes::Severity)]
    severity: Severity,
    /// Who answers for it.
    #[schema(value_type = Option<String>)]
    owner: Option<Text>,
    /// By port; with `history=true` all that was ever seen, newest first within a port.
    #[schema(value_type = Vec<shapes::Record>)]
    observations: Vec<Record>,
    /// What changed, newest first, at most 500.
    #[schema(value_type = Vec<shapes::Event>)]
    events: Vec<Event>,
}

/// One port of an address over time.
#[derive(Serialize, ToSchema)]
pub(super) struct EndpointHistory {
    /// When it was first seen at all.
    #[schema(value_type = String, format = DateTime)]
    first_seen: Timestamp,
    /// How it stood, oldest first.
    timeline: Vec<Stage>,
    /// All answers, newest first.
    #[schema(value_type = Vec<shapes::Record>)]
    observations: Vec<Record>,
}

/// A time during which an endpoint stood the same.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(super) struct Stage {
    /// Its beginning.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// When it was last seen so.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
    /// How far the door opened.
    #[schema(value_type = shapes::Exposure)]
    exposure: Exposure,
    /// The product.
    #[schema(value_type = Option<String>)]
    product: Option<Text>,
    /// Its version.
    #[schema(value_type = Option<String>)]
    version: Option<Text>,
}

/// Answers that differ in neither state, product nor version are one stage.
fn stages(records: &[Record]) -> Vec<Stage> {
    let mut by_time: Vec<&Record> = records.iter().collect();
    by_time.sort_by_key(|record| (record.observation.time, record.id));
    let mut stages: Vec<Stage> = Vec::new();
    for record in by_time {
        let verdict = &record.observation.verdict;
        let same = |stage: &Stage| {
            stage.exposure == verdict.exposure
                && stage.product == verdict.product
                && stage.version == verdict.version
        };
        match stages.last_mut().filter(|stage| same(stage)) {
            Some(stage) => stage.until = stage.until.max(record.last_seen),
            None => stages.push(Stage {
                from: record.observation.time,
                until: record.last_seen,
                exposure: verdict.exposure,
                product: verdict.product.clone(),
                version: verdict.version.clone(),
            }),
        }
    }
    stages
}

pub(super) fn address(text: &str) -> Result<IpAddr, Trouble> {
    let ip = text.parse::<IpAddr>().map(|ip| ip.to_canonical());
    ip.map_err(|_| Trouble::bad_value("ip", format!("must be an address, not `{}`", shown(text))))
}

/// What answers at an address, and what changed there.
#[utoipa::path(get, path = "/api/v1/hosts/{ip}", tag = "hosts", params(
    ("ip" = String, Path, description = "IPv4 or IPv6 address.", example = "192.0.2.1"),
    ("history" = Option<bool>, Query, description = "Also what answered earlier."),
), responses((status = 200, description = "The host.", body = Host)))]
pub(super) async fn host(
    State(api): State<Arc<Api>>,
    _: Caller,
    Path(ip): Path<String>,
    params: Params,
) -> Reply {
    params.only(&["history"])?;
    let ip = address(&ip)?;
    let view = if params.flag("history", false)? { View::History } else { View::Latest };
    let records = api.app.ask(move |snapshot| snapshot.host(ip, view)).await?;
    if records.is_empty() {
        return Err(Trouble::absent(format!("nothing was seen at {ip}")));
    }
    let filter = EventFilter { ip: Some(ip), ..EventFilter::default() };
    let events = api.read(move |app, _| Ok(app.control().events(&filter, EVENTS_MAX)?)).await?;
    let now = || records.iter().filter(|record| record.latest).map(|record| &record.observation);
    let host = Host {
        ip,
        exposure: now().map(|seen| seen.verdict.exposure).max().unwrap_or_default(),
        severity: now().map(|seen| seen.verdict.severity).max().unwrap_or_default(),
        owner: now().find_map(|seen| seen.owner.clone()),
        events,
        observations: records,
    };
    answer::json(&host)
}

/// One port of an address over time.
#[utoipa::path(get, path = "/api/v1/endpoints/{ip}/{port}/{transport}", tag = "hosts", params(
    ("ip" = String, Path, description = "IPv4 or IPv6 address."),
    ("port" = u16, Path, description = "The port.", maximum = 65535),
    ("transport" = String, Path, description = "tcp or udp."),
), responses((status = 200, description = "Its history.", body = EndpointHistory)))]
pub(super) async fn endpoint(
    State(api): State<Arc<Api>>,
    _: Caller,
    Path((ip, port, transport)): Path<(String, String, String)>,
    params: Params,
) -> Reply {
    params.only(&[])?;
    let ip = address(&ip)?;
    let port: u16 = port
        .parse()
        .map_err(|_| Trouble::bad_value("port", format!("must be a port number, not `{}`", shown(&port))))?;
    let transport: Transport = transport.parse().map_err(|_| {
        Trouble::bad_value("transport", format!("must be tcp or udp, not `{}`", shown(&transport)))
    })?;
    let mut records = api.app.ask(move |snapshot| snapshot.host(ip, View::History)).await?;
    records.retain(|record| record.observation.port == port && record.observation.transport == transport);
    let Some(first_seen) = records.iter().map(|record| record.first_seen).min() else {
        return Err(Trouble::absent(format!("nothing was seen at {ip} port {port}/{transport}")));
    };
    answer::json(&EndpointHistory { first_seen, timeline: stages(&records), observations: records })
}

#[cfg(test)]
mod tests {
    use nightlatch_store::{MemoryStore, Store, synthetic};

    use super::*;

    #[test]
    fn stages_begin_where_the_state_changes() {
        let base = synthetic::observations(7, 1).next().unwrap();
        let mut store = MemoryStore::new();
        let at = |second: i64, exposure, data: &str| {
            let mut seen = base.clone();
            seen.time = Timestamp::from_second(second).unwrap();
            seen.verdict.exposure = exposure;
            seen.data = data.into();
            seen
        };
        let limited = Exposure::Limited;
        store
            .ingest(&[
                at(1, limited, "a"),
                at(2, limited, "b"),
                at(3, Exposure::Readable, "b"),
                at(4, limited, "a"),
            ])
            .unwrap();
        let records = store.snapshot().unwrap().host(base.ip, View::History).unwrap();
        let told: Vec<_> = stages(&records)
            .into_iter()
            .map(|stage| (stage.from.as_second(), stage.until.as_second(), stage.exposure))
            .collect();
        assert_eq!(told, [(1, 2, limited), (3, 3, Exposure::Readable), (4, 4, limited)]);
    }
}
