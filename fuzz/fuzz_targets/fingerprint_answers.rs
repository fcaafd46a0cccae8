//! Whatever a server answers, the conversation ends, stays within its bounds, and keeps only short facts.
//!
//! The input is cut at each `0xff 0xff`; the pieces are raw responses, given round and round.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use nightlatch_asset::{Answer, BodyEnd, DialogueAnswer, Exposure, Failure, RequestClass, Text};
use nightlatch_fingerprint::{Catalogue, Context, Known, QUESTIONS_MAX, QuestionKind, Scheme, examples};

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let sources = Catalogue::embedded_sources();
    let names = ["amqp", "cassandra", "http2", "kafka", "memcached", "mongodb", "mqtt", "mysql", "nats", "ovsdb", "postgresql", "redis", "zookeeper"];
    Catalogue::compile(&sources, &Known::dialogues(&names)).expect("the embedded fingerprints compile")
});

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let pieces: Vec<&[u8]> = rest.split(|byte| *byte == 0xff).filter(|piece| !piece.is_empty()).collect();
    if pieces.is_empty() {
        return;
    }
    let ports = [80, 443, 2375, 2379, 6379, 6443, 8080, 9200, 10250, 12345];
    let scheme = if choice & 1 == 0 { Scheme::Plain } else { Scheme::Tls };
    let t3 = choice & 2 != 0;
    let context = Context { t3, ..Context::new(ports[usize::from(choice >> 2) % ports.len()], scheme, [7; 8]) };
    let mut round = pieces.iter().cycle();
    let replay = CATALOGUE.converse(context, |question| {
        assert!(t3 || question.class < RequestClass::T3);
        let piece = round.next()?;
        Some(match &question.kind {
            QuestionKind::Dialogue { .. } => match serde_json::from_slice(piece) {
                Ok(facts) => Answer::Dialogue(DialogueAnswer { facts, text: Text::from_bytes(piece, 256) }),
                Err(_) => Answer::Failed(Failure::Foreign(piece.to_vec())),
            },
            QuestionKind::Http { .. } => match examples::response(piece, BodyEnd::Capped) {
                Some(http) => Answer::Http(http),
                None => Answer::Failed(Failure::Closed),
            },
        })
    });
    assert!(replay.questions.len() <= QUESTIONS_MAX);
    let verdict = &replay.judged.verdict;
    assert!(verdict.exposure == Exposure::Unknown || verdict.fingerprint.is_some());
    assert!(verdict.facts.values().all(|fact| fact.raw().len() <= 200));
});
