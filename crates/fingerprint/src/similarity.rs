//! Whether two responses are the same page, apart from what a server repeats of the request or counts up.

use nightlatch_asset::HttpAnswer;

use crate::page;

/// Bodies up to this length are the same only when they are equal.
const SHORT_BYTES: usize = 512;
/// Longer bodies may differ in length by one part in this many.
const LENGTH_PART: usize = 10;
/// And in this many of the 64 bits of the similarity hash.
const BITS_MAX: u32 = 6;
/// Bytes of a body that are compared.
const COMPARED_BYTES_MAX: usize = 64 * 1024;

/// One response and the path that was asked for, without its query.
#[derive(Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) path: &'a str,
    pub(crate) answer: &'a HttpAnswer,
}

/// True when the two cannot be told apart: same status, media type, redirect and title, and texts that agree once
/// the paths of both requests, the nonce and all numbers are taken out. Both paths go from both texts: one page may
/// repeat the path that was asked for, and every page may link to it.
pub(crate) fn same_page(a: Asked<'_>, b: Asked<'_>, nonce: &str) -> bool {
    if a.answer.status != b.answer.status || page::media_type(a.answer) != page::media_type(b.answer) {
        return false;
    }
    let paths = [a.path, b.path];
    let location = |asked: Asked<'_>| asked.answer.header("location").map(|text| neutral(text, paths, nonce));
    if location(a) != location(b) {
        return false;
    }
    let (text_a, text_b) = (text(a, paths, nonce), text(b, paths, nonce));
    if text_a == text_b {
        return true;
    }
    let (longer, shorter) = (text_a.len().max(text_b.len()), text_a.len().min(text_b.len()));
    longer > SHORT_BYTES
        && longer - shorter <= longer / LENGTH_PART
        && page::title(a.answer) == page::title(b.answer)
        && (similarity_hash(&text_a) ^ similarity_hash(&text_b)).count_ones() <= BITS_MAX
}

fn text(asked: Asked<'_>, paths: [&str; 2], nonce: &str) -> String {
    let body = &asked.answer.body[..asked.answer.body.len().min(COMPARED_BYTES_MAX)];
    neutral(&String::from_utf8_lossy(body), paths, nonce)
}

/// Takes out the paths, the nonce, and every run of digits (counters, dates, request identifiers).
fn neutral(text: &str, paths: [&str; 2], nonce: &str) -> String {
    let mut text = text.replace(nonce, "");
    // The longer one first: the shorter may be a part of it.
    let mut bare = paths.map(|path| path.trim_matches('/'));
    bare.sort_by_key(|path| std::cmp::Reverse(path.len()));
    for path in bare.into_iter().filter(|path| path.len() > 1) {
        text = text.replace(path, "");
    }
    let mut out = String::with_capacity(text.len());
    let mut in_number = false;
    for c in text.chars() {
        if c.is_ascii_digit() {
            in_number = true;
            continue;
        }
        if std::mem::take(&mut in_number) {
            out.push('0');
        }
        if c != '/' {
            out.push(c);
        }
    }
    out
}

/// Similarity hash over runs of three words: texts that share most of them differ in few bits.
///
/// Source: M. Charikar, "Similarity estimation techniques from rounding algorithms" (2002).
fn similarity_hash(text: &str) -> u64 {
    let words: Vec<_> = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let mut sums = [0i32; 64];
    for window in words.windows(3.min(words.len().max(1))) {
        let hash = fnv(window);
        for (bit, sum) in sums.iter_mut().enumerate() {
            *sum += if hash >> bit & 1 == 1 { 1 } else { -1 };
        }
    }
    sums.iter().enumerate().fold(0, |hash, (bit, sum)| if *sum > 0 { hash | 1 << bit } else { hash })
}

/// FNV-1a, 64 bits, over the words with a separator.
fn fnv(words: &[&str]) -> u64 {
    let bytes = words.iter().flat_map(|word| word.bytes().chain([0]));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    // FNV mixes its low bits badly into the high ones; every bit votes here.
    (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use nightlatch_asset::BodyEnd;

    use super::*;
    use crate::exchange;

    fn check(a: (&str, &str), b: (&str, &str), expected: bool) {
        let read = |body: &str| {
            let raw = format!("HTTP/1.1 200 OK\nContent-Type: text/html; charset=x\n\n{body}");
            exchange::http(raw.as_bytes(), BodyEnd::Complete).unwrap()
        };
        let (x, y) = (read(a.1), read(b.1));
        let same =
            same_page(Asked { path: a.0, answer: &x }, Asked { path: b.0, answer: &y }, "00112233aabbccdd");
        assert_eq!(same, expected, "{a:?} {b:?}");
    }

    #[test]
    fn an_echo_is_the_same_page() {
        check(
            ("/00112233aabbccdd", "you asked for /00112233aabbccdd"),
            ("/version", "you asked for /version"),
            true,
        );
        check(("/00112233aabbccdd", "hit 17 at 12:01"), ("/version", "hit 18 at 12:02"), true);
    }

    #[test]
    fn a_page_that_links_to_the_path_is_the_same_page() {
        let page = "<p><a href=\"/metrics\">Metrics</a></p>";
        check(("/00112233aabbccdd", page), ("/metrics", page), true);
        let page = "see /api and /api/version";
        check(("/00112233aabbccdd", page), ("/api/version", page), true);
    }

    #[test]
    fn short_answers_differ_by_a_letter() {
        check(("/00112233aabbccdd", "{}"), ("/version", "{}"), true);
        check(("/00112233aabbccdd", "{}"), ("/version", "{\"major\":\"1\"}"), false);
        check(("/00112233aabbccdd", "ok"), ("/healthz", "no"), false);
    }

    #[test]
    fn a_long_page_with_another_token_is_the_same_page() {
        let words: String = (0..300).map(|n| format!("<p class=\"c{n}\">word{}</p> ", n * 7 % 31)).collect();
        let page = |token: &str| format!("<html><title>Shop</title>{words}<input value=\"{token}\"></html>");
        check(("/x", &page("abcdef")), ("/y", &page("ghijkl")), true);
        let other: String =
            (0..300).map(|n| format!("<li>line {} of the manual, {}</li> ", n, n * 13 % 17)).collect();
        check(("/x", &page("abcdef")), ("/y", &format!("<html><title>Shop</title>{other}</html>")), false);
    }
}
