#![no_main]
//! X.509 certificates in DER.

use libfuzzer_sys::fuzz_target;
use nightlatch_probe::tls::{NAME_BYTES_MAX, SANS_MAX, certificate};

fuzz_target!(|data: &[u8]| {
    if let Ok(certificate) = certificate(data) {
        assert!(certificate.subject.raw().len() <= NAME_BYTES_MAX);
        assert!(certificate.issuer.raw().len() <= NAME_BYTES_MAX);
        assert!(certificate.sans.len() <= SANS_MAX);
    }
});
