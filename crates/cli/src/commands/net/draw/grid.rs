//! The matrix: a square of cells, rows to columns, put together by namespace.

use nightlatch_untrusted::html as escape;

use super::{
    super::picture::{Look, Picture},
    Part, class, cut, group_class, mark,
};

/// Pixels of all cells in one direction, and of one cell.
const WIDTH: f64 = 980.0;
const CELL_MIN: f64 = 8.0;
const CELL_MAX: f64 = 26.0;
/// Pixels between namespaces.
const GAP: f64 = 6.0;
/// Characters of a label.
const LABEL_MAX: usize = 28;
/// Cells smaller than this have no sign in them, and labels next to them are small.
const SIGN_MIN: f64 = 12.0;
/// Pictures with fewer items can be walked through by keyboard.
const KEYS_MAX: usize = 16;

pub(super) fn draw(picture: &Picture) -> Part {
    let n = picture.items.len();
    let size = (WIDTH / n.max(1) as f64).clamp(CELL_MIN, CELL_MAX);
    let longest =
        picture.items.iter().map(|item| item.label.chars().count().min(LABEL_MAX)).max().unwrap_or(0);
    let label_width = longest as f64 * 6.7 + 14.0;
    let group_width = if picture.collapsed { 0.0 } else { group_column(picture) };
    let left = label_width + group_width;
    let top = label_width * 0.76 + 14.0;
    let at = positions(picture, size);
    let end = at.last().map_or(0.0, |last| last + size);
    let mut body = String::new();
    labels(picture, &at, size, (left, top, group_width), &mut body);
    for row in 0..n {
        for column in 0..n {
            cell(picture, (row, column), (left + at[column], top + at[row], size), &mut body);
        }
    }
    Part { width: left + end + label_width * 0.72, height: top + end, body }
}

/// Width of the column with the names of namespaces.
fn group_column(picture: &Picture) -> f64 {
    let longest = picture.groups.iter().map(|name| name.chars().count().min(LABEL_MAX)).max().unwrap_or(0);
    longest as f64 * 6.6 + 26.0
}

/// Where each item starts, with gaps between namespaces.
fn positions(picture: &Picture, size: f64) -> Vec<f64> {
    let mut at = Vec::with_capacity(picture.items.len());
    let mut next = 0.0;
    for (index, item) in picture.items.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|before| picture.items.get(before));
        if before.is_some_and(|before| before.group != item.group && (!picture.collapsed || index == 1)) {
            next += GAP;
        }
        at.push(next);
        next += size;
    }
    at
}

fn labels(
    picture: &Picture,
    at: &[f64],
    size: f64,
    (left, top, group_width): (f64, f64, f64),
    body: &mut String,
) {
    let class = if size < SIGN_MIN { "label small" } else { "label" };
    let mut named = None;
    for (index, item) in picture.items.iter().enumerate() {
        let middle = at[index] + size / 2.0;
        let label = escape(&cut(&item.label, LABEL_MAX));
        let full = escape(&picture.name(index));
        *body += &format!(
            "<text class=\"{class}\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\"><title>{full}</title>{label}</text>",
            left - 8.0,
            top + middle + 4.0
        );
        let (x, y) = (left + middle + 3.0, top - 10.0);
        *body += &format!(
            "<text class=\"{class}\" transform=\"translate({x:.1} {y:.1}) rotate(-48)\"><title>{full}</title>{label}</text>\n"
        );
        let Some(group) = item.group.filter(|group| !picture.collapsed && named != Some(*group)) else {
            continue;
        };
        named = Some(group);
        let last = picture.items.iter().rposition(|other| other.group == Some(group)).unwrap_or(index);
        let (from, to) = (top + at[index] + 1.0, top + at[last] + size - 1.0);
        let (across, width) = (left + at[index] + 1.0, at[last] - at[index] + size - 2.0);
        *body += &format!(
            "<rect class=\"{}\" x=\"{across:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"2.5\" rx=\"1\"/>",
            group_class(Some(group)),
            top - 5.0
        );
        let name = picture.groups.get(group).map(|name| escape(&cut(name, LABEL_MAX))).unwrap_or_default();
        let color = group_class(Some(group));
        *body += &format!(
            "<rect class=\"{color}\" x=\"0\" y=\"{from:.1}\" width=\"3\" height=\"{:.1}\" rx=\"1.5\"/>\
             <text class=\"group {color}\" x=\"9\" y=\"{:.1}\">{name}</text>\n",
            to - from,
            from + 4.0 + (size / 2.0 - 1.0).min(9.0)
        );
        debug_assert!(group_width > 0.0);
    }
}

fn cell(picture: &Picture, (row, column): (usize, usize), (x, y, size): (f64, f64, f64), body: &mut String) {
    let cell = picture.cell(row, column);
    let look = cell.look();
    if look == Look::Itself {
        if row == column {
            *body += &format!(
                "<path class=\"dash\" d=\"M{:.1} {:.1}L{:.1} {:.1}\"/>",
                x + size * 0.3,
                y + size * 0.7,
                x + size * 0.7,
                y + size * 0.3
            );
        }
        return;
    }
    let class = class(look);
    let title = escape(&format!("{} to {}: {}", picture.name(row), picture.name(column), cell.text()));
    let keys = if picture.items.len() <= KEYS_MAX && look != Look::None { " tabindex=\"0\"" } else { "" };
    let shade = if picture.collapsed && matches!(look, Look::All | Look::Some) {
        format!(" fill-opacity=\"{:.2}\"", 0.35 + 0.65 * f64::from(cell.percent()) / 100.0)
    } else {
        String::new()
    };
    let radius = (size * 0.18).min(4.0);
    *body += &format!(
        "<g class=\"hit\"{keys}><title>{title}</title><rect class=\"cell {class}\"{shade} x=\"{x:.1}\" y=\"{y:.1}\" width=\"{size:.1}\" height=\"{size:.1}\" rx=\"{radius:.1}\"/>"
    );
    if picture.collapsed && size >= 20.0 && matches!(look, Look::All | Look::Some) {
        *body += &format!(
            "<text class=\"num\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
            x + size / 2.0,
            y + size / 2.0 + 3.0,
            cell.percent()
        );
    } else if size >= SIGN_MIN {
        *body += &mark(class, x, y, size);
    }
    *body += "</g>\n";
}
