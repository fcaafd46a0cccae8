//! Redis, Valkey and relatives: asks for a sign of life, for who it is, for a count, and whether a stranger
//! may write. Stops at the first answer that demands a password.
//!
//! Facts: see `README.md` of the folder above. Of `INFO` only version, mode, operating system and a rough
//! uptime are kept; it also holds paths, process and run numbers.
//!
//! Source: Redis documentation, "RESP protocol spec", `PING`, `INFO`, `DBSIZE`, `ACL DRYRUN`, "Security".

mod resp;

use nightlatch_asset::{DialogueAnswer, RequestClass};
use serde_json::{Map, Value, json};

use self::resp::{Found, Reply, reply};
use super::{
    Dialogue, DialogueInfo, Message, Step,
    inbox::{Inbox, word},
    recognised, unrecognised,
};
use crate::Stopped;

pub(super) const INFO: DialogueInfo =
    DialogueInfo { name: "redis", class: RequestClass::T1, server_speaks_first: false, start };

/// Largest answer that is read; `INFO server` has about a thousand bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024;

const VALUE_BYTES_MAX: usize = 64;

/// First release that knows `ACL DRYRUN`.
const DRYRUN_SINCE: u32 = 7;

fn start(allowed: RequestClass) -> Box<dyn Dialogue> {
    let asking = if allowed >= RequestClass::T1 { Question::Ping } else { Question::Listen };
    Box::new(Redis {
        inbox: Inbox::new(ANSWER_BYTES_MAX),
        allowed,
        asking,
        sent: false,
        listened: false,
        facts: Map::new(),
        server: Server::default(),
    })
}

#[derive(Debug)]
struct Redis {
    inbox: Inbox,
    allowed: RequestClass,
    asking: Question,
    sent: bool,
    /// A connection without a question was tried.
    listened: bool,
    facts: Map<String, Value>,
    server: Server,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Question {
    /// None: a server in protected mode speaks first.
    Listen,
    Ping,
    Info,
    Size,
    DryRun,
    /// As `DryRun`, of a sentinel: it has no keys, and its own command decides which server is the master.
    DryRunFailover,
    Nothing,
}

/// What `INFO` told.
#[derive(Debug, Default)]
struct Server {
    /// The version of Redis it is, or is compatible with.
    redis_version: Option<String>,
    sentinel: bool,
}

impl Question {
    fn message(self) -> Option<Message> {
        let (class, asked, bytes): (_, _, &[u8]) = match self {
            Question::Ping => (RequestClass::T1, "PING", b"PING\r\n"),
            Question::Info => (RequestClass::T1, "INFO server", b"*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n"),
            Question::Size => (RequestClass::T2, "DBSIZE", b"DBSIZE\r\n"),
            Question::DryRun => {
                (RequestClass::T2, "ACL DRYRUN default SET k v", b"ACL DRYRUN default SET k v\r\n")
            }
            Question::DryRunFailover => (
                RequestClass::T2,
                "ACL DRYRUN default SENTINEL FAILOVER m",
                b"ACL DRYRUN default SENTINEL FAILOVER m\r\n",
            ),
            Question::Listen | Question::Nothing => return None,
        };
        Some(Message { class, asked, bytes: bytes.to_vec() })
    }

    fn key(self) -> &'static str {
        match self {
            Question::Listen | Question::Ping | Question::Nothing => "ping",
            Question::Info => "info",
            Question::Size => "dbsize",
            Question::DryRun | Question::DryRunFailover => "dryrun",
        }
    }
}

impl Dialogue for Redis {
    fn next(&mut self) -> Step {
        if let (false, Some(message)) = (self.sent, self.asking.message()) {
            self.sent = true;
            return Step::Send(message);
        }
        self.read()
    }

    fn receive(&mut self, bytes: &[u8]) -> Step {
        self.inbox.push(bytes);
        self.read()
    }

    fn interrupted(&mut self, stopped: Stopped) -> Step {
        // A server in protected mode speaks, closes, and may reset us over our question before its words are
        // read: listen once without asking. An orderly end without a word loses none, and waiting there would
        // cost every other service that dislikes the question the whole patience.
        let unheard = self.asking == Question::Ping && !self.inbox.heard() && !self.listened;
        if unheard && stopped == Stopped::Reset {
            (self.asking, self.listened) = (Question::Listen, true);
            return Step::Reconnect;
        }
        Step::Done
    }

    fn started(&self) -> bool {
        self.inbox.heard()
    }

    fn finish(self: Box<Self>, _stopped: Stopped) -> DialogueAnswer {
        if self.facts.is_empty() { unrecognised() } else { recognised(self.facts) }
    }
}

impl Redis {
    fn read(&mut self) -> Step {
        if self.asking == Question::Nothing {
            return Step::Done;
        }
        match reply(self.inbox.unread()) {
            Found::Incomplete if !self.inbox.overflowed() => Step::Wait,
            Found::Incomplete | Found::Foreign => self.ask(Question::Nothing),
            Found::Whole(reply, length) => {
                let (verdict, extra, next) = judge(self.asking, &reply);
                let key = self.asking.key();
                self.inbox.consume(length);
                if let Some(verdict) = verdict {
                    self.facts.insert(key.into(), json!(verdict));
                }
                match extra {
                    Extra::Keys(keys) => drop(self.facts.insert("keys".into(), json!(keys))),
                    Extra::Info(info) => self.keep_info(&info),
                    Extra::None => {}
                }
                self.ask(next)
            }
        }
    }

    fn ask(&mut self, question: Question) -> Step {
        let question = match question {
            // A sentinel holds no data.
            Question::Size if self.server.sentinel && self.knows_dry_run() => Question::DryRunFailover,
            Question::Size if self.server.sentinel => Question::Nothing,
            Question::DryRun if !self.knows_dry_run() => Question::Nothing,
            question => question,
        };
        match question.message().filter(|message| message.class <= self.allowed) {
            Some(message) => {
                (self.asking, self.sent) = (question, true);
                Step::Send(message)
            }
            None => {
                self.asking = Question::Nothing;
                Step::Done
            }
        }
    }

    /// Where `INFO` is renamed or forbidden the release is not known: then a refusal of the question costs nothing.
    fn knows_dry_run(&self) -> bool {
        let Some(version) = self.server.redis_version.as_deref() else { return true };
        let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
        major.is_some_and(|major| major >= DRYRUN_SINCE)
    }

    fn keep_info(&mut self, info: &[u8]) {
        let value = |wanted: &str| {
            info.split(|b| *b == b'\n').find_map(|line| {
                let value = line.strip_prefix(wanted.as_bytes())?.strip_prefix(b":")?;
                word(value, VALUE_BYTES_MAX)
            })
        };
        let redis_version = value("redis_version");
        let (server, version) = if let Some(version) = value("dragonfly_version") {
            ("dragonfly", Some(version))
        } else if let Some(version) = value("kvrocks_version") {
            ("kvrocks", Some(version))
        } else if value("server_name").as_deref() == Some("valkey") {
            ("valkey", value("valkey_version").or_else(|| redis_version.clone()))
        } else if value("server_name").as_deref() == Some("keydb") || value("mvcc_depth").is_some() {
            ("keydb", redis_version.clone())
        } else {
            ("redis", redis_version.clone())
        };
        let mode = value("redis_mode").or_else(|| value("server_mode"));
        self.server = Server { redis_version, sentinel: mode.as_deref() == Some("sentinel") };
        let os_class = value("os").and_then(|os| os.split_whitespace().next().map(str::to_owned));
        let uptime = value("uptime_in_seconds").and_then(|seconds| seconds.parse().ok()).map(uptime);
        let server = version.is_some().then_some(server.to_owned());
        let told = [("version", version), ("server", server), ("mode", mode), ("os_class", os_class)];
        for (key, value) in told.into_iter().chain([("uptime", uptime.map(str::to_owned))]) {
            if let Some(value) = value {
                self.facts.insert(key.into(), json!(value));
            }
        }
    }
}

enum Extra {
    None,
    Keys(u64),
    Info(Vec<u8>),
}

/// What a reply to a question means, what else it tells, and what to ask next. No verdict when the reply is
/// not one of the server's own.
fn judge(question: Question, reply: &Reply<'_>) -> (Option<&'static str>, Extra, Question) {
    use Question::*;
    let refusal = match reply {
        Reply::Error(text) => Some(refusal(text)),
        _ => None,
    };
    match (question, reply, refusal) {
        (Listen | Ping, _, Some("denied")) => (Some("denied"), Extra::None, Nothing),
        (Ping, Reply::Status(b"PONG"), _) => (Some("pong"), Extra::None, Info),
        (Ping, _, Some(verdict @ ("noperm" | "loading"))) => (Some(verdict), Extra::None, Info),
        (Ping, _, Some("noauth")) => (Some("noauth"), Extra::None, Nothing),
        // A bare error is what many other protocols answer as well.
        (Listen | Ping, _, _) => (None, Extra::None, Nothing),
        (_, _, Some("noauth")) => (Some("noauth"), Extra::None, Nothing),
        (Info, Reply::Bulk(text), _) => (Some("ok"), Extra::Info(text.to_vec()), Size),
        (Info, _, Some("noperm")) => (Some("noperm"), Extra::None, Size),
        (Info, _, _) => (Some("error"), Extra::None, Size),
        (Size, Reply::Integer(keys), _) => (Some("integer"), Extra::Keys(*keys), DryRun),
        (Size, _, Some("noperm")) => (Some("noperm"), Extra::None, DryRun),
        (Size, _, _) => (Some("error"), Extra::None, Nothing),
        (DryRun | DryRunFailover, Reply::Status(b"OK"), _) => (Some("ok"), Extra::None, Nothing),
        // The reason why not comes as a string, not as an error.
        (DryRun | DryRunFailover, Reply::Bulk(_), _) => (Some("denied"), Extra::None, Nothing),
        (DryRun | DryRunFailover, _, Some("noperm")) => (Some("noperm"), Extra::None, Nothing),
        (DryRun | DryRunFailover, _, _) => (Some("unsupported"), Extra::None, Nothing),
        (Nothing, _, _) => (None, Extra::None, Nothing),
    }
}

/// The kind of a refusal, from its first word. Releases before 2.8 said `operation not permitted`.
fn refusal(text: &[u8]) -> &'static str {
    match text.split(|b| *b == b' ').next() {
        Some(b"DENIED") => "denied",
        Some(b"NOAUTH") => "noauth",
        Some(b"NOPERM") => "noperm",
        Some(b"LOADING") => "loading",
        _ if text == b"ERR operation not permitted" => "noauth",
        _ => "error",
    }
}

/// A rough uptime: the exact one tells two servers apart, which nobody needs.
fn uptime(seconds: u64) -> &'static str {
    match seconds / 86_400 {
        0 => "hours",
        1..7 => "days",
        7..31 => "weeks",
        31..365 => "months",
        _ => "years",
    }
}

#[cfg(test)]
mod tests;
