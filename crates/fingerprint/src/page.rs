//! What is read from a response besides its JSON: media type and title.

use nightlatch_asset::HttpAnswer;

/// Bytes of a page in which its title is looked for.
const TITLE_SEARCH_BYTES: usize = 32 * 1024;
/// Longest title, in characters.
const TITLE_CHARS_MAX: usize = 256;
/// Longest media type that is shown.
const MEDIA_TYPE_BYTES_MAX: usize = 60;

/// The media type in lower case, without parameters; empty when there is none or when it is no media type.
pub(crate) fn media_type(answer: &HttpAnswer) -> String {
    let value = answer.header("content-type").unwrap_or_default();
    let bare = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let token = |c: char| c.is_ascii_alphanumeric() || "/.+-_".contains(c);
    if bare.len() <= MEDIA_TYPE_BYTES_MAX && bare.chars().all(token) { bare } else { String::new() }
}

/// The title of an HTML page: text of the first `<title>`, white space folded, the commonest entities resolved.
/// `None` when there is no title element.
pub(crate) fn title(answer: &HttpAnswer) -> Option<String> {
    let body = &answer.body[..answer.body.len().min(TITLE_SEARCH_BYTES)];
    let open = find(body, b"<title")?;
    let start = open + body[open..].iter().position(|byte| *byte == b'>')? + 1;
    let end = find(&body[start..], b"</title").map_or(body.len(), |length| start + length);
    let text = String::from_utf8_lossy(&body[start..end]);
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(resolve(&folded).chars().take(TITLE_CHARS_MAX).collect())
}

fn resolve(text: &str) -> String {
    if !text.contains('&') {
        return text.to_owned();
    }
    let entities =
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&nbsp;", " "), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

/// Position of an ASCII word in any case.
fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    bytes.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use nightlatch_asset::BodyEnd;

    use super::*;

    fn page(head: &str, body: &str) -> HttpAnswer {
        crate::exchange::http(format!("HTTP/1.1 200 OK\n{head}\n\n{body}").as_bytes(), BodyEnd::Complete)
            .unwrap()
    }

    #[test]
    fn a_title_is_folded_and_bounded() {
        let title = |body: &str| title(&page("A: b", body));
        assert_eq!(title("<TITLE id=x>\n Argo\n  CD &amp; x</Title>").as_deref(), Some("Argo CD & x"));
        assert_eq!(title("<title>cut off").as_deref(), Some("cut off"));
        assert_eq!(title("<title"), None);
        assert_eq!(title("no"), None);
        assert_eq!(
            title(&format!("<title>{}", "ä".repeat(1000))).map(|t| t.chars().count()),
            Some(TITLE_CHARS_MAX)
        );
    }

    #[test]
    fn a_media_type_is_a_token() {
        assert_eq!(media_type(&page("Content-Type: Application/JSON; charset=x", "")), "application/json");
        assert_eq!(media_type(&page("Content-Type: a@b <script>", "")), "");
    }
}
