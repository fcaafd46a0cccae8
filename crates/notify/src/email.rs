use std::time::Duration;

use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
        extension::ClientId,
    },
};
use nightlatch_alert::{Args, Message};
use nightlatch_untrusted::{html, terminal, terminal_cut};
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use crate::{NotifyError, Secret, SettingsError, SmtpSettings, SmtpTls, tls::certificates};

/// How long one command of the conversation may take.
const COMMAND_MAX: Duration = Duration::from_secs(10);
/// How long the whole conversation may take.
const DELIVERY_MAX: Duration = Duration::from_secs(30);
/// Longest subject, in columns.
const SUBJECT_COLUMNS: usize = 150;

/// Sends mails by one server.
#[derive(Clone, Debug)]
pub(crate) struct Email {
    server: String,
    from: Mailbox,
    transport: AsyncSmtpTransport<Tokio1Executor>,
}

impl Email {
    /// Checks the settings; no connection is made.
    ///
    /// # Errors
    /// [`SettingsError`], also for a login that would cross the net unencrypted.
    pub(crate) fn new(
        settings: &SmtpSettings,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let wrong = |setting, why: &str| SettingsError::Value { setting, why: why.to_owned() };
        let from: Mailbox = settings.from.parse().map_err(|_| {
            wrong("notify.smtp.from", "is no mail address such as `Nightlatch <nightlatch@example.com>`")
        })?;
        let password = Secret::from_settings(
            ("notify.smtp.password_file", "notify.smtp.password_env"),
            settings.password_file.as_deref(),
            settings.password_env.as_deref(),
            environment,
        )?;
        let (tls, port) = match settings.tls {
            SmtpTls::Starttls => (Tls::Required(tls_parameters(settings)?), 587),
            SmtpTls::Implicit => (Tls::Wrapper(tls_parameters(settings)?), 465),
            SmtpTls::None => (Tls::None, 25),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&settings.server)
            .port(settings.port.unwrap_or(port))
            .tls(tls)
            .hello_name(ClientId::Domain(from.email.domain().to_owned()))
            .timeout(Some(COMMAND_MAX));
        match (&settings.user, password) {
            (Some(_), Some(_)) if settings.tls == SmtpTls::None => {
                return Err(wrong("notify.smtp.tls", "is `none`, with which no password may be sent"));
            }
            (Some(user), Some(password)) => {
                builder = builder.credentials(Credentials::new(user.clone(), password.reveal().to_owned()));
            }
            (Some(_), None) => return Err(wrong("notify.smtp.user", "has no password beside it")),
            (None, Some(_)) => return Err(wrong("notify.smtp.user", "is missing, and there is a password")),
            (None, None) => {}
        }
        Ok(Self { server: settings.server.clone(), from, transport: builder.build() })
    }

    /// Sends one mail to all receivers at once.
    pub(crate) async fn send(&self, args: &Args, message: &Message) -> Result<String, NotifyError> {
        let mail = mail(&self.from, args.get("to").unwrap_or_default(), message)?;
        match timeout(DELIVERY_MAX, self.transport.send(mail)).await {
            Err(_) => Err(NotifyError::Slow { host: self.server.clone(), after: DELIVERY_MAX }),
            Ok(Err(error)) => Err(self.error(&error)),
            Ok(Ok(answer)) => Ok(format!("{} from {}", answer.code(), self.server)),
        }
    }

    fn error(&self, error: &lettre::transport::smtp::Error) -> NotifyError {
        let host = self.server.clone();
        // The texts of a mail server may repeat what was sent to it, so only its code is told.
        if let Some(status) = error.status().and_then(|code| code.to_string().parse::<u16>().ok()) {
            return match error.is_permanent() {
                // A login that fails may be mended in the configuration, and then the mails should still go.
                true if (530..540).contains(&status) => NotifyError::Busy { host, status, retry_after: None },
                true => NotifyError::Rejected { host, status },
                false => NotifyError::Busy { host, status, retry_after: None },
            };
        }
        if error.is_timeout() {
            return NotifyError::Slow { host, after: COMMAND_MAX };
        }
        NotifyError::unreachable(&host, error)
    }
}

/// # Errors
/// When one of the receivers is no mail address.
pub(crate) fn receivers(to: &str) -> Result<Vec<Mailbox>, NotifyError> {
    let parsed: Result<Vec<Mailbox>, _> = to.split(',').map(|one| one.trim().parse()).collect();
    parsed.map_err(|_| NotifyError::Config("a receiver is no mail address".to_owned()))
}

fn tls_parameters(settings: &SmtpSettings) -> Result<TlsParameters, SettingsError> {
    let wrong = |e: lettre::transport::smtp::Error| SettingsError::Value {
        setting: "notify.smtp.ca_file",
        why: format!("cannot be used: {e}"),
    };
    let mut builder = TlsParameters::builder(settings.server.clone());
    if let Some(path) = &settings.ca_file {
        for certificate in certificates("notify.smtp.ca_file", path)? {
            let certificate = Certificate::from_der(certificate.to_vec()).map_err(wrong)?;
            builder = builder.add_root_certificate(certificate);
        }
    }
    builder.build().map_err(wrong)
}

fn mail(from: &Mailbox, to: &str, message: &Message) -> Result<Mail, NotifyError> {
    let mut builder = Mail::builder().from(from.clone()).subject(subject(message));
    for receiver in receivers(to)? {
        builder = builder.to(receiver);
    }
    // The same message again has the same identifier: mail systems and people see that it is one.
    let digest = format!("{:x}", Sha256::digest(message.key.as_bytes()));
    builder = builder.message_id(Some(format!("<{digest}@{}>", from.email.domain())));
    // Source: RFC 3834, section 5: nobody's holiday note is to answer.
    builder = builder
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Nightlatch-Alert", message.alert.id.as_str()))
        .raw_header(header("X-Nightlatch-Trigger", message.trigger.as_str()))
        .raw_header(header("X-Nightlatch-Key", &message.key));
    let parts = MultiPart::alternative_plain_html(plain(message), page(message));
    builder.multipart(parts).map_err(|_| NotifyError::Config("the mail cannot be put together".to_owned()))
}

/// One line of harmless words; what a header would obey is shown as its escape. The beginning of an encoded word
/// (RFC 2047) is broken up: plain text goes into the header as it is, and readers would decode line breaks from it.
fn subject(message: &Message) -> String {
    terminal_cut(&format!("[Nightlatch] {}", message.summary().raw()), SUBJECT_COLUMNS).replace("=?", "= ?")
}

/// The lines of a message, raw: name and value.
fn rows(message: &Message) -> Vec<(&'static str, String)> {
    let change = &message.change;
    let mut rows = vec![
        ("What", change.kind.title().to_owned()),
        ("Where", change.endpoint().to_string()),
        ("State", format!("{} ({})", change.exposure, change.severity)),
    ];
    let mut word = |name, text: &str| {
        if !text.is_empty() {
            rows.push((name, text.to_owned()));
        }
    };
    word("Product", change.product.as_ref().map_or("", |product| product.raw()));
    word("Before", change.before.raw());
    word("Now", change.after.raw());
    word("Owner", change.owner.as_ref().map_or("", |owner| owner.raw()));
    word("Time", &change.time.to_string());
    word("Run", &change.run.0);
    word("Alert", message.alert.name.raw());
    word("Trigger", &format!("{}: {}", message.trigger, message.trigger.info().description));
    word("Key", &message.key);
    rows
}

fn plain(message: &Message) -> String {
    let mut text = format!("{}\n\n", defanged(message.summary().raw()));
    for (name, value) in rows(message) {
        text.push_str(&format!("{name:8} {}\n", defanged(&value)));
    }
    if let Some(link) = &message.link {
        text.push_str(&format!("\n{}\n", terminal(link)));
    }
    text
}

fn page(message: &Message) -> String {
    let mut text = String::from("<!DOCTYPE html><html><head><meta charset=\"utf-8\"></head><body>");
    text.push_str(&format!("<p><strong>{}</strong></p><table>", html(&defanged(message.summary().raw()))));
    for (name, value) in rows(message) {
        text.push_str(&format!(
            "<tr><th align=\"left\" scope=\"row\">{name}</th><td><code>{}</code></td></tr>",
            html(&defanged(&value))
        ));
    }
    text.push_str("</table>");
    if let Some(link) = &message.link {
        text.push_str(&format!("<p><a href=\"{}\">Show the host</a></p>", html(link)));
    }
    text.push_str("</body></html>");
    text
}

/// On one line, and nothing that a mail program would make a link of.
fn defanged(text: &str) -> String {
    terminal(text).replace("://", "[:]//").replace("www.", "www[.]")
}

/// A header of ours: plain words without a line break.
fn header(name: &'static str, value: &str) -> HeaderValue {
    let value = value.chars().filter(char::is_ascii_graphic).collect();
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

#[cfg(test)]
mod tests;
