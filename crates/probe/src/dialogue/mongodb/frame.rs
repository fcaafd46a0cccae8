use super::bson::{Document, Given, document, length};

/// Largest reply that is read; the answer to `buildInfo` has some four thousand bytes.
pub(super) const REPLY_BYTES_MAX: usize = 48 * 1024;

/// Which messages carry commands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Framing {
    /// `OP_MSG`, since 3.6.
    Message,
    /// `OP_QUERY` and `OP_REPLY`, until 5.0, and for `isMaster` still.
    Query,
}

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_MSG: i32 = 2013;

/// A reply may come from a secondary; without it only a primary answers.
const SECONDARY_OK: i32 = 4;

/// A message that carries `command` to the database `admin`.
pub(super) fn command(framing: Framing, command: &[(&str, Given<'_>)]) -> Vec<u8> {
    let (code, body) = match framing {
        Framing::Message => {
            let command = [command, &[("$db", Given::Text("admin"))]].concat();
            // No flags, one section of kind 0.
            (OP_MSG, [&[0; 5], document(&command).as_slice()].concat())
        }
        Framing::Query => {
            let (skip, limit) = (0i32.to_le_bytes(), (-1i32).to_le_bytes());
            let head = [&SECONDARY_OK.to_le_bytes(), b"admin.$cmd\0".as_slice(), &skip, &limit].concat();
            (OP_QUERY, [head, document(command)].concat())
        }
    };
    let (request, response_to) = (1i32.to_le_bytes(), 0i32.to_le_bytes());
    [&length(body.len() + 16), &request, &response_to, &code.to_le_bytes(), body.as_slice()].concat()
}

pub(super) enum Found<'a> {
    Incomplete,
    /// The document of a reply, and the length of the message.
    Whole(Document<'a>, usize),
    Foreign,
}

/// The first reply in `bytes`, in either framing: some servers answer one with the other.
pub(super) fn reply(bytes: &[u8]) -> Found<'_> {
    let Some((header, _)) = bytes.split_first_chunk::<16>() else { return Found::Incomplete };
    let [a, b, c, d, _, _, _, _, _, _, _, _, e, f, g, h] = *header;
    let Ok(size) = usize::try_from(i32::from_le_bytes([a, b, c, d])) else { return Found::Foreign };
    let skipped = match i32::from_le_bytes([e, f, g, h]) {
        OP_MSG => 16 + 4,
        OP_REPLY => 16 + 20,
        _ => return Found::Foreign,
    };
    if !(skipped + 5..=REPLY_BYTES_MAX).contains(&size) {
        return Found::Foreign;
    }
    let Some(message) = bytes.get(..size) else { return Found::Incomplete };
    let body = message.get(skipped..).unwrap_or_default();
    let document = match (skipped, body) {
        (20, [0, document @ ..]) => Document::new(document),
        (20, _) => None,
        (_, document) => Document::new(document),
    };
    document.map_or(Found::Foreign, |document| Found::Whole(document, size))
}
