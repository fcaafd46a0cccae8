use nightlatch_alert::{Args, Message};
use nightlatch_untrusted::{html, json, terminal_cut};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use crate::{NotifyError, TelegramSettings, http::Http};

/// Longest foreign word that is shown, in columns. A message of Telegram has at most 4096 characters.
const WORD_COLUMNS: usize = 200;

/// Writes one message into a chat. The token is a part of the path, which no error repeats.
pub(crate) async fn send(
    http: &Http,
    settings: &TelegramSettings,
    args: &Args,
    message: &Message,
) -> Result<String, NotifyError> {
    let argument = |name| args.get(name).unwrap_or_default();
    let base = settings.base_url.trim_end_matches('/');
    let url = http.read_url(&format!("{base}/bot{}/sendMessage", argument("token")))?;
    let body = json::to_string(&body(argument("chat_id"), message))
        .map_err(|e| NotifyError::Config(e.to_string()))?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let status = http.post(&url, headers, body).await?;
    Ok(format!("{status} from {}", crate::error::shown(url.host_str().unwrap_or_default())))
}

/// Source: Telegram, Bot API, `sendMessage` and "HTML style".
fn body(chat_id: &str, message: &Message) -> Value {
    let change = &message.change;
    let test = if message.test { "[test] " } else { "" };
    let what = change.product.as_ref().map_or("service", |product| product.raw());
    let mut text = format!(
        "<b>{test}{}</b>: {} at {}, {} ({})\n",
        change.kind.title(),
        quoted(what),
        quoted(&change.endpoint().to_string()),
        change.exposure,
        change.severity
    );
    let owner = change.owner.as_ref().map_or("", |owner| owner.raw());
    for (name, word) in [
        ("before", change.before.raw()),
        ("now", change.after.raw()),
        ("owner", owner),
        ("alert", message.alert.name.raw()),
        ("trigger", message.trigger.as_str()),
    ] {
        if !word.is_empty() {
            text.push_str(&format!("{name}: {}\n", quoted(word)));
        }
    }
    if let Some(link) = &message.link {
        text.push_str(&format!("<a href=\"{}\">Show the host</a>\n", html(link)));
    }
    json!({
        "chat_id": chat_id,
        "text": text,
        "parse_mode": "HTML",
        "link_preview_options": { "is_disabled": true },
    })
}

/// Foreign words as code, in which Telegram makes no links, mentions, commands or hashtags.
fn quoted(text: &str) -> String {
    format!("<code>{}</code>", html(&terminal_cut(text, WORD_COLUMNS)))
}

#[cfg(test)]
mod tests;
