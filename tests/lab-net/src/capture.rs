use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{Namespace, Running, start};

/// What is being written down of a wire.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Option<Running>,
    folder: tempfile::TempDir,
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// TCP with its flags, as in the header.
    Tcp(u8),
}

/// One packet.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// When it arrived, in nanoseconds of the wall clock.
    pub at_ns: u64,
    /// From where.
    pub source: SocketAddr,
    /// To where.
    pub target: SocketAddr,
    /// What.
    pub protocol: Protocol,
    /// The sequence number.
    pub sequence: u32,
}

impl Seen {
    /// Whether it asks for a connection: SYN alone.
    pub fn is_syn(&self) -> bool {
        // Kernels offer congestion notification with it, in two bits of their own.
        let Protocol::Tcp(flags) = self.protocol;
        flags & 0x3f == 0x02
    }

    /// Whether it resets one.
    pub fn is_rst(&self) -> bool {
        let Protocol::Tcp(flags) = self.protocol;
        flags & 0x04 != 0
    }
}

/// Longest that tcpdump may take to start or to end.
const START_MAX: Duration = Duration::from_secs(10);

impl Capture {
    /// Writes down what comes in at `card` and what `filter` (of tcpdump) lets through.
    pub fn start(namespace: &Namespace, card: &str, filter: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = namespace.command("tcpdump");
        // No name look-ups, no other user, whole seconds of buffer, nanoseconds.
        command.args(["-n", "-Z", "root", "-B", "131072", "-s", "96", "-Q", "in", "-i", card]);
        command.args(["--time-stamp-precision=nano", "-w"]).arg(folder.path().join("wire.pcap")).arg(filter);
        let mut tcpdump = start(&mut command);
        // The header is there once the socket is.
        let deadline = Instant::now() + START_MAX;
        while fs::metadata(folder.path().join("wire.pcap")).is_err() && Instant::now() < deadline {
            assert!(!tcpdump.ended(), "tcpdump ended at once: {}", tcpdump.wait(START_MAX).stderr);
            thread::sleep(Duration::from_millis(10));
        }
        thread::sleep(Duration::from_millis(100));
        Self { tcpdump: Some(tcpdump), folder }
    }

    /// Ends it and gives what was seen, in order. A packet that the capture itself lost fails the test.
    pub fn stop(mut self) -> Vec<Seen> {
        // What is on its way arrives; the ring of the capture is handed over once a second.
        thread::sleep(Duration::from_millis(1300));
        let tcpdump = self.tcpdump.take().unwrap();
        tcpdump.signal(Signal::INT);
        let done = tcpdump.wait(Duration::from_secs(600));
        assert!(done.stderr.contains("\n0 packets dropped by kernel"), "capture: {}", done.stderr);
        read(&fs::read(self.folder.path().join("wire.pcap")).unwrap())
    }
}

/// Reads a capture file of Ethernet with nanoseconds, little endian.
///
/// Source: draft-ietf-opsawg-pcap.
fn read(file: &[u8]) -> Vec<Seen> {
    assert_eq!(word(file, 0).map(u32::from_le_bytes), Some(0xa1b2_3c4d), "another format of capture");
    assert_eq!(word(file, 20).map(u32::from_le_bytes), Some(1), "not Ethernet");
    let (mut seen, mut at) = (Vec::new(), 24);
    while let Some(seconds) = word(file, at) {
        let field = |offset| word(file, at + offset).map_or(0, u32::from_le_bytes);
        let length = field(8) as usize;
        let at_ns = u64::from(u32::from_le_bytes(seconds)) * 1_000_000_000 + u64::from(field(4));
        at += 16;
        if let Some(packet) = file.get(at..at + length).and_then(|frame| packet(at_ns, frame)) {
            seen.push(packet);
        }
        at += length;
    }
    seen
}

fn word(bytes: &[u8], at: usize) -> Option<[u8; 4]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Reads a frame; what is not TCP over IP is none.
fn packet(at_ns: u64, frame: &[u8]) -> Option<Seen> {
    let ip = frame.get(14..)?;
    let (source, target, tcp): (IpAddr, IpAddr, &[u8]) = match frame.get(12..14)? {
        [0x08, 0x00] => {
            let header = usize::from(ip.first()? & 15) * 4;
            let (source, target) = (word(ip, 12)?, word(ip, 16)?);
            (Ipv4Addr::from(source).into(), Ipv4Addr::from(target).into(), ip.get(header..)?)
        }
        [0x86, 0xdd] => {
            let address = |at: usize| ip.get(at..)?.first_chunk::<16>().map(|bytes| Ipv6Addr::from(*bytes));
            (address(8)?.into(), address(24)?.into(), ip.get(40..)?)
        }
        _ => return None,
    };
    let port = |at: usize| tcp.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
    Some(Seen {
        at_ns,
        source: SocketAddr::new(source, port(0)?),
        target: SocketAddr::new(target, port(2)?),
        protocol: Protocol::Tcp(*tcp.get(13)?),
        sequence: u32::from_be_bytes(word(tcp, 4)?),
    })
}

/// Packets a second between the first and the last.
pub fn rate(seen: &[Seen]) -> f64 {
    let (Some(first), Some(last)) = (seen.first(), seen.last()) else { return 0.0 };
    (seen.len() - 1) as f64 / (last.at_ns.saturating_sub(first.at_ns).max(1) as f64 / 1e9)
}

/// The most that any stretch of time held above `rate` packets a second, in milliseconds of that rate.
///
/// 0 is a steady stream; 3 means that somewhere packets of three milliseconds came on top of what was due.
pub fn burst(seen: &[Seen], rate: f64) -> f64 {
    let (mut lowest, mut most) = (f64::MAX, 0f64);
    let first = seen.first().map_or(0, |packet| packet.at_ns);
    for (index, packet) in seen.iter().enumerate() {
        let ahead = index as f64 - rate * (packet.at_ns.saturating_sub(first) as f64 / 1e9);
        lowest = lowest.min(ahead);
        most = most.max(ahead - lowest);
    }
    most / rate * 1000.0
}
