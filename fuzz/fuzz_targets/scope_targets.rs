//! Lists of targets: any text is read or refused with a place inside it; what is read prints and reads again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_scope::{Target, read_targets};

fuzz_target!(|text: &str| {
    match read_targets(text, "targets".as_ref()) {
        Ok(targets) => {
            for target in targets {
                let again = match &target {
                    Target::Range(range) => range.to_string(),
                    Target::Endpoint(socket) => socket.to_string(),
                    Target::Name { host, port: None } => host.to_string(),
                    Target::Name { host, port: Some(port) } => format!("{host}:{port}"),
                };
                assert_eq!(again.parse::<Target>().as_ref(), Ok(&target));
            }
        }
        Err(error) => assert!(text.is_char_boundary(error.at)),
    }
});
