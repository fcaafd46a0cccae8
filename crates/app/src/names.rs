//! Names of addresses, asked of the resolver that the configuration names; each address once.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use nightlatch_asset::Text;
use nightlatch_enrich::ptr;
use nightlatch_netio::ask_resolver;

/// How long one answer may take, and how often is asked.
const PATIENCE: Duration = Duration::from_secs(2);
const TRIES: u32 = 2;
/// Addresses remembered; a scan in shuffled order meets the ports of one address far apart.
const REMEMBERED_MAX: usize = 200_000;

/// Asks for names. Without a resolver it never does.
#[derive(Debug, Default)]
pub struct Names {
    resolver: Option<SocketAddr>,
    known: Mutex<HashMap<IpAddr, Vec<Text>>>,
}

impl Names {
    /// Asks `resolver`, or nobody.
    pub fn new(resolver: Option<SocketAddr>) -> Self {
        Self { resolver, known: Mutex::default() }
    }

    /// The names of an address; none when there are none, or nobody answered.
    pub async fn of(&self, ip: IpAddr) -> Vec<Text> {
        let Some(resolver) = self.resolver else { return Vec::new() };
        if let Some(names) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(&ip) {
            return names.clone();
        }
        let names = ask(resolver, ip).await;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < REMEMBERED_MAX {
            known.insert(ip, names.clone());
        }
        names
    }
}

async fn ask(resolver: SocketAddr, ip: IpAddr) -> Vec<Text> {
    for _ in 0..TRIES {
        let mut id = [0; 2];
        if getrandom::fill(&mut id).is_err() {
            return Vec::new();
        }
        let id = u16::from_be_bytes(id);
        let question = ptr::query(id, ip);
        let read = |message: &[u8]| match ptr::parse(message, id, ip) {
            Err(ptr::PtrError::Foreign) => None,
            Err(_) => Some(Vec::new()),
            Ok(answer) => Some(answer.names),
        };
        if let Ok(names) = ask_resolver(resolver, &question, PATIENCE, read).await {
            return names;
        }
    }
    Vec::new()
}
