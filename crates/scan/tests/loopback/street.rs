//! A street of open ports on loopback, a prober that says one sentence, and a store in memory.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use nightlatch_asset::{Observation, Text, Timestamp, Transport, Verdict};
use nightlatch_netio::{Dialer, Pace};
use nightlatch_scan::{Cancel, Discovery, Journal, Opened, Outcome, Plan, Progress, Scan, SinkError, Start};
use nightlatch_scope::{PortSet, Scope, Target, TargetSet, TargetSetBuilder};
use socket2::{Domain, Socket, Type};

/// One listener on all of 127.0.0.0/8, which remembers which address was asked how often.
pub(crate) struct Street {
    pub(crate) port: u16,
    asked: Arc<Mutex<HashMap<IpAddr, u32>>>,
    stop: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Street {
    pub(crate) fn open() -> Self {
        // All addresses share this listener, so its backlog must hold what each would hold by itself.
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into()).unwrap();
        socket.listen(4096).unwrap();
        let listener = TcpListener::from(socket);
        let port = listener.local_addr().unwrap().port();
        let asked: Arc<Mutex<HashMap<IpAddr, u32>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (counted, stopped) = (asked.clone(), stop.clone());
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // A peer that was killed may be gone before it is accepted.
                if let Ok(address) = stream.and_then(|stream| stream.local_addr()) {
                    *counted.lock().unwrap().entry(address.ip()).or_default() += 1;
                }
            }
        });
        Self { port, asked, stop, thread: Some(thread) }
    }

    /// How often each address was asked.
    pub(crate) fn asked(&self) -> HashMap<IpAddr, u32> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

pub(crate) fn targets(list: &[&str], ports: &[u16]) -> Arc<TargetSet> {
    let mut builder = TargetSetBuilder::new(ports.iter().copied().collect::<PortSet>());
    for text in list {
        builder.add(&text.parse::<Target>().unwrap(), &[]);
    }
    Arc::new(builder.build().unwrap())
}

pub(crate) fn plan(list: &[&str], ports: &[u16]) -> Plan {
    Plan::new(targets(list, ports), Arc::new(Scope::loopback_only()), [11, 12])
}

pub(crate) fn scan(plan: Plan, pace: Pace, journal: Option<Journal>) -> Scan {
    let (dialer, progress) = (Arc::new(Dialer::new(pace)), Arc::new(Progress::new()));
    Scan { plan, dialer, journal, progress, cancel: Cancel::new(), discovery: Discovery::Connect }
}

pub(crate) fn journal(data: &Path, plan: &Plan) -> Journal {
    let start = Start {
        command: vec!["nightlatch".into(), "scan".into()],
        user: "tester".into(),
        ..Start::default()
    };
    Journal::create(data, plan, start, Timestamp::now()).unwrap()
}

pub(crate) fn observation(socket: SocketAddr) -> Observation {
    Observation {
        ip: socket.ip(),
        port: socket.port(),
        transport: Transport::Tcp,
        protocol: "tcp".into(),
        time: Timestamp::now(),
        run: Default::default(),
        asked_as: None,
        verdict: Verdict { product: Some(Text::from("Door")), ..Verdict::default() },
        data: Text::default(),
        http: None,
        tls: None,
        hostnames: vec![],
        domains: vec![],
        place: None,
        network: None,
        cloud: None,
        owner: None,
        os: None,
        tags: Default::default(),
    }
}

/// Says what was open, and hangs up.
pub(crate) async fn glance(opened: Opened) -> Vec<Observation> {
    vec![observation(opened.target.socket())]
}

/// What was stored: how often each endpoint was.
#[derive(Clone, Default)]
pub(crate) struct Book(pub(crate) Arc<Mutex<HashMap<SocketAddr, u32>>>);

impl Book {
    pub(crate) fn sink(&self) -> impl FnMut(&[Observation]) -> Result<(), SinkError> + Send + 'static {
        let book = self.0.clone();
        move |batch: &[Observation]| {
            let mut book = book.lock().unwrap();
            for observation in batch {
                *book.entry(observation.endpoint().socket()).or_default() += 1;
            }
            Ok(())
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn most(&self) -> u32 {
        self.0.lock().unwrap().values().copied().max().unwrap_or_default()
    }
}

pub(crate) async fn run(scan: Scan, book: &Book) -> Outcome {
    let (outcome, sink) = scan.run(glance, book.sink()).await;
    assert!(sink.is_some());
    outcome
}

/// Runs and stops after `after`.
pub(crate) async fn run_and_stop(scan: Scan, book: &Book, after: Duration) -> Outcome {
    let cancel = scan.cancel.clone();
    let stopper = tokio::spawn(async move {
        tokio::time::sleep(after).await;
        cancel.stop();
    });
    let outcome = run(scan, book).await;
    stopper.abort();
    outcome
}
