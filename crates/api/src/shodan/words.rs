//! What can be asked: facets, filters, the parts of a query, ports, protocols, services.

use std::{collections::BTreeMap, sync::Arc};

use axum::extract::State;
use jiff::Timestamp;
use nightlatch_asset::{CATALOGUE, Field, Kind};
use nightlatch_gate::Caller;
use nightlatch_query::QUERY_BYTES_MAX;
use serde::Serialize;
use serde_json::Value;

use crate::{
    Api, answer, facet,
    params::Params,
    trouble::{Reply, query_error},
};

/// Filters that are no field. A test holds that the language understands each.
const NO_FIELDS: [&str; 6] = ["after", "before", "has_ipv6", "has_ssl", "history", "latest"];

pub(super) async fn facets(_: Caller) -> Reply {
    answer::json(&sorted(facet::names()))
}

pub(super) async fn filters(_: Caller) -> Reply {
    answer::json(&filter_names())
}

fn filter_names() -> Vec<&'static str> {
    let fields =
        CATALOGUE.iter().flat_map(|info| std::iter::once(info.name).chain(info.aliases.iter().copied()));
    sorted(fields.chain(NO_FIELDS))
}

fn sorted(names: impl Iterator<Item = &'static str>) -> Vec<&'static str> {
    let mut names: Vec<_> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

/// The parts of a query.
#[derive(Debug, Default, PartialEq, Serialize)]
struct Tokens {
    attributes: BTreeMap<String, Vec<Value>>,
    errors: Vec<String>,
    string: String,
    filters: Vec<String>,
}

impl Tokens {
    fn of(query: &str, now: Timestamp) -> Self {
        let errors = match nightlatch_query::parse(query, now) {
            Ok(_) => Vec::new(),
            Err(error) => vec![query_error(&error, query)],
        };
        let mut tokens = Self { errors, ..Self::default() };
        if query.len() > QUERY_BYTES_MAX {
            return tokens;
        }
        let mut words = Vec::new();
        for term in terms(query) {
            let plain = term.trim_start_matches(['-', '!', '(']).trim_end_matches(')');
            match plain.split_once(':').filter(|(name, _)| !name.is_empty() && !name.contains('"')) {
                Some((name, values)) => tokens.filter(name, values),
                None if plain.is_empty() || matches!(term, "OR" | "AND" | "NOT" | "||") => {}
                None => words.push(plain.replace('"', "")),
            }
        }
        tokens.string = words.join(" ");
        tokens
    }

    fn filter(&mut self, name: &str, values: &str) {
        let name = name.to_ascii_lowercase();
        let field = Field::named(&name).ok();
        let attribute = match field {
            // Shodan's name of this one attribute.
            Some(Field::Port) => "ports".to_owned(),
            _ => name.clone(),
        };
        let is_number = field.is_some_and(|field| matches!(field.info().kind, Kind::Number { .. }));
        let values = values.replace('"', "");
        let read = |value: &str| match value.parse::<i64>() {
            Ok(number) if is_number => Value::from(number),
            _ => Value::from(value),
        };
        self.attributes.entry(attribute).or_default().extend(values.split(',').map(read));
        if !self.filters.contains(&name) {
            self.filters.push(name);
        }
    }
}

/// The query cut at white space outside quotes.
fn terms(query: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    query
        .split(move |c: char| {
            quoted ^= c == '"';
            c.is_whitespace() && !quoted
        })
        .filter(|term| !term.is_empty())
}

/// Takes a query apart and gives the number of its filters.
pub(crate) fn read(query: &str, now: Timestamp) -> usize {
    Tokens::of(query, now).filters.len()
}

pub(super) async fn tokens(_: Caller, params: Params) -> Reply {
    answer::json(&Tokens::of(params.required("query")?, Timestamp::now()))
}

pub(super) async fn ports(State(api): State<Arc<Api>>, _: Caller) -> Reply {
    answer::json(&api.app.catalogue().ports())
}

/// Conversations that are held, with what they are for.
pub(super) async fn protocols(State(api): State<Arc<Api>>, _: Caller) -> Reply {
    let mut protocols = BTreeMap::from([
        ("http".to_owned(), "HTTP: the answers to a few read-only requests".to_owned()),
        ("https".to_owned(), "HTTP over TLS, with the certificate".to_owned()),
        ("tcp".to_owned(), "Connects and reads what the service says first".to_owned()),
    ]);
    for dialogue in api.app.catalogue().dialogues() {
        let line = format!("Greets a {dialogue} service in its own protocol, without credentials");
        protocols.entry(dialogue.to_owned()).or_insert(line);
    }
    answer::json(&protocols)
}

/// The product that is looked for first at each port.
pub(super) async fn services(State(api): State<Arc<Api>>, _: Caller) -> Reply {
    let mut services: BTreeMap<u16, &str> = BTreeMap::new();
    for entry in api.app.catalogue().entries() {
        for port in entry.ports() {
            services.entry(port).or_insert(entry.product());
        }
    }
    answer::json(&services)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_is_understood() {
        for name in filter_names() {
            let examples =
                ["1", "true", "192.0.2.1", "2026-01-01", "readable", "high", "1,2", "tcp", "low", "DE"];
            let understood = examples.iter().any(|value| {
                nightlatch_query::parse(&format!("{name}:{value}"), Timestamp::UNIX_EPOCH).is_ok()
            });
            let closed = Field::named(name).ok().and_then(nightlatch_query::closed_words);
            assert!(understood || closed.is_some(), "{name}");
        }
    }

    #[test]
    fn queries_are_taken_apart() {
        let tokens = |query| Tokens::of(query, Timestamp::UNIX_EPOCH);
        let shown = serde_json::to_value(tokens("Raspbian port:22")).unwrap();
        let expected = serde_json::json!({
            "attributes": {"ports": [22]}, "errors": [], "string": "Raspbian", "filters": ["port"]
        });
        assert_eq!(shown, expected);
        let several = tokens(r#"("docker cluster" OR etcd) -city:"San Diego,Austin" port:1,2 port:3"#);
        assert_eq!(several.string, "docker cluster etcd");
        assert_eq!(several.filters, ["city", "port"]);
        assert_eq!(several.attributes["city"], [Value::from("San Diego"), Value::from("Austin")]);
        assert_eq!(several.attributes["ports"], [Value::from(1), 2.into(), 3.into()]);
        let wrong = tokens("contry:DE");
        assert!(wrong.errors[0].contains("did you mean `country`?"), "{:?}", wrong.errors);
        let many: String = (0..20_000).map(|number| format!("f{number}:1 ")).collect();
        assert_eq!((tokens(&many).filters.len(), tokens(&many).errors.len()), (0, 1), "not even looked at");
    }
}
