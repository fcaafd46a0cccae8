//! Which cloud an address is in, by the providers' published range files.

mod formats;
mod intervals;

use std::net::IpAddr;

use nightlatch_asset::{Cloud, Text, Timestamp};

pub use formats::RangeError;
use intervals::Intervals;

/// Largest range file that is read, in bytes; the largest known one has 5 MB.
pub const RANGES_BYTES_MAX: u64 = 64 << 20;

/// Most blocks that one file may hold.
pub const RANGES_MAX: usize = 2_000_000;

/// One block of a range file: where it belongs.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Label {
    /// Index of the file, in order of configuration.
    file: u16,
    region: Option<String>,
    service: Option<String>,
}

/// One block of a range file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Block {
    ip: IpAddr,
    length: u8,
    label: Label,
}

/// All blocks of all files, as disjoint sorted intervals: a lookup is one binary search.
#[derive(Debug, Default)]
pub struct Ranges {
    providers: Vec<String>,
    blocks: Vec<Block>,
    labels: Vec<Label>,
    v4: Intervals<u32>,
    v6: Intervals<u128>,
}

/// What one file turned out to hold.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RangeFile {
    /// The format recognised, such as `aws`.
    pub format: &'static str,
    /// Blocks.
    pub blocks: u64,
    /// When it was made, by its own word.
    pub built: Option<Timestamp>,
}

impl Ranges {
    /// Reads one file's bytes; [`Ranges::seal`] must follow the last one.
    ///
    /// # Errors
    /// [`RangeError`], with line and column.
    pub fn add(&mut self, provider: &str, bytes: &[u8]) -> Result<RangeFile, RangeError> {
        let file = u16::try_from(self.providers.len()).map_err(|_| RangeError::TooMany)?;
        let read = formats::read(bytes, file)?;
        let summary = RangeFile { format: read.format, blocks: read.blocks.len() as u64, built: read.built };
        self.providers.push(provider.to_owned());
        self.blocks.extend(read.blocks);
        Ok(summary)
    }

    /// Makes everything that was added searchable.
    pub fn seal(&mut self) {
        let blocks = std::mem::take(&mut self.blocks);
        (self.v4, self.v6, self.labels) = intervals::flatten(blocks);
    }

    /// The cloud of the smallest block around `ip`. Of equal blocks the one with more to say counts, then
    /// that of the file named first; a region is taken over from a larger block of the same file.
    pub fn lookup(&self, ip: IpAddr) -> Option<Cloud> {
        let label = match ip.to_canonical() {
            IpAddr::V4(v4) => self.v4.find(v4.into()),
            IpAddr::V6(v6) => self.v6.find(v6.into()),
        }?;
        let label = self.labels.get(label as usize)?;
        let provider = self.providers.get(usize::from(label.file))?;
        Some(Cloud {
            provider: provider.as_str().into(),
            region: label.region.as_deref().map(Text::from),
            service: label.service.as_deref().map(Text::from),
        })
    }

    /// Intervals kept after overlaps were resolved.
    pub fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// True when there is no interval.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests;
