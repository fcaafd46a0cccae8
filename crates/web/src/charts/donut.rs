use nightlatch_untrusted::html;

use super::{Part, Svg, open, place, share};
use crate::words::{percent, thousands};

/// Length of the ring: the circumference for a radius of 50.
const AROUND: f64 = 314.16;

/// A ring of parts with their sum in the middle. The class of a part begins with `f-`; rings are strokes.
pub(crate) fn donut(title: &str, noun: &str, parts: &[(Part, String)]) -> Svg {
    let total: u64 = parts.iter().map(|(part, _)| part.count).sum();
    let told: Vec<String> =
        parts.iter().map(|(part, name)| format!("{name} {}", thousands(part.count))).collect();
    let mut out = open("donut", "0 0 120 120", false, title, &told.join(", "));
    out.push_str("<circle class=\"s-track\" cx=\"60\" cy=\"60\" r=\"50\"/>");
    let mut at = 0.0;
    for (part, name) in parts.iter().filter(|(part, _)| part.count > 0) {
        let length = share(part.count, total, AROUND);
        let seen = (length - 1.2).max(0.8);
        out.push_str(&format!(
            "<circle class=\"s-{}\" cx=\"60\" cy=\"60\" r=\"50\" transform=\"rotate(-90 60 60)\" \
             stroke-dasharray=\"{} {AROUND}\" stroke-dashoffset=\"-{}\"><title>{}: {} ({})</title></circle>",
            part.class.trim_start_matches("f-"),
            place(seen),
            place(at),
            html(name),
            thousands(part.count),
            percent(part.count, total)
        ));
        at += length;
    }
    let size = if total >= 1_000_000 { " font-size=\"17\"" } else { "" };
    out.push_str(&format!(
        "<text x=\"60\" y=\"63\"{size}>{}</text><text class=\"sub\" x=\"60\" y=\"78\">{}</text></svg>",
        thousands(total),
        html(noun)
    ));
    Svg(out)
}
