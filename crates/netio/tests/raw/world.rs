//! Two namespaces with a wire between them: `near`, in which the test runs, and `far`.

use std::{
    env, fs,
    io::Read,
    net::{IpAddr, SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nightlatch_netio::raw::{Batch, Ring, Route, RouteError, Routes, Sender, SenderKind};
use nightlatch_scope::{AddressRange, AddressSet, AuthorizedTarget, Scope};
use nightlatch_wire::{Reply, TcpAnswer};

use crate::PART;

/// The port that something listens on in the far namespace.
pub(crate) const OPEN: u16 = 443;
pub(crate) const CLOSED: u16 = 80;
/// Longest life of a helper; the test has ended by then, one way or the other.
const HELPER_LIFE: Duration = Duration::from_secs(70);

/// The far namespace, with the processes in it.
pub(crate) struct World {
    far: u32,
    children: Vec<Child>,
}

impl World {
    /// Both namespaces, and nothing on the wire: `near` and `far` are its ends.
    pub(crate) fn bare() -> Self {
        let exe = env::current_exe().unwrap();
        let child = Command::new("unshare")
            .args(["-n", "--"])
            .arg(exe)
            .env(PART, "wait")
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let far = child.id();
        let own = fs::read_link("/proc/self/ns/net").unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while fs::read_link(format!("/proc/{far}/ns/net")).is_ok_and(|ns| ns == own) {
            assert!(Instant::now() < end, "the far namespace does not come");
            thread::sleep(Duration::from_millis(5));
        }
        let world = Self { far, children: vec![child] };
        run(&format!("ip link add near type veth peer name far netns {far}"));
        // Addresses are usable at once, without asking whether somebody else has them.
        for file in ["accept_dad", "router_solicitations"] {
            let _ = fs::write(format!("/proc/sys/net/ipv6/conf/near/{file}"), "0");
            world.far(&format!("sh -c 'echo 0 > /proc/sys/net/ipv6/conf/far/{file}'"));
        }
        run("ip link set lo up");
        run("ip link set near up");
        world.far("ip link set lo up");
        world.far("ip link set far up");
        world
    }

    /// 192.0.2.1 and 2001:db8::1 here; 10.0.0.0/10 and 2001:db8:1::/48 all alive over there, behind 192.0.2.2 and
    /// 2001:db8::2; a listener on [`OPEN`].
    pub(crate) fn alive() -> Self {
        let mut world = Self::bare();
        run("ip address add 192.0.2.1/24 dev near");
        run("ip address add 2001:db8::1/64 dev near nodad");
        run("ip route add default via 192.0.2.2");
        run("ip -6 route add default via 2001:db8::2");
        for command in [
            "ip address add 192.0.2.2/24 dev far",
            "ip address add 2001:db8::2/64 dev far nodad",
            "ip route add local 10.0.0.0/10 dev lo",
            "ip -6 route add local 2001:db8:1::/48 dev lo",
            "sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'",
            "sh -c 'echo 1 > /proc/sys/net/ipv6/conf/all/forwarding'",
            "sh -c 'echo 1 > /proc/sys/net/ipv6/ip_nonlocal_bind'",
        ] {
            world.far(command);
        }
        world.start_in_far("listen");
        world
    }

    /// Runs a command line in the far namespace.
    pub(crate) fn far(&self, command: &str) {
        run(&format!("nsenter --net=/proc/{}/ns/net {command}", self.far));
    }

    /// Starts a part of this program in the far namespace and waits until it says that it is ready.
    fn start_in_far(&mut self, part: &str) {
        let net = format!("--net=/proc/{}/ns/net", self.far);
        let mut command = Command::new("nsenter");
        command.arg(net).arg(env::current_exe().unwrap());
        self.children.push(start(command, part));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a part of this program, as `command` does, and waits until it says that it is ready.
pub(crate) fn start(mut command: Command, part: &str) -> Child {
    let mut child = command.env(PART, part).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut ready).unwrap();
    assert_eq!(&ready, b"ready");
    child
}

/// What helpers do until their time is up, or their parent closes its end.
pub(crate) fn part(name: &str) {
    thread::spawn(|| {
        thread::sleep(HELPER_LIFE);
        std::process::exit(9);
    });
    match name {
        "wait" => {}
        "listen" => {
            let listener = TcpListener::bind(SocketAddr::from(([0; 16], OPEN))).unwrap();
            thread::spawn(move || listener.incoming().for_each(drop));
            say("ready");
        }
        "hold-rule" => {
            std::mem::forget(nightlatch_netio::raw::DropRule::set(crate::packets::PORTS).unwrap());
            say("ready");
        }
        other => panic!("no such part: {other}"),
    }
    let _ = std::io::stdin().read(&mut [0]);
}

fn say(text: &str) {
    use std::io::Write;
    std::io::stdout().write_all(text.as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

/// Runs a command line, with words in single quotes kept together, and fails with what it said.
pub(crate) fn run(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn targets(ranges: &[&str]) -> AddressSet {
    ranges.iter().map(|text| text.parse::<AddressRange>().unwrap()).collect()
}

/// Everything that tests send to.
pub(crate) fn scope() -> Scope {
    let text = "contact = 'a@example.org'\n[[block]]\nnet = ['10.0.0.0/8', '192.0.2.0/24', '198.51.100.0/24', \
                '2001:db8::/32']\n";
    Scope::parse(text, "scope.toml".as_ref()).unwrap()
}

pub(crate) fn authorized(ip: &str, port: u16) -> AuthorizedTarget {
    scope().authorize(SocketAddr::new(ip.parse().unwrap(), port)).unwrap()
}

pub(crate) fn path_for(ranges: &[&str]) -> Result<Route, RouteError> {
    Routes::read().unwrap().path_for(&targets(ranges))
}

/// The reason for which the kernel has to route, or a failure.
pub(crate) fn many(ranges: &[&str]) -> String {
    match path_for(ranges).unwrap() {
        Route::Many { reason, .. } => reason,
        Route::One(path) => panic!("one way: {path:?}"),
    }
}

pub(crate) fn open(kind: SenderKind, ranges: &[&str]) -> (Sender, Batch) {
    let (mut sender, _) = Sender::open(kind, &path_for(ranges).unwrap()).unwrap();
    let batch = sender.batch(1024).unwrap();
    (sender, batch)
}

/// Sends what is in the batch, whatever number of calls it takes.
pub(crate) fn send_all(sender: &mut Sender, batch: &mut Batch) -> usize {
    let (mut sent, end) = (0, Instant::now() + Duration::from_secs(10));
    while !batch.is_empty() {
        sent += sender.send(batch).unwrap();
        assert!(Instant::now() < end, "the batch does not get empty");
    }
    sent
}

/// Receives until `enough` replies are there, or two seconds have passed.
pub(crate) fn replies(ring: &mut Ring, enough: usize) -> Vec<Reply> {
    let (mut all, end) = (Vec::new(), Instant::now() + Duration::from_secs(2));
    while all.len() < enough && Instant::now() < end {
        ring.receive(Duration::from_millis(50), |packet, checksum| {
            all.push(Reply::read(packet, checksum).unwrap());
        })
        .unwrap();
    }
    all
}

/// Who answered that a port is open, and who that it is closed, in order.
pub(crate) fn open_and_closed(replies: &[Reply]) -> (Vec<IpAddr>, Vec<IpAddr>) {
    let of = |wanted: TcpAnswer| {
        let mut all: Vec<IpAddr> = replies
            .iter()
            .filter_map(|reply| match reply {
                Reply::Tcp { from, answer, .. } if *answer == wanted => Some(from.ip()),
                _ => None,
            })
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    (of(TcpAnswer::SynAck), of(TcpAnswer::Reset))
}
