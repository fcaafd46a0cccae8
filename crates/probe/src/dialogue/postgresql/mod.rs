//! PostgreSQL: asks whether it offers TLS, then for a protocol version that does not exist, and reads the
//! error. No user name is sent, so nothing tells who may log in, and nothing is tried.
//!
//! Facts: see `README.md` of the folder above.
//!
//! Source: PostgreSQL documentation, "Message Flow" and "Message Formats" (SSLRequest, StartupMessage,
//! ErrorResponse), "Error and Notice Message Fields".

use nightlatch_asset::{DialogueAnswer, RequestClass};
use nightlatch_untrusted::Text;
use serde_json::{Map, Value, json};

use super::{
    Dialogue, DialogueInfo, Message, Step,
    inbox::{Inbox, word},
    unrecognised,
};
use crate::Stopped;

pub(super) const INFO: DialogueInfo =
    DialogueInfo { name: "postgresql", class: RequestClass::T1, server_speaks_first: false, start };

/// Largest error message that is read.
const ERROR_BYTES_MAX: usize = 4 * 1024;

const FIELD_BYTES_MAX: usize = 256;

/// Length 8, then the code 1234.5679.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Length 9, protocol 255.255, no parameters.
const STARTUP: [u8; 9] = [0, 0, 0, 9, 0, 255, 0, 255, 0];

/// How PgBouncer begins what it says to our start-up message.
const POOLER_REFUSAL: &str = "bad packet header: '0000000900ff00ff'";

fn start(allowed: RequestClass) -> Box<dyn Dialogue> {
    let turn = if allowed >= RequestClass::T1 { Turn::AskTls } else { Turn::Ended };
    Box::new(Postgresql { inbox: Inbox::new(ERROR_BYTES_MAX), turn, tls: None, error: None })
}

#[derive(Debug)]
struct Postgresql {
    inbox: Inbox,
    turn: Turn,
    tls: Option<bool>,
    error: Option<Fields>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    AskTls,
    AwaitTls,
    /// The server said yes; a handshake is under way.
    Handshake,
    /// Start up in plain text, on a new connection.
    StartPlain,
    /// `encrypted`: inside TLS.
    AwaitError {
        encrypted: bool,
    },
    Ended,
}

impl Dialogue for Postgresql {
    fn next(&mut self) -> Step {
        match self.turn {
            Turn::AskTls => {
                self.turn = Turn::AwaitTls;
                send("SSLRequest", &TLS_REQUEST)
            }
            Turn::Handshake => self.start_up(true),
            Turn::StartPlain => self.start_up(false),
            Turn::AwaitTls | Turn::AwaitError { .. } | Turn::Ended => self.read(),
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> Step {
        self.inbox.push(bytes);
        self.read()
    }

    fn interrupted(&mut self, _stopped: Stopped) -> Step {
        // A server that wants a client certificate, say: the plain start-up is answered all the same.
        if matches!(self.turn, Turn::Handshake | Turn::AwaitError { encrypted: true }) {
            self.inbox.clear();
            self.turn = Turn::StartPlain;
            return Step::Reconnect;
        }
        Step::Done
    }

    fn started(&self) -> bool {
        self.inbox.heard()
    }

    fn finish(self: Box<Self>, _stopped: Stopped) -> DialogueAnswer {
        let Some(fields) = self.error else { return unrecognised() };
        fields.answer(self.tls)
    }
}

impl Postgresql {
    fn start_up(&mut self, encrypted: bool) -> Step {
        self.turn = Turn::AwaitError { encrypted };
        send("StartupMessage protocol 255.255", &STARTUP)
    }

    fn read(&mut self) -> Step {
        match (self.turn, self.inbox.unread()) {
            (Turn::AwaitTls | Turn::AwaitError { .. }, []) => Step::Wait,
            (Turn::AwaitTls, [b'S', ..]) => {
                self.tls = Some(true);
                self.inbox.clear();
                self.turn = Turn::Handshake;
                Step::StartTls
            }
            (Turn::AwaitTls, [b'N', ..]) => {
                self.tls = Some(false);
                self.inbox.consume(1);
                self.start_up(false)
            }
            (Turn::AwaitTls | Turn::AwaitError { .. }, bytes) => match error(bytes) {
                Found::Incomplete if !self.inbox.overflowed() => Step::Wait,
                Found::Whole(fields) => {
                    self.error = Some(fields);
                    self.end()
                }
                Found::Incomplete | Found::Foreign => self.end(),
            },
            _ => self.end(),
        }
    }

    fn end(&mut self) -> Step {
        self.turn = Turn::Ended;
        Step::Done
    }
}

fn send(asked: &'static str, bytes: &[u8]) -> Step {
    Step::Send(Message { class: RequestClass::T1, asked, bytes: bytes.to_vec() })
}

enum Found {
    Incomplete,
    Whole(Fields),
    Foreign,
}

/// The fields of an error that are kept.
#[derive(Debug, Default)]
struct Fields {
    severity: String,
    sqlstate: String,
    message: String,
    file: Option<String>,
    line: Option<u32>,
    routine: Option<String>,
}

/// Reads an ErrorResponse: `E`, four bytes of length, then fields of a letter and a NUL-terminated string.
fn error(bytes: &[u8]) -> Found {
    let Some(([kind, length @ ..], rest)) = bytes.split_first_chunk::<5>() else {
        // What is not an error message is told from its first byte.
        return if bytes.first() == Some(&b'E') { Found::Incomplete } else { Found::Foreign };
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if *kind != b'E' || !(8..=ERROR_BYTES_MAX - 1).contains(&length) {
        return Found::Foreign;
    }
    let Some(content) = rest.get(..length - 4) else { return Found::Incomplete };
    let Some(content) = content.strip_suffix(b"\0\0") else { return Found::Foreign };
    let mut fields = Fields::default();
    for field in content.split(|b| *b == 0) {
        let Some((letter, value)) = field.split_first() else { return Found::Foreign };
        let text = word(value, FIELD_BYTES_MAX).unwrap_or_default();
        match letter {
            b'S' if fields.severity.is_empty() => fields.severity = text,
            // The severity untranslated, since 9.6.
            b'V' => fields.severity = text,
            b'C' => fields.sqlstate = text,
            b'M' => fields.message = text,
            b'F' => fields.file = word(value.rsplit(|b| *b == b'/').next().unwrap_or_default(), 64),
            b'L' => fields.line = text.parse().ok(),
            b'R' => fields.routine = word(value, 64),
            _ => {}
        }
    }
    let typed = fields.sqlstate.len() == 5 && fields.sqlstate.bytes().all(|b| b.is_ascii_alphanumeric());
    if typed && !fields.severity.is_empty() && !fields.message.is_empty() {
        Found::Whole(fields)
    } else {
        Found::Foreign
    }
}

impl Fields {
    fn answer(self, tls: Option<bool>) -> DialogueAnswer {
        let mut facts = Map::new();
        let mut keep = |key: &str, value: Value| {
            if !value.is_null() {
                facts.insert(key.into(), value);
            }
        };
        // Only what is said about the protocol is kept; other messages may name hosts and users.
        let about_protocol = matches!(self.sqlstate.as_str(), "0A000" | "08P01");
        let own_routine = self.routine.as_deref() == Some("ProcessStartupPacket");
        let own_file = matches!(self.file.as_deref(), Some("postmaster.c" | "backend_startup.c"));
        // The pooler repeats our bytes in hexadecimal digits, and names no place in a source.
        let pooler =
            self.sqlstate == "08P01" && self.message.starts_with(POOLER_REFUSAL) && self.file.is_none();
        let family = match (own_routine && own_file, pooler) {
            (true, _) => "PostgreSQL",
            (_, true) => "PgBouncer",
            _ => "compatible",
        };
        keep("recognised", json!(true));
        keep("tls", json!(tls));
        keep("sqlstate", json!(self.sqlstate));
        keep("severity", json!(self.severity));
        keep("supports", json!(supports(&self.message).filter(|_| about_protocol)));
        keep("family", json!(family));
        keep("file", json!(self.file));
        keep("line", json!(self.line));
        keep("routine", json!(self.routine));
        let message = if about_protocol { self.message.as_str() } else { "" };
        let text = format!("{}: {} {message}", self.severity, self.sqlstate);
        DialogueAnswer { facts: facts.into(), text: Text::new(text.trim_end()) }
    }
}

/// The range of versions in `...: server supports 3.0 to 3.2`.
fn supports(message: &str) -> Option<String> {
    let (_, range) = message.split_once("server supports ")?;
    let (from, to) = range.split_once(" to ")?;
    let version = |text: &str| text.len() <= 8 && text.chars().all(|c| c.is_ascii_digit() || c == '.');
    (version(from) && version(to)).then(|| format!("{from} to {to}"))
}

#[cfg(test)]
mod tests;
