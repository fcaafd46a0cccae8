//! Stopped and killed in the middle of runs: what was asked is not asked again, what was found is told, once.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    thread::sleep,
    time::Duration,
};

use nightlatch_alert::ChangeKind;
use nightlatch_e2e::{console::Estate, receiver::Receiver, tenants::Tenants};

use super::{PATIENCE, TOLD_AT_ONCE, alert, begin, events, standing, watches};

#[test]
fn stopped_in_mid_run_it_goes_on_and_asks_nobody_twice() {
    let estate = Estate::with(TOLD_AT_ONCE);
    let tenants = Tenants::open();
    let console = estate.serve();
    // How often one that answers is asked by a run that nobody disturbs.
    let id = begin(&console, &["127.93.9.1-8"], tenants.port, 100);
    console.scanned_run(&id);
    let usual: BTreeSet<u32> = tenants.asked("127.93.9.").into_values().collect();
    assert_eq!(usual.len(), 1, "{usual:?}");

    let id = begin(&console, &["127.93.0.0/24"], tenants.port, 60);
    console.until("the run is in the middle", PATIENCE, || standing(&console, &id).2 >= 60);
    assert!(console.terminate().success(), "a graceful stop ends with 0");
    let before = tenants.asked("127.93.0.").len();
    assert!((60..256).contains(&before), "{before}");
    sleep(Duration::from_millis(500));
    assert_eq!(tenants.asked("127.93.0.").len(), before, "a stopped server asks nobody");

    let console = estate.serve();
    console.until("the run is gone on with", PATIENCE, || standing(&console, &id).0 == "finished");
    let asked = tenants.asked("127.93.0.");
    assert_eq!(asked.len(), 256, "nobody is left out");
    let twice: BTreeMap<IpAddr, u32> = asked.into_iter().filter(|(_, n)| !usual.contains(n)).collect();
    assert!(twice.is_empty(), "asked {usual:?} times as a rule, but: {twice:?}");
    console.until("all is stored", PATIENCE, || console.count("net:127.93.0.0/24") == 256);
    sleep(Duration::from_secs(3));
    let gone: Vec<_> = events(&estate).into_iter().filter(|e| e.change.kind == ChangeKind::Gone).collect();
    assert!(gone.is_empty(), "what was met before the stop is called gone: {gone:?}");
}

#[test]
fn killed_again_and_again_it_loses_nothing_and_tells_everything_once() {
    const KILLS: u64 = 15;
    let estate = Estate::with(TOLD_AT_ONCE);
    let (tenants, receiver) = (Tenants::open(), Receiver::open());
    let mut console = estate.serve();
    alert(&console, "127.94.0.0/16", &receiver);
    console.until("the watcher counts", PATIENCE, || watches(&estate));
    let id = begin(&console, &["127.94.0.0/23"], tenants.port, 45);
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for kill in 0..KILLS {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        sleep(Duration::from_millis(150 + seed % 1_100));
        console.kill();
        console = estate.serve();
        let (state, ..) = standing(&console, &id);
        assert!(
            ["running", "finished"].contains(&state.as_str()),
            "kill {kill}: {state}\n{}",
            console.log_end()
        );
    }
    console.until("the run ends", PATIENCE, || standing(&console, &id).0 == "finished");
    assert_eq!(tenants.asked("127.94.").len(), 512, "everybody was asked");
    console.until("all is stored", PATIENCE, || console.count("net:127.94.0.0/16") == 512);
    let counts = || super::control(&estate).delivery_counts().unwrap();
    console.until("all is told", PATIENCE, || counts() == [0, 512, 0]);

    let mut told: BTreeMap<(IpAddr, ChangeKind), usize> = BTreeMap::new();
    for event in events(&estate) {
        *told.entry((event.change.ip, event.change.kind)).or_default() += 1;
    }
    let expected: BTreeMap<_, _> = (0..512u16)
        .map(|n| {
            ((IpAddr::from([127, 94, n.to_be_bytes()[0], n.to_be_bytes()[1]]), ChangeKind::NewService), 1)
        })
        .collect();
    assert_eq!(told, expected, "each event once, and no other");

    let mut keys: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let letters = receiver.letters();
    for letter in &letters {
        let ip = letter.body["ip_str"].as_str().unwrap().to_owned();
        keys.entry(ip).or_default().insert(letter.key.clone());
    }
    assert_eq!(keys.len(), 512, "each message was delivered");
    let differing: Vec<_> = keys.iter().filter(|(_, keys)| keys.len() != 1).collect();
    assert!(differing.is_empty(), "a repetition carries another key: {differing:?}");
    println!("{KILLS} kills, {} messages of 512 arrived twice", letters.len() - 512);
}
