use std::{
    net::{Ipv6Addr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Ports that are open on every address that the namespace answers for, as long as this value lives.
#[derive(Debug)]
pub struct Listeners {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Listeners {
    /// Opens ports in the namespace of the calling thread.
    ///
    /// Who connects is let go at once; who only sent a SYN has had the answer of the kernel, which gives it without end,
    /// as cookies where the queue is full.
    pub fn open(ports: &[u16]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut threads = Vec::new();
        for port in ports {
            // One socket of both families.
            let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, *port)).unwrap();
            listener.set_nonblocking(true).unwrap();
            let stop = stop.clone();
            threads.push(thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    // An error is the end of what waits, or a peer that is gone.
                    if listener.accept().is_err() {
                        thread::sleep(Duration::from_millis(10));
                    }
                }
            }));
        }
        Self { stop, threads }
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
