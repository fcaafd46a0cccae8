//! Compiles fingerprint files; names the product, reads its version, judges exposure.
