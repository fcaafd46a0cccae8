//! Laws of the parser and printer, on generated trees and texts.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use nightlatch_asset::{CATALOGUE, Field, FieldInfo, Kind, Timestamp, token};
use proptest::prelude::*;

use crate::{Area, Expr, Match, Pattern, QUERY_BYTES_MAX, Test, closed_words, parse, print};

fn reparsed(expr: &Expr) -> Expr {
    let printed = print(expr);
    match parse(&printed, Timestamp::UNIX_EPOCH) {
        Ok(parsed) => parsed.expr,
        Err(error) => panic!("`{printed}`\n{}", error.render(&printed)),
    }
}

/// Characters that mean something somewhere, and some that surprise.
const HARD: &str = "[a-cA-Z0-9 *?\\\\\"(),:.=<>!|&\\-/_+'\u{130}\u{3a3}\u{df}\u{1f600}\u{7}\n\u{202e}]";

fn hard_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(proptest::string::string_regex(HARD).unwrap(), 1..12)
        .prop_map(|parts| parts.concat())
}

fn word() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9\u{130}\u{e4}\u{3b1}]{1,100}".prop_map(|text| token::words(&text).next().unwrap())
}

/// A folded glob with enough in front of its first wildcard.
fn glob(literal: &'static str, wildcard_in_front: bool) -> impl Strategy<Value = Pattern> {
    let front = if wildcard_in_front { "[*?]?" } else { "" };
    (front, literal, proptest::collection::vec(prop_oneof!["[*?]", literal], 0..5), "[*?]").prop_map(
        |(front, literal, rest, end)| {
            let mut parts = vec![front, literal.to_string()];
            parts.extend(rest);
            parts.push(end);
            parts.dedup_by(|next, last| next == "*" && last == "*");
            Pattern { glob: token::fold(&parts.concat()) }
        },
    )
}

const PUNCTUATED: &str = "([a-c0-9]|\\\\\\*|\\\\\\?|\\\\\\\\|[ ,()\"./<>=!-]){2,6}";
const LETTERS: &str = "[a-z0-9\u{130}]{2,4}";

fn keyword(field: Field) -> BoxedStrategy<Test> {
    if let Some(words) = closed_words(field) {
        return proptest::sample::select(words).prop_map(|word| Test::Whole(word.into())).boxed();
    }
    match field {
        Field::Asn => any::<u32>().prop_map(|n| Test::Whole(format!("as{n}"))).boxed(),
        Field::Country => "[a-z]{2}".prop_map(Test::Whole).boxed(),
        Field::SslFingerprint => "[0-9a-f]{1,64}".prop_map(Test::Whole).boxed(),
        Field::SslSerial => "[1-9a-f][0-9a-f]{0,39}|[1-9][0-9]{0,20}|0".prop_map(Test::Whole).boxed(),
        _ => prop_oneof![
            hard_text().prop_map(|text| Test::Whole(token::fold(&text))),
            glob(PUNCTUATED, field == Field::Domain).prop_map(Test::WholePattern),
        ]
        .boxed(),
    }
}

fn text(info: &FieldInfo) -> BoxedStrategy<Test> {
    let words = prop_oneof![
        proptest::collection::vec(word(), 1..5).prop_map(Test::Phrase),
        glob(LETTERS, info.field == Field::Hostname).prop_map(Test::WordPattern),
    ];
    if !info.facet {
        return words.boxed();
    }
    let patterns = glob(PUNCTUATED, info.field == Field::Hostname)
        .prop_filter("without punctuation it is a word", |pattern| {
            pattern.parts().any(|part| matches!(part, crate::GlobPart::Char(c) if !c.is_alphanumeric()))
        })
        .prop_map(Test::WholePattern);
    prop_oneof![2 => words, 1 => hard_text().prop_map(|text| Test::Whole(token::fold(&text))), 1 => patterns]
        .boxed()
}

fn area() -> impl Strategy<Value = Area> {
    let (latitude, longitude) = (-90.0..=90.0, -180.0..=180.0);
    prop_oneof![
        (latitude.clone(), longitude.clone(), 0.001..20_000.0)
            .prop_map(|(latitude, longitude, km)| Area::Around { latitude, longitude, km }),
        (latitude.clone(), longitude.clone(), latitude, longitude).prop_map(
            |(a, left, b, right): (f64, _, f64, _)| {
                Area::Box { top: a.max(b), left, bottom: a.min(b), right }
            }
        ),
    ]
}

fn seconds() -> impl Strategy<Value = Timestamp> {
    (-2_208_988_800i64..253_000_000_000).prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn date() -> impl Strategy<Value = Test> {
    prop_oneof![
        seconds().prop_map(|from| Test::Date { from: Some(from), until: None }),
        seconds().prop_map(|until| Test::Date { from: None, until: Some(until) }),
        (seconds(), seconds()).prop_filter_map("not a stretch", |(a, b)| {
            (a < b).then_some(Test::Date { from: Some(a), until: Some(b) })
        }),
    ]
}

fn net() -> impl Strategy<Value = Test> {
    let v4 = (any::<u32>(), 0u8..=32).prop_map(|(bits, prefix)| {
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        Test::Net { address: IpAddr::V4((bits & mask).into()), prefix }
    });
    let v6 = (any::<u128>(), 0u8..=128).prop_map(|(bits, prefix)| {
        let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
        Test::Net { address: IpAddr::V6((bits & mask).into()), prefix }
    });
    prop_oneof![v4, v6]
}

fn between(min: i64, max: i64) -> impl Strategy<Value = Test> {
    (min..=max, min..=max).prop_map(|(a, b)| Test::Number { min: a.min(b), max: a.max(b) })
}

fn test(info: &FieldInfo) -> BoxedStrategy<Test> {
    let typed = match info.kind {
        Kind::Keyword => keyword(info.field),
        Kind::Text => text(info),
        Kind::Number { min, max } => between(min, max).boxed(),
        Kind::Ladder(words) => between(0, words.len() as i64 - 1).boxed(),
        Kind::Ip => net().boxed(),
        Kind::Date => date().boxed(),
        Kind::Flag => any::<bool>().prop_map(Test::Flag).boxed(),
        Kind::Geo => area().prop_map(Test::Geo).boxed(),
    };
    prop_oneof![1 => Just(Test::Exists), 9 => typed].boxed()
}

fn filter() -> impl Strategy<Value = Expr> {
    proptest::sample::select(CATALOGUE).prop_flat_map(|info| {
        proptest::collection::vec(test(&info), 1..4)
            .prop_map(move |tests| Expr::Match(Match { field: info.field, tests }))
    })
}

/// Trees of the form the parser makes.
fn tree() -> impl Strategy<Value = Expr> {
    prop_oneof![1 => Just(Expr::All), 12 => filter()].prop_recursive(5, 24, 4, |inner| {
        let several = proptest::collection::vec(inner.clone(), 2..5);
        prop_oneof![
            several.clone().prop_map(|parts| Expr::And(flat(parts, |part| match part {
                Expr::And(inner) => Ok(inner),
                other => Err(other),
            }))),
            several.prop_map(|parts| Expr::Or(flat(parts, |part| match part {
                Expr::Or(inner) => Ok(inner),
                other => Err(other),
            }))),
            inner.prop_map(|inner| Expr::Not(Box::new(inner))),
        ]
    })
}

fn flat(parts: Vec<Expr>, open: fn(Expr) -> Result<Vec<Expr>, Expr>) -> Vec<Expr> {
    parts.into_iter().flat_map(|part| open(part).unwrap_or_else(|part| vec![part])).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn printing_loses_nothing(expr in tree()) {
        prop_assume!(print(&expr).len() <= QUERY_BYTES_MAX);
        prop_assert_eq!(reparsed(&expr), expr);
    }

    #[test]
    fn any_text_gives_a_tree_or_a_place(text in proptest::collection::vec(prop_oneof![
        hard_text(),
        proptest::sample::select(CATALOGUE).prop_map(|info| format!("{}:", info.name)),
        proptest::sample::select(&["OR ", "NOT ", " AND ", "(", ")", ">=", "..", "has_", "\"", "7d", "AS1", "::/0"][..])
            .prop_map(str::to_owned),
    ], 0..24).prop_map(|parts| parts.concat())) {
        match parse(&text, Timestamp::UNIX_EPOCH) {
            Ok(parsed) => {
                let printed = print(&parsed.expr);
                if printed.len() <= QUERY_BYTES_MAX {
                    prop_assert_eq!(reparsed(&parsed.expr), parsed.expr, "of {:?} by {:?}", text, printed);
                }
            }
            Err(error) => {
                prop_assert!(text.get(error.span.clone()).is_some(), "{:?} of {:?}", error.span, text);
                let drawn = error.render(&text);
                prop_assert!(!drawn.chars().any(|c| c != '\n' && nightlatch_untrusted::is_dangerous(c)), "{}", drawn);
            }
        }
    }
}

/// Queries that made other parsers take exponential time, or loop, at the greatest length.
#[test]
fn time_is_linear_in_the_worst_texts() {
    for seed in [
        "(",
        ")",
        "-",
        "!(",
        "\"",
        "a:",
        "port:",
        "a OR ",
        "(a OR ",
        "NOT ",
        "\\",
        "*",
        "net:1.1.1.1,",
        "geo:1,",
        "port:1-",
        "data:a*",
        "ab*",
        ",",
        "é",
    ] {
        let text = seed.repeat(QUERY_BYTES_MAX / seed.len());
        let start = Instant::now();
        let result = parse(&text, Timestamp::UNIX_EPOCH);
        let printed = result.as_ref().map(|parsed| print(&parsed.expr).len());
        assert!(start.elapsed() < Duration::from_secs(1), "{seed:?} took {:?}", start.elapsed());
        assert!(printed.is_ok() || result.is_err());
    }
}
