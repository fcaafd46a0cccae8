//! Servers that misbehave on purpose, on real sockets. Each counts what it was asked and what it managed to send.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, sleep},
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};

/// A hostile server; it ends when the value is dropped.
#[derive(Debug)]
pub struct Hostile {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug, Default)]
struct State {
    stopped: AtomicBool,
    connections: AtomicU64,
    requests: AtomicU64,
    bytes: AtomicU64,
}

/// How a server treats one connection. It returns when the stranger is gone or the server ends.
pub type Behaviour = fn(&mut Visit) -> io::Result<()>;

impl Hostile {
    /// Listens on a free port of 127.0.0.1; every connection is treated by `behaviour` in a thread of its own.
    pub fn open(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.stopped.load(Relaxed) {
                    return;
                }
                shared.connections.fetch_add(1, Relaxed);
                let mut visit = Visit { stream, state: Arc::clone(&shared) };
                thread::spawn(move || behaviour(&mut visit));
            }
        });
        Self { address, state }
    }

    /// Connections that came.
    pub fn connections(&self) -> u64 {
        self.state.connections.load(Relaxed)
    }

    /// HTTP requests that came; one connection may carry several.
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Relaxed)
    }

    /// Bytes that were taken off its hands, kernel buffers included.
    pub fn bytes(&self) -> u64 {
        self.state.bytes.load(Relaxed)
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        self.state.stopped.store(true, Relaxed);
        // Wakes the listener up, so that it sees the flag; nobody may be left to answer, and that is fine.
        let _ = TcpStream::connect(self.address);
    }
}

/// One connection to a hostile server.
#[derive(Debug)]
pub struct Visit {
    stream: TcpStream,
    state: Arc<State>,
}

impl Visit {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.state.stopped.load(Relaxed) {
            return Err(io::Error::other("the server ends"));
        }
        self.stream.write_all(bytes)?;
        self.state.bytes.fetch_add(bytes.len() as u64, Relaxed);
        Ok(())
    }

    /// Reads one HTTP request head; bytes that are not HTTP are read until a pause.
    fn request(&mut self) -> io::Result<()> {
        let mut head = Vec::new();
        let mut byte = [0];
        self.stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        while !head.ends_with(b"\r\n\r\n") {
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
            if head.first() == Some(&0x16) {
                // A TLS greeting: whatever follows of it does not matter.
                self.stream.set_read_timeout(Some(Duration::from_millis(50)))?;
                let mut rest = [0; 4096];
                while matches!(self.stream.read(&mut rest), Ok(length) if length > 0) {}
                return Ok(());
            }
        }
        self.state.requests.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Waits until the stranger leaves or the server ends.
    fn hold(&mut self) -> io::Result<()> {
        self.stream.set_read_timeout(Some(Duration::from_millis(200)))?;
        let mut ignored = [0; 4096];
        while !self.state.stopped.load(Relaxed) {
            match self.stream.read(&mut ignored) {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)?;
        self.hold()
    }

    /// Ends the connection with a reset instead of an orderly close.
    fn reset(&mut self) -> io::Result<()> {
        rustix::net::sockopt::set_socket_linger(&self.stream, Some(Duration::ZERO))?;
        // The socket closes, and resets, when the visit is dropped.
        Ok(())
    }
}

/// Accepts and says nothing.
pub fn silent(visit: &mut Visit) -> io::Result<()> {
    visit.hold()
}

/// Answers with one byte a second, for ever.
pub fn drip(visit: &mut Visit) -> io::Result<()> {
    visit.request()?;
    for byte in b"HTTP/1.1 200 OK\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'a')) {
        visit.send(&[*byte])?;
        sleep(Duration::from_secs(1));
    }
    Ok(())
}

/// Never ends its headers.
pub fn endless_headers(visit: &mut Visit) -> io::Result<()> {
    visit.request()?;
    visit.send(b"HTTP/1.1 200 OK\r\n")?;
    let line = b"X-More: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(64);
    loop {
        visit.send(&line)?;
    }
}

/// Says `100 Continue` for ever.
pub fn endless_continue(visit: &mut Visit) -> io::Result<()> {
    visit.request()?;
    let lines = b"HTTP/1.1 100 Continue\r\n\r\n".repeat(64);
    loop {
        visit.send(&lines)?;
    }
}

/// Never ends its body, and never said how long it would be.
pub fn endless_body(visit: &mut Visit) -> io::Result<()> {
    visit.request()?;
    visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")?;
    let block = vec![b'x'; 64 * 1024];
    loop {
        visit.send(&block)?;
    }
}

/// A header line of 10 MB.
pub fn long_header_line(visit: &mut Visit) -> io::Result<()> {
    visit.request()?;
    visit.send(b"HTTP/1.1 200 OK\r\nX-Long: ")?;
    let block = vec![b'y'; 100_000];
    for _ in 0..100 {
        visit.send(&block)?;
    }
    visit.send(b"\r\nContent-Length: 2\r\n\r\nok")?;
    visit.close()
}

/// Announces chunks of 2^64 bytes and more.
pub fn huge_chunks(visit: &mut Visit) -> io::Result<()> {
    let sizes = [
        "10000000000000000",
        "ffffffffffffffff",
        "fffffffffffffffffffffffffffffffff",
        "-1",
        "7fffffffffffffff",
    ];
    let turn = visit.state.connections.load(Relaxed) as usize % sizes.len();
    visit.request()?;
    let size = sizes.get(turn).copied().unwrap_or_default();
    visit.send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{size}\r\n").as_bytes())?;
    visit.send(&vec![b'z'; 100_000])?;
    visit.close()
}

/// A kilobyte on the wire for every megabyte unpacked, a gigabyte in all, though nobody asked for compression.
pub fn compressed_bomb(visit: &mut Visit) -> io::Result<()> {
    visit.request()?;
    visit.send(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Type: application/json\r\n\r\n")?;
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let block = vec![b' '; 1 << 20];
    for _ in 0..1024 {
        packed.write_all(&block)?;
        let ready = std::mem::take(packed.get_mut());
        if !ready.is_empty() {
            visit.send(&ready)?;
        }
    }
    let rest = packed.finish()?;
    visit.send(&rest)?;
    visit.close()
}

/// Bytes that are no UTF-8 in the reason, in headers, in the title and in the body, with escapes for terminals between them.
pub fn invalid_utf8(visit: &mut Visit) -> io::Result<()> {
    visit.request()?;
    let body =
        b"<title>\xff\xfe\x1b]0;owned\x07\xc3\x28</title>\xf0\x28\x8c\xbc{\"etcdserver\":\"\xed\xa0\x80\"}";
    let head = b"HTTP/1.1 200 \xc0\xaf\x1b[2J\r\nServer: \xe2\x80\xae\xff\x1b[31m=cmd|' /C calc'!A0\r\nContent-Length: ";
    visit.send(head)?;
    visit.send(format!("{}\r\n\r\n", body.len()).as_bytes())?;
    visit.send(body)?;
    visit.close()
}

/// Answers a TLS greeting with records that make no sense.
pub fn tls_garbage(visit: &mut Visit) -> io::Result<()> {
    let turn = visit.state.connections.load(Relaxed) % 4;
    visit.request()?;
    let mut noise = 0x2545_f491_4f6c_dd1d_u64;
    let mut garbage = Vec::with_capacity(70_000);
    while garbage.len() < 70_000 {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        garbage.extend_from_slice(&noise.to_le_bytes());
    }
    match turn {
        0 => visit.send(&garbage)?,
        // Handshake records of the greatest length that their header can announce.
        1 => {
            visit.send(b"\x16\x03\x03\xff\xff")?;
            visit.send(&garbage)?;
        }
        // A ServerHello that announces 16 MB and goes on and on.
        2 => {
            for _ in 0..64 {
                visit.send(b"\x16\x03\x03\x40\x00\x02\xff\xff\xff")?;
                visit.send(garbage.get(..0x4000 - 4).unwrap_or_default())?;
            }
        }
        // Empty records and alerts that do not end anything.
        _ => visit.send(&b"\x16\x03\x03\x00\x00\x15\x03\x03\x00\x02\x01\x5a".repeat(2000))?,
    }
    visit.close()
}

/// Sends back whatever it is sent.
pub fn echo(visit: &mut Visit) -> io::Result<()> {
    visit.stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut heard = [0; 16 << 10];
    loop {
        let length = visit.stream.read(&mut heard)?;
        if length == 0 {
            return Ok(());
        }
        visit.send(&heard[..length])?;
    }
}

/// Answers every request with a page and no head, and closes.
pub fn page_without_head(visit: &mut Visit) -> io::Result<()> {
    visit.request()?;
    visit.send(b"<html><head><title>Docker etcd Kubernetes</title></head><body>hello</body></html>\n")?;
    visit.close()
}

/// Wants TLS, and tells who begins without it in a page that has no head, as Apache of old did.
pub fn complaint_without_head(visit: &mut Visit) -> io::Result<()> {
    let mut first = [0];
    visit.stream.peek(&mut first)?;
    if first == [0x16] {
        visit.request()?;
        // A handshake that fails, in words of TLS.
        visit.send(b"\x15\x03\x03\0\x02\x02\x28")?;
        return visit.close();
    }
    page_without_head(visit)
}

/// Greets in TLS 1.2 and shows a chain of certificates that fills a message of 16 MB, the largest there is.
pub fn endless_chain(visit: &mut Visit) -> io::Result<()> {
    visit.request()?;
    let hello = [&[2, 0, 0, 38, 3, 3][..], &[7; 32], &[0, 0xc0, 0x2f, 0]].concat();
    visit.send(&[&[0x16, 3, 3, 0, 42][..], &hello].concat())?;
    visit.send(b"\x16\x03\x03\0\x07\x0b\xff\xff\xfe\xff\xff\xfb")?;
    // One certificate a record: its length, and a sequence as long as it says.
    let record = [&b"\x16\x03\x03\x10\x03\0\x10\0\x30\x82\x0f\xfc"[..], &[0; 4092]].concat();
    for _ in 0..4095 {
        visit.send(&record)?;
    }
    visit.hold()
}

/// Sends everybody on to another path, for ever.
pub fn endless_redirects(visit: &mut Visit) -> io::Result<()> {
    loop {
        visit.request()?;
        let number = visit.state.requests.load(Relaxed);
        let answer = format!("HTTP/1.1 302 Found\r\nLocation: /again/{number}\r\nContent-Length: 0\r\n\r\n");
        visit.send(answer.as_bytes())?;
    }
}

/// Resets the connection in the middle of the body.
pub fn reset_in_body(visit: &mut Visit) -> io::Result<()> {
    visit.request()?;
    visit.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{\"etcdserver\":\"3.4.2")?;
    sleep(Duration::from_millis(50));
    visit.reset()
}

/// Resets the connection as soon as it is asked.
pub fn reset_at_once(visit: &mut Visit) -> io::Result<()> {
    visit.request()?;
    visit.reset()
}

/// Announces a length and sends another; closes before the promised end.
pub fn wrong_length(visit: &mut Visit) -> io::Result<()> {
    visit.request()?;
    visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\nContent-Length: -5\r\nTransfer-Encoding: \r\n\r\nok")?;
    visit.close()
}

/// Claims to be every product at once, whatever it is asked: what a decoy does.
pub fn everything_at_once(visit: &mut Visit) -> io::Result<()> {
    let body = br#"{"etcdserver":"3.5.9","etcdcluster":"3.5.0","major":"1","minor":"30","gitVersion":"v1.30.0","gitCommit":"x",
"gitTreeState":"clean","buildDate":"2024-01-01T00:00:00Z","goVersion":"go1.22","compiler":"gc","platform":"linux/amd64","ApiVersion":"1.41",
"MinAPIVersion":"1.12","GitCommit":"x","GoVersion":"go1.19","KernelVersion":"6","Components":[],"kind":"NamespaceList","apiVersion":"v1","items":[],
"repositories":[],"cluster_name":"x","tagline":"You Know, for Search","version":{"number":"8.1.0","build_flavor":"default"},"status":"success",
"data":{"version":"2.42.0"},"Version":"2.19.4","InstanceID":"x","name":"marathon"}"#;
    loop {
        visit.request()?;
        let head = format!(
            "HTTP/1.1 200 OK\r\nServer: Docker/20.10.24 (linux)\r\nApi-Version: 1.41\r\nOstype: linux\r\nDocker-Experimental: false\r\n\
             X-Elastic-Product: Elasticsearch\r\nDocker-Distribution-Api-Version: registry/2.0\r\nkbn-name: x\r\n\
             X-Kubernetes-Pf-Flowschema-Uid: 11fbf8f2-87eb-4fe7-88db-16a9410fea87\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len(),
        );
        visit.send(head.as_bytes())?;
        visit.send(body)?;
    }
}
