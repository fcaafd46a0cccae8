//! Rights are given up, and what was opened before goes on.

use std::{fs::File, io, thread};

use nightlatch_netio::raw::{
    DropRule, Ring, SenderKind, drop_capabilities, restrict_sender, rights, source_ports,
};

use crate::{
    Case,
    Needs::Namespaces,
    packets::PORTS,
    world::{CLOSED, World, authorized, open, path_for, replies, run, send_all},
};

pub(crate) const CASES: &[Case] = &[
    ("rights/dropped", Namespaces, what_is_open_outlives_the_rights),
    ("rights/denied", Namespaces, what_is_missing_is_said),
    ("rights/restricted", Namespaces, a_restricted_thread_only_sends),
    ("rights/ports", Namespaces, narrow_ports_are_refused_in_words),
];

fn what_is_open_outlives_the_rights() {
    let _world = World::alive();
    assert!(rights().net_raw && rights().net_admin);
    for kind in [SenderKind::Packet, SenderKind::Ip] {
        let (mut sender, mut batch) = open(kind, &["10.1.0.0/16"]);
        let mut ring = Ring::open(None, PORTS, true, false, 4 << 20).unwrap();
        let rule = DropRule::set(PORTS).unwrap();
        let work = move || {
            drop_capabilities().unwrap();
            assert_eq!(rights(), Default::default());
            // Threads that are started now have no rights either.
            thread::spawn(|| assert_eq!(rights(), Default::default())).join().unwrap();
            assert!(batch.push(authorized("10.1.0.1", CLOSED), 61_440, 1));
            assert_eq!(send_all(&mut sender, &mut batch), 1);
            assert_eq!(replies(&mut ring, 1).len(), 1);
            // The kernel takes the rule away when its socket closes.
            drop(rule);
        };
        thread::spawn(work).join().unwrap();
        assert!(rights().net_raw, "other threads keep theirs");
    }
}

fn what_is_missing_is_said() {
    let _world = World::alive();
    let route = path_for(&["10.1.0.0/16"]).unwrap();
    run("ip neighbour flush dev near");
    drop_capabilities().unwrap();
    let says = |text: String, capability: &str| {
        let command = "`sudo setcap cap_net_raw,cap_net_admin+ep /";
        assert!(text.contains(&format!("needs {capability}")) && text.contains(command), "{text}");
    };
    for kind in [SenderKind::Packet, SenderKind::Ip] {
        says(nightlatch_netio::raw::Sender::open(kind, &route).unwrap_err().to_string(), "CAP_NET_RAW");
    }
    says(Ring::open(None, PORTS, true, true, 0).unwrap_err().to_string(), "CAP_NET_RAW");
    says(DropRule::set(PORTS).unwrap_err().to_string(), "CAP_NET_ADMIN");
    // The way is found without any; only who is not known yet cannot be asked for.
    let reason = crate::world::many(&["10.1.0.0/16"]);
    assert!(reason.contains("CAP_NET_ADMIN"), "{reason}");
}

fn a_restricted_thread_only_sends() {
    let _world = World::alive();
    for kind in [SenderKind::Packet, SenderKind::Ip] {
        let (mut sender, mut batch) = open(kind, &["10.1.0.0/16"]);
        let mut ring = Ring::open(None, PORTS, true, false, 4 << 20).unwrap();
        let target = authorized("10.1.0.1", CLOSED);
        let work = move || {
            restrict_sender().unwrap();
            for port in 61_440..61_540 {
                assert!(batch.push(target, port, 1));
                assert_eq!(send_all(&mut sender, &mut batch), 1);
            }
            let denied = |result: io::Result<()>| {
                assert_eq!(result.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            };
            denied(File::open("/proc/self/stat").map(drop));
            denied(std::net::UdpSocket::bind(("127.0.0.1", 0)).map(drop));
            denied(thread::Builder::new().spawn(|| ()).map(drop));
            // Memory still comes and goes.
            drop(vec![1u8; 8 << 20]);
        };
        thread::spawn(work).join().unwrap();
        assert_eq!(replies(&mut ring, 100).len(), 100);
        assert!(File::open("/proc/self/stat").is_ok(), "other threads are as before");
    }
}

fn narrow_ports_are_refused_in_words() {
    run("echo '1024 65535' > /proc/sys/net/ipv4/ip_local_port_range");
    let text = source_ports().unwrap_err().to_string();
    assert!(text.contains("gives 1024-65535 to connections") && text.contains("sysctl -w"), "{text}");
    run("echo '32768 60999' > /proc/sys/net/ipv4/ip_local_port_range");
    assert_eq!(source_ports().unwrap().range(), 64_512..=65_535);
}
