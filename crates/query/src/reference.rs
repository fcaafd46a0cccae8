use std::fmt::Write;

use nightlatch_asset::{CATALOGUE, FieldInfo, Kind};

use crate::{
    CLAUSES_MAX, DEPTH_MAX, GEO_KM_DEFAULT, PATTERN_LITERALS_MIN, QUERY_BYTES_MAX, closed_words,
    parse::PSEUDO_FIELDS,
};

/// The reference page of the language and of all fields, Markdown, made from the catalogue.
pub fn reference() -> String {
    let mut out = String::from(LANGUAGE);
    // Writing to a String cannot fail, so the results of `writeln!` are dropped here.
    let _ = writeln!(
        out,
        "Limits: {QUERY_BYTES_MAX} bytes, {CLAUSES_MAX} words and values, {DEPTH_MAX} parentheses and negations \
         inside each other; {PATTERN_LITERALS_MIN} characters before the first wildcard. `geo:` without a radius \
         means {GEO_KM_DEFAULT} km.\n"
    );
    out.push_str("## Fields\n\n| field | also | compares | facet | meaning | example |\n| --- | --- | --- | --- | --- | --- |\n");
    for info in CATALOGUE {
        let aliases: Vec<String> = info.aliases.iter().map(|alias| format!("`{alias}`")).collect();
        let _ = writeln!(
            out,
            "| `{}` | {} | {} | {} | {} | `{}` |",
            info.name,
            aliases.join(" "),
            compares(info),
            if info.facet { "yes" } else { "" },
            info.help,
            info.example
        );
    }
    out.push_str("\nThese are no fields and are understood as well:\n\n| name | meaning |\n| --- | --- |\n");
    for (name, help) in PSEUDO_FIELDS {
        let _ = writeln!(out, "| `{name}` | {help} |");
    }
    out
}

fn compares(info: &FieldInfo) -> String {
    match info.kind {
        Kind::Keyword => match closed_words(info.field) {
            Some(words) => words.join(", "),
            None => "whole value".into(),
        },
        Kind::Text => "words".into(),
        Kind::Number { min, max } => format!("number, {min} to {max}"),
        Kind::Ladder(words) => words.join(" < "),
        Kind::Ip => "address or block".into(),
        Kind::Date => "time".into(),
        Kind::Flag => "true, false".into(),
        Kind::Geo => "position".into(),
    }
}

const LANGUAGE: &str = r#"# Search language

A query is a list of words and filters that must all hold. Upper and lower case are alike.

| write | to find |
| --- | --- |
| `kubernetes dashboard` | both words in the response itself |
| `"docker cluster"` | these words in a row |
| `port:6443` | a filter: field, colon, value, no space |
| `port:22,80,8000-8100` | alternatives: any of these values |
| `city:"San Diego,Austin"` | the same inside quotes, for fields that compare whole values; `\,` is a comma |
| `-country:DE`, `!word`, `NOT (a b)` | everything but |
| `a OR b`, <code>a &#124;&#124; b</code> | either; `AND` binds tighter and may be left out |
| `(a OR b) port:443` | parentheses group |
| `port:>=8000`, `http.status:200-299`, `hash:-5` | numbers: `<` `<=` `>` `>=`, ranges, negative ones |
| `exposure:>=readable`, `severity:high,critical` | words of an ordered list |
| `net:192.0.2.0/24,2001:db8::1` | addresses and blocks |
| `after:2026-09-01 before:7d` | seen since the first of September (inclusive), and for the first time more than seven days ago |
| `time:2026-09-01..2026-09-30`, `first_seen:>=12h` | times, UTC: `YYYY-MM-DD`, RFC 3339, `DD/MM/YYYY`, or back from now in s, m, h, d, w, y |
| `version:1.2?.*`, `hostname:*.example.com` | `?` is one character, `*` any run of them; never inside quotes |
| `product:="Docker Registry"` | the whole value, for fields that compare words |
| `os:*`, `has_os:true`, `-os:*` | there is a value, or none |
| `geo:32.8,-117,50`, `geo:33,-118,32,-117` | within 50 km of a point; inside top, left, bottom, right |
| `history:true` | all observations ever stored, beside any query; else only the newest of each endpoint |
| `*` | everything |

Words are runs of letters and digits; everything else separates them. A backslash makes the next character
stand for itself. `OR`, `AND` and `NOT` are operators in upper case only.

"#;

#[cfg(test)]
mod tests {
    use nightlatch_asset::Timestamp;

    use super::*;
    use crate::parse;

    #[test]
    fn every_example_of_the_catalogue_is_a_query() {
        for info in CATALOGUE {
            let parsed = parse(info.example, Timestamp::UNIX_EPOCH);
            assert!(parsed.is_ok(), "{}", parsed.unwrap_err().render(info.example));
        }
    }

    #[test]
    fn every_query_on_the_page_parses() {
        let mut checked = 0;
        for row in LANGUAGE.lines().filter(|line| line.starts_with("| `") && !line.starts_with("| write")) {
            let cell = row.split(" | ").next().unwrap_or_default();
            for query in cell.split('`').skip(1).step_by(2) {
                let parsed = parse(query, Timestamp::from_second(1_790_000_000).unwrap());
                assert!(parsed.is_ok(), "{}", parsed.unwrap_err().render(query));
                checked += 1;
            }
        }
        assert!(checked >= 25, "only {checked}");
    }

    #[test]
    fn every_field_is_on_the_page() {
        let page = reference();
        for info in CATALOGUE {
            assert!(page.contains(&format!("| `{}` |", info.name)));
        }
    }
}
