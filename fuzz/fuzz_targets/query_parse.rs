//! Any text gives a tree or an error that points into it; the printed tree gives the same tree again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_asset::Timestamp;
use nightlatch_query::{QUERY_BYTES_MAX, complete, parse, print};

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for suggestion in complete(text) {
        assert!(text.get(suggestion.replace).is_some());
    }
    match parse(text, Timestamp::UNIX_EPOCH) {
        Ok(parsed) => {
            let printed = print(&parsed.expr);
            if printed.len() <= QUERY_BYTES_MAX {
                let again = parse(&printed, Timestamp::UNIX_EPOCH).expect("printed queries parse");
                assert_eq!(again.expr, parsed.expr, "{printed:?}");
                assert_eq!(print(&again.expr), printed);
            }
        }
        Err(error) => {
            assert!(text.get(error.span.clone()).is_some());
            let drawn = error.render(text);
            assert!(!drawn.contains('\u{1b}'));
        }
    }
});
