use super::{
    super::recorded::{Peer, facts},
    *,
};

#[test]
fn recorded_servers() {
    let check = |variant: &str, auth: bool, tls: bool| {
        let expected = json!({
            "recognised": true, "version": "2.9.10", "auth_required": auth, "tls_required": tls, "tls_verify": tls,
            "tls_available": false, "headers": true, "jetstream": false, "nkeys": false, "clustered": false,
            "max_payload": 1_048_576, "go": "go1.19.8",
        });
        assert_eq!(facts("nats", &Peer::recorded(&format!("nats/{variant}"))), expected, "{variant}");
    };
    check("open", false, false);
    check("user-password", true, false);
    check("tls", false, true);
}

#[test]
fn other_greetings_are_none() {
    for greeting in ["INFO {}\r\n", "INFO {\"server_id\":\"x\"}\r\n", "INFO nothing\r\n", "INFO {\"a\":1\r\n"]
    {
        let peer = Peer::new().greets(greeting, true);
        assert_eq!(facts("nats", &peer), json!({ "recognised": false }), "{greeting}");
    }
    let deep = format!("INFO {{\"a\":{}{}}}\r\n", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(facts("nats", &Peer::new().greets(deep, true)), json!({ "recognised": false }));
}
