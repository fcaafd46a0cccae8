//! Checksums that tokens carry, so that a look-alike is told from the real thing.

/// The alphabet of GitHub's and npm's checksums, in order of value.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The six characters that follow the 30 drawn ones: their CRC-32 (IEEE), base 62, padded with zeros on the left.
///
/// Source: GitHub engineering, "Behind GitHub's new authentication token formats" (2021); npm follows it.
pub(crate) fn base62_crc32(drawn: &str) -> String {
    let mut value = crc32fast::hash(drawn.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(value % 62) as usize];
        value /= 62;
    }
    digits.iter().map(|&digit| digit as char).collect()
}

/// True when the last six characters of `body` are the checksum of those before.
pub(crate) fn has_base62_crc32(body: &str) -> bool {
    body.len() > 6
        && body.is_char_boundary(body.len() - 6)
        && body[body.len() - 6..] == base62_crc32(&body[..body.len() - 6])
}

/// Bech32 digits in order of value (BIP 173).
const BECH32: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";

/// One step of the checksum of BIP 173.
fn polymod(check: u32, value: u8) -> u32 {
    const GENERATORS: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
    let top = check >> 25;
    let shifted = ((check & 0x01ff_ffff) << 5) ^ u32::from(value);
    GENERATORS.iter().enumerate().fold(
        shifted,
        |sum, (bit, generator)| {
            if top >> bit & 1 == 1 { sum ^ generator } else { sum }
        },
    )
}

/// True when `text`, of one case, is bech32 (BIP 173, any length) with a right checksum.
pub(crate) fn is_bech32(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    let Some((prefix, data)) = text.rsplit_once('1') else { return false };
    let high = prefix.bytes().map(|byte| byte >> 5);
    let low = prefix.bytes().map(|byte| byte & 31);
    let mut check = high.chain([0]).chain(low).fold(1, polymod);
    for digit in data.bytes() {
        let Some(value) = BECH32.iter().position(|&known| known == digit) else { return false };
        check = polymod(check, value as u8);
    }
    check == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_vectors() {
        // The revoked token that GitHub's own article and several scanners quote.
        assert!(has_base62_crc32(concat!("zQWBuTSOoRi4A9spHcVY", "5ncnsDkxkJ0mLq17")));
        assert!(!has_base62_crc32(concat!("zQWBuTSOoRi4A9spHcVY", "5ncnsDkxkJ0mLq18")));
        // BIP 173, valid and invalid.
        assert!(is_bech32("A12UEL5L"));
        assert!(is_bech32("split1checkupstagehandshakeupstreamerranterredcaperred2y9e3w"));
        assert!(!is_bech32("split1checkupstagehandshakeupstreamerranterredcaperred2y9e3q"));
    }
}
