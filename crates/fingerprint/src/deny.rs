//! What is never sent, whatever a fingerprint file says.
//!
//! Many reads change state, hand out secrets or never end. The list is enforced when a file is loaded, so a
//! request that stands here cannot be planned at all.
//!
//! Source of the rows: documentation and source of the products named; they are collected, with the
//! reasons, in the guide to the fingerprint format.

/// Longest path with query, in bytes.
pub(crate) const PATH_BYTES_MAX: usize = 512;

/// How a row finds what it denies. Paths are compared in lower case, without the query.
enum Where {
    /// A segment of the path, anywhere.
    Segment(&'static str),
    /// The path begins with it.
    Prefix(&'static str),
    /// The whole path, with or without a closing slash.
    Exact(&'static str),
    /// The path ends with it.
    Suffix(&'static str),
    /// A key of the query.
    QueryKey(&'static str),
}
use Where::{Exact, Prefix, QueryKey, Segment, Suffix};

const STREAM: &str = "it never ends";
const RUNS: &str = "it can run something in a container";
const SECRETS: &str = "it hands out secrets";
const BULK: &str = "it hands out bulk data";
const CHANGES: &str = "it changes state";
const LOAD: &str = "it costs the server much work";
const NAMES: &str = "it hands out names and settings";

#[rustfmt::skip]
static DENIED: &[(Where, &str)] = &[
    // Any product: answers without an end.
    (QueryKey("watch"), STREAM), (QueryKey("follow"), STREAM), (QueryKey("wait"), STREAM), (QueryKey("stream"), STREAM),
    (QueryKey("tail"), STREAM), (Suffix("/events"), STREAM), (Segment("watch"), STREAM),
    // Kubernetes API server.
    (Segment("proxy"), RUNS), (Segment("exec"), RUNS), (Segment("attach"), RUNS), (Segment("portforward"), RUNS),
    (Segment("secrets"), SECRETS), (Segment("configmaps"), SECRETS),
    // kubelet. The bare `/containerLogs/` is allowed: no route matches it, and no container is touched.
    (Segment("run"), RUNS), (Prefix("/logs"), NAMES), (Segment("logs"), BULK), (Segment("checkpoint"), CHANGES),
    (Segment("configz"), NAMES), (Segment("flagz"), NAMES),
    // Go services.
    (Prefix("/debug/pprof"), LOAD), (Exact("/debug/vars"), "it prints the command line"), (Prefix("/debug/requests"), BULK),
    // Docker.
    (Exact("/swarm"), "it hands out the join tokens"), (Suffix("/unlockkey"), SECRETS), (Suffix("/export"), BULK),
    (Suffix("/archive"), BULK), (Exact("/images/get"), BULK), (Suffix("/configs"), SECRETS),
    // OpenShift machine-config server (HEAD is allowed), Caddy.
    // Yacht, Tyk, Supervisor, Watchtower.
    (Prefix("/apps/actions/"), CHANGES), (Prefix("/compose/"), CHANGES), (Prefix("/tyk/reload"), CHANGES),
    (QueryKey("action"), CHANGES), (Prefix("/logtail"), BULK), (Exact("/tail.html"), BULK), (Exact("/v1/update"), CHANGES),
    // Jolokia, Spring Boot.
    (Prefix("/jolokia/exec"), CHANGES), (Prefix("/jolokia/write"), CHANGES), (Segment("heapdump"), SECRETS),
    (Suffix("/actuator/env"), SECRETS), (Segment("threaddump"), NAMES), (Segment("logfile"), BULK),
    (Suffix("/actuator/shutdown"), CHANGES), (Suffix("/actuator/refresh"), CHANGES),
    // Jupyter, Ray, Airflow, Grafana.
    (Suffix("/terminals/new"), CHANGES), (Prefix("/worker/"), LOAD), (Prefix("/auth/token"), "it may mint a token"),
    (Prefix("/api/snapshots-delete"), CHANGES),
    // Elasticsearch. `_search` without `size=0` is judged below.
    (Segment("_refresh"), CHANGES), (Segment("_flush"), CHANGES), (Segment("_cache"), CHANGES), (Segment("_forcemerge"), LOAD),
    (Segment("_snapshot"), NAMES), (Prefix("/_cat/indices"), NAMES), (Prefix("/_cat/aliases"), NAMES),
    // etcd.
    (Suffix("/auth/status"), "it is proposed through the raft log"), (Suffix("/maintenance/snapshot"), BULK),
    (QueryKey("recursive"), BULK),
    // Hadoop, registries, VictoriaMetrics, browsers and debuggers.
    (Suffix("/new-application"), CHANGES), (Segment("uploads"), CHANGES), (Exact("/flags"), "it prints the start options"),
    (Exact("/json/list"), NAMES), (Exact("/json/new"), CHANGES), (Prefix("/json/activate"), CHANGES), (Prefix("/json/close"), CHANGES),
    // The AdminServer of ZooKeeper: resets by GET, client addresses, paths and settings.
    (Suffix("_reset"), CHANGES), (Exact("/commands/crst"), CHANGES), (Exact("/commands/srst"), CHANGES),
    (Exact("/commands/shed_connections"), CHANGES), (Exact("/commands/set_trace_mask"), CHANGES), (Exact("/commands/stmk"), CHANGES),
    (Prefix("/commands/snap"), BULK), (Exact("/commands/restore"), CHANGES), (Exact("/commands/rest"), CHANGES),
    (Prefix("/commands/cons"), NAMES), (Exact("/commands/connections"), NAMES), (Exact("/commands/dump"), NAMES),
    (Prefix("/commands/env"), NAMES), (Prefix("/commands/conf"), NAMES),
    // Rancher: hands an agent its credentials.
    (Prefix("/v3/import/"), SECRETS),
];

/// Questions that a protocol spells as POST and that store nothing.
static QUESTIONS: &[&str] = &[
    "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
    "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    "/apis/authentication.k8s.io/v1/selfsubjectreviews",
    "/v3/kv/range",
    "/v3beta/kv/range",
    "/v3alpha/kv/range",
];

/// Says why a request must not be sent; `None` when it may.
///
/// - `method`: `GET`, `HEAD` or `POST`.
/// - `path`: path and query, with `{nonce}` still in it.
/// - `opted_in`: the request is asked only where the scope switched an option on.
/// - `body`: what would be sent.
pub(crate) fn refusal(
    method: &str,
    path: &str,
    opted_in: bool,
    body: Option<&serde_json::Value>,
) -> Option<String> {
    if let Some(reason) = malformed(path) {
        return Some(reason.to_owned());
    }
    let lower = path.replace("{nonce}", "0").to_ascii_lowercase();
    let (route, query) = lower.split_once('?').unwrap_or((&lower, ""));
    if method == "POST" {
        return refused_question(route, body);
    }
    if method == "GET" && route.starts_with("/config/") {
        return Some("it hands out secrets; `HEAD` is allowed".to_owned());
    }
    if let Some((_, reason)) = DENIED.iter().find(|(place, _)| is_at(place, route, query)) {
        return Some((*reason).to_owned());
    }
    refused_by_shape(path, route, query, opted_in)
}

fn malformed(path: &str) -> Option<&'static str> {
    let bare = path.replace("{nonce}", "0");
    if !path.starts_with('/') {
        return Some("a path begins with `/`");
    }
    if path.len() > PATH_BYTES_MAX {
        return Some("a path has at most 512 bytes");
    }
    if bare.starts_with("//") || bare.split(['/', '?']).any(|segment| segment == "..") {
        return Some("it could lead elsewhere");
    }
    let plain = |c: char| {
        c.is_ascii_graphic() && !matches!(c, '#' | '<' | '>' | '"' | '\\' | '^' | '`' | '{' | '}' | '|')
    };
    if !bare.chars().all(plain) {
        return Some("a path is written percent-encoded, and `{nonce}` is the only placeholder");
    }
    // An encoded slash or dot would slip past the comparison of segments.
    let route = bare.split('?').next().unwrap_or_default();
    route.contains('%').then_some("a path without its query holds no percent-encoding")
}

fn refused_question(route: &str, body: Option<&serde_json::Value>) -> Option<String> {
    if !QUESTIONS.contains(&route) {
        return Some(format!("a POST is only sent to a known question: {}", QUESTIONS.join(", ")));
    }
    let counts_only = body.and_then(|body| body.get("count_only")) == Some(&serde_json::Value::Bool(true));
    (route.ends_with("/kv/range") && !counts_only).then(|| "a range needs `count_only = true`".to_owned())
}

fn is_at(place: &Where, route: &str, query: &str) -> bool {
    match place {
        Segment(name) => route.split('/').any(|segment| segment == *name),
        Prefix(prefix) => route.starts_with(prefix),
        Exact(whole) => route.trim_end_matches('/') == *whole || without_version(route) == *whole,
        Suffix(end) => route.trim_end_matches('/').ends_with(end),
        QueryKey(key) => query.split('&').any(|pair| pair.split('=').next() == Some(key)),
    }
}

/// Docker's paths may be preceded by an API version: `/v1.41/swarm`.
fn without_version(route: &str) -> &str {
    let route = route.trim_end_matches('/');
    let Some(rest) = route.strip_prefix("/v") else { return route };
    let digits = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    if digits.len() < rest.len() && digits.starts_with('/') { digits } else { route }
}

/// What depends on more than a path: lists without a selector, searches that return documents.
fn refused_by_shape(path: &str, route: &str, query: &str, opted_in: bool) -> Option<String> {
    let has = |wanted: &str| query.split('&').any(|pair| pair == wanted);
    if route.split('/').any(|segment| segment == "_search" || segment == "_msearch") && !has("size=0") {
        return Some("it returns documents; `_search` needs `size=0`".to_owned());
    }
    if route.starts_with("/containerlogs/") && route != "/containerlogs/" {
        return Some("it reads logs; only the bare `/containerLogs/` is allowed".to_owned());
    }
    if let Some(agent) = route.strip_prefix("/v1/agent/")
        && agent != "self"
    {
        return Some("old agents take GET for changes; only `/v1/agent/self` is allowed".to_owned());
    }
    if is_kubernetes_list(route) && !path.contains("{nonce}") && !opted_in {
        return Some("a Kubernetes list needs a selector with `{nonce}`, or `opt_in`".to_owned());
    }
    None
}

/// `/api/v1/<resource>` or `/apis/<group>/<version>/<resource>`, perhaps in a namespace.
fn is_kubernetes_list(route: &str) -> bool {
    let segments: Vec<_> = route.split('/').filter(|segment| !segment.is_empty()).collect();
    match segments.as_slice() {
        ["api", "v1", resource, ..] => KUBERNETES_RESOURCES.contains(resource),
        ["apis", group, _version, _resource, ..] => group.contains('.') || matches!(*group, "apps" | "batch"),
        _ => false,
    }
}

/// Core resources whose lists hold objects. Other products have an `/api/v1/` of their own.
static KUBERNETES_RESOURCES: &[&str] = &[
    "namespaces",
    "nodes",
    "pods",
    "services",
    "events",
    "serviceaccounts",
    "endpoints",
    "persistentvolumes",
    "persistentvolumeclaims",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn denied(request: &str) -> bool {
        let (method, path) = request.split_once(' ').unwrap();
        refusal(method, path, false, None).is_some()
    }

    #[test]
    fn every_row_of_the_list_is_refused() {
        for request in [
            "GET /api/v1/namespaces/default/pods/x/exec",
            "GET /api/v1/nodes/x/proxy/pods",
            "GET /api/v1/secrets?labelSelector={nonce}",
            "GET /api/v1/namespaces/kube-public/configmaps",
            "GET /api/v1/namespaces?limit=1",
            "GET /apis/apps/v1/deployments?limit=1",
            "GET /api/v1/pods?watch=1&labelSelector={nonce}",
            "GET /run/default/x/y",
            "GET /logs/",
            "GET /containerLogs/default/x/y",
            "GET /checkpoint/default/x/y",
            "GET /configz",
            "GET /flagz",
            "GET /debug/pprof/profile",
            "GET /debug/vars",
            "GET /swarm",
            "GET /v1.41/swarm",
            "GET /swarm/unlockkey",
            "GET /containers/x/export",
            "GET /containers/x/archive",
            "GET /containers/x/logs",
            "GET /containers/x/attach/ws",
            "GET /images/get",
            "GET /events",
            "GET /secrets",
            "GET /v1.41/secrets",
            "GET /configs",
            "GET /config/worker",
            "GET /apps/actions/x/kill",
            "GET /tyk/reload",
            "GET /tyk/reload/group",
            "GET /index.html?action=stopall",
            "GET /logtail/x",
            "GET /tail.html",
            "GET /v1/update",
            "GET /jolokia/exec/x",
            "GET /jolokia/write/x",
            "GET /actuator/heapdump",
            "GET /actuator/env",
            "GET /terminals/new",
            "GET /worker/cpu_profile",
            "GET /auth/token",
            "GET /api/snapshots-delete/x",
            "GET /x/_refresh",
            "GET /_flush",
            "GET /_cache/clear",
            "GET /_search?q=*",
            "GET /x/_search",
            "GET /_snapshot",
            "GET /_cat/indices",
            "GET /v3/auth/status",
            "GET /v2/keys/?recursive=true",
            "GET /ws/v1/cluster/apps/new-application",
            "GET /v2/x/blobs/uploads/",
            "GET /v1/agent/leave",
            "GET /flags",
            "GET /json/list",
            "GET /json/new",
            "GET /v3/import/x",
            "GET /commands/stat_reset",
            "GET /commands/crst",
            "GET /commands/connections",
            "GET /commands/environment",
            "POST /containers/create",
            "POST /v3/kv/range",
            "GET //example.org/",
            "GET /a/../b",
            "GET /a b",
            "GET /%65xec",
            "GET example.org",
            "GET /{other}",
        ] {
            assert!(denied(request), "{request} was let through");
        }
    }

    #[test]
    fn what_the_catalogue_needs_is_allowed() {
        for request in [
            "GET /",
            "GET /version",
            "GET /containerLogs/",
            "GET /pods",
            "GET /runningpods/",
            "HEAD /config/worker",
            "GET /master/flags",
            "GET /api/v1/namespaces?limit=1&labelSelector={nonce}%3D1",
            "GET /apis/{nonce}.invalid/v1/{nonce}s",
            "GET /containers/json?limit=1&filters=%7B%22label%22%3A%5B%22{nonce}%22%5D%7D",
            "GET /_search?size=0&terminate_after=1&timeout=1s&filter_path=timed_out,hits.total",
            "GET /v2/keys/?quorum=false",
            "GET /v1/agent/self",
            "GET /api/v1/status/flags",
            "GET /apis/tekton.dev/v1/pipelineruns?limit=1&labelSelector={nonce}",
            "GET /json/version",
            "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        ] {
            assert!(!denied(request), "{request} was refused");
        }
        let range = serde_json::json!({ "key": "AA==", "count_only": true });
        assert_eq!(refusal("POST", "/v3/kv/range", false, Some(&range)), None);
        assert_eq!(refusal("GET", "/api/v1/namespaces?limit=1", true, None), None);
    }
}
