//! `/api/v1/queries`: queries that people keep, for everybody with a key.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    http::StatusCode,
};
use nightlatch_asset::Text;
use nightlatch_control::Role;
use nightlatch_gate::Caller;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{body::Json, shapes};
use crate::{
    Api, answer,
    caller::{need, owns},
    params::Params,
    saved_query::{SavedQuery, built_in},
    trouble::{Reply, Trouble},
};

/// Characters of a name.
const ID_CHARS: usize = 16;
/// Most that are kept.
const QUERIES_MAX: usize = 10_000;

/// A query to be kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct QuerySpec {
    /// What it is called.
    #[schema(min_length = 1, max_length = 500)]
    title: String,
    /// What it is for.
    #[serde(default)]
    #[schema(max_length = 500)]
    description: String,
    /// The query.
    #[schema(min_length = 1)]
    query: String,
    /// Words to find it by.
    #[serde(default)]
    #[schema(max_items = 20)]
    tags: Vec<String>,
}

fn find(app: &nightlatch_app::App, id: &str) -> Result<SavedQuery, Trouble> {
    let known = app.control().get::<SavedQuery>(id)?;
    let known = known.or_else(|| built_in().into_iter().find(|query| query.id == id));
    known.ok_or_else(|| Trouble::unknown("query", id))
}

/// All queries, those that come with the program last.
#[utoipa::path(get, path = "/api/v1/queries", tag = "observations",
    responses((status = 200, description = "The queries.", body = Vec<shapes::SavedQuery>)))]
pub(super) async fn list(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    params.only(&[])?;
    let all = api
        .read(|app, _| {
            let mut all = app.control().all::<SavedQuery>()?;
            all.extend(built_in());
            Ok(all)
        })
        .await?;
    answer::json(&all)
}

/// One query.
#[utoipa::path(get, path = "/api/v1/queries/{id}", tag = "observations", params(
    ("id" = String, Path, description = "Its name."),
), responses((status = 200, description = "The query.", body = shapes::SavedQuery)))]
pub(super) async fn info(
    State(api): State<Arc<Api>>,
    _: Caller,
    Path(id): Path<String>,
    params: Params,
) -> Reply {
    params.only(&[])?;
    answer::json(&api.read(move |app, _| find(app, &id)).await?)
}

/// Keeps a query.
#[utoipa::path(post, path = "/api/v1/queries", tag = "observations", request_body = QuerySpec,
    responses((status = 201, description = "It is kept.", body = shapes::SavedQuery)))]
pub(super) async fn create(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Json(spec): Json<QuerySpec>,
) -> Reply {
    need(&caller, Role::Analyst)?;
    let (who, title) = (caller.key.id.clone(), spec.title.clone());
    let kept = api
        .change(&caller, "query.create", &title, move |app, now| {
            if app.control().all::<SavedQuery>()?.len() >= QUERIES_MAX {
                return Err(Trouble::new(
                    StatusCode::CONFLICT,
                    format!("{QUERIES_MAX} queries are kept already"),
                ));
            }
            let query = SavedQuery {
                id: nightlatch_control::letters_and_digits(ID_CHARS)?,
                owner_key: who,
                title: Text::new(spec.title),
                description: Text::new(spec.description),
                query: spec.query,
                tags: spec.tags.into_iter().map(Text::new).collect(),
                created: now,
            };
            query.check(now)?;
            app.control().put(&query, now)?;
            Ok(query)
        })
        .await?;
    answer::json_with(StatusCode::CREATED, &kept)
}

/// Forgets a query of one's own; an admin may forget any.
#[utoipa::path(delete, path = "/api/v1/queries/{id}", tag = "observations", params(
    ("id" = String, Path, description = "Its name."),
), responses((status = 204, description = "It is forgotten.")))]
pub(super) async fn remove(State(api): State<Arc<Api>>, caller: Caller, Path(id): Path<String>) -> Reply {
    need(&caller, Role::Analyst)?;
    let (who, of) = (caller.clone(), id.clone());
    api.change(&caller, "query.remove", &of, move |app, _| {
        let query = find(app, &id)?;
        if query.owner_key.is_empty() {
            return Err(Trouble::bad("this query comes with the program"));
        }
        if !owns(&who, &query.owner_key) {
            return Err(Trouble::forbidden("this query belongs to another key"));
        }
        Ok(app.control().remove::<SavedQuery>(&query.id)?)
    })
    .await?;
    Ok(answer::nothing())
}
