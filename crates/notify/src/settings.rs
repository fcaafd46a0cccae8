use std::path::PathBuf;

use nightlatch_alert::AddressRange;
use serde::{Deserialize, Serialize};

/// How messages are delivered: `[notify]` in `nightlatch.toml`. Unknown keys are refused.
///
/// Webhooks, Slack, PagerDuty and Telegram need no setting; mail, syslog and files are offered only where they are set.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Requests to addresses of the users'; holds for Slack, PagerDuty and Telegram as well.
    pub webhook: WebhookSettings,
    /// The mail server; absent: no mail.
    pub smtp: Option<SmtpSettings>,
    /// PagerDuty.
    pub pagerduty: PagerdutySettings,
    /// The collector of logs; absent: no syslog.
    pub syslog: Option<SyslogSettings>,
    /// Files; absent: no files.
    pub file: Option<FileSettings>,
    /// Telegram.
    pub telegram: TelegramSettings,
}

/// `[notify.webhook]`.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct WebhookSettings {
    /// Addresses that may be sent to although they are loopback, link-local or otherwise special.
    pub allow: Vec<AddressRange>,
    /// Certificates (PEM) of authorities to trust beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// File with the secret that signs where the notifier has none of its own.
    pub secret_file: Option<PathBuf>,
    /// The same as the name of a variable of the environment.
    pub secret_env: Option<String>,
}

/// `[notify.smtp]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SmtpSettings {
    /// Host name, the one in its certificate.
    pub server: String,
    /// Port; 587 unless set, 465 with `tls = "implicit"`, 25 with `tls = "none"`.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the connection is encrypted.
    #[serde(default)]
    pub tls: SmtpTls,
    /// Sender, such as `Nightlatch <nightlatch@example.com>`.
    pub from: String,
    /// Receivers of the notifier `default`, separated by commas.
    #[serde(default)]
    pub default_to: Option<String>,
    /// User name; absent: no login.
    #[serde(default)]
    pub user: Option<String>,
    /// File with the password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// The same as the name of a variable of the environment.
    #[serde(default)]
    pub password_env: Option<String>,
    /// Certificates (PEM) of authorities to trust beside those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
}

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// STARTTLS, and nothing is sent without it.
    #[default]
    Starttls,
    /// TLS from the first byte.
    Implicit,
    /// None at all: only without login.
    None,
}

/// `[notify.pagerduty]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PagerdutySettings {
    /// Where the Events API is, without the path.
    pub base_url: String,
}

impl Default for PagerdutySettings {
    fn default() -> Self {
        Self { base_url: "https://events.pagerduty.com".to_owned() }
    }
}

/// `[notify.syslog]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SyslogSettings {
    /// Host name, the one in its certificate.
    pub server: String,
    /// Port, 6514 unless set.
    #[serde(default = "syslog_port")]
    pub port: u16,
    /// Certificates (PEM) of authorities to trust beside those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// What messages say they come from; absent: not told.
    #[serde(default)]
    pub hostname: Option<String>,
}

/// RFC 5425, section 4.1.
fn syslog_port() -> u16 {
    6514
}

/// `[notify.file]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FileSettings {
    /// Where the files are; it must be there.
    pub directory: PathBuf,
}

/// `[notify.telegram]`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelegramSettings {
    /// Where the Bot API is, without the path.
    pub base_url: String,
}

impl Default for TelegramSettings {
    fn default() -> Self {
        Self { base_url: "https://api.telegram.org".to_owned() }
    }
}
