//! What must be found, and what must not: `testdata/must-fire.txt` and `testdata/must-not.txt`.
//!
//! `@{...}` in a line is made here, so that no file of the project looks like a leak: `@{hex:32}` and its like are
//! drawn by a seeded generator, `@{gh:ghp_}` gets its checksum, `@{pem:LABEL}` is a real structure. `@{}` is nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a mistake in the corpus ends the test")]

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use nightlatch_credential::{Detection, detect, scan_arguments, scan_text};

/// A small generator with a seed: the same corpus on every run.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn text(&mut self, alphabet: &str, length: usize) -> String {
        let alphabet = alphabet.as_bytes();
        (0..length).map(|_| alphabet[(self.next() >> 20) as usize % alphabet.len()] as char).collect()
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| (self.next() >> 24) as u8).collect()
    }
}

const DIGITS: &str = "0123456789";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

fn base62_crc32(drawn: &str) -> String {
    let mut value = crc32fast::hash(drawn.as_bytes());
    let alphabet = format!("{DIGITS}{UPPER}{LOWER}");
    let mut digits = Vec::new();
    for _ in 0..6 {
        digits.push(alphabet.as_bytes()[(value % 62) as usize] as char);
        value /= 62;
    }
    digits.iter().rev().collect()
}

/// DER that has the outer shape of a private key: a sequence that begins with a version.
fn der(draw: &mut Draw, label: &str) -> Vec<u8> {
    if label.starts_with("OPENSSH") {
        return [b"openssh-key-v1\0".as_slice(), &draw.bytes(300)].concat();
    }
    let inner = [[0x02, 0x01, 0x00].as_slice(), &draw.bytes(297)].concat();
    [[0x30, 0x82, 0x01, 0x2c].as_slice(), &inner].concat()
}

fn pem(draw: &mut Draw, label: &str, line_end: &str) -> String {
    let body = STANDARD.encode(der(draw, label));
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|chunk| std::str::from_utf8(chunk).unwrap()).collect();
    format!(
        "-----BEGIN {label}-----{line_end}{}{line_end}-----END {label}-----{line_end}",
        lines.join(line_end)
    )
}

/// A bech32 text with the prefix of age and a right checksum (BIP 173).
fn age(draw: &mut Draw) -> String {
    const ALPHABET: &[u8] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
    let prefix = "age-secret-key-";
    let data: Vec<u8> = (0..52).map(|_| (draw.next() >> 20) as u8 % 32).collect();
    let step = |check: u32, value: u32| {
        let generators = [0x3b6a_57b2u32, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
        let top = check >> 25;
        let mut next = (check & 0x01ff_ffff) << 5 ^ value;
        for (bit, generator) in generators.iter().enumerate() {
            if top >> bit & 1 == 1 {
                next ^= generator;
            }
        }
        next
    };
    let high = prefix.bytes().map(|b| u32::from(b >> 5));
    let low = prefix.bytes().map(|b| u32::from(b & 31));
    let values = high.chain([0]).chain(low).chain(data.iter().map(|&v| u32::from(v))).chain([0; 6]);
    let check = values.fold(1, step) ^ 1;
    let sum = (0..6).map(|index| (check >> (5 * (5 - index)) & 31) as u8);
    let all: String = data.iter().copied().chain(sum).map(|v| ALPHABET[v as usize] as char).collect();
    format!("{prefix}1{all}").to_uppercase()
}

fn make(draw: &mut Draw, what: &str) -> String {
    let (kind, rest) = what.split_once(':').unwrap_or((what, ""));
    let length = rest.parse().unwrap_or(0);
    match kind {
        "" => String::new(),
        "hex" => draw.text("0123456789abcdef", length),
        "upperhex" => draw.text("0123456789ABCDEF", length),
        "digit" => draw.text(DIGITS, length),
        "alpha" => draw.text(&format!("{LOWER}{UPPER}"), length),
        "lower" => draw.text(&format!("{LOWER}{DIGITS}"), length),
        "upper" => draw.text(&format!("{UPPER}{DIGITS}"), length),
        "alnum" => draw.text(&format!("{LOWER}{UPPER}{DIGITS}"), length),
        "word" => draw.text(&format!("{LOWER}{UPPER}{DIGITS}_-"), length - 1) + "x",
        "b64" => draw.text(&format!("{LOWER}{UPPER}{DIGITS}+/"), length),
        "aws" => format!("{rest}{}", draw.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)),
        "uuid" => [8, 4, 4, 4, 12].map(|length| draw.text("0123456789abcdef", length)).join("-"),
        "gh" | "npm" => {
            let drawn = draw.text(&format!("{LOWER}{UPPER}{DIGITS}"), 30);
            format!("{}{drawn}{}", if kind == "npm" { "npm_" } else { rest }, base62_crc32(&drawn))
        }
        "pypi" => {
            let body = [b"\x02\x01\x08pypi.org\x02\x24".as_slice(), &draw.bytes(100)].concat();
            format!("pypi-{}", URL_SAFE_NO_PAD.encode(body))
        }
        "age" => age(draw),
        "base64" => STANDARD.encode(rest),
        "pem" => pem(draw, rest, "\n"),
        "pemjson" => pem(draw, "PRIVATE KEY", "\\n"),
        "pem64" => STANDARD.encode(pem(draw, "RSA PRIVATE KEY", "\n")),
        "jwt" => {
            let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"RS256","typ":"JWT"}"#);
            let signature = URL_SAFE_NO_PAD.encode(draw.bytes(64));
            format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(rest))
        }
        other => panic!("no such thing: {other}"),
    }
}

/// Undoes `\n` and `\x20`, and makes every `@{...}`. Braces in it must match.
fn expand(draw: &mut Draw, text: &str) -> String {
    let mut made = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("@{") {
        made.push_str(&unescape(&rest[..at]));
        let mut depth = 0;
        let end = rest[at..]
            .char_indices()
            .find(|(_, c)| {
                depth += i32::from(*c == '{') - i32::from(*c == '}');
                *c == '}' && depth == 0
            })
            .expect("braces match")
            .0;
        made.push_str(&make(draw, &rest[at + 2..at + end]));
        rest = &rest[at + end + 1..];
    }
    made.push_str(&unescape(rest));
    made
}

fn unescape(text: &str) -> String {
    text.replace("\\n", "\n").replace("\\x20", " ")
}

fn run(how: &str, text: &str) -> Vec<Detection> {
    let (mode, name) = how.split_once(' ').unwrap_or((how, ""));
    let name = Some(name).filter(|name| !name.is_empty());
    match mode {
        "env" => detect(name, text),
        "text" => scan_text(name, text),
        "args" => {
            let words: Vec<String> = text.split(' ').map(|word| word.replace('\u{1}', " ")).collect();
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            scan_arguments(&words).into_iter().map(|(_, one)| one).collect()
        }
        other => panic!("no such mode: {other}"),
    }
}

fn lines(file: &str) -> impl Iterator<Item = &str> {
    file.lines().filter(|line| !line.is_empty() && !line.starts_with("# "))
}

fn seen(found: &[Detection], text: &str) -> String {
    let one = |one: &Detection| format!("{} {:?} {:?}", one.kind, one.confidence, &text[one.span.clone()]);
    found.iter().map(one).collect::<Vec<_>>().join("; ")
}

#[test]
fn precision_and_recall() {
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    let (mut hit, mut missed, mut silent, mut false_alarms) = (0, Vec::new(), 0, Vec::new());
    for line in lines(include_str!("../testdata/must-fire.txt")) {
        let mut parts = line.splitn(3, " | ");
        let (kind, how, text) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        for _ in 0..5 {
            let text = expand(&mut draw, text).replace("\\x20", "\u{1}");
            let found = run(how, &text);
            for one in &found {
                let value = &text.get(one.span.clone()).unwrap_or("");
                assert!(value.len() < 8 || !one.masked.contains(value), "{line}: the mask shows the value");
            }
            if found.iter().any(|one| one.kind.as_str() == kind) {
                hit += 1;
            } else {
                missed.push(format!("{line}\n      saw {}", seen(&found, &text)));
                break;
            }
        }
    }
    for line in lines(include_str!("../testdata/must-not.txt")) {
        let (how, text) = line.split_once(" | ").unwrap();
        for _ in 0..5 {
            let text = expand(&mut draw, text);
            let found = run(how, &text);
            if found.is_empty() {
                silent += 1;
            } else {
                false_alarms.push(format!("{line}\n      saw {}", seen(&found, &text)));
                break;
            }
        }
    }
    let recall = f64::from(hit) / (hit as usize + missed.len()) as f64;
    let precision = f64::from(hit) / (hit as usize + false_alarms.len()) as f64;
    println!(
        "{hit} of {} found, recall {recall:.4}; {silent} silent, {} false alarms, precision {precision:.4}",
        hit as usize + missed.len(),
        false_alarms.len()
    );
    assert!(lines(include_str!("../testdata/must-fire.txt")).count() >= 150);
    assert!(lines(include_str!("../testdata/must-not.txt")).count() >= 300);
    assert!(missed.is_empty(), "missed {}:\n{}", missed.len(), missed.join("\n"));
    assert!(false_alarms.is_empty(), "false alarms {}:\n{}", false_alarms.len(), false_alarms.join("\n"));
}
