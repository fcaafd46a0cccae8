//! The cluster's certificate authority: the server's certificate, and certificates for users.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

use crate::server::Home;

/// The names of the cluster's own service, as every installer writes them into the API server's certificate.
const SERVICE_NAMES: [&str; 5] = [
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
];

/// An authority and what it signed; the files are in the directory given to [`Authority::new`].
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, in PEM.
    pub pem: String,
    /// Its certificate's file.
    pub file: PathBuf,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The key.
    pub key: String,
}

impl Authority {
    /// A new one, called as kubeadm calls it.
    pub fn new(home: &Home) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "kubernetes");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), file: home.write("ca.pem", &pem), pem }
    }

    /// Writes certificate and key of a server; returns their paths. `name` is the subject and the file's name.
    pub fn server(&self, home: &Home, name: &str) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(SERVICE_NAMES.map(str::to_owned)).unwrap();
        for address in ["127.0.0.1", "10.96.0.1"] {
            params.subject_alt_names.push(SanType::IpAddress(address.parse().unwrap()));
        }
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let identity = self.sign(&params);
        (
            home.write(&format!("{name}.pem"), &identity.certificate),
            home.write(&format!("{name}-key.pem"), &identity.key),
        )
    }

    /// A certificate by which the API server knows `user` in `groups`.
    pub fn user(&self, user: &str, groups: &[&str]) -> Identity {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, user);
        for group in groups {
            params.distinguished_name.push(DnType::OrganizationName, *group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

/// Writes a key pair for the tokens of service accounts; returns the private and the public file.
pub(super) fn token_keys(home: &Home) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    (
        home.write("service-accounts-key.pem", &key.serialize_pem()),
        home.write("service-accounts.pem", &key.public_key_pem()),
    )
}

/// Whether a file is there; for messages.
pub(super) fn path_text(path: &Path) -> String {
    path.display().to_string()
}
