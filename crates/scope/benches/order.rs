//! How fast the shuffled order and the gate of the scope are: `cargo bench -p nightlatch-scope`.

use std::{hint::black_box, path::Path, time::Instant};

use nightlatch_scope::{PortSet, Scope, Shuffled, Target, TargetSetBuilder};

const STEPS: u64 = 5_000_000;

fn measure(what: &str, mut step: impl FnMut(u64) -> u64) {
    let start = Instant::now();
    let sum = (0..STEPS).fold(0u64, |sum, n| sum.wrapping_add(step(n)));
    let seconds = start.elapsed().as_secs_f64();
    black_box(sum);
    println!("{what}: {:.1} million a second", STEPS as f64 / seconds / 1e6);
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for total in [1u64 << 24, (1 << 32) - 5, 1 << 48] {
        let order = Shuffled::new(total, [1, 2]);
        measure(&format!("order of {total}"), |n| order.at(n).unwrap_or_default());
    }
    let scope =
        Scope::parse("[[block]]\nnet = [\"10.0.0.0/8\", \"10.9.0.0/16\"]\n", Path::new("scope.toml"))?;
    let mut builder = TargetSetBuilder::new(PortSet::from_iter([80, 443, 6443]));
    builder.add(&"10.0.0.0/8".parse::<Target>()?, &[]);
    let targets = builder.build()?;
    let order = Shuffled::new(targets.len(), [1, 2]);
    measure("order, endpoint and authorisation", |n| {
        let target = order.at(n).and_then(|index| targets.get(index));
        target.and_then(|socket| scope.authorize(socket).ok()).map_or(0, |proof| proof.socket().port().into())
    });
    Ok(())
}
