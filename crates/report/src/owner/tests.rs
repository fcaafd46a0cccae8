use nightlatch_asset::{Exposure, Finding, Record, Severity, Text};
use nightlatch_untrusted::{hostile, is_dangerous};
use proptest::prelude::*;

use super::*;
use crate::{
    StyleSource,
    samples::{bare, docker, kubernetes, poisoned, time},
    tests::{check, read_csv, written},
};

fn about() -> About {
    About { generated: time("2026-09-22T08:00:00Z"), query: Text::default() }
}

fn reports<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<OwnerReport> {
    let mut reports = OwnerReports::new();
    records.into_iter().for_each(|record| reports.add(record));
    reports.finish()
}

fn all_formats(reports: &[OwnerReport]) -> [(&'static str, String); 4] {
    [
        ("html", written(|out| html(reports, &about(), StyleSource::Inline, out))),
        ("markdown", written(|out| markdown(reports, &about(), out))),
        ("json", written(|out| json(reports, &about(), out))),
        ("csv", written(|out| csv(reports, out))),
    ]
}

/// One open service, one closed one, as an owner gets them.
fn small() -> Vec<OwnerReport> {
    let mut open = docker();
    open.first_seen = time("2026-08-01T00:00:00Z");
    open.times_seen = 12;
    open.observation.verdict.findings =
        vec![Finding { id: "end-of-life".into(), severity: Severity::Low, title: "No more fixes".into() }];
    let mut closed = kubernetes();
    closed.observation.owner = open.observation.owner.clone();
    reports([&closed, &open])
}

#[test]
fn the_markdown_of_a_small_report() {
    check(&all_formats(&small())[1].1, include_str!("../../testdata/owner.md"));
}

#[test]
fn the_page_of_a_small_report() {
    let page = &all_formats(&small())[0].1;
    let body = page.split_once("<body>\n").unwrap().1;
    check(body, include_str!("../../testdata/owner-body.html"));
}

#[test]
fn the_worst_is_first_and_owners_are_apart() {
    let service = |ip: &str, owner: Option<&str>, severity, exposure| {
        let mut record = bare(ip, 80);
        record.observation.owner = owner.map(Text::from);
        record.observation.verdict.severity = severity;
        record.observation.verdict.exposure = exposure;
        record
    };
    let reports = reports(&[
        service("192.0.2.1", Some("a"), Severity::Medium, Exposure::Readable),
        service("192.0.2.2", Some("b"), Severity::High, Exposure::Readable),
        service("192.0.2.3", Some("b"), Severity::Critical, Exposure::Controllable),
        service("192.0.2.4", Some("b"), Severity::Critical, Exposure::Limited),
        service("192.0.2.5", None, Severity::Low, Exposure::AuthRequired),
    ]);
    let names: Vec<_> = reports.iter().map(|report| (report.name(), report.services, report.open)).collect();
    assert_eq!(names, [("b", 3, 2), ("a", 1, 1), ("nobody named", 1, 0)]);
    let addresses: Vec<_> =
        reports[0].items.iter().map(|item| item.record.observation.ip.to_string()).collect();
    assert_eq!(addresses, ["192.0.2.3", "192.0.2.2"]);
    assert_eq!(reports[0].summary(), "2 of 3 services stand open: 1 critical, 1 high.");
    assert_eq!(reports[1].summary(), "1 of 1 service stands open: 1 medium.");
}

#[test]
fn nothing_open_and_nothing_seen_are_said() {
    for (_, text) in &all_formats(&reports(&[kubernetes(), bare("192.0.2.1", 1)]))[..2] {
        assert!(
            text.contains("Nothing is open: all 2 services that were seen keep strangers out."),
            "{text}"
        );
    }
    let nobody = OwnerReports::new().with_owner(Some("absent team".into())).finish();
    for (format, text) in &all_formats(&nobody)[..3] {
        assert!(text.contains("Nothing was seen") && text.contains("absent team"), "{format}: {text}");
    }
    for (format, text) in &all_formats(&[])[..2] {
        assert!(text.contains("Nothing was seen"), "{format}: {text}");
    }
}

#[test]
fn what_is_kept_is_bounded_and_the_rest_is_counted() {
    let mut reports = OwnerReports::new();
    let mut record = docker();
    record.observation.verdict.severity = Severity::Medium;
    for number in 0..5_000_u32 {
        record.observation.ip = std::net::IpAddr::from((0x0A00_0000 + number).to_be_bytes());
        record.observation.verdict.severity =
            if number == 4_321 { Severity::Critical } else { Severity::Medium };
        reports.add(&record);
        assert!(reports.kept <= 2 * ITEMS_PER_OWNER_MAX);
    }
    let report = reports.finish().remove(0);
    assert_eq!((report.open, report.items.len(), report.left_out()), (5_000, 2_000, 3_000));
    assert_eq!(report.items[0].severity, Severity::Critical);
    let page = &all_formats(&[report])[1].1;
    assert!(page.contains("3000 more are open"), "left out without a word");
}

#[test]
fn many_owners_share_the_room() {
    let mut reports = OwnerReports::new();
    let mut record = docker();
    for number in 0..60_000_u32 {
        record.observation.ip = std::net::IpAddr::from((0x0A00_0000 + number).to_be_bytes());
        record.observation.owner = Some(Text::from(format!("team {}", number % 100)));
        reports.add(&record);
        assert!(reports.kept <= ITEMS_MAX);
    }
    let reports = reports.finish();
    assert_eq!(reports.len(), 100);
    let kept: usize = reports.iter().map(|report| report.items.len()).sum();
    assert!(kept <= ITEMS_MAX && kept > ITEMS_MAX / 10, "{kept}");
    assert!(reports.iter().all(|report| report.open == 600 && !report.items.is_empty()));
}

#[test]
fn hostile_text_is_text_in_every_format() {
    for text in hostile::CORPUS {
        let mut record = poisoned(text);
        record.observation.protocol = (*text).into();
        let reports = reports(&[record, docker()]);
        for (format, shown) in all_formats(&reports) {
            let bad = shown.chars().find(|c| !matches!(c, '\n' | '\t') && is_dangerous(*c));
            assert_eq!(bad, None, "{format} of {text:?}");
            match format {
                "html" => assert_tame(&shown, text),
                "markdown" => {
                    for bad in ["<script", "<img", "](javascript", "![x]", "\n# heading", "| a | b"] {
                        assert!(!shown.contains(bad), "{text:?}: {shown}");
                    }
                }
                "json" => assert!(serde_json::from_str::<serde_json::Value>(&shown).is_ok(), "{text:?}"),
                _ => {
                    let rows = read_csv(&shown);
                    assert_eq!(rows.len(), 3, "{text:?}");
                    for cell in rows.iter().flatten() {
                        assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']), "{cell:?}");
                    }
                }
            }
        }
    }
}

/// Every tag of the page is one of ours, with nothing but our attributes.
fn assert_tame(page: &str, text: &str) {
    let body = page.split_once("<body>").unwrap().1;
    for tag in body.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
        let known = [
            "a", "article", "body", "code", "dd", "details", "div", "dl", "dt", "em", "footer", "h1", "h2",
            "h3", "h4", "html", "li", "main", "ol", "p", "pre", "section", "span", "strong", "summary",
            "table", "tbody", "td", "th", "thead", "tr", "ul",
        ];
        assert!(known.contains(&name.as_str()), "{text:?} made the tag <{tag}>");
        let handler = tag
            .split_whitespace()
            .skip(1)
            .any(|attribute| attribute.starts_with("on") || attribute.starts_with("style"));
        assert!(!handler, "{text:?} made <{tag}>");
        if let Some((_, href)) = tag.split_once("href=\"") {
            assert!(href.starts_with("https://") || href.starts_with('#'), "{text:?} made <{tag}>");
        }
    }
    assert!(!body.contains("javascript:alert(1)\""));
}

proptest! {
    /// What a CSV reader gets back is what was seen, apart from what the escaper is there to change.
    #[test]
    fn csv_comes_back_cell_by_cell(why in "[ -~]{0,60}", owner in "[a-zA-Z,;\"' ]{1,20}") {
        let mut record = docker();
        record.observation.verdict.why = Text::from(why.as_str());
        record.observation.owner = Some(Text::from(owner.as_str()));
        let rows = read_csv(&all_formats(&reports(&[record]))[3].1);
        prop_assert_eq!(rows.len(), 2);
        prop_assert_eq!(rows[1].len(), rows[0].len());
        prop_assert_eq!(rows[1][0].trim_start_matches('\''), owner.trim_start_matches('\''));
        prop_assert_eq!(rows[1][15].trim_start_matches('\''), why.trim_start_matches('\''));
    }

    /// JSON keeps every character.
    #[test]
    fn json_comes_back_character_by_character(why in "\\PC{0,40}|\\p{C}{0,10}") {
        let mut record = docker();
        record.observation.verdict.why = Text::from(why.as_str());
        let value: serde_json::Value = serde_json::from_str(&all_formats(&reports(&[record]))[2].1).unwrap();
        prop_assert_eq!(&value["owners"][0]["items"][0]["why"], &serde_json::json!(why));
    }
}
