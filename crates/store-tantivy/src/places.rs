//! Queries about where an address is: in a block, or on Earth.

use std::net::IpAddr;

use nightlatch_query::Area;
use tantivy::{
    DocId, SegmentReader, Term,
    query::{BooleanQuery, Query, TermQuery},
    schema::IndexRecordOption,
};

use crate::{
    predicate::predicate,
    schema::{self, LAYOUT, block_term, column, host_term},
    terms::AnyTerm,
};

fn term(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

/// Documents whose address is inside a block.
pub(crate) fn block(address: IpAddr, prefix: u8) -> Box<dyn Query> {
    match address {
        IpAddr::V4(_) if prefix == 0 => predicate(|segment| {
            let v6 = segment.fast_fields().u64(column::V6_HIGH)?;
            Ok(move |doc: DocId| v6.first(doc).is_none())
        }),
        IpAddr::V4(first) => {
            // At most 128 blocks of the next length that is a term make up any other block.
            let step = prefix.div_ceil(8).min(4) * 8;
            let count = 1u32 << (step - prefix.min(32));
            let size = 1u64 << (32 - step);
            let blocks = (0..count).map(|index| {
                let ip = IpAddr::from(
                    first.to_bits().wrapping_add((u64::from(index) * size) as u32).to_be_bytes(),
                );
                if step == 32 {
                    host_term(ip).serialized_value_bytes().to_vec()
                } else {
                    block_term(ip, step)
                }
            });
            let index = if step == 32 { LAYOUT.host } else { LAYOUT.block };
            Box::new(AnyTerm::new(index, blocks.collect()))
        }
        IpAddr::V6(_) if prefix >= 128 => term(host_term(address)),
        IpAddr::V6(first) => {
            let exact = schema::indexed_prefixes(address).contains(&prefix);
            let shorter = schema::indexed_prefixes(address).iter().rev().find(|length| **length <= prefix);
            let candidates = shorter
                .map(|length| term(Term::from_field_bytes(LAYOUT.block, &block_term(address, *length))));
            match candidates {
                Some(candidates) if exact => candidates,
                Some(candidates) => {
                    Box::new(BooleanQuery::intersection(vec![candidates, v6_block(first.to_bits(), prefix)]))
                }
                None => v6_block(first.to_bits(), prefix),
            }
        }
    }
}

fn v6_block(first: u128, prefix: u8) -> Box<dyn Query> {
    let host_bits = 128 - u32::from(prefix);
    predicate(move |segment| {
        let (high, low) =
            (segment.fast_fields().u64(column::V6_HIGH)?, segment.fast_fields().u64(column::V6_LOW)?);
        Ok(move |doc: DocId| {
            high.first(doc).zip(low.first(doc)).is_some_and(|(high, low)| {
                let ip = u128::from(high) << 64 | u128::from(low);
                (ip ^ first).checked_shr(host_bits).unwrap_or(0) == 0
            })
        })
    })
}

/// Documents whose position is inside an area.
pub(crate) fn geo(area: Area) -> Box<dyn Query> {
    predicate(move |segment| {
        let position = Position::open(segment)?;
        Ok(move |doc: DocId| {
            position.of(doc).is_some_and(|(latitude, longitude)| area.holds(latitude, longitude))
        })
    })
}

/// The columns of positions.
struct Position {
    parts: (tantivy::columnar::Column<i64>, tantivy::columnar::Column<i64>),
    other: (tantivy::columnar::Column<f64>, tantivy::columnar::Column<f64>),
}

impl Position {
    fn open(segment: &SegmentReader) -> tantivy::Result<Self> {
        let fast = segment.fast_fields();
        Ok(Self {
            parts: (fast.i64(column::LATITUDE_PARTS)?, fast.i64(column::LONGITUDE_PARTS)?),
            other: (fast.f64(column::LATITUDE)?, fast.f64(column::LONGITUDE)?),
        })
    }

    fn of(&self, doc: DocId) -> Option<(f64, f64)> {
        let degrees = crate::stored::degrees_of_parts;
        match self.parts.0.first(doc).zip(self.parts.1.first(doc)) {
            Some((latitude, longitude)) => Some((degrees(latitude), degrees(longitude))),
            None => self.other.0.first(doc).zip(self.other.1.first(doc)),
        }
    }
}
