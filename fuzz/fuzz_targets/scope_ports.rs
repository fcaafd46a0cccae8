//! Lists of ports: any text is read or refused with a place inside it; what is read prints and reads again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_scope::{PortNames, PortSet};

fuzz_target!(|text: &str| {
    let names = PortNames::from([("docker".to_owned(), vec![2375, 2376])]);
    match PortSet::parse(text, &names) {
        Ok(ports) => assert_eq!(PortSet::parse(&ports.to_string(), &PortNames::new()), Ok(ports)),
        Err(error) => assert!(error.at <= text.len()),
    }
});
