use std::io::Write;

use nightlatch_asset::{CATALOGUE, Exposure, Field, Record, Severity};
use nightlatch_untrusted::{hostile, is_dangerous, terminal_width};
use proptest::prelude::*;

use crate::samples::{bare, docker, kubernetes, poisoned, time};
use crate::*;

/// The records of a CSV text, by an ordinary reader.
pub(crate) fn read_csv(text: &str) -> Vec<Vec<String>> {
    let reader = ::csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
    reader.into_records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

pub(crate) fn written(write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn style(width: usize) -> Style {
    Style { width, colour: false, unicode: true }
}

pub(crate) fn check(actual: &str, expected: &str) {
    assert!(actual == expected, "expected:\n{expected}\nactual:\n{actual}");
}

#[test]
fn the_table_puts_the_worst_first_and_fits_eighty_columns() {
    let mut records = [bare("192.0.2.9", 8080), kubernetes(), docker()];
    worst_first(&mut records);
    check(&written(|out| table(&records, style(80), out)), include_str!("../testdata/table-80.txt"));
}

#[test]
fn a_wide_table_has_the_reasons_beside() {
    let records = [docker(), kubernetes()];
    check(&written(|out| table(&records, style(160), out)), include_str!("../testdata/table-160.txt"));
}

#[test]
fn rows_stay_in_the_order_given() {
    let shown = written(|out| table(&[bare("192.0.2.9", 8080), docker()], style(80), out));
    let at = |word: &str| shown.find(word).unwrap();
    assert!(at("192.0.2.9:8080") < at("192.0.2.7:2375"), "{shown}");
}

#[test]
fn neighbours_of_one_reason_share_its_lines() {
    let at = |ip: &str| {
        let mut record = docker();
        record.observation.ip = ip.parse().unwrap();
        record
    };
    for width in [80, 160] {
        let shown =
            written(|out| table(&[at("192.0.2.1"), at("192.0.2.2"), kubernetes()], style(width), out));
        assert_eq!(shown.matches("the Engine API").count(), 1, "{shown}");
        assert!(shown.contains("192.0.2.1:2375") && shown.contains("192.0.2.2:2375"), "{shown}");
    }
}

#[test]
fn forty_columns_show_the_address_and_the_product_whole() {
    let shown = written(|out| table(&[docker(), kubernetes()], style(40), out));
    check(&shown, include_str!("../testdata/table-40.txt"));
}

#[test]
fn what_is_no_longer_so_says_when_it_was() {
    let mut past = docker();
    past.latest = false;
    past.observation.time = time("2026-08-01T00:00:00Z");
    past.last_seen = time("2026-08-31T00:00:00Z");
    let shown = written(|out| table(&[docker(), past], style(80), out));
    assert_eq!(
        shown.matches("    seen 2026-08-01 00:00 to 2026-08-31 00:00, superseded since\n").count(),
        1,
        "{shown}"
    );
    assert_eq!(shown.matches("superseded").count(), 1, "{shown}");
}

#[test]
fn an_empty_table_says_so() {
    assert_eq!(written(|out| table(&[], style(80), out)), "nothing answered\n");
}

#[test]
fn the_summary_counts_states_hosts_and_services() {
    assert_eq!(
        summary(&[docker(), docker(), kubernetes()]),
        "3 services on 2 hosts: 2 controllable, 1 limited; worst severity critical"
    );
    assert_eq!(summary(&[bare("192.0.2.1", 1)]), "1 service on 1 host: 1 unknown; worst severity info");
    assert_eq!(summary(&[]), "0 services on 0 hosts");
}

#[test]
fn the_host_view_tells_everything_once() {
    let mut past = docker();
    past.observation.verdict.exposure = Exposure::AuthRequired;
    past.observation.verdict.severity = Severity::Info;
    past.observation.time = time("2026-08-01T00:00:00Z");
    past.last_seen = time("2026-08-31T00:00:00Z");
    past.times_seen = 31;
    past.latest = false;
    past.first_seen = past.observation.time;
    let mut now = docker();
    now.first_seen = past.first_seen;
    let mut other = kubernetes();
    other.observation.ip = now.observation.ip;
    let records = [other, past, now];
    check(&written(|out| host(&records, style(80), out)), include_str!("../testdata/host-80.txt"));
    assert_eq!(written(|out| host(&[], style(80), out)), "nothing is known about this address\n");
}

#[test]
fn facets_are_bars_in_proportion() {
    let bar = |value: &str, count| Bar { value: value.into(), count };
    let views = [
        FacetView {
            name: "product".into(),
            bars: vec![bar("Kubernetes", 1200), bar("Docker", 300), bar("etcd", 1)],
            distinct: 5,
            other: 20,
            missing: 7,
        },
        FacetView { name: "country".into(), missing: 3, ..FacetView::default() },
    ];
    check(&written(|out| facets(&views, style(60), out)), include_str!("../testdata/facets-60.txt"));
}

#[test]
fn runs_say_who_what_and_when() {
    let views = [
        RunView {
            id: "20260921T101500Z-7f3a".into(),
            started: time("2026-09-21T10:15:00Z"),
            ended: Some(time("2026-09-21T10:16:15Z")),
            state: "finished".into(),
            by: "ann@example.com".into(),
            scope: "scope.toml".into(),
            targets: "192.0.2.0/24, 2001:db8::/64".into(),
            asked: 12_345,
            found: 17,
        },
        RunView {
            id: "20260922T101500Z-0001".into(),
            state: "interrupted".into(),
            by: "bob".into(),
            scope: "loopback only".into(),
            targets: "127.0.0.1".into(),
            ..RunView::default()
        },
    ];
    check(&written(|out| runs(&views, style(80), out)), include_str!("../testdata/runs-80.txt"));
    assert_eq!(written(|out| runs(&[], style(80), out)), "no runs yet\n");
}

#[test]
fn ndjson_is_one_object_a_line_with_and_without_history() {
    let lines = written(|out| ndjson(&[docker(), kubernetes()], out));
    let parsed: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(parsed.len(), 2);
    assert_eq!(parsed[0]["port"], 2375);
    assert_eq!(parsed[0]["verdict"]["exposure"], "controllable");
    assert_eq!(parsed[0]["times_seen"], 1);
    let line = written(|out| ndjson_line(&docker().observation, out));
    let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(parsed["ip"], "192.0.2.7");
    assert!(parsed.get("id").is_none());
}

#[test]
fn fields_are_separated_and_several_values_joined() {
    let wanted = [Field::Ip, Field::Port, Field::Exposure, Field::SslSan, Field::SslExpired];
    let lines = written(|out| {
        fields_header(&wanted, "\t", out)?;
        fields(&[docker(), kubernetes()], &wanted, "\t", out)
    });
    assert_eq!(
        lines,
        "ip\tport\texposure\tssl.cert.san\tssl.cert.expired\n\
         192.0.2.7\t2375\tcontrollable\t\t\n\
         2001:db8:1234:5678:9abc:def0:1234:5678\t6443\tlimited\tkubernetes.default.svc;10.96.0.1\ttrue\n"
    );
}

#[test]
fn csv_has_a_cell_for_every_column() {
    let lines = written(|out| csv(&[docker(), kubernetes()], out));
    let rows: Vec<Vec<String>> = lines.lines().map(cells).collect();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    let column = |name: &str| rows[0].iter().position(|cell| cell == name).unwrap();
    assert_eq!(rows[1][column("exposure")], "controllable");
    assert_eq!(rows[1][column("fact")], "containers=3");
    assert_eq!(rows[2][column("ssl.cert.san")], "kubernetes.default.svc;10.96.0.1");
    assert!(rows[1][column("fix")].starts_with("listen on"));
}

/// Cuts one CSV line; no cell that we write holds a line feed.
fn cells(line: &str) -> Vec<String> {
    let mut cells = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            c => cells.last_mut().unwrap().push(c),
        }
    }
    cells
}

#[test]
fn colours_are_written_only_when_wanted_and_change_nothing_else() {
    let records = [docker(), kubernetes()];
    let plain = written(|out| table(&records, style(80), out));
    let coloured = written(|out| table(&records, Style { colour: true, ..style(80) }, out));
    assert!(!plain.contains('\x1b'));
    assert!(coloured.contains("\x1b[1;31mcritical\x1b[0m"));
    let mut stripped = String::new();
    for (position, part) in coloured.split('\x1b').enumerate() {
        stripped.push_str(if position == 0 { part } else { part.split_once('m').unwrap().1 });
    }
    assert_eq!(stripped, plain);
}

/// Every exit that a terminal may see, in one style.
fn terminal_exits(record: &Record, style: Style) -> Vec<(&'static str, String)> {
    let text = record.observation.verdict.why.raw().to_owned();
    let records = std::slice::from_ref(record);
    let view = FacetView {
        name: text.clone(),
        bars: vec![Bar { value: text.clone(), count: 2 }, Bar { value: "x".into(), count: 1 }],
        distinct: 2,
        other: 1,
        missing: 1,
    };
    let run = RunView {
        id: text.clone(),
        state: text.clone(),
        by: text.clone(),
        scope: text.clone(),
        targets: text,
        ..RunView::default()
    };
    vec![
        ("table", written(|out| table(records, style, out))),
        ("host", written(|out| host(&[record.clone(), record.clone()], style, out))),
        ("facets", written(|out| facets(&[view], style, out))),
        ("runs", written(|out| runs(&[run], style, out))),
    ]
}

#[test]
fn hostile_text_is_inert_at_every_exit() {
    let every: Vec<Field> = CATALOGUE.iter().map(|info| info.field).collect();
    for text in hostile::CORPUS {
        let record = poisoned(text);
        let records = std::slice::from_ref(&record);
        let mut exits = terminal_exits(&record, style(80));
        exits.push(("ndjson", written(|out| ndjson(records, out))));
        exits.push(("csv", written(|out| csv(records, out))));
        let lines = written(|out| fields(records, &every, "|", out));
        exits.push(("fields", lines));
        for (exit, shown) in exits {
            let bad: Vec<char> = shown.chars().filter(|c| is_dangerous(*c) && *c != '\n').collect();
            assert!(bad.is_empty(), "{exit} let {bad:?} of {text:?} through");
        }
        assert_eq!(written(|out| ndjson(records, out)).lines().count(), 1);
        assert_eq!(written(|out| fields(records, &every, "\t", out)).lines().count(), 1);
        let sheet = written(|out| csv(records, out));
        assert_eq!(sheet.lines().count(), 2, "{text:?} made a line of its own");
        for cell in cells(sheet.lines().nth(1).unwrap()) {
            let number = cell.parse::<f64>().is_ok();
            assert!(
                number || !cell.trim_start().starts_with(['=', '+', '-', '@', '＝']),
                "{cell:?} is a formula"
            );
        }
    }
}

#[test]
fn ndjson_gives_hostile_text_back_whole() {
    for text in hostile::CORPUS {
        let line = written(|out| ndjson(&[poisoned(text)], out));
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(parsed["data"], **text);
    }
}

#[test]
fn csv_keeps_big_values_in_bounds() {
    let mut record = docker();
    record.observation.verdict.why = "ä".repeat(100_000).into();
    assert!(written(|out| csv(&[record], out)).len() < 40_000);
}

fn fits(shown: &str, width: usize) -> bool {
    shown.lines().all(|line| terminal_width(line) <= width.max(Style::WIDTH_MIN) && !line.ends_with(' '))
}

#[test]
fn a_line_of_spaces_is_empty() {
    for text in [" ", "x  "] {
        for (exit, shown) in
            terminal_exits(&poisoned(text), Style { width: 0, colour: false, unicode: false })
        {
            assert!(fits(&shown, 0), "{exit}:\n{shown}");
        }
    }
}

proptest! {
    #[test]
    fn lines_for_a_terminal_fit_whatever_the_text(text in any::<String>(), width in 0usize..250, unicode in any::<bool>()) {
        let style = Style { width, colour: false, unicode };
        for (exit, shown) in terminal_exits(&poisoned(&text), style) {
            prop_assert!(fits(&shown, width), "{} at {}:\n{}", exit, width, shown);
            prop_assert!(unicode || shown.is_ascii());
            prop_assert!(!shown.chars().any(|c| is_dangerous(c) && c != '\n'));
        }
    }

    #[test]
    fn hostile_lines_fit(at in 0..hostile::CORPUS.len(), width in 0usize..250) {
        for (exit, shown) in terminal_exits(&poisoned(hostile::CORPUS[at]), style(width)) {
            prop_assert!(fits(&shown, width), "{} at {}:\n{}", exit, width, shown);
        }
    }
}
