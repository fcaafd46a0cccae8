//! Sweeps over networks that lose, delay, repeat and reorder, on a clock of their own.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
};

use nightlatch_scope::{PortSet, Target, TargetSetBuilder};
use nightlatch_wire::{Reply, TcpAnswer, Unreachable};
use proptest::prelude::*;
use siphasher::sip::SipHasher24;

use super::*;
use crate::{Cookie, Heard, Next, Pacer, Probe};

const US: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const PORTS: RangeInclusive<u16> = 61_000..=61_999;

fn settings() -> Settings {
    Settings::new([1, 2], [3; 16], vec![US], PORTS)
}

fn scope() -> Arc<Scope> {
    let text = "exclude = [\"10.0.3.0/24\"]\n[[block]]\nnet = \"10.0.0.0/8\"\n";
    Arc::new(Scope::parse(text, Path::new("scope.toml")).unwrap())
}

fn targets(nets: &[&str], ports: &[u16]) -> Arc<TargetSet> {
    let mut builder = TargetSetBuilder::new(PortSet::from_iter(ports.iter().copied()));
    for net in nets {
        builder.add(&net.parse::<Target>().unwrap(), &[]);
    }
    Arc::new(builder.build().unwrap())
}

/// A network: what each target says, and what becomes of packets.
struct Net {
    seed: u64,
    loss_per_mille: u64,
    repeat_per_mille: u64,
    delay_max: Nanos,
    rolls: u64,
    /// Replies under way.
    flying: BTreeMap<(Nanos, u64), Reply>,
    /// Every probe: when, to whom.
    seen: Vec<(Nanos, SocketAddr)>,
}

impl Net {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            loss_per_mille: 0,
            repeat_per_mille: 0,
            delay_max: SECOND / 10,
            rolls: 0,
            flying: BTreeMap::new(),
            seen: Vec::new(),
        }
    }

    fn roll(&mut self, below: u64) -> u64 {
        self.rolls += 1;
        SipHasher24::new_with_keys(self.seed, 7).hash(&self.rolls.to_le_bytes()) % below.max(1)
    }

    /// One in eight is open, one in eight closed, one in eight turned back, the rest silent.
    fn says(target: SocketAddr) -> u64 {
        SipHasher24::new_with_keys(9, 9).hash(target.to_string().as_bytes()) % 8
    }

    fn deliver(&mut self, target: SocketAddr, source_port: u16, sequence: u32, now: Nanos) {
        self.seen.push((now, target));
        if self.roll(1000) < self.loss_per_mille {
            return;
        }
        let own = SocketAddr::new(US, source_port);
        let answer =
            |answer| Reply::Tcp { from: target, to: own, acknowledgement: sequence.wrapping_add(1), answer };
        let reply = match Self::says(target) {
            0 => answer(TcpAnswer::SynAck),
            1 => answer(TcpAnswer::Reset),
            2 => Reply::Unreachable {
                reporter: US,
                source: own,
                target,
                sequence,
                reason: Unreachable::Prohibited,
            },
            _ => return,
        };
        let copies = 1 + u64::from(self.roll(1000) < self.repeat_per_mille);
        for _ in 0..copies {
            if self.roll(1000) >= self.loss_per_mille {
                let at = now + self.roll(self.delay_max) + 1;
                self.flying.insert((at, self.rolls), reply);
            }
        }
    }
}

/// What a sweep found.
#[derive(Debug, Default)]
struct Found {
    open: BTreeSet<SocketAddr>,
    closed: BTreeSet<SocketAddr>,
    unreachable: BTreeSet<SocketAddr>,
}

/// Runs a sweep until it is done, or for so many probes.
fn run(sweep: &mut Sweep, net: &mut Net, rate: u64, most: u64) -> (Found, Nanos) {
    let (mut found, mut now, mut sent) = (Found::default(), SECOND, 0);
    let mut pacer = Pacer::new(rate, now);
    let mut turns = 0u64;
    loop {
        turns += 1;
        assert!(turns < 50_000_000, "it never ends");
        let mut arrived = Vec::new();
        while let Some(entry) = net.flying.first_entry().filter(|entry| entry.key().0 <= now) {
            arrived.push(entry.remove());
        }
        sweep.listener.hear_all(&arrived, |heard| {
            let new = match heard {
                Heard::Open { target, .. } => found.open.insert(target),
                Heard::Closed { target, .. } => found.closed.insert(target),
                Heard::Unreachable { target, .. } => found.unreachable.insert(target),
                _ => true,
            };
            assert!(new, "said twice");
        });
        if pacer.allowance(now) == 0 {
            now = pacer.next_at();
            continue;
        }
        match sweep.sender.next(now) {
            Next::Probe(probe) => {
                pacer.sent(1, now);
                sent += 1;
                let cookie = probe.cookie;
                net.deliver(probe.target.socket(), cookie.source_port, cookie.sequence, now);
                if sent >= most {
                    return (found, now);
                }
            }
            Next::Wait(until) => {
                let next = net.flying.first_key_value().map_or(u64::MAX, |(key, _)| key.0);
                now = until.min(next).max(now + 1);
            }
            Next::Done => return (found, now),
        }
    }
}

fn wanted(targets: &TargetSet, says: u64) -> BTreeSet<SocketAddr> {
    let allowed = |socket: &SocketAddr| scope().authorize(*socket).is_ok();
    (0..targets.len())
        .filter_map(|index| targets.get(index))
        .filter(allowed)
        .filter(|t| Net::says(*t) == says)
        .collect()
}

#[test]
fn everything_is_found_once_and_nothing_else_is_sent_to() {
    let targets = targets(&["10.0.0.0/21"], &[80, 443]);
    let mut sweep = Sweep::new(targets.clone(), scope(), &settings());
    let mut net = Net { repeat_per_mille: 300, ..Net::new(1) };
    let (found, _) = run(&mut sweep, &mut net, 10_000, u64::MAX);
    assert_eq!(found.open, wanted(&targets, 0));
    assert_eq!(found.closed, wanted(&targets, 1));
    assert_eq!(found.unreachable, wanted(&targets, 2));
    let counts = &sweep.counts;
    let value = |count: &AtomicU64| count.load(Ordering::Relaxed);
    assert_eq!(value(&counts.open) as usize, found.open.len());
    assert_eq!(value(&counts.refused), 512);
    assert_eq!(value(&counts.probed), 4096 - 512);
    // Who answered got one probe, who did not got two, at least a second apart; nobody else got any.
    let mut probes: BTreeMap<SocketAddr, Vec<Nanos>> = BTreeMap::new();
    net.seen.iter().for_each(|(time, target)| probes.entry(*target).or_default().push(*time));
    assert_eq!(probes.len(), 4096 - 512);
    for (target, times) in &probes {
        assert_eq!(times.len(), if Net::says(*target) < 3 { 1 } else { 2 }, "{target}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= SECOND), "{target}");
        assert!(scope().authorize(*target).is_ok());
    }
    assert_eq!(value(&counts.sent) as usize, net.seen.len());
    assert_eq!(
        value(&counts.saved) as usize,
        found.open.len() + found.closed.len() + found.unreachable.len()
    );
    assert!(value(&counts.duplicates) > 50 && value(&counts.forged) == 0);
}

#[test]
fn loss_is_made_up_for_by_the_second_probe() {
    let targets = targets(&["10.1.0.0/17"], &[80]);
    let mut sweep = Sweep::new(targets.clone(), scope(), &settings());
    let mut net = Net { loss_per_mille: 10, ..Net::new(2) };
    let (found, _) = run(&mut sweep, &mut net, 50_000, u64::MAX);
    let wanted = wanted(&targets, 0);
    // Each way loses 1 %: a probe fails with 2 %, two with 0.04 %.
    let missed = wanted.len() - found.open.len();
    assert!(wanted.len() > 3900 && missed <= 6, "{missed} of {}", wanted.len());
    assert!(sweep.counts.second_answers.load(Ordering::Relaxed) > 100);
}

#[test]
fn what_answers_wholly_is_not_waited_for() {
    let targets = targets(&["10.2.0.0/24"], &[80]);
    let mut sweep = Sweep::new(targets.clone(), scope(), &settings());
    let mut now = SECOND;
    while let Next::Probe(probe) = sweep.sender.next(now) {
        let socket = probe.target.socket();
        let to = SocketAddr::new(US, probe.cookie.source_port);
        let acknowledgement = probe.cookie.sequence.wrapping_add(1);
        let heard =
            sweep.listener.hear(&Reply::Tcp { from: socket, to, acknowledgement, answer: TcpAnswer::Reset });
        assert_eq!(heard, Heard::Closed { position: probe.position, target: socket });
        now += 1000;
    }
    assert_eq!(sweep.sender.next(now), Next::Done);
}

#[test]
fn what_proves_nothing_is_not_believed() {
    let targets = targets(&["10.2.0.0/24"], &[80]);
    let mut sweep = Sweep::new(targets, scope(), &settings());
    let Next::Probe(probe) = sweep.sender.next(SECOND) else { panic!() };
    let (from, port, sequence) = (probe.target.socket(), probe.cookie.source_port, probe.cookie.sequence);
    let reply =
        |from, to, acknowledgement| Reply::Tcp { from, to, acknowledgement, answer: TcpAnswer::SynAck };
    let own = SocketAddr::new(US, port);
    let right = sequence.wrapping_add(1);
    let another = |port| SocketAddr::new(from.ip(), port);
    for bad in [
        reply(from, own, right.wrapping_add(1)),
        reply(from, own, sequence),
        reply(from, SocketAddr::new(US, port ^ 1), right),
        reply(from, SocketAddr::new("192.0.2.2".parse().unwrap(), port), right),
        reply(another(81), own, right),
        reply("10.2.0.255:80".parse().unwrap(), own, right),
    ] {
        assert_eq!(sweep.listener.hear(&bad), Heard::Forged, "{bad:?}");
    }
    // The right proof for a target that was not asked yet: no way to know it, and it would not count.
    let later = (0..=255)
        .map(|last| SocketAddr::from(([10, 2, 0, last], 80)))
        .find(|target| *target != from)
        .unwrap();
    let cookie = Key::new(&[3; 16], PORTS).cookie(later);
    let early = reply(later, SocketAddr::new(US, cookie.source_port), cookie.sequence.wrapping_add(1));
    assert_eq!(sweep.listener.hear(&early), Heard::Outside);
    assert!(matches!(sweep.listener.hear(&reply(from, own, right)), Heard::Open { .. }));
    assert_eq!(sweep.listener.hear(&reply(from, own, right)), Heard::Duplicate);
}

proptest! {
    #[test]
    fn many_replies_at_once_are_judged_as_one_by_one(
        which in proptest::collection::vec((0usize..90, 0u8..6), 0..80), asked in 0usize..100,
    ) {
        let targets = targets(&["10.2.0.0/26"], &[80]);
        let mut sweeps = [(); 2].map(|()| Sweep::new(targets.clone(), scope(), &settings()));
        for sweep in &mut sweeps {
            for _ in 0..asked.min(64) {
                prop_assert!(matches!(sweep.sender.next(SECOND), Next::Probe(_)));
            }
        }
        let key = Key::new(&[3; 16], PORTS);
        let reply = |&(last, kind): &(usize, u8)| {
            // Some are of nobody who could be asked.
            let target = SocketAddr::from(([10, 2, 0, last as u8], 80));
            let Cookie { sequence, source_port } = if kind == 3 { key.cookie_again(target, 1) } else { key.cookie(target) };
            let own = SocketAddr::new(if kind == 4 { target.ip() } else { US }, source_port);
            let answer = if kind == 2 { TcpAnswer::Reset } else { TcpAnswer::SynAck };
            let acknowledgement = sequence.wrapping_add(1 + u32::from(kind == 5));
            match kind {
                0 => Reply::Unreachable { reporter: US, source: own, target, sequence, reason: Unreachable::Host },
                _ => Reply::Tcp { from: target, to: own, acknowledgement, answer },
            }
        };
        let replies: Vec<Reply> = which.iter().map(reply).collect();
        let one_by_one: Vec<Heard> = replies.iter().map(|reply| sweeps[0].listener.hear(reply)).collect();
        let mut at_once = Vec::new();
        sweeps[1].listener.hear_all(&replies, |heard| at_once.push(heard));
        prop_assert_eq!(one_by_one, at_once);
        let [one, other] = sweeps.map(|sweep| format!("{:?}", sweep.counts));
        prop_assert_eq!(one, other);
    }
}

#[test]
fn an_answer_counts_more_than_somebodys_word() {
    let targets = targets(&["10.2.0.0/30"], &[80]);
    let mut sweep = Sweep::new(targets, scope(), &settings());
    let Next::Probe(probe) = sweep.sender.next(SECOND) else { panic!() };
    let (target, source) = (probe.target.socket(), SocketAddr::new(US, probe.cookie.source_port));
    let sequence = probe.cookie.sequence;
    let word = Reply::Unreachable { reporter: US, source, target, sequence, reason: Unreachable::Host };
    assert!(matches!(sweep.listener.hear(&word), Heard::Unreachable { .. }));
    assert_eq!(sweep.listener.hear(&word), Heard::Duplicate);
    let acknowledgement = sequence.wrapping_add(1);
    let answer = Reply::Tcp { from: target, to: source, acknowledgement, answer: TcpAnswer::SynAck };
    assert!(matches!(sweep.listener.hear(&answer), Heard::Open { .. }));
    assert_eq!(sweep.listener.hear(&word), Heard::Duplicate);
    assert_eq!(
        (sweep.counts.open.load(Ordering::Relaxed), sweep.counts.unreachable.load(Ordering::Relaxed)),
        (1, 0)
    );
}

#[test]
fn one_network_gets_no_more_than_its_share_and_all_the_same() {
    let targets = targets(&["10.4.0.0/24", "10.5.0.0/24"], &[80, 81]);
    let settings = Settings { per_network_pps: Some(100), probes: 1, cooldown: 0, ..settings() };
    let mut sweep = Sweep::new(targets.clone(), scope(), &settings);
    let mut net = Net::new(3);
    let (_, end) = run(&mut sweep, &mut net, 1_000_000, u64::MAX);
    assert_eq!(net.seen.iter().map(|(_, target)| *target).collect::<BTreeSet<_>>().len(), 1024);
    assert_eq!(net.seen.len(), 1024);
    // 512 probes to each network, 100 a second.
    assert!((5 * SECOND..6 * SECOND + SECOND / 4).contains(&(end - SECOND)), "{end}");
}

#[test]
fn a_sweep_that_was_cut_off_goes_on() {
    let targets = targets(&["10.6.0.0/20"], &[80]);
    let mut first = Sweep::new(targets.clone(), scope(), &settings());
    let mut net = Net::new(4);
    let (mut found, _) = run(&mut first, &mut net, 1000, 5000);
    let low = first.sender.low();
    assert!(low > 1000 && first.sender.high() - low <= 1100, "{low} {}", first.sender.high());
    let settings = Settings { start: low, ..settings() };
    let mut second = Sweep::new(targets.clone(), scope(), &settings);
    net.flying.clear();
    let before = net.seen.len();
    let (rest, _) = run(&mut second, &mut net, 1000, u64::MAX);
    found.open.extend(rest.open);
    assert_eq!(found.open, wanted(&targets, 0));
    let repeated: BTreeSet<_> = net.seen[..before].iter().map(|(_, target)| *target).collect();
    let again: BTreeSet<_> = net.seen[before..].iter().map(|(_, target)| *target).collect();
    // What the last second sent, and nothing else, is sent to again.
    assert!(repeated.intersection(&again).count() <= 1100, "{}", repeated.intersection(&again).count());
}

#[test]
fn a_sweep_that_is_stopped_only_listens() {
    let targets = targets(&["10.6.0.0/20"], &[80]);
    let mut sweep = Sweep::new(targets, scope(), &settings());
    let Next::Probe(_) = sweep.sender.next(SECOND) else { panic!() };
    sweep.sender.stop(SECOND);
    assert_eq!(sweep.sender.next(SECOND), Next::Wait(4 * SECOND));
    assert_eq!(sweep.sender.next(4 * SECOND), Next::Done);
}

#[test]
fn who_waits_for_a_slot_when_it_is_stopped_is_gone_back_to() {
    let targets = targets(&["10.6.0.0/24", "10.7.0.0/24"], &[80]);
    let settings = Settings { per_network_pps: Some(10), probes: 1, ..settings() };
    let mut sweep = Sweep::new(targets, scope(), &settings);
    let sent: BTreeSet<u64> = std::iter::from_fn(|| match sweep.sender.next(SECOND) {
        Next::Probe(probe) => Some(probe.position),
        _ => None,
    })
    .collect();
    assert!(sent.len() < 10, "{sent:?}");
    let first_unsent = (0..).find(|position| !sent.contains(position)).unwrap();
    assert_eq!(sweep.sender.low(), first_unsent);
    sweep.sender.stop(SECOND);
    assert_eq!(sweep.sender.low(), first_unsent);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_sweep_sends_to_each_target_in_its_shard_and_to_nothing_else(
        blocks in proptest::collection::vec((0u8..8, 0u8..255, 24u32..=32), 1..5), ports in 1u16..4,
        probes in 1u8..4, seed in any::<[u64; 2]>(), of in 1u32..4, cap in proptest::option::of(200u32..5000),
    ) {
        let nets: Vec<String> = blocks.iter().map(|(c, d, prefix)| format!("10.0.{c}.{d}/{prefix}")).collect();
        let nets: Vec<&str> = nets.iter().map(String::as_str).collect();
        let ports: Vec<u16> = (80..80 + ports).collect();
        let targets = targets(&nets, &ports);
        let mut times: BTreeMap<SocketAddr, u8> = BTreeMap::new();
        for index in 1..=of {
            let shard = format!("{index}/{of}").parse().unwrap();
            let settings = Settings { seed, shard, probes, per_network_pps: cap, cooldown: 1, gap: 1000, ..settings() };
            let mut sweep = Sweep::new(targets.clone(), scope(), &settings);
            let mut net = Net { loss_per_mille: 1000, ..Net::new(5) };
            run(&mut sweep, &mut net, 1_000_000, u64::MAX);
            for (_, target) in net.seen {
                *times.entry(target).or_default() += 1;
            }
        }
        let wanted: BTreeMap<SocketAddr, u8> = (0..targets.len())
            .filter_map(|index| targets.get(index))
            .filter(|socket| scope().authorize(*socket).is_ok())
            .map(|socket| (socket, probes))
            .collect();
        prop_assert_eq!(times, wanted);
    }
}

#[test]
fn who_answers_in_time_is_not_asked_again_under_a_cap_either() {
    let targets = targets(&["10.7.0.0/24"], &[80, 81, 82]);
    let settings = Settings { per_network_pps: Some(256), ..settings() };
    let mut sweep = Sweep::new(targets.clone(), scope(), &settings);
    let mut net = Net::new(6);
    let (found, _) = run(&mut sweep, &mut net, 10_000, u64::MAX);
    assert_eq!(found.open, wanted(&targets, 0));
    assert_eq!(sweep.counts.second_answers.load(Ordering::Relaxed), 0);
    let mut probes: BTreeMap<SocketAddr, Vec<Nanos>> = BTreeMap::new();
    net.seen.iter().for_each(|(time, target)| probes.entry(*target).or_default().push(*time));
    for (target, times) in &probes {
        assert_eq!(times.len(), if Net::says(*target) < 3 { 1 } else { 2 }, "{target}");
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= SECOND), "{target}");
    }
    assert_eq!(probes.len(), 768);
}

/// Runs a sweep that has a sample, over a network that loses `lost` in 1/1000 from the third second on; every probe that
/// asked again: when, and whom.
fn run_sampled(sweep: &mut Sweep, net: &mut Net, rate: u64, lost: u64) -> (Found, Vec<(Nanos, SocketAddr)>) {
    let (mut found, mut now, mut asked, mut looked) = (Found::default(), SECOND, Vec::new(), 0);
    let mut pacer = Pacer::new(rate, now);
    loop {
        if now > 4 * SECOND {
            net.loss_per_mille = lost;
        }
        while let Some(entry) = net.flying.first_entry().filter(|entry| entry.key().0 <= now) {
            if let Heard::Open { target, .. } = sweep.listener.hear(&entry.remove()) {
                assert!(found.open.insert(target), "said twice");
            }
        }
        if now >= looked + 20_000_000 {
            looked = now;
            if let Some(probe) = sweep.sender.ask_again(now) {
                asked.push((now, probe.target.socket()));
                net.deliver(probe.target.socket(), probe.cookie.source_port, probe.cookie.sequence, now);
            }
        }
        let count = pacer.allowance(now);
        for _ in 0..count {
            match sweep.sender.next(now) {
                Next::Probe(Probe { target, cookie, .. }) => {
                    net.deliver(target.socket(), cookie.source_port, cookie.sequence, now);
                }
                Next::Wait(_) => break,
                Next::Done => return (found, asked),
            }
        }
        pacer.sent(count, now);
        now = (now + 1_000_000).max(pacer.next_at().min(now + 5_000_000));
    }
}

#[test]
fn a_sample_of_answerers_shows_what_is_lost_and_changes_nothing_else() {
    let targets = targets(&["10.64.0.0/16"], &[80]);
    for (lost, share) in [(0, 0), (300, 510)] {
        let settings = Settings { probes: 1, per_network_pps: Some(100), ..settings() };
        let mut sweep = Sweep::new(targets.clone(), scope(), &settings);
        let mut net = Net { repeat_per_mille: 300, ..Net::new(8) };
        let (found, asked) = run_sampled(&mut sweep, &mut net, 5000, lost);
        let value = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &sweep.counts;
        // 50 looks a second, and one packet in a hundred of 5,000: for thirteen seconds, but for the first.
        assert!((400..=655).contains(&asked.len()), "{}", asked.len());
        assert_eq!(value(&counts.asked_again) as usize, asked.len());
        let (judged, replied) = (value(&counts.again_judged), value(&counts.again_replied));
        assert!(judged as usize <= asked.len() && judged as usize + 70 > asked.len(), "{judged}");
        // Once more than a target is asked again, and no other; each probe is counted once, each answer as well.
        assert_eq!(value(&counts.sent), 65_536);
        assert_eq!(net.seen.len(), 65_536 + asked.len());
        assert_eq!((value(&counts.forged), value(&counts.outside)), (0, 0));
        if lost == 0 {
            assert_eq!(replied, judged);
            assert_eq!(found.open, wanted(&targets, 0));
            // Copies of answers alone are duplicates: what answers again is none.
            assert!(value(&counts.duplicates) < 65_536 * 3 / 8 * 35 / 100);
        }
        let late: Vec<_> = asked.iter().filter(|(time, _)| *time > 4 * SECOND).collect();
        let missing = (judged - replied) * 1000 / (late.len() as u64).max(1);
        assert!(missing.abs_diff(share) <= 80, "{missing} in a thousand of {}", late.len());
        let mut each: BTreeMap<SocketAddr, usize> = BTreeMap::new();
        asked.iter().for_each(|(_, target)| *each.entry(*target).or_default() += 1);
        assert!(each.keys().all(|target| Net::says(*target) < 2), "one that never answered");
        assert!(each.values().all(|count| *count <= 8));
        let networks: BTreeSet<u64> = each.keys().map(|target| crate::network(target.ip())).collect();
        assert!(networks.len() > 100, "{} networks", networks.len());
    }
}

#[test]
fn a_small_sweep_has_no_sample() {
    let targets = targets(&["10.64.0.0/20"], &[80, 81, 82, 83]);
    let mut sweep = Sweep::new(targets, scope(), &settings());
    let (_, asked) = run_sampled(&mut sweep, &mut Net::new(8), 3000, 0);
    assert_eq!(asked, []);
}

#[test]
fn the_last_second_is_as_fast_as_the_others() {
    const EACH: Nanos = SECOND / 10_000;
    let mut sender = Sweep::new(targets(&["10.0.0.0/17"], &[80]), scope(), &settings()).sender;
    let (mut now, mut last, mut times) = (SECOND, SECOND, BTreeMap::<_, Vec<Nanos>>::new());
    loop {
        match sender.next(now) {
            Next::Probe(Probe { target, .. }) => {
                times.entry(target.socket()).or_default().push(now);
                last = now;
                now += EACH;
            }
            Next::Wait(at) => now = at.max(now + 1),
            Next::Done => break,
        }
    }
    let sent = times.values().map(Vec::len).sum::<usize>() as u64;
    assert_eq!(sent, 2 * (32_768 - 256));
    let late = last - SECOND - (sent - 1) * EACH;
    assert!(late < SECOND / 10, "{late} ns were spent waiting");
    assert!(times.values().all(|two| two[1] - two[0] >= SECOND));
    // Nobody waits much longer for the second either.
    let longest = times.values().map(|two| two[1] - two[0]).max();
    assert!(longest < Some(SECOND * 17 / 10), "{longest:?}");
}
