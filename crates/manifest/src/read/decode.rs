//! Bytes to text.

/// A text that cannot be used, the byte where that shows, and why.
pub(super) type Refusal = (String, usize, String);

/// The text of `bytes`: UTF-8, or UTF-16 or UTF-32 with a byte order mark.
///
/// What is refused still gives the text up to that place, so that the place has a line and a column.
pub(super) fn decode(bytes: Vec<u8>, bytes_max: usize) -> Result<String, Refusal> {
    if bytes.len() > bytes_max {
        let megabytes = bytes.len() >> 20;
        let most = bytes_max >> 20;
        return Err((
            String::new(),
            0,
            format!("the input has {megabytes} MiB, more than {most} MiB; split it"),
        ));
    }
    match bytes.as_slice() {
        [0xFF, 0xFE, 0, 0, rest @ ..] => wide(rest, u32::from_le_bytes, "UTF-32"),
        [0, 0, 0xFE, 0xFF, rest @ ..] => wide(rest, u32::from_be_bytes, "UTF-32"),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        _ => String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let mut bytes = error.into_bytes();
            let byte = bytes.get(at).copied().unwrap_or(0);
            bytes.truncate(at);
            let text = String::from_utf8(bytes).unwrap_or_default();
            (text, at, format!("not UTF-8: byte 0x{byte:02x} does not belong here; save the file as UTF-8"))
        }),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Refusal> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let mut text = String::with_capacity(bytes.len());
    for character in char::decode_utf16(units) {
        match character {
            Ok(character) => text.push(character),
            Err(_) => {
                let at = text.len();
                return Err((text, at, "not UTF-16: half a character; save the file as UTF-8".to_owned()));
            }
        }
    }
    Ok(text)
}

fn wide(bytes: &[u8], unit: fn([u8; 4]) -> u32, name: &str) -> Result<String, Refusal> {
    let mut text = String::with_capacity(bytes.len() / 2);
    for four in bytes.chunks_exact(4) {
        match char::from_u32(unit([four[0], four[1], four[2], four[3]])) {
            Some(character) => text.push(character),
            None => {
                let at = text.len();
                return Err((text, at, format!("not {name}: no such character; save the file as UTF-8")));
            }
        }
    }
    Ok(text)
}
