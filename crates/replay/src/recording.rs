//! The file format of `recordings/`, read once and turned into what the server needs.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Deserialize;

use crate::request::{HttpRequest, Request};

/// Why a recording was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The text does not have the shape of a recording.
    #[error("invalid recording `{name}`, expected the form described in recordings/README.md")]
    Shape {
        /// Which recording, as the caller named it.
        name: String,
        /// What the JSON reader says, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// An exchange holds base64 that is none.
    #[error("recording `{name}`, exchange `{exchange}`: invalid base64")]
    Base64 {
        /// Which recording.
        name: String,
        /// Which exchange.
        exchange: String,
        /// What the decoder says.
        #[source]
        source: base64::DecodeError,
    },
    /// The recording has no exchange on the port asked for.
    #[error("recording `{name}` has no port {port}, it has {known:?}")]
    UnknownPort {
        /// Which recording.
        name: String,
        /// The port asked for.
        port: u16,
        /// The ports there are.
        known: Vec<u16>,
    },
}

/// One file of `recordings/`: a variant of a product, with the answers of each of its ports.
#[derive(Clone, Debug)]
pub struct Recording {
    /// The product, as its folder is named.
    pub product: String,
    /// The variant, as its file is named.
    pub variant: String,
    /// What ran, for people.
    pub version: String,
    /// The ports that were asked, in the order of the file; at least one.
    pub ports: Vec<RecordedPort>,
}

/// What one port of a recorded server says.
#[derive(Clone, Debug)]
pub struct RecordedPort {
    /// The port number it was recorded on.
    pub number: u16,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// What it does about client certificates; [`ClientCertificate::NotAsked`] without TLS.
    pub client_certificate: ClientCertificate,
    /// The protocol it chose in the handshake, where one was recorded.
    pub alpn: Option<String>,
    /// What it says unasked.
    pub(crate) greeting: Option<Answer>,
    /// What it answers, inside TLS where there is TLS; in the order of the file.
    pub(crate) exchanges: Vec<Exchange>,
    /// What it answers to bytes without TLS, where it wants TLS.
    pub(crate) plain_on_tls: Option<Answer>,
}

/// What a TLS port does about client certificates.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum ClientCertificate {
    /// It does not ask for one.
    #[default]
    NotAsked,
    /// It asks and goes on without.
    Asked,
    /// It ends the handshake without one.
    Required,
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    pub(crate) name: String,
    pub(crate) request: Request,
    pub(crate) answer: Answer,
}

/// Bytes that a server sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answer {
    /// As recorded.
    pub(crate) bytes: Vec<u8>,
    /// Whether the server closed the connection after them.
    pub(crate) closed: bool,
}

impl Recording {
    /// Reads the text of a recording; `name` is used in errors only.
    pub fn read(name: &str, text: &str) -> Result<Self, RecordingError> {
        let file: File = serde_json::from_str(text)
            .map_err(|source| RecordingError::Shape { name: name.to_owned(), source })?;
        let mut ports: Vec<RecordedPort> = Vec::new();
        for recorded in file.exchanges {
            let exchange = recorded.name.clone();
            let parts = recorded.decode().map_err(|source| RecordingError::Base64 {
                name: name.to_owned(),
                exchange,
                source,
            })?;
            let index = ports.iter().position(|port| port.number == recorded.port).unwrap_or(ports.len());
            if index == ports.len() {
                ports.push(RecordedPort::silent(recorded.port));
            }
            if let Some(port) = ports.get_mut(index) {
                port.learn(&recorded, &file.transport, parts);
            }
        }
        Ok(Self { product: file.product, variant: file.variant, version: file.version, ports })
    }

    /// The recorded port `number`, or the first one.
    pub fn port(&self, number: Option<u16>) -> Result<&RecordedPort, RecordingError> {
        let found = match number {
            None => self.ports.first(),
            Some(number) => self.ports.iter().find(|port| port.number == number),
        };
        found.ok_or_else(|| RecordingError::UnknownPort {
            name: format!("{}/{}", self.product, self.variant),
            port: number.unwrap_or_default(),
            known: self.ports.iter().map(|port| port.number).collect(),
        })
    }
}

impl RecordedPort {
    fn silent(number: u16) -> Self {
        Self {
            number,
            tls: false,
            client_certificate: ClientCertificate::NotAsked,
            alpn: None,
            greeting: None,
            exchanges: Vec::new(),
            plain_on_tls: None,
        }
    }

    fn learn(
        &mut self,
        recorded: &FileExchange,
        transport: &str,
        (request, answer): (Option<Vec<u8>>, Answer),
    ) {
        let plain_on_tls = recorded.name.contains("plain HTTP to the TLS port");
        let encrypted = recorded.tls.is_some() || (transport == "https" && recorded.error.is_some());
        self.tls |= encrypted && !plain_on_tls;
        if recorded.alpn.is_some() {
            self.alpn.clone_from(&recorded.alpn);
        }
        if plain_on_tls {
            self.plain_on_tls = Some(answer);
            return;
        }
        if recorded.name.contains("(with ") && recorded.name.contains("client certificate") {
            // A house never sees a certificate that it would accept, so these answers are out of reach.
            self.client_certificate = self.client_certificate.at_least(ClientCertificate::Asked);
            return;
        }
        if encrypted && recorded.error.is_some() {
            self.client_certificate = ClientCertificate::Required;
            return;
        }
        let Some(request) = request else { return };
        if request.is_empty() {
            self.greeting = Some(answer).filter(|greeting| !greeting.bytes.is_empty());
            return;
        }
        self.exchanges.push(Exchange { name: recorded.name.clone(), request: Request::of(request), answer });
    }

    /// The exchanges that are HTTP requests, with their requests.
    pub(crate) fn http(&self) -> impl Iterator<Item = (&HttpRequest, &Exchange)> {
        self.exchanges.iter().filter_map(|exchange| match &exchange.request {
            Request::Http(request) => Some((request, exchange)),
            Request::Bytes(_) => None,
        })
    }
}

impl ClientCertificate {
    fn at_least(self, other: Self) -> Self {
        if self == Self::NotAsked { other } else { self }
    }
}

#[derive(Deserialize)]
struct File {
    product: String,
    variant: String,
    version: String,
    transport: String,
    exchanges: Vec<FileExchange>,
}

#[derive(Deserialize)]
struct FileExchange {
    name: String,
    #[serde(default)]
    port: u16,
    request: FileRequest,
    #[serde(default)]
    response: FileBytes,
    #[serde(default)]
    closed: Option<bool>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    tls: Option<String>,
    #[serde(default)]
    alpn: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum FileRequest {
    One(FileBytes),
    Sequence(Vec<FileBytes>),
}

#[derive(Default, Deserialize)]
struct FileBytes {
    #[serde(default)]
    text: String,
    #[serde(default)]
    base64: Option<String>,
}

impl FileExchange {
    /// The request (absent for a sequence of several, which the server does not replay) and the answer.
    fn decode(&self) -> Result<(Option<Vec<u8>>, Answer), base64::DecodeError> {
        let request = match &self.request {
            FileRequest::One(bytes) => Some(bytes.decode()?),
            FileRequest::Sequence(parts) => match parts.as_slice() {
                [only] => Some(only.decode()?),
                _ => None,
            },
        };
        // A connection that was cut by an error ended, whatever the flag says.
        let closed = self.closed.unwrap_or(false) || self.error.is_some();
        Ok((request, Answer { bytes: self.response.decode()?, closed }))
    }
}

impl FileBytes {
    fn decode(&self) -> Result<Vec<u8>, base64::DecodeError> {
        self.base64
            .as_ref()
            .map_or_else(|| Ok(self.text.as_bytes().to_vec()), |text| BASE64_STANDARD.decode(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn every_recording() -> Vec<(String, Recording)> {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../recordings");
        let mut found = Vec::new();
        for product in std::fs::read_dir(root).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
            for variant in std::fs::read_dir(product.path()).unwrap().flatten() {
                let name = variant.path().strip_prefix(root).unwrap().display().to_string();
                let text = std::fs::read_to_string(variant.path()).unwrap();
                found.push((name.clone(), Recording::read(&name, &text).unwrap()));
            }
        }
        found
    }

    #[test]
    fn every_recording_is_readable_and_says_something() {
        let recordings = every_recording();
        assert!(recordings.len() > 100, "only {} recordings found", recordings.len());
        for (name, recording) in recordings {
            assert!(!recording.ports.is_empty(), "{name} has no port");
            assert!(name.starts_with(&recording.product), "{name} names product {}", recording.product);
            let speaks = recording.ports.iter().any(|port| {
                port.greeting.is_some()
                    || !port.exchanges.is_empty()
                    || port.client_certificate == ClientCertificate::Required
            });
            assert!(speaks, "{name} never says anything");
        }
    }

    #[test]
    fn a_port_that_wants_a_certificate_is_told_from_one_that_only_asks() {
        let of = |wanted: &str| {
            let (_, recording) = every_recording().into_iter().find(|(name, _)| name == wanted).unwrap();
            recording.ports.first().unwrap().client_certificate
        };
        assert_eq!(of("docker/tlsverify.json"), ClientCertificate::Required);
        assert_eq!(of("etcd/mtls.json"), ClientCertificate::Required);
        assert_eq!(of("nginx/mtls.json"), ClientCertificate::Asked);
        assert_eq!(of("kubelet-1.20/x509-only.json"), ClientCertificate::Asked);
        assert_eq!(of("docker/tls-without-verify.json"), ClientCertificate::NotAsked);
    }

    #[test]
    fn mistakes_name_the_recording() {
        let shape = Recording::read("lab/x.json", "{").unwrap_err();
        assert!(shape.to_string().contains("lab/x.json"), "{shape}");
        let text = r#"{"product":"a","variant":"b","version":"c","transport":"tcp",
            "exchanges":[{"name":"n","request":{"text":""},"response":{"base64":"*"}}]}"#;
        let base64 = Recording::read("lab/y.json", text).unwrap_err();
        assert!(base64.to_string().contains("exchange `n`"), "{base64}");
    }
}
