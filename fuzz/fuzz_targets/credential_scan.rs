//! Whatever the text, detections stand at characters, in order, and do not overlap.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_credential::{detect, scan_arguments, scan_text, subject};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (name, value) = text.split_once('\n').unwrap_or(("", text));
    for (found, text) in [(scan_text(Some(name), text), text), (detect(Some(name), value), value)] {
        let mut end = 0;
        for one in found {
            assert!(one.span.start >= end && text.get(one.span.clone()).is_some());
            end = one.span.end;
        }
    }
    let words: Vec<&str> = text.split(' ').collect();
    for (index, one) in scan_arguments(&words) {
        assert!(words[index].get(one.span).is_some());
    }
    let _ = subject(text);
});
