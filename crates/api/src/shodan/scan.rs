//! `/shodan/scan`: runs on demand. A scan is a run, and its id is the run's name.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::{Path, State};
use nightlatch_app::{App, Origin, Phase, RunSpec};
use nightlatch_asset::{RunId, Timestamp};
use nightlatch_control::{Kept, Role};
use nightlatch_gate::Caller;
use nightlatch_scope::{AddressRange, Target};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    Api, answer,
    caller::{need, owns},
    params::{Form, Params},
    trouble::{Reply, Trouble, shown},
};

/// Most endpoints that are written out where networks have ports of their own.
const ENDPOINTS_MAX: u128 = 65_536;
/// Most targets of one scan.
const TARGETS_MAX: usize = 10_000;
/// Scans of a page.
const PAGE_SCANS: usize = 100;
/// There are no credits; clients want a number.
const CREDITS_LEFT: u64 = 1_000_000;

/// A scan that somebody asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct ScanRequest {
    /// The run.
    id: String,
    /// Whose it is.
    owner_key: String,
    /// Addresses.
    size: u64,
    created: Timestamp,
}

impl Kept for ScanRequest {
    const KIND: &'static str = "scan-request";

    fn id(&self) -> &str {
        &self.id
    }
}

/// What `ips` says.
#[derive(Debug, Default, PartialEq)]
struct Asked {
    targets: Vec<String>,
    ports: Option<String>,
    /// Addresses, each counted as often as it is named.
    size: u64,
}

impl Asked {
    /// Reads networks separated by commas, or an object of networks with their ports and protocols.
    fn of(text: &str) -> Result<Self, Trouble> {
        if text.trim_start().starts_with('{') {
            return Self::of_object(text);
        }
        let targets: Vec<String> =
            text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect();
        few(targets.len())?;
        if targets.is_empty() {
            return Err(Trouble::bad_value("ips", "names no address"));
        }
        let mut size = 0u64;
        for target in &targets {
            size = size.saturating_add(addresses(target)?);
        }
        Ok(Self { targets, ports: None, size })
    }

    /// Protocols are found out by looking, whatever was guessed.
    fn of_object(text: &str) -> Result<Self, Trouble> {
        let told: BTreeMap<String, Vec<(u16, serde_json::Value)>> = serde_json::from_str(text)
            .map_err(|_| Trouble::bad_value("ips", "must be like {\"192.0.2.1\": [[443, \"https\"]]}"))?;
        few(told.len())?;
        let mut by_network: Vec<(AddressRange, Vec<u16>)> = Vec::new();
        let mut size = 0u64;
        for (network, services) in told {
            let range: AddressRange = network.trim().parse().map_err(|error| {
                Trouble::bad_value("ips", format!("holds `{}`: {error}", shown(&network)))
            })?;
            let mut ports: Vec<u16> = services.into_iter().map(|(port, _)| port).collect();
            ports.sort_unstable();
            ports.dedup();
            if ports.is_empty() || ports.contains(&0) {
                return Err(Trouble::bad_value("ips", format!("names no port of {range}")));
            }
            size = size.saturating_add(u64::try_from(range.count()).unwrap_or(u64::MAX));
            by_network.push((range, ports));
        }
        let Some((_, first)) = by_network.first() else {
            return Err(Trouble::bad_value("ips", "names no address"));
        };
        if by_network.iter().all(|(_, ports)| ports == first) {
            let ports = first.iter().map(u16::to_string).collect::<Vec<_>>().join(",");
            let targets = by_network.iter().map(|(range, _)| range.to_string()).collect();
            return Ok(Self { targets, ports: Some(ports), size });
        }
        let endpoints: u128 =
            by_network.iter().map(|(range, ports)| range.count() * ports.len() as u128).sum();
        if endpoints > ENDPOINTS_MAX {
            return Err(Trouble::bad_value(
                "ips",
                format!("has more than {ENDPOINTS_MAX} endpoints with ports that differ; send several scans"),
            ));
        }
        let mut targets = Vec::new();
        for (range, ports) in by_network {
            for ip in hosts(range) {
                targets.extend(ports.iter().map(|port| std::net::SocketAddr::new(ip, *port).to_string()));
            }
        }
        Ok(Self { targets, ports: None, size })
    }
}

/// Reads `ips` and gives the number of addresses.
pub(crate) fn read(ips: &str) -> Result<u64, Trouble> {
    Ok(Asked::of(ips)?.size)
}

fn few(count: usize) -> Result<(), Trouble> {
    match count > TARGETS_MAX {
        true => Err(Trouble::bad_value("ips", format!("names more than {TARGETS_MAX} targets"))),
        false => Ok(()),
    }
}

/// The addresses of a range that is known to be small.
fn hosts(range: AddressRange) -> impl Iterator<Item = std::net::IpAddr> {
    use std::net::IpAddr;
    let (first, count) = (range.first(), range.count());
    (0..count).map(move |step| match first {
        IpAddr::V4(v4) => IpAddr::V4(u32::from(v4).saturating_add(u32::try_from(step).unwrap_or(0)).into()),
        IpAddr::V6(v6) => IpAddr::V6(u128::from(v6).saturating_add(step).into()),
    })
}

fn addresses(target: &str) -> Result<u64, Trouble> {
    let read: Target = target
        .parse()
        .map_err(|error| Trouble::bad_value("ips", format!("holds `{}`: {error}", shown(target))))?;
    Ok(match read {
        Target::Range(range) => u64::try_from(range.count()).unwrap_or(u64::MAX),
        _ => 1,
    })
}

/// Where a scan stands, in Shodan's words.
fn standing(app: &App, id: &str) -> Result<&'static str, Trouble> {
    let id = RunId(id.to_owned());
    if let Some(live) = app.live_runs().into_iter().find(|live| live.id == id) {
        return Ok(match live.phase {
            Phase::Queued | Phase::WaitingForStore => "QUEUE",
            Phase::Running | Phase::Stopping => "PROCESSING",
        });
    }
    // Finished, stopped or failed: nothing more comes of it.
    Ok("DONE")
}

async fn begin(api: &Api, caller: &Caller, spec: RunSpec, size: u64) -> Result<ScanRequest, Trouble> {
    api.room_for_run(caller)?;
    let begun = api.app.start_run(&spec, Origin::Key(caller.key.id.clone()), &caller.key.label).await;
    let (who, outcome) = (caller.clone(), begun.map_err(Trouble::from));
    let object = spec.targets.iter().take(5).cloned().collect::<Vec<_>>().join(",");
    api.change(caller, "scan.submit", &object, move |app, now| {
        let request = ScanRequest { id: outcome?.0, owner_key: who.key.id, size, created: now };
        app.control().put(&request, now)?;
        Ok(request)
    })
    .await
}

pub(super) async fn submit(State(api): State<Arc<Api>>, caller: Caller, Form(params): Form) -> Reply {
    need(&caller, Role::Operator)?;
    // Nothing is held back because it was looked at lately, so there is nothing to force.
    params.flag("force", false)?;
    let asked = Asked::of(params.required("ips")?)?;
    let spec = RunSpec { targets: asked.targets, ports: asked.ports, ..RunSpec::default() };
    let request = begin(&api, &caller, spec, asked.size).await?;
    answer::json(&json!({ "id": request.id, "count": request.size, "credits_left": CREDITS_LEFT }))
}

/// One port over all that the scope lists: this is our Internet.
pub(super) async fn internet(State(api): State<Arc<Api>>, caller: Caller, Form(params): Form) -> Reply {
    need(&caller, Role::Operator)?;
    params.required("port")?;
    let port = params.number::<u16>("port", 1, u16::MAX)?.unwrap_or_default();
    params.required("protocol")?;
    let scope = api.app.scope();
    if scope.blocks().is_empty() {
        return Err(Trouble::bad(
            "the scope lists no range, and nothing outside it is ever scanned; fill in the scope file",
        ));
    }
    let size = u64::try_from(scope.allowed().count()).unwrap_or(u64::MAX);
    let spec = RunSpec { ports: Some(port.to_string()), ..RunSpec::default() };
    let request = begin(&api, &caller, spec, size).await?;
    answer::json(&json!({ "id": request.id }))
}

pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    let page = params.number("page", 1, u32::MAX as usize)?.unwrap_or(1);
    let shown = api
        .read(move |app, _| {
            let mut mine = app.control().all::<ScanRequest>()?;
            mine.retain(|scan| owns(&caller, &scan.owner_key));
            mine.reverse();
            let total = mine.len();
            let matches = mine
                .iter()
                .skip((page - 1).saturating_mul(PAGE_SCANS))
                .take(PAGE_SCANS)
                .map(|scan| {
                    Ok(json!({
                        "id": scan.id,
                        "status": standing(app, &scan.id)?,
                        "size": scan.size,
                        "created": super::time(scan.created),
                        "status_check": super::time(Timestamp::now()),
                        "credits_left": CREDITS_LEFT,
                    }))
                })
                .collect::<Result<Vec<_>, Trouble>>()?;
            Ok(json!({ "matches": matches, "total": total }))
        })
        .await?;
    answer::json(&shown)
}

pub(super) async fn status(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Reply {
    let shown = api
        .read(move |app, _| {
            let known = app.control().get::<ScanRequest>(&id)?;
            let scan = known
                .filter(|scan| owns(&caller, &scan.owner_key))
                .ok_or_else(|| Trouble::unknown("scan", &id))?;
            Ok(json!({
                "id": scan.id,
                "count": scan.size,
                "status": standing(app, &scan.id)?,
                "created": super::time(scan.created),
            }))
        })
        .await?;
    answer::json(&shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_objects_are_read() {
        let list = Asked::of("192.0.2.1, 198.51.100.0/24").unwrap();
        assert_eq!((list.targets.len(), list.ports, list.size), (2, None, 257));
        let same = Asked::of(
            r#"{"192.0.2.1": [[443, "https"], [80, "http"]], "192.0.2.8/31": [[80, "x"], [443, "y"]]}"#,
        );
        let same = same.unwrap();
        assert_eq!((same.targets.len(), same.ports.as_deref(), same.size), (2, Some("80,443"), 3));
        let other =
            Asked::of(r#"{"192.0.2.1": [[443, "https"]], "2001:db8::/127": [[503, "modbus"]]}"#).unwrap();
        assert_eq!(other.targets, ["192.0.2.1:443", "[2001:db8::]:503", "[2001:db8::1]:503"]);
        for (text, part) in [
            ("", "no address"),
            (",", "no address"),
            ("300.1.1.1", "300.1.1.1"),
            ("{}", "no address"),
            ("{\"192.0.2.1\": 5}", "must be like"),
            ("{\"192.0.2.1\": [[99999, \"x\"]]}", "must be like"),
            ("{\"192.0.2.1\": []}", "no port"),
            ("{\"x\": [[1, \"y\"]]}", "`x`"),
            (r#"{"10.0.0.0/8": [[1, "y"]], "192.0.2.1": [[2, "y"]]}"#, "several scans"),
            (&"192.0.2.1,".repeat(10_001), "more than 10000"),
        ] {
            let detail = Asked::of(text).unwrap_err().detail;
            assert!(detail.contains(part), "{text:.60}: {detail}");
        }
    }
}
