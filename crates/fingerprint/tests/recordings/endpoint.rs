//! Recordings as endpoints that can be asked: what was recorded for a path is the answer; another path gets what the
//! server said to an unknown one.

use std::{collections::BTreeMap, fmt, fs, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use nightlatch_asset::{Answer, BodyEnd, ClientCertificate, Failure, HttpAnswer, Text, Tls};
use nightlatch_fingerprint::{Question, QuestionId, QuestionKind};
use serde_json::Value;

const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings");

/// One recorded server on one port.
pub(crate) struct Endpoint {
    pub(crate) product: String,
    variant: String,
    pub(crate) port: u16,
    pub(crate) tls: bool,
    /// By method and path.
    answers: BTreeMap<String, Answer>,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "tls" } else { "plain" };
        write!(f, "{}/{} {scheme}:{}", self.product, self.variant, self.port)
    }
}

/// Exchanges that another caller made: with a credential, with a foreign Host, over the other scheme.
const OTHER_CALLERS: &[&str] = &[
    "with client certificate",
    "with a client certificate",
    "with a system:masters",
    "bearer token",
    "rebind",
    "plain HTTP to the TLS port",
    "login attempt",
];

/// Every recorded endpoint that was asked over HTTP.
pub(crate) fn all() -> Vec<Endpoint> {
    let mut files = Vec::new();
    for folder in
        fs::read_dir(RECORDINGS).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir())
    {
        files.extend(fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    }
    files.sort();
    files
        .iter()
        .filter(|path| path.extension().is_some_and(|e| e == "json"))
        .flat_map(|path| endpoints(path))
        .collect()
}

fn endpoints(path: &Path) -> Vec<Endpoint> {
    let recording: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let name = |key: &str| recording[key].as_str().unwrap_or_default().to_owned();
    let product = path.parent().and_then(Path::file_name).unwrap().to_string_lossy().into_owned();
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for exchange in recording["exchanges"].as_array().unwrap() {
        let title = exchange["name"].as_str().unwrap_or_default();
        let Some(asked) = request_line(exchange) else { continue };
        if OTHER_CALLERS.iter().any(|words| title.contains(words)) {
            continue;
        }
        let port = exchange["port"].as_u64().unwrap_or_default() as u16;
        let tls = exchange.get("tls").is_some()
            || (exchange.get("error").is_some() && name("transport") == "https");
        let known = endpoints.iter().position(|endpoint| endpoint.port == port && endpoint.tls == tls);
        let at = known.unwrap_or_else(|| {
            let answers = BTreeMap::new();
            endpoints.push(Endpoint {
                product: product.clone(),
                variant: name("variant"),
                port,
                tls,
                answers,
            });
            endpoints.len() - 1
        });
        endpoints[at].answers.insert(asked, answer(exchange));
    }
    endpoints
}

/// `GET /version`; none when the request was no HTTP.
fn request_line(exchange: &Value) -> Option<String> {
    let text = exchange["request"]["text"].as_str()?;
    let mut words = text.lines().next()?.split(' ');
    let (method, path, version) = (words.next()?, words.next()?, words.next()?);
    (version.starts_with("HTTP/1") && path.starts_with('/')).then(|| format!("{method} {path}"))
}

fn answer(exchange: &Value) -> Answer {
    if exchange["error"].as_str().is_some_and(|error| error.contains("CERTIFICATE") || error.contains("EOF"))
    {
        return Answer::Failed(Failure::ClientCertificate);
    }
    let response = &exchange["response"];
    let bytes = match (response["text"].as_str(), response["base64"].as_str()) {
        (Some(text), _) => text.as_bytes().to_vec(),
        (_, Some(text)) => STANDARD.decode(text).unwrap(),
        _ => Vec::new(),
    };
    if bytes.is_empty() {
        return Answer::Failed(Failure::Closed);
    }
    let end = if exchange.get("truncated_to").is_some() { BodyEnd::Capped } else { BodyEnd::Complete };
    match nightlatch_fingerprint::examples::response(&bytes, end) {
        Some(http) => Answer::Http(http),
        None => Answer::Failed(Failure::Foreign(bytes)),
    }
}

impl Endpoint {
    /// The recorded answer; for lists and counts that of the plain list, whose status and kind are the same.
    pub(crate) fn answer(&self, question: &Question) -> Answer {
        let QuestionKind::Http { method, path, .. } = &question.kind else {
            return Answer::Failed(Failure::Closed);
        };
        if question.id == QuestionId::CANARY {
            return self.unknown_path();
        }
        let route = path.split('?').next().unwrap_or_default();
        let keys = [format!("{} {path}", method.as_str()), format!("{} {route}", method.as_str())];
        let longer = || {
            let begins = format!("{}?", keys[1]);
            self.answers.iter().find(|(asked, _)| asked.starts_with(&begins)).map(|(_, answer)| answer)
        };
        let found = keys.iter().find_map(|key| self.answers.get(key)).or_else(longer);
        found.cloned().unwrap_or_else(|| self.unknown_path())
    }

    /// What the server said to a path that does not exist, or a plain 404; the failure, where nothing else came.
    fn unknown_path(&self) -> Answer {
        let unknown = ["/absent", "/x", "/nonexistent", "/lab-absent"];
        let said = unknown.iter().find_map(|path| self.answers.get(&format!("GET {path}")));
        if let Some(answer) = said {
            return answer.clone();
        }
        if let Some(alike) = self.alike() {
            return alike;
        }
        Answer::Http(HttpAnswer { status: 404, minor_version: 1, ..HttpAnswer::default() })
    }

    /// A server that refused everything alike, or failed alike, does so with unknown paths as well.
    fn alike(&self) -> Option<Answer> {
        let kind = |answer: &Answer| match answer {
            Answer::Http(http) if matches!(http.status, 401 | 403) => Some(http.status),
            Answer::Failed(_) => Some(0),
            _ => None,
        };
        let first = self.answers.values().next()?;
        let same = kind(first).is_some() && self.answers.values().all(|answer| kind(answer) == kind(first));
        same.then(|| first.clone())
    }

    pub(crate) fn tls_facts(&self) -> Option<Tls> {
        let refused =
            self.answers.values().all(|answer| *answer == Answer::Failed(Failure::ClientCertificate));
        let client_certificate =
            if refused { ClientCertificate::Required } else { ClientCertificate::default() };
        self.tls.then(|| Tls { version: Text::from("TLSv1.3"), client_certificate, ..Tls::default() })
    }
}
