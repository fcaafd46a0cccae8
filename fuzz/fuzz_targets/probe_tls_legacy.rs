#![no_main]
//! Plain-text flights of old TLS servers.

use libfuzzer_sys::fuzz_target;
use nightlatch_probe::{
    Stopped,
    tls::{CHAIN_LENGTH_MAX, legacy::Flight},
};

fuzz_target!(|data: &[u8]| {
    let [step, bytes @ ..] = data else { return };
    let read = |step: usize| {
        let mut flight = Flight::new();
        for piece in bytes.chunks(step) {
            flight.push(piece);
        }
        flight.finish(Stopped::Closed)
    };
    let whole = read(bytes.len().max(1));
    assert_eq!(whole, read(usize::from(*step).max(1)));
    if let Ok(tls) = whole {
        assert!(tls.chain.len() <= CHAIN_LENGTH_MAX);
    }
});
