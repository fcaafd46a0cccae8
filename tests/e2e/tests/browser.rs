//! The pages in Chromium: what a person sees, hears and reaches by keyboard, and what stored attacks do to them.
//!
//! A real server on a data directory of its own, a real browser that may reach 127.0.0.1 and nothing else. Chromium and
//! its driver come from Debian (`chromium`, `chromium-driver`).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

#[path = "browser/attacks.rs"]
mod attacks;
#[path = "browser/desk.rs"]
mod desk;
#[path = "browser/findings.rs"]
mod findings;
#[path = "browser/hands.rs"]
mod hands;
#[path = "browser/looks.rs"]
mod looks;
#[path = "browser/seen.rs"]
mod seen;
