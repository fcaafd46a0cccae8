//! How fast the synthetic corpus and the content key are: `cargo bench -p nightlatch-store [-- count]`.

use std::{hint::black_box, time::Instant};

use nightlatch_store::{content_key, synthetic::observations};

fn main() {
    let count = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(200_000);
    let start = Instant::now();
    let made = observations(1, count).map(black_box).count();
    report("observations made", made, start);

    let sample: Vec<_> = observations(1, count).step_by(10).collect();
    let start = Instant::now();
    for observation in &sample {
        black_box(content_key(observation));
    }
    report("content keys", sample.len(), start);

    let bytes: usize =
        sample.iter().filter_map(|o| serde_json::to_string(o).ok()).map(|json| json.len()).sum();
    let data: usize = sample.iter().map(|o| o.data.raw().len()).sum();
    println!(
        "{} bytes of JSON each, {} of them data",
        bytes / sample.len().max(1),
        data / sample.len().max(1)
    );
}

fn report(what: &str, count: usize, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} {what} in {seconds:.2} s, {:.0} a second", count as f64 / seconds);
}
