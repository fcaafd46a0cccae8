use nightlatch_alert::{Args, Message};
use nightlatch_asset::{Severity, Text};
use nightlatch_untrusted::{json, terminal_cut};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::{NotifyError, PagerdutySettings, http::Http};

/// Longest summary that the API takes, in characters; we count columns, of which there are no fewer.
const SUMMARY_COLUMNS: usize = 1_024;
/// Longest other foreign word, in columns.
const WORD_COLUMNS: usize = 200;

/// Triggers an incident; the same message again belongs to the same incident.
pub(crate) async fn send(
    http: &Http,
    settings: &PagerdutySettings,
    args: &Args,
    message: &Message,
) -> Result<String, NotifyError> {
    let url = http.read_url(&format!("{}/v2/enqueue", settings.base_url.trim_end_matches('/')))?;
    let body = body(args.get("routing_key").unwrap_or_default(), message);
    let body = json::to_string(&body).map_err(|e| NotifyError::Config(e.to_string()))?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let status = http.post(&url, headers, body).await?;
    Ok(format!("{status} from {}", crate::error::shown(url.host_str().unwrap_or_default())))
}

/// Source: PagerDuty, Events API v2, "Send an Alert Event".
fn body(routing_key: &str, message: &Message) -> Value {
    let change = &message.change;
    let word = |text: &Text| terminal_cut(text.raw(), WORD_COLUMNS);
    let links: Vec<Value> =
        message.link.iter().map(|href| json!({ "href": href, "text": "Show the host" })).collect();
    json!({
        "routing_key": routing_key,
        "event_action": "trigger",
        "dedup_key": message.key,
        "client": "Nightlatch",
        "links": links,
        "payload": {
            "summary": terminal_cut(message.summary().raw(), SUMMARY_COLUMNS),
            "source": change.endpoint().socket().to_string(),
            "severity": severity(change.severity),
            "timestamp": change.time.to_string(),
            "component": change.product.as_ref().map(word),
            "group": change.owner.as_ref().map(word),
            "class": change.kind,
            "custom_details": {
                "alert": { "id": message.alert.id, "name": word(&message.alert.name), "trigger": message.trigger },
                "exposure": change.exposure,
                "severity": change.severity,
                "before": word(&change.before),
                "after": word(&change.after),
                "run": terminal_cut(&change.run.0, WORD_COLUMNS),
                "test": message.test,
            },
        },
    })
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "critical",
        Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "info",
    }
}

#[cfg(test)]
mod tests;
