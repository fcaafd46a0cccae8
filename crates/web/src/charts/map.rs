use std::{collections::HashMap, sync::LazyLock};

use nightlatch_untrusted::html;

use super::{Svg, open};
use crate::{
    link,
    words::{counted, thousands},
};

/// What is known of one country.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Country {
    /// ISO 3166 alpha-2, as observed.
    pub(crate) code: String,
    /// Doors there.
    pub(crate) doors: u64,
    /// Those that are open.
    pub(crate) open: u64,
}

struct Shape {
    code: &'static str,
    name: &'static str,
    x: u32,
    y: u32,
    outline: &'static str,
}

/// See `data/make_world.py`: code, name, middle, outline.
static WORLD: LazyLock<Vec<Shape>> = LazyLock::new(|| {
    include_str!("../../data/world.tsv")
        .lines()
        .filter_map(|line| {
            let mut cells = line.split('\t');
            Some(Shape {
                code: cells.next()?,
                name: cells.next()?,
                x: cells.next()?.parse().ok()?,
                y: cells.next()?.parse().ok()?,
                outline: cells.next()?,
            })
        })
        .collect()
});

/// English name of an ISO 3166 alpha-2 code; none for what is no country.
pub(crate) fn country_name(code: &str) -> Option<&'static str> {
    WORLD.iter().find(|shape| shape.code == code).map(|shape| shape.name)
}

/// A map of the world, darker where more doors are, each country a link to its doors. `most` is the largest count.
pub(crate) fn map(countries: &[Country], most: u64) -> Svg {
    let known: HashMap<&str, &Country> = countries.iter().map(|c| (c.code.as_str(), c)).collect();
    let described = format!(
        "{} with doors; the numbers are in the table below.",
        counted(countries.len() as u64, "place")
    );
    let mut out = open("map", "0 0 1600 700", false, "Doors by country", &described);
    // All land without doors is one path: nothing can be asked of it.
    out.push_str("<path d=\"");
    for shape in WORLD.iter().filter(|shape| !known.contains_key(shape.code)) {
        out.push_str(shape.outline);
    }
    out.push_str("\"/>");
    // Dots last, so that no country covers them.
    let mut found: Vec<(&Shape, &Country)> =
        WORLD.iter().filter_map(|shape| Some((shape, *known.get(shape.code)?))).collect();
    found.sort_by_key(|(shape, _)| shape.outline.is_empty());
    for (shape, country) in found {
        let target = link::search(&format!("country:{}", shape.code));
        let class = shade(country.doors, most);
        let told =
            format!("{}: {}, {} open", shape.name, counted(country.doors, "door"), thousands(country.open));
        out.push_str(&format!("<a href=\"{}\"><title>{}</title>", html(&target), html(&told)));
        if shape.outline.is_empty() {
            out.push_str(&format!(
                "<circle class=\"m{class}\" cx=\"{}\" cy=\"{}\" r=\"7\"/>",
                shape.x, shape.y
            ));
        } else {
            out.push_str(&format!("<path class=\"m{class}\" d=\"{}\"/>", shape.outline));
        }
        out.push_str("</a>");
    }
    out.push_str("</svg>");
    Svg(out)
}

/// 1 to 5, by orders of magnitude below the largest.
fn shade(count: u64, most: u64) -> u8 {
    let part = ((count + 1) as f64).ln() / ((most.max(1) + 1) as f64).ln();
    // Between 1 and 5 after the bounds are kept.
    (part * 5.0).ceil().clamp(1.0, 5.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_world_is_whole() {
        assert!(WORLD.len() > 230, "{}", WORLD.len());
        for shape in WORLD.iter() {
            assert!(
                shape.code.len() == 2 && shape.code.bytes().all(|b| b.is_ascii_uppercase()),
                "{}",
                shape.code
            );
            assert!(shape.x <= 1600 && shape.y <= 700, "{}", shape.code);
            let drawn = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | 'M' | 'l' | 'z');
            assert!(shape.outline.chars().all(drawn), "{}", shape.code);
        }
        assert_eq!(country_name("DE"), Some("Germany"));
        assert_eq!(country_name("Germany"), None);
    }

    #[test]
    fn countries_are_shaded_and_linked() {
        let at = |code: &str, doors| Country { code: code.into(), doors, open: 1 };
        let svg = map(&[at("DE", 100_000), at("FR", 3), at("SG", 900), at("??", 7)], 100_000).to_string();
        assert!(svg.contains("<a href=\"/search?q=country%3ADE\"><title>Germany: 100,000 doors, 1 open</title><path class=\"m5\""));
        assert!(svg.contains("<title>France: 3 doors, 1 open</title><path class=\"m1\""));
        assert!(
            svg.contains("<circle class=\"m3\"") || svg.contains("<circle class=\"m4\""),
            "Singapore is a dot"
        );
        assert!(!svg.contains("??"), "what is no country is not drawn");
    }
}
