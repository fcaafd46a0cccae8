//! The Shodan-compatible API, our own under `/api/v1`, and streams.
