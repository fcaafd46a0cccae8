//! Measures the embedded store; see README.md beside this file.
//!
//! `dump FILE N ENDPOINTS`, `ingest DIR N ENDPOINTS`, `query DIR`: each prints one JSON object a line.
//! `space DIR/part/WEEK` prints bytes a document by part and field.

use std::{
    fs,
    io::{BufWriter, Write},
    net::IpAddr,
    ops::ControlFlow,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nightlatch_asset::{Field, Observation, Timestamp};
use nightlatch_query::parse;
use nightlatch_store::{Selection, Snapshot, Sort, Step, Store, View, content_key, synthetic};
use nightlatch_store_tantivy::{Options, TantivyStore};
use serde_json::{Value, json};

/// The program's own allocator, so that the figures are the program's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEED: u64 = 7;
const BATCH: usize = 1_000;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["dump", file, count, endpoints] => dump(Path::new(file), count.parse()?, endpoints.parse()?),
        ["ingest", directory, count, endpoints] => {
            ingest(Path::new(directory), count.parse()?, endpoints.parse()?)
        }
        ["space", partition] => space(Path::new(partition)),
        ["query", directory] => query(Path::new(directory)),
        _ => {
            Err("expected space PARTITION, dump FILE N ENDPOINTS, ingest DIR N ENDPOINTS or query DIR".into())
        }
    }
}

/// The corpus as other engines take it: one flat JSON object a line.
fn dump(file: &Path, count: u64, endpoints: u64) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(1 << 20, fs::File::create(file)?);
    for (number, o) in synthetic::observations_of(SEED, count, endpoints).enumerate() {
        serde_json::to_writer(&mut out, &flat(number, &o))?;
        out.write_all(b"\n")?;
    }
    out.flush()?;
    Ok(())
}

fn flat(number: usize, o: &Observation) -> Value {
    let network = o.network.as_ref();
    let place = o.place.as_ref();
    json!({
        "n": number,
        "endpoint": o.endpoint().to_string(),
        "content": format!("{:032x}", content_key(o)),
        "ip": o.ip.to_string(),
        "v4": match o.ip { IpAddr::V4(ip) => Some(ip.to_bits()), IpAddr::V6(_) => None },
        "port": o.port,
        "product": o.verdict.product.as_ref().map(|t| t.raw()),
        "exposure": o.verdict.exposure as u8,
        "country": place.and_then(|p| p.country_code.as_ref()).map(|t| t.raw()),
        "org": network.and_then(|n| n.org.as_ref()).map(|t| t.raw()),
        "tags": o.tags.iter().map(|t| t.raw()).collect::<Vec<_>>(),
        "second": o.time.as_second(),
        "data": o.data.raw(),
    })
}

fn ingest(directory: &Path, count: u64, endpoints: u64) -> Result<(), Failure> {
    let mut store = TantivyStore::open(directory, Options::default())?;
    let (mut inside, mut made) = (Duration::ZERO, Duration::ZERO);
    let mut slowest = Duration::ZERO;
    let (mut anonymous, mut json_bytes) = (0, (0u64, 0u64));
    let mut totals = [0u64; 3];
    let mut corpus = synthetic::observations_of(SEED, count, endpoints);
    loop {
        // One thread makes the corpus and hands it over, so its time is its processor time.
        let start = Instant::now();
        let batch: Vec<Observation> = corpus.by_ref().take(BATCH).collect();
        if let Some(sample) = batch.first() {
            json_bytes = (json_bytes.0 + serde_json::to_vec(sample)?.len() as u64, json_bytes.1 + 1);
        }
        made += start.elapsed();
        if batch.is_empty() {
            break;
        }
        let start = Instant::now();
        let done = store.ingest(&batch)?;
        inside += start.elapsed();
        anonymous = anonymous.max(memory_bytes("RssAnon:"));
        slowest = slowest.max(start.elapsed());
        totals = [totals[0] + done.stored, totals[1] + done.sightings, totals[2] + done.new_endpoints];
    }
    let start = Instant::now();
    store.commit()?;
    let committed = inside + start.elapsed();
    let (writing, cpu_writing) = (peak_bytes(), cpu_seconds().saturating_sub(made));
    let start = Instant::now();
    store.merge()?;
    store.close()?;
    let merged = start.elapsed();
    let cpu = cpu_seconds().saturating_sub(made);
    let bytes = bytes_below(directory)?;
    println!(
        "{}",
        json!({
            "observations": count, "documents": totals[0], "sightings": totals[1], "endpoints": totals[2],
            "ingest_seconds": committed.as_secs_f64(), "merge_seconds": merged.as_secs_f64(),
            "cpu_seconds": cpu.as_secs_f64(), "slowest_batch_ms": slowest.as_secs_f64() * 1e3,
            "documents_per_cpu_second_while_writing": totals[0] as f64 / cpu_writing.as_secs_f64(),
            "observations_per_second": count as f64 / committed.as_secs_f64(),
            "documents_per_cpu_second": totals[0] as f64 / cpu.as_secs_f64(),
            "bytes": bytes, "bytes_per_document": bytes as f64 / totals[0] as f64,
            "json_bytes_per_observation": json_bytes.0 / json_bytes.1.max(1),
            "peak_mb_of_its_own_while_writing": anonymous >> 20, "peak_mb_while_writing": writing >> 20, "peak_mb_with_merge": peak_bytes() >> 20,
        })
    );
    Ok(())
}

/// Name, query and view of every count.
const COUNTS: &[(&str, &str, View)] = &[
    ("all latest", "", View::Latest),
    ("all history", "", View::History),
    ("term", "product:kubernetes", View::Latest),
    ("word", "jetty", View::Latest),
    ("phrase", "\"no-cache private\"", View::Latest),
    ("two filters and a phrase", "country:US port:8443 \"default-src self\"", View::Latest),
    ("the same in history", "country:US port:8443 \"default-src self\"", View::History),
    ("negation", "country:US -product:nginx -tag:cloud", View::Latest),
    ("/16", "net:10.7.0.0/16", View::Latest),
    ("/18", "net:10.7.128.0/18", View::Latest),
    ("range", "port:8000-9000", View::Latest),
    ("ladder", "exposure:>=readable", View::Latest),
];

const FACETS: &[(&str, &str, Field, View)] = &[
    ("country over all", "", Field::Country, View::Latest),
    ("country over all history", "", Field::Country, View::History),
    ("org over all", "", Field::Org, View::Latest),
    ("org over all history", "", Field::Org, View::History),
    ("port over all", "", Field::Port, View::Latest),
    ("country over 1 %", "port:3000", Field::Country, View::Latest),
    ("org over 1 %", "port:3000", Field::Org, View::Latest),
    ("country over 30 %", "product:nginx", Field::Country, View::Latest),
    ("org over 30 %", "product:nginx", Field::Org, View::Latest),
];

fn query(directory: &Path) -> Result<(), Failure> {
    let start = Instant::now();
    let reader = TantivyStore::read(directory)?;
    let snapshot = reader.snapshot()?;
    let opened = start.elapsed();
    println!("{}", json!({ "name": "open", "ms": opened.as_secs_f64() * 1e3 }));
    for (name, text, view) in COUNTS {
        let selection = selection(text, *view)?;
        measure(&format!("count {name}"), || Ok(json!(snapshot.count(&selection)?)))?;
    }
    for (name, text, field, view) in FACETS {
        let selection = selection(text, *view)?;
        measure(&format!("facet {name}"), || {
            let facet = snapshot.facet(&selection, *field, 10)?;
            let buckets: Vec<_> = facet.buckets.iter().map(|b| json!([b.value, b.count])).collect();
            Ok(json!([buckets, facet.distinct, facet.other, facet.missing]))
        })?;
    }
    for (name, text) in [("over all", ""), ("over 1 %", "port:3000")] {
        let selection = selection(text, View::Latest)?;
        measure(&format!("days {name}"), || {
            let days = snapshot.histogram(&selection, Step::Day)?;
            Ok(days.iter().map(|b| json!([b.value, b.count])).collect())
        })?;
        measure(&format!("distinct hosts {name}"), || Ok(json!(snapshot.distinct_hosts(&selection)?)))?;
    }
    for (name, text) in [("over all", ""), ("over 1 %", "port:3000")] {
        let selection = selection(text, View::Latest)?;
        measure(&format!("newest 100 {name}"), || {
            let rows = snapshot.search(&selection, Sort::Newest, 0, 100)?;
            Ok(rows.iter().map(|r| json!([r.observation.time.as_second(), r.id])).collect())
        })?;
    }
    hosts(snapshot.as_ref())?;
    export(snapshot.as_ref())?;
    println!("{}", json!({ "name": "peak", "mb": peak_bytes() >> 20 }));
    Ok(())
}

/// Every host once: no cache helps.
fn hosts(snapshot: &dyn Snapshot) -> Result<(), Failure> {
    let all = selection("", View::Latest)?;
    let mut ips: Vec<IpAddr> = Vec::new();
    snapshot.export(&all, &mut |record| {
        if record.id % 997 == 0 {
            ips.push(record.observation.ip);
        }
        if ips.len() < 500 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    let mut times = Vec::new();
    let mut rows = 0;
    for ip in &ips {
        let start = Instant::now();
        rows += snapshot.host(*ip, View::Latest)?.len();
        times.push(start.elapsed());
    }
    report("host", times, json!([ips.iter().map(ToString::to_string).collect::<Vec<_>>(), rows]));
    Ok(())
}

fn export(snapshot: &dyn Snapshot) -> Result<(), Failure> {
    for (name, text) in [("over 1 %", "port:3000"), ("over all", "")] {
        let selection = selection(text, View::Latest)?;
        let start = Instant::now();
        let (mut rows, mut bytes) = (0u64, 0u64);
        snapshot.export(&selection, &mut |record| {
            rows += 1;
            bytes += record.observation.data.raw().len() as u64;
            ControlFlow::Continue(())
        })?;
        report(&format!("export {name}"), vec![start.elapsed()], json!([rows, bytes]));
    }
    Ok(())
}

/// Bytes of every field of one partition.
fn space(partition: &Path) -> Result<(), Failure> {
    let index = tantivy::Index::open_in_dir(partition)?;
    let searcher = index.reader()?.searcher();
    for reader in searcher.segment_readers() {
        let usage = reader.space_usage()?;
        let parts = [
            ("terms", usage.termdict()),
            ("postings", usage.postings()),
            ("positions", usage.positions()),
            ("columns", usage.fast_fields()),
            ("norms", usage.fieldnorms()),
        ];
        let documents = f64::from(usage.num_docs());
        for (part, usage) in parts {
            for usage in usage.fields() {
                println!(
                    "{:8.2} {part} {}",
                    usage.total().get_bytes() as f64 / documents,
                    usage.field_name()
                );
            }
        }
        println!("{:8.2} stored", usage.store().total().get_bytes() as f64 / documents);
    }
    Ok(())
}

fn selection(text: &str, view: View) -> Result<Selection, Failure> {
    let parsed = parse(text, Timestamp::UNIX_EPOCH).map_err(|e| e.to_string())?;
    Ok(Selection { expr: parsed.expr, view })
}

fn measure(name: &str, mut ask: impl FnMut() -> Result<Value, Failure>) -> Result<(), Failure> {
    let mut times = Vec::new();
    let begin = Instant::now();
    let mut answer = Value::Null;
    while times.len() < 5 || (begin.elapsed() < Duration::from_millis(1_500) && times.len() < 1_000) {
        let start = Instant::now();
        answer = ask()?;
        times.push(start.elapsed());
    }
    report(name, times, answer);
    Ok(())
}

fn report(name: &str, mut times: Vec<Duration>, answer: Value) {
    let first = times.first().copied().unwrap_or_default();
    times.sort_unstable();
    let at =
        |part: usize| times.get(times.len() * part / 100).copied().unwrap_or_default().as_secs_f64() * 1e3;
    let first = first.as_secs_f64() * 1e3;
    println!(
        "{}",
        json!({ "name": name, "first_ms": first, "p50_ms": at(50), "p99_ms": at(99), "runs": times.len(), "answer": answer })
    );
}

fn bytes_below(path: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    let mut folders: Vec<PathBuf> = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let found = entry.metadata()?;
            if found.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += found.len();
            }
        }
    }
    Ok(bytes)
}

/// The most memory this process ever had resident, mapped files included (Linux).
fn peak_bytes() -> u64 {
    memory_bytes("VmHWM:")
}

/// A line of the kernel's account of this process (Linux).
fn memory_bytes(line: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|l| l.strip_prefix(line));
    found.and_then(|kb| kb.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
}

/// Processor time of all threads (Linux counts in hundredths of a second).
fn cpu_seconds() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = |field: usize| after_name.split_whitespace().nth(field).and_then(|t| t.parse::<u64>().ok());
    Duration::from_millis((ticks(11).unwrap_or(0) + ticks(12).unwrap_or(0)) * 10)
}
