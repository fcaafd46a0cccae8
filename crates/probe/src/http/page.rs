//! What an answer's body says: the title of a page, a JSON value.

use nightlatch_asset::HttpAnswer;
use nightlatch_untrusted::Text;
use serde_json::Value;

/// Longest title that is kept, in characters.
pub const TITLE_CHARS_MAX: usize = 256;

/// Deepest nesting of arrays and objects that is parsed.
pub const JSON_DEPTH_MAX: usize = 64;

/// How much of a body is searched for a title, in bytes.
const TITLE_SEARCH_BYTES_MAX: usize = 64 * 1024;

/// Longest stretch between `<title>` and its end that is looked at, in bytes.
const TITLE_BYTES_MAX: usize = 4 * TITLE_CHARS_MAX;

/// Largest body that is parsed as JSON, in bytes: the body cap of the largest request class.
const JSON_BYTES_MAX: usize = 256 * 1024;

/// Longest character reference that is decoded, without `&` and `;`, in bytes.
const REFERENCE_BYTES_MAX: usize = 8;

/// The media type without its parameters, in lower case, such as `application/json`; absent without a
/// `Content-Type`.
pub fn media_type(answer: &HttpAnswer) -> Option<String> {
    let essence = answer.header("content-type")?.split(';').next()?.trim();
    (!essence.is_empty()).then(|| essence.to_ascii_lowercase())
}

/// The JSON value of the body; absent when the body is compressed, cut, deeper than [`JSON_DEPTH_MAX`], or no
/// JSON. The media type is not asked: many APIs send JSON as plain text.
pub fn json(answer: &HttpAnswer) -> Option<Value> {
    let body = plain_body(answer)?;
    let body = body.strip_prefix("\u{feff}".as_bytes()).unwrap_or(body);
    if body.len() > JSON_BYTES_MAX || depth(body) > JSON_DEPTH_MAX {
        return None;
    }
    serde_json::from_slice(body).ok()
}

/// The title of an HTML page, references decoded and white space folded; absent when there is none or it is
/// empty.
pub fn title(answer: &HttpAnswer) -> Option<Text> {
    let is_page = media_type(answer).is_none_or(|m| m.contains("html") || m.contains("xml"));
    let body = plain_body(answer).filter(|_| is_page)?;
    let body = &body[..body.len().min(TITLE_SEARCH_BYTES_MAX)];
    let after_tag = &body[find(body, b"<title")? + b"<title".len()..];
    let start = after_tag.iter().position(|b| *b == b'>')?;
    let text = &after_tag[start + 1..];
    let text = &text[..text.len().min(TITLE_BYTES_MAX)];
    let text = &text[..find(text, b"</title").unwrap_or(text.len())];
    let folded = fold(&decode(&String::from_utf8_lossy(text)));
    (!folded.is_empty()).then(|| Text::new(folded))
}

/// The body, unless a content coding hides it.
fn plain_body(answer: &HttpAnswer) -> Option<&[u8]> {
    let coding = answer.header("content-encoding").map_or("", str::trim);
    (coding.is_empty() || coding.eq_ignore_ascii_case("identity")).then_some(&answer.body)
}

/// Where `needle`, in lower case, first stands in `haystack`, ignoring case.
fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window.eq_ignore_ascii_case(needle))
}

fn fold(text: &str) -> String {
    let mut out = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c == '\0').filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    }
    match out.char_indices().nth(TITLE_CHARS_MAX) {
        Some((cut, _)) => out[..cut].trim_end().to_owned(),
        None => out,
    }
}

/// Replaces the common character references; leaves others as they are.
fn decode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let body = &from[1..];
        let end = body.bytes().take(REFERENCE_BYTES_MAX + 1).position(|b| b == b';');
        match end.and_then(|end| Some((reference(&body[..end])?, &body[end + 1..]))) {
            Some((c, after)) => {
                out.push(c);
                rest = after;
            }
            None => {
                out.push('&');
                rest = body;
            }
        }
    }
    out.push_str(rest);
    out
}

fn reference(name: &str) -> Option<char> {
    let number = |digits: &str, radix| {
        let digits = digits.bytes().all(|b| b.is_ascii_hexdigit()).then_some(digits)?;
        u32::from_str_radix(digits, radix).ok().and_then(char::from_u32)
    };
    match name.strip_prefix('#') {
        Some(digits) => match digits.strip_prefix(['x', 'X']) {
            Some(hex) => number(hex, 16),
            None => number(digits, 10),
        },
        None => Some(match name {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            "nbsp" => '\u{a0}',
            "copy" => '©',
            "reg" => '®',
            "ndash" => '–',
            "mdash" => '—',
            "middot" => '·',
            "raquo" => '»',
            _ => return None,
        }),
    }
}

/// Deepest nesting of `[` and `{` outside strings.
fn depth(json: &[u8]) -> usize {
    let (mut now, mut most) = (0usize, 0usize);
    let (mut in_string, mut escaped) = (false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => {
                now += 1;
                most = most.max(now);
            }
            b']' | b'}' if !in_string => now = now.saturating_sub(1),
            _ => {}
        }
    }
    most
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(headers: &[(&str, &str)], body: &str) -> HttpAnswer {
        let headers = headers.iter().map(|(n, v)| ((*n).to_owned(), Text::from(*v))).collect();
        HttpAnswer { headers, body: body.into(), ..HttpAnswer::default() }
    }

    fn check(body: &str, expected: Option<&str>) {
        let found = title(&answer(&[("content-type", "text/html; charset=utf-8")], body));
        assert_eq!(found.as_ref().map(Text::raw), expected, "{body:?}");
    }

    #[test]
    fn titles() {
        check("<html><head><title>Kubernetes Dashboard</title>", Some("Kubernetes Dashboard"));
        check("<TITLE lang=en>\n  A\t&amp;\n B&#33; &#x2713; &nope; & </Title>", Some("A & B! ✓ &nope; &"));
        check("<title>cut &amp", Some("cut &amp"));
        check("<title>&#xD800;&#99999999;é&é;</title>", Some("&#xD800;&#99999999;é&é;"));
        check("<title>  </title>", None);
        check("<title", None);
        check("no page", None);
        check(&format!("<title>{}</title>", "x".repeat(9000)), Some(&"x".repeat(TITLE_CHARS_MAX)));
        check(&format!("{}<title>late</title>", " ".repeat(TITLE_SEARCH_BYTES_MAX)), None);
        assert_eq!(title(&answer(&[("content-type", "application/json")], "<title>x</title>")), None);
        assert_eq!(title(&answer(&[("content-encoding", "gzip")], "<title>x</title>")), None);
    }

    #[test]
    fn json_is_bounded() {
        let parse = |body: &str| json(&answer(&[], body));
        assert_eq!(parse("\u{feff} {\"a\":[1]}\n"), Some(serde_json::json!({"a": [1]})));
        assert_eq!(parse("{\"a\":"), None);
        assert_eq!(parse("{} x"), None);
        assert_eq!(json(&answer(&[("content-encoding", "br")], "{}")), None);
        assert!(parse(&format!("{}{}", "[".repeat(JSON_DEPTH_MAX), "]".repeat(JSON_DEPTH_MAX))).is_some());
        assert!(parse(&format!("[{}{}]", "[".repeat(JSON_DEPTH_MAX), "]".repeat(JSON_DEPTH_MAX))).is_none());
        assert!(parse(&format!("\"{}\\\"[\"", "[".repeat(1000))).is_some());
        assert_eq!(parse(&format!("\"{}\"", "x".repeat(JSON_BYTES_MAX))), None);
    }

    #[test]
    fn media_types() {
        let of = |value: &str| media_type(&answer(&[("content-type", value)], ""));
        assert_eq!(of(" Application/JSON ; charset=utf-8").as_deref(), Some("application/json"));
        assert_eq!(of(";x"), None);
        assert_eq!(media_type(&answer(&[], "")), None);
    }
}
