//! Any line is an observation or an error; what was read goes out and comes back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_asset::Record;
use nightlatch_banner::{from_banner, to_banner};
use nightlatch_untrusted::{is_dangerous, json};

fuzz_target!(|line: &str| {
    match from_banner(line) {
        Ok(observation) => {
            let time = observation.time;
            let record =
                Record { id: 1, first_seen: time, last_seen: time, times_seen: 1, latest: true, observation };
            let written = json::to_string(&to_banner(&record)).expect("a banner is JSON");
            assert!(!written.chars().any(is_dangerous));
            assert_eq!(from_banner(&written).as_ref(), Ok(&record.observation));
        }
        Err(error) => assert!(!error.to_string().chars().any(is_dangerous)),
    }
});
