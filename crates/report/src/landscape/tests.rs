use nightlatch_asset::{Cloud, Exposure, Place, Record, Severity, Text};
use nightlatch_untrusted::{hostile, is_dangerous};

use super::*;
use crate::{
    StyleSource,
    owner::About,
    samples::{bare, poisoned, time},
    tests::written,
};

fn service(product: &str, exposure: Exposure, first_seen: &str) -> Record {
    let mut record = bare("192.0.2.1", 80);
    let verdict = &mut record.observation.verdict;
    verdict.product = Some(product.into());
    verdict.exposure = exposure;
    verdict.severity = if exposure >= Exposure::Readable { Severity::High } else { Severity::Low };
    record.first_seen = time(first_seen);
    record.observation.cloud =
        Some(Cloud { provider: "aws".into(), region: Some("us-east-1".into()), service: None });
    record
}

fn of<'a>(records: impl IntoIterator<Item = &'a Record>) -> Landscape {
    let mut landscape = Landscape::new();
    records.into_iter().for_each(|record| landscape.add(record));
    landscape
}

fn all_formats(landscape: &Landscape) -> [(&'static str, String); 3] {
    let about = About { generated: time("2026-09-22T08:00:00Z"), query: Text::default() };
    [
        ("html", written(|out| html(landscape, &about, StyleSource::Inline, out))),
        ("markdown", written(|out| markdown(landscape, &about, out))),
        ("json", written(|out| json(landscape, &about, out))),
    ]
}

#[test]
fn panels_shares_and_weeks_are_counted() {
    let mut german = service("etcd", Exposure::Readable, "2026-09-07T00:00:00Z");
    german.observation.cloud = None;
    german.observation.place = Some(Place { country_code: Some("DE".into()), ..Place::default() });
    let landscape = of(&[
        service("Kubernetes", Exposure::Limited, "2026-09-21T00:00:00Z"),
        service("Kubernetes", Exposure::Controllable, "2026-09-20T23:59:59Z"),
        service("Kubernetes", Exposure::AuthRequired, "2026-09-21T10:00:00Z"),
        german,
        bare("192.0.2.9", 1),
    ]);
    assert_eq!(landscape.total(), Share { services: 5, open: 2 });
    assert_eq!(landscape.unidentified(), 1);
    let (panels, rest) = landscape.panels();
    let shown: Vec<_> = panels
        .iter()
        .map(|panel| (panel.name.as_str(), panel.share().services, panel.share().open))
        .collect();
    assert_eq!(shown, [("Kubernetes", 3, 1), ("etcd", 1, 1)]);
    assert_eq!(rest.share(), Share::default());
    assert_eq!(landscape.regions().0[0], ("aws us-east-1", Share { services: 3, open: 1 }));
    assert_eq!(landscape.regions().0[1], ("DE", Share { services: 1, open: 1 }));
    assert_eq!(landscape.providers().1, Share { services: 2, open: 1 });
    assert_eq!(landscape.severities().collect::<Vec<_>>()[1], (Severity::High, 2));
    let (width, steps, before) = landscape.steps();
    let steps: Vec<_> =
        steps.iter().map(|step| (step.start.as_str(), step.share.services, step.share.open)).collect();
    assert_eq!(steps, [("2026-09-07", 1, 1), ("2026-09-14", 1, 1), ("2026-09-21", 3, 0)]);
    assert_eq!((width, before), (StepWidth::Week, Share::default()));
    let [html, markdown, json] = all_formats(&landscape);
    assert!(html.1.contains("2 of 5 services (40 %) take strangers in without credentials."));
    assert!(markdown.1.contains("| Kubernetes | 3 | 1 | 33 % |"), "{}", markdown.1);
    let json: serde_json::Value = serde_json::from_str(&json.1).unwrap();
    assert_eq!(json["panels"][0]["by_exposure"]["controllable"], 1);
    assert_eq!(json["first_seen"][2]["start"], "2026-09-21");
}

#[test]
fn long_times_are_months_and_very_long_ones_are_cut() {
    let two = of(&[
        service("etcd", Exposure::Limited, "2026-01-31T00:00:00Z"),
        service("etcd", Exposure::Limited, "2026-09-01T00:00:00Z"),
    ]);
    let (width, steps, _) = two.steps();
    assert_eq!(width, StepWidth::Month);
    assert_eq!(steps.iter().map(|step| step.start.as_str()).collect::<Vec<_>>(), ["2026-01", "2026-09"]);
    let many: Vec<_> = (1970..2026)
        .flat_map(|year| [service("etcd", Exposure::Readable, &format!("{year}-05-01T00:00:00Z"))])
        .collect();
    let (_, steps, before) = of(&many).steps();
    assert_eq!((steps.len(), before.services), (STEPS_MAX, 56 - STEPS_MAX as u64));
}

#[test]
fn names_are_bounded_and_nothing_is_lost() {
    let mut landscape = Landscape::new();
    let mut record = service("x", Exposure::Readable, "2026-09-21T00:00:00Z");
    for number in 0..3_000 {
        record.observation.verdict.product = Some(Text::from(format!("product {number}")));
        record.observation.cloud =
            Some(Cloud { provider: Text::from(format!("cloud {number}")), region: None, service: None });
        landscape.add(&record);
    }
    assert_eq!(landscape.panels.len(), NAMES_MAX);
    let (panels, rest) = landscape.panels();
    assert_eq!(panels.iter().map(|panel| panel.share().services).sum::<u64>() + rest.share().services, 3_000);
    let (rows, rest) = landscape.providers();
    assert_eq!(rows.iter().map(|(_, share)| share.services).sum::<u64>() + rest.services, 3_000);
}

#[test]
fn nothing_seen_is_said() {
    for (format, text) in all_formats(&Landscape::new()) {
        assert!(text.contains("Nothing was seen."), "{format}");
    }
}

#[test]
fn percents_are_honest_about_little() {
    for (part, whole, shown) in [
        (0, 0, "0 %"),
        (0, 5, "0 %"),
        (1, 3, "33 %"),
        (305, 22_672, "1.3 %"),
        (1, 5_000, "< 0.1 %"),
        (5, 5, "100 %"),
    ] {
        assert_eq!(percent(part, whole), shown);
    }
}

#[test]
fn hostile_names_stay_text() {
    for text in hostile::CORPUS {
        let mut record = poisoned(text);
        record.observation.verdict.exposure = Exposure::Readable;
        for (format, shown) in all_formats(&of(&[record])) {
            let bad = shown.chars().find(|c| !matches!(c, '\n' | '\t') && is_dangerous(*c));
            assert_eq!(bad, None, "{format} of {text:?}");
            for bad in ["<script>alert", "<img", "</textarea"] {
                assert!(format == "json" || !shown.contains(bad), "{format} of {text:?}");
            }
            assert!(format != "markdown" || !shown.contains("](javascript"), "{text:?}");
            assert!(format != "json" || serde_json::from_str::<serde_json::Value>(&shown).is_ok());
        }
    }
}
