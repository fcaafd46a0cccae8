#![no_main]
//! HTTP answers: how they are cut changes nothing, and every part stays within its bound.

use libfuzzer_sys::fuzz_target;
use nightlatch_probe::{
    Stopped, first_bytes,
    http::{Limits, Reader, json, media_type, title},
};

fuzz_target!(|data: &[u8]| {
    let [choice, step, bytes @ ..] = data else { return };
    let limits = match choice & 3 {
        0 => Limits::default(),
        1 => Limits { head_bytes_max: 40, header_lines_max: 2, body_bytes_max: 5 },
        2 => Limits { head_bytes_max: 200, header_lines_max: 100, body_bytes_max: 0 },
        _ => Limits { head_bytes_max: 1024, header_lines_max: 0, body_bytes_max: 64 },
    };
    let stopped = [Stopped::Closed, Stopped::Reset, Stopped::Timeout, Stopped::Enough][usize::from(choice >> 3 & 3)];
    let read = |step: usize| {
        let mut reader = Reader::new(limits, choice & 4 != 0);
        for piece in bytes.chunks(step) {
            reader.push(piece);
        }
        (reader.reusable(), reader.finish(stopped))
    };
    let whole = read(bytes.len().max(1));
    assert_eq!(whole, read(usize::from(*step).max(1)));
    if let Ok(answer) = whole.1 {
        assert!(answer.head.len() <= limits.head_bytes_max && answer.body.len() <= limits.body_bytes_max);
        assert!(answer.headers.len() <= limits.header_lines_max && (100..1000).contains(&answer.status));
        let _ = (title(&answer), json(&answer), media_type(&answer));
    }
    first_bytes(bytes);
});
