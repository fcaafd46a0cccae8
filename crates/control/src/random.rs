use crate::ControlError;

const ALPHABET: &[u8; 36] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
const TOKEN_ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// Random capital letters and digits, as Shodan names alerts and scans.
///
/// # Errors
/// When the system gives no randomness.
pub fn letters_and_digits(length: usize) -> Result<String, ControlError> {
    // 252 is the largest multiple of 36 in a byte: larger values would favour the first letters.
    let mut text = String::with_capacity(length);
    while text.len() < length {
        for byte in bytes::<32>()? {
            if byte < 252 && text.len() < length {
                text.push(char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]));
            }
        }
    }
    Ok(text)
}

/// A random text of `length` characters of 5 bits each, without characters that look alike.
///
/// # Errors
/// When the system gives no randomness.
pub fn token(length: usize) -> Result<String, ControlError> {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        for byte in bytes::<32>()? {
            if text.len() < length {
                text.push(char::from(TOKEN_ALPHABET[usize::from(byte) % TOKEN_ALPHABET.len()]));
            }
        }
    }
    Ok(text)
}

fn bytes<const N: usize>() -> Result<[u8; N], ControlError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| ControlError::Random(error.to_string()))?;
    Ok(bytes)
}
