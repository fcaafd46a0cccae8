//! A client of the real API server: one kept connection, JSON in and out.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde_json::Value;

use super::authority::Identity;

/// How long one answer may take; the machine may be slow and busy.
const ANSWER_MAX: Duration = Duration::from_secs(60);
const ANSWER_BYTES_MAX: u64 = 256 << 20;

/// Who asks.
#[derive(Clone, Debug)]
pub enum Login {
    /// Nobody in particular.
    Anonymous,
    /// By certificate.
    Certificate(Identity),
    /// By bearer token.
    Token(String),
}

/// An API server and a login at it.
#[derive(Clone, Debug)]
pub struct Api {
    address: SocketAddr,
    tls: Arc<ClientConfig>,
    /// Lines of the head that every request carries.
    head: String,
}

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// The body; null when it is no JSON.
    pub json: Value,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// The body of an answer that must be a success; panics otherwise.
    pub fn done(self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.text);
        self.json
    }
}

impl Api {
    /// A client that trusts `authority` alone.
    pub fn new(address: SocketAddr, authority: &str, login: &Login) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let (tls, head) = match login {
            Login::Anonymous => (builder.with_no_client_auth(), String::new()),
            Login::Token(token) => {
                (builder.with_no_client_auth(), format!("Authorization: Bearer {token}\r\n"))
            }
            Login::Certificate(identity) => {
                let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
                (builder.with_client_auth_cert(chain, key).unwrap(), String::new())
            }
        };
        Self { address, tls: Arc::new(tls), head }
    }

    /// Speaks for `user` in `groups`; the login must have the right to impersonate.
    #[must_use]
    pub fn impersonating(&self, user: &str, groups: &[String]) -> Self {
        let mut api = self.clone();
        api.head.push_str(&format!("Impersonate-User: {user}\r\n"));
        for group in groups {
            api.head.push_str(&format!("Impersonate-Group: {group}\r\n"));
        }
        api
    }

    /// A connection that is kept.
    pub fn connect(&self) -> io::Result<Session> {
        let stream = TcpStream::connect_timeout(&self.address, ANSWER_MAX)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from("kubernetes").map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(&self.tls), name).map_err(io::Error::other)?;
        let stream = BufReader::new(StreamOwned::new(session, stream));
        Ok(Session { stream, head: self.head.clone(), host: self.address })
    }

    /// Asks over a connection of its own.
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        self.connect()?.ask(method, path, body)
    }

    /// `GET path`; panics when no answer comes.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).unwrap_or_else(|e| panic!("GET {path}: {e}"))
    }

    /// `POST path`; panics when no answer comes.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, Some(body)).unwrap_or_else(|e| panic!("POST {path}: {e}"))
    }
}

/// A kept connection.
#[derive(Debug)]
pub struct Session {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
    head: String,
    host: SocketAddr,
}

impl Session {
    /// One question, one answer.
    pub fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Answer> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        self.send(method, path, kind, &body)
    }

    /// As [`Self::ask`], with a body of any media type.
    pub fn send(&mut self, method: &str, path: &str, kind: &str, body: &str) -> io::Result<Answer> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\nContent-Type: {kind}\r\n\
             Content-Length: {}\r\n{}\r\n{body}",
            self.host,
            body.len(),
            self.head,
        );
        let stream = self.stream.get_mut();
        stream.write_all(request.as_bytes())?;
        stream.flush()?;
        self.answer()
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let first = self.line()?;
        let status = first.get(9..12).and_then(|digits| digits.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("not HTTP: {first:?}")))?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let line = self.line()?.to_ascii_lowercase();
            match line.split_once(':') {
                None => break,
                Some(("content-length", value)) => length = value.trim().parse().map_err(io::Error::other)?,
                Some(("transfer-encoding", value)) => chunked = value.trim() == "chunked",
                Some(_) => {}
            }
        }
        let mut body = Vec::new();
        if chunked {
            while self.chunk(&mut body)? {}
        } else {
            self.exactly(length, &mut body)?;
        }
        let text = String::from_utf8_lossy(&body).into_owned();
        Ok(Answer { status, json: serde_json::from_str(&text).unwrap_or_default(), text })
    }

    fn chunk(&mut self, body: &mut Vec<u8>) -> io::Result<bool> {
        let line = self.line()?;
        let length =
            u64::from_str_radix(line.split(';').next().unwrap_or_default(), 16).map_err(io::Error::other)?;
        self.exactly(length, body)?;
        self.line()?;
        Ok(length > 0)
    }

    fn exactly(&mut self, length: u64, body: &mut Vec<u8>) -> io::Result<()> {
        if length > ANSWER_BYTES_MAX {
            return Err(io::Error::other(format!("an answer of {length} bytes")));
        }
        let read = self.stream.by_ref().take(length).read_to_end(body)?;
        if read as u64 == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        if self.stream.by_ref().take(1 << 16).read_line(&mut line)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim_end().to_owned())
    }
}
