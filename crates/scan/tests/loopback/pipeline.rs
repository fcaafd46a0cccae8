//! The pipeline on real sockets: what is counted, what is bounded, what a bug or a full disk does to it.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use nightlatch_asset::Observation;
use nightlatch_netio::Pace;
use nightlatch_scan::{Plan, ScanError, State, Tally};
use nightlatch_scope::Scope;
use socket2::{Domain, Socket, Type};

use crate::street::{Book, Street, glance, observation, plan, run, run_and_stop, scan, targets};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_closed_and_filtered_are_told_apart() {
    let open = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    full.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    full.listen(0).unwrap();
    let full_at = full.local_addr().unwrap().as_socket().unwrap();
    let _fills_it = std::net::TcpStream::connect(full_at).unwrap();
    // Bound and not listening: nobody else can take the port.
    let closed = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    closed.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    let closed_at = closed.local_addr().unwrap().as_socket().unwrap();

    let list: Vec<String> = [open.local_addr().unwrap(), full_at, closed_at].map(|at| at.to_string()).into();
    let list: Vec<&str> = list.iter().map(String::as_str).collect();
    let mut plan = plan(&list, &[]);
    plan.connect_patience = Duration::from_millis(200);
    let (book, scan) = (Book::default(), scan(plan, Pace::default(), None));
    let progress = scan.progress.clone();
    let outcome = run(scan, &book).await;
    let tally = Tally { open: 1, closed: 1, filtered: 1, ..Tally::default() };
    assert_eq!((outcome.state, outcome.tally, outcome.observations), (State::Finished, tally, 1));
    let seen = progress.snapshot();
    // The silent one was asked twice: one retry.
    assert_eq!((seen.tally, seen.sent, seen.identified, seen.in_flight), (tally, 4, 1, 0));
    assert!(book.0.lock().unwrap().contains_key(&open.local_addr().unwrap()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_thousand_open_ports_are_each_seen_once() {
    let street = Street::open();
    let (book, scan) =
        (Book::default(), scan(plan(&["127.64.0.0-127.64.195.79"], &[street.port]), Pace::default(), None));
    let outcome = run(scan, &book).await;
    assert_eq!((outcome.state, outcome.tally.done(), outcome.total), (State::Finished, 50_000, 50_000));
    // A loaded machine may drop a handshake; what is open is stored once and nothing is stored that is not.
    assert!(outcome.tally.open >= 49_900, "{:?}", outcome.tally);
    assert_eq!((book.len() as u64, book.most()), (outcome.tally.open, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_outside_the_scope_is_sent_to() {
    let street = Street::open();
    let text = "exclude = [\"127.0.0.16/28\"]\n";
    let scope = Scope::parse(text, "scope.toml".as_ref()).unwrap();
    let all = targets(&["127.0.0.0/26", "192.0.2.0/30"], &[street.port]);
    let plan = Plan::new(all, Arc::new(scope), [1, 2]);
    let book = Book::default();
    let outcome = run(scan(plan, Pace::default(), None), &book).await;
    assert_eq!((outcome.tally.refused, outcome.connections), (16 + 4, 48));
    assert_eq!(street.asked().len(), 48);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_sends_nothing_more_and_keeps_what_was_found() {
    let street = Street::open();
    let pace = Pace { rate_pps: Some(200), prefix_pps: None };
    let scan = scan(plan(&["127.0.0.0/16"], &[street.port]), pace, None);
    let (book, began) = (Book::default(), Instant::now());
    let outcome = run_and_stop(scan, &book, Duration::from_millis(500)).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(outcome.state, State::Stopped);
    assert!((20..=400).contains(&outcome.connections), "{outcome:?}");
    assert_eq!(outcome.tally.open, outcome.connections);
    assert_eq!(book.len() as u64, outcome.connections);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_flight_gets_its_grace_and_no_more() {
    let street = Street::open();
    for (talk, answered) in [(Duration::from_millis(600), 8), (Duration::from_secs(600), 0)] {
        let mut plan = plan(&["127.0.0.0/29"], &[street.port]);
        plan.grace = Duration::from_secs(2);
        let scan = scan(plan, Pace::default(), None);
        let cancel = scan.cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(300)).await;
            cancel.stop();
        });
        let (book, began) = (Book::default(), Instant::now());
        let prober = move |opened| async move {
            tokio::time::sleep(talk).await;
            glance(opened).await
        };
        let (outcome, _) = scan.run(prober, book.sink()).await;
        assert_eq!((outcome.tally.open, book.len()), (answered, answered as usize));
        assert!(began.elapsed() < Duration::from_secs(8));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_with_a_bug_or_without_end_harms_nobody_else() {
    let street = Street::open();
    let mut plan = plan(&["127.0.0.0/28"], &[street.port]);
    plan.conversation_limit = Duration::from_millis(300);
    let book = Book::default();
    let prober = |opened: nightlatch_scan::Opened| async move {
        match opened.target.socket().ip().to_string().as_str() {
            "127.0.0.3" => panic!("an index that is too large"),
            "127.0.0.4" => std::future::pending().await,
            _ => glance(opened).await,
        }
    };
    let (outcome, _) = scan(plan, Pace::default(), None).run(prober, book.sink()).await;
    assert_eq!(outcome.state, State::Finished);
    assert_eq!((outcome.tally.open, outcome.tally.failed, book.len()), (15, 1, 14));
    assert_eq!(outcome.bugs, (1, Some("an index that is too large".to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sink_that_refuses_ends_the_scan_with_its_words() {
    let street = Street::open();
    let mut taken = 0;
    let sink = move |batch: &[Observation]| {
        taken += batch.len();
        if taken > 2000 { Err("no space left on device".into()) } else { Ok(()) }
    };
    let (outcome, _) =
        scan(plan(&["127.0.0.0/17"], &[street.port]), Pace::default(), None).run(glance, sink).await;
    assert_eq!(outcome.state, State::Failed);
    let Some(ScanError::Sink(words)) = outcome.failure else { panic!("{:?}", outcome.failure) };
    assert_eq!(words.to_string(), "no space left on device");
    // Nothing counts as done that was not acknowledged.
    assert_eq!(outcome.tally.open, outcome.observations);
    assert!(outcome.tally.done() < outcome.total);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_sink_holds_the_scan_back() {
    let street = Street::open();
    let (made, stored) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (making, storing) = (made.clone(), stored.clone());
    let most = Arc::new(AtomicU64::new(0));
    let highest = most.clone();
    let prober = move |opened: nightlatch_scan::Opened| {
        let made = making.clone();
        async move {
            made.fetch_add(1, Ordering::SeqCst);
            vec![observation(opened.target.socket())]
        }
    };
    let sink = move |batch: &[Observation]| {
        std::thread::sleep(Duration::from_millis(100));
        let stored = storing.fetch_add(batch.len() as u64, Ordering::SeqCst);
        highest.fetch_max(made.load(Ordering::SeqCst) - stored, Ordering::SeqCst);
        Ok(())
    };
    let mut plan = plan(&["127.0.0.0/19"], &[street.port]);
    plan.concurrency = 256;
    let (outcome, _) = scan(plan, Pace::default(), None).run(prober, sink).await;
    assert_eq!((outcome.state, stored.load(Ordering::SeqCst)), (State::Finished, outcome.tally.open));
    // A queue of 1024, a batch of 1024, and the 256 that wait to put theirs into the queue.
    assert!(most.load(Ordering::SeqCst) <= 1024 + 1024 + 256, "{most:?}");
}

#[test]
fn few_file_descriptors_make_the_scan_slower_and_not_wrong() {
    let street = Street::open();
    let child = Command::new("sh")
        .arg("-c")
        .arg("ulimit -n 64 && exec \"$0\" --exact --ignored --nocapture pipeline::child_with_few_descriptors")
        .arg(std::env::current_exe().unwrap())
        .env("STREET_PORT", street.port.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && text.contains("all 2000 found"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the test above, with a limit on its descriptors"]
async fn child_with_few_descriptors() {
    let port = std::env::var("STREET_PORT").unwrap().parse().unwrap();
    let mut plan = plan(&["127.0.0.0-127.0.7.207"], &[port]);
    plan.concurrency = 4096;
    // Each conversation opens a second connection while it holds the first: more than the budget counts on.
    let scan = scan(plan, Pace::default(), None);
    let dialer = scan.dialer.clone();
    let prober = move |opened: nightlatch_scan::Opened| {
        let dialer = dialer.clone();
        async move {
            let second = dialer.connect(opened.target, Duration::from_secs(2)).await;
            if second.is_ok() { glance(opened).await } else { Vec::new() }
        }
    };
    let book = Book::default();
    let (outcome, _) = scan.run(prober, book.sink()).await;
    assert_eq!((outcome.state, outcome.tally.open), (State::Finished, 2000), "{outcome:?}");
    assert_eq!(book.len(), 2000);
    println!("all {} found", book.len());
}
