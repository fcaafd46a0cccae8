use super::{
    super::recorded::{Peer, facts},
    *,
};

#[test]
fn recorded_server() {
    let expected =
        json!({ "recognised": true, "kind": "ovs", "databases": ["Open_vSwitch", "_Server"], "others": 0 });
    assert_eq!(facts("ovsdb", &Peer::recorded("ovsdb/open")), expected);
}

#[test]
fn answers_of_others() {
    let check = |answer: &str, expected: Value| {
        assert_eq!(facts("ovsdb", &Peer::new().answers(LIST, answer)), expected, "{answer}");
    };
    let none = || json!({ "recognised": false });
    check(
        r#"{"id":"echo","method":"echo","params":[]} {"id":0,"error":null,"result":["OVN_Northbound","mine"]}"#,
        json!({ "recognised": true, "kind": "ovn", "databases": ["OVN_Northbound"], "others": 1 }),
    );
    check(
        r#"{"id":0,"result":["_Server"]}"#,
        json!({ "recognised": true, "kind": "other", "databases": ["_Server"], "others": 0 }),
    );
    check(r#"{"id":0,"result":["users","orders"]}"#, none());
    check(r#"{"id":1,"result":["Open_vSwitch"]}"#, none());
    check(r#"{"id":0,"error":"no","result":["Open_vSwitch"]}"#, none());
    check(r#"["Open_vSwitch"]"#, none());
    check(&"{\"a\":".repeat(1000), none());
}
