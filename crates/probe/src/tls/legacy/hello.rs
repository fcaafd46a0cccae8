use super::suite::SUITES;

/// The newest version a hello offers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Offer {
    /// TLS 1.2, with extensions. What should be asked first.
    Tls12,
    /// TLS 1.0, with the extensions its servers know.
    Tls10,
    /// SSL 3.0, without extensions.
    Ssl3,
}

/// `TLS_EMPTY_RENEGOTIATION_INFO_SCSV`: says that renegotiation is safe, where extensions cannot. RFC 5746.
const RENEGOTIATION_INFO: u16 = 0x00FF;

/// Longest server name that is sent, in bytes.
const SERVER_NAME_BYTES_MAX: usize = 253;

/// The bytes of a record with one `ClientHello`.
///
/// - `server_name`: the DNS name asked for; never an address (RFC 6066, section 3), which would be wrong to send.
/// - `random`: 32 bytes that need not be secret.
///
/// Source: RFC 2246 and RFC 5246, section 7.4.1.2; RFC 6101 for SSL 3.0.
pub fn hello(offer: Offer, server_name: Option<&str>, random: [u8; 32]) -> Vec<u8> {
    let version: u16 = match offer {
        Offer::Tls12 => 0x0303,
        Offer::Tls10 => 0x0301,
        Offer::Ssl3 => 0x0300,
    };
    let mut body = Vec::with_capacity(320);
    body.extend(version.to_be_bytes());
    body.extend(random);
    body.push(0); // no session to resume
    let suites = SUITES.iter().map(|(number, _)| *number).chain([RENEGOTIATION_INFO]);
    with_length_16(&mut body, &suites.flat_map(u16::to_be_bytes).collect::<Vec<u8>>());
    body.extend([1, 0]); // one compression method: none
    if offer != Offer::Ssl3 {
        with_length_16(&mut body, &extensions(offer, server_name));
    }
    let mut message = vec![1, 0]; // ClientHello; the length has 24 bits and never needs the first 8
    with_length_16(&mut message, &body);
    // Old servers refuse records of a newer version, new servers ignore it here (RFC 5246, appendix E.1).
    let mut record = vec![22, 3, if offer == Offer::Ssl3 { 0 } else { 1 }];
    with_length_16(&mut record, &message);
    record
}

fn extensions(offer: Offer, server_name: Option<&str>) -> Vec<u8> {
    let mut out = Vec::new();
    let name = server_name.map(|name| name.trim_end_matches('.'));
    let sendable = |name: &&str| {
        let dns = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        dns && !name.is_empty()
            && name.len() <= SERVER_NAME_BYTES_MAX
            && name.parse::<std::net::IpAddr>().is_err()
    };
    if let Some(name) = name.filter(sendable) {
        let mut entry = vec![0]; // host_name
        with_length_16(&mut entry, name.as_bytes());
        let mut list = Vec::new();
        with_length_16(&mut list, &entry);
        extension(&mut out, 0, &list);
    }
    // Groups: x25519, secp256r1, secp384r1, secp521r1. Point formats: uncompressed.
    extension(&mut out, 10, &[0, 8, 0, 29, 0, 23, 0, 24, 0, 25]);
    extension(&mut out, 11, &[1, 0]);
    if offer == Offer::Tls12 {
        // ECDSA, RSA and DSA with SHA-256, -384, -512 and SHA-1, and RSA-PSS.
        let schemes: [u16; 15] = [
            0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0402, 0x0807, 0x0203,
            0x0201, 0x0202, 0x0101,
        ];
        let mut list = Vec::new();
        with_length_16(&mut list, &schemes.into_iter().flat_map(u16::to_be_bytes).collect::<Vec<u8>>());
        extension(&mut out, 13, &list);
    }
    out
}

fn extension(out: &mut Vec<u8>, kind: u16, content: &[u8]) {
    out.extend(kind.to_be_bytes());
    with_length_16(out, content);
}

/// Appends `content` after its length in 16 bits. Everything here is far shorter than 64 KiB.
fn with_length_16(out: &mut Vec<u8>, content: &[u8]) {
    out.extend(u16::try_from(content.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_agree() {
        for (offer, name) in
            [(Offer::Tls12, Some("a.example")), (Offer::Tls10, None), (Offer::Ssl3, Some("a"))]
        {
            let bytes = hello(offer, name, [7; 32]);
            let record = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
            assert_eq!(bytes.len(), 5 + record);
            let message = usize::from(u16::from_be_bytes([bytes[7], bytes[8]]));
            assert_eq!((bytes[5], bytes[6], bytes.len()), (1, 0, 9 + message));
            assert_eq!(bytes[11..43], [7; 32]);
        }
    }

    #[test]
    fn an_address_is_never_sent_as_a_name() {
        let plain = hello(Offer::Tls12, None, [0; 32]);
        for name in ["192.0.2.1", "2001:db8::1", "", "a b", "ä.example", &"x".repeat(300)] {
            assert_eq!(hello(Offer::Tls12, Some(name), [0; 32]), plain, "{name}");
        }
        let named = hello(Offer::Tls12, Some("a.example."), [0; 32]);
        assert!(named.windows(9).any(|w| w == b"a.example"));
    }
}
