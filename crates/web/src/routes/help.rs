//! `/help`: the query language and every field, from the same text as the reference page.

use askama::Template;
use axum::{Router, response::Response, routing::get};
use nightlatch_asset::Timestamp;
use nightlatch_query::{parse, reference};
use nightlatch_untrusted::html;

use crate::{Web, charts::Svg, fault::show, frame::Frame, link, visit::Visit};

pub(crate) fn router() -> Router<Web> {
    Router::new().route("/help", get(help))
}

#[derive(Debug, Template)]
#[template(path = "help.html")]
struct Page {
    frame: Frame,
    reference_svg: Svg,
}

async fn help(visit: Visit) -> Response {
    show(&Page { frame: Frame::new(&visit, "/help", "Help"), reference_svg: markup(&reference(), visit.now) })
}

/// The Markdown that the reference is written in: headings, tables, paragraphs, code. Every query in a table that can
/// be asked becomes a link to its answers.
fn markup(markdown: &str, now: Timestamp) -> Svg {
    let mut out = String::new();
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ").or_else(|| line.strip_prefix("# ")) {
            out.push_str(&format!("<h2>{}</h2>", inline(title, None)));
        } else if line.starts_with("| ") {
            let heads = cells(line);
            out.push_str("<div class=\"card\"><div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table\"><table class=\"mid\"><thead><tr>");
            for head in &heads {
                out.push_str(&format!("<th scope=\"col\">{}</th>", inline(head, None)));
            }
            out.push_str("</tr></thead><tbody>");
            while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                if row.starts_with("| ---") {
                    continue;
                }
                out.push_str("<tr>");
                for (at, cell) in cells(row).iter().enumerate() {
                    let asked = heads.get(at).is_some_and(|head| head == "write" || head == "example");
                    out.push_str(&format!("<td>{}</td>", inline(cell, asked.then_some(now))));
                }
                out.push_str("</tr>");
            }
            out.push_str("</tbody></table></div></div>");
        } else if !line.trim().is_empty() {
            let mut text = line.to_owned();
            while let Some(more) =
                lines.next_if(|line| !line.trim().is_empty() && !line.starts_with(['#', '|']))
            {
                text.push(' ');
                text.push_str(more);
            }
            out.push_str(&format!("<p>{}</p>", inline(&text, None)));
        }
    }
    Svg(out)
}

fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|').trim_end_matches('|');
    row.split(" | ").map(|cell| cell.trim().to_owned()).collect()
}

/// Code between backticks or `<code>` and the rest, escaped; with a time, code that is a query leads to its answers.
fn inline(text: &str, asked: Option<Timestamp>) -> String {
    let text = text.replace("<code>", "`").replace("</code>", "`").replace("&#124;", "|").replace("\\|", "|");
    let mut out = String::new();
    for (at, part) in text.split('`').enumerate() {
        if at % 2 == 0 {
            out.push_str(&html(part));
            continue;
        }
        let code = format!("<code>{}</code>", html(part));
        match asked.filter(|now| parse(part, *now).is_ok()) {
            Some(_) => out.push_str(&format!("<a href=\"{}\">{code}</a>", html(&link::search(part)))),
            None => out.push_str(&code),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_becomes_a_page_with_working_examples() {
        let page = markup(&reference(), Timestamp::UNIX_EPOCH).to_string();
        for info in nightlatch_asset::CATALOGUE {
            assert!(page.contains(&format!("<code>{}</code>", html(info.name))), "{}", info.name);
            let target = html(&link::search(info.example));
            assert!(page.contains(&format!("<a href=\"{target}\">")), "{} has no example", info.name);
        }
        assert!(page.contains("<code>a || b</code>"));
        assert!(!page.contains('`') && !page.contains("| ---"), "{page}");
        assert_eq!(page.matches("<table").count(), page.matches("</table>").count());
    }

    #[test]
    fn text_stays_text() {
        assert_eq!(inline("a <b> `c<d>`", None), "a &lt;b&gt; <code>c&lt;d&gt;</code>");
    }
}
