//! Any bytes are a range file or an error; what was read can be looked up.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_enrich::Ranges;
use nightlatch_untrusted::is_dangerous;

fuzz_target!(|bytes: &[u8]| {
    let mut ranges = Ranges::default();
    match ranges.add("fuzz", bytes) {
        Ok(file) => {
            ranges.seal();
            assert!(file.blocks > 0 && !ranges.is_empty());
            for ip in ["192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1"] {
                ranges.lookup(ip.parse().expect("an address"));
            }
        }
        Err(error) => assert!(!error.to_string().chars().any(is_dangerous)),
    }
});
