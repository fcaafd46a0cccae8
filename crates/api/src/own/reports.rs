//! `/api/v1/reports`: what is open, by owner, and the whole at a glance.

use std::{ops::ControlFlow, sync::Arc};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use nightlatch_asset::Text;
use nightlatch_gate::Caller;
use nightlatch_report::{
    landscape::{self, Landscape},
    owner::{self, About, OwnerReports},
};

use super::observations::{selection, word};
use crate::{
    Api,
    params::Params,
    trouble::{Reply, Trouble},
};

#[derive(Clone, Copy)]
enum Format {
    Json,
    Csv,
    Markdown,
}

impl Format {
    fn answer(self, body: Vec<u8>) -> Response {
        let kind = match self {
            Self::Json => "application/json",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Markdown => "text/markdown; charset=utf-8",
        };
        ([(header::CONTENT_TYPE, kind)], body).into_response()
    }
}

const OF_OWNERS: [(&str, Format); 3] =
    [("json", Format::Json), ("csv", Format::Csv), ("markdown", Format::Markdown)];
const OF_LANDSCAPE: [(&str, Format); 2] = [("json", Format::Json), ("markdown", Format::Markdown)];

fn about(params: &Params) -> About {
    About { generated: Timestamp::now(), query: Text::from(params.text("query").unwrap_or_default()) }
}

/// What stands open, by owner, worst first, with the remedy.
#[utoipa::path(get, path = "/api/v1/reports/owners", tag = "reports", params(
    ("query" = Option<String>, Query, description = "The query; everything when absent."),
    ("owner" = Option<String>, Query, description = "Only this owner."),
    ("format" = Option<String>, Query, description = "json, csv or markdown."),
), responses((status = 200, description = "The report.", content(
    (Object = "application/json"), (String = "text/csv"), (String = "text/markdown")))))]
pub(super) async fn owners(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    params.only(&["query", "owner", "format"])?;
    let (selection, format) = (selection(&params)?, word(&params, "format", &OF_OWNERS)?);
    let only = params.text("owner").filter(|owner| !owner.is_empty()).map(Text::from);
    let _place = api.exports.take(&caller.key.id)?;
    let reports = api
        .app
        .ask(move |snapshot| {
            let mut reports = OwnerReports::new();
            if only.is_some() {
                reports = reports.with_owner(only);
            }
            snapshot.export(&selection, &mut |record| {
                reports.add(&record);
                ControlFlow::Continue(())
            })?;
            Ok(reports.finish())
        })
        .await?;
    let (about, mut body) = (about(&params), Vec::new());
    match format {
        Format::Json => owner::json(&reports, &about, &mut body),
        Format::Csv => owner::csv(&reports, &mut body),
        Format::Markdown => owner::markdown(&reports, &about, &mut body),
    }
    .map_err(|error| Trouble::bug(&error))?;
    Ok(format.answer(body))
}

/// Panels by product, provider and region, and how many stand open.
#[utoipa::path(get, path = "/api/v1/reports/landscape", tag = "reports", params(
    ("query" = Option<String>, Query, description = "The query; everything when absent."),
    ("format" = Option<String>, Query, description = "json or markdown."),
), responses((status = 200, description = "The report.", content(
    (Object = "application/json"), (String = "text/markdown")))))]
pub(super) async fn landscape(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    params.only(&["query", "format"])?;
    let (selection, format) = (selection(&params)?, word(&params, "format", &OF_LANDSCAPE)?);
    let _place = api.exports.take(&caller.key.id)?;
    let seen = api
        .app
        .ask(move |snapshot| {
            let mut landscape = Landscape::new();
            snapshot.export(&selection, &mut |record| {
                landscape.add(&record);
                ControlFlow::Continue(())
            })?;
            Ok(landscape)
        })
        .await?;
    let (about, mut body) = (about(&params), Vec::new());
    match format {
        Format::Markdown => landscape::markdown(&seen, &about, &mut body),
        Format::Json | Format::Csv => landscape::json(&seen, &about, &mut body),
    }
    .map_err(|error| Trouble::bug(&error))?;
    Ok(format.answer(body))
}
