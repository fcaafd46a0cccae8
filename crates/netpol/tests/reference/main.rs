//! The engine against a naive reading of the semantics, on random small clusters.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod clusters;
mod naive;

use nightlatch_netpol::{Answer, Certainty, Engine, Network, Party, Protocol};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use crate::{
    clusters::{Cluster, OUTSIDE, PORTS},
    naive::{End, World},
};

/// Pairs with a port that must be compared at least.
const PAIRS_MIN: u64 = 100_000;
/// Random clusters; each has up to 7 pods.
const CLUSTERS: u32 = 1_500;

#[test]
fn engine_agrees_with_the_naive_evaluator() {
    let seed = std::env::var("NIGHTLATCH_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1_u64);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases: CLUSTERS, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let pairs = std::cell::Cell::new([0_u64; 4]);
    let result = runner.run(&clusters::cluster(), |cluster| {
        let mut seen = pairs.get();
        let outcome = compare(&cluster, &mut seen);
        pairs.set(seen);
        outcome
    });
    if let Err(error) = result {
        panic!("seed {seed}: {error}");
    }
    let [allowed, denied, depends, outside] = pairs.get();
    println!(
        "seed {seed}: {allowed} allowed, {denied} denied, {depends} depend; {outside} of them with addresses"
    );
    assert!(allowed + denied + depends >= PAIRS_MIN);
    assert!(
        [allowed, denied, depends, outside].iter().all(|&n| n > PAIRS_MIN / 50),
        "one-sided: {:?}",
        pairs.get()
    );
}

fn compare(cluster: &Cluster, seen: &mut [u64; 4]) -> Result<(), TestCaseError> {
    let engine = Engine::new(&cluster.network);
    let rows = [Certainty::Sure, Certainty::Possible].map(|certainty| matrix(&engine, certainty));
    let pods = cluster.network.pods.len();
    for a in 0..pods {
        for b in 0..pods {
            let answer = engine.pair(&Party::Pod(a), &Party::Pod(b)).unwrap();
            for &(protocol, port) in PORTS {
                let got = [&answer.sure, &answer.possible].map(|ports| ports.contains(protocol, port));
                if a != b {
                    let cells = rows.each_ref().map(|m| {
                        m[engine.class_of(a) as usize][engine.class_of(b) as usize].contains(protocol, port)
                    });
                    check(cells == got, || {
                        format!("row {cells:?} and pair {got:?} differ: {a} to {b} {protocol} {port}")
                    })?;
                }
                expect(cluster, &engine, End::Pod(a), End::Pod(b), (protocol, port), got, &answer)?;
                seen[bucket(got)] += 1;
            }
        }
        for address in OUTSIDE.iter().map(|text| text.parse().unwrap()) {
            let there = Party::Addresses(nightlatch_netpol::AddressSet::from(address));
            let out = engine.pair(&Party::Pod(a), &there).unwrap();
            let in_ = engine.pair(&there, &Party::Pod(a)).unwrap();
            for &(protocol, port) in PORTS {
                for (from, to, answer) in
                    [(End::Pod(a), End::Address(address), &out), (End::Address(address), End::Pod(a), &in_)]
                {
                    let got = [&answer.sure, &answer.possible].map(|ports| ports.contains(protocol, port));
                    expect(cluster, &engine, from, to, (protocol, port), got, answer)?;
                    seen[bucket(got)] += 1;
                    seen[3] += 1;
                }
            }
        }
    }
    Ok(())
}

fn bucket(got: [bool; 2]) -> usize {
    match got {
        [true, _] => 0,
        [false, false] => 1,
        [false, true] => 2,
    }
}

/// All rows, unfolded to sets of ports by class and class.
fn matrix(engine: &Engine<'_>, certainty: Certainty) -> Vec<Vec<nightlatch_netpol::PortSet>> {
    let mut rows = engine.rows(certainty);
    let unfold = |class| {
        let row = rows.row(class);
        let mut cells = vec![nightlatch_netpol::PortSet::empty(); engine.classes()];
        for (ports, classes) in &row.groups {
            classes.iter().for_each(|class| cells[class as usize] = rows.ports(*ports).clone());
        }
        cells
    };
    (0..engine.classes() as u32).map(unfold).collect()
}

/// What is sure holds in every world, what is impossible in none; and where everything is known that way round too.
fn expect(
    cluster: &Cluster,
    engine: &Engine<'_>,
    from: End,
    to: End,
    on: (Protocol, u16),
    [sure, possible]: [bool; 2],
    answer: &Answer,
) -> Result<(), TestCaseError> {
    let network: &Network = engine.network();
    let answers: Vec<bool> =
        worlds(cluster).iter().map(|world| naive::allowed(network, world, from, to, on.0, on.1)).collect();
    let (all, any) = (answers.iter().all(|&a| a), answers.iter().any(|&a| a));
    let told = || {
        format!(
            "{from:?} to {to:?} on {on:?}: engine sure={sure} possible={possible}, worlds {answers:?}\n{answer:#?}"
        )
    };
    check(sure <= possible && sure <= all && any <= possible, told)?;
    if cluster.everything_known {
        check(sure == all && possible == any, told)?;
    }
    Ok(())
}

fn worlds(cluster: &Cluster) -> Vec<World<'_>> {
    let mut all = Vec::new();
    for bits in 0..8 {
        all.push(World {
            blocks_mean_pods: bits & 1 != 0,
            same_node: bits & 2 != 0,
            names_mean_address: bits & 4 != 0,
            addresses: &cluster.addresses,
            nodes: &cluster.nodes,
        });
    }
    all
}

fn check(holds: bool, told: impl FnOnce() -> String) -> Result<(), TestCaseError> {
    if holds { Ok(()) } else { Err(TestCaseError::fail(told())) }
}
