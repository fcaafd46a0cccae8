//! Who one is, and what can be asked: fields, completions, products, triggers.

use std::sync::Arc;

use axum::extract::State;
use nightlatch_alert::Trigger;
use nightlatch_asset::{CATALOGUE, Kind};
use nightlatch_gate::Caller;
use serde::Serialize;
use utoipa::ToSchema;

use super::shapes;
use crate::{
    Api, answer,
    params::Params,
    trouble::{Reply, Trouble},
};

/// The caller's own key, as far as it is told.
#[derive(Serialize, ToSchema)]
pub(super) struct Me {
    /// The key.
    #[schema(value_type = shapes::Key)]
    key: nightlatch_control::Key,
    /// Most records one request may return.
    results_max: u32,
    /// Where the request came from.
    source: String,
}

/// Who asks.
#[utoipa::path(get, path = "/api/v1/me", tag = "keys",
    responses((status = 200, description = "The key that was sent.", body = Me)))]
pub(super) async fn me(caller: Caller, params: Params) -> Reply {
    params.only(&[])?;
    let source = caller.source.to_string();
    answer::json(&Me { key: caller.key, results_max: caller.results_max, source })
}

/// A searchable field.
#[derive(Serialize, ToSchema)]
pub(super) struct FieldShape {
    /// The one name.
    name: &'static str,
    /// Other names understood.
    aliases: &'static [&'static str],
    /// How values compare: `keyword`, `text`, `number`, `ladder`, `ip`, `date`, `flag` or `geo`.
    kind: &'static str,
    /// Whether it can be counted by value.
    facet: bool,
    /// One line about it.
    help: &'static str,
    /// A query that works.
    example: &'static str,
}

/// All that can be searched by.
#[utoipa::path(get, path = "/api/v1/fields", tag = "observations",
    responses((status = 200, description = "The fields.", body = Vec<FieldShape>)))]
pub(super) async fn fields(_: Caller, params: Params) -> Reply {
    params.only(&[])?;
    let shape = |info: &'static nightlatch_asset::FieldInfo| FieldShape {
        name: info.name,
        aliases: info.aliases,
        kind: match info.kind {
            Kind::Keyword => "keyword",
            Kind::Text => "text",
            Kind::Number { .. } => "number",
            Kind::Ladder(_) => "ladder",
            Kind::Ip => "ip",
            Kind::Date => "date",
            Kind::Flag => "flag",
            Kind::Geo => "geo",
        },
        facet: info.facet,
        help: info.help,
        example: info.example,
    };
    answer::json(&CATALOGUE.iter().map(shape).collect::<Vec<_>>())
}

/// One way to go on with a query.
#[derive(Serialize, ToSchema)]
pub(super) struct Completion {
    /// First byte to replace.
    start: usize,
    /// First byte to keep again.
    end: usize,
    /// What to put there.
    text: String,
    /// One line about it.
    help: &'static str,
}

/// Ways to go on with the beginning of a query.
#[utoipa::path(get, path = "/api/v1/complete", tag = "observations", params(
    ("prefix" = String, Query, description = "The query up to the cursor."),
), responses((status = 200, description = "At most 40 ways.", body = Vec<Completion>)))]
pub(super) async fn complete(_: Caller, params: Params) -> Reply {
    params.only(&["prefix"])?;
    let prefix = params.text("prefix").ok_or_else(|| Trouble::bad_value("prefix", "is required"))?;
    if prefix.len() > nightlatch_query::QUERY_BYTES_MAX {
        return Err(Trouble::bad_value("prefix", "is longer than a query may be"));
    }
    let ways = nightlatch_query::complete(prefix).into_iter().map(|way| Completion {
        start: way.replace.start,
        end: way.replace.end,
        text: way.text,
        help: way.help,
    });
    answer::json(&ways.collect::<Vec<_>>())
}

/// A product that is recognised.
#[derive(Serialize, ToSchema)]
pub(super) struct Product {
    /// The fingerprint.
    id: String,
    /// What people call it.
    name: String,
    /// The name in `product:`.
    product: String,
    /// Its group, such as `kubernetes`.
    group: String,
    /// Ports it is looked for at.
    ports: Vec<u16>,
    /// How to shut it, in one line.
    fix: String,
    /// Documents to read.
    references: Vec<String>,
}

/// All that is recognised.
#[utoipa::path(get, path = "/api/v1/products", tag = "observations",
    responses((status = 200, description = "The products.", body = Vec<Product>)))]
pub(super) async fn products(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    params.only(&[])?;
    let products: Vec<Product> = api
        .app
        .catalogue()
        .entries()
        .map(|entry| Product {
            id: entry.id().to_owned(),
            name: entry.name().to_owned(),
            product: entry.product().to_owned(),
            group: entry.group().to_owned(),
            ports: entry.ports(),
            fix: entry.remediation().0.to_owned(),
            references: entry.references().map(str::to_owned).collect(),
        })
        .collect();
    answer::json(&products)
}

/// A reason for which an alert may fire.
#[derive(Serialize, ToSchema)]
pub(super) struct TriggerInfo {
    /// The one name.
    name: &'static str,
    /// For conditions, a query that works.
    rule: &'static str,
    /// One sentence.
    description: &'static str,
}

/// All triggers.
#[utoipa::path(get, path = "/api/v1/triggers", tag = "alerts",
    responses((status = 200, description = "The triggers.", body = Vec<TriggerInfo>)))]
pub(super) async fn triggers(_: Caller, params: Params) -> Reply {
    params.only(&[])?;
    let shape = |info: &nightlatch_alert::TriggerInfo| TriggerInfo {
        name: info.name,
        rule: info.rule,
        description: info.description,
    };
    answer::json(&Trigger::CATALOGUE.iter().map(shape).collect::<Vec<_>>())
}
