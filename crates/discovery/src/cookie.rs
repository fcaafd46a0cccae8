use std::{fmt, net::SocketAddr, ops::RangeInclusive};

use siphasher::sip::SipHasher24;

use crate::sample::ASKS_MAX;

/// What a probe carries so that its reply proves itself: nobody who has not seen the probe can know both.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cookie {
    /// Initial sequence number; the reply acknowledges one more (RFC 9293, section 3.4).
    pub sequence: u32,
    /// The port that the probe comes from.
    pub source_port: u16,
}

/// Makes cookies from 16 secret bytes, drawn once for each scan; never logged, never stored.
#[derive(Clone)]
pub struct Key {
    hasher: SipHasher24,
    first_port: u16,
    ports: u32,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}+{})", self.first_port, self.ports)
    }
}

impl Key {
    /// - `secret`: 16 bytes that nobody else knows.
    /// - `source_ports`: what probes come from; not empty.
    pub fn new(secret: &[u8; 16], source_ports: RangeInclusive<u16>) -> Self {
        let (first_port, last) = source_ports.into_inner();
        let ports = u32::from(last.saturating_sub(first_port)) + 1;
        Self { hasher: SipHasher24::new_with_key(secret), first_port, ports }
    }

    /// The cookie of a probe to `target`.
    #[inline]
    pub fn cookie(&self, target: SocketAddr) -> Cookie {
        let (bytes, length) = bytes(target);
        let hash = self.hasher.hash(&bytes[..length]);
        let port = ((hash >> 32) * u64::from(self.ports)) >> 32;
        Cookie { sequence: hash as u32, source_port: self.first_port + port as u16 }
    }

    /// The cookie of the probe that asks `target` again although it has answered, for the `nth` time, counted from 0: it
    /// comes from another port each time, so that it is a connection of its own, and who knows one cookie knows no other.
    ///
    /// - `nth`: below [`Key::agains`].
    pub(crate) fn cookie_again(&self, target: SocketAddr, nth: u16) -> Cookie {
        let (mut bytes, length) = bytes(target);
        // A byte more than any other: no other cookie is made of the same.
        bytes[length] = nth as u8;
        let hash = self.hasher.hash(&bytes[..=length]);
        let usual = u32::from(self.cookie(target).source_port - self.first_port);
        let port = (usual + 1 + u32::from(nth)) % self.ports;
        Cookie { sequence: hash as u32, source_port: self.first_port + port as u16 }
    }

    /// Which probe it was that came from `source_port` with this sequence number, if it was one that asked `target` again.
    ///
    /// - `usual`: the cookie of `target`.
    pub(crate) fn nth_again(&self, target: SocketAddr, usual: Cookie, seen: Cookie) -> Option<u16> {
        let port = u32::from(seen.source_port.checked_sub(self.first_port)?);
        let usual = u32::from(usual.source_port - self.first_port);
        let nth = (port + 2 * self.ports).checked_sub(usual + 1)? % self.ports;
        let nth = u16::try_from(nth).ok().filter(|nth| *nth < self.agains())?;
        (self.cookie_again(target, nth) == seen).then_some(nth)
    }

    /// How often a target can be asked again.
    pub(crate) fn agains(&self) -> u16 {
        (self.ports - 1).min(u32::from(ASKS_MAX)) as u16
    }
}

/// What is hashed, with a byte to spare, and how much of it there is.
#[inline]
fn bytes(target: SocketAddr) -> ([u8; 19], usize) {
    let mut bytes = [0; 19];
    let length = match target {
        SocketAddr::V4(v4) => {
            bytes[..4].copy_from_slice(&v4.ip().octets());
            bytes[4..6].copy_from_slice(&v4.port().to_be_bytes());
            6
        }
        SocketAddr::V6(v6) => {
            bytes[..16].copy_from_slice(&v6.ip().octets());
            bytes[16..18].copy_from_slice(&v6.port().to_be_bytes());
            18
        }
    };
    (bytes, length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cookie_depends_on_all_of_its_target(
            ip in any::<u32>(), port in any::<u16>(), other in any::<(u32, u16)>(), secret in any::<[u8; 16]>(),
        ) {
            let key = Key::new(&secret, 61_000..=61_999);
            let (a, b) = (SocketAddr::from((ip.to_be_bytes(), port)), SocketAddr::from((other.0.to_be_bytes(), other.1)));
            prop_assert_eq!(key.cookie(a), key.cookie(a));
            prop_assert!((61_000..=61_999).contains(&key.cookie(a).source_port));
            prop_assert!(a == b || key.cookie(a) != key.cookie(b));
        }

        #[test]
        fn asking_again_is_known_by_its_cookie(
            ip in any::<u32>(), port in any::<u16>(), first in 1024u16..60_000, ports in 1u16..1200,
            forged in any::<(u32, u16)>(), secret in any::<[u8; 16]>(),
        ) {
            let key = Key::new(&secret, first..=first + (ports - 1));
            let target = SocketAddr::from((ip.to_be_bytes(), port));
            let usual = key.cookie(target);
            prop_assert_eq!(key.agains(), (ports - 1).min(ASKS_MAX));
            prop_assert_eq!(key.nth_again(target, usual, usual), None);
            let mut source_ports = std::collections::BTreeSet::from([usual.source_port]);
            for nth in 0..key.agains() {
                let again = key.cookie_again(target, nth);
                prop_assert!((first..first + ports).contains(&again.source_port));
                prop_assert!(source_ports.insert(again.source_port), "a port twice");
                prop_assert_eq!(key.nth_again(target, usual, again), Some(nth));
                let wrong = Cookie { sequence: again.sequence ^ 1, ..again };
                prop_assert_eq!(key.nth_again(target, usual, wrong), None);
            }
            let forged = Cookie { sequence: forged.0, source_port: forged.1 };
            prop_assert_eq!(key.nth_again(target, usual, forged), None);
        }
    }

    #[test]
    fn all_source_ports_are_used_and_evenly() {
        let key = Key::new(&[7; 16], 65_520..=65_535);
        let mut uses = [0u32; 16];
        for n in 0..16_000u32 {
            uses[usize::from(key.cookie((n.to_be_bytes(), 80).into()).source_port - 65_520)] += 1;
        }
        assert!(uses.iter().all(|count| (800..1200).contains(count)), "{uses:?}");
    }

    #[test]
    fn the_key_does_not_show_itself() {
        assert_eq!(format!("{:?}", Key::new(b"0123456789abcdef", 1..=2)), "Key(1+2)");
    }
}
