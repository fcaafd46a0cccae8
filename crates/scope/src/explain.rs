use std::net::IpAddr;

use crate::{AddressRange, Block, OutOfScope, Permissions, Scope, never_sent, scope_map::loopback};

/// A block that covers an address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MatchingBlock {
    /// The network of the block that covers it.
    pub net: AddressRange,
    /// The block.
    pub block: Block,
}

/// All that a scope says about one address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explanation {
    /// The address; an IPv4-mapped one as IPv4.
    pub ip: IpAddr,
    /// `None` when it may be scanned, else why not.
    pub refused: Option<OutOfScope>,
    /// Whether it is loopback, which needs no block.
    pub loopback: bool,
    /// Why nothing is ever sent to it.
    pub never_sent: Option<&'static str>,
    /// The exclusion that covers it, and its line in the scope file from 1.
    pub excluded_by: Option<(AddressRange, u32)>,
    /// The blocks that cover it; the first, with the longest prefix, decides.
    pub blocks: Vec<MatchingBlock>,
    /// What follows.
    pub permissions: Permissions,
}

impl Scope {
    /// Explains whether `ip` may be scanned and by which lines of the file.
    pub fn explain(&self, ip: IpAddr) -> Explanation {
        let ip = ip.to_canonical();
        let mut blocks: Vec<MatchingBlock> = self
            .blocks()
            .iter()
            .flat_map(|block| block.nets.iter().map(move |net| (net, block)))
            .filter(|(net, _)| net.contains(ip))
            .map(|(net, block)| MatchingBlock { net: *net, block: block.clone() })
            .collect();
        blocks.sort_by_key(|matching| matching.net.span());
        Explanation {
            ip,
            refused: (!self.allowed().contains(ip)).then(|| self.refusal(AddressRange::single(ip))),
            loopback: loopback().iter().any(|range| range.contains(ip)),
            never_sent: never_sent(ip),
            excluded_by: self.exclusion_of(ip).map(|exclusion| (exclusion.range, exclusion.line)),
            blocks,
            permissions: self.permissions(ip),
        }
    }
}
