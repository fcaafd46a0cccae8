use std::{fmt, path::PathBuf};

use crate::AddressRange;

/// Why something is not sent to.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// No block lists it; without a scope file (`path` absent) only loopback is scanned.
    NotListed {
        /// The scope file.
        path: Option<PathBuf>,
    },
    /// The scope excludes it.
    Excluded {
        /// The exclusion.
        by: AddressRange,
        /// The scope file.
        path: Option<PathBuf>,
        /// Line of the exclusion, from 1.
        line: u32,
    },
    /// Reserved, multicast, broadcast or unspecified space.
    NeverSent {
        /// Which space.
        why: &'static str,
    },
    /// Port 0 is no port.
    PortZero,
}

/// Addresses that are not sent to, and why. [`OutOfScope::lines_to_add`] says what would help.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct OutOfScope {
    range: AddressRange,
    /// Boxed: the refusal travels in every result of the gate, the reason is looked at rarely.
    reason: Box<Reason>,
}

impl OutOfScope {
    pub(crate) fn new(range: AddressRange, reason: Reason) -> Self {
        Self { range, reason: Box::new(reason) }
    }

    /// The addresses that are refused.
    pub fn range(&self) -> AddressRange {
        self.range
    }

    /// Why.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// The lines to add to the scope file, once the owner has agreed; `None` when no line would help.
    pub fn lines_to_add(&self) -> Option<String> {
        if !matches!(*self.reason, Reason::NotListed { .. }) {
            return None;
        }
        Some(lines_for(&self.blocks()))
    }

    /// The networks that a block would have to list; none where listing them would not help.
    pub(crate) fn nets_to_add(&self) -> Vec<AddressRange> {
        if matches!(*self.reason, Reason::NotListed { .. }) { self.blocks() } else { Vec::new() }
    }

    /// The range as CIDR blocks; ranges that need more are rounded up at the end.
    fn blocks(&self) -> Vec<AddressRange> {
        const BLOCKS_MAX: usize = 64;
        let mut blocks = Vec::new();
        let mut rest = Some(self.range);
        while let Some(range) = rest.filter(|_| blocks.len() < BLOCKS_MAX) {
            let block = range.first_block();
            blocks.push(block);
            rest = (block.last_number() < range.last_number()).then(|| {
                AddressRange::from_numbers(range.family(), block.last_number() + 1, range.last_number())
            });
        }
        blocks
    }
}

/// One block of a scope file that lists `nets`.
pub(crate) fn lines_for(nets: &[AddressRange]) -> String {
    let nets: Vec<String> = nets.iter().map(|net| format!("\"{net}\"")).collect();
    let net = match nets.as_slice() {
        [one] => one.clone(),
        many => format!("[{}]", many.join(", ")),
    };
    format!("[[block]]\nnet = {net}\nowner = \"\"\ncontact = \"\"\n")
}

impl fmt::Display for OutOfScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = self.range;
        match &*self.reason {
            Reason::NotListed { path: None } => {
                write!(f, "{range} is not scanned: without a scope file only loopback is")
            }
            Reason::NotListed { path: Some(path) } => {
                write!(f, "{range} is not scanned: no block of {} lists it", path.display())
            }
            Reason::Excluded { by, path: Some(path), line } => {
                write!(f, "{range} is not scanned: {}:{line} excludes {by}", path.display())
            }
            Reason::Excluded { by, .. } => write!(f, "{range} is not scanned: the scope excludes {by}"),
            Reason::NeverSent { why } => write!(f, "{range} is never scanned: it is {why}"),
            Reason::PortZero => write!(f, "{range} is not scanned: port 0 is no port"),
        }
    }
}
