//! The page: both pictures, and everything they show in words.

use nightlatch_untrusted::html as escape;

use super::{
    super::picture::{Look, Picture},
    LEGEND_WIDTH, STYLE, graph, grid, legend, subtitle,
};

/// Lines in words of one item; more are counted.
const LINES_MAX: usize = 400;

/// One file that loads nothing and runs nothing.
pub(crate) fn html(picture: &Picture, title: &str) -> String {
    let (grid, graph) = (grid::draw(picture), graph::draw(picture));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{}</title>\n<style>{STYLE}{PAGE}</style>\n</head>\n<body>\n<main>\n<h1>{}</h1>\n<p class=\"lead\">{}.</p>\n",
        escape(title),
        escape(title),
        escape(&subtitle(picture))
    );
    out += &figure(
        "Matrix",
        "Read from row to column. Point at a cell for its answer.",
        grid.width.max(LEGEND_WIDTH),
        grid.height + 30.0,
        &format!("{}<g transform=\"translate(0 30)\">{}</g>", legend(0.0, 0.0), grid.body),
    );
    out += &figure(
        "Graph",
        "A curve with one head is one way, with two it is both ways.",
        graph.width,
        graph.height,
        &graph.body,
    );
    out += "<h2 id=\"words\">In words</h2>\n";
    for row in 0..picture.items.len() {
        out += &words(picture, row);
    }
    out += "</main>\n</body>\n</html>\n";
    out
}

fn figure(name: &str, caption: &str, width: f64, height: f64, body: &str) -> String {
    format!(
        "<figure>\n<figcaption><h2>{name}</h2><p>{caption}</p></figcaption>\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"{name}\">\n\
         <svg viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"group\" aria-label=\"{name}\">\n{body}</svg>\n</div>\n</figure>\n"
    )
}

fn words(picture: &Picture, row: usize) -> String {
    let n = picture.items.len();
    let told: Vec<usize> = (0..n)
        .filter(|&column| !matches!(picture.cell(row, column).look(), Look::None | Look::Itself))
        .collect();
    let mut out = format!(
        "<details>\n<summary>{} <span>reaches {} of {}</span></summary>\n",
        escape(&picture.name(row)),
        told.len(),
        n.saturating_sub(1)
    );
    if told.is_empty() {
        return out + "<p>Nothing.</p>\n</details>\n";
    }
    out +=
        "<table>\n<thead><tr><th scope=\"col\">To</th><th scope=\"col\">Answer</th></tr></thead>\n<tbody>\n";
    for &column in told.iter().take(LINES_MAX) {
        let cell = picture.cell(row, column);
        out += &format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n",
            escape(&picture.name(column)),
            escape(&cell.text())
        );
    }
    out += "</tbody>\n</table>\n";
    if told.len() > LINES_MAX {
        out += &format!("<p>And {} more.</p>\n", told.len() - LINES_MAX);
    }
    out + "</details>\n"
}

const PAGE: &str = "\
:root{color-scheme:light dark}body{margin:0;background:var(--paper);color:var(--ink);\
font:15px/1.5 ui-sans-serif,system-ui,-apple-system,'Segoe UI','Helvetica Neue',Arial,sans-serif}\
main{max-width:1180px;margin:0 auto;padding:32px 28px 72px}h1{font-size:26px;letter-spacing:-.02em;margin:0 0 4px}\
h2{font-size:17px;margin:0}.lead,figcaption p{color:var(--soft);margin:0}figure{margin:32px 0 0}figcaption{margin-bottom:14px}\
.scroll{overflow:auto;border:1px solid var(--line);border-radius:10px;padding:20px}.scroll svg{display:block}\
#words{margin:40px 0 12px}details{border-top:1px solid var(--line);padding:8px 0}summary{cursor:pointer;font-weight:600}\
summary span{color:var(--soft);font-weight:400;margin-left:8px}table{border-collapse:collapse;margin:8px 0 8px 18px}\
th,td{text-align:left;padding:3px 18px 3px 0;font-weight:400;vertical-align:top}thead th{color:var(--soft);font-size:13px}\
summary:focus-visible,.scroll:focus-visible{outline:2px solid var(--some);outline-offset:2px}";
