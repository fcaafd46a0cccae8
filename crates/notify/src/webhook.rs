use jiff::Timestamp;
use nightlatch_alert::{Args, Message};
use nightlatch_untrusted::terminal;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::{NotifyError, Secret, http::Http, signature, signature_sha1};

/// Longest value of a header, in bytes.
const VALUE_BYTES_MAX: usize = 400;

/// Posts the banner as JSON, with the headers of Shodan's webhooks and our own.
///
/// - `fallback`: the secret that signs where the notifier has none; without either nothing is signed.
pub(crate) async fn send(
    http: &Http,
    args: &Args,
    fallback: Option<&Secret>,
    message: &Message,
) -> Result<String, NotifyError> {
    let url = http.read_url(args.get("url").unwrap_or_default())?;
    let body = message.body().map_err(|e| NotifyError::Config(e.to_string()))?;
    let own = args.get("secret").map(Secret::new);
    let headers = headers(message, own.as_ref().or(fallback), Timestamp::now(), &body);
    let status = http.post(&url, headers, body).await?;
    Ok(format!("{status} from {}", crate::error::shown(url.host_str().unwrap_or_default())))
}

fn headers(message: &Message, secret: Option<&Secret>, now: Timestamp, body: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut add = |name: &'static str, value: &str| {
        headers.insert(HeaderName::from_static(name), header_value(value));
    };
    add("shodan-alert-id", message.alert.id.as_str());
    add("shodan-alert-name", message.alert.name.raw());
    add("shodan-alert-trigger", message.trigger.as_str());
    add("idempotency-key", &message.key);
    if let Some(secret) = secret {
        add("shodan-signature-sha1", &signature_sha1(secret, body.as_bytes()));
        add("x-nightlatch-signature", &signature(secret, now, body.as_bytes()));
    }
    headers
}

/// Any text as the value of a header: printable ASCII on one line, all else as its escape, cut.
///
/// Source: RFC 9110, section 5.5.
pub(crate) fn header_value(text: &str) -> HeaderValue {
    let mut out = String::new();
    for c in terminal(text).chars() {
        match c {
            ' '..='~' => out.push(c),
            c => out.extend(c.escape_unicode()),
        }
        if out.len() > VALUE_BYTES_MAX {
            break;
        }
    }
    HeaderValue::from_str(out.trim()).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
