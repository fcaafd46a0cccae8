//! `/search/export`: everything that a query finds, as one file.

use axum::{
    extract::{Query, State},
    response::Response,
};
use serde::Deserialize;

use crate::{
    Web,
    download::{Show, download, each},
    fault::Fault,
    visit::Visit,
};

/// The address of an export.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Wanted {
    #[serde(default)]
    q: String,
    #[serde(default)]
    view: String,
    #[serde(default)]
    format: String,
}

pub(super) async fn export(
    State(web): State<Web>,
    visit: Visit,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Fault> {
    let parsed = nightlatch_query::parse(wanted.q.trim(), visit.now)
        .map_err(|error| Fault::invalid(&visit, error.to_string()))?;
    let selection = super::selection(&parsed, wanted.view == "history");
    let (slot, snapshot) = (web.slot(&visit)?, web.app.snapshot());
    Ok(match wanted.format.as_str() {
        "json.gz" => download(slot, "application/gzip", Show::As("nightlatch.json.gz"), move |out| {
            let mut writer = nightlatch_banner::Writer::new(out);
            each(&snapshot, &selection, &mut |record| writer.write(record))?;
            writer.finish().map(drop)
        }),
        "csv" => download(slot, "text/csv; charset=utf-8", Show::As("nightlatch.csv"), move |out| {
            let mut writer = nightlatch_report::Csv::new(out)?;
            each(&snapshot, &selection, &mut |record| writer.write(record))
        }),
        "ndjson" => download(slot, "application/x-ndjson", Show::As("nightlatch.ndjson"), move |out| {
            each(&snapshot, &selection, &mut |record| nightlatch_report::ndjson([record], out))
        }),
        _ => return Err(Fault::invalid(&visit, "an export is json.gz, csv or ndjson")),
    })
}
