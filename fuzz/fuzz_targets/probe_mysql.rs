#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../dialogue_peer.rs"]
mod dialogue_peer;

fuzz_target!(|data: &[u8]| dialogue_peer::fuzz("mysql", data));
