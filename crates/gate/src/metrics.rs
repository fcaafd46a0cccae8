//! Numbers for Prometheus.

use std::{
    collections::BTreeMap,
    fmt::Write,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Upper ends of the latency buckets, in seconds.
const BOUNDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// Series of requests that are kept. Routes are patterns, so there are far fewer.
const SERIES_MAX: usize = 5000;

/// What the gate counts.
#[derive(Default)]
pub(crate) struct Metrics {
    requests: Mutex<BTreeMap<Label, Latency>>,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    pub(crate) proofs: AtomicU64,
    pub(crate) keys_wrong: AtomicU64,
    pub(crate) lock_outs: AtomicU64,
    pub(crate) logins: AtomicU64,
    pub(crate) logins_failed: AtomicU64,
    pub(crate) panics: AtomicU64,
    pub(crate) in_flight: AtomicU64,
    pub(crate) connections: AtomicU64,
    pub(crate) connections_refused: AtomicU64,
    pub(crate) tls_failed: AtomicU64,
}

#[derive(Clone, Eq, Ord, PartialEq, PartialOrd)]
struct Label {
    route: String,
    method: &'static str,
    status: u16,
}

#[derive(Default)]
struct Latency {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    seconds: f64,
}

impl Metrics {
    /// Notes a request.
    ///
    /// - `route`: the pattern it matched, none when it matched none;
    /// - `method`: in capitals; one that is not common counts as `OTHER`.
    pub(crate) fn request(&self, route: Option<&str>, method: &str, status: u16, took: Duration) {
        let label = Label { route: route.unwrap_or("unmatched").to_owned(), method: common(method), status };
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() >= SERIES_MAX && !requests.contains_key(&label) {
            return;
        }
        let latency = requests.entry(label).or_default();
        let seconds = took.as_secs_f64();
        latency.count += 1;
        latency.seconds += seconds;
        for (bucket, bound) in latency.buckets.iter_mut().zip(BOUNDS) {
            *bucket += u64::from(seconds <= bound);
        }
    }

    /// Notes a refusal.
    pub(crate) fn refusal(&self, code: &'static str) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
    }

    /// Writes everything in the text format of Prometheus.
    pub(crate) fn write(&self, out: &mut String) {
        self.write_requests(out);
        head(out, "nightlatch_refused_total", "counter", "Requests the gate refused, by reason.");
        for (code, count) in self.refused.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let _ = writeln!(out, "nightlatch_refused_total{{reason=\"{code}\"}} {count}");
        }
        let counters: [(&str, &str, &AtomicU64); 8] = [
            ("nightlatch_key_proofs_total", "Runs of argon2.", &self.proofs),
            ("nightlatch_keys_wrong_total", "Wrong keys.", &self.keys_wrong),
            ("nightlatch_lock_outs_total", "Lock-outs after wrong keys.", &self.lock_outs),
            ("nightlatch_logins_total", "Sessions begun.", &self.logins),
            ("nightlatch_logins_failed_total", "Logins that failed.", &self.logins_failed),
            ("nightlatch_panics_total", "Mistakes in nightlatch that ended a request.", &self.panics),
            (
                "nightlatch_connections_refused_total",
                "Connections closed because too many were open.",
                &self.connections_refused,
            ),
            ("nightlatch_tls_failed_total", "TLS handshakes that failed.", &self.tls_failed),
        ];
        for (name, help, value) in counters {
            metric(out, name, "counter", help, value.load(Relaxed));
        }
        metric(out, "nightlatch_connections", "gauge", "Open connections.", self.connections.load(Relaxed));
        metric(
            out,
            "nightlatch_requests_in_flight",
            "gauge",
            "Requests in work.",
            self.in_flight.load(Relaxed),
        );
    }

    fn write_requests(&self, out: &mut String) {
        let name = "nightlatch_http_request_duration_seconds";
        head(out, name, "histogram", "Time until the head of the answer, by route, method and status.");
        for (label, latency) in self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let route = label.route.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let labels = format!("route=\"{route}\",method=\"{}\",status=\"{}\"", label.method, label.status);
            for (bucket, bound) in latency.buckets.iter().zip(BOUNDS) {
                let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {bucket}");
            }
            let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {}", latency.count);
            let _ = writeln!(out, "{name}_sum{{{labels}}} {}", latency.seconds);
            let _ = writeln!(out, "{name}_count{{{labels}}} {}", latency.count);
        }
    }
}

/// Writes one metric without labels, in the text format of Prometheus.
///
/// - `kind`: `counter` or `gauge`.
pub fn metric(out: &mut String, name: &str, kind: &str, help: &str, value: impl std::fmt::Display) {
    head(out, name, kind, help);
    let _ = writeln!(out, "{name} {value}");
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn common(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
        .into_iter()
        .find(|own| *own == method)
        .unwrap_or("OTHER")
}
