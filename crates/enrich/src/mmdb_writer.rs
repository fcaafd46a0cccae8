//! A writer of tiny MaxMind databases, for tests only.
//!
//! Source: MaxMind DB file format specification, version 2.0.

use std::net::IpAddr;

use serde_json::{Value, json};

const STRING: u8 = 2;
const DOUBLE: u8 = 3;
const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
const UINT64: u8 = 9;
const ARRAY: u8 = 11;
const BOOLEAN: u8 = 14;
const FLOAT: u8 = 15;

const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";

/// Blocks with their entries; every database is an IPv6 tree with IPv4 under `::/96`.
pub(crate) struct MmdbWriter {
    kind: &'static str,
    built: u64,
    nodes: Vec<[Link; 2]>,
    data: Vec<u8>,
    bare: bool,
}

#[derive(Clone, Copy)]
enum Link {
    Empty,
    Node(u32),
    Data(u32),
}

impl MmdbWriter {
    pub(crate) fn new(kind: &'static str, built: u64) -> Self {
        Self { kind, built, nodes: vec![[Link::Empty; 2]], data: Vec::new(), bare: false }
    }

    /// As ip-location-db writes its files: no description, no languages, coordinates as `float`.
    pub(crate) fn bare(kind: &'static str, built: u64) -> Self {
        Self { bare: true, ..Self::new(kind, built) }
    }

    /// Blocks must not overlap. JSON integers become `uint32`, other numbers `double`.
    pub(crate) fn insert(mut self, block: &str, entry: &Value) -> Self {
        let (ip, length) = block.split_once('/').unwrap();
        let (bits, length): (u128, u32) = match ip.parse().unwrap() {
            IpAddr::V4(v4) => (u32::from(v4).into(), 96 + length.parse::<u32>().unwrap()),
            IpAddr::V6(v6) => (v6.into(), length.parse().unwrap()),
        };
        let offset = u32::try_from(self.data.len()).unwrap();
        encode(entry, self.bare, &mut self.data);
        let mut node = 0usize;
        for depth in 0..length {
            let side = usize::from(bits >> (127 - depth) & 1 == 1);
            if depth + 1 == length {
                self.nodes[node][side] = Link::Data(offset);
                break;
            }
            node = match self.nodes[node][side] {
                Link::Node(next) => next as usize,
                Link::Empty => {
                    self.nodes.push([Link::Empty; 2]);
                    let next = self.nodes.len() - 1;
                    self.nodes[node][side] = Link::Node(u32::try_from(next).unwrap());
                    next
                }
                Link::Data(_) => panic!("{block} overlaps another block"),
            };
        }
        self
    }

    /// The file, with records of 32 bits.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let count = u32::try_from(self.nodes.len()).unwrap();
        let mut out = Vec::new();
        for link in self.nodes.iter().flatten() {
            let value = match link {
                Link::Empty => count,
                Link::Node(node) => *node,
                Link::Data(offset) => count + 16 + offset,
            };
            out.extend(value.to_be_bytes());
        }
        out.extend([0; 16]);
        out.extend(&self.data);
        out.extend(MARKER);
        self.metadata(count, &mut out);
        out
    }

    /// Readers insist on the integer types of the specification.
    fn metadata(&self, node_count: u32, out: &mut Vec<u8>) {
        let texts = json!({
            "database_type": self.kind,
            "description": if self.bare { json!({}) } else { json!({"en": "made by a test"}) },
            "languages": if self.bare { json!([]) } else { json!(["en"]) },
        });
        let integers = [
            ("binary_format_major_version", UINT16, 2),
            ("binary_format_minor_version", UINT16, 0),
            ("build_epoch", UINT64, self.built),
            ("ip_version", UINT16, 6),
            ("node_count", UINT32, node_count.into()),
            ("record_size", UINT16, 32),
        ];
        control(MAP, 9, out);
        for (key, value) in texts.as_object().unwrap() {
            encode(&Value::String(key.clone()), self.bare, out);
            encode(value, self.bare, out);
        }
        for (key, kind, value) in integers {
            encode(&Value::String(key.to_owned()), self.bare, out);
            integer(kind, value, out);
        }
    }
}

/// - `single`: numbers that are no integers take 4 bytes, not 8.
fn encode(value: &Value, single: bool, out: &mut Vec<u8>) {
    match value {
        Value::String(text) => {
            control(STRING, text.len(), out);
            out.extend(text.as_bytes());
        }
        Value::Number(number) => match number.as_u64() {
            Some(value) => integer(UINT32, value, out),
            None if single => {
                control(FLOAT, 4, out);
                out.extend((number.as_f64().unwrap() as f32).to_be_bytes());
            }
            None => {
                control(DOUBLE, 8, out);
                out.extend(number.as_f64().unwrap().to_be_bytes());
            }
        },
        Value::Bool(flag) => control(BOOLEAN, usize::from(*flag), out),
        Value::Array(list) => {
            control(ARRAY, list.len(), out);
            list.iter().for_each(|element| encode(element, single, out));
        }
        Value::Object(map) => {
            control(MAP, map.len(), out);
            for (key, value) in map {
                encode(&Value::String(key.clone()), single, out);
                encode(value, single, out);
            }
        }
        Value::Null => panic!("the format has no null"),
    }
}

fn integer(kind: u8, value: u64, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let skip = bytes.iter().take_while(|byte| **byte == 0).count();
    control(kind, 8 - skip, out);
    out.extend(&bytes[skip..]);
}

/// The control byte, with the type's second byte for types above 7, and the size.
fn control(kind: u8, size: usize, out: &mut Vec<u8>) {
    let (short, more): (u8, Vec<u8>) = match size {
        0..29 => (size as u8, vec![]),
        29..285 => (29, vec![(size - 29) as u8]),
        _ => (30, ((size - 285) as u16).to_be_bytes().to_vec()),
    };
    if kind <= 7 {
        out.push(kind << 5 | short);
    } else {
        out.extend([short, kind - 7]);
    }
    out.extend(more);
}
