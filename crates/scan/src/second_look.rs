//! What stood open is asked once more, a while later: a state from `readable` up that does not hold is none.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use jiff::Timestamp;
use nightlatch_asset::{Confidence, Exposure, Observation, Severity, Text};

/// The doors that a first look found open, and what a second one makes of them.
#[derive(Debug, Default)]
pub struct Doors {
    found: HashMap<SocketAddr, Door>,
    answered: Mutex<Answered>,
}

/// A door as it was found.
#[derive(Clone, Debug)]
struct Door {
    asked_as: Option<Text>,
    product: Option<Text>,
    exposure: Exposure,
    severity: Severity,
    time: Timestamp,
}

/// What the second look has seen so far.
#[derive(Debug, Default)]
struct Answered {
    doors: HashSet<SocketAddr>,
    otherwise: HashSet<SocketAddr>,
}

impl Doors {
    /// Notes an observation of the first look, if it is of an open door.
    pub fn note(&mut self, o: &Observation) {
        if o.verdict.exposure >= Exposure::Readable {
            let door = Door {
                asked_as: o.asked_as.clone(),
                product: o.verdict.product.clone(),
                exposure: o.verdict.exposure,
                severity: o.verdict.severity,
                time: o.time,
            };
            self.found.insert(SocketAddr::new(o.ip, o.port), door);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// Whether none stood open.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Where they are, and the name each was asked as.
    pub fn targets(&self) -> impl Iterator<Item = (SocketAddr, Option<&Text>)> {
        self.found.iter().map(|(socket, door)| (*socket, door.asked_as.as_ref()))
    }

    /// Compares an observation of the second look with the first. Where product or state differ, the state becomes
    /// `unknown`, with the tag `flapping` and both answers as the reason.
    pub fn compare(&self, o: &mut Observation) {
        let socket = SocketAddr::new(o.ip, o.port);
        let Some(door) = self.found.get(&socket) else { return };
        let same = door.product == o.verdict.product && door.exposure == o.verdict.exposure;
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.doors.insert(socket);
        if same {
            return;
        }
        answered.otherwise.insert(socket);
        let v = &mut o.verdict;
        let (before, now) = if door.product == v.product {
            (door.exposure.as_str().to_owned(), v.exposure.as_str().to_owned())
        } else {
            let told = |product: &Option<Text>, exposure: Exposure| {
                format!("{} {}", product.as_ref().map_or("nothing known,", Text::raw), exposure.as_str())
            };
            (told(&door.product, door.exposure), told(&v.product, v.exposure))
        };
        let clock = |time: Timestamp| time.strftime("%H:%M:%S").to_string();
        v.why = Text::from(format!(
            "answers differently when it is asked again: {before} at {}, {now} at {}",
            clock(door.time),
            clock(o.time)
        ));
        if door.product != v.product {
            (v.fingerprint, v.product, v.version) = (None, None, None);
            v.cpe.clear();
        }
        (v.exposure, v.proof, v.severity) = (Exposure::Unknown, None, Severity::Info);
        v.confidence = Confidence::Low;
        v.rule.clear();
        v.fix = None;
        v.findings.clear();
        o.tags.insert(Text::from("flapping"));
    }

    /// Whether the second look found something else than the first where `o` is of.
    pub fn differ(&self, o: &Observation) -> bool {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.otherwise.contains(&SocketAddr::new(o.ip, o.port))
    }

    /// How many answered otherwise, and how many did not answer again.
    pub fn outcome(&self) -> (usize, usize) {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        (answered.otherwise.len(), self.found.len().saturating_sub(answered.doors.len()))
    }

    /// The worst severity of the doors that did not answer again: nothing was learnt that makes them better.
    pub fn worst_unanswered(&self) -> Option<Severity> {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let silent = self.found.iter().filter(|(socket, _)| !answered.doors.contains(socket));
        silent.map(|(_, door)| door.severity).max()
    }
}

#[cfg(test)]
mod tests {
    use nightlatch_asset::Proof;
    use serde_json::json;

    use super::*;

    fn observation(port: u16, product: &str, exposure: Exposure) -> Observation {
        let plain = json!({ "ip": "192.0.2.1", "port": port, "transport": "tcp", "protocol": "tcp",
            "time": "1970-01-01T00:00:00Z", "run": "r", "data": "", "verdict": {} });
        let mut o: Observation = serde_json::from_value(plain).unwrap();
        o.verdict.product = Some(product.into());
        o.verdict.version = Some("1.2.3".into());
        o.verdict.exposure = exposure;
        o.verdict.severity = Severity::High;
        o.verdict.proof = Some(Proof::Proven);
        o
    }

    #[test]
    fn only_open_doors_are_looked_at_again() {
        let mut doors = Doors::default();
        for exposure in Exposure::ALL {
            doors.note(&observation(exposure as u16, "etcd", exposure));
        }
        let mut ports: Vec<_> = doors.targets().map(|(socket, _)| socket.port()).collect();
        ports.sort_unstable();
        assert_eq!(ports, [Exposure::Readable as u16, Exposure::Controllable as u16]);
    }

    #[test]
    fn what_holds_is_left_as_it_is() {
        let mut doors = Doors::default();
        let mut o = observation(1, "etcd", Exposure::Readable);
        doors.note(&o);
        let before = o.clone();
        doors.compare(&mut o);
        assert!(!doors.differ(&o));
        assert_eq!(o, before);
        assert_eq!((doors.outcome(), doors.worst_unanswered()), ((0, 0), None));
    }

    #[test]
    fn what_does_not_hold_becomes_unknown_and_says_why() {
        let mut doors = Doors::default();
        doors.note(&observation(1, "etcd", Exposure::Controllable));
        let mut o = observation(1, "etcd", Exposure::AuthRequired);
        doors.compare(&mut o);
        assert!(doors.differ(&o));
        assert_eq!((o.verdict.exposure, o.verdict.severity), (Exposure::Unknown, Severity::Info));
        let why = o.verdict.why.raw();
        assert!(why.ends_with("again: controllable at 00:00:00, auth-required at 00:00:00"), "{why}");
        assert_eq!(o.verdict.product, Some("etcd".into()), "what it is was told twice");
        assert!(o.tags.contains(&Text::from("flapping")));
        assert_eq!(doors.outcome(), (1, 0));
    }

    #[test]
    fn another_product_is_no_product() {
        let mut doors = Doors::default();
        doors.note(&observation(1, "etcd", Exposure::Readable));
        let mut o = observation(1, "Docker", Exposure::Readable);
        doors.compare(&mut o);
        assert!(doors.differ(&o));
        assert_eq!((o.verdict.product, o.verdict.version), (None, None));
        assert!(o.verdict.why.raw().contains("etcd readable at"), "{}", o.verdict.why.raw());
    }

    #[test]
    fn who_does_not_answer_again_keeps_its_severity() {
        let mut doors = Doors::default();
        doors.note(&observation(1, "etcd", Exposure::Readable));
        assert_eq!((doors.outcome(), doors.worst_unanswered()), ((0, 1), Some(Severity::High)));
        let mut never_noted = observation(2, "etcd", Exposure::Limited);
        doors.compare(&mut never_noted);
        assert!(!doors.differ(&never_noted));
    }
}
