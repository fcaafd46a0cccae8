//! Cipher suites and versions of TLS, by the names that Kubernetes programs take.

/// Suites with an ephemeral key exchange and authenticated encryption, and those of TLS 1.3, which cannot be configured.
/// Source: RFC 7525 and RFC 9325, section 4.2; the names are those of Go's package `crypto/tls`.
const STRONG: [&str; 11] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// True for a suite that is not strong.
pub(crate) fn is_weak_suite(name: &str) -> bool {
    !STRONG.contains(&name.trim())
}

/// True for the names of TLS 1.0 and 1.1.
pub(crate) fn is_weak_version(name: &str) -> bool {
    matches!(name, "VersionTLS10" | "VersionTLS11")
}
