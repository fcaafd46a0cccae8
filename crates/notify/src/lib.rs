//! Delivers the messages of alerts: one file for each channel.
