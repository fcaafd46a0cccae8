//! MQTT brokers: asks to be let in without a name, and leaves at once. This opens a session for a moment, so
//! it belongs to the class that a scope must allow (T3).
//!
//! Facts: see `README.md` of the folder above.
//!
//! Source: MQTT 3.1.1, sections 3.1 (CONNECT), 3.2 (CONNACK), 3.14 (DISCONNECT).

use nightlatch_asset::{DialogueAnswer, RequestClass};
use serde_json::{Map, json};

use super::{Dialogue, DialogueInfo, Message, Step, inbox::Inbox, recognised, unrecognised};
use crate::Stopped;

pub(super) const INFO: DialogueInfo =
    DialogueInfo { name: "mqtt", class: RequestClass::T3, server_speaks_first: false, start };

const ANSWER_BYTES_MAX: usize = 64;

/// CONNECT: protocol level 4, clean session, no user name, no password, no will, ten seconds of patience;
/// then who we are. The name is not a credential; an empty one would make the broker invent one.
const CONNECT: &[u8] = b"\x10\x16\x00\x04MQTT\x04\x02\x00\x0a\x00\x0anightlatch";

const DISCONNECT: &[u8] = b"\xe0\x00";

fn start(allowed: RequestClass) -> Box<dyn Dialogue> {
    let turn = if allowed >= RequestClass::T3 { Turn::Connect } else { Turn::Ended };
    Box::new(Mqtt { inbox: Inbox::new(ANSWER_BYTES_MAX), turn, code: None })
}

#[derive(Debug)]
struct Mqtt {
    inbox: Inbox,
    turn: Turn,
    code: Option<u8>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    Connect,
    Await,
    Ended,
}

impl Dialogue for Mqtt {
    fn next(&mut self) -> Step {
        match self.turn {
            Turn::Connect => {
                self.turn = Turn::Await;
                send("CONNECT without credentials", CONNECT)
            }
            Turn::Await => self.read(),
            Turn::Ended => Step::Done,
        }
    }

    fn receive(&mut self, bytes: &[u8]) -> Step {
        self.inbox.push(bytes);
        if self.turn == Turn::Ended { Step::Done } else { self.read() }
    }

    fn started(&self) -> bool {
        self.inbox.heard()
    }

    fn finish(self: Box<Self>, _stopped: Stopped) -> DialogueAnswer {
        let Some(code) = self.code else { return unrecognised() };
        let result = match code {
            0 => "accepted",
            1 => "refused-protocol",
            2 => "refused-identifier",
            3 => "unavailable",
            4 => "bad-credentials",
            _ => "not-authorized",
        };
        let mut facts = Map::new();
        facts.insert("code".into(), json!(code));
        facts.insert("result".into(), json!(result));
        recognised(facts)
    }
}

impl Mqtt {
    fn read(&mut self) -> Step {
        match self.inbox.unread() {
            // No session of ours can be present, because none was ever kept.
            [0x20, 2, 0, code @ 0..=5, ..] => {
                self.code = Some(*code);
                self.turn = Turn::Ended;
                if *code == 0 { send("DISCONNECT", DISCONNECT) } else { Step::Done }
            }
            [] | [0x20] | [0x20, 2] | [0x20, 2, 0] => Step::Wait,
            _ => {
                self.turn = Turn::Ended;
                Step::Done
            }
        }
    }
}

fn send(asked: &'static str, bytes: &[u8]) -> Step {
    Step::Send(Message { class: RequestClass::T3, asked, bytes: bytes.to_vec() })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            dialogue,
            recorded::{Line, Peer, converse, facts, facts_with},
        },
        *,
    };

    fn recorded(variant: &str) -> Peer {
        Peer::recorded(&format!("mosquitto/{variant}"))
    }

    #[test]
    fn recorded_servers() {
        let open = json!({ "recognised": true, "code": 0, "result": "accepted" });
        assert_eq!(facts("mqtt", &recorded("open")), open);
        let locked = json!({ "recognised": true, "code": 5, "result": "not-authorized" });
        assert_eq!(facts("mqtt", &recorded("password")), locked);
    }

    #[test]
    fn who_is_let_in_takes_leave() {
        let (_, asked) = converse(dialogue("mqtt").unwrap(), &recorded("open"), Line::WHOLE);
        let asked: Vec<&str> = asked.iter().map(|asked| asked.asked).collect();
        assert_eq!(asked, ["CONNECT without credentials", "DISCONNECT"]);
        let without_leave = Line { allowed: RequestClass::T2, ..Line::WHOLE };
        assert_eq!(facts_with("mqtt", &recorded("open"), without_leave), serde_json::Value::Null);
    }

    #[test]
    fn the_length_is_right() {
        assert_eq!(usize::from(CONNECT[1]), CONNECT.len() - 2);
        assert_eq!(usize::from(CONNECT[13]), b"nightlatch".len());
    }
}
