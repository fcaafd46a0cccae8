/// What a peer seems to speak, told from the first bytes it sent.
///
/// A guess chooses the next question; it never identifies a product by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Guess {
    /// HTTP/1.x.
    Http,
    /// An HTTP answer that asks for TLS: the same port wants `https`.
    TlsNeeded,
    /// A TLS handshake record or alert.
    Tls,
    /// HTTP/2 frames: a SETTINGS frame first, as gRPC servers send unasked.
    Http2,
    /// A MySQL greeting or error packet.
    Mysql,
    /// An SSH identification line.
    Ssh,
    /// AMQP: a protocol header that offers another version, or a start frame.
    Amqp,
    /// Redis refusing without being asked (`-DENIED`), or any RESP error or status line.
    Redis,
    /// A NATS `INFO` line.
    Nats,
    /// A PostgreSQL error message.
    Postgresql,
    /// A memcached error line.
    Memcached,
    /// A line beginning with `220`: SMTP, FTP or alike.
    Line220,
    /// None of these.
    Unknown,
}

/// How far an HTTP answer is searched for a request for TLS, in bytes.
const TLS_HINT_BYTES_MAX: usize = 2048;

/// What servers answer to plain HTTP on their TLS port, in lower case: Go's `net/http`; nginx; Apache; Jetty
/// and Tomcat; HAProxy-like gateways. Source: their texts.
const TLS_HINTS: [&[u8]; 6] = [
    b"client sent an http request to an https server",
    b"plain http request was sent to https port",
    b"speaking plain http to an ssl-enabled server port",
    b"requires tls",
    b"this combination of host and port requires tls",
    b"http request to an https port",
];

/// Guesses from the first bytes a peer sent; a few hundred are enough.
pub fn first_bytes(bytes: &[u8]) -> Guess {
    match bytes {
        [b'H', b'T', b'T', b'P', b'/', ..] if asks_for_tls(bytes) => Guess::TlsNeeded,
        [b'H', b'T', b'T', b'P', b'/', ..] => Guess::Http,
        // Alert, handshake; SSL 3.0 to TLS 1.3 all write 3 as the major version of a record.
        [0x15 | 0x16, 3, 0..=4, ..] => Guess::Tls,
        [b'S', b'S', b'H', b'-', ..] => Guess::Ssh,
        [b'A', b'M', b'Q', b'P', ..] => Guess::Amqp,
        // Method frame on channel 0 of class 10 (connection), method 10 (start).
        [1, 0, 0, _, _, _, _, 0, 10, 0, 10, ..] => Guess::Amqp,
        [b'I', b'N', b'F', b'O', b' ', b'{', ..] => Guess::Nats,
        [b'2', b'2', b'0', b' ' | b'-', ..] => Guess::Line220,
        // Length below 64 KiB, type 4 (SETTINGS), no acknowledgement, stream 0.
        [0, length, low, 4, 0, 0, 0, 0, 0, ..]
            if (usize::from(*length) * 256 + usize::from(*low)) % 6 == 0 =>
        {
            Guess::Http2
        }
        // Length below 64 KiB, sequence 0 (some error packets: 1), protocol 10 or 9 with a printable version,
        // or an error packet.
        [_, _, 0, 0, 9 | 10, version, ..] if version.is_ascii_graphic() => Guess::Mysql,
        [_, _, 0, 0 | 1, 0xff, _, _, ..] => Guess::Mysql,
        [b'E', 0, 0, _, _, b'S', ..] => Guess::Postgresql,
        _ if [b"-DENIED ".as_slice(), b"-ERR ", b"-NOAUTH ", b"+PONG\r"]
            .iter()
            .any(|p| bytes.starts_with(p)) =>
        {
            Guess::Redis
        }
        _ if bytes == b"ERROR\r\n" || bytes.starts_with(b"CLIENT_ERROR ") => Guess::Memcached,
        _ => Guess::Unknown,
    }
}

fn asks_for_tls(answer: &[u8]) -> bool {
    let searched = answer[..answer.len().min(TLS_HINT_BYTES_MAX)].to_ascii_lowercase();
    // Only refusals: a page that merely explains TLS is not one.
    let refused = searched.get(9..12).is_some_and(|code| code.starts_with(b"4"));
    refused && TLS_HINTS.iter().any(|hint| searched.windows(hint.len()).any(|window| window == *hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses() {
        let cases: [(&[u8], Guess); 21] = [
            (b"HTTP/1.1 200 OK\r\n", Guess::Http),
            (b"HTTP/1.1 200 OK\r\n\r\nClient sent an HTTP request to an HTTPS server.\n", Guess::Http),
            (
                b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",
                Guess::TlsNeeded,
            ),
            (
                b"HTTP/1.1 400 Bad Request\r\n\r\n<center>The plain HTTP request was sent to HTTPS port",
                Guess::TlsNeeded,
            ),
            (b"\x15\x03\x01\x00\x02\x02\x46", Guess::Tls),
            (b"\x16\x03\x03\x00\x7a\x02", Guess::Tls),
            (b"\x4a\x00\x00\x00\x0a8.0.36\x00", Guess::Mysql),
            (b"\x44\x00\x00\x00\xffj\x04Host", Guess::Mysql),
            (b"\x10\x00\x00\x01\xff\x10\x04Too many connections", Guess::Mysql),
            (b"SSH-2.0-OpenSSH_9.2\r\n", Guess::Ssh),
            (b"AMQP\x00\x00\x09\x01", Guess::Amqp),
            (b"\x01\x00\x00\x00\x00\x01\xf4\x00\x0a\x00\x0a\x00\x09", Guess::Amqp),
            (b"-DENIED Redis is running in protected mode", Guess::Redis),
            (b"INFO {\"server_id\":", Guess::Nats),
            (b"220 mail.example.org ESMTP", Guess::Line220),
            (b"2200", Guess::Unknown),
            (b"\x00\x00\x06\x04\x00\x00\x00\x00\x00\x00\x05\x00\x00\x40\x00", Guess::Http2),
            (b"E\x00\x00\x00\x8bSFATAL\x00", Guess::Postgresql),
            (b"ERROR\r\n", Guess::Memcached),
            (b"", Guess::Unknown),
            (b"hello", Guess::Unknown),
        ];
        for (bytes, expected) in cases {
            assert_eq!(first_bytes(bytes), expected, "{}", bytes.escape_ascii());
        }
    }
}
