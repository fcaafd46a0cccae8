//! `/complete?q=`: ways to go on with a query, for the script of the query box. Names and closed lists come from the
//! catalogue, values of other fields from what was observed.

use axum::{Json, Router, extract::Query, extract::State, routing::get};
use nightlatch_asset::{Field, Kind};
use nightlatch_query::{Expr, complete};
use serde::{Deserialize, Serialize};

use crate::{Web, ask, escape, fault::Fault, link, visit::Visit, words::thousands};

/// Offers at once.
const OFFERS_MAX: usize = 12;
/// Values of a field that are looked through, the most frequent ones.
const VALUES_MAX: usize = 500;
/// Characters of a query that can be completed.
const QUERY_BYTES_MAX: usize = 2_000;

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/complete", get(offers))
}

#[derive(Debug, Deserialize)]
struct Typed {
    #[serde(default)]
    q: String,
}

/// One way to go on. Places count UTF-16 units, as scripts do.
#[derive(Debug, Eq, PartialEq, Serialize)]
struct Offer {
    from: usize,
    until: usize,
    text: String,
    help: String,
}

async fn offers(
    State(web): State<Web>,
    visit: Visit,
    Query(typed): Query<Typed>,
) -> Result<Json<Vec<Offer>>, Fault> {
    let text = typed.q;
    if text.len() > QUERY_BYTES_MAX {
        return Ok(Json(Vec::new()));
    }
    let units = |at: usize| text.get(..at).unwrap_or_default().encode_utf16().count();
    let mut offers: Vec<Offer> = complete(&text)
        .into_iter()
        .take(OFFERS_MAX)
        .map(|s| Offer {
            from: units(s.replace.start),
            until: units(s.replace.end),
            text: s.text,
            help: s.help.to_owned(),
        })
        .collect();
    if let Some((field, start, typed)) = value_begun(&text).filter(|_| offers.is_empty()) {
        let selection = ask::latest(Expr::All);
        let facet = web.app.ask(move |snapshot| snapshot.facet(&selection, field, VALUES_MAX)).await;
        let typed = typed.to_lowercase();
        let values = facet.map_err(|error| visit.fault(error))?.buckets.into_iter();
        offers.extend(
            values
                .filter(|bucket| bucket.value.to_lowercase().starts_with(&typed))
                .take(OFFERS_MAX)
                .filter_map(|bucket| {
                    let filter = link::filter(field, &bucket.value)?;
                    Some(Offer {
                        from: units(start),
                        until: units(text.len()),
                        help: thousands(bucket.count),
                        text: escape::cut(&filter, 300),
                    })
                }),
        );
    }
    Ok(Json(offers))
}

/// The filter that `text` ends with: its field, where it begins, and what stands of its value, for fields whose
/// values are counted and not a closed list. Nothing inside quotes or lists.
fn value_begun(text: &str) -> Option<(Field, usize, &str)> {
    let start = text
        .rfind(|c: char| c.is_whitespace() || c == '(')
        .map_or(0, |at| at + text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8));
    let word = text.get(start..)?;
    let signs = word.len() - word.trim_start_matches(['-', '!']).len();
    let (name, value) = word.get(signs..)?.split_once(':')?;
    if value.contains(['"', ',', '*', '<', '>', '=', '\\']) || text.matches('"').count() % 2 == 1 {
        return None;
    }
    let field = Field::named(&name.to_ascii_lowercase()).ok()?;
    let counted = matches!(field.info().kind, Kind::Keyword | Kind::Text | Kind::Number { .. });
    (field.info().facet && counted).then_some((field, start + signs, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_begun_value_is_found_at_the_end() {
        assert_eq!(value_begun("port:22 product:kub"), Some((Field::Product, 8, "kub")));
        assert_eq!(value_begun("-(country:d"), Some((Field::Country, 2, "d")));
        assert_eq!(value_begun("a -org:"), Some((Field::Org, 3, "")));
        for nothing in ["", "kube", "product:\"a", "port:>=8", "nosuch:x", "time:2", "port:80,4", "ä\u{2003}"]
        {
            assert_eq!(value_begun(nothing), None, "{nothing}");
        }
    }
}
