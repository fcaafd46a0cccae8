//! Delivers the messages of alerts: one file for each channel.
//!
//! [`Channels::send`] tries once and says how it ended; [`retry`] says whether and when to try again; keeping what is
//! still to be sent is the caller's. A message may arrive twice, when the receiver got it and its answer was lost:
//! every channel carries the idempotency key of the message.
//!
//! No error, log line or `Debug` output of this crate holds a secret: addresses are named by their host alone.

mod address;
mod channels;
mod email;
mod error;
mod file;
mod http;
mod pagerduty;
pub mod retry;
mod secret;
mod settings;
mod signature;
mod slack;
mod syslog;
mod telegram;
mod tls;
mod webhook;

pub use channels::{Channels, Sent};
pub use error::{NotifyError, SettingsError};
pub use secret::Secret;
pub use settings::{
    FileSettings, PagerdutySettings, Settings, SmtpSettings, SmtpTls, SyslogSettings, TelegramSettings,
    WebhookSettings,
};
pub use signature::{signature, signature_sha1};

#[cfg(test)]
mod receiver;
#[cfg(test)]
mod samples;
