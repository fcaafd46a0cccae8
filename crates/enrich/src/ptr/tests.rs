use proptest::prelude::*;

use super::*;

const ID: u16 = 0x1234;

fn v4() -> IpAddr {
    "192.0.2.7".parse().unwrap()
}

/// A response to the question about [`v4`], with raw records.
fn response(flags: u16, records: &[Vec<u8>]) -> Vec<u8> {
    let mut message = query(ID, v4());
    message[2..4].copy_from_slice(&(FLAG_RESPONSE | flags).to_be_bytes());
    message[6..8].copy_from_slice(&u16::try_from(records.len()).unwrap().to_be_bytes());
    message.extend(records.concat());
    message
}

fn wire(name: &str) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        name.split('.').flat_map(|l| [vec![l.len() as u8], l.as_bytes().to_vec()].concat()).collect();
    bytes.push(0);
    bytes
}

fn record(owner: Vec<u8>, kind: u16, data: &[u8]) -> Vec<u8> {
    let mut bytes = owner;
    bytes.extend(kind.to_be_bytes());
    bytes.extend(CLASS_IN.to_be_bytes());
    bytes.extend(3600u32.to_be_bytes());
    bytes.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
    bytes.extend(data);
    bytes
}

/// A pointer to the question's name.
const ASKED: [u8; 2] = [0xc0, HEADER_BYTES as u8];

fn names(message: &[u8]) -> Vec<String> {
    parse(message, ID, v4()).unwrap().names.iter().map(|name| name.raw().to_owned()).collect()
}

#[test]
fn questions_are_spelt_as_the_standard_says() {
    assert_eq!(reverse_name(v4()), "7.2.0.192.in-addr.arpa");
    assert_eq!(reverse_name("::ffff:192.0.2.7".parse().unwrap()), "7.2.0.192.in-addr.arpa");
    assert_eq!(
        reverse_name("2001:db8::567:89ab".parse().unwrap()),
        "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
    );
    let message = query(ID, v4());
    assert_eq!(message[..12], [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    assert_eq!(message[12..], [&b"\x017\x012\x010\x03192\x07in-addr\x04arpa\0"[..], &[0, 12, 0, 1]].concat());
}

#[test]
fn names_are_taken_in_order_and_once() {
    let message = response(
        0,
        &[
            record(ASKED.into(), TYPE_PTR, &wire("Build.Example.COM")),
            record(ASKED.into(), TYPE_PTR, &wire("b.example.org")),
            record(ASKED.into(), TYPE_PTR, &wire("build.example.com")),
            record(ASKED.into(), 16, b"\x03txt"),
            record(wire("8.2.0.192.in-addr.arpa"), TYPE_PTR, &wire("other.example.com")),
        ],
    );
    assert_eq!(names(&message), ["build.example.com", "b.example.org"]);
}

#[test]
fn an_alias_is_followed_and_a_loop_of_aliases_ends() {
    let delegated = wire("7.0-63.2.0.192.in-addr.arpa");
    let message = response(
        0,
        &[
            record(delegated.clone(), TYPE_PTR, &wire("a.example.com")),
            record(ASKED.into(), TYPE_CNAME, &delegated),
        ],
    );
    assert_eq!(names(&message), ["a.example.com"]);
    let turning = response(0, &[record(ASKED.into(), TYPE_CNAME, &ASKED)]);
    assert_eq!(names(&turning), Vec::<String>::new());
}

#[test]
fn no_name_is_an_answer_and_refusal_is_not() {
    assert_eq!(parse(&response(3, &[]), ID, v4()), Ok(PtrAnswer::default()));
    assert_eq!(parse(&response(0, &[]), ID, v4()), Ok(PtrAnswer::default()));
    assert_eq!(parse(&response(2, &[]), ID, v4()), Err(PtrError::Refused(2)));
    let cut = response(FLAG_TRUNCATED, &[vec![0xc0]]);
    assert_eq!(parse(&cut, ID, v4()), Ok(PtrAnswer { names: vec![], truncated: true }));
}

#[test]
fn what_was_not_asked_is_passed_over() {
    let good = response(0, &[]);
    assert_eq!(parse(&good, ID + 1, v4()), Err(PtrError::Foreign));
    assert_eq!(parse(&good, ID, "192.0.2.8".parse().unwrap()), Err(PtrError::Foreign));
    assert_eq!(parse(&query(ID, v4()), ID, v4()), Err(PtrError::Foreign), "our own question comes back");
    assert_eq!(parse(b"", ID, v4()), Err(PtrError::Malformed(0)));
    assert_eq!(parse(&good[..20], ID, v4()), Err(PtrError::Malformed(20)));
}

#[test]
fn pointers_that_lead_forward_or_in_a_circle_are_malformed() {
    let here = response(0, &[]).len();
    for target in [here, here + 2, 0x3fff] {
        let pointer = (0xc000 | u16::try_from(target).unwrap()).to_be_bytes();
        let message = response(0, &[record(pointer.into(), TYPE_PTR, &ASKED)]);
        assert_eq!(parse(&message, ID, v4()), Err(PtrError::Malformed(here)), "{target}");
    }
    let long = response(0, &[record(ASKED.into(), TYPE_PTR, &wire(&["a".repeat(63).as_str(); 5].join(".")))]);
    assert!(matches!(parse(&long, ID, v4()), Err(PtrError::Malformed(_))));
}

#[test]
fn odd_bytes_in_a_name_are_escaped() {
    let odd = [&[8u8][..], b"a.b\\\x1b \xff=", &[0]].concat();
    let message = response(0, &[record(ASKED.into(), TYPE_PTR, &odd)]);
    assert_eq!(names(&message), ["a\\.b\\\\\\027\\032\\255="]);
}

#[test]
fn names_are_bounded() {
    let many: Vec<_> =
        (0..200).map(|n| record(ASKED.into(), TYPE_PTR, &wire(&format!("h{n}.example.com")))).collect();
    assert_eq!(names(&response(0, &many)).len(), NAMES_MAX);
}

#[test]
fn resolvers_are_read_as_the_c_library_does() {
    let text = "# comment\n; another\nsearch example.com\nnameserver 127.0.0.53\n  nameserver 2001:db8::1 \n\
                nameserver\nnameserver example.com\nnameserver fe80::1%eth0\nnameserver 192.0.2.1\nnameserver 192.0.2.2\n";
    let expected: Vec<SocketAddr> =
        ["127.0.0.53:53", "[2001:db8::1]:53", "192.0.2.1:53"].map(|a| a.parse().unwrap()).into();
    assert_eq!(nameservers(text), expected);
    assert_eq!(nameservers(""), []);
}

proptest! {
    #[test]
    fn any_bytes_give_an_answer_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400), flags in any::<u16>()) {
        let message = response(flags & 0x0200, &[bytes]);
        if let Ok(answer) = parse(&message, ID, v4()) {
            prop_assert!(answer.names.len() <= NAMES_MAX);
            prop_assert!(answer.names.iter().all(|name| name.raw().bytes().all(|b| b.is_ascii_graphic())));
        }
    }

    #[test]
    fn a_question_comes_back_as_asked(ip in any::<IpAddr>(), id in any::<u16>()) {
        let mut message = query(id, ip);
        message[2] |= 0x80;
        prop_assert_eq!(parse(&message, id, ip), Ok(PtrAnswer::default()));
    }
}
