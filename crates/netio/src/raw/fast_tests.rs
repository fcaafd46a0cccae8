//! The fast senders over a veth pair between two network namespaces that the test makes for itself.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::CString,
    fs, io, mem,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
    process::Command,
    sync::mpsc::{Sender as Give, channel},
    thread,
    time::{Duration, Instant},
};

use nightlatch_scope::{AuthorizedTarget, Scope};
use nightlatch_wire::Link;
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};
use socket2::{Domain, Protocol, Socket, Type};

use super::{
    Device, Path, RawError, Route, Sender, SenderKind,
    bpf::{self, Assembler, Register, XDP_PROGRAM},
    packet::bind_packet,
};

const NEAR: [u8; 6] = [2, 0, 0, 0, 0, 1];
const FAR: [u8; 6] = [2, 0, 0, 0, 0, 2];
const SOURCE_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const SOURCE_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// `XDP_PASS`.
const PASS: i32 = 2;

/// What the far end does beside listening.
#[derive(Clone, Copy, PartialEq)]
enum FarEnd {
    /// A plain veth.
    Plain,
    /// A veth with two queues at both ends.
    TwoQueues,
    /// It has an XDP program, so that it takes redirected frames.
    Xdp,
    /// One address in four is alive, the others are dropped by [`FarEnd`](super::far_end::FarEnd).
    Sparse,
}

/// Runs `body` in a namespace of its own with a device `near`, whose far end lies in another one and reports all frames
/// that arrive there once `body` is done.
///
/// The name of each test that needs this begins with `lab_`, and it counts as ignored unless it is asked for: where no
/// namespaces can be made it fails.
fn in_lab<T: Send + 'static>(far: FarEnd, body: impl FnOnce() -> T + Send + 'static) -> (T, Vec<Vec<u8>>) {
    let near = thread::spawn(move || {
        new_namespace();
        let (give, take) = channel();
        let (stop, stopped) = channel::<()>();
        let listener = thread::spawn(move || {
            new_namespace();
            listen(far, &give, || stopped.try_recv().is_ok())
        });
        let namespace: String = take.recv().unwrap();
        let queues = if far == FarEnd::TwoQueues { "numtxqueues 2 numrxqueues 2" } else { "" };
        ip(&format!(
            "link add near address 02:00:00:00:00:01 {queues} type veth \
             peer name far address 02:00:00:00:00:02 {queues} netns {namespace}"
        ));
        ip("link set near up");
        take.recv().unwrap();
        let result = body();
        stop.send(()).unwrap();
        (result, listener.join().unwrap())
    });
    near.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn unshare() -> io::Result<()> {
    // SAFETY: only this thread changes, and it ends with the test.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn new_namespace() {
    unshare().unwrap();
    for which in ["all", "default"] {
        // Else the kernel announces itself by IPv6 on each new device. A kernel without IPv6 has nothing to turn off.
        let _ = fs::write(format!("/proc/sys/net/ipv6/conf/{which}/disable_ipv6"), "1");
    }
}

fn ip(arguments: &str) {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

fn index_of(device: &str) -> u32 {
    let name = CString::new(device).unwrap();
    // SAFETY: a string that ends with a zero.
    unsafe { libc::if_nametoindex(name.as_ptr()) }
}

/// The far end: says where its namespace is, and then that it listens; collects until told to stop and half a second has
/// passed in silence.
fn listen(far: FarEnd, give: &Give<String>, stop: impl Fn() -> bool) -> Vec<Vec<u8>> {
    // SAFETY: no argument, no failure.
    let thread = unsafe { libc::syscall(libc::SYS_gettid) };
    give.send(format!("/proc/{}/task/{thread}/ns/net", std::process::id())).unwrap();
    let start = Instant::now();
    while index_of("far") == 0 {
        assert!(start.elapsed() < Duration::from_secs(10), "the veth pair does not come");
        thread::sleep(Duration::from_millis(5));
    }
    ip("link set far up");
    let _program = (far == FarEnd::Xdp).then(|| attach(PASS, "far"));
    let dead = [("198.51.0.0".parse().unwrap(), 16), ("2001:db8:4::".parse().unwrap(), 48)];
    let _sparse =
        (far == FarEnd::Sparse).then(|| super::far_end::FarEnd::attach("far", &dead, Some((3, 1))).unwrap());
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(0))).unwrap();
    super::packet::set_option(&socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &(256_i32 << 20)).unwrap();
    bind_packet(&socket, libc::ETH_P_ALL as u16, index_of("far")).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    give.send(String::new()).unwrap();
    let mut frames = Vec::new();
    let mut stopped = false;
    loop {
        let mut room = [mem::MaybeUninit::new(0_u8); 256];
        match socket.recv(&mut room) {
            // SAFETY: all of `room` was initialised when it was made.
            Ok(bytes) => {
                frames.push(room[..bytes].iter().map(|byte| unsafe { byte.assume_init() }).collect())
            }
            Err(_) if stopped => return frames,
            Err(_) => stopped = stop(),
        }
    }
}

fn attach(answer: i32, device: &str) -> (OwnedFd, OwnedFd) {
    let mut program = Assembler::default();
    program.set(Register::R0, answer).exit();
    let program = bpf::load(XDP_PROGRAM, &program.finish()).unwrap();
    let link = bpf::attach_xdp(&program, index_of(device)).unwrap();
    (program, link)
}

fn route() -> Route {
    Route::One(Path {
        device: Some(Device {
            index: index_of("near"),
            name: "near".to_owned(),
            mtu: 1500,
            is_ethernet: true,
            hardware: Some(NEAR),
        }),
        link: Link::Ethernet { source: NEAR, destination: FAR, vlan: None },
        source_v4: Some(SOURCE_V4),
        source_v6: Some(SOURCE_V6),
        next_hop: None,
        other_sources: Vec::new(),
    })
}

fn targets() -> (AuthorizedTarget, AuthorizedTarget) {
    let text = "contact = 'a@example.org'\n[[block]]\nnet = ['198.51.100.0/24', '2001:db8::/32']\n";
    let scope = Scope::parse(text, "scope.toml".as_ref()).unwrap();
    let of = |ip: IpAddr| scope.authorize(SocketAddr::new(ip, 443)).unwrap();
    (of(Ipv4Addr::new(198, 51, 100, 7).into()), of(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).into()))
}

/// Sends `total` SYNs that differ, every fifth by IPv6, and returns their frames.
fn send_all(sender: &mut Sender, total: u32) -> io::Result<Vec<Vec<u8>>> {
    let (v4, v6) = targets();
    let mut batch = sender.batch(3000)?;
    let mut frames = BTreeSet::new();
    let mut next = 0;
    while next < total || !batch.is_empty() {
        while next < total && batch.push(if next % 5 == 0 { v6 } else { v4 }, 61_000, next) {
            next += 1;
        }
        frames.extend(batch.frames().into_iter().map(<[u8]>::to_vec));
        sender.send(&mut batch)?;
    }
    sender.flush()?;
    Ok(frames.into_iter().collect())
}

/// How often each frame occurs.
fn counted(frames: Vec<Vec<u8>>) -> BTreeMap<Vec<u8>, usize> {
    let mut counts = BTreeMap::new();
    for frame in frames {
        *counts.entry(frame).or_default() += 1;
    }
    counts
}

/// - `threads`: that send; none where the caller does.
fn check_exact(kind: SenderKind, threads: usize, far: FarEnd) {
    check_exact_and_note(kind, threads, far, None);
}

fn check_exact_and_note(kind: SenderKind, threads: usize, far: FarEnd, note: Option<&'static str>) {
    let total = 30_000;
    let ((sent, lost), arrived) = in_lab(far, move || {
        let (mut sender, _) = Sender::open_with(kind, &route(), threads, None).unwrap();
        sender.start(1000).unwrap();
        assert_eq!(sender.note(), note);
        let sent = send_all(&mut sender, total).unwrap();
        (sent, sender.unsent().lost)
    });
    let (sent, arrived) = (counted(sent), counted(arrived));
    assert_eq!((sent.len(), lost), (total as usize, 0));
    assert!(sent == arrived, "{kind}: {} sent, {} different arrived", sent.len(), arrived.len());
}

#[test]
#[ignore = "needs network namespaces; ./test and ./test lab-net run it"]
fn lab_every_frame_arrives_once_and_no_other() {
    check_exact(SenderKind::Packet, 0, FarEnd::Plain);
    check_exact(SenderKind::Packet, 3, FarEnd::Plain);
    check_exact(SenderKind::Xdp, 0, FarEnd::Plain);
    check_exact(SenderKind::Xdp, 0, FarEnd::Xdp);
    check_exact(SenderKind::Xdp, 2, FarEnd::TwoQueues);
    let (xdp, few) = (SenderKind::Xdp, Some("2 of 3 threads send, because near has 2 queues"));
    check_exact_and_note(xdp, 3, FarEnd::TwoQueues, few);
    let one = Some("1 of 3 threads send, because near has one queue");
    check_exact_and_note(xdp, 3, FarEnd::Xdp, one);
    check_exact(SenderKind::Live, 0, FarEnd::Xdp);
    check_exact(SenderKind::Live, 3, FarEnd::Xdp);
}

#[test]
#[ignore = "needs network namespaces; ./test and ./test lab-net run it"]
fn lab_a_far_end_that_takes_no_redirected_frames_is_said() {
    let (text, arrived) =
        in_lab(FarEnd::Plain, || Sender::open(SenderKind::Live, &route()).unwrap_err().to_string());
    assert!(
        text.starts_with(
            "sending live frames is not possible here: near takes no redirected frames; a veth does"
        ),
        "{text}"
    );
    assert_eq!(arrived, Vec::<Vec<u8>>::new());
}

#[test]
#[ignore = "needs network namespaces; ./test and ./test lab-net run it"]
fn lab_an_interface_that_goes_down_is_said() {
    for kind in [SenderKind::Xdp, SenderKind::Live] {
        let (text, arrived) = in_lab(FarEnd::Xdp, move || {
            let (mut sender, _) = Sender::open(kind, &route()).unwrap();
            send_all(&mut sender, 100).unwrap();
            ip("link set near down");
            send_all(&mut sender, 100).unwrap_err().to_string()
        });
        assert_eq!(text, "the interface near went down", "{kind}");
        assert_eq!(arrived.len(), 100, "{kind}");
    }
}

#[test]
#[ignore = "needs network namespaces; ./test and ./test lab-net run it"]
fn lab_nothing_stays_and_two_live_senders_keep_apart() {
    let (held, arrived) = in_lab(FarEnd::Xdp, || {
        let (mut one, why) = Sender::open(SenderKind::Live, &route()).unwrap();
        assert!(why.contains("nightlatch0, which stays down, holds its program"), "{why}");
        let (mut two, _) = Sender::open(SenderKind::Live, &route()).unwrap();
        let first = thread::scope(|scope| {
            let other = scope.spawn(|| send_all(&mut two, 20_000).unwrap().len());
            send_all(&mut one, 20_000).unwrap().len() + other.join().unwrap()
        });
        assert_eq!((first, one.unsent().lost, two.unsent().lost), (40_000, 0, 0));
        let during = (index_of("nightlatch0") > 0, index_of("nightlatch1") > 0);
        drop((one, two));
        (during, (index_of("nightlatch0"), index_of("nightlatch1")))
    });
    assert_eq!(held, ((true, true), (0, 0)));
    assert_eq!(arrived.len(), 40_000);
}

#[test]
#[ignore = "needs network namespaces; ./test and ./test lab-net run it"]
fn lab_a_batch_is_sent_by_who_lent_it() {
    let (kinds, arrived) = in_lab(FarEnd::Xdp, || {
        let open = |kind| Sender::open(kind, &route()).unwrap().0;
        let (mut one, mut two, mut packet) =
            (open(SenderKind::Live), open(SenderKind::Live), open(SenderKind::Packet));
        let (mut batch, mut own) = (one.batch(8).unwrap(), packet.batch(8).unwrap());
        let (target, _) = targets();
        assert!(batch.push(target, 61_000, 1) && own.push(target, 61_000, 2));
        let refused = [two.send(&mut batch), packet.send(&mut batch), one.send(&mut own)]
            .map(|result| result.unwrap_err().kind());
        assert_eq!((batch.len(), own.len()), (1, 1));
        assert_eq!((one.send(&mut batch).unwrap(), packet.send(&mut own).unwrap()), (1, 1));
        one.flush().unwrap();
        // All of its memory is lent out at some time.
        let mut more = Vec::new();
        let error = loop {
            match one.batch(8) {
                Ok(batch) => more.push(batch),
                Err(error) => break error.kind(),
            }
            assert!(more.len() < 100);
        };
        (refused, error)
    });
    assert_eq!(kinds, ([io::ErrorKind::InvalidInput; 3], io::ErrorKind::WouldBlock));
    assert_eq!(arrived.len(), 2);
}

#[test]
#[ignore = "needs network namespaces; ./test and ./test lab-net run it"]
fn lab_refusals_are_in_plain_words() {
    let (texts, _) = in_lab(FarEnd::Xdp, || {
        let mut texts = Vec::new();
        let mut note =
            |result: Result<(Sender, String), RawError>| texts.push(result.unwrap_err().to_string());
        let first = Sender::open(SenderKind::Xdp, &route()).unwrap();
        note(Sender::open(SenderKind::Xdp, &route()));
        drop(first);
        let Route::One(mut gone) = route() else { unreachable!() };
        if let Some(device) = &mut gone.device {
            device.index = 9999;
        }
        note(Sender::open(SenderKind::Xdp, &Route::One(gone)));
        keep_capabilities(CapabilitySet::empty());
        note(Sender::open(SenderKind::Xdp, &route()));
        note(Sender::open(SenderKind::Live, &route()));
        texts
    });
    let expected = [
        "sending on near by AF_XDP is not possible here: another program has an AF_XDP socket on the device's first queue",
        "sending on near by AF_XDP is not possible here: the interface is gone",
        "sending on near by AF_XDP needs CAP_NET_RAW",
        "sending live frames needs CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON, which this process does not have; grant it with `sudo setcap cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon+ep /",
    ];
    for (text, expected) in texts.iter().zip(expected) {
        assert!(text.starts_with(expected), "{text}");
    }
    assert_eq!(texts.len(), expected.len());
}

/// Of this thread, which ends with the test.
fn keep_capabilities(kept: CapabilitySet) {
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: kept, permitted: kept, inheritable: none }).unwrap();
}

#[test]
#[ignore = "needs network namespaces; ./test and ./test lab-net run it"]
fn lab_the_rights_that_are_asked_for_are_enough() {
    for (kind, rights) in [
        (SenderKind::Xdp, CapabilitySet::NET_RAW),
        (SenderKind::Live, CapabilitySet::BPF | CapabilitySet::NET_ADMIN | CapabilitySet::PERFMON),
    ] {
        let (sent, arrived) = in_lab(FarEnd::Xdp, move || {
            keep_capabilities(rights);
            let (mut sender, _) = Sender::open(kind, &route()).unwrap();
            keep_capabilities(CapabilitySet::empty());
            send_all(&mut sender, 5000).unwrap()
        });
        assert!(counted(sent) == counted(arrived), "{kind}");
    }
}

#[test]
#[ignore = "needs network namespaces; ./test and ./test lab-net run it"]
fn lab_the_far_end_of_a_lab_drops_the_dead_and_nothing_else() {
    let addresses = [
        ("198.51.100.5", true),
        ("198.51.100.6", false),
        ("198.51.0.255", false),
        // Other prefixes.
        ("198.52.0.6", true),
        ("192.0.2.4", true),
        ("2001:db8:4::5", true),
        ("2001:db8:4:ffff::6", false),
        ("2001:db8:5::6", true),
    ];
    let (_, arrived) = in_lab(FarEnd::Sparse, move || {
        let text = "contact = 'a@example.org'\n[[block]]\nnet = ['192.0.0.0/5', '2001:db8::/32']\n";
        let scope = Scope::parse(text, "scope.toml".as_ref()).unwrap();
        let (mut sender, _) = Sender::open(SenderKind::Packet, &route()).unwrap();
        let mut batch = sender.batch(addresses.len()).unwrap();
        for (port, (ip, _)) in (1..).zip(addresses) {
            let target = scope.authorize(SocketAddr::new(ip.parse().unwrap(), 80)).unwrap();
            assert!(batch.push(target, port, 1));
        }
        assert_eq!(sender.send(&mut batch).unwrap(), addresses.len());
    });
    // The source port says which it was: behind an IPv4 header of 20 bytes, an IPv6 header of 40.
    let port = |frame: &Vec<u8>| frame[if frame[14] >> 4 == 4 { 35 } else { 55 }];
    let arrived: Vec<u8> = arrived.iter().map(port).collect();
    let alive = (1..).zip(addresses).filter(|row| row.1.1).map(|row| row.0);
    assert_eq!(arrived, alive.collect::<Vec<u8>>());
}
