use std::sync::{
    Arc, LazyLock, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        ResolvesClientCert, Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
    sign::CertifiedKey,
    version::{TLS12, TLS13},
};

use super::{CERTIFICATE_BYTES_MAX, CHAIN_LENGTH_MAX};

/// Writes down what a server shows in one handshake.
///
/// Filled by the configuration it was given to; one recorder belongs to one connection.
#[derive(Debug, Default)]
pub struct Recorder {
    chain: Mutex<Vec<Vec<u8>>>,
    asked_for_certificate: AtomicBool,
}

impl Recorder {
    /// An empty recorder.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// The certificates in DER as sent, leaf first; at most [`CHAIN_LENGTH_MAX`], each at most
    /// [`CERTIFICATE_BYTES_MAX`]. Empty when the handshake did not come so far.
    pub fn chain(&self) -> Vec<Vec<u8>> {
        self.lock().clone()
    }

    /// Whether the server asked for a client certificate.
    pub fn asked_for_certificate(&self) -> bool {
        self.asked_for_certificate.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        // The list is whole after every step, so a panic elsewhere does not spoil it.
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which application protocols are offered.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Alpn {
    /// The extension is not sent.
    None,
    /// `http/1.1` only.
    #[default]
    Http1,
    /// `http/1.1`, then `h2`.
    Http1ThenHttp2,
    /// `h2` only, for services that close on anything else.
    Http2,
}

/// The configuration could not be made; cannot happen with the provider this is built with.
#[derive(Debug, thiserror::Error)]
#[error("cannot configure TLS 1.2 and 1.3")]
pub struct ConfigError(#[from] rustls::Error);

/// A configuration for one connection that accepts any certificate and writes down what it sees: TLS 1.2
/// and 1.3, no resumption, no client certificate, server name only where a name was asked for (an address
/// is never sent as one).
///
/// # Errors
/// When the provider lacks a protocol version, which is a mistake of this build.
pub fn client_config(recorder: &Arc<Recorder>, alpn: Alpn) -> Result<ClientConfig, ConfigError> {
    let recording = Arc::new(Recording(Arc::clone(recorder)));
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::clone(&recording) as Arc<dyn ServerCertVerifier>)
        .with_client_cert_resolver(recording);
    // A resumed handshake shows no certificate.
    config.resumption = Resumption::disabled();
    let offered: &[&[u8]] = match alpn {
        Alpn::None => &[],
        Alpn::Http1 => &[b"http/1.1"],
        Alpn::Http1ThenHttp2 => &[b"http/1.1", b"h2"],
        Alpn::Http2 => &[b"h2"],
    };
    config.alpn_protocols = offered.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(config)
}

static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));

/// All that TLS 1.2 and 1.3 can sign with. More than can be checked, on purpose: no signature is, and a
/// server that finds none of its own in the list would not show its certificate.
const SCHEMES: [SignatureScheme; 13] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::ED448,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::ECDSA_SHA1_Legacy,
    SignatureScheme::RSA_PKCS1_SHA1,
];

#[derive(Debug)]
struct Recording(Arc<Recorder>);

impl ServerCertVerifier for Recording {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let sent = std::iter::once(end_entity).chain(intermediates).take(CHAIN_LENGTH_MAX);
        let bounded = sent.take_while(|der| der.len() <= CERTIFICATE_BYTES_MAX);
        *self.0.lock() = bounded.map(|der| der.to_vec()).collect();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        SCHEMES.to_vec()
    }
}

impl ResolvesClientCert for Recording {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _sigschemes: &[SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0.asked_for_certificate.store(true, Ordering::Release);
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
