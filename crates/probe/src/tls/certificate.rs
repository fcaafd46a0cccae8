use std::{fmt::Write, net::IpAddr};

use nightlatch_asset::{Certificate, Timestamp};
use nightlatch_untrusted::Text;
use sha1::Digest as _;
use x509_parser::{
    der_parser::{asn1_rs::Oid, ber::Tag},
    extensions::GeneralName,
    objects::{oid_registry, oid2abbrev, oid2sn},
    prelude::{FromDer, X509Certificate, X509Name},
    public_key::PublicKey,
    x509::{AttributeTypeAndValue, SubjectPublicKeyInfo},
};

/// Most certificates of a chain that are kept.
pub const CHAIN_LENGTH_MAX: usize = 10;

/// Largest certificate that is read, in bytes of DER.
pub const CERTIFICATE_BYTES_MAX: usize = 64 * 1024;

/// Most subject alternative names that are kept.
pub const SANS_MAX: usize = 200;

/// Longest distinguished name that is kept, in bytes.
pub const NAME_BYTES_MAX: usize = 1024;

/// Longest value within a name, and longest alternative name, in bytes; a DNS name has at most 253.
const VALUE_BYTES_MAX: usize = 256;

/// Longest serial number that is kept, in bytes. RFC 5280, section 4.1.2.2, allows 20.
const SERIAL_BYTES_MAX: usize = 64;

/// Why a certificate is not told apart into fields.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// Larger than [`CERTIFICATE_BYTES_MAX`].
    #[error("certificate of {bytes} bytes; at most {CERTIFICATE_BYTES_MAX} are read")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// Not a certificate in DER.
    #[error("not an X.509 certificate in DER")]
    Malformed,
}

/// Reads the fields of one certificate. Nothing is verified.
///
/// # Errors
/// When it is too large or no certificate.
pub fn certificate(der: &[u8]) -> Result<Certificate, CertificateError> {
    if der.len() > CERTIFICATE_BYTES_MAX {
        return Err(CertificateError::TooLarge { bytes: der.len() });
    }
    let (_, parsed) = X509Certificate::from_der(der).map_err(|_| CertificateError::Malformed)?;
    let (key_type, key_bits) = key(parsed.public_key());
    let subject = name(parsed.subject());
    let issuer = name(parsed.issuer());
    Ok(Certificate {
        // The bytes decide, not our lossy text of them.
        self_signed: parsed.subject().as_raw() == parsed.issuer().as_raw(),
        subject: Text::new(subject),
        subject_cn: common_name(parsed.subject()),
        issuer: Text::new(issuer),
        issuer_cn: common_name(parsed.issuer()),
        sans: alternative_names(&parsed),
        serial: Text::new(serial(parsed.raw_serial())),
        not_before: timestamp(parsed.validity().not_before.timestamp()),
        not_after: timestamp(parsed.validity().not_after.timestamp()),
        signature_algorithm: Text::new(algorithm(&parsed.signature_algorithm.algorithm)),
        key_type: Text::new(key_type),
        key_bits,
        sha256: Text::new(hex(&sha2::Sha256::digest(der))),
        sha1: Text::new(hex(&sha1::Sha1::digest(der))),
    })
}

/// Reads a chain, leaf first, as far as its certificates can be read and at most [`CHAIN_LENGTH_MAX`].
pub fn chain(ders: &[Vec<u8>]) -> Vec<Certificate> {
    // What follows an unreadable certificate is left out: the first of a chain must be the leaf.
    ders.iter().take(CHAIN_LENGTH_MAX).map_while(|der| certificate(der).ok()).collect()
}

/// `O=k3s, CN=k3s`: in the order of the certificate, separators inside values escaped.
fn name(name: &X509Name<'_>) -> String {
    let mut out = String::new();
    for (nth, relative) in name.iter_rdn().enumerate() {
        for (mth, attribute) in relative.iter().enumerate() {
            let separator = if mth > 0 {
                " + "
            } else if nth > 0 {
                ", "
            } else {
                ""
            };
            let key = oid2abbrev(attribute.attr_type(), oid_registry())
                .map_or_else(|_| attribute.attr_type().to_id_string(), str::to_owned);
            let part = format!("{separator}{key}={}", escaped(&value(attribute)));
            if out.len() + part.len() > NAME_BYTES_MAX {
                return out;
            }
            out.push_str(&part);
        }
    }
    out
}

/// Escapes what would let a value pass for another attribute. Source: RFC 4514, section 2.4, without the
/// characters that matter only to its parsers.
fn escaped(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        if matches!(c, ',' | '+' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn common_name(name: &X509Name<'_>) -> Option<Text> {
    name.iter_common_name().next().map(value).filter(|cn| !cn.is_empty()).map(Text::new)
}

/// The value of an attribute as text, whatever string type it has.
fn value(attribute: &AttributeTypeAndValue<'_>) -> String {
    let any = attribute.attr_value();
    if any.tag() == Tag::BmpString {
        let units = any.data.chunks_exact(2).take(VALUE_BYTES_MAX).map(|pair| match pair {
            [high, low] => u16::from_be_bytes([*high, *low]),
            _ => 0xFFFD,
        });
        return char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    }
    Text::from_bytes(any.data, VALUE_BYTES_MAX).raw().to_owned()
}

fn alternative_names(parsed: &X509Certificate<'_>) -> Vec<Text> {
    let Ok(Some(extension)) = parsed.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(Text::from_bytes(name.as_bytes(), VALUE_BYTES_MAX)),
        GeneralName::IPAddress(bytes) => address(bytes).map(|ip| Text::new(ip.to_string())),
        // A DNS name that is no UTF-8: context-specific tag 2.
        GeneralName::Invalid(Tag(2), bytes) => Some(Text::from_bytes(bytes, VALUE_BYTES_MAX)),
        _ => None,
    });
    names.take(SANS_MAX).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

fn serial(raw: &[u8]) -> String {
    let zeros = raw.iter().take_while(|byte| **byte == 0).count();
    let significant = &raw[zeros..];
    let digits = hex(&significant[..significant.len().min(SERIAL_BYTES_MAX)]).to_ascii_uppercase();
    match digits.strip_prefix('0') {
        Some(rest) => rest.to_owned(),
        None if digits.is_empty() => "0".to_owned(),
        None => digits,
    }
}

/// A time of validity; beyond what can be told, the nearest that can.
fn timestamp(seconds: i64) -> Timestamp {
    let nearest = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(seconds).unwrap_or(nearest)
}

fn algorithm(oid: &Oid<'_>) -> String {
    oid2sn(oid, oid_registry()).map_or_else(|_| oid.to_id_string(), str::to_owned)
}

/// Type and size in bits of a public key.
fn key(info: &SubjectPublicKeyInfo<'_>) -> (String, u32) {
    let oid = info.algorithm.algorithm.to_id_string();
    let bits = |bits: usize| u32::try_from(bits).unwrap_or(0);
    match (info.parsed(), oid.as_str()) {
        (Ok(PublicKey::RSA(rsa)), _) => ("rsa".to_owned(), bits(rsa.key_size())),
        (Ok(PublicKey::EC(point)), _) => {
            let curve = info.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
            let known = curve.and_then(|curve| curve_bits(&curve.to_id_string()));
            ("ec".to_owned(), known.unwrap_or_else(|| bits(point.key_size())))
        }
        (Ok(PublicKey::DSA(y)), _) => ("dsa".to_owned(), bits(y.len().saturating_mul(8))),
        (_, "1.3.101.112") => ("ed25519".to_owned(), 256),
        (_, "1.3.101.113") => ("ed448".to_owned(), 456),
        (_, "1.2.840.113549.1.1.1") => ("rsa".to_owned(), 0),
        (_, "1.2.840.10045.2.1") => ("ec".to_owned(), 0),
        (_, "1.2.840.10040.4.1") => ("dsa".to_owned(), 0),
        _ => (oid, 0),
    }
}

/// Source: SEC 2, version 2, for the curves; the size is that of the field.
fn curve_bits(oid: &str) -> Option<u32> {
    Some(match oid {
        "1.2.840.10045.3.1.1" => 192,
        "1.3.132.0.33" => 224,
        "1.2.840.10045.3.1.7" | "1.3.132.0.10" => 256,
        "1.3.132.0.34" => 384,
        "1.3.132.0.35" => 521,
        _ => return None,
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut out, byte| {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType};

    use super::*;

    fn sample(params: CertificateParams) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    fn names(entries: &[(DnType, &str)]) -> DistinguishedName {
        let mut name = DistinguishedName::new();
        for (kind, value) in entries {
            name.push(kind.clone(), *value);
        }
        name
    }

    #[test]
    fn the_fields_of_a_certificate() {
        let mut params = CertificateParams::new(vec!["kubernetes".into(), "*.apps.example".into()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress("192.0.2.7".parse().unwrap()));
        params.subject_alt_names.push(SanType::IpAddress("2001:db8::1".parse().unwrap()));
        params.distinguished_name = names(&[
            (DnType::OrganizationName, "k3s, Inc"),
            (DnType::CommonName, "k3s-server-ca@1700000000"),
        ]);
        params.not_before = rcgen::date_time_ymd(2026, 1, 2);
        params.not_after = rcgen::date_time_ymd(9999, 12, 31);
        params.serial_number = Some(vec![0, 0x0a, 0xbc].into());
        let der = sample(params);
        let found = certificate(&der).unwrap();
        assert_eq!(found.subject.raw(), "O=k3s\\, Inc, CN=k3s-server-ca@1700000000");
        assert_eq!(found.subject_cn.as_ref().map(Text::raw), Some("k3s-server-ca@1700000000"));
        assert_eq!((&found.subject, found.self_signed), (&found.issuer, true));
        let sans: Vec<&str> = found.sans.iter().map(Text::raw).collect();
        assert_eq!(sans, ["kubernetes", "*.apps.example", "192.0.2.7", "2001:db8::1"]);
        assert_eq!(found.serial.raw(), "ABC");
        assert_eq!(found.not_before.to_string(), "2026-01-02T00:00:00Z");
        assert_eq!((found.key_type.raw(), found.key_bits), ("ec", 256));
        assert_eq!(found.signature_algorithm.raw(), "ecdsa-with-SHA256");
        assert_eq!((found.sha256.raw().len(), found.sha1.raw().len()), (64, 40));
    }

    #[test]
    fn names_cannot_pretend_to_be_others() {
        let mut params = CertificateParams::default();
        params.distinguished_name = names(&[(DnType::CommonName, "a, CN=kube-apiserver + O=x")]);
        let found = certificate(&sample(params)).unwrap();
        assert_eq!(found.subject.raw(), "CN=a\\, CN=kube-apiserver \\+ O=x");
    }

    #[test]
    fn everything_has_a_bound() {
        let many = (0..SANS_MAX + 50).map(|n| format!("n{n}.example")).collect::<Vec<_>>();
        let mut params = CertificateParams::new(many).unwrap();
        params.distinguished_name = names(&[(DnType::CommonName, &"x".repeat(5_000))]);
        let der = sample(params);
        let found = certificate(&der).unwrap();
        assert_eq!(found.sans.len(), SANS_MAX);
        assert_eq!(found.subject_cn.unwrap().raw().len(), VALUE_BYTES_MAX);
        assert!(found.subject.raw().len() <= NAME_BYTES_MAX);
        let huge = vec![0x30; CERTIFICATE_BYTES_MAX + 1];
        assert_eq!(certificate(&huge), Err(CertificateError::TooLarge { bytes: huge.len() }));
        assert_eq!(chain(&vec![der.clone(); 20]).len(), CHAIN_LENGTH_MAX);
        assert_eq!(chain(&[der.clone(), vec![1], der]).len(), 1);
    }

    #[test]
    fn serials_are_written_one_way() {
        assert_eq!(serial(&[]), "0");
        assert_eq!(serial(&[0, 0]), "0");
        assert_eq!(serial(&[0, 0xff]), "FF");
        assert_eq!(serial(&[0x01, 0x00]), "100");
    }

    proptest! {
        #[test]
        fn noise_is_no_certificate(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(certificate(&bytes), Err(CertificateError::Malformed));
        }

        #[test]
        fn damage_never_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut der = SAMPLE.clone();
            let position = at.index(der.len());
            der[position] = byte;
            let _ = certificate(&der);
            let length = cut.index(SAMPLE.len());
            prop_assert_eq!(certificate(&SAMPLE[..length]), Err(CertificateError::Malformed));
        }
    }

    static SAMPLE: std::sync::LazyLock<Vec<u8>> =
        std::sync::LazyLock::new(|| sample(CertificateParams::new(vec!["a.example".into()]).unwrap()));
}
