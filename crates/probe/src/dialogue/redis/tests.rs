use super::{
    super::recorded::{Line, Peer, converse, facts, facts_with},
    *,
};

fn recorded(variant: &str, expected: &Value) {
    assert_eq!(&facts("redis", &Peer::recorded(&format!("redis/{variant}"))), expected, "{variant}");
}

fn identity(mode: &str) -> Value {
    json!({
        "recognised": true, "ping": "pong", "info": "ok", "version": "7.0.15", "server": "redis", "mode": mode,
        "os_class": "Linux", "uptime": "hours",
    })
}

fn with(mut facts: Value, more: &[(&str, Value)]) -> Value {
    for (key, value) in more {
        facts[*key] = value.clone();
    }
    facts
}

#[test]
fn recorded_servers() {
    recorded("open", &with(identity("standalone"), &[("dbsize", json!("integer")), ("keys", json!(0))]));
    recorded("tls", &with(identity("standalone"), &[("dbsize", json!("integer")), ("keys", json!(0))]));
    recorded("acl-nopass-limited", &with(identity("standalone"), &[("dbsize", json!("noperm"))]));
    let counted = with(identity("standalone"), &[("dbsize", json!("integer")), ("keys", json!(0))]);
    recorded("open-dryrun", &with(counted.clone(), &[("dryrun", json!("ok"))]));
    recorded("acl-read-only", &with(counted.clone(), &[("dryrun", json!("denied"))]));
    recorded("acl-no-dryrun", &with(counted, &[("dryrun", json!("noperm"))]));
    recorded("sentinel-open", &identity("sentinel"));
    recorded("requirepass", &json!({ "recognised": true, "ping": "noauth" }));
    recorded("acl-default-off", &json!({ "recognised": true, "ping": "noauth" }));
    recorded("protected-mode", &json!({ "recognised": true, "ping": "denied" }));
}

const INFO_SERVER: &str = "*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n";
const DRY_RUN: &str = "ACL DRYRUN default SET k v\r\n";

fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

fn server(info: &str) -> Peer {
    Peer::new()
        .answers("PING\r\n", "+PONG\r\n")
        .answers(INFO_SERVER, bulk(info))
        .answers("DBSIZE\r\n", ":12\r\n")
}

#[test]
fn whether_a_stranger_may_write() {
    let modern =
        "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.0.1\r\nserver_mode:cluster\r\n";
    let check = |answer: &str, expected: &str| {
        let facts = facts("redis", &server(modern).answers(DRY_RUN, answer));
        assert_eq!(facts["dryrun"], expected, "{answer}");
        assert_eq!((&facts["server"], &facts["version"]), (&json!("valkey"), &json!("8.0.1")));
        assert_eq!((&facts["mode"], &facts["keys"]), (&json!("cluster"), &json!(12)));
    };
    check("+OK\r\n", "ok");
    check(&bulk("User default has no permissions to run the 'set' command"), "denied");
    check("-NOPERM this user has no permissions\r\n", "noperm");
    check("-ERR unknown subcommand 'DRYRUN'. Try ACL HELP.\r\n", "unsupported");
}

#[test]
fn a_sentinel_is_asked_whether_a_stranger_may_order_a_failover() {
    const FAILOVER: &str = "ACL DRYRUN default SENTINEL FAILOVER m\r\n";
    let check = |info: &str, dryrun: Value| {
        let peer = server(info).answers(FAILOVER, "+OK\r\n").answers(DRY_RUN, "+OK\r\n");
        let facts = facts("redis", &peer);
        assert_eq!((&facts["dryrun"], &facts["dbsize"]), (&dryrun, &Value::Null), "{info}");
    };
    check("redis_version:7.0.15\r\nredis_mode:sentinel\r\n", json!("ok"));
    check("redis_version:6.2.1\r\nredis_mode:sentinel\r\n", Value::Null);
}

#[test]
fn a_server_that_hides_its_release_is_asked_all_the_same() {
    let hidden = |answer: &str| {
        let unknown = "-ERR unknown command 'INFO', with args beginning with: 'server' \r\n";
        let peer = Peer::new().answers("PING\r\n", "+PONG\r\n").answers(INFO_SERVER, unknown);
        facts("redis", &peer.answers("DBSIZE\r\n", ":0\r\n").answers(DRY_RUN, answer))
    };
    assert_eq!((&hidden("+OK\r\n")["info"], &hidden("+OK\r\n")["dryrun"]), (&json!("error"), &json!("ok")));
    assert_eq!(hidden("-ERR unknown command 'ACL'\r\n")["dryrun"], "unsupported");
}

#[test]
fn older_servers_are_not_asked_what_they_do_not_know() {
    let peer = server("redis_version:6.2.1\r\n").answers(DRY_RUN, "+OK\r\n");
    let info = super::super::dialogue("redis").unwrap();
    let (_, asked) = converse(info, &peer, Line::WHOLE);
    let asked: Vec<&str> = asked.iter().map(|asked| asked.asked).collect();
    assert_eq!(asked, ["PING", "INFO server", "DBSIZE"]);
    let only_metadata = Line { allowed: RequestClass::T1, ..Line::WHOLE };
    assert_eq!(facts_with("redis", &peer, only_metadata)["dbsize"], Value::Null);
}

#[test]
fn relatives() {
    let check = |info: &str, server_name: &str, version: &str| {
        let facts = facts("redis", &server(info));
        assert_eq!((&facts["server"], &facts["version"]), (&json!(server_name), &json!(version)));
    };
    check("redis_version:7.4.0\r\ndragonfly_version:df-v1.25.1\r\n", "dragonfly", "df-v1.25.1");
    check("redis_version:4.0.0\nkvrocks_version:2.9.0\n", "kvrocks", "2.9.0");
    check("redis_version:6.3.4\r\nmvcc_depth:0\r\n", "keydb", "6.3.4");
    let nameless = facts("redis", &server("# nothing\r\n"));
    assert_eq!(
        (&nameless["info"], &nameless["version"], &nameless["server"]),
        (&json!("ok"), &Value::Null, &Value::Null)
    );
}

#[test]
fn a_reset_over_the_question_is_followed_by_listening_once() {
    // The peer closes on the question without a word, and speaks to who waits.
    let mut dialogue = start(RequestClass::T2);
    assert!(matches!(dialogue.next(), Step::Send(_)));
    assert_eq!(dialogue.next(), Step::Wait);
    assert_eq!(dialogue.interrupted(Stopped::Reset), Step::Reconnect);
    assert_eq!(dialogue.next(), Step::Wait);
    assert_eq!(dialogue.receive(b"-DENIED Redis is running in protected mode\r\n"), Step::Done);
    assert_eq!(dialogue.finish(Stopped::Closed).facts, json!({ "recognised": true, "ping": "denied" }));
}

#[test]
fn old_refusals_and_slow_starts() {
    let old = Peer::new().answers("PING\r\n", "-ERR operation not permitted\r\n");
    assert_eq!(facts("redis", &old), json!({ "recognised": true, "ping": "noauth" }));
    let loading = Peer::new().answers("PING\r\n", "-LOADING Redis is loading the dataset in memory\r\n");
    assert_eq!(facts("redis", &loading), json!({ "recognised": true, "ping": "loading" }));
}
