use rustls::Error;

/// The name of an alert in the registry, such as `handshake_failure`; absent for a number outside it.
///
/// Source: IANA, TLS Alerts.
pub fn alert_name(number: u8) -> Option<&'static str> {
    Some(match number {
        0 => "close_notify",
        10 => "unexpected_message",
        20 => "bad_record_mac",
        21 => "decryption_failed",
        22 => "record_overflow",
        30 => "decompression_failure",
        40 => "handshake_failure",
        41 => "no_certificate",
        42 => "bad_certificate",
        43 => "unsupported_certificate",
        44 => "certificate_revoked",
        45 => "certificate_expired",
        46 => "certificate_unknown",
        47 => "illegal_parameter",
        48 => "unknown_ca",
        49 => "access_denied",
        50 => "decode_error",
        51 => "decrypt_error",
        60 => "export_restriction",
        70 => "protocol_version",
        71 => "insufficient_security",
        80 => "internal_error",
        86 => "inappropriate_fallback",
        90 => "user_canceled",
        100 => "no_renegotiation",
        109 => "missing_extension",
        110 => "unsupported_extension",
        111 => "certificate_unobtainable",
        112 => "unrecognized_name",
        113 => "bad_certificate_status_response",
        114 => "bad_certificate_hash_value",
        115 => "unknown_psk_identity",
        116 => "certificate_required",
        120 => "no_application_protocol",
        121 => "ech_required",
        _ => return None,
    })
}

/// `alert: <name>`, or the number of an alert outside the registry.
pub(super) fn alert_text(number: u8) -> String {
    match alert_name(number) {
        Some(name) => format!("alert: {name}"),
        None => format!("alert: {number}"),
    }
}

/// Why TLS failed, in few words that stay the same over releases of the library: `alert: protocol_version`,
/// `not tls`, `no common version`, `no common cipher suite` ...
pub fn error_text(error: &Error) -> String {
    use rustls::{InvalidMessage, PeerIncompatible};
    let words = match error {
        Error::AlertReceived(alert) => return alert_text(u8::from(*alert)),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) => "not tls",
        Error::InvalidMessage(
            InvalidMessage::HandshakePayloadTooLarge | InvalidMessage::CertificatePayloadTooLarge,
        ) => "message too large",
        Error::InvalidMessage(_) => "malformed message",
        Error::InappropriateMessage { .. } | Error::InappropriateHandshakeMessage { .. } => {
            "unexpected message"
        }
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "no common version",
        Error::PeerIncompatible(
            PeerIncompatible::NoCipherSuitesInCommon
            | PeerIncompatible::NoKxGroupsInCommon
            | PeerIncompatible::NoEcPointFormatsInCommon
            | PeerIncompatible::NoSignatureSchemesInCommon,
        ) => "no common cipher suite",
        Error::PeerIncompatible(_) => "peer incompatible",
        Error::PeerMisbehaved(_) => "peer breaks the protocol",
        Error::NoCertificatesPresented => "no certificate shown",
        Error::DecryptError => "cannot decrypt",
        Error::PeerSentOversizedRecord => "oversized record",
        Error::NoApplicationProtocol => "no common application protocol",
        Error::InvalidCertificate(_) => "certificate refused",
        _ => "tls failed",
    };
    words.to_owned()
}
