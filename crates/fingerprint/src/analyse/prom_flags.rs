//! Which start flags a server of the Prometheus family reports.

use serde_json::Value;

/// True when `/data` lists the flag with the word `true`. Prometheus reports every value as text.
///
/// Source: Prometheus documentation, HTTP API, "Flags".
pub(super) fn enabled(document: &Value, flag: &str) -> bool {
    match document.get("data").and_then(|data| data.get(flag)) {
        Some(Value::String(word)) => word == "true",
        Some(Value::Bool(on)) => *on,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_true_counts() {
        let document =
            json!({ "data": { "web.enable-admin-api": "true", "web.enable-lifecycle": "false", "x": true } });
        assert!(enabled(&document, "web.enable-admin-api") && enabled(&document, "x"));
        assert!(!enabled(&document, "web.enable-lifecycle") && !enabled(&document, "absent"));
        assert!(!enabled(&json!([1]), "x"));
    }
}
