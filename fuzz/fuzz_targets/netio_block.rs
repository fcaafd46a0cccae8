//! Blocks of a packet ring, whatever stands in them: the walk ends and stays inside.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|block: &[u8]| {
    nightlatch_netio::raw::walk_any(block);
});
