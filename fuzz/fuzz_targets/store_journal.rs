//! Any bytes are frames and a rest; frames are parts of the bytes; events that are read come back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_store_tantivy::format::{Event, batch, frame};

fuzz_target!(|bytes: &[u8]| {
    let _ = batch(bytes);
    let mut rest = bytes;
    while let Some((payload, after)) = frame(rest) {
        assert_eq!(payload.len() + 8 + after.len(), rest.len());
        let _ = batch(payload);
        rest = after;
    }
    for chunk in bytes.chunks_exact(24) {
        if let Some(event) = chunk.try_into().ok().and_then(Event::decode) {
            let mut back = Vec::new();
            event.encode(&mut back);
            assert_eq!(Event::decode(back.as_slice().try_into().expect("24 bytes")), Some(event));
        }
    }
});
