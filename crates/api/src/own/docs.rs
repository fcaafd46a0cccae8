//! The description of our own API, and a page that shows it.

use std::sync::LazyLock;

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use nightlatch_gate::Caller;
use nightlatch_untrusted::html;
use serde_json::Value;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, Ref, RefOr, ResponseBuilder,
        security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use super::{
    alerts, audit, deliveries, events, export, findings, hosts, keys, notifiers, observations, problem,
    queries, reports, runs, schedules, scope, shapes, words,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Nightlatch",
        description = "What is exposed, since when, how bad, and how to shut it. Shodan's own routes and streams are \
                       served beside these and are described by Shodan; what they have no word for is here.",
    ),
    paths(
        words::me, observations::search, observations::count, observations::facets, observations::histogram,
        export::export, hosts::host, hosts::endpoint, words::fields, words::complete, words::products,
        words::triggers, events::list, findings::list, findings::info, runs::list, runs::start, runs::info, runs::stop, runs::resume,
        schedules::list, schedules::create, schedules::info, schedules::put, schedules::remove, scope::info,
        scope::explain, alerts::list, alerts::create, alerts::info, alerts::put, alerts::remove, alerts::test,
        notifiers::list, notifiers::create, notifiers::info, notifiers::remove, deliveries::list,
        deliveries::retry, keys::list, keys::create, keys::info, keys::revoke, audit::list, queries::list,
        queries::create, queries::info, queries::remove, reports::owners, reports::landscape,
    ),
    components(schemas(problem::Problem, shapes::Exposure, shapes::Severity)),
    modifiers(&Common),
)]
struct Described;

/// What every operation has: a key, and problem details for whatever goes wrong.
struct Common;

impl Modify for Common {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let problem = ResponseBuilder::new()
            .description("What went wrong, as problem details (RFC 9457).")
            .content("application/problem+json", Content::new(Some(Ref::from_schema_name("Problem"))))
            .build();
        for item in openapi.paths.paths.values_mut() {
            let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                operation.responses.responses.insert("default".to_owned(), RefOr::T(problem.clone()));
            }
        }
        let schemes = &mut openapi.components.get_or_insert_default().security_schemes;
        schemes
            .insert("bearer".to_owned(), RefOr::T(SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer))));
        let header = ApiKeyValue::new("X-Api-Key");
        schemes.insert("header".to_owned(), RefOr::T(SecurityScheme::ApiKey(ApiKey::Header(header))));
        let none: [String; 0] = [];
        openapi.security = Some(vec![
            SecurityRequirement::new("bearer", none.clone()),
            SecurityRequirement::new("header", none),
        ]);
    }
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut document = serde_json::to_value(Described::openapi()).unwrap_or_default();
    say_unsigned(&mut document);
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
});
static PAGE: LazyLock<String> = LazyLock::new(|| render(&DOCUMENT));

/// Gives unsigned numbers of 32 bits their range: the generator calls them `int32`, which is a signed format
/// (OpenAPI 3.1, section 4.4), and who believed it could not send the upper half of what is taken.
fn say_unsigned(value: &mut Value) {
    if let Some(schema) = value.as_object_mut()
        && schema.get("format").is_some_and(|format| format == "int32")
        && schema.contains_key("minimum")
    {
        schema.insert("format".to_owned(), "int64".into());
        schema.entry("maximum").or_insert_with(|| u32::MAX.into());
    }
    match value {
        Value::Object(members) => members.values_mut().for_each(say_unsigned),
        Value::Array(items) => items.iter_mut().for_each(say_unsigned),
        _ => {}
    }
}

/// The OpenAPI 3.1 document of our own API, as it is committed under `schemas/`.
pub fn openapi() -> &'static str {
    &DOCUMENT
}

pub(super) async fn document(_: Caller) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], openapi()).into_response()
}

pub(super) async fn page(_: Caller) -> Response {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], PAGE.as_str()).into_response()
}

pub(super) async fn style(_: Caller) -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("docs.css")).into_response()
}

/// The document as a page without script: operations by subject, each that only reads with a form to try it.
fn render(document: &str) -> String {
    let Ok(document) = serde_json::from_str::<Value>(document) else { return String::new() };
    let text = |value: &Value| html(value.as_str().unwrap_or_default());
    let mut subjects: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();
    for (path, item) in document["paths"].as_object().into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            let subject = operation["tags"][0].as_str().unwrap_or("other").to_owned();
            subjects.entry(subject).or_default().push_str(&one(path, method, operation));
        }
    }
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><title>{0} API</title><link rel=\"stylesheet\" \
         href=\"/api/docs.css\"></head><body><header><h1>{0} API</h1><p>{1}</p><p>Send the key as \
         <code>Authorization: Bearer nl_…</code>. Errors are problem details (RFC 9457). The whole as \
         <a href=\"/api/v1/openapi.json\">OpenAPI 3.1</a>.</p></header><main>",
        text(&document["info"]["title"]),
        text(&document["info"]["description"]),
    );
    for (subject, operations) in subjects {
        let subject = html(&subject);
        out.push_str(&format!(
            "<section aria-labelledby=\"{subject}\"><h2 id=\"{subject}\">{subject}</h2>{operations}</section>"
        ));
    }
    out.push_str("<section aria-labelledby=\"schemas\"><h2 id=\"schemas\">schemas</h2>");
    for (name, schema) in document["components"]["schemas"].as_object().into_iter().flatten() {
        let schema = serde_json::to_string_pretty(schema).unwrap_or_default();
        let name = html(name);
        out.push_str(&format!(
            "<details id=\"schema-{name}\"><summary>{name}</summary><pre>{}</pre></details>",
            html(&schema)
        ));
    }
    out.push_str("</section></main></body></html>\n");
    out
}

fn one(path: &str, method: &str, operation: &Value) -> String {
    let text = |value: &Value| html(value.as_str().unwrap_or_default());
    let summary = text(&operation["summary"]);
    let mut out = format!(
        "<details><summary><b class=\"{0}\">{1}</b> <code>{2}</code> {summary}</summary>",
        html(method),
        html(&method.to_uppercase()),
        html(path),
    );
    out.push_str(&format!("<p>{}</p>", text(&operation["description"])));
    let parameters: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    // A path with parts to fill in cannot be asked by a form without script.
    let asks = method == "get" && !path.contains('{');
    let opening = format!("<form action=\"{}\" method=\"get\">", html(path));
    out.push_str(if asks { &opening } else { "<div>" });
    for parameter in parameters {
        let (name, required) = (text(&parameter["name"]), parameter["required"] == true);
        let about = text(&parameter["description"]);
        let mark = if required { " (required)" } else { "" };
        match asks {
            true => out.push_str(&format!(
                "<label>{name}{mark} <input name=\"{name}\"{}{}></label><p>{about}</p>",
                // A number that is left empty is none, and every field of a form is sent.
                if is_number(&parameter["schema"]) { " inputmode=\"numeric\" value=\"100\"" } else { "" },
                if required { " required" } else { "" }
            )),
            false => out.push_str(&format!("<p><code>{name}</code>{mark}: {about}</p>")),
        }
    }
    out.push_str(if asks { "<button>Ask</button></form>" } else { "</div>" });
    if let Some(name) = body_schema(&operation["requestBody"]) {
        out.push_str(&format!("<p>Body: <a href=\"#schema-{0}\">{0}</a></p>", html(&name)));
    }
    for (status, response) in operation["responses"].as_object().into_iter().flatten() {
        out.push_str(&format!("<p><code>{}</code> {}", html(status), text(&response["description"])));
        if let Some(name) = body_schema(response) {
            out.push_str(&format!(" <a href=\"#schema-{0}\">{0}</a>", html(&name)));
        }
        out.push_str("</p>");
    }
    out.push_str("</details>");
    out
}

fn is_number(schema: &Value) -> bool {
    let kinds = &schema["type"];
    kinds == "integer" || kinds.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "integer"))
}

/// The name of the schema of a body, also of a list.
fn body_schema(of: &Value) -> Option<String> {
    let content = of["content"].as_object()?.values().next()?;
    let reference = content["schema"]["$ref"].as_str().or(content["schema"]["items"]["$ref"].as_str())?;
    Some(reference.rsplit('/').next()?.to_owned())
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn what_is_unsigned_is_not_called_signed() {
        assert!(openapi().contains(r#""maximum": 4294967295"#) && !openapi().contains(r#""int32""#));
    }

    #[test]
    fn the_committed_document_is_the_one_of_the_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schemas/openapi.json");
        if std::env::var_os("UPDATE").is_some() {
            fs::write(&path, openapi()).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == openapi(), "schemas/openapi.json is stale; run this test with UPDATE=1");
    }

    #[test]
    fn the_page_has_no_script_and_nothing_inline() {
        assert!(PAGE.contains("/api/v1/observations/search") && PAGE.contains("schema-Problem"));
        assert!(PAGE.contains("<input name=\"limit\" inputmode=\"numeric\" value=\"100\">"));
        for forbidden in ["<script", "style=", " onclick", "javascript:", "http://", "<style"] {
            assert!(!PAGE.contains(forbidden), "{forbidden}");
        }
    }
}
