//! Servers that misbehave: bounded time and memory for each of them, the right verdict, and a scan that ends.

use std::{net::SocketAddr, sync::OnceLock, time::Duration};

use nightlatch_e2e::{
    hostile::{self, Behaviour, Hostile},
    nightlatch::{Options, Scan, exposure, product, scan},
    open_host::{OPEN_HOST, OPEN_PORTS, OpenHost},
};

/// Longest scan of one hostile endpoint, on a slow machine. Deadlines of the scanner itself are far below.
const ONE_ENDPOINT_MAX: Duration = Duration::from_secs(90);
/// Memory that one hostile endpoint may cost, beyond what a harmless one does.
const MEMORY_ABOVE_HARMLESS_MAX: u64 = 24 << 20;
/// Bytes that one endpoint may push onto the scanner: its body caps and the kernel's socket buffers for every request.
const BYTES_MAX: u64 = 64 << 20;
/// Connections that one endpoint may cost: requests of every fingerprint that its answers make likely.
const CONNECTIONS_MAX: u64 = 60;

/// Peak memory of a scan of one endpoint that behaves, and says nothing of interest.
fn harmless_peak() -> u64 {
    static PEAK: OnceLock<u64> = OnceLock::new();
    *PEAK.get_or_init(|| {
        let server = Hostile::open(hostile::reset_at_once);
        scan(&[server.address.to_string()], &Options::default()).run.peak_bytes
    })
}

/// Scans a server with `behaviour`, and asserts what holds for all of them.
fn endure(behaviour: Behaviour) -> (Hostile, Scan) {
    let server = Hostile::open(behaviour);
    let scan =
        scan(&[server.address.to_string()], &Options { limit: ONE_ENDPOINT_MAX, ..Options::default() });
    assert!(server.connections() > 0, "the server was never visited");
    assert!(server.connections() <= CONNECTIONS_MAX, "{} connections", server.connections());
    assert!(server.bytes() <= BYTES_MAX, "{} bytes taken", server.bytes());
    let above = scan.run.peak_bytes.saturating_sub(harmless_peak());
    assert!(above <= MEMORY_ABOVE_HARMLESS_MAX, "{above} bytes of memory more than for a harmless server");
    let observation = scan.of(server.address);
    assert_eq!(exposure(observation), "unknown", "{observation:#}");
    assert_eq!(product(observation), None, "{observation:#}");
    (server, scan)
}

#[test]
fn accepts_and_says_nothing() {
    endure(hostile::silent);
}

#[test]
fn drips_a_byte_a_second() {
    let (server, _) = endure(hostile::drip);
    assert!(server.bytes() < 2000, "somebody waited for {} bytes", server.bytes());
}

#[test]
fn sends_endless_headers() {
    endure(hostile::endless_headers);
}

#[test]
fn says_continue_for_ever() {
    endure(hostile::endless_continue);
}

#[test]
fn sends_an_endless_body() {
    endure(hostile::endless_body);
}

#[test]
fn sends_a_header_line_of_10_mb() {
    endure(hostile::long_header_line);
}

#[test]
fn announces_chunks_of_2_to_the_64() {
    endure(hostile::huge_chunks);
}

#[test]
fn sends_a_compressed_bomb() {
    endure(hostile::compressed_bomb);
}

#[test]
fn sends_invalid_utf8_and_terminal_escapes() {
    let (_, scan) = endure(hostile::invalid_utf8);
    for text in [&scan.run.stdout, &scan.run.stderr] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "an escape came through: {text:?}");
    }
}

#[test]
fn sends_tls_garbage() {
    endure(hostile::tls_garbage);
}

#[test]
fn sends_back_what_it_is_sent() {
    let (server, scan) = endure(hostile::echo);
    assert_eq!(scan.of(server.address)["protocol"], "tcp", "our own hello is no TLS of the server's");
    // Whatever else were asked would be answered by the question; half of the dialogues would wait for the rest.
    assert!(server.connections() <= 4, "{} connections to an echo", server.connections());
}

#[test]
fn answers_with_a_page_and_no_head() {
    let (server, scan) = endure(hostile::page_without_head);
    assert_eq!(scan.of(server.address)["protocol"], "tcp");
    assert!(server.connections() <= 4, "{} connections for one page", server.connections());
}

#[test]
fn complains_in_a_page_without_a_head_that_it_wants_tls() {
    let (server, scan) = endure(hostile::complaint_without_head);
    assert_eq!(scan.of(server.address)["protocol"], "tls");
}

#[test]
fn shows_a_chain_of_16_mb() {
    let (server, scan) = endure(hostile::endless_chain);
    let observation = scan.of(server.address);
    assert_eq!(observation["protocol"], "tls", "{observation:#}");
    assert_eq!(observation["tls"]["version"], "TLSv1.2", "{observation:#}");
}

#[test]
fn redirects_for_ever() {
    let (server, _) = endure(hostile::endless_redirects);
    assert!(server.requests() <= CONNECTIONS_MAX, "{} requests", server.requests());
}

#[test]
fn resets_in_the_middle_of_the_body() {
    endure(hostile::reset_in_body);
}

#[test]
fn contradicts_itself_about_the_length() {
    endure(hostile::wrong_length);
}

#[test]
fn claims_to_be_everything_at_once() {
    endure(hostile::everything_at_once);
}

#[test]
fn has_50_000_open_ports_that_all_answer_alike() {
    let host = OpenHost::open();
    let ports = format!("{}-{}", OPEN_PORTS.start(), OPEN_PORTS.end());
    let options =
        Options { limit: Duration::from_secs(900), more: &["--ports", &ports], ..Options::default() };
    let scan = scan(&[OPEN_HOST.to_owned()], &options);
    drop(host);
    assert_eq!(scan.observations.len(), OPEN_PORTS.len());
    for observation in &scan.observations {
        assert_eq!(exposure(observation), "unknown", "{observation:#}");
        assert_eq!(product(observation), None, "{observation:#}");
    }
    let (ip, first) = (OPEN_HOST.parse().unwrap(), *OPEN_PORTS.start());
    scan.of(SocketAddr::new(ip, first));
    // A scan of many endpoints may keep some state for each of them, but no answer.
    let above = scan.run.peak_bytes.saturating_sub(harmless_peak());
    assert!(above <= 150 << 20, "{above} bytes of memory more than for one harmless server");
}
