//! Network policies: whatever was read, every question can be asked of it, rows and pairs agree, and what is suggested reads
//! back as policies that the API server takes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nightlatch_manifest::{Corpus, Input};
use nightlatch_netpol::{AddressSet, Certainty, Engine, Network, Party, PortSet, difference};

/// Pods compared pair by pair.
const PODS_MAX: usize = 12;

fn read(bytes: &[u8]) -> Network {
    Network::read(&Corpus::read([Input { name: "a.yaml".to_owned().into(), bytes: bytes.to_vec() }]))
}

fuzz_target!(|bytes: &[u8]| {
    let network = read(bytes);
    let engine = Engine::new(&network);
    let pods = network.pods.len().min(PODS_MAX);
    let mut rows = engine.rows(Certainty::Sure);
    for a in 0..pods {
        let row = rows.row(engine.class_of(a));
        for b in (0..pods).filter(|&b| b != a) {
            let answer = engine.pair(&Party::Pod(a), &Party::Pod(b)).expect("both are pods");
            let class = engine.class_of(b);
            let found = row.groups.iter().find(|(_, classes)| classes.has(class));
            let reached = found.map_or_else(PortSet::empty, |(ports, _)| rows.ports(*ports).clone());
            assert_eq!(reached, answer.sure);
            assert!(answer.possible.covers(&answer.sure));
        }
        let _ = engine.pair(&Party::Addresses(AddressSet::internet()), &Party::Pod(a));
    }
    (0..network.policies.len().min(PODS_MAX)).for_each(|policy| {
        let _ = engine.idle(policy);
    });
    assert!(difference(&engine, &engine).is_empty());
    let _ = (engine.exposures(), engine.lateral(&PortSet::all()));
    let yaml = engine.suggest().yaml();
    assert!(read(yaml.as_bytes()).refused.is_empty(), "{yaml}");
});
