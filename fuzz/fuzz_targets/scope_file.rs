//! Scope files: any text is read or refused with a place inside it, and what is read keeps its promises.
#![no_main]

use std::net::SocketAddr;

use libfuzzer_sys::fuzz_target;
use nightlatch_scope::Scope;

fuzz_target!(|text: &str| {
    match Scope::parse(text, "scope.toml".as_ref()) {
        Ok(scope) => {
            for ip in scope.excluded().ranges().flat_map(|range| [range.first(), range.last()]) {
                assert!(scope.authorize(SocketAddr::new(ip, 80)).is_err());
            }
            for ip in scope.allowed().ranges().flat_map(|range| [range.first(), range.last()]) {
                assert!(scope.authorize(SocketAddr::new(ip, 80)).is_ok());
                assert!(scope.explain(ip).refused.is_none());
            }
        }
        Err(error) => assert!(error.span.start <= text.len()),
    }
});
