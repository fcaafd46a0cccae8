//! The only place that dials: connections, TLS, rate limits, descriptors.
