//! `/api/v1/runs`: begun, watched, stopped, gone on with.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use nightlatch_app::{LiveRun, Origin, Phase, RunSpec};
use nightlatch_asset::RunId;
use nightlatch_control::Role;
use nightlatch_gate::Caller;
use serde::Serialize;
use utoipa::ToSchema;

use super::{body::Json, cursor, shapes};
use crate::{
    Api, answer,
    caller::need,
    params::Params,
    trouble::{Reply, Trouble},
};

/// All runs, newest first, and those that are at it.
#[derive(Serialize, ToSchema)]
pub(super) struct Runs {
    /// Runs in all.
    total: u64,
    /// What was written down.
    #[schema(value_type = Vec<shapes::RunRecord>)]
    runs: Vec<serde_json::Value>,
    /// The runs of this server that have not ended.
    live: Vec<Live>,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// A run, and its numbers while it is at it.
#[derive(Serialize, ToSchema)]
pub(super) struct Run {
    /// What was written down.
    #[schema(value_type = shapes::RunRecord)]
    run: serde_json::Value,
    /// Its numbers; null when it is not running here.
    live: Option<Live>,
}

/// The numbers of a run that has not ended.
#[derive(Serialize, ToSchema)]
pub(super) struct Live {
    /// Its name.
    id: String,
    /// `queued`, `waiting-for-store`, `running` or `stopping`.
    #[schema(value_type = String)]
    phase: Phase,
    /// Who wanted it.
    #[schema(value_type = Object)]
    origin: Origin,
    /// Endpoints in all.
    total: u64,
    /// Endpoints that are done.
    done: u64,
    /// Those of them that are open.
    open: u64,
    /// Observations that name a product.
    identified: u64,
    /// Observations stored.
    observations: u64,
    /// Since it began, in seconds.
    elapsed_seconds: f64,
    /// Endpoints done a second.
    rate: f64,
    /// Seconds to go; null while nothing can be said.
    remaining_seconds: Option<f64>,
}

/// The name of something that was begun.
#[derive(Serialize, ToSchema)]
pub(super) struct Begun {
    /// Its name.
    id: String,
}

impl From<LiveRun> for Live {
    fn from(live: LiveRun) -> Self {
        let standing = live.standing;
        Self {
            id: live.id.0,
            phase: live.phase,
            origin: live.origin,
            total: standing.total,
            done: standing.tally.done(),
            open: standing.tally.open,
            identified: standing.identified,
            observations: standing.observations,
            elapsed_seconds: standing.elapsed.as_secs_f64(),
            rate: standing.rate,
            remaining_seconds: standing.eta.map(|eta| eta.as_secs_f64()),
        }
    }
}

/// What only the machine's owner needs to know: where files are, and how the order was drawn.
const WITHHELD: [&str; 6] = ["command", "format", "order", "scope_path", "seed", "targets_crc32"];

/// A record as it is told.
fn told(record: &impl Serialize) -> Result<serde_json::Value, Trouble> {
    let mut value = serde_json::to_value(record).map_err(|error| Trouble::bug(&error))?;
    if let Some(members) = value.as_object_mut() {
        members.retain(|name, _| !WITHHELD.contains(&name.as_str()));
    }
    Ok(value)
}

/// All runs, newest first.
#[utoipa::path(get, path = "/api/v1/runs", tag = "runs", params(
    ("limit" = Option<u32>, Query, description = "Runs of a page, 100 when absent.", minimum = 1),
    ("cursor" = Option<String>, Query, description = "The `next` of the page before."),
), responses((status = 200, description = "A page.", body = Runs)))]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    params.only(&["limit", "cursor"])?;
    let limit = cursor::limit(&params, caller.results_max)? as usize;
    let skip = cursor::offset(&params, "runs")?;
    let live = api.app.live_runs().into_iter().map(Live::from).collect();
    let runs = api
        .read(move |app, _| {
            let all = app.listed_runs()?;
            let page = all.iter().skip(skip).take(limit).map(told).collect::<Result<Vec<_>, _>>()?;
            let next = (skip + page.len() < all.len() && !page.is_empty())
                .then(|| cursor::Cursor((skip + page.len()) as u64).token("runs"));
            Ok(Runs { total: all.len() as u64, runs: page, live, next })
        })
        .await?;
    answer::json(&runs)
}

/// One run.
#[utoipa::path(get, path = "/api/v1/runs/{id}", tag = "runs", params(
    ("id" = String, Path, description = "Its name."),
), responses((status = 200, description = "The run.", body = Run)))]
pub(super) async fn info(
    State(api): State<Arc<Api>>,
    _: Caller,
    Path(id): Path<String>,
    params: Params,
) -> Reply {
    params.only(&[])?;
    let id = RunId(id);
    let live = api.app.live_runs().into_iter().find(|live| live.id == id).map(Live::from);
    let run = api.read(move |app, _| told(&app.listed_run(&id)?)).await?;
    answer::json(&Run { run, live })
}

/// Begins a run. It asks as soon as there is room.
#[utoipa::path(post, path = "/api/v1/runs", tag = "runs", request_body = shapes::RunSpec,
    responses((status = 202, description = "It is begun.", body = Begun)))]
pub(super) async fn start(State(api): State<Arc<Api>>, caller: Caller, Json(spec): Json<RunSpec>) -> Reply {
    need(&caller, Role::Operator)?;
    api.room_for_run(&caller)?;
    let begun = api.app.start_run(&spec, Origin::Key(caller.key.id.clone()), &caller.key.label).await;
    let begun = begun.map_err(Trouble::from);
    let object = begun.as_ref().map_or(String::new(), |id| id.0.clone());
    let id = api.change(&caller, "run.start", &object, move |_, _| begun).await?;
    answer::json_with(StatusCode::ACCEPTED, &Begun { id: id.0 })
}

/// Tells a run to stop; answers on their way are waited for.
#[utoipa::path(post, path = "/api/v1/runs/{id}/stop", tag = "runs", params(
    ("id" = String, Path, description = "Its name."),
), responses((status = 202, description = "It was told.", body = Begun)))]
pub(super) async fn stop(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Reply {
    need(&caller, Role::Operator)?;
    let of = id.clone();
    api.change(&caller, "run.stop", &of, move |app, _| {
        let id = RunId(id);
        if app.stop_run(&id) {
            return Ok(());
        }
        app.listed_run(&id)?;
        Err(Trouble::new(StatusCode::CONFLICT, format!("run `{id}` is not running here")))
    })
    .await?;
    answer::json_with(StatusCode::ACCEPTED, &Begun { id: of })
}

/// Goes on with a run that was stopped or failed.
#[utoipa::path(post, path = "/api/v1/runs/{id}/resume", tag = "runs", params(
    ("id" = String, Path, description = "Its name."),
), responses((status = 202, description = "It goes on.", body = Begun)))]
pub(super) async fn resume(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Reply {
    need(&caller, Role::Operator)?;
    let resumed = api.app.resume_run(&RunId(id.clone()), Origin::Key(caller.key.id.clone())).await;
    let resumed = resumed.map_err(Trouble::from);
    api.change(&caller, "run.resume", &id, move |_, _| resumed).await?;
    answer::json_with(StatusCode::ACCEPTED, &Begun { id })
}
