use nightlatch_untrusted::html;

use super::{Svg, nice, open, place, share};
use crate::words::thousands;

/// One layer of a chart over time.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// What it is called.
    pub(crate) name: String,
    /// Its colour: a word for which the stylesheet has `f-<word>`.
    pub(crate) class: &'static str,
    /// One value for each step.
    pub(crate) values: Vec<u64>,
}

/// Columns over time, with everything a page shows around them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stacked {
    /// The columns.
    pub(crate) svg: Svg,
    /// Labels of the axis, from the top.
    pub(crate) y: [String; 3],
    /// Labels below, from the left: at most five.
    pub(crate) x: Vec<String>,
    /// Name and colour of each layer, the uppermost first.
    pub(crate) legend: Vec<(String, &'static str)>,
    /// The same numbers: label of the step, then the values in the order of the legend.
    pub(crate) rows: Vec<(String, Vec<String>)>,
}

/// Draws one column a step; the first of `series` lies at the bottom.
pub(crate) fn stacked(title: &str, labels: &[String], series: &[Series]) -> Stacked {
    let steps = labels.len();
    let value = |series: &Series, step: usize| series.values.get(step).copied().unwrap_or(0);
    let sum = |step: usize| series.iter().map(|s| value(s, step)).fold(0, u64::saturating_add);
    let top = nice((0..steps).map(sum).max().unwrap_or(0));
    let described = match (labels.first(), labels.last()) {
        (Some(first), Some(last)) => format!("From {first} to {last}; the numbers are in the table below."),
        _ => String::new(),
    };
    let mut out = open("columns", "0 0 1000 100", true, title, &described);
    for y in [0, 50, 100] {
        out.push_str(&format!("<path class=\"gridline\" d=\"M0 {y}H1000\"/>"));
    }
    let width = 1000.0 / steps.max(1) as f64;
    for (step, label) in labels.iter().enumerate() {
        let told: Vec<String> = series
            .iter()
            .rev()
            .filter(|s| value(s, step) > 0)
            .map(|s| format!("{} {}", s.name, thousands(value(s, step))))
            .collect();
        out.push_str(&format!("<g><title>{}: {}</title>", html(label), html(&told.join(", "))));
        let mut floor = 100.0;
        for layer in series.iter().filter(|s| value(s, step) > 0) {
            let height = share(value(layer, step), top, 100.0);
            floor -= height;
            out.push_str(&format!(
                "<rect class=\"f-{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"/>",
                layer.class,
                place(step as f64 * width + width * 0.14),
                place(floor),
                place(width * 0.72),
                place(height)
            ));
        }
        out.push_str("</g>");
    }
    out.push_str("</svg>");
    let layers = || series.iter().rev();
    Stacked {
        svg: Svg(out),
        y: [thousands(top), thousands(top / 2), "0".to_owned()],
        x: thinned(labels),
        legend: layers().map(|s| (s.name.clone(), s.class)).collect(),
        rows: labels
            .iter()
            .enumerate()
            .map(|(step, label)| (label.clone(), layers().map(|s| thousands(value(s, step))).collect()))
            .collect(),
    }
}

/// At most five of the labels, evenly, with the first and the last.
fn thinned(labels: &[String]) -> Vec<String> {
    const LABELS_MAX: usize = 5;
    let Some(last) = labels.len().checked_sub(1) else { return Vec::new() };
    let wanted = labels.len().min(LABELS_MAX);
    if wanted == 1 {
        return labels.to_vec();
    }
    (0..wanted).filter_map(|at| labels.get(at * last / (wanted - 1)).cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_stand_on_each_other() {
        let labels = ["Mon".to_owned(), "Tue".to_owned()];
        let series = [
            Series { name: "low".into(), class: "low", values: vec![50, 0] },
            Series { name: "high".into(), class: "high", values: vec![50, 100] },
        ];
        let chart = stacked("doors", &labels, &series);
        let svg = chart.svg.to_string();
        assert!(svg.contains("class=\"f-low\" x=\"70\" y=\"50\" width=\"360\" height=\"50\""), "{svg}");
        assert!(svg.contains("class=\"f-high\" x=\"70\" y=\"0\" width=\"360\" height=\"50\""), "{svg}");
        assert!(svg.contains("class=\"f-high\" x=\"570\" y=\"0\" width=\"360\" height=\"100\""), "{svg}");
        assert_eq!(chart.y, ["100", "50", "0"]);
        assert_eq!(chart.legend[0].0, "high", "the uppermost first");
        assert_eq!(chart.rows[1], ("Tue".to_owned(), vec!["100".to_owned(), "0".to_owned()]));
    }

    #[test]
    fn few_labels_are_kept_and_many_are_thinned() {
        let labels: Vec<String> = (1..=14).map(|n| n.to_string()).collect();
        assert_eq!(thinned(&labels), ["1", "4", "7", "10", "14"]);
        assert_eq!(thinned(&labels[..1]), ["1"]);
        assert_eq!(thinned(&[]), Vec::<String>::new());
    }
}
