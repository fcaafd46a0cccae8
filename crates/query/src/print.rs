use std::fmt::Write;

use nightlatch_asset::{Field, Kind, Timestamp};

use crate::{Area, Expr, Match, Pattern, Test};

/// Writes the canonical form of a tree, with canonical field names and resolved values.
///
/// Parsing the result gives `expr` back, if `expr` has the form that the parser makes: flat, values folded
/// and inside the bounds of their field. Not neutralised for a terminal.
pub fn print(expr: &Expr) -> String {
    let mut out = String::new();
    write_expr(&mut out, expr, Place::Top);
    out
}

/// Where an expression stands, which decides whether it needs parentheses.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Place {
    Top,
    InOr,
    InAnd,
    InNot,
}

fn write_expr(out: &mut String, expr: &Expr, place: Place) {
    match expr {
        Expr::All => out.push('*'),
        Expr::And(parts) => {
            let grouped = matches!(place, Place::InAnd | Place::InNot);
            write_several(out, parts, " ", Place::InAnd, grouped);
        }
        Expr::Or(parts) => write_several(out, parts, " OR ", Place::InOr, place != Place::Top),
        Expr::Not(inner) => {
            out.push('-');
            write_expr(out, inner, Place::InNot);
        }
        Expr::Match(filter) => write_match(out, filter),
    }
}

fn write_several(out: &mut String, parts: &[Expr], between: &str, place: Place, grouped: bool) {
    if grouped {
        out.push('(');
    }
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.push_str(between);
        }
        write_expr(out, part, place);
    }
    if grouped {
        out.push(')');
    }
}

fn write_match(out: &mut String, filter: &Match) {
    match (filter.field, &filter.tests[..]) {
        (Field::Data, [test @ (Test::Phrase(_) | Test::WordPattern(_))]) => {
            return write_test(out, filter.field, test, false);
        }
        (Field::SslClientCertificate, [Test::Exists]) => return out.push_str("has_ssl:true"),
        _ => {}
    }
    out.push_str(filter.field.name());
    for (at, test) in filter.tests.iter().enumerate() {
        out.push(if at == 0 { ':' } else { ',' });
        write_test(out, filter.field, test, filter.tests.len() > 1);
    }
}

fn write_test(out: &mut String, field: Field, test: &Test, in_list: bool) {
    // Writing to a String cannot fail, so the results of `write!` are dropped here.
    let _ = match test {
        Test::Exists => write!(out, "*"),
        Test::Whole(text) if field.info().kind == Kind::Text => write_whole_text(out, text),
        // Digits alone would be read as a decimal number as well.
        Test::Whole(text) if field == Field::SslSerial && text.bytes().all(|b| b.is_ascii_digit()) => {
            write_whole_text(out, text)
        }
        Test::Whole(text) => write_keyword(out, text),
        Test::WholePattern(pattern) => write_pattern(out, &pattern.glob),
        Test::WordPattern(Pattern { glob }) => write_pattern(out, &recomposed(glob)),
        Test::Phrase(words) => match &words[..] {
            [word] => write!(out, "{}", recomposed(word)),
            words => write!(out, "\"{}\"", recomposed(&words.join(" "))),
        },
        Test::Number { min, max } => write_number(out, field, *min, *max),
        Test::Net { address, prefix } => {
            let whole = if address.is_ipv4() { 32 } else { 128 };
            if *prefix == whole { write!(out, "{address}") } else { write!(out, "{address}/{prefix}") }
        }
        Test::Date { from, until } => write_date(out, *from, *until),
        Test::Flag(value) => write!(out, "{value}"),
        Test::Geo(area) => write_area(out, area, in_list),
    };
}

/// Undoes the one folding that adds a character which is no letter: İ becomes i and a combining dot.
fn recomposed(folded: &str) -> String {
    folded.replace("i\u{307}", "\u{130}")
}

fn write_whole_text(out: &mut String, text: &str) -> std::fmt::Result {
    out.push_str("=\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.write_char('"')
}

fn write_keyword(out: &mut String, text: &str) -> std::fmt::Result {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '+' | ':' | '@');
    if text.chars().all(plain) {
        return out.write_str(text);
    }
    // White space at the edges of a quoted list is trimmed; after `=` nothing is.
    if text.trim() != text {
        return write_whole_text(out, text);
    }
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\' | ',' | '*') {
            out.push('\\');
        }
        out.push(c);
    }
    out.write_char('"')
}

/// Escapes what would end an unquoted value or begin a comparison; escapes of the glob stay.
fn write_pattern(out: &mut String, glob: &str) -> std::fmt::Result {
    let mut escaped = false;
    for (at, c) in glob.chars().enumerate() {
        let special = c.is_whitespace()
            || matches!(c, '(' | ')' | '"' | ',')
            || (at == 0 && matches!(c, '<' | '>' | '=' | '-' | '!'));
        if special && !escaped {
            out.push('\\');
        }
        escaped = c == '\\' && !escaped;
        out.push(c);
    }
    Ok(())
}

fn write_number(out: &mut String, field: Field, min: i64, max: i64) -> std::fmt::Result {
    match field.info().kind {
        Kind::Ladder(words) => {
            let word =
                |at: i64| usize::try_from(at).ok().and_then(|at| words.get(at)).copied().unwrap_or("?");
            match (min, max) {
                _ if min == max => write!(out, "{}", word(min)),
                (0, _) => write!(out, "<={}", word(max)),
                _ if usize::try_from(max).is_ok_and(|max| max + 1 == words.len()) => {
                    write!(out, ">={}", word(min))
                }
                _ => write!(out, "{}..{}", word(min), word(max)),
            }
        }
        Kind::Number { max: top, .. } if max == top && min < max => write!(out, ">={min}"),
        Kind::Number { min: bottom, .. } if min == bottom && min < max => write!(out, "<={max}"),
        _ if min == max => write!(out, "{min}"),
        _ if min < 0 => write!(out, "{min}..{max}"),
        _ => write!(out, "{min}-{max}"),
    }
}

fn write_date(out: &mut String, from: Option<Timestamp>, until: Option<Timestamp>) -> std::fmt::Result {
    match (from, until) {
        (Some(from), Some(until)) => {
            // The last second of a range is part of it, `until` is not.
            let last = Timestamp::from_second(until.as_second() - 1).unwrap_or(until);
            write!(out, "{from}..{last}")
        }
        (Some(from), None) => write!(out, ">={from}"),
        (None, Some(until)) => write!(out, "<{until}"),
        (None, None) => write!(out, "*"),
    }
}

fn write_area(out: &mut String, area: &Area, quoted: bool) -> std::fmt::Result {
    let quote = if quoted { "\"" } else { "" };
    match area {
        Area::Around { latitude, longitude, km } => write!(out, "{quote}{latitude},{longitude},{km}{quote}"),
        Area::Box { top, left, bottom, right } => write!(out, "{quote}{top},{left},{bottom},{right}{quote}"),
    }
}
