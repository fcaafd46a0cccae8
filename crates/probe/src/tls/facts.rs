use nightlatch_asset::{ClientCertificate, Tls};
use nightlatch_untrusted::Text;
use rustls::{CommonState, ProtocolVersion};

use super::{Recorder, chain, error_text};

/// Longest application protocol that is kept, in bytes; the registry knows none longer than 30.
const ALPN_BYTES_MAX: usize = 64;

/// Facts of a handshake that completed. `connection` is the connection of rustls, after the handshake.
///
/// A certificate demanded in TLS 1.3 shows only at the first read: see [`after_refusal`](super::after_refusal).
pub fn facts(recorder: &Recorder, connection: &CommonState) -> Tls {
    let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
    Tls {
        version: connection.protocol_version().map(version_name).unwrap_or_default(),
        // The library writes `TLS13_`, the registry `TLS_`.
        cipher: cipher.map(|name| Text::new(name.replacen("TLS13_", "TLS_", 1))),
        alpn: connection.alpn_protocol().map(|name| Text::from_bytes(name, ALPN_BYTES_MAX)),
        client_certificate: client_certificate(recorder),
        chain: chain(&recorder.chain()),
        failure: None,
    }
}

/// Facts of a handshake that failed: what was recorded until then, and why it ended.
pub fn failed_facts(recorder: &Recorder, error: &rustls::Error) -> Tls {
    Tls {
        client_certificate: client_certificate(recorder),
        chain: chain(&recorder.chain()),
        failure: Some(Text::new(error_text(error))),
        ..Tls::default()
    }
}

fn client_certificate(recorder: &Recorder) -> ClientCertificate {
    if recorder.asked_for_certificate() {
        ClientCertificate::Requested
    } else {
        ClientCertificate::NotRequested
    }
}

fn version_name(version: ProtocolVersion) -> Text {
    Text::from(match version {
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        ProtocolVersion::TLSv1_1 => "TLSv1.1",
        ProtocolVersion::TLSv1_0 => "TLSv1",
        ProtocolVersion::SSLv3 => "SSLv3",
        _ => "",
    })
}
