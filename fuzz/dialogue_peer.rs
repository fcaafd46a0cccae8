//! A peer for the fuzz targets of dialogues: the input, cut at a separator, is what it says in turn.

use nightlatch_asset::{Answer, RequestClass};
use nightlatch_probe::{
    Stopped,
    dialogue::{Asked, Conversation, Step, dialogue},
};

/// Ends one utterance in the input.
const SEPARATOR: &[u8] = b"\xfe\xed";

/// Steps that no conversation may need.
const STEPS_MAX: usize = 2_000_000;

/// Holds the dialogue `name` with a peer that says `data`, at once and in pieces, and compares.
pub fn fuzz(name: &str, data: &[u8]) {
    let Some((first, script)) = data.split_first() else { return };
    let step = usize::from(*first).max(1);
    let whole = converse(name, script, usize::MAX);
    let pieces = converse(name, script, step);
    assert_eq!(whole, pieces, "the outcome depends on how the bytes were cut");
    if let Answer::Dialogue(answer) = whole.0 {
        assert!(answer.facts["recognised"].is_boolean());
        assert!(answer.facts.to_string().len() < 64 * 1024 && answer.text.raw().len() < 64 * 1024);
    }
}

/// The first utterance is the greeting; each message is answered by the next one.
fn converse(name: &str, script: &[u8], piece: usize) -> (Answer, Vec<Asked>) {
    let mut utterances = utterances(script).into_iter();
    let mut conversation = Conversation::new(dialogue(name).expect("a known name"), RequestClass::T3);
    let mut coming = utterances.next().unwrap_or_default();
    let mut step = conversation.next();
    for _ in 0..STEPS_MAX {
        step = match step {
            Step::Send(_) => {
                coming.extend(utterances.next().unwrap_or_default());
                conversation.next()
            }
            Step::Wait if coming.is_empty() => conversation.interrupted(Stopped::Closed),
            Step::Wait => {
                let rest = coming.split_off(coming.len().min(piece));
                let bytes = std::mem::replace(&mut coming, rest);
                conversation.receive(&bytes)
            }
            Step::StartTls | Step::Reconnect => {
                coming.clear();
                conversation.next()
            }
            Step::Done => {
                let asked = conversation.asked().to_vec();
                return (conversation.finish(Stopped::Enough), asked);
            }
        };
    }
    panic!("the conversation does not end");
}

fn utterances(script: &[u8]) -> Vec<Vec<u8>> {
    let mut found = vec![Vec::new()];
    let mut rest = script;
    while let Some((byte, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(SEPARATOR) {
            found.push(Vec::new());
            rest = after;
        } else {
            found.last_mut().expect("never empty").push(*byte);
            rest = after;
        }
    }
    found
}
