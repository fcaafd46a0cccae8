//! Messages to nf_tables (`linux/netfilter/nf_tables.h`), as far as the drop rule needs them.

use std::ops::RangeInclusive;

use super::netlink::{Message, attribute};

const SUBSYSTEM: u16 = libc::NFNL_SUBSYS_NFTABLES as u16;
/// The table goes when the socket that made it closes, however the process ends (Linux 5.12).
pub(super) const OWNER: u32 = 2;
const TABLE_NAME: u16 = 1;
const TABLE_FLAGS: u16 = 2;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
/// Before connection tracking and everything else that is usual (`NF_IP_PRI_RAW`).
const PRIORITY_RAW: i32 = -300;
const TCP: u8 = 6;
/// Offsets of the ports in a TCP header.
const SOURCE_PORT: u32 = 0;
const DESTINATION_PORT: u32 = 2;

/// The messages that make the table: what arrives for `ports` is dropped; with `untracked`, what leaves from them by way
/// of the IP stack makes no entry in connection tracking.
pub(super) fn make(table: &str, ports: &RangeInclusive<u16>, flags: u32, untracked: bool) -> Vec<Message> {
    let create = libc::NLM_F_CREATE | libc::NLM_F_EXCL | libc::NLM_F_ACK;
    let mut all = vec![
        request(libc::NFT_MSG_NEWTABLE, create).text(TABLE_NAME, table).number(TABLE_FLAGS, flags),
        chain(table, "arriving", libc::NF_INET_PRE_ROUTING as u32, create),
        rule(table, "arriving", create, |message| drop(ports_of(message, DESTINATION_PORT, ports))),
    ];
    if untracked {
        all.push(chain(table, "leaving", libc::NF_INET_LOCAL_OUT as u32, create));
        all.push(rule(table, "leaving", create, |message| {
            expression(ports_of(message, SOURCE_PORT, ports), "notrack", |data| data)
        }));
    }
    batch(all)
}

/// The messages that remove a table with all that is in it.
pub(super) fn remove(table: &str) -> Vec<Message> {
    batch(vec![request(libc::NFT_MSG_DELTABLE, libc::NLM_F_ACK).text(TABLE_NAME, table)])
}

/// Asks for all tables of the family.
pub(super) fn list() -> Message {
    request(libc::NFT_MSG_GETTABLE, libc::NLM_F_DUMP)
}

/// Name and flags of a table in an answer to [`list`].
pub(super) fn table(body: &[u8]) -> Option<(String, u32)> {
    let attributes = body.get(4..)?;
    let name = attribute(attributes, TABLE_NAME)?.split(|byte| *byte == 0).next()?;
    let flags = attribute(attributes, TABLE_FLAGS).and_then(|value| value.first_chunk());
    Some((String::from_utf8(name.to_vec()).ok()?, flags.map_or(0, |flags| u32::from_be_bytes(*flags))))
}

/// `nfgenmsg`: family, version, and a number in network order.
fn general(family: i32, number: u16) -> [u8; 4] {
    let [high, low] = number.to_be_bytes();
    [family as u8, libc::NFNETLINK_V0 as u8, high, low]
}

fn request(kind: i32, flags: i32) -> Message {
    Message::new(SUBSYSTEM << 8 | kind as u16, flags, &general(libc::NFPROTO_INET, 0))
}

/// All or nothing.
fn batch(inside: Vec<Message>) -> Vec<Message> {
    let edge = |kind: i32| Message::new(kind as u16, 0, &general(libc::AF_UNSPEC, SUBSYSTEM));
    let mut all = vec![edge(libc::NFNL_MSG_BATCH_BEGIN)];
    all.extend(inside);
    all.push(edge(libc::NFNL_MSG_BATCH_END));
    all
}

fn chain(table: &str, name: &str, hook: u32, flags: i32) -> Message {
    request(libc::NFT_MSG_NEWCHAIN, flags)
        .text(CHAIN_TABLE, table)
        .text(CHAIN_NAME, name)
        .nest(CHAIN_HOOK, |m| m.number(HOOK_NUMBER, hook).number(HOOK_PRIORITY, PRIORITY_RAW as u32))
        .text(CHAIN_TYPE, "filter")
}

fn rule(table: &str, chain: &str, flags: i32, expressions: impl FnOnce(Message) -> Message) -> Message {
    // New rules are appended; they need not be the only ones.
    let flags = flags & !libc::NLM_F_EXCL | libc::NLM_F_APPEND;
    request(libc::NFT_MSG_NEWRULE, flags)
        .text(RULE_TABLE, table)
        .text(RULE_CHAIN, chain)
        .nest(RULE_EXPRESSIONS, expressions)
}

fn expression(message: Message, name: &str, data: impl FnOnce(Message) -> Message) -> Message {
    message.nest(LIST_ELEMENT, |m| m.text(EXPRESSION_NAME, name).nest(EXPRESSION_DATA, data))
}

/// TCP, and a port at `offset` of its header within `ports`.
fn ports_of(message: Message, offset: u32, ports: &RangeInclusive<u16>) -> Message {
    let register = libc::NFT_REG_1 as u32;
    let message = expression(message, "meta", |m| {
        // Destination register, key.
        m.number(1, register).number(2, libc::NFT_META_L4PROTO as u32)
    });
    let message = compare(message, libc::NFT_CMP_EQ, &[TCP]);
    let message = expression(message, "payload", |m| {
        // Destination register, base, offset, length.
        m.number(1, register)
            .number(2, libc::NFT_PAYLOAD_TRANSPORT_HEADER as u32)
            .number(3, offset)
            .number(4, 2)
    });
    let message = compare(message, libc::NFT_CMP_GTE, &ports.start().to_be_bytes());
    compare(message, libc::NFT_CMP_LTE, &ports.end().to_be_bytes())
}

fn compare(message: Message, how: i32, value: &[u8]) -> Message {
    expression(message, "cmp", |m| {
        // Source register, operator, value.
        m.number(1, libc::NFT_REG_1 as u32).number(2, how as u32).nest(3, |m| m.with(DATA_VALUE, value))
    })
}

fn drop(message: Message) -> Message {
    expression(message, "immediate", |m| {
        // Destination register, value.
        m.number(1, libc::NFT_REG_VERDICT as u32)
            .nest(2, |m| m.nest(DATA_VERDICT, |m| m.number(VERDICT_CODE, libc::NF_DROP as u32)))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            let name = table(&bytes).map_or(0, |(name, _)| name.len());
            prop_assert!(name <= bytes.len());
        }
    }
}
