use std::fmt;

/// Longest request target, in bytes. RFC 9110, section 4.1, recommends 8000 at least for servers; no
/// question of ours comes near.
pub const PATH_BYTES_MAX: usize = 2048;

/// Longest request body, in bytes.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// Longest value of a request header, in bytes.
const VALUE_BYTES_MAX: usize = 1024;

/// The verbs that exist here; there is no way to spell another.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Method {
    /// Read.
    #[default]
    Get,
    /// Read the head only.
    Head,
    /// A question the protocol spells as POST; class T3.
    Post,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Method::Get => "GET",
            Method::Head => "HEAD",
            Method::Post => "POST",
        })
    }
}

/// One HTTP/1.1 request. Never carries a cookie or a credential: there is no field for one.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Request {
    /// The verb.
    pub method: Method,
    /// Request target: begins with `/`, printable ASCII without spaces or `#`, at most [`PATH_BYTES_MAX`].
    pub path: String,
    /// Value of `Host`, with the port where it is not the default one.
    pub host: String,
    /// Value of `User-Agent`.
    pub user_agent: String,
    /// Value of `Accept`; absent sends `*/*`.
    pub accept: Option<String>,
    /// Body, sent as `application/json`; at most [`BODY_BYTES_MAX`]. A POST without one sends length 0.
    pub json_body: Option<String>,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
}

/// Why a request cannot be written.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The path is not a request target that could be sent as it is.
    #[error(
        "path {path:?} must begin with `/` and hold printable ASCII without spaces or `#`; write other bytes as %xx"
    )]
    Path {
        /// The path.
        path: String,
    },
    /// A value would break out of its header line.
    #[error("value of `{header}` must be printable ASCII on one line, not empty")]
    Value {
        /// The header.
        header: &'static str,
    },
    /// Something is longer than its bound.
    #[error("{what} is {bytes} bytes long; at most {bytes_max} are sent")]
    TooLong {
        /// What is too long.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The bound.
        bytes_max: usize,
    },
    /// `HEAD` with a body.
    #[error("a HEAD request carries no body; use GET or POST")]
    HeadBody,
}

impl Request {
    /// The bytes to send.
    ///
    /// # Errors
    /// When a part would break out of its place in the message, or exceeds its bound.
    pub fn encode(&self) -> Result<Vec<u8>, RequestError> {
        self.check()?;
        let accept = self.accept.as_deref().unwrap_or("*/*");
        let connection = if self.keep_alive { "keep-alive" } else { "close" };
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: {}\r\nAccept: {accept}\r\n\
             Accept-Encoding: identity\r\nConnection: {connection}\r\n",
            self.method, self.path, self.host, self.user_agent,
        );
        let body = self.json_body.as_deref();
        if body.is_some() {
            head.push_str("Content-Type: application/json\r\n");
        }
        if body.is_some() || self.method == Method::Post {
            head.push_str(&format!("Content-Length: {}\r\n", body.map_or(0, str::len)));
        }
        head.push_str("\r\n");
        head.push_str(body.unwrap_or_default());
        Ok(head.into_bytes())
    }

    fn check(&self) -> Result<(), RequestError> {
        bounded("path", self.path.len(), PATH_BYTES_MAX)?;
        let target = |b: u8| b.is_ascii_graphic() && b != b'#';
        if !self.path.starts_with('/') || !self.path.bytes().all(target) {
            return Err(RequestError::Path { path: self.path.clone() });
        }
        value("Host", &self.host)?;
        if self.host.contains(' ') {
            return Err(RequestError::Value { header: "Host" });
        }
        value("User-Agent", &self.user_agent)?;
        if let Some(accept) = &self.accept {
            value("Accept", accept)?;
        }
        let Some(body) = &self.json_body else { return Ok(()) };
        bounded("body", body.len(), BODY_BYTES_MAX)?;
        if self.method == Method::Head { Err(RequestError::HeadBody) } else { Ok(()) }
    }
}

fn value(header: &'static str, value: &str) -> Result<(), RequestError> {
    bounded(header, value.len(), VALUE_BYTES_MAX)?;
    let fits = !value.trim().is_empty() && value.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    if fits { Ok(()) } else { Err(RequestError::Value { header }) }
}

fn bounded(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), RequestError> {
    if bytes <= bytes_max { Ok(()) } else { Err(RequestError::TooLong { what, bytes, bytes_max }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(path: &str) -> Request {
        Request {
            path: path.into(),
            host: "192.0.2.7:6443".into(),
            user_agent: "Nightlatch/0.1 (+mailto:soc@example.org)".into(),
            ..Request::default()
        }
    }

    #[test]
    fn a_get_is_written_as_it_must_be() {
        let text = String::from_utf8(get("/version?x=%20").encode().unwrap()).unwrap();
        assert_eq!(
            text,
            "GET /version?x=%20 HTTP/1.1\r\nHost: 192.0.2.7:6443\r\n\
             User-Agent: Nightlatch/0.1 (+mailto:soc@example.org)\r\nAccept: */*\r\n\
             Accept-Encoding: identity\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn a_post_says_how_long_its_body_is() {
        let request = Request { method: Method::Post, json_body: Some("{\"ä\":1}".into()), ..get("/q") };
        let text = String::from_utf8(request.encode().unwrap()).unwrap();
        assert!(text.contains("Content-Type: application/json\r\nContent-Length: 8\r\n\r\n{\"ä\":1}"));
        let empty = Request { method: Method::Post, ..get("/q") }.encode().unwrap();
        assert!(String::from_utf8(empty).unwrap().ends_with("Content-Length: 0\r\n\r\n"));
    }

    #[test]
    fn nothing_breaks_out_of_its_place() {
        for path in ["", "version", "/a b", "/a\r\nX: y", "/ä", "/\0", "/a#b", "http://192.0.2.1/"] {
            let refused = get(path).encode();
            assert!(matches!(refused, Err(RequestError::Path { .. })), "{path:?}: {refused:?}");
        }
        for bad in ["", " ", "a\r\nX: y", "a\n", "ä"] {
            let refused = Request { host: bad.into(), ..get("/") }.encode();
            assert_eq!(refused, Err(RequestError::Value { header: "Host" }), "{bad:?}");
            let refused = Request { user_agent: bad.into(), ..get("/") }.encode();
            assert_eq!(refused, Err(RequestError::Value { header: "User-Agent" }), "{bad:?}");
            let refused = Request { accept: Some(bad.into()), ..get("/") }.encode();
            assert_eq!(refused, Err(RequestError::Value { header: "Accept" }), "{bad:?}");
        }
        let long = get(&format!("/{}", "a".repeat(PATH_BYTES_MAX))).encode();
        assert!(matches!(long, Err(RequestError::TooLong { what: "path", .. })));
        let head = Request { method: Method::Head, json_body: Some("{}".into()), ..get("/") }.encode();
        assert_eq!(head, Err(RequestError::HeadBody));
    }
}
