use std::{io, net::IpAddr, time::Duration};

use nightlatch_alert::Provider;
use nightlatch_untrusted::terminal_cut;

/// Longest foreign reason that an error repeats, in columns.
const REASON_COLUMNS: usize = 160;

/// Why a message was not delivered. Hosts are named, paths and keys never.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotifyError {
    /// The notifier or the configuration cannot work as it is.
    #[error("{0}")]
    Config(String),
    /// The configuration does not offer the provider.
    #[error("the configuration does not say how to send by `{0}`")]
    NotConfigured(Provider),
    /// The address is one that requests must not go to.
    #[error("`{host}` leads to {address}, which is {why}; `notify.webhook.allow` may permit it")]
    Refused {
        /// The host as given.
        host: String,
        /// Where it leads.
        address: IpAddr,
        /// What kind of address that is.
        why: &'static str,
    },
    /// The receiver points elsewhere, and redirects are not followed.
    #[error("`{host}` answered {status}: redirects are not followed, name the final address")]
    Redirected {
        /// The host.
        host: String,
        /// The status.
        status: u16,
    },
    /// The receiver does not want the message.
    #[error("`{host}` refused the message with {status}")]
    Rejected {
        /// The host.
        host: String,
        /// The status of HTTP or SMTP.
        status: u16,
    },
    /// The receiver cannot take it now.
    #[error("`{host}` cannot take the message now: {status}")]
    Busy {
        /// The host.
        host: String,
        /// The status of HTTP or SMTP.
        status: u16,
        /// How long the receiver wants to be left alone.
        retry_after: Option<Duration>,
    },
    /// The receiver cannot be reached, or not trusted: name, connection, TLS.
    #[error("`{host}` cannot be reached: {why}")]
    Unreachable {
        /// The host.
        host: String,
        /// What happened, neutralised and cut.
        why: String,
    },
    /// The receiver is too slow.
    #[error("`{host}` did not answer within {} s", .after.as_secs())]
    Slow {
        /// The host.
        host: String,
        /// How long was waited.
        after: Duration,
    },
    /// A file cannot be written.
    #[error("file `{name}` cannot be written: {why}")]
    File {
        /// Its name, without the directory.
        name: String,
        /// What the system said.
        why: String,
    },
}

impl NotifyError {
    pub(crate) fn unreachable(host: &str, why: impl ToString) -> Self {
        Self::Unreachable { host: shown(host), why: shown(&why.to_string()) }
    }

    pub(crate) fn file(name: &str, why: &io::Error) -> Self {
        Self::File { name: shown(name), why: shown(&why.to_string()) }
    }

    /// What a status of HTTP means, `Ok` for 200 to 299.
    pub(crate) fn of_status(host: &str, status: u16, retry_after: Option<Duration>) -> Result<(), Self> {
        let host = host.to_owned();
        Err(match status {
            200..=299 => return Ok(()),
            300..=399 => Self::Redirected { host, status },
            // Request Timeout, Misdirected Request, Too Early, Too Many Requests: another try may go better.
            408 | 421 | 425 | 429 => Self::Busy { host, status, retry_after },
            400..=499 => Self::Rejected { host, status },
            _ => Self::Busy { host, status, retry_after },
        })
    }

    /// Whether trying again later can help.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Busy { .. } | Self::Unreachable { .. } | Self::Slow { .. } | Self::File { .. } => true,
            Self::Config(_)
            | Self::NotConfigured(_)
            | Self::Refused { .. }
            | Self::Redirected { .. }
            | Self::Rejected { .. } => false,
        }
    }

    /// How long the receiver wants to be left alone, where it said so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Foreign words as an error repeats them.
pub(crate) fn shown(text: &str) -> String {
    terminal_cut(text, REASON_COLUMNS)
}

/// Why the settings cannot be used. Contents of secrets are never repeated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// A file cannot be read.
    #[error("`{setting}`: cannot read `{path}`")]
    File {
        /// The setting.
        setting: &'static str,
        /// The file it names.
        path: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A variable of the environment is not there.
    #[error("`{setting}`: the environment has no variable `{variable}`")]
    Environment {
        /// The setting.
        setting: &'static str,
        /// The variable it names.
        variable: String,
    },
    /// Two settings say the same thing.
    #[error("`{0}` and `{1}` exclude each other")]
    Both(&'static str, &'static str),
    /// A value cannot be used.
    #[error("`{setting}` {why}")]
    Value {
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_mean_what_the_standard_says() {
        let after = Some(Duration::from_secs(7));
        for (status, may_pass) in [
            (301, false),
            (307, false),
            (400, false),
            (401, false),
            (404, false),
            (410, false),
            (408, true),
            (425, true),
            (429, true),
            (500, true),
            (503, true),
            (599, true),
            (999, true),
        ] {
            let error = NotifyError::of_status("hooks.example.com", status, after).unwrap_err();
            assert_eq!(error.may_pass(), may_pass, "{status}");
            assert_eq!(error.retry_after(), after.filter(|_| may_pass), "{status}");
        }
        for status in [200, 202, 204] {
            assert_eq!(NotifyError::of_status("x", status, after), Ok(()));
        }
    }
}
