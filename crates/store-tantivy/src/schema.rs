//! Which parts of an observation the index holds, and how.
//!
//! Every row of the field catalogue maps by its kind; a few columns carry what no row of the catalogue says.

use std::{net::IpAddr, sync::LazyLock};

use nightlatch_asset::{CATALOGUE, Field, Kind, Record, Value};
use tantivy::{
    TantivyDocument, Term,
    schema::{
        BytesOptions, FAST, Field as Column, IndexRecordOption, NumericOptions, STORED, Schema,
        SchemaBuilder, TextFieldIndexing, TextOptions,
    },
};

use crate::{
    stored,
    tokens::{WHOLE, WORDS},
};

/// Names of the columns beside the catalogue.
pub(crate) mod column {
    /// Sort key: port, a hash of the product, and the IPv4 address or a hash of the IPv6 address.
    pub(crate) const KEY: &str = "key";
    /// Document id.
    pub(crate) const OID: &str = "oid";
    /// Seconds of the observation's time.
    pub(crate) const SECONDS: &str = "seconds";
    /// Nanoseconds of it.
    pub(crate) const NANOS: &str = "nanos";
    /// Id of the first document of the endpoint; absent where that is the document itself.
    pub(crate) const ROOT: &str = "root";
    /// Seconds of the first sight of the endpoint, as known when the document was written; absent where that
    /// is the time of the document itself.
    pub(crate) const FIRST_SECONDS: &str = "first_seconds";
    /// Nanoseconds of it.
    pub(crate) const FIRST_NANOS: &str = "first_nanos";
    /// Upper half of an IPv6 address; absent for IPv4.
    pub(crate) const V6_HIGH: &str = "v6_high";
    /// Lower half of an IPv6 address; absent for IPv4.
    pub(crate) const V6_LOW: &str = "v6_low";
    /// Degrees north in ten-thousandths, where that is exact.
    pub(crate) const LATITUDE_PARTS: &str = "latitude_parts";
    /// Degrees east in ten-thousandths, where that is exact.
    pub(crate) const LONGITUDE_PARTS: &str = "longitude_parts";
    /// Degrees north of other positions.
    pub(crate) const LATITUDE: &str = "latitude";
    /// Degrees east of other positions.
    pub(crate) const LONGITUDE: &str = "longitude";
}

/// How a row of the catalogue is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kept {
    /// Folded whole values as terms, and a column of the values as they are.
    Keyword { index: Column },
    /// Words with positions; `column` when there is a column of the values as they are.
    Text { index: Column, column: bool },
    /// Terms and a column of integers; ladders by index, flags as 0 and 1.
    Number { index: Column },
    /// A column of integers that are nearly all different, where terms would cost more than they save.
    Scattered { index: Column },
    /// Only a column of whole seconds.
    Seconds,
    /// In columns beside the catalogue.
    Beside,
}

/// The schema of a partition, with its columns at hand.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) schema: Schema,
    kept: Vec<(String, Kept)>,
    pub(crate) stored: Column,
    pub(crate) host: Column,
    pub(crate) block: Column,
    pub(crate) has: Column,
    seconds: Column,
    nanos: Column,
    root: Column,
    first_seconds: Column,
    first_nanos: Column,
    key: Column,
    oid: Column,
    v6_high: Column,
    v6_low: Column,
    latitude_parts: Column,
    longitude_parts: Column,
    latitude: Column,
    longitude: Column,
    not_after: Column,
}

/// The one layout of this format version.
pub(crate) static LAYOUT: LazyLock<Layout> = LazyLock::new(|| Layout::without(None));

impl Layout {
    /// The layout of a catalogue without one field, as an earlier version may have had it.
    pub(crate) fn without(left_out: Option<Field>) -> Self {
        let mut builder = Schema::builder();
        let mut not_after = None;
        // The flag INDEXED would keep a length of every document beside the terms.
        let numbers = NumericOptions::default().set_indexed();
        let kept = CATALOGUE
            .iter()
            .map(|info| {
                let name = info.name.replace('.', "_");
                let kept = match (info.field, info.kind) {
                    (field, _) if left_out == Some(field) => Kept::Beside,
                    (Field::SslNotAfter, _) => {
                        not_after = Some(builder.add_i64_field(&name, FAST));
                        Kept::Seconds
                    }
                    (_, Kind::Keyword) => {
                        let index = text(&mut builder, &name, WHOLE, IndexRecordOption::Basic, info.facet);
                        Kept::Keyword { index }
                    }
                    (_, Kind::Text) => {
                        let positions = IndexRecordOption::WithFreqsAndPositions;
                        let index = text(&mut builder, &name, WORDS, positions, info.facet);
                        Kept::Text { index, column: info.facet }
                    }
                    (Field::Hash | Field::HttpHeadersHash, _) => {
                        Kept::Scattered { index: builder.add_i64_field(&name, FAST) }
                    }
                    (_, Kind::Number { .. } | Kind::Ladder(_) | Kind::Flag) => {
                        Kept::Number { index: builder.add_i64_field(&name, numbers.clone().set_fast()) }
                    }
                    (_, Kind::Ip | Kind::Date | Kind::Geo) => Kept::Beside,
                };
                (name, kept)
            })
            .collect();
        let terms = || BytesOptions::default().set_indexed();
        Self {
            kept,
            stored: builder.add_bytes_field("stored", STORED),
            host: builder.add_bytes_field("host", terms()),
            block: builder.add_bytes_field("block", terms()),
            has: builder.add_u64_field("has", numbers.clone()),
            key: builder.add_u64_field(column::KEY, FAST),
            oid: builder.add_u64_field(column::OID, FAST),
            seconds: builder.add_i64_field(column::SECONDS, FAST),
            nanos: builder.add_i64_field(column::NANOS, FAST),
            root: builder.add_u64_field(column::ROOT, FAST),
            first_seconds: builder.add_i64_field(column::FIRST_SECONDS, FAST),
            first_nanos: builder.add_i64_field(column::FIRST_NANOS, FAST),
            v6_high: builder.add_u64_field(column::V6_HIGH, FAST),
            v6_low: builder.add_u64_field(column::V6_LOW, FAST),
            latitude_parts: builder.add_i64_field(column::LATITUDE_PARTS, FAST),
            longitude_parts: builder.add_i64_field(column::LONGITUDE_PARTS, FAST),
            latitude: builder.add_f64_field(column::LATITUDE, FAST),
            longitude: builder.add_f64_field(column::LONGITUDE, FAST),
            not_after: not_after.unwrap_or_else(|| builder.add_i64_field("ssl_not_after", FAST)),
            schema: builder.build(),
        }
    }

    /// How `field` is kept, and the name of its column.
    pub(crate) fn kept(&self, field: Field) -> (&str, Kept) {
        let (name, kept) = &self.kept[field as usize];
        (name, *kept)
    }

    /// How to find the records that have `field`.
    pub(crate) fn presence(&self, field: Field) -> Presence {
        use Field::{Confidence, Exposure, FirstSeen, Hash, Ip, LastSeen, Port, Severity, Time, Transport};
        match (field, self.kept(field).1) {
            (Ip | Port | Transport | Exposure | Severity | Confidence | Hash, _) => Presence::Always,
            (Time | FirstSeen | LastSeen, _) => Presence::Always,
            (_, Kept::Text { column: false, .. } | Kept::Beside) => Presence::Term,
            _ => Presence::Column,
        }
    }

    /// Makes the document of `record`, whose endpoint's first document is `root`. Only its id and first sight
    /// are used beside the observation.
    pub(crate) fn document(&self, record: &Record, root: u64, form: &[u8]) -> TantivyDocument {
        let mut document = TantivyDocument::default();
        for info in CATALOGUE {
            self.add_values(&mut document, info.field, record);
        }
        let o = &record.observation;
        document.add_bytes(self.stored, form);
        document.add_u64(self.oid, record.id);
        document.add_i64(self.seconds, o.time.as_second());
        document.add_i64(self.nanos, o.time.subsec_nanosecond().into());
        if root != record.id {
            document.add_u64(self.root, root);
        }
        if record.first_seen != o.time {
            document.add_i64(self.first_seconds, record.first_seen.as_second());
            document.add_i64(self.first_nanos, record.first_seen.subsec_nanosecond().into());
        }
        self.add_address(&mut document, record);
        document
    }

    fn add_values(&self, document: &mut TantivyDocument, field: Field, record: &Record) {
        let mut any = false;
        match self.kept(field).1 {
            Kept::Keyword { index } | Kept::Text { index, .. } => field.values(record, &mut |value| {
                any = true;
                if let Value::Text(text) = value {
                    document.add_text(index, text);
                }
            }),
            Kept::Number { index } | Kept::Scattered { index } => {
                field.values(record, &mut |value| match value {
                    Value::Number(number) => document.add_i64(index, number),
                    Value::Flag(flag) => document.add_i64(index, flag.into()),
                    _ => {}
                })
            }
            Kept::Seconds => field.values(record, &mut |value| {
                if let Value::Date(time) = value {
                    document.add_i64(self.not_after, time.as_second());
                }
            }),
            Kept::Beside if field == Field::Geo => field.values(record, &mut |value| {
                any = true;
                if let Value::Geo { latitude, longitude } = value {
                    self.add_position(document, latitude, longitude);
                }
            }),
            Kept::Beside => {}
        }
        if any && self.presence(field) == Presence::Term {
            document.add_u64(self.has, field as u64);
        }
    }

    fn add_position(&self, document: &mut TantivyDocument, latitude: f64, longitude: f64) {
        match stored::whole_parts(latitude).zip(stored::whole_parts(longitude)) {
            Some((latitude, longitude)) => {
                document.add_i64(self.latitude_parts, latitude);
                document.add_i64(self.longitude_parts, longitude);
            }
            None => {
                document.add_f64(self.latitude, latitude);
                document.add_f64(self.longitude, longitude);
            }
        }
    }

    fn add_address(&self, document: &mut TantivyDocument, record: &Record) {
        let o = &record.observation;
        let low = match o.ip {
            IpAddr::V4(ip) => {
                document.add_bytes(self.host, &ip.octets());
                ip.to_bits()
            }
            IpAddr::V6(ip) => {
                document.add_bytes(self.host, &ip.octets());
                document.add_u64(self.v6_high, (ip.to_bits() >> 64) as u64);
                document.add_u64(self.v6_low, ip.to_bits() as u64);
                crc32fast::hash(&ip.octets())
            }
        };
        for prefix in indexed_prefixes(o.ip) {
            document.add_bytes(self.block, &block_term(o.ip, *prefix));
        }
        let product = o.verdict.product.as_ref().map_or("", |p| p.raw());
        let product = crc32fast::hash(product.as_bytes()) & 0xffff;
        document.add_u64(self.key, u64::from(o.port) << 48 | u64::from(product) << 32 | u64::from(low));
    }
}

/// How to find the records that have a field at all.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Presence {
    /// All have it.
    Always,
    /// Those with a value in the column of the field.
    Column,
    /// Those with a term in the field `has`.
    Term,
}

/// Prefix lengths of blocks that are terms.
pub(crate) const fn indexed_prefixes(ip: IpAddr) -> &'static [u8] {
    match ip {
        IpAddr::V4(_) => &[8, 16, 24],
        IpAddr::V6(_) => &[32, 48, 64],
    }
}

/// The term of the block of `prefix` bits (a multiple of 8) around `ip`: its bytes, and for IPv6 a zero byte,
/// so that the length tells families and prefixes apart.
pub(crate) fn block_term(ip: IpAddr, prefix: u8) -> Vec<u8> {
    let bytes = usize::from(prefix / 8);
    match ip {
        IpAddr::V4(ip) => ip.octets()[..bytes.min(4)].to_vec(),
        IpAddr::V6(ip) => {
            let mut term = ip.octets()[..bytes.min(16)].to_vec();
            term.push(0);
            term
        }
    }
}

/// The term of one address.
pub(crate) fn host_term(ip: IpAddr) -> Term {
    match ip {
        IpAddr::V4(ip) => Term::from_field_bytes(LAYOUT.host, &ip.octets()),
        IpAddr::V6(ip) => Term::from_field_bytes(LAYOUT.host, &ip.octets()),
    }
}

fn text(
    builder: &mut SchemaBuilder,
    name: &str,
    tokenizer: &str,
    record: IndexRecordOption,
    column: bool,
) -> Column {
    let indexing =
        TextFieldIndexing::default().set_tokenizer(tokenizer).set_fieldnorms(false).set_index_option(record);
    let options = TextOptions::default().set_indexing_options(indexing);
    builder.add_text_field(name, if column { options.set_fast("raw") } else { options })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn terms_of_blocks_are_distinct() {
        let v4: IpAddr = "32.1.13.184".parse().unwrap();
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        let terms: HashSet<_> = indexed_prefixes(v4)
            .iter()
            .map(|p| block_term(v4, *p))
            .chain(indexed_prefixes(v6).iter().map(|p| block_term(v6, *p)))
            .collect();
        assert_eq!(terms.len(), 6);
    }

    #[test]
    fn every_field_of_the_catalogue_is_kept_under_its_own_name() {
        let names: HashSet<_> = CATALOGUE.iter().map(|info| LAYOUT.kept(info.field).0).collect();
        assert_eq!(names.len(), CATALOGUE.len());
    }
}
