//! A small client to look at a server with our own eyes before the scanner does.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime},
};

const READ_MAX: Duration = Duration::from_secs(3);
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// What a server answers to `bytes` until it closes, pauses for three seconds, or `enough` holds.
pub fn ask(address: SocketAddr, bytes: &[u8], enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, READ_MAX)?;
    stream.set_read_timeout(Some(READ_MAX))?;
    stream.write_all(bytes)?;
    read_until(&mut stream, enough)
}

/// As [`ask`], within TLS and without a client certificate; whose certificate it is does not matter.
pub fn ask_tls(address: SocketAddr, bytes: &[u8], enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let stream = TcpStream::connect_timeout(&address, READ_MAX)?;
    stream.set_read_timeout(Some(READ_MAX))?;
    let mut stream = StreamOwned::new(session, stream);
    stream.write_all(bytes)?;
    read_until(&mut stream, enough)
}

fn read_until(stream: &mut impl Read, enough: impl Fn(&[u8]) -> bool) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut chunk = [0; 8192];
    let mut stream = stream.take(ANSWER_BYTES_MAX);
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return Ok(answer),
            Ok(length) => answer.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(answer),
            Err(_) if !answer.is_empty() => return Ok(answer),
            Err(error) => return Err(error),
        }
        if enough(&answer) {
            return Ok(answer);
        }
    }
}

/// An HTTP response as text.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Everything, head and body.
    pub text: String,
}

/// How to reach an HTTP server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// Without TLS.
    Http,
    /// Within TLS.
    Https,
}

/// Asks `GET path`, with `Connection: close`.
pub fn get(scheme: Scheme, address: SocketAddr, path: &str) -> io::Result<Response> {
    request(scheme, address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"))
}

/// Asks `POST path` with a JSON body.
pub fn post(scheme: Scheme, address: SocketAddr, path: &str, json: &str) -> io::Result<Response> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json"
    );
    request(scheme, address, &format!("{head}\r\nContent-Length: {}\r\n\r\n{json}", json.len()))
}

fn request(scheme: Scheme, address: SocketAddr, text: &str) -> io::Result<Response> {
    let answer = match scheme {
        Scheme::Http => ask(address, text.as_bytes(), |_| false)?,
        Scheme::Https => ask_tls(address, text.as_bytes(), |_| false)?,
    };
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.get(9..12).and_then(|digits| digits.parse().ok());
    status
        .map(|status| Response { status, text: text.clone() })
        .ok_or_else(|| io::Error::other(format!("not HTTP: {text:?}")))
}

/// Believes every certificate: the tests look at servers, not at whom they belong to.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            cert,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            cert,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
