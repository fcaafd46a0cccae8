//! MySQL and its relatives: reads the greeting, sends nothing.
//!
//! An abandoned greeting counts as a connection error of our address; many of them make the server block it
//! (error 1129). Whoever drives this must not come often.
//!
//! Facts: see `README.md` of the folder above. Left out: the salt, the connection number, and the text of
//! errors, which repeats our own address (1130, 1129).
//!
//! Source: MySQL Internals, "Connection Phase", Protocol::HandshakeV10, Protocol::HandshakeV9,
//! Protocol::ERR_Packet; MariaDB, "Connecting".

use nightlatch_asset::{DialogueAnswer, RequestClass};
use nightlatch_untrusted::Text;
use serde_json::{Map, Value, json};

use super::{
    Dialogue, DialogueInfo, Step,
    inbox::{Inbox, word},
    unrecognised,
};
use crate::Stopped;

pub(super) const INFO: DialogueInfo =
    DialogueInfo { name: "mysql", class: RequestClass::T0, server_speaks_first: true, start };

/// Largest packet that is read. A greeting has about a hundred bytes.
const PACKET_BYTES_MAX: usize = 4 * 1024;

const VERSION_BYTES_MAX: usize = 128;

// Capability flags.
const PROTOCOL_41: u32 = 0x0000_0200;
const TLS: u32 = 0x0000_0800;
const SECURE_CONNECTION: u32 = 0x0000_8000;
const PLUGIN_AUTH: u32 = 0x0008_0000;

fn start(_allowed: RequestClass) -> Box<dyn Dialogue> {
    Box::new(Mysql { inbox: Inbox::new(PACKET_BYTES_MAX) })
}

#[derive(Debug)]
struct Mysql {
    inbox: Inbox,
}

impl Dialogue for Mysql {
    fn next(&mut self) -> Step {
        Step::Wait
    }

    fn receive(&mut self, bytes: &[u8]) -> Step {
        self.inbox.push(bytes);
        match packet(self.inbox.unread()) {
            Packet::Incomplete if !self.inbox.overflowed() => Step::Wait,
            _ => Step::Done,
        }
    }

    fn started(&self) -> bool {
        self.inbox.heard()
    }

    fn finish(self: Box<Self>, _stopped: Stopped) -> DialogueAnswer {
        let Packet::Whole(payload) = packet(self.inbox.unread()) else { return unrecognised() };
        let answer = match payload {
            [10, rest @ ..] => handshake_10(rest),
            [9, rest @ ..] => handshake_9(rest),
            [0xff, rest @ ..] => error(rest),
            _ => None,
        };
        answer.unwrap_or_else(unrecognised)
    }
}

enum Packet<'a> {
    Incomplete,
    Whole(&'a [u8]),
    Foreign,
}

/// The payload of the first packet: three bytes of length, low byte first, and a sequence number of 0 (1 in
/// some errors).
fn packet(bytes: &[u8]) -> Packet<'_> {
    let Some(([a, b, c, sequence], rest)) = bytes.split_first_chunk::<4>() else { return Packet::Incomplete };
    let length = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
    if *sequence > 1 || !(5..=PACKET_BYTES_MAX - 4).contains(&length) {
        return Packet::Foreign;
    }
    match (rest.first(), rest.get(..length)) {
        (Some(9 | 10 | 0xff), Some(payload)) => Packet::Whole(payload),
        (None | Some(9 | 10 | 0xff), None) => Packet::Incomplete,
        _ => Packet::Foreign,
    }
}

fn handshake_10(payload: &[u8]) -> Option<DialogueAnswer> {
    let (version, rest) = version(payload)?;
    let (_connection_and_salt, rest) = rest.split_at_checked(12)?;
    let ([0, low, high], rest) = rest.split_first_chunk::<3>()? else { return None };
    let (_charset_and_status, rest) = rest.split_at_checked(3)?;
    let ([low_2, high_2, _salt_length], rest) = rest.split_first_chunk::<3>()?;
    let capabilities = u32::from_le_bytes([*low, *high, *low_2, *high_2]);
    if capabilities & PROTOCOL_41 == 0 || capabilities & SECURE_CONNECTION == 0 {
        return None;
    }
    let (_reserved, rest) = rest.split_at_checked(10)?;
    // Twelve bytes more of salt and a NUL.
    let (_salt, rest) = rest.split_at_checked(13)?;
    let plugin = rest.split(|b| *b == 0).next().filter(|_| capabilities & PLUGIN_AUTH != 0);
    let plugin = plugin.and_then(|plugin| word(plugin, VERSION_BYTES_MAX));
    let mut facts = greeting_facts(10, &version, plugin.as_deref().unwrap_or_default());
    facts.insert("tls".into(), json!(capabilities & TLS != 0));
    let mut text = version;
    if let Some(plugin) = plugin {
        text = format!("{text} {plugin}");
        facts.insert("auth_plugin".into(), json!(plugin));
    }
    Some(DialogueAnswer { facts: facts.into(), text: Text::new(text) })
}

fn handshake_9(payload: &[u8]) -> Option<DialogueAnswer> {
    let (version, rest) = version(payload)?;
    let (_connection, salt) = rest.split_at_checked(4)?;
    if salt.len() != 9 || salt.last() != Some(&0) {
        return None;
    }
    let facts = greeting_facts(9, &version, "");
    Some(DialogueAnswer { facts: facts.into(), text: Text::new(version) })
}

/// The version up to its NUL, printable and beginning with a digit as all of the family do, and what follows.
fn version(payload: &[u8]) -> Option<(String, &[u8])> {
    let end = payload.iter().take(VERSION_BYTES_MAX + 1).position(|b| *b == 0)?;
    let (version, rest) = payload.split_at(end);
    let printable = version.iter().all(|b| b.is_ascii_graphic() || *b == b' ');
    if !printable || !version.first()?.is_ascii_digit() {
        return None;
    }
    // MariaDB from 10 on pretends to be 5.5.5 to old replicas.
    let text = String::from_utf8_lossy(version);
    let shown = if text.contains("MariaDB") { text.strip_prefix("5.5.5-").unwrap_or(&text) } else { &text };
    Some((shown.to_owned(), rest.get(1..)?))
}

fn greeting_facts(protocol: u8, version: &str, plugin: &str) -> Map<String, Value> {
    let number: String = version.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let mut facts = Map::new();
    facts.insert("recognised".into(), json!(true));
    facts.insert("kind".into(), json!("handshake"));
    facts.insert("protocol".into(), json!(protocol));
    facts.insert("version".into(), json!(version));
    facts.insert("number".into(), json!(number.trim_end_matches('.')));
    facts.insert("family".into(), json!(family(version, plugin)));
    facts
}

/// Source: the version strings of the products.
fn family(version: &str, plugin: &str) -> &'static str {
    const MARKS: [(&str, &str); 9] = [
        ("mariadb-maxscale", "MaxScale"),
        ("maxscale", "MaxScale"),
        ("mariadb", "MariaDB"),
        ("tidb", "TiDB"),
        ("proxysql", "ProxySQL"),
        ("vitess", "Vitess"),
        ("aurora", "Aurora"),
        ("doris", "Doris"),
        ("percona", "Percona"),
    ];
    let version = version.to_ascii_lowercase();
    let mark = MARKS.iter().find(|(mark, _)| version.contains(mark)).map(|(_, family)| *family);
    match mark {
        Some(family) => family,
        None if plugin.contains("mariadb") => "MariaDB",
        None if plugin == "tidb_sm3_password" => "TiDB",
        None => "MySQL",
    }
}

fn error(payload: &[u8]) -> Option<DialogueAnswer> {
    let (code, message) = payload.split_first_chunk::<2>()?;
    let code = u16::from_le_bytes(*code);
    // 1000 to 1999 are errors of the server, from 3000 on newer ones; 2000 to 2999 belong to clients.
    let of_server = (1000..2000).contains(&code) || (3000..5000).contains(&code) || code >= 8000;
    if !of_server || message.is_empty() || std::str::from_utf8(message).is_err() || message.contains(&0) {
        return None;
    }
    let error = match code {
        1130 => "host-not-allowed",
        1129 => "host-blocked",
        1040 => "too-many-connections",
        _ => "other",
    };
    let mut facts = Map::new();
    facts.insert("recognised".into(), json!(true));
    facts.insert("kind".into(), json!("error"));
    facts.insert("error_code".into(), json!(code));
    facts.insert("error".into(), json!(error));
    let named = |name: &[u8]| message.windows(name.len()).any(|window| window == name);
    let family = if named(b"MariaDB server") { "MariaDB" } else { "MySQL" };
    if family == "MariaDB" || named(b"MySQL server") {
        facts.insert("family".into(), json!(family));
    }
    // The words are ours: the server's repeat the address it sees.
    Some(DialogueAnswer { facts: facts.into(), text: Text::new(format!("error {code} ({error})")) })
}

#[cfg(test)]
mod tests;
