//! Whether a text looks drawn at random.

/// Shannon entropy in bits per byte.
pub(crate) fn bits_per_byte(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    for &byte in text.as_bytes() {
        counts[byte as usize] += 1;
    }
    let length = text.len() as f64;
    let share = |count: u32| f64::from(count) / length;
    counts.iter().filter(|&&count| count > 0).map(|&count| -share(count) * share(count).log2()).sum()
}

/// How many different bytes there are.
pub(crate) fn distinct(text: &[u8]) -> usize {
    let mut seen = [false; 256];
    text.iter().for_each(|&byte| seen[byte as usize] = true);
    seen.iter().filter(|&&seen| seen).count()
}

/// True for one unbroken run that nobody would write by hand: hexadecimal from 16 digits on, or letters and digits
/// mixed from 12 characters on with as much entropy as that alphabet and length let one expect.
pub(crate) fn is_random(text: &str) -> bool {
    let bytes = text.as_bytes();
    if !(12..=4096).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_graphic) {
        return false;
    }
    let digits = bytes.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = bytes.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    if is_hex(bytes) {
        return bytes.len() >= 16 && digits > 0 && letters > 0 && bits_per_byte(text) >= 2.9;
    }
    if letters == 0 || (digits == 0 && !is_mixed_case(bytes)) {
        return false;
    }
    let expected = (bytes.len() as f64).log2();
    // Words are joined by these; what stands between them is what counts.
    let joined: Vec<u8> = bytes.iter().copied().filter(|b| !matches!(b, b'-' | b'_' | b'.')).collect();
    let changes_min = joined.len() / if digits == 0 { 3 } else { 4 };
    bits_per_byte(text) >= (expected - 0.75).min(4.1) && joined.len() >= 10 && changes(&joined) > changes_min
}

/// True for digits and letters of one case of base 16, dashes of a UUID included.
fn is_hex(bytes: &[u8]) -> bool {
    let lower = bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-'));
    lower || bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F' | b'-'))
}

fn is_mixed_case(bytes: &[u8]) -> bool {
    bytes.iter().any(u8::is_ascii_lowercase) && bytes.iter().any(u8::is_ascii_uppercase)
}

/// How often the class (lower, upper, digit, other) changes: words change it rarely.
fn changes(bytes: &[u8]) -> usize {
    bytes.windows(2).filter(|pair| class(pair[0]) != class(pair[1])).count()
}

pub(crate) fn class(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => 0,
        b'A'..=b'Z' => 1,
        b'0'..=b'9' => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_not_random_and_drawn_text_is() {
        let random = [
            "9f86d081884c7d659a2feaa0c55ad015",
            "q7Zp2Lm9Xc4Vb1Nk",
            "wJ8rXUt2FEMI/K7MDENGbPx9fiCYzq1",
            "hK9#mP2$vL5nQ8",
        ];
        for text in random {
            assert!(is_random(text), "{text}");
        }
        let plain = [
            "my-application-config",
            "kubernetes.io/service-account-token",
            "aaaaaaaaaaaaaaaa",
            "default-token",
            "CertificateSigningRequest",
            "PersistentVolumeClaim",
            "2024-01-01",
            "00000000000000000000",
            "HelloWorldApplication",
        ];
        for text in plain {
            assert!(!is_random(text), "{text}");
        }
    }
}
