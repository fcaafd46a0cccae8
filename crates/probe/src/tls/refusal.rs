use std::io;

use nightlatch_asset::{ClientCertificate, Failure, Tls};
use nightlatch_untrusted::Text;
use rustls::{AlertDescription, Error, HandshakeType, InvalidMessage};

use super::error_text;

/// How a TLS connection ended before the peer said anything usable, in the handshake or at the first read
/// after it.
#[derive(Clone, Debug)]
pub enum Ended {
    /// The TLS library gave up.
    Tls(Error),
    /// The peer closed, with or without `close_notify`.
    Eof,
    /// The peer reset the connection.
    Reset,
    /// Something else, a deadline say.
    Other,
}

impl From<&io::Error> for Ended {
    /// Finds the error of the TLS library inside an input error.
    fn from(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match (inner, error.kind()) {
            (Some(tls), _) => Ended::Tls(tls.clone()),
            (None, io::ErrorKind::UnexpectedEof) => Ended::Eof,
            (
                None,
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted,
            ) => Ended::Reset,
            (None, _) => Ended::Other,
        }
    }
}

/// Whether a first handshake that failed like this was none: bytes that are no record, or our own hello, as
/// a server that echoes sends it back. Whatever else fails comes from a peer that speaks TLS, be its messages
/// larger than any client takes, or wrong.
pub fn is_foreign(error: &Error) -> bool {
    use InvalidMessage as Invalid;
    match error {
        Error::InvalidMessage(message) => matches!(
            message,
            Invalid::InvalidContentType
                | Invalid::UnknownProtocolVersion
                | Invalid::MessageTooLarge
                | Invalid::MessageTooShort
                | Invalid::InvalidEmptyPayload
        ),
        Error::InappropriateHandshakeMessage { got_type, .. } => *got_type == HandshakeType::ClientHello,
        _ => false,
    }
}

/// Judges an end without an answer: raises `tls.client_certificate` to `Required` where that is what the
/// peer meant, and gives the failure; absent when the end says nothing about TLS.
///
/// - `certificate_required` always means it (TLS 1.3, OpenSSL servers);
/// - after a request for a certificate, so do the alerts about certificates and `handshake_failure` (TLS 1.2;
///   Go servers also in 1.3), and an end without a word, as some servers close before their alert is read.
pub fn after_refusal(tls: &mut Tls, ended: &Ended) -> Option<Failure> {
    let asked = tls.client_certificate != ClientCertificate::NotRequested;
    let demanded = match ended {
        Ended::Tls(Error::AlertReceived(AlertDescription::CertificateRequired)) => true,
        Ended::Tls(Error::AlertReceived(alert)) => asked && about_certificates(*alert),
        Ended::Eof | Ended::Reset => asked,
        Ended::Tls(_) | Ended::Other => false,
    };
    if demanded {
        tls.client_certificate = ClientCertificate::Required;
        return Some(Failure::ClientCertificate);
    }
    match ended {
        Ended::Tls(error) => Some(Failure::Tls(Text::new(error_text(error)))),
        Ended::Eof | Ended::Reset | Ended::Other => None,
    }
}

fn about_certificates(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::HandshakeFailure
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CloseNotify
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(asked: bool, ended: Ended, expected: Option<Failure>) {
        let before = if asked { ClientCertificate::Requested } else { ClientCertificate::NotRequested };
        let mut tls = Tls { client_certificate: before, ..Tls::default() };
        let found = after_refusal(&mut tls, &ended);
        let required = found == Some(Failure::ClientCertificate);
        let after = if required { ClientCertificate::Required } else { before };
        assert_eq!((found, tls.client_certificate), (expected, after), "{ended:?}");
    }

    #[test]
    fn what_a_refusal_means() {
        let alert = |alert| Ended::Tls(Error::AlertReceived(alert));
        let demanded = || Some(Failure::ClientCertificate);
        let failed = |text: &str| Some(Failure::Tls(Text::from(text)));
        check(false, alert(AlertDescription::CertificateRequired), demanded());
        check(true, alert(AlertDescription::BadCertificate), demanded());
        check(true, alert(AlertDescription::HandshakeFailure), demanded());
        check(true, Ended::Eof, demanded());
        check(true, Ended::Reset, demanded());
        check(false, Ended::Eof, None);
        check(false, alert(AlertDescription::BadCertificate), failed("alert: bad_certificate"));
        check(false, alert(AlertDescription::HandshakeFailure), failed("alert: handshake_failure"));
        check(true, alert(AlertDescription::ProtocolVersion), failed("alert: protocol_version"));
        check(true, Ended::Other, None);
        check(true, Ended::Tls(Error::DecryptError), failed("cannot decrypt"));
        check(false, alert(AlertDescription::Unknown(200)), failed("alert: 200"));
    }

    #[test]
    fn an_input_error_may_hide_one_of_tls() {
        let hidden = io::Error::new(io::ErrorKind::InvalidData, Error::DecryptError);
        assert!(matches!(Ended::from(&hidden), Ended::Tls(Error::DecryptError)));
        assert!(matches!(Ended::from(&io::Error::from(io::ErrorKind::UnexpectedEof)), Ended::Eof));
        assert!(matches!(Ended::from(&io::Error::from(io::ErrorKind::ConnectionReset)), Ended::Reset));
        assert!(matches!(Ended::from(&io::Error::from(io::ErrorKind::TimedOut)), Ended::Other));
    }
}
