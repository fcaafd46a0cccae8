//! `/api/v1/schedules`: runs that come again.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use nightlatch_app::{App, Schedule, ScheduleStanding};
use nightlatch_control::Role;
use nightlatch_gate::Caller;

use super::{body::Json, shapes};
use crate::{
    Api, answer,
    caller::need,
    params::Params,
    trouble::{Reply, Trouble},
};

fn standing(app: &App, name: &str) -> Result<ScheduleStanding, Trouble> {
    let found = app.schedules()?.into_iter().find(|standing| standing.schedule.name == name);
    found.ok_or_else(|| Trouble::unknown("schedule", name))
}

/// All schedules.
#[utoipa::path(get, path = "/api/v1/schedules", tag = "schedules",
    responses((status = 200, description = "The schedules.", body = Vec<shapes::ScheduleStanding>)))]
pub(super) async fn list(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    params.only(&[])?;
    answer::json(&api.read(|app, _| Ok(app.schedules()?)).await?)
}

/// One schedule.
#[utoipa::path(get, path = "/api/v1/schedules/{name}", tag = "schedules", params(
    ("name" = String, Path, description = "Its name."),
), responses((status = 200, description = "The schedule.", body = shapes::ScheduleStanding)))]
pub(super) async fn info(
    State(api): State<Arc<Api>>,
    _: Caller,
    Path(name): Path<String>,
    params: Params,
) -> Reply {
    params.only(&[])?;
    answer::json(&api.read(move |app, _| standing(app, &name)).await?)
}

/// Makes a schedule.
#[utoipa::path(post, path = "/api/v1/schedules", tag = "schedules", request_body = shapes::Schedule,
    responses((status = 201, description = "It is made.", body = shapes::ScheduleStanding)))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Json(schedule): Json<Schedule>,
) -> Reply {
    need(&caller, Role::Operator)?;
    let name = schedule.name.clone();
    let made = api
        .change(&caller, "schedule.create", &name, move |app, _| {
            if app.schedules()?.iter().any(|known| known.schedule.name == schedule.name) {
                let text = "there is a schedule of this name; PUT changes it";
                return Err(Trouble::new(StatusCode::CONFLICT, text));
            }
            app.keep_schedule(&schedule)?;
            standing(app, &schedule.name)
        })
        .await?;
    answer::json_with(StatusCode::CREATED, &made)
}

/// Makes or changes a schedule.
#[utoipa::path(put, path = "/api/v1/schedules/{name}", tag = "schedules", params(
    ("name" = String, Path, description = "Its name."),
), request_body = shapes::Schedule,
    responses((status = 200, description = "It is kept.", body = shapes::ScheduleStanding)))]
pub(super) async fn put(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Path(name): Path<String>,
    Json(schedule): Json<Schedule>,
) -> Reply {
    need(&caller, Role::Operator)?;
    if schedule.name != name {
        return Err(Trouble::bad_value("name", "in the body is another than in the address"));
    }
    let kept = api
        .change(&caller, "schedule.change", &name, move |app, _| {
            app.keep_schedule(&schedule)?;
            standing(app, &schedule.name)
        })
        .await?;
    answer::json(&kept)
}

/// Forgets a schedule; a run that it began goes on.
#[utoipa::path(delete, path = "/api/v1/schedules/{name}", tag = "schedules", params(
    ("name" = String, Path, description = "Its name."),
), responses((status = 204, description = "It is forgotten.")))]
pub(super) async fn remove(State(api): State<Arc<Api>>, caller: Caller, Path(name): Path<String>) -> Reply {
    need(&caller, Role::Operator)?;
    let of = name.clone();
    api.change(&caller, "schedule.remove", &of, move |app, _| Ok(app.forget_schedule(&name)?)).await?;
    Ok(answer::nothing())
}
