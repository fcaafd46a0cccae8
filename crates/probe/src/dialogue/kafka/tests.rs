//! No recording of a server: the answers are written after the protocol guide.

use super::{
    super::recorded::{Line, Peer, facts, facts_with},
    *,
};

fn response(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&length, CORRELATION.as_slice(), body].concat()
}

fn versions(apis: &[(i16, i16, i16)]) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend(u32::try_from(apis.len()).unwrap().to_be_bytes());
    for (key, min, max) in apis {
        body.extend([key, min, max].iter().flat_map(|number| number.to_be_bytes()));
    }
    response(&body)
}

fn brokers(version: i16, count: u32) -> Vec<u8> {
    let mut body = if version >= 3 { vec![0; 4] } else { Vec::new() };
    body.extend(count.to_be_bytes());
    for node in 0..count {
        body.extend(node.to_be_bytes());
        body.extend(b"\x00\x08lab-host\x00\x00\x23\x84\xff\xff");
    }
    if version >= 2 {
        body.extend(b"\x00\x03abc");
    }
    body.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    response(&body)
}

const APIS: &[(i16, i16, i16)] = &[(0, 0, 9), (1, 0, 12), (3, 0, 11), (18, 0, 3), (60, 0, 0)];

fn server() -> Peer {
    Peer::new().answers(request(API_VERSIONS, 0, &[]), versions(APIS))
}

fn identity() -> Value {
    json!({
        "recognised": true, "apis": 5, "highest_api": 60, "produce_max": 9, "fetch_max": 12, "metadata_max": 11,
    })
}

#[test]
fn open_and_locked() {
    let mut open = identity();
    (open["metadata"], open["brokers"], open["topics"]) = (json!("ok"), json!(3), json!(0));
    assert_eq!(facts("kafka", &server().answers(request(METADATA, 1, &[0; 4]), brokers(1, 3))), open);
    let mut locked = identity();
    locked["metadata"] = json!("closed");
    assert_eq!(facts("kafka", &server().answers_and_closes(request(METADATA, 1, &[0; 4]), b"")), locked);
    assert_eq!(facts("kafka", &server()), identity(), "silence is no refusal");
    let only_metadata = Line { allowed: RequestClass::T1, ..Line::WHOLE };
    assert_eq!(facts_with("kafka", &server(), only_metadata), identity());
}

#[test]
fn the_version_of_the_question_is_one_both_know() {
    let newer = [(3, 4, 13), (18, 0, 4)];
    let peer = Peer::new()
        .answers(request(API_VERSIONS, 0, &[]), versions(&newer))
        .answers(request(METADATA, 4, &[0; 5]), brokers(4, 1));
    assert_eq!(facts("kafka", &peer)["brokers"], 1);
    let newest = [(3, 9, 13), (18, 0, 4)];
    let peer = Peer::new().answers(request(API_VERSIONS, 0, &[]), versions(&newest));
    let expected = json!({ "recognised": true, "apis": 2, "highest_api": 18, "metadata_max": 13 });
    assert_eq!(facts("kafka", &peer), expected);
}

#[test]
fn what_is_not_quite_an_answer() {
    let check = |answer: Vec<u8>| {
        let peer = Peer::new().answers(request(API_VERSIONS, 0, &[]), answer);
        assert_eq!(facts("kafka", &peer), json!({ "recognised": false }));
    };
    check(versions(&[(0, 0, 9)]));
    check(versions(&[(18, 3, 0)]));
    check(versions(&[]));
    check(response(&[0, 35, 0, 0, 0, 0]));
    check([b"\0\0\0\x08xxxx".as_slice(), &[0; 8]].concat());
}

#[test]
fn cut_or_damaged_answers_are_harmless() {
    let peer = server().answers(request(METADATA, 1, &[0; 4]), brokers(1, 3));
    let most: usize = peer.utterances().iter().map(Vec::len).sum();
    for cut in 1..most {
        let line = Line { cut, ..Line::WHOLE };
        let facts = facts_with("kafka", &peer, line);
        assert_eq!(facts, facts_with("kafka", &peer, Line { step: 1, ..line }));
        assert_ne!(facts["metadata"], "ok", "cut at {cut}");
    }
    let answer = brokers(1, 3);
    for at in 0..answer.len() {
        for byte in [0, 1, 0x7f, 0x80, 0xff] {
            let mut damaged = answer.clone();
            damaged[at] = byte;
            assert_eq!(facts("kafka", &server().answers(request(METADATA, 1, &[0; 4]), damaged))["apis"], 5);
        }
    }
}

#[test]
fn answers_that_come_early_are_not_lost() {
    let both = [versions(APIS), brokers(1, 2)].concat();
    let peer = Peer::new().answers(request(API_VERSIONS, 0, &[]), both);
    let whole = facts("kafka", &peer);
    assert_eq!(whole["brokers"], 2);
    assert_eq!(facts_with("kafka", &peer, Line { step: 1, ..Line::WHOLE }), whole);
}
