use super::{Svg, open, place, share};

/// A small line without axes.
pub(crate) fn spark(values: &[u64], title: &str) -> Svg {
    let mut out = open("spark", "0 0 100 24", true, title, "");
    let most = values.iter().copied().max().unwrap_or(0);
    if values.len() > 1 {
        let step = 100.0 / (values.len() - 1) as f64;
        let points: Vec<String> = values
            .iter()
            .enumerate()
            .map(|(at, value)| {
                format!("{} {}", place(at as f64 * step), place(22.0 - share(*value, most, 20.0)))
            })
            .collect();
        out.push_str(&format!("<path class=\"s-accent\" d=\"M{}\"/>", points.join("L")));
    }
    out.push_str("</svg>");
    Svg(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_goes_from_left_to_right_and_up() {
        let svg = spark(&[0, 5, 10], "seen").to_string();
        assert!(svg.contains("M0 22L50 12L100 2"), "{svg}");
        assert!(!spark(&[3], "seen").to_string().contains("<path"));
    }
}
