//! A receiver of webhooks with moods: quick, slow, refusing, away.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use serde_json::Value;

/// One message as it came in.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The header by which repetitions are told.
    pub key: String,
    /// The body.
    pub body: Value,
    /// The status it was answered with.
    pub status: u16,
}

#[derive(Debug)]
struct Mood {
    status: AtomicU16,
    delay_ms: AtomicU64,
    away: AtomicBool,
    letters: Mutex<Vec<Letter>>,
}

/// The receiver; it listens until the test program ends.
#[derive(Debug)]
pub struct Receiver {
    /// Where it listens.
    pub address: SocketAddr,
    mood: Arc<Mood>,
}

impl Receiver {
    /// Opens one that takes everything at once.
    pub fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let mood = Arc::new(Mood {
            status: AtomicU16::new(200),
            delay_ms: AtomicU64::new(0),
            away: AtomicBool::new(false),
            letters: Mutex::default(),
        });
        let shared = Arc::clone(&mood);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mood = Arc::clone(&shared);
                thread::spawn(move || take(stream, &mood));
            }
        });
        Self { address, mood }
    }

    /// From now on it answers with this status after this time.
    pub fn answers(&self, status: u16, delay: Duration) {
        self.mood.status.store(status, SeqCst);
        self.mood.delay_ms.store(u64::try_from(delay.as_millis()).unwrap(), SeqCst);
    }

    /// Whether it drops every connection without a word.
    pub fn is_away(&self, away: bool) {
        self.mood.away.store(away, SeqCst);
    }

    /// What came in so far, in order; answered or not.
    pub fn letters(&self) -> Vec<Letter> {
        self.mood.letters.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Takes what one connection brings; whatever is no message ends it.
fn take(stream: TcpStream, mood: &Mood) -> Option<()> {
    if mood.away.load(SeqCst) {
        return None;
    }
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let mut answer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut key, mut length, mut line) = (String::new(), 0, String::new());
        while reader.read_line(&mut line).ok()? > 0 {
            let header = line.trim_end().to_owned();
            line.clear();
            let Some((name, value)) = header.split_once(':') else {
                if header.is_empty() {
                    break;
                }
                continue;
            };
            match name.to_ascii_lowercase().as_str() {
                "idempotency-key" => key = value.trim().to_owned(),
                "content-length" => length = value.trim().parse().ok()?,
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let body = serde_json::from_slice(&body).ok()?;
        if mood.away.load(SeqCst) {
            return None;
        }
        let status = mood.status.load(SeqCst);
        mood.letters.lock().unwrap_or_else(PoisonError::into_inner).push(Letter { key, body, status });
        thread::sleep(Duration::from_millis(mood.delay_ms.load(SeqCst)));
        answer.write_all(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n").as_bytes()).ok()?;
    }
}
