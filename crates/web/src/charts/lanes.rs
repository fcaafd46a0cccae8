use nightlatch_untrusted::html;

use super::{Svg, open, place};

/// A stretch of a time line.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    /// Where it begins, from 0 to 1.
    pub(crate) from: f64,
    /// Where it ends, from 0 to 1.
    pub(crate) until: f64,
    /// Its colour, such as `f-readable`.
    pub(crate) class: &'static str,
    /// What it is.
    pub(crate) title: String,
}

/// One lane of a time line.
pub(crate) fn lane(spans: &[Span], title: &str) -> Svg {
    let mut out = open("lane", "0 0 1000 16", true, title, "");
    out.push_str("<rect class=\"track\" width=\"1000\" height=\"16\"/>");
    for span in spans {
        let from = span.from.clamp(0.0, 1.0) * 1000.0;
        let until = span.until.clamp(0.0, 1.0) * 1000.0;
        // A single look has no length, and is seen all the same.
        let width = (until - from).max(10.0);
        out.push_str(&format!(
            "<rect class=\"{}\" x=\"{}\" width=\"{}\" height=\"16\"><title>{}</title></rect>",
            span.class,
            place(from.min(990.0)),
            place(width),
            html(&span.title)
        ));
    }
    out.push_str("</svg>");
    Svg(out)
}
