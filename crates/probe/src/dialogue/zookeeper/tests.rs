use super::{
    super::recorded::{Line, Peer, facts, facts_with},
    *,
};

#[test]
fn recorded_servers() {
    let mut expected = json!({
        "recognised": true, "srvr": "ok", "version": "3.8.0", "built": "2024-12-29", "mode": "standalone", "nodes": 5,
        "mntr": "refused", "envi": "refused",
    });
    assert_eq!(facts("zookeeper", &Peer::recorded("zookeeper/default")), expected);
    let open = Peer::recorded("zookeeper/4lw-all");
    expected.as_object_mut().unwrap().remove("envi");
    expected["mntr"] = json!("ok");
    assert_eq!(facts("zookeeper", &open), expected);
    let only_metadata = Line { allowed: RequestClass::T1, ..Line::WHOLE };
    expected.as_object_mut().unwrap().remove("mntr");
    assert_eq!(facts_with("zookeeper", &open, only_metadata), expected);
}

#[test]
fn refusals() {
    let refused = "srvr is not executed because it is not in the whitelist.\n";
    let peer = Peer::new().answers_and_closes("srvr", refused);
    assert_eq!(facts("zookeeper", &peer), json!({ "recognised": true, "srvr": "refused" }));
    let idle = "This ZooKeeper instance is not currently serving requests\n";
    let peer = Peer::new().answers_and_closes("srvr", idle);
    assert_eq!(facts("zookeeper", &peer), json!({ "recognised": true, "srvr": "not-serving" }));
}
