//! Any bytes are a file of banners or an error, gzip'ed or not, and reading them ends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_banner::Reader;

fuzz_target!(|bytes: &[u8]| {
    let reader = Reader::new(bytes).expect("memory can be read");
    let mut fatal = 0;
    for observation in reader {
        fatal += usize::from(observation.is_err_and(|error| error.is_fatal()));
    }
    assert!(fatal <= 1, "nothing is read after a fatal error");
});
