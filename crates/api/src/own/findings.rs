//! `/api/v1/findings`: what audits of configuration found and the server keeps, as the page `/findings` shows it.

use std::sync::Arc;

use axum::extract::{Path, State};
use jiff::Timestamp;
use nightlatch_control::{FindingQuery, StoredFinding};
use nightlatch_gate::Caller;
use nightlatch_untrusted::Text;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{
    cursor::{self, Cursor},
    observations::word,
    shapes,
};
use crate::{
    Api, answer,
    params::Params,
    trouble::{Reply, Trouble, shown},
};

/// Findings, worst first.
#[derive(Serialize, ToSchema)]
pub(super) struct Findings {
    /// How many match.
    total: u64,
    /// Those of this page.
    findings: Vec<Kept>,
    /// The cursor of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
}

/// A finding with its history.
#[derive(Serialize, ToSchema)]
pub(super) struct Kept {
    /// Its number.
    id: i64,
    /// What was audited, as whoever stored it calls it.
    #[schema(value_type = String)]
    input: Text,
    /// What became of it.
    state: FindingState,
    /// When it was first seen.
    #[schema(value_type = String, format = DateTime)]
    first_seen: Timestamp,
    /// When it was last seen.
    #[schema(value_type = String, format = DateTime)]
    last_seen: Timestamp,
    /// When an audit of the same input saw it no more; absent while it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime, nullable = false)]
    mended: Option<Timestamp>,
    /// The finding as it was last seen.
    #[schema(value_type = shapes::AuditFinding)]
    finding: Box<RawValue>,
}

/// What became of a finding.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum FindingState {
    /// It is there.
    Open,
    /// It was there.
    Mended,
    /// It is there, and somebody exempted it.
    Exempt,
}

/// The values of `state`, and the term of a query each is; the first when the parameter is absent.
const STATES: [(&str, Option<&str>); 4] =
    [("open", Some("open")), ("mended", Some("mended")), ("exempt", Some("exempt")), ("all", None)];

/// Parameters that are fields of a query.
const FIELDS: [&str; 6] = ["rule", "severity", "namespace", "kind", "name", "input"];

impl Kept {
    fn of(stored: &StoredFinding) -> Result<Self, Trouble> {
        let state = match (stored.mended, &stored.finding.suppressed) {
            (Some(_), _) => FindingState::Mended,
            (None, Some(_)) => FindingState::Exempt,
            (None, None) => FindingState::Open,
        };
        Ok(Self {
            id: stored.id,
            input: stored.input.clone(),
            state,
            first_seen: stored.first_seen,
            last_seen: stored.last_seen,
            mended: stored.mended,
            finding: serde_json::value::to_raw_value(&stored.finding)
                .map_err(|error| Trouble::bug(&error))?,
        })
    }
}

/// The question that the parameters ask.
fn question(params: &Params) -> Result<FindingQuery, Trouble> {
    let given = |name: &str| params.text(name).filter(|text| !text.trim().is_empty());
    let text = given("query").unwrap_or_default();
    let mut query = FindingQuery::parse(text).map_err(|error| Trouble::bad_value("query", error.message))?;
    for field in FIELDS {
        if let Some(value) = given(field) {
            query = query.and(field, value).map_err(|error| Trouble::bad_value(field, error.message))?;
        }
    }
    // A state that the query itself names needs no parameter.
    if given("state").is_some() {
        query = match word(params, "state", &STATES)? {
            Some(state) => {
                query.and("is", state).map_err(|error| Trouble::bad_value("state", error.message))?
            }
            None => query.of_any_state(),
        };
    }
    Ok(query)
}

/// What audits found, worst first.
#[utoipa::path(get, path = "/api/v1/findings", tag = "findings", params(
    ("query" = Option<String>, Query, description = "Words, `field:value`, `severity:>=high` and `is:mended`, as on the page /findings; everything when absent."),
    ("rule" = Option<String>, Query, description = "Identifiers of rules, between commas; `*` stands for anything."),
    ("severity" = Option<String>, Query, description = "info, low, medium, high or critical, also `>=high`."),
    ("namespace" = Option<String>, Query, description = "Namespaces, between commas."),
    ("kind" = Option<String>, Query, description = "Kinds of objects, between commas."),
    ("name" = Option<String>, Query, description = "Names of objects, between commas."),
    ("input" = Option<String>, Query, description = "What was audited, as whoever stored it calls it."),
    ("state" = Option<String>, Query, description = "open, mended, exempt or all; open when absent."),
    ("limit" = Option<u32>, Query, description = "Findings of a page, 100 when absent; at most what the key gets.", minimum = 1),
    ("cursor" = Option<String>, Query, description = "The `next` of the page before."),
), responses((status = 200, description = "A page.", body = Findings)))]
pub(super) async fn list(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    params.only(&[
        "query",
        "rule",
        "severity",
        "namespace",
        "kind",
        "name",
        "input",
        "state",
        "limit",
        "cursor",
    ])?;
    let query = question(&params)?;
    let limit = u64::from(cursor::limit(&params, caller.results_max)?);
    let asked = format!("findings {query:?}");
    // The database counts rows in signed numbers.
    let skip = Cursor::of(&params, &asked)?.map_or(0, |cursor| cursor.0.min(i64::MAX as u64));
    let (found, total) = api.read(move |app, _| Ok(app.control().findings(&query, limit, skip)?)).await?;
    let end = skip + found.len() as u64;
    let next = (end < total && !found.is_empty()).then(|| Cursor(end).token(&asked));
    let findings = found.iter().map(Kept::of).collect::<Result<_, _>>()?;
    answer::json(&Findings { total, findings, next })
}

/// One finding, in whatever state.
#[utoipa::path(get, path = "/api/v1/findings/{id}", tag = "findings", params(
    ("id" = i64, Path, description = "Its number."),
), responses((status = 200, description = "The finding.", body = Kept)))]
pub(super) async fn info(
    State(api): State<Arc<Api>>,
    _: Caller,
    Path(id): Path<String>,
    params: Params,
) -> Reply {
    params.only(&[])?;
    let number: i64 = id
        .parse()
        .map_err(|_| Trouble::bad_value("id", format!("must be a number, not `{}`", shown(&id))))?;
    let found = api.read(move |app, _| Ok(app.control().finding(number)?)).await?;
    answer::json(&Kept::of(&found.ok_or_else(|| Trouble::unknown("finding", &id))?)?)
}
