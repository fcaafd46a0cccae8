//! Pictures: one file each, nothing loaded from elsewhere, light and dark, readable without colours.

mod graph;
mod grid;
mod page;

pub(crate) use page::html;

use nightlatch_untrusted::html as escape;

use super::picture::{Look, Picture};

/// Both pictures below each other, as one SVG.
pub(crate) fn svg(picture: &Picture, title: &str) -> String {
    let (grid, graph) = (grid::draw(picture), graph::draw(picture));
    let width = grid.width.max(graph.width).max(LEGEND_WIDTH) + 2.0 * MARGIN;
    let graph_top = grid.height + HEAD + 64.0;
    let height = graph_top + graph.height + MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-labelledby=\"t\">\n\
         <title id=\"t\">{}</title>\n<style>{STYLE}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n\
         <text class=\"h1\" x=\"{MARGIN}\" y=\"40\">{}</text>\n",
        escape(title),
        escape(title)
    );
    out += &format!("<text class=\"sub\" x=\"{MARGIN}\" y=\"62\">{}</text>\n", escape(&subtitle(picture)));
    out += &legend(MARGIN, 80.0);
    out += &format!("<g transform=\"translate({MARGIN} {HEAD})\">\n{}</g>\n", grid.body);
    out += &format!(
        "<g transform=\"translate({:.0} {graph_top:.0})\">\n{}</g>\n</svg>\n",
        (width - graph.width) / 2.0,
        graph.body
    );
    out
}

/// A part of a picture, drawn from its own origin.
pub(crate) struct Part {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) body: String,
}

const MARGIN: f64 = 28.0;
/// Width of the legend.
pub(crate) const LEGEND_WIDTH: f64 = 580.0;
/// Height of title, subtitle and legend.
const HEAD: f64 = 116.0;

/// What is shown, in one line.
pub(crate) fn subtitle(picture: &Picture) -> String {
    let pods: usize = picture.items.iter().map(|item| item.pods.len()).sum();
    let groups = picture.groups.len();
    let shown = if picture.collapsed { "each row a namespace" } else { "each row a workload" };
    format!(
        "{pods} workload{} in {groups} namespace{}, {shown}: read from row to column",
        if pods == 1 { "" } else { "s" },
        if groups == 1 { "" } else { "s" }
    )
}

/// The class of a cell's shape, and what it means.
pub(crate) const LOOKS: [(Look, &str, &str); 5] = [
    (Look::All, "all", "every port"),
    (Look::Some, "some", "some ports or pairs"),
    (Look::Depends, "maybe", "depends"),
    (Look::Unknown, "unknown", "not evaluated"),
    (Look::None, "none", "nothing"),
];

pub(crate) fn class(look: Look) -> &'static str {
    LOOKS.iter().find(|(own, ..)| *own == look).map_or("self", |(_, class, _)| class)
}

/// The legend as a row.
pub(crate) fn legend(x: f64, y: f64) -> String {
    let mut out = String::new();
    let mut at = x;
    for (_, class, text) in LOOKS {
        out += &format!(
            "<rect class=\"cell {class}\" x=\"{at:.0}\" y=\"{y:.0}\" width=\"14\" height=\"14\" rx=\"3\"/>"
        );
        out += &mark(class, at, y, 14.0);
        out += &format!("<text class=\"key\" x=\"{:.0}\" y=\"{:.1}\">{text}</text>\n", at + 20.0, y + 11.5);
        at += 42.0 + text.len() as f64 * 6.8;
    }
    out
}

/// The sign inside a cell, so that colours are not needed: a dot for some ports, a ring for "depends".
pub(crate) fn mark(class: &str, x: f64, y: f64, size: f64) -> String {
    let (cx, cy, r) = (x + size / 2.0, y + size / 2.0, size / 6.0);
    match class {
        "some" => format!("<circle class=\"mark\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"{r:.1}\"/>"),
        "maybe" => format!("<circle class=\"ring\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"{r:.1}\"/>"),
        "unknown" => {
            let (a, b) = (size * 0.3, size * 0.7);
            format!("<path class=\"ring\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>", x + a, y + b, x + b, y + a)
        }
        _ => String::new(),
    }
}

/// A label that fits so many characters.
pub(crate) fn cut(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(characters.saturating_sub(1)).collect();
    short.push('…');
    short
}

/// Colours and type of both pictures; variables turn with the reader's choice of light or dark.
pub(crate) const STYLE: &str = "\
:root{--paper:#fbfaf7;--ink:#1c2430;--soft:#677084;--line:#dcd8cf;--none:#eeebe4;--all:#c2410c;--some:#2b6f96;--maybe:#c99a2e;\
--unknown:#8a8f9c;--on:#fff;--g0:#2b6f96;--g1:#7a5195;--g2:#3a7d44;--g3:#b5543c;--g4:#8a6d1d;--g5:#4a5a9e}\
@media (prefers-color-scheme:dark){:root{--paper:#12161c;--ink:#e8e6e1;--soft:#98a1b2;--line:#2c333d;--none:#1d232b;--all:#f0804e;\
--some:#5fa9cf;--maybe:#e0b454;--unknown:#747c8b;--on:#12161c;--g0:#6fb2d6;--g1:#b694cf;--g2:#7dbd87;--g3:#e29480;--g4:#cdb05f;--g5:#93a2e2}}\
.paper{fill:var(--paper)}\
text{font-family:ui-sans-serif,system-ui,-apple-system,'Segoe UI','Helvetica Neue',Arial,sans-serif;fill:var(--ink)}\
.h1{font-size:20px;font-weight:650;letter-spacing:-.01em}.sub,.key{fill:var(--soft);font-size:12px}\
.label{font-size:12px}.small{font-size:10px}.group{font-size:11px;font-weight:650;letter-spacing:.02em}\
.cell{stroke:var(--paper);stroke-width:1}.none{fill:var(--none)}.all{fill:var(--all)}.some{fill:var(--some)}.maybe{fill:var(--maybe)}\
.unknown{fill:var(--unknown)}.self{fill:none}.mark{fill:var(--on)}.ring{fill:none;stroke:var(--on);stroke-width:1.5}\
.dash{stroke:var(--line);stroke-width:1;fill:none}.num{font-size:9px;fill:var(--on);text-anchor:middle;font-variant-numeric:tabular-nums}\
.edge{fill:none;stroke-width:1.4;opacity:.6}.edge:hover{opacity:1;stroke-width:2.6}.edge.all{stroke:var(--all);fill:none}.edge.some{stroke:var(--some);fill:none}\
.edge.maybe{stroke:var(--maybe);fill:none;stroke-dasharray:4 3}.edge.unknown{stroke:var(--unknown);fill:none;stroke-dasharray:1 3}\
.hit:hover .cell,.hit:focus .cell{stroke:var(--ink);stroke-width:2}.hit:focus{outline:none}\
.node:hover circle,.node:focus circle{stroke:var(--ink);stroke-width:3}.node:focus{outline:none}\
.g0{fill:var(--g0)}.g1{fill:var(--g1)}.g2{fill:var(--g2)}.g3{fill:var(--g3)}.g4{fill:var(--g4)}.g5{fill:var(--g5)}.gi{fill:var(--ink)}";

/// The colour of a group; the Internet and what belongs to none have the ink's.
pub(crate) fn group_class(group: Option<usize>) -> String {
    group.map_or("gi".to_owned(), |group| format!("g{}", group % 6))
}

#[cfg(test)]
mod tests {
    use nightlatch_manifest::{Corpus, Input};
    use nightlatch_netpol::{Engine, Network, PortSet};

    use super::*;

    fn picture(workloads: usize, name: &str) -> Picture {
        let one = |n: usize| {
            format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{namespace: \"{name}{}\", name: \"{name}-{n}\"}}, spec: {{containers: [{{name: c, image: i}}]}}}}\n---\n",
                n % 7
            )
        };
        let text: String = (0..workloads).map(one).collect();
        let corpus = Corpus::read([Input { name: "a.yaml".into(), bytes: text.into_bytes() }]);
        let network = Network::read(&corpus);
        assert_eq!(network.pods.len(), workloads, "{:?}", corpus.diagnostics);
        Picture::new(&Engine::new(&network), &PortSet::all(), 60)
    }

    /// Tags that are closed in the order in which they were opened; nothing but tags between `<` and `>`.
    fn assert_well_formed(markup: &str) {
        let mut open = Vec::new();
        for piece in markup.split('<').skip(1) {
            let (tag, _) = piece.split_once('>').unwrap_or_else(|| unreachable!("an open tag: {piece}"));
            let name: String =
                tag.trim_start_matches('/').chars().take_while(|c| c.is_ascii_alphanumeric()).collect();
            match (tag.starts_with('/'), tag.ends_with('/'), name.as_str()) {
                (true, ..) => assert_eq!(open.pop().as_deref(), Some(name.as_str()), "{tag}"),
                (_, true, _) | (_, _, "" | "meta") => {}
                _ => open.push(name),
            }
        }
        assert!(open.is_empty(), "{open:?}");
    }

    #[test]
    fn hostile_names_stay_text() {
        let picture = picture(9, r"</text><script>alert(1)</script>&'\u202e\u001b[31m");
        for drawn in [svg(&picture, "a <b>"), html(&picture, "a <b>")] {
            assert_well_formed(&drawn);
            for forbidden in ["<script", "alert(1)</", "<b>", "\u{202e}", "\u{1b}", "http://", "url(http"] {
                let drawn = drawn.replace("http://www.w3.org/2000/svg", "");
                assert!(!drawn.contains(forbidden), "{forbidden}");
            }
            assert!(drawn.contains("&lt;script&gt;"));
        }
    }

    #[test]
    fn many_workloads_become_namespaces() {
        let (few, many) = (picture(5, "x"), picture(500, "x"));
        assert!(!few.collapsed && few.items.len() == 6);
        assert!(many.collapsed && many.items.len() == 8);
        let inside = many.cell(1, 1);
        assert_eq!((inside.pairs, inside.all), (72 * 71, 72 * 71));
        assert_well_formed(&svg(&many, "t"));
        assert!(svg(&many, "t").len() < 200_000);
    }
}
