//! No recording of a server: the answers are written after the specification of the protocol.

use super::{
    super::recorded::{Line, Peer, facts, facts_with},
    *,
};

fn text(text: &str) -> Vec<u8> {
    [&u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

fn supported(version: u8, options: &[(&str, &[&str])]) -> Vec<u8> {
    let mut body = u16::try_from(options.len()).unwrap().to_be_bytes().to_vec();
    for (name, values) in options {
        body.extend(text(name));
        body.extend(u16::try_from(values.len()).unwrap().to_be_bytes());
        body.extend(values.iter().flat_map(|value| text(value)));
    }
    frame(0x80 | version, SUPPORTED, &body)
}

const ASKED: &[(&str, &[&str])] = &[
    ("PROTOCOL_VERSIONS", &["3/v3", "4/v4", "5/v5"]),
    ("COMPRESSION", &["snappy", "lz4"]),
    ("CQL_VERSION", &["3.4.6"]),
];

fn startup(version: u8) -> Vec<u8> {
    frame(version, STARTUP, &[vec![0, 1], text("CQL_VERSION"), text("3.4.6")].concat())
}

fn server(answer: &[u8]) -> Peer {
    Peer::new().answers(frame(4, OPTIONS, &[]), supported(4, ASKED)).answers(startup(4), answer)
}

fn identity() -> Value {
    json!({
        "recognised": true, "family": "Cassandra", "frame_version": 4, "cql_versions": ["3.4.6"],
        "protocol_versions": ["3/v3", "4/v4", "5/v5"], "compression": ["snappy", "lz4"],
    })
}

#[test]
fn open_and_locked() {
    let mut open = identity();
    open["startup"] = json!("ready");
    assert_eq!(facts("cassandra", &server(&frame(0x84, READY, &[]))), open);
    let class = text("org.apache.cassandra.auth.PasswordAuthenticator");
    let mut locked = identity();
    (locked["startup"], locked["authenticator"]) = (json!("authenticate"), json!("PasswordAuthenticator"));
    assert_eq!(facts("cassandra", &server(&frame(0x84, AUTHENTICATE, &class))), locked);
    let only_metadata = Line { allowed: RequestClass::T1, ..Line::WHOLE };
    assert_eq!(facts_with("cassandra", &server(&frame(0x84, READY, &[])), only_metadata), identity());
}

#[test]
fn older_servers_are_asked_again() {
    let error = frame(
        0x83,
        ERROR,
        &[&PROTOCOL_ERROR, text("Invalid or unsupported protocol version").as_slice()].concat(),
    );
    let options = [ASKED, &[("SCYLLA_SHARD", &["0"])]].concat();
    let peer = Peer::new()
        .answers_and_closes(frame(4, OPTIONS, &[]), error)
        .answers(frame(3, OPTIONS, &[]), supported(3, &options))
        .answers(startup(3), frame(0x83, READY, &[]));
    let facts = facts("cassandra", &peer);
    assert_eq!((&facts["frame_version"], &facts["family"]), (&json!(3), &json!("ScyllaDB")));
    assert_eq!(facts["startup"], "ready");
}

#[test]
fn cut_or_damaged_answers_are_harmless() {
    let peer = server(&frame(0x84, READY, &[]));
    let whole = facts("cassandra", &peer);
    let most: usize = peer.utterances().iter().map(Vec::len).sum();
    for cut in 1..most {
        let line = Line { cut, ..Line::WHOLE };
        let facts = facts_with("cassandra", &peer, line);
        assert_eq!(facts, facts_with("cassandra", &peer, Line { step: 1, ..line }));
        let told = facts.as_object().unwrap();
        assert!(
            told["recognised"] == false || told.iter().all(|(key, value)| whole[key] == *value),
            "{facts}"
        );
    }
    let answer = supported(4, ASKED);
    for at in 0..answer.len() {
        for byte in [0, 1, 0x7f, 0xff] {
            let mut damaged = answer.clone();
            damaged[at] = byte;
            assert!(facts("cassandra", &Peer::new().answers(frame(4, OPTIONS, &[]), damaged)).is_object());
        }
    }
}

#[test]
fn answers_that_come_early_are_not_lost() {
    let both = [supported(4, ASKED), frame(0x84, READY, &[])].concat();
    let peer = Peer::new().answers(frame(4, OPTIONS, &[]), both);
    let whole = facts("cassandra", &peer);
    assert_eq!(whole["startup"], "ready");
    assert_eq!(facts_with("cassandra", &peer, Line { step: 1, ..Line::WHOLE }), whole);
}
