//! The embedded search engine behind the contract of `nightlatch-store`.
