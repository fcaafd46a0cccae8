//! `/shodan/host/search` and `/shodan/host/count`.

use std::sync::Arc;

use axum::extract::State;
use jiff::Timestamp;
use nightlatch_asset::Record;
use nightlatch_banner::to_banner;
use nightlatch_gate::Caller;
use nightlatch_store::{Selection, Snapshot, StoreError};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    Api,
    answer::{self, Ordered},
    facet::{self, Asked, Count},
    members::Wanted,
    params::Params,
    places::Reached,
    question::{self, Place},
    trouble::{Reply, Trouble},
};

/// Rows of a page, as clients count them.
const PAGE_ROWS: u64 = 100;
/// Most names of `fields`.
const FIELDS_MAX: usize = 200;
/// What of a banner is given.
#[derive(Clone, Debug, Eq, PartialEq)]
enum Show {
    Whole,
    Minified,
    Fields(Wanted),
}

/// What is asked for.
#[derive(Clone, Debug)]
struct Search {
    selection: Selection,
    facets: Vec<Asked>,
    skip: u64,
    limit: usize,
    show: Show,
}

/// The answer, in Shodan's shape.
#[derive(Serialize)]
pub(super) struct Found {
    matches: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    facets: Option<Ordered<Vec<Count>>>,
    total: u64,
}

impl Search {
    fn of(params: &Params, most: u32, now: Timestamp) -> Result<Self, Trouble> {
        let selection = question::selection("query", params.text("query").unwrap_or_default(), now)?;
        let facets = facet::asked("facets", params.text("facets").unwrap_or_default())?;
        let page = params.number("page", 1, u64::from(u32::MAX))?;
        let limit = params.number("limit", 0, u64::from(u32::MAX))?.filter(|limit| *limit > 0);
        let offset = params.number("offset", 0, u64::from(u32::MAX))?.unwrap_or(0);
        let (skip, limit) = match limit {
            Some(limit) => (offset, limit),
            None => ((page.unwrap_or(1) - 1) * PAGE_ROWS, PAGE_ROWS),
        };
        if limit > u64::from(most) {
            let (name, what) =
                if params.text("limit").is_some() { ("limit", "limit") } else { ("page", "page") };
            return Err(Trouble::bad_value(
                name,
                format!("asks for {limit} results at once; this key gets at most {most} of them a {what}"),
            ));
        }
        let minify = params.flag("minify", true)?;
        let show = match params.text("fields").filter(|fields| !fields.trim().is_empty()) {
            Some(fields) => Show::Fields(wanted(fields)?),
            None if minify => Show::Minified,
            None => Show::Whole,
        };
        Ok(Self { selection, facets, skip, limit: usize::try_from(limit).unwrap_or(usize::MAX), show })
    }

    fn answer(&self, snapshot: &dyn Snapshot, reached: Option<Reached>) -> Result<Answered, StoreError> {
        let total = match reached {
            Some(reached) => reached.total,
            None => snapshot.count(&self.selection)?,
        };
        // A page beyond the end costs nothing.
        let rows = match self.skip < total {
            true => {
                let place = reached.map(|reached| reached.place);
                question::rows(snapshot, &self.selection, place, self.skip, self.limit)?
            }
            false => Vec::new(),
        };
        let place = Place::after(reached.map(|reached| reached.place), self.skip, &rows);
        let facets = match self.facets.is_empty() {
            true => None,
            false => Some(facet::count(snapshot, &self.selection, &self.facets)?),
        };
        let matches = rows.iter().filter_map(|record| self.show.banner(record)).collect();
        let reached = place.map(|place| Reached { place, total });
        Ok(Answered { found: Found { matches, facets, total }, reached })
    }
}

struct Answered {
    found: Found,
    reached: Option<Reached>,
}

impl Show {
    /// The banner of a record; what cannot be written is left out, which is not to be expected.
    fn banner(&self, record: &Record) -> Option<Box<RawValue>> {
        let text = |banner| nightlatch_untrusted::json::to_string(&banner).ok();
        let shown = match self {
            Self::Whole => text(to_banner(record))?,
            Self::Minified => text(to_banner(record).minified())?,
            Self::Fields(wanted) => wanted.pick(&text(to_banner(record))?),
        };
        RawValue::from_string(shown).ok()
    }
}

/// A banner as it is told where nothing is left out.
pub(super) fn whole_banner(record: &Record) -> Option<Box<RawValue>> {
    Show::Whole.banner(record)
}

fn wanted(fields: &str) -> Result<Wanted, Trouble> {
    let names: Vec<&str> = fields.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.len() > FIELDS_MAX {
        return Err(Trouble::bad_value("fields", format!("names more than {FIELDS_MAX} fields")));
    }
    Ok(Wanted::of(names))
}

/// Records matching a query, page by page. Pages of one walk see one moment.
pub(super) async fn search(State(api): State<Arc<Api>>, caller: Caller, params: Params) -> Reply {
    let search = Search::of(&params, caller.results_max, Timestamp::now())?;
    let question = format!("shodan {}", params.text("query").unwrap_or_default());
    let who = caller.key.id;
    let snapshot = api.app.walk(&who, &question, search.skip == 0);
    let reached = api.places.reached(&who, &question, &snapshot);
    let answered = api.app.ask_of(snapshot.clone(), move |snapshot| search.answer(snapshot, reached)).await?;
    if let Some(reached) = answered.reached {
        api.places.keep(&who, &question, &snapshot, reached);
    }
    answer::json(&answered.found)
}

/// How many records match, and by which values.
pub(super) async fn count(State(api): State<Arc<Api>>, _: Caller, params: Params) -> Reply {
    let now = Timestamp::now();
    let selection = question::selection("query", params.text("query").unwrap_or_default(), now)?;
    let facets = facet::asked("facets", params.text("facets").unwrap_or_default())?;
    let found = api
        .app
        .ask(move |snapshot| {
            let total = snapshot.count(&selection)?;
            let counted = match facets.is_empty() {
                true => None,
                false => Some(facet::count(snapshot, &selection, &facets)?),
            };
            Ok(Found { matches: Vec::new(), facets: counted, total })
        })
        .await?;
    answer::json(&found)
}

#[cfg(test)]
mod tests {
    use nightlatch_store::{MemoryStore, Store, synthetic};
    use serde_json::Value;

    use super::*;

    const LIMIT_MAX: u32 = 1000;

    fn ask(query: &str) -> Result<Value, String> {
        let mut store = MemoryStore::new();
        store.ingest(&synthetic::observations(7, 400).collect::<Vec<_>>()).unwrap();
        let now = "2027-01-01T00:00:00Z".parse().unwrap();
        let search = Search::of(&Params::parse(query.as_bytes()), LIMIT_MAX, now).map_err(|t| t.detail)?;
        let answered = search.answer(store.snapshot().unwrap().as_ref(), None).unwrap();
        Ok(serde_json::from_str(&answer::write(&answered.found).unwrap()).unwrap())
    }

    fn length(value: &Value) -> usize {
        value["matches"].as_array().unwrap().len()
    }

    #[test]
    fn banners_are_minified_whole_or_picked() {
        let minified = ask("query=*&limit=1").unwrap();
        assert!(minified["matches"][0].get("opts").is_none());
        assert!(minified["matches"][0]["nightlatch"].get("evidence").is_none());
        assert!(minified["matches"][0]["nightlatch"]["exposure"].is_string());
        let whole = ask("query=*&limit=1&minify=False").unwrap();
        assert!(whole["matches"][0]["opts"].is_object());
        let picked = ask("query=*&limit=1&fields=ip_str,location.country_code").unwrap();
        let shown = picked["matches"][0].as_object().unwrap();
        assert_eq!(shown.keys().collect::<Vec<_>>(), ["ip_str", "location"]);
        assert!(shown["location"].get("country_code").is_some());
    }

    #[test]
    fn pages_have_a_hundred_rows_and_end() {
        let total = ask("query=*").unwrap()["total"].as_u64().unwrap();
        assert_eq!(total, 80);
        let history = ask("query=history:true").unwrap();
        assert_eq!((length(&history), history.get("facets")), (100, None));
        let all = history["total"].as_u64().unwrap() as usize;
        assert_eq!(length(&ask("query=history:true&page=2").unwrap()), (all - 100).min(100));
        assert_eq!(length(&ask("query=history:true&page=4294967295").unwrap()), 0);
        assert_eq!(length(&ask("query=*&limit=7&offset=75").unwrap()), 5);
        assert_eq!(length(&ask("query=nosuchwordanywhere").unwrap()), 0);
    }

    #[test]
    fn facets_keep_the_order_asked() {
        let text = answer::write(&{
            let mut store = MemoryStore::new();
            store.ingest(&synthetic::observations(7, 100).collect::<Vec<_>>()).unwrap();
            let now = Timestamp::UNIX_EPOCH;
            let params = Params::parse(b"query=*&facets=transport,port:3,country");
            let search = Search::of(&params, LIMIT_MAX, now).unwrap();
            search.answer(store.snapshot().unwrap().as_ref(), None).unwrap().found
        })
        .unwrap();
        let at = |name: &str| text.find(&format!("\"{name}\":[{{\"count\":")).unwrap();
        assert!(at("transport") < at("port") && at("port") < at("country"));
    }

    #[test]
    fn mistakes_are_named() {
        for (query, part) in [
            ("", "`query` is empty"),
            ("query=*&page=0", "`page`"),
            ("query=*&limit=1001", "at most 1000"),
            ("query=*&limit=x", "`limit`"),
            ("query=*&minify=perhaps", "`minify`"),
            ("query=*&facets=nosuch", "`facets`"),
            ("query=nosuch:1", "unknown field `nosuch`"),
            ("query=port:x", "character 6"),
        ] {
            let detail = ask(query).unwrap_err();
            assert!(detail.contains(part), "{query}: {detail}");
        }
        assert!(ask(&format!("query={}", "a+".repeat(60_000))).unwrap_err().contains("too long"));
    }
}
