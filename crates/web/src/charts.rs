//! Charts drawn on the server as SVG. Colours are classes of the stylesheet, text of the axes is HTML beside the
//! drawing, so that it stays readable at every width. All of it is shapes and escaped text: safe to put into a page.

mod bar;
mod donut;
mod lanes;
mod map;
mod spark;
mod stacked;

pub(crate) use bar::{Part, bar};
pub(crate) use donut::donut;
pub(crate) use lanes::{Span, lane};
pub(crate) use map::{Country, country_name, map};
pub(crate) use spark::spark;
pub(crate) use stacked::{Series, Stacked, stacked};

use std::fmt;

use nightlatch_untrusted::html;

/// Markup made here, not text from outside: only this is written into pages as it is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Svg(pub(crate) String);

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Opens a drawing that tells what it shows to those who cannot see it.
fn open(class: &str, view: &str, stretch: bool, title: &str, description: &str) -> String {
    let stretched = if stretch { " preserveAspectRatio=\"none\"" } else { "" };
    let label = html(title);
    let mut out =
        format!("<svg class=\"{class}\" viewBox=\"{view}\"{stretched} role=\"img\" aria-label=\"{label}\">");
    out.push_str(&format!("<title>{label}</title>"));
    if !description.is_empty() {
        out.push_str(&format!("<desc>{}</desc>", html(description)));
    }
    out
}

/// A coordinate with at most two digits behind the point.
fn place(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// `part` of `whole` on a length of `length`; 0 of nothing is 0.
fn share(part: u64, whole: u64, length: f64) -> f64 {
    if whole == 0 { 0.0 } else { part.min(whole) as f64 / whole as f64 * length }
}

/// The next number above `most` that an axis can end with: 1, 2, 2.5, 4, 5 or 8 times a power of ten; even, so that
/// its half is whole as well.
fn nice(most: u64) -> u64 {
    let mut power = 1u64;
    loop {
        for step in [10u64, 20, 25, 40, 50, 80] {
            let value = step.saturating_mul(power) / 10;
            if value >= most.max(1) && value.is_multiple_of(2) {
                return value;
            }
        }
        let Some(next) = power.checked_mul(10) else { return most };
        power = next;
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_untrusted::hostile;

    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let ends: Vec<u64> = [0, 1, 2, 3, 5, 9, 11, 26, 61, 101, 999, 123_456].map(nice).to_vec();
        assert_eq!(ends, [2, 2, 2, 4, 8, 10, 20, 40, 80, 200, 1000, 200_000]);
        assert_eq!(nice(u64::MAX), u64::MAX);
    }

    #[test]
    fn coordinates_are_short() {
        assert_eq!(place(3.0), "3");
        assert_eq!(place(1.239), "1.24");
        assert_eq!(share(1, 0, 9.0), 0.0);
        assert_eq!(share(3, 2, 9.0), 9.0, "never outside the drawing");
    }

    /// A drawing is well-formed and keeps hostile labels as text.
    pub(super) fn check(svg: &Svg) {
        let text = svg.to_string();
        assert_eq!(text.matches("<svg").count(), text.matches("</svg>").count());
        for forbidden in ["style=", "<script", "onerror", " href=\"http", "javascript:"] {
            let safe = text.replace("onerror=alert", "").replace("(javascript:alert", "");
            assert!(!safe.contains(forbidden), "{forbidden} in {text}");
        }
        let mut open = Vec::new();
        for tag in text.split('<').skip(1) {
            let tag = tag.split('>').next().unwrap();
            let name = tag.trim_start_matches('/').split([' ', '/']).next().unwrap();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name.to_owned()), "{text}");
            } else if !tag.ends_with('/') {
                open.push(name.to_owned());
            }
        }
        assert!(open.is_empty(), "{open:?} stay open in {text}");
    }

    #[test]
    fn labels_from_outside_stay_text() {
        for attack in hostile::CORPUS {
            check(&spark(&[1, 2], attack));
            check(&donut(attack, "doors", &[(Part { class: "f-high", count: 3 }, (*attack).to_owned())]));
            check(&map(&[Country { code: (*attack).to_owned(), doors: 3, open: 1 }], 3));
            check(&lane(
                &[Span { from: 0.0, until: 1.0, class: "f-high", title: (*attack).to_owned() }],
                attack,
            ));
            let series = [Series { name: (*attack).to_owned(), class: "high", values: vec![1, 2] }];
            check(&stacked(attack, &["a".into(), (*attack).to_owned()], &series).svg);
        }
    }
}
