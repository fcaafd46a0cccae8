//! Any datagram is an answer or an error, and names hold printable ASCII only.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_enrich::ptr::{NAMES_MAX, nameservers, parse};

fuzz_target!(|message: &[u8]| {
    let ip = [192, 0, 2, 7].into();
    if let Ok(answer) = parse(message, 0x1234, ip) {
        assert!(answer.names.len() <= NAMES_MAX);
        assert!(answer.names.iter().all(|name| name.raw().bytes().all(|b| b.is_ascii_graphic())));
    }
    if let Ok(text) = std::str::from_utf8(message) {
        assert!(nameservers(text).len() <= 3);
    }
});
