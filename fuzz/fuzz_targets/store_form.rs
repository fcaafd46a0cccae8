//! Any bytes are a stored observation or an error, and what was read is written and read again the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_store_tantivy::format::{decode, encode};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(observation) = decode(bytes) {
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        encode(&observation, &mut once);
        encode(&decode(&once).expect("own bytes can be read"), &mut twice);
        assert_eq!(once, twice);
    }
});
