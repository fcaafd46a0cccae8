//! The TLS side of a house: a certificate made when the street opens.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use tokio_rustls::TlsAcceptor;

use crate::{ClientCertificate, RecordedPort};

/// Why a house could not get its certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("certificate not made")]
    Made(#[from] rcgen::Error),
    #[error("TLS settings refused")]
    Tls(#[from] rustls::Error),
    #[error("client certificate check refused")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// An acceptor for `port`, with a fresh self-signed certificate: the first of `names` is its common name, all are alternative names.
pub(crate) fn acceptor(port: &RecordedPort, names: &[String]) -> Result<TlsAcceptor, CertificateError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name.push(DnType::CommonName, names.first().map_or("localhost", String::as_str));
    let certificate: CertificateDer<'static> = params.self_signed(&key)?.into();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));

    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let builder = match port.client_certificate {
        ClientCertificate::NotAsked => builder.with_no_client_auth(),
        wanted => {
            let verifier = WebPkiClientVerifier::builder_with_provider(
                Arc::new(authority()?),
                Arc::new(ring::default_provider()),
            );
            let verifier =
                if wanted == ClientCertificate::Asked { verifier.allow_unauthenticated() } else { verifier };
            builder.with_client_cert_verifier(verifier.build()?)
        }
    };
    let mut config = builder.with_single_cert(vec![certificate], key)?;
    config.alpn_protocols = vec![port.alpn.clone().unwrap_or_else(|| "http/1.1".to_owned()).into_bytes()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// An authority whose key is thrown away at once: nobody has a certificate that it signed.
fn authority() -> Result<RootCertStore, CertificateError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "nobody");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let mut roots = RootCertStore::empty();
    roots.add(params.self_signed(&key)?.into())?;
    Ok(roots)
}
