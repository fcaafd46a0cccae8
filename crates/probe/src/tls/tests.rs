//! Handshakes in memory, against the server half of the same library.

use std::sync::Arc;

use nightlatch_asset::{ClientCertificate, Failure, Tls};
use nightlatch_untrusted::Text;
use rcgen::{CertificateParams, KeyPair};
use rustls::{
    ClientConnection, RootCertStore, ServerConfig, ServerConnection, SupportedProtocolVersion,
    pki_types::{PrivateKeyDer, ServerName},
    server::WebPkiClientVerifier,
    version::{TLS12, TLS13},
};

use super::*;

fn server(version: &'static SupportedProtocolVersion, demands_certificate: bool) -> ServerConnection {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["a.example".into()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[version])
        .unwrap();
    let builder = if demands_certificate {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    ServerConnection::new(Arc::new(config)).unwrap()
}

/// Carries bytes both ways until nobody has more to say; gives the client's error, if any.
fn converse(client: &mut ClientConnection, server: &mut ServerConnection) -> Result<(), rustls::Error> {
    loop {
        let mut sent = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut sent).unwrap();
        }
        let mut received = Vec::new();
        let mut unread = sent.as_slice();
        while !unread.is_empty() {
            server.read_tls(&mut unread).unwrap();
            let _refused = server.process_new_packets();
        }
        while server.wants_write() {
            server.write_tls(&mut received).unwrap();
        }
        if sent.is_empty() && received.is_empty() {
            return Ok(());
        }
        let mut unread = received.as_slice();
        while !unread.is_empty() {
            client.read_tls(&mut unread).unwrap();
            client.process_new_packets()?;
        }
    }
}

fn handshake(version: &'static SupportedProtocolVersion, demands: bool) -> (Tls, Option<Failure>) {
    let recorder = Recorder::new();
    let config = client_config(&recorder, Alpn::Http1ThenHttp2).unwrap();
    let name = ServerName::try_from("b.example").unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    match converse(&mut client, &mut server(version, demands)) {
        Ok(()) => (facts(&recorder, &client), None),
        Err(error) => {
            let mut tls = failed_facts(&recorder, &error);
            let failure = after_refusal(&mut tls, &Ended::Tls(error));
            (tls, failure)
        }
    }
}

#[test]
fn any_certificate_is_accepted_and_recorded() {
    for (version, name) in [(&TLS12, "TLSv1.2"), (&TLS13, "TLSv1.3")] {
        let (tls, failure) = handshake(version, false);
        assert_eq!((tls.version.raw(), failure), (name, None));
        assert_eq!(tls.alpn.as_ref().map(Text::raw), Some("h2"));
        assert_eq!(tls.client_certificate, ClientCertificate::NotRequested);
        assert_eq!(tls.failure, None);
        assert_eq!(tls.chain.len(), 1);
        assert_eq!(tls.chain[0].sans, [Text::from("a.example")]);
        assert!(tls.cipher.is_some_and(|cipher| cipher.raw().starts_with("TLS_")));
    }
}

#[test]
fn a_demanded_client_certificate_shows_in_both_versions() {
    for version in [&TLS12, &TLS13] {
        let (tls, failure) = handshake(version, true);
        assert_eq!(failure, Some(Failure::ClientCertificate));
        assert_eq!(tls.client_certificate, ClientCertificate::Required);
        assert_eq!(tls.chain.len(), 1, "the certificate names the product even when the door stays shut");
    }
}

#[test]
fn plain_text_on_a_tls_port_is_told() {
    let recorder = Recorder::new();
    let name = ServerName::try_from("192.0.2.1").unwrap();
    let mut client =
        ClientConnection::new(Arc::new(client_config(&recorder, Alpn::Http1).unwrap()), name).unwrap();
    client.read_tls(&mut b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice()).unwrap();
    let error = client.process_new_packets().unwrap_err();
    assert_eq!(error_text(&error), "not tls");
    assert_eq!(failed_facts(&recorder, &error).failure, Some(Text::from("not tls")));
}

/// The error of a client that sends its hello and gets `answer` of it.
fn failure_on(answer: impl FnOnce(Vec<u8>) -> Vec<u8>) -> rustls::Error {
    let name = ServerName::try_from("192.0.2.1").unwrap();
    let config = client_config(&Recorder::new(), Alpn::Http1).unwrap();
    let mut client = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut hello = Vec::new();
    client.write_tls(&mut hello).unwrap();
    let answer = answer(hello);
    let mut unread = answer.as_slice();
    client.read_tls(&mut unread).unwrap();
    client.process_new_packets().unwrap_err()
}

#[test]
fn an_echo_and_plain_text_are_no_tls_but_a_message_too_large_is() {
    assert!(is_foreign(&failure_on(|hello| hello)));
    assert!(is_foreign(&failure_on(|_| b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec())));
    assert!(is_foreign(&failure_on(|_| b"\x16\x03\x03\xff\xffnoise".to_vec())));
    // A hello, and a certificate message of 16 MB.
    let hello = [&[2, 0, 0, 38, 3, 3][..], &[7; 32], &[0, 0xc0, 0x2f, 0]].concat();
    let messages = [hello, vec![11, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xfb, 0, 0x10, 0]].concat();
    let record = [&[0x16, 3, 3, 0, messages.len() as u8][..], &messages].concat();
    let error = failure_on(|_| record);
    assert!(!is_foreign(&error), "{error:?}");
    assert_eq!(error_text(&error), "message too large");
    assert!(!is_foreign(&failure_on(|_| b"\x15\x03\x03\0\x02\x02\x28".to_vec())));
}
