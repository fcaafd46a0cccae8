use std::net::IpAddr;

/// A sum of 16-bit words in ones' complement, as all checksums of the Internet are made (RFC 1071).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sum(u64);

impl Sum {
    /// Adds one word.
    #[must_use]
    pub const fn word(self, word: u16) -> Self {
        Self(self.0 + word as u64)
    }

    /// Adds two words.
    #[must_use]
    pub const fn long(self, long: u32) -> Self {
        Self(self.0 + (long >> 16) as u64 + (long & 0xffff) as u64)
    }

    /// Adds bytes in network order; an odd last byte counts as the upper half of a word.
    #[must_use]
    pub fn bytes(self, bytes: &[u8]) -> Self {
        // Two words at once: what one carries into the other is worth the same in ones' complement.
        let (longs, rest) = bytes.as_chunks::<4>();
        let sum = longs.iter().map(|long| u64::from(u32::from_be_bytes(*long))).sum::<u64>();
        let last = match *rest {
            [] => 0,
            [a] => u64::from(a) << 8,
            [a, b] => u64::from(u16::from_be_bytes([a, b])),
            [a, b, c, ..] => u64::from(u16::from_be_bytes([a, b])) + (u64::from(c) << 8),
        };
        Self(self.0 + sum + last)
    }

    /// Adds the words of an address.
    #[must_use]
    pub fn address(self, ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(v4) => self.long(v4.to_bits()),
            IpAddr::V6(v6) => self.bytes(&v6.octets()),
        }
    }

    /// The checksum: the complement of the folded sum. 0 over data that carries its own right checksum.
    pub const fn finish(self) -> u16 {
        let mut sum = self.0;
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }
}

/// The sum of the pseudo header of TCP and of `segment` (RFC 9293, section 3.1; RFC 8200, section 8.1).
pub fn tcp_sum(source: IpAddr, destination: IpAddr, segment: &[u8]) -> Sum {
    pseudo_header(source, destination, segment.len() as u32, crate::TCP).bytes(segment)
}

pub(crate) fn pseudo_header(source: IpAddr, destination: IpAddr, length: u32, protocol: u8) -> Sum {
    Sum::default().address(source).address(destination).long(length).word(u16::from(protocol))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_standard() {
        // RFC 1071, section 3: the sum of these bytes is ddf2.
        let sum = Sum::default().bytes(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.finish(), !0xddf2);
    }

    #[test]
    fn words_longs_and_bytes_are_the_same() {
        let bytes = [0xab, 0xcd, 0xef, 0x01, 0xff, 0xff, 0x80];
        let by_words = Sum::default().long(0xabcd_ef01).word(0xffff).word(0x8000);
        for count in 0..=bytes.len() {
            let by_pairs = bytes[..count].chunks(2).fold(Sum::default(), |sum, pair| {
                sum.word(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]))
            });
            assert_eq!(Sum::default().bytes(&bytes[..count]).finish(), by_pairs.finish(), "{count}");
        }
        assert_eq!(Sum::default().bytes(&bytes).finish(), by_words.finish());
    }
}
