use std::{sync::Arc, time::Duration};

use nightlatch_alert::Message;
use nightlatch_asset::Severity;
use nightlatch_untrusted::{terminal, terminal_cut};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{NotifyError, SettingsError, SyslogSettings, tls::client_config};

/// How long one delivery may take.
const DELIVERY_MAX: Duration = Duration::from_secs(10);
/// How long the receiver may take to end the connection after we did.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// Longest value of a parameter and longest text, in columns. Every receiver must take messages of 2048 bytes
/// (RFC 5425, section 4.3.1: 2048 MUST, 8192 SHOULD).
const VALUE_COLUMNS: usize = 120;
/// Facility local0.
const FACILITY: u8 = 16;
/// Name of the element: the number is the one kept for examples, since we have none of our own (RFC 5612).
const ELEMENT: &str = "nightlatch@32473";

/// Sends to one collector of logs over TLS.
#[derive(Clone)]
pub(crate) struct Syslog {
    settings: SyslogSettings,
    name: ServerName<'static>,
    tls: TlsConnector,
}

impl Syslog {
    pub(crate) fn new(settings: &SyslogSettings) -> Result<Self, SettingsError> {
        let wrong = |setting, why: &str| SettingsError::Value { setting, why: why.to_owned() };
        let name = ServerName::try_from(settings.server.clone())
            .map_err(|_| wrong("notify.syslog.server", "is no host name"))?;
        if settings.hostname.as_deref().is_some_and(|name| !is_hostname(name)) {
            return Err(wrong("notify.syslog.hostname", "is no name of up to 255 printable characters"));
        }
        let config: ClientConfig = client_config("notify.syslog.ca_file", settings.ca_file.as_deref())?;
        Ok(Self { settings: settings.clone(), name, tls: TlsConnector::from(Arc::new(config)) })
    }

    /// Sends one frame on a connection of its own. Syslog has no answer: delivered means that the receiver took the
    /// frame and ended the connection without complaint, or said nothing for two seconds.
    pub(crate) async fn send(&self, message: &Message) -> Result<String, NotifyError> {
        let host = &self.settings.server;
        match timeout(DELIVERY_MAX, self.converse(message)).await {
            Ok(outcome) => outcome.map_err(|e| NotifyError::unreachable(host, e))?,
            Err(_) => return Err(NotifyError::Slow { host: host.clone(), after: DELIVERY_MAX }),
        }
        Ok(format!("sent to {host}"))
    }

    async fn converse(&self, message: &Message) -> std::io::Result<()> {
        let tcp = TcpStream::connect((self.settings.server.as_str(), self.settings.port)).await?;
        let mut stream = self.tls.connect(self.name.clone(), tcp).await?;
        stream.write_all(&frame(&line(self.settings.hostname.as_deref(), message))).await?;
        stream.flush().await?;
        stream.shutdown().await?;
        let mut rest = [0; 64];
        match timeout(CLOSE_MAX, stream.read(&mut rest)).await {
            // Many receivers end without a word of TLS, which is an end all the same.
            Ok(Err(e)) if e.kind() != std::io::ErrorKind::UnexpectedEof => Err(e),
            _ => Ok(()),
        }
    }
}

fn is_hostname(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// Octet counting: the length in bytes, a space, the message.
///
/// Source: RFC 5425, section 4.3.
fn frame(line: &str) -> Vec<u8> {
    format!("{} {line}", line.len()).into_bytes()
}

/// Source: RFC 5424, section 6.
fn line(hostname: Option<&str>, message: &Message) -> String {
    let change = &message.change;
    let priority = FACILITY * 8 + severity(change.severity);
    let mut line = format!(
        "<{priority}>1 {:.6} {} nightlatch {} {} [{ELEMENT}",
        change.time,
        hostname.unwrap_or("-"),
        std::process::id(),
        message.trigger,
    );
    let mut add = |name: &str, value: &str| {
        if !value.is_empty() {
            line.push_str(&format!(" {name}=\"{}\"", parameter(value)));
        }
    };
    add("alert", message.alert.id.as_str());
    add("name", message.alert.name.raw());
    add("change", change.kind.as_str());
    add("ip", &change.ip.to_string());
    add("port", &change.port.to_string());
    add("transport", change.transport.as_str());
    add("exposure", change.exposure.as_str());
    add("severity", change.severity.as_str());
    add("product", change.product.as_ref().map_or("", |product| product.raw()));
    add("owner", change.owner.as_ref().map_or("", |owner| owner.raw()));
    add("before", change.before.raw());
    add("after", change.after.raw());
    add("run", &change.run.0);
    add("key", &message.key);
    if message.test {
        add("test", "true");
    }
    line.push_str("] ");
    line.push_str(&terminal_cut(message.summary().raw(), VALUE_COLUMNS));
    line
}

/// Source: RFC 5424, section 6.3.3: quote, backslash and closing bracket are escaped. Line breaks and controls are
/// neutralised first, because receivers that write files write them as they are.
fn parameter(text: &str) -> String {
    let text =
        if text.len() <= 255 && text.is_ascii() { terminal(text) } else { terminal_cut(text, VALUE_COLUMNS) };
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]")
}

fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Critical => 2,
        Severity::High => 3,
        Severity::Medium => 4,
        Severity::Low => 5,
        Severity::Info => 6,
    }
}

#[cfg(test)]
mod tests;
