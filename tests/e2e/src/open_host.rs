//! A host on which 50,000 ports are open and answer alike: what a decoy, or a firewall that answers for everybody, looks like.

use std::{
    fs,
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use rustix::process::{Resource, getrlimit};

use crate::nightlatch::street_binary;

/// Ports of the host on which everything is open.
pub const OPEN_PORTS: std::ops::RangeInclusive<u16> = 10_000..=59_999;
/// An address of loopback that nothing else uses, so that no port of it is taken.
pub const OPEN_HOST: &str = "127.77.50.1";
/// Descriptors that a serving process keeps for connections: more than the endpoints that the scanner asks at a time.
const CONNECTION_DESCRIPTORS: u64 = 6_000;

/// What every port of that host says to every request, in the form of a recording.
const SAME_ANSWER: &str = r#"{"product":"decoy","variant":"same","version":"1","started_with":"by this test","transport":"tcp","exchanges":[
{"name":"anything","request":{"text":"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"},"closed":true,
"response":{"text":"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 36\r\n\r\n<title>blocked</title>by your policy"}}]}"#;

/// Processes that serve the host together, as many as the limit of open files asks for.
#[derive(Debug)]
pub struct OpenHost(Vec<Child>);

impl OpenHost {
    /// Opens all ports.
    pub fn open() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let recording = dir.path().join("same.json");
        fs::write(&recording, SAME_ANSWER).unwrap();
        let limit = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        let per_process =
            u16::try_from(limit - CONNECTION_DESCRIPTORS.min(limit / 2)).unwrap_or(u16::MAX).max(1);
        let mut children = Vec::new();
        let mut first = *OPEN_PORTS.start();
        loop {
            let last = first.saturating_add(per_process - 1).min(*OPEN_PORTS.end());
            let mut child = Command::new(street_binary())
                .arg(&recording)
                .arg(format!("{OPEN_HOST}:{first}-{last}"))
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert_eq!(line, format!("ready {}\n", last - first + 1));
            children.push(child);
            if last == *OPEN_PORTS.end() {
                return Self(children);
            }
            first = last + 1;
        }
    }
}

impl Drop for OpenHost {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended by itself; what counts is that it is gone.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::*;
    use crate::client::{Scheme, get};

    #[test]
    fn every_port_of_the_open_host_says_the_same() {
        let _host = OpenHost::open();
        let ip: IpAddr = OPEN_HOST.parse().unwrap();
        for port in [*OPEN_PORTS.start(), 31_337, *OPEN_PORTS.end()] {
            for path in ["/", "/version"] {
                let answer = get(Scheme::Http, SocketAddr::new(ip, port), path).unwrap();
                assert_eq!(answer.status, 403);
                assert!(answer.text.ends_with("by your policy"), "{}", answer.text);
            }
        }
    }
}
