//! The log: one line for each event on the standard error stream, as JSON shaped for OpenTelemetry, or for people.
//!
//! Lines are written by a thread of their own: a reader who stops reading keeps nobody waiting. When too many lines
//! wait, further ones are lost, and a line says how many.

use std::{
    fmt::{self, Write as _},
    io::Write,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use jiff::Timestamp;
use nightlatch_untrusted::log_field;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, Registry, layer::Context, layer::SubscriberExt};

use crate::redact::redact;

/// Lines that may wait to be written.
const LINES_MAX: usize = 8192;
/// Longest text of one field, in bytes.
const FIELD_BYTES_MAX: usize = 4096;

/// How lines look.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line, with the names of OpenTelemetry's log data model and semantic conventions.
    #[default]
    Json,
    /// `time level words name=value...`
    Text,
}

/// Keeps the log open: what waits is written when this is dropped.
pub struct Logging {
    sender: Sender,
    thread: Option<JoinHandle<()>>,
}

type Sender = Arc<Mutex<Option<SyncSender<String>>>>;

/// Sends everything that is traced from now on to the standard error stream: of nightlatch from `INFO`, of the
/// libraries from `WARN`. Whatever has the shape of a key is written without its secret.
///
/// # Errors
/// When the process has a log already, or no thread can be started.
pub fn init_logging(format: LogFormat) -> Result<Logging, LoggingError> {
    let (layer, logging) = start(format, std::io::stderr())?;
    tracing::subscriber::set_global_default(Registry::default().with(layer))
        .map_err(|_| LoggingError::Twice)?;
    Ok(logging)
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoggingError {
    /// There is one.
    #[error("the process has a log already")]
    Twice,
    /// No thread could be started.
    #[error("cannot start the thread that writes the log")]
    Thread(#[from] std::io::Error),
}

/// The layer that makes lines, and the thread that writes them to `out`.
pub(crate) fn start(
    format: LogFormat,
    out: impl Write + Send + 'static,
) -> Result<(Lines, Logging), LoggingError> {
    let (sender, receiver) = sync_channel(LINES_MAX);
    let sender = Arc::new(Mutex::new(Some(sender)));
    let thread = std::thread::Builder::new().name("log".into()).spawn(move || write(&receiver, out))?;
    let lines = Lines { format, sender: sender.clone(), lost: AtomicU64::new(0) };
    Ok((lines, Logging { sender, thread: Some(thread) }))
}

fn write(lines: &Receiver<String>, mut out: impl Write) {
    while let Ok(line) = lines.recv() {
        // Where nobody reads the log, nobody can be told.
        let _ = out.write_all(line.as_bytes());
    }
    let _ = out.flush();
}

impl Drop for Logging {
    fn drop(&mut self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Makes one line of each event.
pub(crate) struct Lines {
    format: LogFormat,
    sender: Sender,
    lost: AtomicU64,
}

impl Lines {
    fn put(&self, line: String) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(sender) = sender.as_ref() else { return };
        let lost = self.lost.load(Relaxed);
        if lost > 0 {
            let mut fields = Fields { body: "lines of the log were lost".into(), ..Fields::default() };
            fields.attributes.insert("lines".into(), lost.into());
            let line = render(self.format, Level::WARN, "nightlatch::log", fields);
            if sender.try_send(line).is_ok() {
                self.lost.fetch_sub(lost, Relaxed);
            }
        }
        if sender.try_send(line).is_err() {
            self.lost.fetch_add(1, Relaxed);
        }
    }
}

impl<S: Subscriber> Layer<S> for Lines {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let most = if metadata.target().starts_with("nightlatch") { Level::INFO } else { Level::WARN };
        *metadata.level() <= most
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        self.put(render(self.format, *metadata.level(), metadata.target(), fields));
    }
}

fn render(format: LogFormat, level: Level, target: &str, fields: Fields) -> String {
    let now = Timestamp::now();
    let mut line = match format {
        LogFormat::Json => {
            let mut record = json!({
                "timestamp": format!("{now:.6}"),
                "severity_text": level.as_str(),
                "severity_number": severity(level),
                "body": fields.body,
                "attributes": fields.attributes,
                "resource": {"service.name": "nightlatch"},
                "scope": {"name": target},
            });
            for (name, value) in [("trace_id", fields.trace), ("span_id", fields.span)] {
                if !value.is_empty() {
                    record[name] = Value::String(value);
                }
            }
            record.to_string()
        }
        LogFormat::Text => {
            let mut line = format!("{now:.3} {level:5} {}", log_words(&fields.body));
            for (name, value) in &fields.attributes {
                let text = value.as_str().map_or_else(|| value.to_string(), log_field);
                // Writing to a text cannot fail.
                let _ = write!(line, " {name}={text}");
            }
            line
        }
    };
    if let std::borrow::Cow::Owned(clean) = redact(&line) {
        line = clean;
    }
    line.push('\n');
    line
}

fn log_words(text: &str) -> String {
    nightlatch_untrusted::terminal(text)
}

/// Source: OpenTelemetry, Logs Data Model, field SeverityNumber.
fn severity(level: Level) -> u8 {
    match level {
        Level::ERROR => 17,
        Level::WARN => 13,
        Level::INFO => 9,
        Level::DEBUG => 5,
        Level::TRACE => 1,
    }
}

#[derive(Default)]
struct Fields {
    body: String,
    trace: String,
    span: String,
    attributes: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        self.attributes.insert(field.name().to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = value[..value.floor_char_boundary(FIELD_BYTES_MAX)].to_owned();
        match field.name() {
            "message" => self.body = value,
            "trace_id" => self.trace = value,
            "span_id" => self.span = value,
            // An empty text says that there is none.
            _ if value.is_empty() => {}
            _ => self.put(field, value.into()),
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A place that can be looked at while the log writes to it.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, work: impl FnOnce()) -> String {
        let page = Page::default();
        let (layer, logging) = start(format, page.clone()).unwrap();
        // While there is only one subscriber, a call on a thread without it would silence that call for all threads.
        let _second = tracing::Dispatch::new(Registry::default());
        tracing::subscriber::with_default(Registry::default().with(layer), work);
        drop(logging);
        let bytes = page.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const KEY: &str = "nl_k3vdq8ap_ssssssssssssssssssssssssssssssss";

    fn some_events() {
        tracing::info!(
            target: "nightlatch::access",
            { url.path = "/a\n\u{1b}[31m", http.response.status_code = 200_u16, empty = "", trace_id = "abc" },
            "request"
        );
        tracing::error!(target: "nightlatch::gate", error = KEY, "it broke: {KEY}");
        tracing::debug!(target: "nightlatch::gate", "too fine");
        tracing::info!(target: "hyper::proto", "of no interest");
        tracing::warn!(target: "rustls", "of interest");
    }

    #[test]
    fn json_lines_have_the_shape_of_opentelemetry_and_no_secret() {
        let text = logged(LogFormat::Json, some_events);
        assert!(!text.contains("ssssssss") && text.contains("nl_k3vdq8ap_***"), "{text}");
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 3, "{text}");
        let first = &lines[0];
        assert_eq!(first["body"], "request");
        assert_eq!((&first["severity_text"], &first["severity_number"]), (&json!("INFO"), &json!(9)));
        let attributes = json!({"url.path": "/a\n\u{1b}[31m", "http.response.status_code": 200});
        assert_eq!((&first["attributes"], &first["trace_id"]), (&attributes, &json!("abc")));
        assert!(first["timestamp"].as_str().unwrap().parse::<Timestamp>().is_ok());
        assert_eq!((&lines[1]["severity_number"], &lines[2]["severity_number"]), (&json!(17), &json!(13)));
    }

    #[test]
    fn lines_for_people_stay_lines() {
        let text = logged(LogFormat::Text, some_events);
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains("ssssssss"), "{text}");
        assert!(text.contains("INFO  request") && text.contains("http.response.status_code=200"), "{text}");
    }

    #[test]
    fn a_log_that_nobody_reads_keeps_nobody_waiting() {
        struct Stuck(SyncSender<()>, Receiver<()>);
        impl Write for Stuck {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                let _ = self.0.try_send(());
                let _ = self.1.recv();
                Ok(bytes.len())
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (entered, enters) = sync_channel(1);
        let (free, stuck) = sync_channel(0);
        let (layer, logging) = start(LogFormat::Json, Stuck(entered, stuck)).unwrap();
        layer.put("line\n".into());
        enters.recv().unwrap();
        for _ in 0..LINES_MAX + 100 {
            layer.put("line\n".into());
        }
        let lost = layer.lost.load(Relaxed);
        drop(free);
        drop(logging);
        assert_eq!(lost, 100);
    }
}
