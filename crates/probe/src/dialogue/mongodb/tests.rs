//! No recording of a server: the answers are written after its documentation.

use super::{
    super::recorded::{Line, Peer, converse, facts, facts_with},
    *,
};

fn message(code: i32, document: &[u8]) -> Vec<u8> {
    let skipped: &[u8] = if code == 2013 { &[0; 5] } else { &[0; 20] };
    let length = i32::try_from(16 + skipped.len() + document.len()).unwrap().to_le_bytes();
    [&length, [9; 8].as_slice(), &code.to_le_bytes(), skipped, document].concat()
}

fn hello_document(wire_version: i32) -> Vec<u8> {
    bson::document(&[
        ("isWritablePrimary", Given::True),
        ("topologyVersion", Given::Document(&[("counter", Given::Int(0))])),
        ("me", Given::Text("lab-host:27017")),
        ("maxBsonObjectSize", Given::Int(16_777_216)),
        ("minWireVersion", Given::Int(0)),
        ("maxWireVersion", Given::Int(wire_version)),
        ("ok", Given::Int(1)),
    ])
}

fn build_info_document() -> Vec<u8> {
    bson::document(&[
        ("version", Given::Text("7.0.14")),
        ("modules", Given::Document(&[("0", Given::Text("enterprise"))])),
        ("ok", Given::Int(1)),
    ])
}

fn refused_document(code: i32) -> Vec<u8> {
    bson::document(&[
        ("ok", Given::Int(0)),
        ("errmsg", Given::Text("Command listDatabases requires authentication (lab-host)")),
        ("code", Given::Int(code)),
    ])
}

fn asks(question: Question, framing: Framing) -> Vec<u8> {
    question.message(framing).unwrap().bytes
}

fn server(list: &[u8]) -> Peer {
    use Framing::Message as M;
    Peer::new()
        .answers(asks(Question::Hello, M), message(2013, &hello_document(21)))
        .answers(asks(Question::BuildInfo, M), message(2013, &build_info_document()))
        .answers(asks(Question::ListDatabases, M), message(2013, list))
}

fn identity() -> Value {
    json!({
        "recognised": true, "framing": "message", "max_wire_version": 21, "min_wire_version": 0, "role": "standalone",
        "build_info": "ok", "version": "7.0.14", "family": "MongoDB", "enterprise": true,
    })
}

#[test]
fn open_and_locked() {
    let none = bson::document(&[("databases", Given::Document(&[])), ("ok", Given::Int(1))]);
    let mut open = identity();
    (open["list_databases"], open["databases"]) = (json!("ok"), json!(0));
    assert_eq!(facts("mongodb", &server(&none)), open);
    let mut locked = identity();
    (locked["list_databases"], locked["error_code"]) = (json!("unauthorized"), json!(13));
    assert_eq!(facts("mongodb", &server(&refused_document(13))), locked);
    let only_metadata = Line { allowed: RequestClass::T1, ..Line::WHOLE };
    assert_eq!(facts_with("mongodb", &server(&none), only_metadata), identity());
}

#[test]
fn the_commands_are_written_as_the_protocol_wants() {
    let bytes = asks(Question::ListDatabases, Framing::Message);
    assert_eq!(usize::try_from(i32::from_le_bytes(*bytes.first_chunk().unwrap())).unwrap(), bytes.len());
    let document = Document::new(&bytes[21..]).unwrap();
    assert!(document.is_true("nameOnly"));
    assert_eq!(document.text("$db"), Some(b"admin".as_slice()));
    assert_eq!(document.array("filter").unwrap().text("name"), Some(ABSENT_NAME.as_bytes()));
    let bytes = asks(Question::IsMaster, Framing::Query);
    assert_eq!(&bytes[20..31], b"admin.$cmd\0");
    assert_eq!(Document::new(&bytes[39..]).unwrap().number("isMaster"), Some(1.0));
}

#[test]
fn old_servers_are_asked_in_the_old_way_and_never_to_list() {
    use Framing::Query as Q;
    let peer = Peer::new()
        .answers_and_closes(asks(Question::Hello, Framing::Message), b"")
        .answers(asks(Question::IsMaster, Q), message(1, &hello_document(5)))
        .answers(asks(Question::BuildInfo, Q), message(1, &refused_document(13)));
    let expected = json!({
        "recognised": true, "framing": "query", "max_wire_version": 5, "min_wire_version": 0, "role": "standalone",
        "build_info": "unauthorized", "error_code": 13,
    });
    assert_eq!(facts("mongodb", &peer), expected);
    let (_, asked) = converse(super::super::dialogue("mongodb").unwrap(), &peer, Line::WHOLE);
    let asked: Vec<&str> = asked.iter().map(|asked| asked.asked).collect();
    assert_eq!(asked, ["hello", "isMaster", "buildInfo"]);
}

#[test]
fn hello_may_be_unknown() {
    let peer = Peer::new()
        .answers(asks(Question::Hello, Framing::Message), message(2013, &refused_document(59)))
        .answers(asks(Question::IsMaster, Framing::Message), message(2013, &hello_document(7)));
    assert_eq!(facts("mongodb", &peer)["max_wire_version"], 7);
}

#[test]
fn cut_or_damaged_answers_are_harmless() {
    let none = bson::document(&[("databases", Given::Document(&[])), ("ok", Given::Int(1))]);
    let peer = server(&none);
    let whole = facts("mongodb", &peer);
    let most: usize = peer.utterances().iter().map(Vec::len).sum();
    for cut in 1..most {
        let line = Line { cut, ..Line::WHOLE };
        let facts = facts_with("mongodb", &peer, line);
        assert_eq!(facts, facts_with("mongodb", &peer, Line { step: 1, ..line }));
        if facts["recognised"] == true {
            let told = facts.as_object().unwrap();
            assert!(told.iter().all(|(key, value)| whole[key] == *value), "{facts}");
        }
    }
    for at in 0..most {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut hello = message(2013, &hello_document(21));
            if let Some(hit) = hello.get_mut(at) {
                *hit = byte;
            }
            let peer = Peer::new().answers(asks(Question::Hello, Framing::Message), hello);
            let damaged = facts("mongodb", &peer);
            assert!(damaged.is_object(), "{damaged}");
        }
    }
}
