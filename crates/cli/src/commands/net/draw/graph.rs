//! The graph: items on a circle, by namespace, and what may connect as curves through it.

use std::f64::consts::TAU;

use nightlatch_untrusted::html as escape;

use super::{
    super::picture::{Look, Picture},
    Part, class, cut, group_class,
};

/// Characters of a label.
const LABEL_MAX: usize = 24;
/// Pixels between neighbours on the circle, and of the circle's radius.
const STEP: f64 = 19.0;
const RADIUS_MIN: f64 = 150.0;
const RADIUS_MAX: f64 = 460.0;
/// Empty places between namespaces.
const GAP: f64 = 0.8;

pub(super) fn draw(picture: &Picture) -> Part {
    let n = picture.items.len();
    let mut places = Vec::with_capacity(n);
    let mut next = 0.0;
    for (index, item) in picture.items.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| picture.items.get(before));
        if before.is_some_and(|before| before.group != item.group) {
            next += GAP;
        }
        places.push(next);
        next += 1.0;
    }
    let total = next + GAP;
    let radius = (total * STEP / TAU).clamp(RADIUS_MIN, RADIUS_MAX);
    let longest =
        picture.items.iter().map(|item| item.label.chars().count().min(LABEL_MAX)).max().unwrap_or(0);
    let label = longest as f64 * 6.7 + 26.0;
    let (cx, cy) = (radius + label, radius + label.min(150.0));
    // The Internet is on top.
    let angle = |index: usize| places[index] / total * TAU - TAU / 4.0;
    let spot = |index: usize, r: f64| (cx + r * angle(index).cos(), cy + r * angle(index).sin());
    // Where everything is open the curves would hide each other.
    let drawn = picture.cells.iter().filter(|cell| !matches!(cell.look(), Look::None | Look::Itself)).count();
    let opacity = (90.0 / drawn.max(1) as f64).clamp(0.2, 1.0);
    let mut body = format!("{}<g stroke-opacity=\"{opacity:.2}\">\n", marker());
    for from in 0..n {
        for to in 0..n {
            edge(
                picture,
                (from, to),
                (cx, cy),
                (spot(from, radius - 8.0), spot(to, radius - 9.0)),
                &mut body,
            );
        }
    }
    body += "</g>\n";
    for index in 0..n {
        node(picture, index, spot(index, radius), spot(index, radius + 14.0), angle(index), &mut body);
    }
    Part { width: 2.0 * cx, height: 2.0 * cy, body }
}

fn marker() -> String {
    let arrow = |class: &str| {
        format!(
            "<marker id=\"a-{class}\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"6\" markerHeight=\"6\" orient=\"auto-start-reverse\"><path class=\"{class}\" d=\"M0 0.8L8 4L0 7.2Z\"/></marker>"
        )
    };
    format!("<defs>{}{}{}{}</defs>\n", arrow("all"), arrow("some"), arrow("maybe"), arrow("unknown"))
}

fn edge(
    picture: &Picture,
    (from, to): (usize, usize),
    (cx, cy): (f64, f64),
    ((x1, y1), (x2, y2)): ((f64, f64), (f64, f64)),
    body: &mut String,
) {
    let (there, back) = (picture.cell(from, to), picture.cell(to, from));
    let is_drawn = |look| !matches!(look, Look::None | Look::Itself);
    let both = is_drawn(back.look()) && back.look() == there.look();
    // Of two equal directions one curve with two heads is drawn.
    if from == to || !is_drawn(there.look()) || (both && to < from) {
        return;
    }
    let class = class(there.look());
    let bend = 0.35;
    let (mx, my) = ((x1 + x2) / 2.0 * bend + cx * (1.0 - bend), (y1 + y2) / 2.0 * bend + cy * (1.0 - bend));
    let start = if both { format!(" marker-start=\"url(#a-{class})\"") } else { String::new() };
    let arrow = if both { "and back" } else { "one way" };
    let title = escape(&format!("{} to {}, {arrow}: {}", picture.name(from), picture.name(to), there.text()));
    *body += &format!(
        "<path class=\"edge {class}\" d=\"M{x1:.1} {y1:.1}Q{mx:.1} {my:.1} {x2:.1} {y2:.1}\" marker-end=\"url(#a-{class})\"{start}><title>{title}</title></path>\n"
    );
}

fn node(
    picture: &Picture,
    index: usize,
    (x, y): (f64, f64),
    (tx, ty): (f64, f64),
    angle: f64,
    body: &mut String,
) {
    let item = &picture.items[index];
    let n = picture.items.len();
    let counted = |cells: &mut dyn Iterator<Item = &super::super::picture::Cell>| {
        cells.filter(|cell| matches!(cell.look(), Look::All | Look::Some)).count()
    };
    let reaches =
        counted(&mut (0..n).filter(|&other| other != index).map(|other| picture.cell(index, other)));
    let reached =
        counted(&mut (0..n).filter(|&other| other != index).map(|other| picture.cell(other, index)));
    let title = escape(&format!(
        "{}: reaches {reaches}, reached by {reached} of {}",
        picture.name(index),
        n.saturating_sub(1)
    ));
    let color = group_class(item.group);
    let degrees = angle.to_degrees();
    let flipped = angle.cos() < -0.001;
    let (turn, anchor) = if flipped { (degrees + 180.0, "end") } else { (degrees, "start") };
    let label = escape(&cut(&item.label, LABEL_MAX));
    *body += &format!(
        "<g class=\"node\" tabindex=\"0\"><title>{title}</title><circle class=\"{color}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"5.5\"/>\
         <text class=\"label\" text-anchor=\"{anchor}\" dominant-baseline=\"middle\" transform=\"translate({tx:.1} {ty:.1}) rotate({turn:.1})\">{label}</text></g>\n"
    );
}
