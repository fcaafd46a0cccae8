use nightlatch_alert::{Args, Message};
use nightlatch_asset::Severity;
use nightlatch_untrusted::{json, terminal_cut};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::{NotifyError, http::Http};

/// Longest foreign word that is shown, in columns.
const WORD_COLUMNS: usize = 200;

/// Writes one message into a channel.
pub(crate) async fn send(http: &Http, args: &Args, message: &Message) -> Result<String, NotifyError> {
    let url = http.read_url(args.get("webhook_url").unwrap_or_default())?;
    let body = json::to_string(&body(message)).map_err(|e| NotifyError::Config(e.to_string()))?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("idempotency-key", crate::webhook::header_value(&message.key));
    let status = http.post(&url, headers, body).await?;
    Ok(format!("{status} from {}", crate::error::shown(url.host_str().unwrap_or_default())))
}

/// The message in the shape that Slack, Mattermost, Rocket.Chat and Discord (`/slack`) take.
fn body(message: &Message) -> Value {
    let change = &message.change;
    let title = if message.test { "[test] " } else { "" };
    let what = change.product.as_ref().map_or("service", |product| product.raw());
    let text = format!(
        "*{title}{}*: {} at {}, {} ({})",
        change.kind.title(),
        quoted(what),
        quoted(&change.endpoint().to_string()),
        change.exposure,
        change.severity
    );
    let mut fields = vec![
        field("alert", &quoted(message.alert.name.raw())),
        field("trigger", &quoted(message.trigger.as_str())),
    ];
    for (name, word) in [("before", &change.before), ("after", &change.after)] {
        if !word.is_empty() {
            fields.push(field(name, &quoted(word.raw())));
        }
    }
    if let Some(owner) = &change.owner {
        fields.push(field("owner", &quoted(owner.raw())));
    }
    fields.push(field("key", &quoted(&message.key)));
    let mut attachment = json!({
        "color": color(change.severity),
        "fallback": escaped(&terminal_cut(message.summary().raw(), WORD_COLUMNS)),
        "fields": fields,
        "mrkdwn_in": ["fields"],
        "ts": change.time.as_second(),
    });
    if let Some(link) = &message.link {
        attachment["title"] = "Show the host".into();
        attachment["title_link"] = link.as_str().into();
    }
    json!({
        "text": text,
        "attachments": [attachment],
        "link_names": false,
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn field(title: &str, value: &str) -> Value {
    json!({ "title": title, "value": value, "short": value.len() < 40 })
}

/// Foreign words as inline code, in which no chat reads mentions, links, emphasis or emoji.
fn quoted(text: &str) -> String {
    format!("`{}`", escaped(&terminal_cut(text, WORD_COLUMNS)).replace('`', "'"))
}

/// The three characters that Slack reads are escaped; `@` is shown as its full-width form, because chats like Slack
/// read `@channel` anywhere in the fallback.
///
/// Source: Slack, "Formatting text for app surfaces", escaping text.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('@', "\u{ff20}")
}

fn color(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "#a30b2e",
        Severity::High => "#d9480f",
        Severity::Medium => "#e8a200",
        Severity::Low => "#3b7dd8",
        Severity::Info => "#808080",
    }
}

#[cfg(test)]
mod tests;
