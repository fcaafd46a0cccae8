use super::{Svg, place, share};

/// A part of a bar.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// Class of the stylesheet that colours it, such as `f-high`.
    pub(crate) class: &'static str,
    /// How much it stands for.
    pub(crate) count: u64,
}

/// A horizontal bar of several parts on a track that stands for `most`. The number stands beside it in the page, so
/// it is hidden from those who listen.
pub(crate) fn bar(parts: &[Part], most: u64) -> Svg {
    let mut out = String::from(
        "<svg class=\"bar\" viewBox=\"0 0 100 6\" preserveAspectRatio=\"none\" aria-hidden=\"true\" focusable=\"false\">\
         <rect class=\"track\" width=\"100\" height=\"6\"/>",
    );
    let mut at = 0.0;
    for part in parts.iter().filter(|part| part.count > 0) {
        // What is there can be seen, however little it is.
        let width = share(part.count, most, 100.0).max(0.8).min(100.0 - at);
        out.push_str(&format!(
            "<rect class=\"{}\" x=\"{}\" width=\"{}\" height=\"6\"/>",
            part.class,
            place(at),
            place(width)
        ));
        at += width;
    }
    out.push_str("</svg>");
    Svg(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_never_longer_than_the_track() {
        let svg =
            bar(&[Part { class: "f-high", count: 25 }, Part { class: "f-soft", count: 75 }], 100).to_string();
        assert!(svg.contains("x=\"0\" width=\"25\"") && svg.contains("x=\"25\" width=\"75\""), "{svg}");
        let svg =
            bar(&[Part { class: "f-high", count: 9 }, Part { class: "f-soft", count: 9 }], 9).to_string();
        assert!(svg.contains("x=\"100\" width=\"0\""), "{svg}");
        let svg = bar(&[Part { class: "f-high", count: 1 }], 1_000_000).to_string();
        assert!(svg.contains("width=\"0.8\""), "{svg}");
        assert!(!bar(&[Part { class: "f-high", count: 0 }], 0).to_string().contains("f-high"));
    }
}
