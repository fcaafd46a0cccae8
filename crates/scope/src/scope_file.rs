//! The shape of a scope file. Every key is read by hand, so that each mistake is named with its place.

use std::{collections::HashMap, ops::Range, path::Path};

use nightlatch_asset::nearest;
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use crate::{
    AddressRange, Block, ScopeError, address_range::shown, scope_error::line_and_column, scope_map::Exclusion,
};

/// Largest scope file, in bytes.
const TEXT_BYTES_MAX: usize = 16 << 20;
/// Longest owner or contact, in characters: both travel in every request and report.
const NAME_CHARS_MAX: usize = 200;
/// Highest rate a block can name, in connections a second.
const RATE_PPS_MAX: i64 = 1_000_000;

const FILE_KEYS: [&str; 3] = ["contact", "exclude", "block"];
const BLOCK_KEYS: [&str; 7] = ["net", "owner", "contact", "rate_pps", "t3", "sample", "counts"];

/// What a scope file says.
pub(crate) struct ScopeFile {
    pub(crate) contact: Option<String>,
    pub(crate) blocks: Vec<Block>,
    pub(crate) exclusions: Vec<Exclusion>,
}

type Value<'t> = Spanned<DeValue<'t>>;

/// Reads `text`; the first mistake ends it.
pub(crate) fn read(text: &str, path: &Path) -> Result<ScopeFile, ScopeError> {
    let reader = Reader { path, text };
    if text.len() > TEXT_BYTES_MAX {
        let what = format!("the file has {} bytes", text.len());
        return Err(reader.wrong(0..0, what, format!("at most {TEXT_BYTES_MAX}")));
    }
    let document = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        // The parser says what it expected itself, in a word or two that do not always help.
        let what = format!("not TOML ({})", shown(error.message()));
        reader.wrong(span, what, "the form that `nightlatch scope init` writes")
    })?;
    reader.file(document.get_ref())
}

struct Reader<'f> {
    path: &'f Path,
    text: &'f str,
}

impl Reader<'_> {
    fn wrong(&self, span: Range<usize>, what: impl Into<String>, expected: impl Into<String>) -> ScopeError {
        ScopeError::at((self.path, self.text), span, what, expected)
    }

    fn file(&self, table: &DeTable<'_>) -> Result<ScopeFile, ScopeError> {
        self.known_keys(table, &FILE_KEYS)?;
        let contact = self.name(table, "contact")?;
        let mut exclusions = Vec::new();
        if let Some(value) = table.get("exclude") {
            for (range, span) in self.ranges(value, "exclude")? {
                exclusions.push(Exclusion { range, line: line_and_column(self.text, span.start).0 });
            }
        }
        let mut blocks = Vec::new();
        let mut taken: HashMap<AddressRange, u32> = HashMap::new();
        if let Some(value) = table.get("block") {
            let expected = "blocks, each under a line `[[block]]`";
            let list = value.get_ref().as_array().ok_or_else(|| self.kind(value, "block", expected))?;
            for item in list {
                let table = item.get_ref().as_table().ok_or_else(|| self.kind(item, "block", expected))?;
                blocks.push(self.block(table, item.span(), &mut taken)?);
            }
        }
        Ok(ScopeFile { contact, blocks, exclusions })
    }

    fn block(
        &self,
        table: &DeTable<'_>,
        span: Range<usize>,
        taken: &mut HashMap<AddressRange, u32>,
    ) -> Result<Block, ScopeError> {
        self.known_keys(table, &BLOCK_KEYS)?;
        let net = table.get("net").ok_or_else(|| {
            self.wrong(span.clone(), "the block has no `net`", "net = \"192.0.2.0/24\" or a list")
        })?;
        let line = line_and_column(self.text, span.start).0;
        let mut nets = Vec::new();
        let listed = self.ranges(net, "net")?;
        if listed.is_empty() {
            return Err(self.wrong(net.span(), "`net` lists nothing", "at least one network, or no block"));
        }
        for (range, span) in listed {
            if range.prefix().is_none() {
                let what = format!("`{range}` is not one CIDR block");
                return Err(self.wrong(
                    span,
                    what,
                    format!("blocks, the first being \"{}\"", range.first_block()),
                ));
            }
            if let Some(line) = taken.insert(range, line_and_column(self.text, span.start).0) {
                let what = format!("`{range}` is already listed in line {line}");
                return Err(self.wrong(span, what, "each network in one block"));
            }
            nets.push(range);
        }
        let flag = |key| table.get(key).map_or(Ok(false), |value| self.flag(value, key));
        Ok(Block {
            nets,
            owner: self.name(table, "owner")?,
            contact: self.name(table, "contact")?,
            rate_pps: table.get("rate_pps").map(|value| self.rate(value)).transpose()?,
            t3: flag("t3")?,
            sample: flag("sample")?,
            counts: flag("counts")?,
            line,
        })
    }

    fn known_keys(&self, table: &DeTable<'_>, known: &[&'static str]) -> Result<(), ScopeError> {
        // In the order of the file, so that the first mistake is the one that is named.
        let mut unknown: Vec<_> =
            table.keys().filter(|key| !known.contains(&key.get_ref().as_ref())).collect();
        unknown.sort_by_key(|key| key.span().start);
        let Some(key) = unknown.first() else { return Ok(()) };
        let what = format!("unknown key `{}`", shown(key.get_ref()));
        let error = self.wrong(key.span(), what, format!("one of {}", known.join(", ")));
        Err(error.near(nearest(key.get_ref(), known.iter().copied())))
    }

    /// One text or a list of texts, each an address, CIDR block or range.
    fn ranges(&self, value: &Value<'_>, key: &str) -> Result<Vec<(AddressRange, Range<usize>)>, ScopeError> {
        match value.get_ref() {
            DeValue::String(_) => Ok(vec![self.range(value, key)?]),
            DeValue::Array(items) => items.iter().map(|item| self.range(item, key)).collect(),
            _ => Err(self.kind(value, key, "a network in quotes, or a list of them")),
        }
    }

    fn range(&self, value: &Value<'_>, key: &str) -> Result<(AddressRange, Range<usize>), ScopeError> {
        let text = value.get_ref().as_str().ok_or_else(|| self.kind(value, key, "a network in quotes"))?;
        let span = value.span();
        let range: AddressRange = text.parse().map_err(|error: crate::AddressSyntax| {
            // One byte of opening quote; longer quotes and escapes point a little too far left, not astray.
            let start = (span.start + 1 + error.at).min(span.end);
            self.wrong(start..span.end, error.what, error.expected)
        })?;
        if text.contains('/') && !starts_at_its_network(text, range) {
            let what = format!("`{}` has bits set behind its prefix", shown(text));
            return Err(self.wrong(span, what, format!("\"{range}\", or the one address alone")));
        }
        Ok((range, span))
    }

    /// An owner or a contact; one that is empty, as in the lines we offer to be filled in, is absent.
    fn name(&self, table: &DeTable<'_>, key: &str) -> Result<Option<String>, ScopeError> {
        let Some(value) = table.get(key) else { return Ok(None) };
        let text = value.get_ref().as_str().ok_or_else(|| self.kind(value, key, "text in quotes"))?.trim();
        // The contact becomes part of a request header, the owner part of reports.
        if text.chars().any(nightlatch_untrusted::is_dangerous) {
            return Err(self.wrong(
                value.span(),
                format!("`{key}` has control characters"),
                "printable text",
            ));
        }
        if text.chars().count() > NAME_CHARS_MAX {
            let expected = format!("at most {NAME_CHARS_MAX} characters");
            return Err(self.wrong(value.span(), format!("`{key}` is too long"), expected));
        }
        // Left out of the request, it would leave the scanned without anybody to write to.
        if key == "contact" && !text.is_ascii() {
            let expected = "ASCII, as it travels in a request header";
            return Err(self.wrong(value.span(), format!("`{key}` has letters outside of ASCII"), expected));
        }
        Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
    }

    fn flag(&self, value: &Value<'_>, key: &str) -> Result<bool, ScopeError> {
        value.get_ref().as_bool().ok_or_else(|| self.kind(value, key, "true or false"))
    }

    fn rate(&self, value: &Value<'_>) -> Result<u32, ScopeError> {
        let expected = format!("a whole number of connections a second, from 1 to {RATE_PPS_MAX}");
        let number =
            value.get_ref().as_integer().ok_or_else(|| self.kind(value, "rate_pps", expected.as_str()))?;
        i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|rate| (1..=RATE_PPS_MAX).contains(rate))
            .and_then(|rate| u32::try_from(rate).ok())
            .ok_or_else(|| {
                self.wrong(value.span(), format!("`rate_pps` is {}", shown(number.as_str())), expected)
            })
    }

    fn kind(&self, value: &Value<'_>, key: &str, expected: &str) -> ScopeError {
        self.wrong(value.span(), format!("`{key}` is of type {}", value.get_ref().type_str()), expected)
    }
}

/// Whether the address before the slash is the first of the block: `192.0.2.7/24` is more likely a slip than
/// the wish to authorise 256 addresses.
fn starts_at_its_network(text: &str, range: AddressRange) -> bool {
    text.split_once('/')
        .and_then(|(address, _)| address.parse::<AddressRange>().ok())
        .is_some_and(|address| address.first() == range.first())
}
