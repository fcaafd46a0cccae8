use std::{fs::File, io, io::Read, path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use crate::SettingsError;

/// Longest file of certificates, in bytes.
const CA_BYTES_MAX: u64 = 1 << 20;

/// How a client trusts: the roots of the system, and those of a file.
///
/// # Errors
/// When the file cannot be read or holds no certificate. A system without roots is no error here: a receiver whose
/// certificate cannot be verified is, when it is asked.
pub(crate) fn client_config(
    setting: &'static str,
    ca_file: Option<&Path>,
) -> Result<ClientConfig, SettingsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        for certificate in certificates(setting, path)? {
            let wrong =
                |e| SettingsError::Value { setting, why: format!("holds an unusable certificate: {e}") };
            roots.add(certificate).map_err(wrong)?;
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| SettingsError::Value { setting, why: format!("cannot be used: {e}") })?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// The certificates of a PEM file, at least one.
///
/// # Errors
/// When the file cannot be read, is longer than 1 MiB, or holds none.
pub(crate) fn certificates(
    setting: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, SettingsError> {
    let mut pem = Vec::new();
    let read = File::open(path).and_then(|file| file.take(CA_BYTES_MAX + 1).read_to_end(&mut pem));
    let read = read.and_then(|bytes| match bytes as u64 > CA_BYTES_MAX {
        true => Err(io::Error::other("longer than 1 MiB")),
        false => Ok(()),
    });
    read.map_err(|source| SettingsError::File { setting, path: path.display().to_string(), source })?;
    let wrong = |why| SettingsError::Value { setting, why };
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|e| wrong(format!("names a file that is no PEM: {e}")))?;
    if certificates.is_empty() {
        return Err(wrong("names a file without a certificate".to_owned()));
    }
    Ok(certificates)
}
