//! Any bytes are a MANIFEST or an error, and what was read is written and read again the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_store_tantivy::format::Manifest;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(manifest) = Manifest::parse(bytes) {
        assert_eq!(Manifest::parse(manifest.render().as_bytes()), Ok(manifest));
    }
});
