//! The way to the targets while packets are being sent: when it changes, sending waits, follows, or stops.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use nightlatch_netio::raw::{Way, WayWatch};
use nightlatch_wire::Link;

use crate::sweep::Tracks;

/// What the sending thread is told about the way.
#[derive(Debug, Default)]
pub(crate) struct WayNews {
    /// Nothing may be sent for now.
    held: AtomicBool,
    /// There is something in `link`.
    has_link: AtomicBool,
    link: Mutex<Option<Link>>,
    /// There is something in `lost`.
    is_lost: AtomicBool,
    lost: Mutex<Option<String>>,
}

impl WayNews {
    /// Whether sending has to wait.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Relaxed)
    }

    /// Whether nothing more is to be sent, because the way is another one.
    pub(crate) fn is_lost(&self) -> bool {
        self.is_lost.load(Relaxed)
    }

    /// What frames begin with from now on, where that has changed.
    pub(crate) fn take_link(&self) -> Option<Link> {
        if !self.has_link.swap(false, Relaxed) {
            return None;
        }
        self.link.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Why nothing more was sent.
    pub(crate) fn take_lost(&self) -> Option<String> {
        self.lost.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn follow(&self, link: Link) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = Some(link);
        self.has_link.store(true, Relaxed);
    }

    fn lose(&self, why: String) {
        *self.lost.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
        self.is_lost.store(true, Relaxed);
    }
}

/// How long the thread waits for news before it looks whether it is to end.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// One change comes as several messages.
const SETTLING: Duration = Duration::from_millis(10);
/// How long a way may be gone before the scan stops: longer than it takes to give an interface its address again.
const GONE_MAX: Duration = Duration::from_secs(3);
/// Reading tables of a million routes takes a while: no more than a tenth of the time is spent on it.
const REST: u32 = 9;

/// Watches until the sweep is over, on a thread of its own.
pub(crate) fn watch(mut watch: WayWatch, tracks: &Arc<Tracks>) {
    while !tracks.is_over() && !tracks.way.is_lost() {
        match watch.wait(LOOK_EVERY) {
            Ok(false) => {}
            Ok(true) => {
                thread::sleep(SETTLING);
                let began = Instant::now();
                check(&mut watch, tracks);
                rest(began.elapsed() * REST, tracks);
            }
            Err(error) => {
                tracks.note(format!("changes of the way to the targets are not noticed any more: {error}"));
                return;
            }
        }
    }
}

fn rest(long: Duration, tracks: &Tracks) {
    let until = Instant::now() + long.min(Duration::from_secs(10));
    while Instant::now() < until && !tracks.is_over() {
        thread::sleep(LOOK_EVERY.min(long));
    }
}

/// Looks what the news mean. While the way is another one nothing is sent; when it stays so the scan stops.
fn check(watch: &mut WayWatch, tracks: &Tracks) {
    let began = Instant::now();
    let mut first = None;
    let outcome = loop {
        match watch.look() {
            Ok(Way::Other(why)) => {
                tracks.way.held.store(true, Relaxed);
                first.get_or_insert(why.clone());
                if began.elapsed() >= GONE_MAX {
                    break Err(why);
                }
            }
            Ok(way) => break Ok(way),
            Err(error) => break Err(format!("the kernel's routes could not be read: {error}")),
        }
        if tracks.is_over() {
            return;
        }
        thread::sleep(LOOK_EVERY);
    };
    match outcome {
        Ok(way) => {
            if let Way::NextHop { link, gateway } = way {
                tracks.way.follow(link);
                tracks.note(format!(
                    "the next hop has changed; sending goes on through {gateway}, {}",
                    shown(link)
                ));
            }
            if let Some(why) = first {
                let seconds = began.elapsed().as_secs_f64();
                tracks.note(format!("nothing was sent for {seconds:.1} s: {why}; now it is as before"));
            }
            tracks.way.held.store(false, Relaxed);
        }
        Err(why) => tracks.way.lose(why),
    }
}

fn shown(link: Link) -> String {
    match link {
        Link::Bare => "routed by the kernel".to_owned(),
        Link::Ethernet { destination, .. } => destination.map(|byte| format!("{byte:02x}")).join(":"),
    }
}
