use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{
    AddressRange, AddressSet, Family, OutOfScope, Reason, ScopeError, address_range::number, never_sent,
    scope_file,
};

/// An endpoint inside the authorised scope, the only type the network layer sends to. There is no public
/// constructor: the one way to get a value is [`Scope::authorize`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct AuthorizedTarget {
    socket: SocketAddr,
    block: Option<u32>,
    rate_pps: Option<u32>,
}

impl AuthorizedTarget {
    /// The address and port; never an IPv4-mapped IPv6 address.
    pub fn socket(self) -> SocketAddr {
        self.socket
    }

    /// The block it is in, by its place in the scope file from 0; `None` for loopback that no block names.
    pub fn block(self) -> Option<u32> {
        self.block
    }

    /// The most connections a second its block agreed to; `None` where the block says nothing.
    pub fn rate_pps(self) -> Option<u32> {
        self.rate_pps
    }
}

/// Networks of one owner, as the scope file lists them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Block {
    /// The networks, each one CIDR block.
    pub nets: Vec<AddressRange>,
    /// Who answers for them; absent when the file does not say.
    pub owner: Option<String>,
    /// Whom to tell; absent when the file does not say.
    pub contact: Option<String>,
    /// Most connections a second to the block; absent means no limit of its own.
    pub rate_pps: Option<u32>,
    /// Whether questions spelt as POST (T3) are agreed to.
    pub t3: bool,
    /// Whether reading a few documents to tell the kinds of personal data is agreed to.
    pub sample: bool,
    /// Whether counting objects through one that is dropped while parsing is agreed to.
    pub counts: bool,
    /// Line of the scope file, from 1; 0 when the block was not read from a file.
    pub line: u32,
}

/// What the owner of an address agreed to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Permissions {
    /// Who answers for the address.
    pub owner: Option<String>,
    /// Whom to tell: the block's contact, else the scope's.
    pub contact: Option<String>,
    /// Most connections a second to the block.
    pub rate_pps: Option<u32>,
    /// Questions spelt as POST.
    pub t3: bool,
    /// Samples of documents.
    pub sample: bool,
    /// Counts that make one object arrive.
    pub counts: bool,
}

/// One exclusion of the scope file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Exclusion {
    pub(crate) range: AddressRange,
    pub(crate) line: u32,
}

/// A stretch of addresses whose most specific block is the same.
#[derive(Clone, Copy, Debug)]
struct Segment {
    range: AddressRange,
    block: u32,
}

/// The ranges the operator is authorised to scan, whose they are, and whom to tell.
///
/// Loopback needs no block. An exclusion wins over every block. Where blocks nest, the one with the longest
/// prefix decides. Some space is never sent to, see [`never_sent`].
#[derive(Clone, Debug)]
pub struct Scope {
    path: Option<PathBuf>,
    contact: Option<String>,
    blocks: Vec<Block>,
    exclusions: Vec<Exclusion>,
    segments: Vec<Segment>,
    allowed: AddressSet,
    excluded: AddressSet,
    digest: String,
}

impl Scope {
    /// Reads the text of a scope file; [`template`] shows the format.
    ///
    /// - `path`: where the text came from, for messages.
    ///
    /// # Errors
    /// The first mistake, with its line and column.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ScopeError> {
        let file = scope_file::read(text, path)?;
        Ok(Self::build(Some(path.to_owned()), file.contact, file.blocks, file.exclusions, text))
    }

    /// The scope of who has none: loopback.
    pub fn loopback_only() -> Self {
        Self::build(None, None, Vec::new(), Vec::new(), "")
    }

    fn build(
        path: Option<PathBuf>,
        contact: Option<String>,
        blocks: Vec<Block>,
        exclusions: Vec<Exclusion>,
        text: &str,
    ) -> Self {
        let segments = segments(&blocks);
        let listed: AddressSet = segments.iter().map(|segment| segment.range).chain(loopback()).collect();
        let excluded: AddressSet = exclusions.iter().map(|exclusion| exclusion.range).collect();
        let allowed = listed.intersect(crate::reserved::sendable()).subtract(&excluded);
        let digest = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Self { path, contact, blocks, exclusions, segments, allowed, excluded, digest }
    }

    /// Returns proof that `target` may be scanned: loopback, or in a block and in no exclusion, and space that
    /// is sent to at all.
    ///
    /// # Errors
    /// Why not, and for an address that no block lists, the lines to add.
    pub fn authorize(&self, target: SocketAddr) -> Result<AuthorizedTarget, OutOfScope> {
        let ip = target.ip().to_canonical();
        if !self.allowed.contains(ip) {
            return Err(self.refusal(AddressRange::single(ip)));
        }
        if target.port() == 0 {
            return Err(OutOfScope::new(AddressRange::single(ip), Reason::PortZero));
        }
        let block = self.block_of(ip);
        let rate_pps =
            block.and_then(|index| self.blocks.get(index as usize)).and_then(|block| block.rate_pps);
        Ok(AuthorizedTarget { socket: SocketAddr::new(ip, target.port()), block, rate_pps })
    }

    /// What the owner of `ip` agreed to. Nothing beyond T2 for loopback that no block names, nor for
    /// addresses outside the scope.
    pub fn permissions(&self, ip: IpAddr) -> Permissions {
        let block = self.block_of(ip).and_then(|index| self.blocks.get(index as usize));
        let Some(block) = block.filter(|_| self.allowed.contains(ip)) else {
            return Permissions { contact: self.contact.clone(), ..Permissions::default() };
        };
        Permissions {
            owner: block.owner.clone(),
            contact: block.contact.clone().or_else(|| self.contact.clone()),
            rate_pps: block.rate_pps,
            t3: block.t3,
            sample: block.sample,
            counts: block.counts,
        }
    }

    /// Whom scanned hosts may write to; it goes into the User-Agent. Absent when the file does not say.
    pub fn contact(&self) -> Option<&str> {
        self.contact.as_deref()
    }

    /// The file it was read from; `None` for [`Scope::loopback_only`].
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The blocks in the order of the file.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// What the file excludes.
    pub fn excluded(&self) -> &AddressSet {
        &self.excluded
    }

    /// Every address that may be scanned.
    pub fn allowed(&self) -> &AddressSet {
        &self.allowed
    }

    /// SHA-256 of the text of the file, 64 lower-case hexadecimal digits: which scope a run was made under.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub(crate) fn exclusion_of(&self, ip: IpAddr) -> Option<&Exclusion> {
        self.exclusions.iter().find(|exclusion| exclusion.range.contains(ip))
    }

    fn block_of(&self, ip: IpAddr) -> Option<u32> {
        let (family, value) = number(ip);
        let key = |segment: &Segment| (segment.range.family(), segment.range.first_number());
        let after = self.segments.partition_point(|segment| key(segment) <= (family, value));
        let segment = self.segments.get(after.checked_sub(1)?)?;
        segment.range.contains(ip).then_some(segment.block)
    }

    /// Why the whole of `range` is refused, judged by its first address; it is in no part allowed.
    pub(crate) fn refusal(&self, range: AddressRange) -> OutOfScope {
        let ip = range.first();
        let reason = if let Some(why) = never_sent(ip) {
            Reason::NeverSent { why }
        } else if let Some(exclusion) = self.exclusion_of(ip) {
            Reason::Excluded { by: exclusion.range, path: self.path.clone(), line: exclusion.line }
        } else {
            Reason::NotListed { path: self.path.clone() }
        };
        OutOfScope::new(range, reason)
    }
}

/// 127.0.0.0/8 and ::1.
pub(crate) fn loopback() -> [AddressRange; 2] {
    [
        AddressRange::from_numbers(Family::V4, 0x7f00_0000, 0x7fff_ffff),
        AddressRange::from_numbers(Family::V6, 1, 1),
    ]
}

/// Cuts nested blocks into disjoint stretches, each with its most specific block, lowest first.
fn segments(blocks: &[Block]) -> Vec<Segment> {
    let mut nets: Vec<Segment> = Vec::new();
    for (index, block) in (0u32..).zip(blocks) {
        nets.extend(block.nets.iter().map(|range| Segment { range: *range, block: index }));
    }
    // Outer blocks first, so that a stack of open blocks mirrors the nesting.
    nets.sort_by_key(|net| {
        (net.range.family(), net.range.first_number(), std::cmp::Reverse(net.range.span()))
    });
    let mut cut = Vec::with_capacity(nets.len());
    let mut open: Vec<(Segment, u128)> = Vec::new();
    for net in nets {
        close(&mut open, &mut cut, Some(net.range));
        if let Some((outer, from)) = open.last_mut() {
            push(&mut cut, *outer, *from, net.range.first_number().checked_sub(1));
            *from = net.range.first_number();
        }
        open.push((net, net.range.first_number()));
    }
    close(&mut open, &mut cut, None);
    cut
}

/// Ends the open blocks that `next` is not inside of; what follows an inner block belongs to the outer again.
fn close(open: &mut Vec<(Segment, u128)>, cut: &mut Vec<Segment>, next: Option<AddressRange>) {
    while let Some((inner, from)) = open.last().copied() {
        if next.is_some_and(|next| inner.range.contains(next.first())) {
            return;
        }
        push(cut, inner, from, Some(inner.range.last_number()));
        open.pop();
        if let Some((_, outer_from)) = open.last_mut() {
            // May lie one past the end of the outer block; `push` drops what is empty.
            *outer_from = inner.range.last_number().saturating_add(1);
        }
    }
}

fn push(cut: &mut Vec<Segment>, owner: Segment, from: u128, to: Option<u128>) {
    let family = owner.range.family();
    // At the very top of IPv6 `from` cannot lie past the end; the stretch is then already there.
    let done = cut.last().is_some_and(|c| c.range.family() == family && c.range.last_number() >= from);
    if let Some(to) = to.filter(|to| *to >= from && !done) {
        let range = AddressRange::from_numbers(family, from, to);
        cut.push(Segment { range, block: owner.block });
    }
}

/// The text that `scope init` writes: a scope of nothing, with everything explained.
pub fn template() -> String {
    TEMPLATE.to_owned()
}

const TEMPLATE: &str = r#"# What nightlatch may scan. Nothing is sent to an address that is not listed here, loopback excepted.
# List only what you are authorised to scan, and whom to tell about it.

# Who runs the scanner; scanned hosts see it in the User-Agent.
# contact = "security@example.org"

# Never sent to, even where a block covers it: addresses, CIDR blocks and ranges.
exclude = [
    # "192.0.2.66",
    # "198.51.100.0/28",
    # "203.0.113.5-20",
]

# One block for each owner. Where blocks nest, the longest prefix decides.
# [[block]]
# net = ["192.0.2.0/24", "2001:db8:1::/48"]
# owner = "Shop team"
# contact = "shop@example.org"
# rate_pps = 500        # most connections a second to this block; absent: no limit of its own
# t3 = false            # questions that the protocol spells as POST, such as what an anonymous user may do
# counts = false        # counting objects by a request that makes one object arrive
# sample = false        # reading at most 20 documents to tell which kinds of personal data occur
"#;
