use nightlatch_asset::{ClientCertificate, Failure, Tls};
use nightlatch_untrusted::Text;

use super::{
    super::{CERTIFICATE_BYTES_MAX, CHAIN_LENGTH_MAX, alert::alert_text, chain},
    suite_name,
};
use crate::Stopped;

/// Most bytes of an answer that are read.
pub const FLIGHT_BYTES_MAX: usize = 192 * 1024;

/// What [`Tls::failure`] says when the handshake could be read but not completed.
pub const NOT_COMPLETED: &str = "not completed: only obsolete versions or cipher suites";

/// What [`Tls::failure`] says when the server's hello could be read and what follows could not: a certificate
/// of megabytes, say.
pub const NOT_READ: &str = "not completed: what follows the hello cannot be read, or is too large";

/// Largest record: 2^14 bytes and 2048 for what compression and encryption may add. RFC 5246, section 6.2.
const RECORD_BYTES_MAX: usize = (1 << 14) + 2048;

/// Largest handshake message that is collected.
const MESSAGE_BYTES_MAX: usize = 128 * 1024;

const FIRST_BYTES_MAX: usize = 512;

/// Whether a [`Flight`] wants more.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// More bytes are needed.
    More,
    /// The flight ended, or cannot be read on.
    Done,
}

/// Reads the plain-text answer to a [`hello`](super::hello()), from pieces of any size.
#[derive(Debug, Default)]
pub struct Flight {
    first: Vec<u8>,
    bytes_seen: usize,
    /// Bytes of a record that is not whole yet.
    record: Vec<u8>,
    /// Bytes of a handshake message that is not whole yet.
    message: Vec<u8>,
    hello: Option<ServerHello>,
    chain: Vec<Vec<u8>>,
    asked_for_certificate: bool,
    alert: Option<u8>,
    end: Option<End>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct ServerHello {
    minor_version: u8,
    suite: u16,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// `ServerHelloDone`, or all that is readable was read.
    Readable,
    Alert,
    /// Not TLS, or not like this.
    Malformed,
}

impl Flight {
    /// Nothing read yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next bytes.
    pub fn push(&mut self, piece: &[u8]) -> Progress {
        let room = FIRST_BYTES_MAX.saturating_sub(self.first.len());
        self.first.extend_from_slice(&piece[..piece.len().min(room)]);
        if self.end.is_none() {
            let room = FLIGHT_BYTES_MAX.saturating_sub(self.bytes_seen);
            let taken = &piece[..piece.len().min(room)];
            self.bytes_seen += taken.len();
            self.record.extend_from_slice(taken);
            self.read_records();
            if self.end.is_none() && self.bytes_seen >= FLIGHT_BYTES_MAX {
                self.end = Some(End::Readable);
            }
        }
        if self.end.is_some() { Progress::Done } else { Progress::More }
    }

    /// What was learnt.
    ///
    /// # Errors
    /// When the server showed no hello: why. [`Failure::Foreign`] when it does not speak TLS.
    pub fn finish(self, stopped: Stopped) -> Result<Tls, Failure> {
        let Some(hello) = self.hello else {
            return Err(match (self.end, self.alert) {
                (_, Some(alert)) => Failure::Tls(Text::new(alert_text(alert))),
                (Some(End::Malformed), None) => Failure::Foreign(self.first),
                _ => stopped.failure(),
            });
        };
        let suite = suite_name(hello.suite).map_or_else(|| format!("0x{:04X}", hello.suite), str::to_owned);
        let client_certificate = if self.asked_for_certificate {
            ClientCertificate::Requested
        } else {
            ClientCertificate::NotRequested
        };
        let failure = match (self.alert, self.end) {
            (Some(alert), _) => Text::new(alert_text(alert)),
            (None, Some(End::Malformed)) => Text::from(NOT_READ),
            (None, _) => Text::from(NOT_COMPLETED),
        };
        Ok(Tls {
            version: Text::from(version_name(hello.minor_version)),
            cipher: Some(Text::new(suite)),
            alpn: None,
            client_certificate,
            chain: chain(&self.chain),
            failure: Some(failure),
        })
    }

    fn read_records(&mut self) {
        let mut bytes = std::mem::take(&mut self.record);
        let mut at = 0;
        while self.end.is_none() {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some((header, after)) = rest.split_first_chunk::<5>() else {
                // Not even the start of a record: no need to wait for five bytes.
                if !matches!(rest, [] | [0x15 | 0x16] | [0x15 | 0x16, 3, ..]) {
                    self.end = Some(End::Malformed);
                }
                break;
            };
            let [kind, major, minor, high, low] = *header;
            let length = usize::from(u16::from_be_bytes([high, low]));
            if major != 3 || minor > 4 || length > RECORD_BYTES_MAX || !matches!(kind, 0x15 | 0x16) {
                self.end = Some(End::Malformed);
                break;
            }
            let Some(content) = after.get(..length) else { break };
            at += 5 + length;
            match kind {
                0x15 => self.read_alert(content),
                _ => self.read_messages(content),
            }
        }
        bytes.drain(..at);
        self.record = bytes;
    }

    fn read_alert(&mut self, content: &[u8]) {
        match content {
            // A warning, about the server name say, precedes the hello of some servers.
            [1, number] if *number != 0 => {}
            [_, number] => {
                self.alert = Some(*number);
                self.end = Some(End::Alert);
            }
            _ => self.end = Some(End::Malformed),
        }
    }

    fn read_messages(&mut self, content: &[u8]) {
        self.message.extend_from_slice(content);
        let mut bytes = std::mem::take(&mut self.message);
        let mut at = 0;
        while self.end.is_none() {
            let Some(([kind, a, b, c], after)) = bytes.get(at..).and_then(<[u8]>::split_first_chunk) else {
                break;
            };
            let length = number_24([*a, *b, *c]);
            if length > MESSAGE_BYTES_MAX {
                self.end = Some(End::Malformed);
                break;
            }
            let Some(content) = after.get(..length) else { break };
            at += 4 + length;
            self.read_message(*kind, content);
        }
        bytes.drain(..at);
        self.message = bytes;
    }

    /// Source: RFC 5246, section 7.4.
    fn read_message(&mut self, kind: u8, content: &[u8]) {
        match (kind, &self.hello) {
            (2, None) => match server_hello(content) {
                Some(hello) => self.hello = Some(hello),
                None => self.end = Some(End::Malformed),
            },
            (_, None) => self.end = Some(End::Malformed),
            (11, Some(_)) if self.chain.is_empty() => self.chain = certificates(content),
            (13, Some(_)) => self.asked_for_certificate = true,
            (14, Some(_)) => self.end = Some(End::Readable),
            // Status, key exchange, tickets: nothing to learn.
            (_, Some(_)) => {}
        }
    }
}

fn server_hello(content: &[u8]) -> Option<ServerHello> {
    let ([3, minor_version], rest) = content.split_first_chunk::<2>()? else { return None };
    let (_random, rest) = rest.split_at_checked(32)?;
    let (session_length, rest) = rest.split_first()?;
    let (_session, rest) = rest.split_at_checked(usize::from(*session_length).min(256))?;
    let (suite, _) = rest.split_first_chunk::<2>()?;
    (*minor_version <= 3)
        .then_some(ServerHello { minor_version: *minor_version, suite: u16::from_be_bytes(*suite) })
}

/// The certificates of a `Certificate` message, as far as its lengths make sense.
fn certificates(content: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut rest = content.get(3..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk::<3>() {
        let length = number_24(*length);
        let Some((der, next)) = after.split_at_checked(length) else { break };
        if found.len() >= CHAIN_LENGTH_MAX || der.len() > CERTIFICATE_BYTES_MAX {
            break;
        }
        found.push(der.to_vec());
        rest = next;
    }
    found
}

fn number_24([a, b, c]: [u8; 3]) -> usize {
    usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c)
}

fn version_name(minor: u8) -> &'static str {
    match minor {
        0 => "SSLv3",
        1 => "TLSv1",
        2 => "TLSv1.1",
        _ => "TLSv1.2",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TLS10: &[u8] = include_bytes!("../../../testdata/tls-legacy/tls10-ecdhe.bin");
    const TLS11: &[u8] = include_bytes!("../../../testdata/tls-legacy/tls11-rsa-client-certificate.bin");
    const TLS12: &[u8] = include_bytes!("../../../testdata/tls-legacy/tls12-rsa-cbc.bin");
    const TLS10_OFFERED: &[u8] = include_bytes!("../../../testdata/tls-legacy/tls10-offered-tls10.bin");
    const TLS13_ONLY: &[u8] = include_bytes!("../../../testdata/tls-legacy/tls13-only-alert.bin");
    const SSL3_REFUSED: &[u8] = include_bytes!("../../../testdata/tls-legacy/ssl3-refused-alert.bin");

    fn read(bytes: &[u8], step: usize, stopped: Stopped) -> Result<Tls, Failure> {
        let mut flight = Flight::new();
        for piece in bytes.chunks(step) {
            flight.push(piece);
        }
        flight.finish(stopped)
    }

    fn check(bytes: &[u8], version: &str, cipher: &str, asked: bool) {
        let tls = read(bytes, usize::MAX, Stopped::Enough).unwrap();
        assert_eq!((tls.version.raw(), tls.cipher.as_ref().map(Text::raw)), (version, Some(cipher)));
        let expected = if asked { ClientCertificate::Requested } else { ClientCertificate::NotRequested };
        assert_eq!(tls.client_certificate, expected);
        assert_eq!(tls.chain.len(), 1);
        assert_eq!(tls.chain[0].subject.raw(), "O=Lab, CN=legacy.example");
        assert_eq!(tls.failure, Some(Text::from(NOT_COMPLETED)));
        assert_eq!(read(bytes, 1, Stopped::Enough), Ok(tls));
    }

    #[test]
    fn recorded_servers() {
        check(TLS10, "TLSv1", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", false);
        check(TLS11, "TLSv1.1", "TLS_RSA_WITH_AES_128_CBC_SHA", true);
        check(TLS12, "TLSv1.2", "TLS_RSA_WITH_AES_256_CBC_SHA256", false);
        check(TLS10_OFFERED, "TLSv1", "TLS_DHE_RSA_WITH_AES_128_CBC_SHA", false);
        let alert = |text| Err(Failure::Tls(Text::from(text)));
        assert_eq!(read(TLS13_ONLY, 1, Stopped::Closed), alert("alert: protocol_version"));
        assert_eq!(read(SSL3_REFUSED, 1, Stopped::Closed), alert("alert: handshake_failure"));
    }

    #[test]
    fn a_warning_before_the_hello_is_no_end() {
        let warned = [&[0x15, 3, 3, 0, 2, 1, 112], TLS12].concat();
        assert_eq!(read(&warned, 3, Stopped::Closed), read(TLS12, 3, Stopped::Closed));
    }

    #[test]
    fn what_is_not_tls_is_handed_on() {
        let foreign =
            |bytes: &[u8]| assert_eq!(read(bytes, 1, Stopped::Closed), Err(Failure::Foreign(bytes.into())));
        foreign(b"HTTP/1.1 400 Bad Request\r\n");
        foreign(b"\x16\x04");
        foreign(b"\x16\x03\x01\xff\xff");
        assert_eq!(read(b"", 1, Stopped::Timeout), Err(Failure::Timeout));
        assert_eq!(read(b"\x16\x03", 1, Stopped::Reset), Err(Failure::Reset));
    }

    #[test]
    fn a_certificate_of_megabytes_is_not_mistaken_for_an_old_server() {
        let huge = [&TLS12[..5 + 0x51], &[22, 3, 3, 0, 4, 11, 0xff, 0xff, 0xfe]].concat();
        let tls = read(&huge, 7, Stopped::Enough).unwrap();
        assert_eq!((tls.version.raw(), tls.failure), ("TLSv1.2", Some(Text::from(NOT_READ))));
    }

    #[test]
    fn a_flood_is_cut_off() {
        let hello_only = &TLS12[..5 + 0x51];
        let mut flight = Flight::new();
        assert_eq!(flight.push(hello_only), Progress::More);
        // Handshake messages of a kind that says nothing, for ever.
        let filler = [&[22u8, 3, 3, 0x10, 0][..], &[[22, 0, 0, 0]; 1024].concat()[..]].concat();
        let mut pushed = 0;
        while flight.push(&filler) == Progress::More {
            pushed += filler.len();
            assert!(pushed <= FLIGHT_BYTES_MAX);
        }
        assert_eq!(flight.finish(Stopped::Enough).unwrap().chain, []);
    }

    proptest! {
        #[test]
        fn cut_or_damaged_never_panics(at in 0usize..1273, byte in any::<u8>(), step in 1usize..2000) {
            let mut bytes = TLS10.to_vec();
            bytes[at] = byte;
            prop_assert_eq!(read(&bytes, step, Stopped::Closed), read(&bytes, usize::MAX, Stopped::Closed));
            let cut = read(&TLS10[..at], step, Stopped::Closed);
            // Before the end of the hello nothing is claimed; after it the version is right.
            match cut {
                Ok(tls) => prop_assert!(at >= 5 + 0x59 && tls.version.raw() == "TLSv1"),
                Err(failure) => prop_assert!(at < 5 + 0x59 && failure == Failure::Closed),
            }
        }

        #[test]
        fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300), step in 1usize..50) {
            let framed = [&[22, 3, 1, 1, 0, 2, 0, 0, 80, 3, 1][..], &bytes].concat();
            for bytes in [&bytes, &framed] {
                prop_assert_eq!(read(bytes, step, Stopped::Closed), read(bytes, usize::MAX, Stopped::Closed));
            }
        }
    }
}
