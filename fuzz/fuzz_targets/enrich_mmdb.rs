//! Any bytes are a database or an error; lookups in a damaged one end.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use nightlatch_enrich::Database;
use nightlatch_untrusted::is_dangerous;

fuzz_target!(|bytes: &[u8]| {
    match Database::from_bytes(Path::new("fuzz.mmdb"), bytes.to_vec()) {
        Ok(database) => {
            for ip in ["192.0.2.1", "0.0.0.0", "255.255.255.255", "2001:db8::1", "::1"] {
                let found = database.lookup(ip.parse().expect("an address"));
                if let Some((place, _)) = found {
                    assert!(place.latitude.is_none_or(|degrees| degrees.abs() <= 90.0));
                }
            }
            assert!(!database.kind().chars().any(is_dangerous));
            let _: Result<(), _> = database.verify();
        }
        Err(error) => assert!(!error.to_string().chars().any(is_dangerous)),
    }
});
