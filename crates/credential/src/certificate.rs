//! Whom a client certificate speaks for.

use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::pem::LENIENT;
use base64::Engine as _;

/// Subject of a certificate: what Kubernetes takes for user and groups.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Subject {
    /// The common name: the user. Empty when there is none.
    pub common_name: String,
    /// The organisations: the groups.
    pub organisations: Vec<String>,
    /// End of validity, in seconds since 1970.
    pub not_after: i64,
}

/// Longest certificate that is read.
const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;

/// Reads the first certificate of a PEM text, or of the base64 of one (`client-certificate-data`).
///
/// Nothing when there is none that can be read. Source: Kubernetes documentation, "Authenticating", X.509 client
/// certificates (common name is the user, organisation fields are the groups).
pub fn subject(text: &str) -> Option<Subject> {
    if text.len() > 2 * CERTIFICATE_BYTES_MAX {
        return None;
    }
    let pem = if text.contains("-----BEGIN CERTIFICATE-----") {
        text.to_owned()
    } else {
        let compact: String = text.chars().filter(|c| !c.is_whitespace() && *c != '=').collect();
        String::from_utf8(LENIENT.decode(compact).ok()?).ok()?
    };
    let (_, rest) = pem.split_once("-----BEGIN CERTIFICATE-----")?;
    let (body, _) = rest.split_once("-----END")?;
    let compact: String =
        body.replace("\\n", "").chars().filter(|c| !c.is_whitespace() && *c != '=').collect();
    let der = LENIENT.decode(compact).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let name = certificate.subject();
    Some(Subject {
        common_name: name.iter_common_name().find_map(|part| part.as_str().ok()).unwrap_or("").to_owned(),
        organisations: name
            .iter_organization()
            .filter_map(|part| part.as_str().ok())
            .map(str::to_owned)
            .collect(),
        not_after: certificate.validity().not_after.timestamp(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_user_and_groups() {
        let mut parameters = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "kubernetes-admin");
        parameters.distinguished_name.push(rcgen::DnType::OrganizationName, "system:masters");
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = parameters.self_signed(&key).unwrap().pem();
        let found = subject(&pem).unwrap();
        assert_eq!(found.organisations, ["system:masters"]);
        assert_eq!(subject(&base64::engine::general_purpose::STANDARD.encode(&pem)), Some(found));
        assert_eq!(subject("no certificate"), None);
    }
}
