//! `/shodan/query`: the directory of saved queries.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use axum::extract::State;
use nightlatch_asset::Text;
use nightlatch_gate::Caller;
use serde_json::{Value, json};

use crate::{
    Api, answer,
    params::Params,
    saved_query::{SavedQuery, built_in},
    trouble::{Reply, Trouble, shown},
};

/// Queries of a page.
const PAGE: usize = 10;

fn shape(query: &SavedQuery) -> Value {
    json!({
        "votes": 0,
        "title": query.title,
        "description": query.description,
        "query": query.query,
        "tags": query.tags,
        "timestamp": super::time(query.created),
    })
}

async fn all(api: &Api) -> Result<Vec<SavedQuery>, Trouble> {
    api.read(|app, _| {
        let mut all = app.control().all::<SavedQuery>()?;
        all.extend(built_in());
        Ok(all)
    })
    .await
}

fn page(params: &Params, all: &[SavedQuery]) -> Reply {
    let page = params.number("page", 1, u32::MAX as usize)?.unwrap_or(1);
    let matches: Vec<Value> =
        all.iter().skip((page - 1).saturating_mul(PAGE)).take(PAGE).map(shape).collect();
    answer::json(&json!({ "matches": matches, "total": all.len() }))
}

fn one_of(params: &Params, name: &'static str, words: [&'static str; 2]) -> Result<usize, Trouble> {
    match params.text(name).filter(|text| !text.is_empty()) {
        None => Ok(0),
        Some(text) => words.iter().position(|word| *word == text).ok_or_else(|| {
            Trouble::bad_value(name, format!("must be {} or {}, not `{}`", words[0], words[1], shown(text)))
        }),
    }
}

/// There are no votes here, so both orders are by time.
pub(super) async fn list(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    one_of(&params, "sort", ["timestamp", "votes"])?;
    let ascending = one_of(&params, "order", ["desc", "asc"])? == 1;
    let mut queries = all(&api).await?;
    queries.sort_by_key(|query| Reverse(query.created));
    if ascending {
        queries.reverse();
    }
    page(&params, &queries)
}

pub(super) async fn search(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    let words: Vec<String> =
        params.required("query")?.split_whitespace().take(50).map(str::to_lowercase).collect();
    let mut queries = all(&api).await?;
    queries.retain(|query| query.mentions(&words));
    queries.sort_by_key(|query| Reverse(query.created));
    page(&params, &queries)
}

pub(super) async fn tags(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    let size = params.number("size", 1, 1000)?.unwrap_or(10usize);
    let mut counts: BTreeMap<Text, u64> = BTreeMap::new();
    for query in all(&api).await? {
        for tag in query.tags {
            *counts.entry(tag).or_default() += 1;
        }
    }
    let total = counts.len();
    let mut counts: Vec<(Text, u64)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| Reverse(*count));
    let matches: Vec<Value> = counts
        .into_iter()
        .take(size)
        .map(|(value, count)| json!({ "value": value, "count": count }))
        .collect();
    answer::json(&json!({ "matches": matches, "total": total }))
}
