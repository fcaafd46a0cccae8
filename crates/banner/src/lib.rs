//! The banner shape of Shodan: observations to JSON lines and back.
