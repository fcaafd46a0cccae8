//! How fast a sender and the ring are: `blast KIND SECONDS [RATE]`, in a namespace with a way to 10.0.0.0/10.
//!
//! ```text
//! unshare -n sh crates/netio/examples/blast.sh target/release/examples/blast packet 5
//! ```

#![expect(clippy::print_stdout, reason = "a measuring program prints what it measured")]

use std::{
    error::Error,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nightlatch_netio::raw::{Ring, Routes, Sender, SenderKind, source_ports};
use nightlatch_scope::{AddressRange, AuthorizedTarget, Scope};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let kind: SenderKind = arguments.first().map_or("packet", String::as_str).parse()?;
    let seconds: u64 = arguments.get(1).map_or(Ok(5), |text| text.parse())?;
    let rate: u64 = arguments.get(2).map_or(Ok(u64::MAX), |text| text.parse())?;
    let scope = "contact = 'a@example.org'\n[[block]]\nnet = '10.0.0.0/8'\n";
    let scope = Scope::parse(scope, "scope.toml".as_ref())?;
    let target =
        |n: u32| scope.authorize(SocketAddr::new(IpAddr::V4(Ipv4Addr::from_bits(0x0a00_0000 | n)), 80));
    let targets = (0..1u32 << 16).map(|n| target(n << 6 | n & 63)).collect::<Result<Vec<_>, _>>()?;
    let range: AddressRange = "10.0.0.0/10".parse()?;
    let route = Routes::read()?.path_for(&[range].into_iter().collect())?;
    let (mut sender, why) = Sender::open(kind, &route)?;
    let ports = source_ports()?;
    let mut ring = Ring::open(None, ports.range(), true, false, Ring::BYTES)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let receiver = thread::spawn(move || -> std::io::Result<_> {
        let (mut packets, mut bytes) = (0usize, 0usize);
        while !stopped.load(Ordering::Relaxed) {
            packets += ring.receive(Duration::from_millis(100), |packet, _| bytes += packet.len())?;
        }
        Ok((packets, bytes, ring.drops()?, cpu_ticks()))
    });
    let (sent, took) = blast(&mut sender, &targets, *ports.range().start(), seconds, rate)?;
    let sender_ticks = cpu_ticks();
    thread::sleep(Duration::from_millis(300));
    stop.store(true, Ordering::Relaxed);
    let (packets, bytes, drops, ticks) = receiver.join().map_err(|_| "the receiver panicked")??;
    println!("{why}");
    println!(
        "sent {sent} in {took:.2?}: {:.0} a second; {:?}",
        sent as f64 / took.as_secs_f64(),
        sender.unsent()
    );
    println!("received {packets} ({bytes} bytes), lost {drops}");
    println!("ticks of 10 ms, user and system: sender {sender_ticks:?}, receiver {ticks:?}");
    Ok(())
}

fn blast(
    sender: &mut Sender,
    targets: &[AuthorizedTarget],
    port: u16,
    seconds: u64,
    rate: u64,
) -> std::io::Result<(u64, Duration)> {
    let mut batch = sender.batch(1024)?;
    let (mut sent, mut sequence) = (0u64, 0u32);
    let start = Instant::now();
    let mut next = targets.iter().cycle();
    while start.elapsed() < Duration::from_secs(seconds) {
        if sent as f64 > rate as f64 * start.elapsed().as_secs_f64() {
            thread::sleep(Duration::from_millis(1));
            continue;
        }
        while let Some(target) = next.next().filter(|_| batch.len() < batch.capacity()) {
            sequence = sequence.wrapping_add(1);
            batch.push(*target, port + (sequence & 1023) as u16, sequence);
        }
        sent += sender.send(&mut batch)? as u64;
    }
    Ok((sent, start.elapsed()))
}

/// User and system time of this thread (`proc_pid_stat(5)`, fields 14 and 15).
fn cpu_ticks() -> Option<(u64, u64)> {
    let stat = fs::read_to_string("/proc/thread-self/stat").ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}
