use crate::{Catalogue, model::Fingerprint};

/// What the catalogue expects behind a port: a first guess that decides only what is tried first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Habits {
    /// A product that speaks HTTP lists the port.
    pub http: bool,
    /// TLS is listed for it more often than plain text.
    pub tls: bool,
    /// A product with a binary conversation lists the port.
    pub dialogue: bool,
}

impl Catalogue {
    /// What is usual on `port`; nothing where no fingerprint lists it.
    pub fn habits(&self, port: u16) -> Habits {
        self.compiled.habits.get(&port).copied().unwrap_or_default()
    }
}

/// Counts what fingerprints say about each port. A port listed without a word about TLS speaks for neither.
pub(crate) fn habits(fingerprints: &[Fingerprint]) -> std::collections::HashMap<u16, Habits> {
    let mut votes = std::collections::HashMap::<u16, (Habits, i32)>::new();
    for fingerprint in fingerprints {
        let dialogue = fingerprint.requests.iter().any(|request| request.dialogue);
        let http = fingerprint.requests.iter().any(|request| !request.dialogue);
        for entry in &fingerprint.file.ports {
            let (habits, balance) = votes.entry(entry.port).or_default();
            habits.http |= http;
            habits.dialogue |= dialogue;
            *balance += entry.tls.map_or(0, |tls| if tls { 1 } else { -1 });
        }
    }
    votes.into_iter().map(|(port, (habits, balance))| (port, Habits { tls: balance > 0, ..habits })).collect()
}
