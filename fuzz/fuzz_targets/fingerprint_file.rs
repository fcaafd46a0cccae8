//! Any text is a fingerprint, or refused with a place inside it; examples of one that compiles can be run.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_fingerprint::{Catalogue, Known, Source};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let source = Source { path: "fuzz.toml", text, side_files: &[("examples/a.http", b"HTTP/1.1 200 OK\n\n{}")] };
    match Catalogue::compile(&[source], &Known { dialogues: &["redis"], complete: false }) {
        Ok(catalogue) => drop(nightlatch_fingerprint::examples::run(&catalogue, None)),
        Err(errors) => {
            for error in errors {
                assert!(error.line >= 1 && error.column >= 1);
                assert!(text.get(error.span.clone()).is_some(), "{error:?}");
            }
        }
    }
});
