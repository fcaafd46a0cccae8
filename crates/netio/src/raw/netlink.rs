use std::{io, time::Duration};

use std::io::Read;

use socket2::{Domain, Protocol, Socket, Type};

/// Longest wait for the kernel's next message.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// The kernel answers dumps in pieces of at most 32 KiB.
const BUFFER_BYTES: usize = 64 << 10;
/// Bytes of `nlmsghdr`.
const HEADER: usize = 16;
/// Dumps that the kernel says were disturbed are asked for again, so often.
const DUMP_ATTEMPTS: u32 = 5;
/// Bit that marks an attribute as made of others.
const NESTED: u16 = 0x8000;
/// Bits of an attribute's type that are its type.
const ATTRIBUTE_TYPE: u16 = 0x3fff;

/// A request to the kernel: header, fixed part, attributes (RFC 3549; `linux/netlink.h`).
#[derive(Clone, Debug)]
pub(super) struct Message {
    bytes: Vec<u8>,
}

impl Message {
    /// - `fixed`: the struct that follows the header, a multiple of four bytes.
    pub(super) fn new(kind: u16, flags: i32, fixed: &[u8]) -> Self {
        let mut bytes = vec![0; HEADER];
        bytes[4..6].copy_from_slice(&kind.to_ne_bytes());
        bytes[6..8].copy_from_slice(&((flags | libc::NLM_F_REQUEST) as u16).to_ne_bytes());
        bytes.extend_from_slice(fixed);
        Self { bytes }
    }

    /// Adds an attribute.
    pub(super) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(&(4 + value.len() as u16).to_ne_bytes());
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        self.bytes.extend_from_slice(value);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    /// Adds a text that ends with a zero.
    pub(super) fn text(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.with(kind, &bytes)
    }

    /// Adds a number in network order, as netfilter has them.
    pub(super) fn number(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_be_bytes())
    }

    /// Adds an attribute made of what `inside` adds.
    pub(super) fn nest(mut self, kind: u16, inside: impl FnOnce(Self) -> Self) -> Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        let mut all = inside(self);
        let length = (all.bytes.len() - start) as u16;
        all.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        all.bytes[start + 2..start + 4].copy_from_slice(&(kind | NESTED).to_ne_bytes());
        all
    }

    fn finish(&self, sequence: u32) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let length = bytes.len() as u32;
        bytes[..4].copy_from_slice(&length.to_ne_bytes());
        bytes[8..12].copy_from_slice(&sequence.to_ne_bytes());
        bytes
    }
}

/// A conversation with a part of the kernel.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Netlink {
    /// - `protocol`: `NETLINK_ROUTE`, `NETLINK_NETFILTER`.
    pub(super) fn open(protocol: i32) -> io::Result<Self> {
        let socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(Protocol::from(protocol)))?;
        socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
        Ok(Self { socket, sequence: 0, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Asks for everything of a kind; `each` gets every message behind its header. When the kernel says that things
    /// changed meanwhile, `again` is called and all comes once more.
    pub(super) fn dump(
        &mut self,
        request: &Message,
        state: &mut Vec<Vec<u8>>,
        messages_max: usize,
    ) -> io::Result<()> {
        for _ in 0..DUMP_ATTEMPTS {
            state.clear();
            let sequence = self.send(std::slice::from_ref(request))?;
            if self.read_dump(sequence, state, messages_max)? {
                return Ok(());
            }
        }
        Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            "the kernel's tables change faster than they are read",
        ))
    }

    /// Reads one dump to its end; `false` when it was disturbed.
    fn read_dump(
        &mut self,
        sequence: u32,
        state: &mut Vec<Vec<u8>>,
        messages_max: usize,
    ) -> io::Result<bool> {
        let mut whole = true;
        loop {
            let length = (&self.socket).read(&mut self.buffer)?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                whole &= i32::from(message.flags) & libc::NLM_F_DUMP_INTR == 0;
                match i32::from(message.kind) {
                    libc::NLMSG_DONE => return Ok(whole),
                    libc::NLMSG_ERROR => return error_of(message.body).map(|()| whole),
                    libc::NLMSG_NOOP => {}
                    _ if state.len() >= messages_max => {
                        return Err(io::Error::new(
                            io::ErrorKind::FileTooLarge,
                            format!("the kernel has more than {messages_max} entries of this kind"),
                        ));
                    }
                    _ => state.push(message.body.to_vec()),
                }
            }
        }
    }

    /// Asks for one thing; the answer behind its header.
    pub(super) fn ask(&mut self, request: &Message) -> io::Result<Vec<u8>> {
        let sequence = self.send(std::slice::from_ref(request))?;
        loop {
            let length = (&self.socket).read(&mut self.buffer)?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                match i32::from(message.kind) {
                    libc::NLMSG_ERROR => error_of(message.body)?,
                    libc::NLMSG_NOOP => {}
                    _ => return Ok(message.body.to_vec()),
                }
            }
        }
    }

    /// Has the kernel do things, in order, as one message. Each of `requests` that has `NLM_F_ACK` is waited for.
    ///
    /// # Errors
    /// The first refusal.
    pub(super) fn change(&mut self, requests: &[Message]) -> io::Result<()> {
        let wants_ack = |request: &&Message| {
            request.bytes.get(6..8).is_some_and(|flags| flags[0] & libc::NLM_F_ACK as u8 != 0)
        };
        let mut awaited = requests.iter().filter(wants_ack).count();
        let last = self.send(requests)?;
        let first = last.wrapping_sub(requests.len() as u32 - 1);
        while awaited > 0 {
            let length = (&self.socket).read(&mut self.buffer)?;
            for message in messages(self.buffer.get(..length).unwrap_or_default()) {
                let message = message?;
                let ours = message.sequence.wrapping_sub(first) < requests.len() as u32;
                if ours && i32::from(message.kind) == libc::NLMSG_ERROR {
                    error_of(message.body)?;
                    awaited = awaited.saturating_sub(1);
                }
            }
        }
        Ok(())
    }

    /// Sends requests with rising numbers; returns the last.
    fn send(&mut self, requests: &[Message]) -> io::Result<u32> {
        let mut bytes = Vec::new();
        for request in requests {
            self.sequence = self.sequence.wrapping_add(1);
            bytes.extend(request.finish(self.sequence));
        }
        self.socket.send(&bytes)?;
        Ok(self.sequence)
    }
}

/// One message of the kernel.
pub(super) struct Incoming<'a> {
    pub(super) kind: u16,
    flags: u16,
    sequence: u32,
    pub(super) body: &'a [u8],
}

/// The messages in what was read; ends at the first that is cut off, which is an error.
pub(super) fn messages(mut bytes: &[u8]) -> impl Iterator<Item = io::Result<Incoming<'_>>> {
    std::iter::from_fn(move || {
        if bytes.len() < HEADER {
            return None;
        }
        let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
        let message = bytes.get(..length).filter(|_| length >= HEADER);
        let Some(message) = message else {
            bytes = &[];
            return Some(Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer was cut off")));
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok(Incoming {
            kind: u16::from_ne_bytes([message[4], message[5]]),
            flags: u16::from_ne_bytes([message[6], message[7]]),
            sequence: u32::from_ne_bytes([message[8], message[9], message[10], message[11]]),
            body: &message[HEADER..],
        }))
    })
}

/// The result that an error message carries; 0 is success.
fn error_of(body: &[u8]) -> io::Result<()> {
    match body.first_chunk().map(|code| i32::from_ne_bytes(*code)) {
        Some(0) => Ok(()),
        Some(code) => Err(io::Error::from_raw_os_error(code.wrapping_neg())),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer was cut off")),
    }
}

/// The attributes in `bytes`: type without its marks, and value. Ends at the first that does not fit.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind & ATTRIBUTE_TYPE, value))
    })
}

/// The attribute `kind` among those in `bytes`.
pub(super) fn attribute(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|row| row.0 == kind).map(|row| row.1)
}

/// A number in the machine's order.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn attributes_come_back_as_written() {
        let message = Message::new(1, 0, &[]).text(3, "ab").nest(4, |m| m.number(1, 7).with(2, &[9]));
        let bytes = message.finish(5);
        let read: Vec<_> = messages(&bytes).map(|m| m.unwrap()).collect();
        assert_eq!((read.len(), read[0].kind, read[0].sequence), (1, 1, 5));
        let rows: Vec<_> = attributes(read[0].body).collect();
        assert_eq!(rows[0], (3, &b"ab\0"[..]));
        let inside: Vec<_> = attributes(rows[1].1).collect();
        assert_eq!(inside, [(1, &[0, 0, 0, 7][..]), (2, &[9][..])]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(attributes(&bytes).count() <= bytes.len());
            prop_assert!(messages(&bytes).count() <= bytes.len());
        }
    }
}
