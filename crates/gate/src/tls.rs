//! The server's certificate: read, checked, and read again when it changes.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use jiff::Timestamp;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use x509_parser::{extensions::GeneralName, prelude::FromDer};

use crate::GateError;

/// Largest PEM file that is read.
const PEM_BYTES_MAX: u64 = 1 << 20;

/// A certificate that can be used.
#[derive(Debug)]
pub(crate) struct Loaded {
    key: Arc<CertifiedKey>,
    /// Host names it is for, lower case.
    pub(crate) names: Vec<String>,
    /// When it ends.
    pub(crate) ends: Timestamp,
}

/// Reads a certificate and its key.
pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Loaded, GateError> {
    let pem = read("tls_certificate", certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong("tls_certificate", certificate, format!("is not PEM ({error})")))?;
    let Some(own) = chain.first() else {
        return Err(wrong("tls_certificate", certificate, "holds no certificate in PEM form"));
    };
    let (names, begins, ends) = describe(own).ok_or_else(|| {
        wrong("tls_certificate", certificate, "holds something that is no X.509 certificate")
    })?;
    let now = Timestamp::now();
    if now >= ends {
        return Err(wrong("tls_certificate", certificate, format!("expired on {ends}; put a new one there")));
    }
    if now < begins {
        let problem = format!("is valid from {begins} only; is the clock of this machine right?");
        return Err(wrong("tls_certificate", certificate, problem));
    }
    let pem = read("tls_key", key)?;
    let private = PrivateKeyDer::from_pem_slice(&pem).map_err(|_| {
        wrong("tls_key", key, "holds no private key in PEM form (an encrypted one cannot be used)")
    })?;
    let signing = ring::sign::any_supported_type(&private).map_err(|_| {
        wrong("tls_key", key, "holds a key of a kind that cannot be used; take RSA, ECDSA or Ed25519")
    })?;
    let certified = CertifiedKey::new(chain, signing);
    if certified.keys_match().is_err() {
        let problem = format!("is not the key of the certificate `{}`", certificate.display());
        return Err(wrong("tls_key", key, problem));
    }
    Ok(Loaded { key: Arc::new(certified), names, ends })
}

fn read(setting: &'static str, path: &Path) -> Result<Vec<u8>, GateError> {
    let failed = |source| GateError::File { setting, path: path.to_owned(), source };
    let length = fs::metadata(path).map_err(failed)?.len();
    if length > PEM_BYTES_MAX {
        let source =
            io::Error::other(format!("it has {length} bytes, a certificate or key has less than 1 MiB"));
        return Err(failed(source));
    }
    fs::read(path).map_err(failed)
}

fn wrong(setting: &'static str, path: &Path, problem: impl AsRef<str>) -> GateError {
    GateError::setting(setting, format!("`{}` {}", path.display(), problem.as_ref()))
}

/// Names and validity of a certificate.
fn describe(der: &CertificateDer<'_>) -> Option<(Vec<String>, Timestamp, Timestamp)> {
    let (_, parsed) = x509_parser::certificate::X509Certificate::from_der(der).ok()?;
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.map(|extension| extension.value.general_names.as_slice()).unwrap_or_default();
    let dns = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.trim_end_matches('.').to_ascii_lowercase()),
        _ => None,
    });
    let validity = parsed.validity();
    let begins = Timestamp::from_second(validity.not_before.timestamp()).ok()?;
    let ends = Timestamp::from_second(validity.not_after.timestamp()).ok()?;
    Some((dns.collect(), begins, ends))
}

/// The certificate in use, which can be exchanged while the server runs.
#[derive(Debug)]
pub(crate) struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<Loaded>>,
    seen: RwLock<[Option<SystemTime>; 2]>,
}

impl Certificate {
    pub(crate) fn open(certificate: &Path, key: &Path) -> Result<Arc<Self>, GateError> {
        let seen = [modified(certificate), modified(key)];
        let current = RwLock::new(Arc::new(load(certificate, key)?));
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        Ok(Arc::new(Self { certificate, key, current, seen: RwLock::new(seen) }))
    }

    pub(crate) fn current(&self) -> Arc<Loaded> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the files again. The certificate in use stays when the new one is no good.
    pub(crate) fn reload(&self) -> Result<(), GateError> {
        *self.seen.write().unwrap_or_else(PoisonError::into_inner) = self.modified();
        let loaded = Arc::new(load(&self.certificate, &self.key)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// Whether a file was written since it was read.
    pub(crate) fn has_changed(&self) -> bool {
        *self.seen.read().unwrap_or_else(PoisonError::into_inner) != self.modified()
    }

    fn modified(&self) -> [Option<SystemTime>; 2] {
        [modified(&self.certificate), modified(&self.key)]
    }

    pub(crate) fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, GateError> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| GateError::setting("tls_certificate", error.to_string()))?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::new(Resolver(self.clone())));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

#[derive(Debug)]
struct Resolver(Arc<Certificate>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.current().key.clone())
    }
}
