//! Base64 values of Secrets and ConfigMaps.

/// Longest value that is decoded: the API server takes objects up to 1 MiB.
const VALUE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The text of a base64 value; nothing when it is no base64 or no text. Line breaks in it are allowed, as in YAML blocks.
pub(super) fn decoded(value: &str) -> Option<String> {
    if value.len() > VALUE_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::with_capacity(value.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for byte in value.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=') {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6 | u32::from(digit)) & 0xFFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn base64_or_nothing() {
        assert_eq!(decoded("aHVudGVyMg==").as_deref(), Some("hunter2"));
        assert_eq!(decoded("aHVu\n  dGVyMg").as_deref(), Some("hunter2"));
        assert_eq!(decoded("{{ .Values.x }}"), None);
        assert_eq!(decoded("//79"), None);
    }
}
