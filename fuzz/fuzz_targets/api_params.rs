//! Any parameters of a request are read or refused, in words that are safe to show.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| nightlatch_api::take_in(bytes));
