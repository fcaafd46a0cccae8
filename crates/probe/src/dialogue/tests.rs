//! What holds for all dialogues.

use std::{collections::BTreeSet, fs, path::Path};

use nightlatch_asset::{Answer, Failure, RequestClass};
use proptest::prelude::*;
use serde_json::Value;

use super::{
    recorded::{Line, Peer, converse, recordings},
    *,
};

/// Which dialogue a recorded product answers to.
fn dialogue_of(recording: &str) -> &'static DialogueInfo {
    let product = recording.split('/').next().unwrap();
    let name = match product {
        "mariadb" => "mysql",
        "rabbitmq" => "amqp",
        "mosquitto" => "mqtt",
        "containerd" | "ray" => "http2",
        other => other,
    };
    dialogue(name).unwrap_or_else(|| panic!("no dialogue for {recording}"))
}

fn facts_of(answer: &Answer) -> Value {
    match answer {
        Answer::Dialogue(answer) => answer.facts.clone(),
        _ => Value::Null,
    }
}

fn recognised(answer: &Answer) -> bool {
    facts_of(answer)["recognised"] == true
}

#[test]
fn the_list_and_the_folders_agree() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dialogue");
    let entries = fs::read_dir(&source).unwrap().map(Result::unwrap);
    let folders: BTreeSet<String> = entries
        .filter(|entry| entry.file_type().unwrap().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let names: Vec<&str> = dialogues().iter().map(|info| info.name).collect();
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(folders, names.iter().map(|name| (*name).to_owned()).collect());
    let readme = fs::read_to_string(source.join("README.md")).unwrap();
    for info in dialogues() {
        let heading = format!("\n## {} ({:?}", info.name, info.class);
        assert!(readme.contains(&heading), "README.md lacks{heading}");
    }
}

#[test]
fn every_recording_is_recognised_by_its_own_dialogue_only() {
    for name in recordings() {
        let peer = Peer::recorded(&name);
        let own = dialogue_of(&name);
        for info in dialogues() {
            let (answer, _) = converse(info, &peer, Line::WHOLE);
            assert_eq!(recognised(&answer), info.name == own.name, "{name} as {}: {answer:?}", info.name);
            // Its words in answer to the wrong question are no better.
            for said in peer.utterances().iter().filter(|_| info.name != own.name) {
                for unasked in [true, false] {
                    let (answer, _) = converse(info, &Peer::always(said, unasked), Line::WHOLE);
                    assert!(!recognised(&answer), "{name} as {}: {answer:?}", info.name);
                }
            }
        }
    }
}

#[test]
fn common_strangers_are_not_recognised() {
    let strangers: [&[u8]; 14] = [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n{\"version\":\"7.0.15\"}",
        b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
        b"220 mail.example.org ESMTP\r\n",
        b"+OK POP3 ready\r\n",
        b"-ERR unknown command\r\n",
        b"ERROR\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"\x15\x03\x03\x00\x02\x02\x28",
        b"S",
        b"N",
        b"\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"* OK IMAP4rev1\r\n",
    ];
    for info in dialogues() {
        for stranger in strangers {
            for unasked in [true, false] {
                let (answer, _) = converse(info, &Peer::always(stranger, unasked), Line::WHOLE);
                assert!(!recognised(&answer), "{} as {}", stranger.escape_ascii(), info.name);
            }
        }
    }
}

#[test]
fn an_echo_is_not_recognised() {
    for info in dialogues() {
        let mut conversation = Conversation::new(info, RequestClass::T3);
        let mut step = conversation.next();
        let mut echo = Vec::new();
        while step != Step::Done {
            step = match step {
                Step::Send(message) => {
                    echo = message.bytes;
                    conversation.next()
                }
                Step::Wait if echo.is_empty() => conversation.interrupted(Stopped::Timeout),
                Step::Wait => conversation.receive(&std::mem::take(&mut echo)),
                _ => conversation.next(),
            };
        }
        let answer = conversation.finish(Stopped::Enough);
        assert!(!recognised(&answer), "{}: {answer:?}", info.name);
    }
}

#[test]
fn drops_tell_the_same_as_a_gulp() {
    for name in recordings() {
        let peer = Peer::recorded(&name);
        for info in dialogues() {
            let whole = converse(info, &peer, Line::WHOLE);
            for step in [1, 2, 7] {
                assert_eq!(converse(info, &peer, Line { step, ..Line::WHOLE }), whole, "{name}, {step}");
            }
        }
    }
}

#[test]
fn a_cut_answer_claims_nothing_the_whole_one_does_not() {
    for name in recordings() {
        let peer = Peer::recorded(&name);
        let info = dialogue_of(&name);
        let whole = facts_of(&converse(info, &peer, Line::WHOLE).0);
        let most = peer.utterances().iter().map(Vec::len).sum::<usize>();
        for cut in 0..most {
            let (answer, _) = converse(info, &peer, Line { cut, ..Line::WHOLE });
            if cut == 0 {
                assert_eq!(answer, Answer::Failed(Failure::Closed), "{name}");
            }
            if recognised(&answer) {
                let facts = facts_of(&answer);
                for (key, value) in facts.as_object().unwrap() {
                    assert_eq!(value, &whole[key], "{name} cut at {cut}: {key}");
                }
            }
        }
    }
}

#[test]
fn nothing_is_sent_above_the_allowed_class() {
    use RequestClass::*;
    for name in recordings() {
        let peer = Peer::recorded(&name);
        for info in dialogues() {
            for allowed in [T0, T1, T2, T3] {
                let (_, asked) = converse(info, &peer, Line { allowed, ..Line::WHOLE });
                assert!(asked.iter().all(|asked| asked.class <= allowed), "{name} as {}", info.name);
                assert!(asked.iter().all(|asked| asked.class > T0), "a message is never T0");
                if let Some(first) = asked.first() {
                    assert_eq!(first.class, info.class, "{}", info.name);
                }
            }
        }
    }
}

#[test]
fn secrets_and_addresses_stay_behind() {
    for name in recordings() {
        let peer = Peer::recorded(&name);
        let (answer, _) = converse(dialogue_of(&name), &peer, Line::WHOLE);
        let Answer::Dialogue(answer) = answer else { panic!("{name}: {answer:?}") };
        let said = format!("{} {}", answer.facts, answer.text.raw());
        for secret in
            ["127.0.0.1", "10.77.0.1", "lab-host", "lab0", "/srv/", "run_id", "/redis-s", "/usr/", "\0"]
        {
            assert!(!said.contains(secret), "{name} tells {secret}: {said}");
        }
        assert!(!answer.text.is_empty(), "{name} has nothing to search for");
    }
}

#[test]
fn a_flood_is_cut_off() {
    for info in dialogues() {
        for byte in [0u8, b'A', b'+', 0xff, b'\n'] {
            let mut conversation = Conversation::new(info, RequestClass::T3);
            let mut step = conversation.next();
            let mut flooded = 0;
            while step != Step::Done {
                step = match step {
                    Step::Wait => {
                        flooded += 4096;
                        assert!(flooded <= INPUT_BYTES_MAX + 4096, "{} swallows everything", info.name);
                        conversation.receive(&[byte; 4096])
                    }
                    _ => conversation.next(),
                };
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn noise_is_harmless(bytes in prop::collection::vec(any::<u8>(), 0..200), step in 1usize..20) {
        for info in dialogues() {
            for unasked in [true, false] {
                let peer = Peer::always(&bytes, unasked);
                let whole = converse(info, &peer, Line::WHOLE);
                prop_assert!(!recognised(&whole.0), "{}: {:?}", info.name, whole.0);
                prop_assert_eq!(converse(info, &peer, Line { step, ..Line::WHOLE }), whole);
            }
        }
    }

    #[test]
    fn damage_is_harmless(
        which in any::<prop::sample::Index>(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        step in 1usize..20,
    ) {
        let names = recordings();
        let name = &names[which.index(names.len())];
        let info = dialogue_of(name);
        for said in Peer::recorded(name).utterances() {
            let mut bytes = said;
            for (at, byte) in &damage {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
            }
            for unasked in [true, false] {
                let peer = Peer::always(&bytes, unasked);
                let whole = converse(info, &peer, Line::WHOLE);
                prop_assert_eq!(converse(info, &peer, Line { step, ..Line::WHOLE }), whole);
            }
        }
    }
}
