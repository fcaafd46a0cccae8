//! A whole loopback network behind one port: every address of it answers, and who was asked how often is counted.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{IpAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

/// Listens on one port of every loopback address, and answers as a web server that says nothing.
#[derive(Debug)]
pub struct Tenants {
    /// The port.
    pub port: u16,
    asked: Arc<Mutex<BTreeMap<IpAddr, u32>>>,
}

impl Tenants {
    /// Opens the doors; they stay open until the test program ends.
    pub fn open() -> Self {
        let listener = TcpListener::bind(("0.0.0.0", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<BTreeMap<IpAddr, u32>>> = Arc::default();
        let counted = Arc::clone(&asked);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                // A stranger that has gone already does not count.
                let Ok(local) = stream.local_addr() else { continue };
                *counted.lock().unwrap_or_else(PoisonError::into_inner).entry(local.ip()).or_default() += 1;
                thread::spawn(move || {
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                    let mut request = [0; 4096];
                    while matches!(stream.read(&mut request), Ok(length) if length > 0) {
                        let answer =
                            b"HTTP/1.1 404 Not Found\r\nServer: tenants\r\nContent-Length: 4\r\n\r\nnone";
                        if stream.write_all(answer).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { port, asked }
    }

    /// How many connections each address of a network has seen.
    ///
    /// - `prefix`: the beginning of the addresses as text.
    pub fn asked(&self, prefix: &str) -> BTreeMap<IpAddr, u32> {
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.iter().filter(|(ip, _)| ip.to_string().starts_with(prefix)).map(|(ip, n)| (*ip, *n)).collect()
    }
}
