//! Measures the engine on one made cluster; `bench/netpol/run` runs it for several sizes.
//!
//! usage: netpol-bench PODS WORKLOADS POLICIES
//!
//! Prints one JSON object: processor time in milliseconds, memory in megabytes (the peak of the whole process, input included).

use std::net::Ipv4Addr;

use nightlatch_netpol::{
    AddressSet, Certainty, Cidr, ContainerPort, Direction, Engine, Labels, Namespace, Network, Party, Peer,
    Pod, Policy, PortMatch, PortRule, Protocol, Row, Rule, Selector,
};

/// Workloads of one namespace.
const WORKLOADS_PER_NAMESPACE: usize = 10;
/// Pairs explained for the time of one explanation.
const EXPLAINED: usize = 2_000;

fn main() {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|text| text.parse().ok()).collect();
    let &[pods, workloads, policies] = numbers.as_slice() else {
        eprintln!("usage: netpol-bench PODS WORKLOADS POLICIES");
        std::process::exit(2);
    };
    let network = cluster(pods, workloads, policies);
    let input_mb = peak_mb();
    let start = Instant::now();
    let engine = Engine::new(&network);
    let compile = ms(start);
    let mut sum = 0_u64;
    let mut all_rows = |certainty| -> (f64, Vec<Row>, usize) {
        let start = Instant::now();
        let mut rows = engine.rows(certainty);
        let all: Vec<Row> = (0..engine.classes() as u32).map(|class| rows.row(class)).collect();
        let spent = ms(start);
        sum += all.iter().flat_map(|row| &row.groups).map(|(_, classes)| classes.len() as u64).sum::<u64>();
        (spent, all, rows.port_sets())
    };
    let (sure, sure_rows, port_sets) = all_rows(Certainty::Sure);
    let (possible, possible_rows, _) = all_rows(Certainty::Possible);
    let start = Instant::now();
    let everywhere = AddressSet::all();
    let mut regions = 0;
    for class in 0..engine.classes() as u32 {
        let Some(pod) = engine.pods_of(class).next() else { continue };
        for direction in Direction::ALL {
            regions += engine.outside(pod, direction, Certainty::Sure, &everywhere).len();
        }
    }
    let addresses = ms(start);
    let mut slowest = 0_f64;
    let mut random = Random(7);
    for _ in 0..EXPLAINED {
        let (a, b) = (random.below(pods), random.below(pods));
        let start = Instant::now();
        let answer = engine.pair(&Party::Pod(a), &Party::Pod(b));
        slowest = slowest.max(ms(start));
        regions += usize::from(answer.is_some());
    }
    println!(
        "{{\"pods\": {pods}, \"classes\": {}, \"policies\": {policies}, \"compile_ms\": {compile:.1}, \"sure_ms\": {sure:.1}, \
         \"possible_ms\": {possible:.1}, \"addresses_ms\": {addresses:.1}, \"all_pairs_ms\": {:.1}, \"explain_slowest_ms\": {slowest:.3}, \
         \"port_sets\": {port_sets}, \"cells\": {sum}, \"regions\": {regions}, \"input_mb\": {input_mb:.0}, \"peak_mb\": {:.0}}}",
        engine.classes(),
        compile + sure + possible + addresses,
        peak_mb(),
    );
    drop((sure_rows, possible_rows));
}

/// A point of the processor time of this thread: what other programs take meanwhile is not counted.
#[derive(Clone, Copy)]
struct Instant(f64);

impl Instant {
    fn now() -> Self {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Self(time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6)
    }
}

fn ms(start: Instant) -> f64 {
    Instant::now().0 - start.0
}

/// The most memory the process ever held (`VmHWM` of proc(5)).
fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: f64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(f64::NAN);
    kib / 1024.0
}

/// Knuth's multiplier for 64-bit congruential generators; the seed is fixed, so that every run measures the same.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound.max(1)
    }
}

/// Namespaces of ten workloads; a tenth of the policies selects a whole namespace, the others one workload. Rules name
/// workloads here and elsewhere, whole namespaces, blocks of addresses with exceptions, ports, ranges and names of ports.
fn cluster(pods: usize, workloads: usize, policies: usize) -> Network {
    let mut random = Random(1);
    let namespaces = workloads.div_ceil(WORKLOADS_PER_NAMESPACE);
    let mut network = Network::default();
    for n in 0..namespaces {
        let labels = Labels::new([("team", format!("t{}", n % 20)), ("stage", format!("s{}", n % 3))]);
        network.namespaces.push(Namespace { name: format!("ns{n}").into(), labels, origin: None });
    }
    for n in 0..pods {
        let workload = n % workloads;
        let labels = Labels::new([
            ("app", format!("app{workload}")),
            ("tier", format!("tier{}", workload % 4)),
            ("pod-template-hash", format!("{:x}", workload.wrapping_mul(2_654_435_761) % 0xFFFF)),
            ("version", format!("v{}", workload % 7)),
        ]);
        let port = ContainerPort {
            name: Some("web".into()),
            number: 8000 + (workload % 5) as u16,
            protocol: Protocol::Tcp,
            host_port: None,
        };
        network.pods.push(Pod {
            namespace: format!("ns{}", workload / WORKLOADS_PER_NAMESPACE).into(),
            kind: "Deployment".into(),
            name: format!("app{workload}-{n}").into(),
            labels,
            ports: vec![port],
            addresses: vec![Ipv4Addr::from_bits(0x0A00_0000 + n as u32).into()],
            ..Pod::default()
        });
    }
    for n in 0..policies {
        let workload = random.below(workloads);
        let selector = match n % 10 {
            0 => Selector::default(),
            1 | 2 => Selector::equal([("tier", format!("tier{}", workload % 4).as_str())]),
            _ => Selector::equal([("app", format!("app{workload}").as_str())]),
        };
        let mut rules = |count: usize| (0..count).map(|_| rule(&mut random, workloads)).collect::<Vec<_>>();
        let (ingress, egress) = (rules(2), rules(2));
        network.policies.push(Policy {
            namespace: format!("ns{}", workload / WORKLOADS_PER_NAMESPACE).into(),
            name: format!("p{n}").into(),
            selector,
            ingress: Some(ingress),
            egress: (n % 2 == 0).then_some(egress),
            inert: Vec::new(),
            origin: None,
        });
    }
    network
}

fn rule(random: &mut Random, workloads: usize) -> Rule {
    let other = random.below(workloads);
    let app = |n: usize| Selector::equal([("app", format!("app{n}").as_str())]);
    let team = Selector::equal([("team", format!("t{}", random.below(20)).as_str())]);
    let peer = match random.below(8) {
        0 => Peer::Pods { namespaces: None, pods: Selector::default() },
        1 => Peer::Pods { namespaces: Some(team), pods: Selector::default() },
        2 => Peer::Pods { namespaces: Some(Selector::default()), pods: app(other) },
        3 => Peer::Pods { namespaces: Some(team), pods: Selector::equal([("tier", "tier1")]) },
        4 => {
            let net = Cidr::new(Ipv4Addr::from_bits((random.below(1 << 16) as u32) << 16).into(), 16);
            Peer::Block {
                net: net.unwrap_or_else(|| unreachable!("16 bits are few enough")),
                except: Vec::new(),
            }
        }
        5 => {
            let all = Cidr::new(Ipv4Addr::UNSPECIFIED.into(), 0);
            let private = Cidr::new(Ipv4Addr::new(10, 0, 0, 0).into(), 8);
            match (all, private) {
                (Some(net), Some(except)) => Peer::Block { net, except: vec![except] },
                _ => unreachable!("both are blocks"),
            }
        }
        _ => Peer::Pods { namespaces: None, pods: app(other) },
    };
    let first = 1 + random.below(200) as u16;
    let port = match random.below(6) {
        0 => PortMatch::Name("web".into()),
        1 => PortMatch::Range(8000, 8000 + first),
        2 => PortMatch::Any,
        _ => PortMatch::Range(8000 + first, 8000 + first),
    };
    let protocol = if random.below(5) == 0 { Protocol::Udp } else { Protocol::Tcp };
    Rule { peers: vec![peer], ports: vec![PortRule { protocol: Some(protocol), port }], origin: None }
}
