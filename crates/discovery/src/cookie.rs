use std::{fmt, net::SocketAddr, ops::RangeInclusive};

use siphasher::sip::SipHasher24;

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
        let mut bytes = [0; 18];
        let length = match target {
            SocketAddr::V4(v4) => {
                bytes[..4].copy_from_slice(&v4.ip().octets());
                bytes[4..6].copy_from_slice(&v4.port().to_be_bytes());
                6
            }
            SocketAddr::V6(v6) => {
                bytes[..16].copy_from_slice(&v6.ip().octets());
                bytes[16..].copy_from_slice(&v6.port().to_be_bytes());
                18
            }
        };
        let hash = self.hasher.hash(&bytes[..length]);
        let port = ((hash >> 32) * u64::from(self.ports)) >> 32;
        Cookie { sequence: hash as u32, source_port: self.first_port + port as u16 }
    }
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
