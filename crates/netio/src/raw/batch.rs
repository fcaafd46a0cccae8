use std::net::{IpAddr, SocketAddr};

use nightlatch_scope::AuthorizedTarget;
use nightlatch_wire::{Link, SLOT_BYTES, SynTemplate};

use super::Path;

/// Frames that are ready to be sent, in the order in which they were asked for.
///
/// Nothing gets in but a SYN to an [`AuthorizedTarget`]; the frame is written here and nowhere else. Room is allocated
/// once.
#[derive(Debug)]
pub struct Batch {
    templates: Templates,
    slots: Vec<[u8; SLOT_BYTES]>,
    targets: Vec<(SocketAddr, u16)>,
    filled: usize,
    skipped: u64,
}

#[derive(Debug)]
struct Templates {
    v4: Option<SynTemplate>,
    v6: Option<SynTemplate>,
    /// First and last target of a range that has a source of its own.
    other: Vec<(IpAddr, IpAddr, SynTemplate)>,
    link: Link,
}

impl Templates {
    fn of(path: &Path) -> Self {
        let other = path.other_sources.iter().map(|&(first, last, source)| {
            let template = match source {
                IpAddr::V4(source) => SynTemplate::v4(path.link, source),
                IpAddr::V6(source) => SynTemplate::v6(path.link, source),
            };
            (first, last, template)
        });
        Self {
            v4: path.source_v4.map(|source| SynTemplate::v4(path.link, source)),
            v6: path.source_v6.map(|source| SynTemplate::v6(path.link, source)),
            other: other.collect(),
            link: path.link,
        }
    }

    #[inline]
    fn find(&self, ip: IpAddr) -> Option<&SynTemplate> {
        if !self.other.is_empty() {
            let at = self.other.partition_point(|row| row.1 < ip);
            if let Some((first, _, template)) = self.other.get(at)
                && *first <= ip
            {
                return Some(template);
            }
        }
        match ip {
            IpAddr::V4(_) => self.v4.as_ref(),
            IpAddr::V6(_) => self.v6.as_ref(),
        }
    }
}

impl Batch {
    /// An empty batch of frames that take `path`, with room for `capacity` of them (at least one).
    pub fn new(path: &Path, capacity: usize) -> Self {
        let capacity = capacity.max(1);
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        Self {
            templates: Templates::of(path),
            slots: vec![[0; SLOT_BYTES]; capacity],
            targets: vec![(nobody, 0); capacity],
            filled: 0,
            skipped: 0,
        }
    }

    /// Adds a SYN to `target`; `false` when there is no room, and nothing was added.
    ///
    /// A target of a family for which the path has no source is skipped and counted.
    #[inline]
    pub fn push(&mut self, target: AuthorizedTarget, source_port: u16, sequence: u32) -> bool {
        let (Some(slot), Some(entry)) = (self.slots.get_mut(self.filled), self.targets.get_mut(self.filled))
        else {
            return false;
        };
        let socket = target.socket();
        let length = match self.templates.find(socket.ip()) {
            Some(template) => template.write(socket, source_port, sequence, slot),
            None => 0,
        };
        if length == 0 {
            self.skipped += 1;
            return true;
        }
        *entry = (socket, length as u16);
        self.filled += 1;
        true
    }

    /// Frames in it.
    pub fn len(&self) -> usize {
        self.filled
    }

    /// True when no frame is in it.
    pub fn is_empty(&self) -> bool {
        self.filled == 0
    }

    /// Frames it has room for in all.
    pub fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Targets for which there is no source address, since the batch was made.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Forgets what is in it.
    pub fn clear(&mut self) {
        self.filled = 0;
    }

    /// Frames take `path` from now on, which differs in hardware addresses; those that are in it as well.
    pub(super) fn follow(&mut self, path: &Path) {
        self.templates = Templates::of(path);
        let Link::Ethernet { source, destination, .. } = path.link else { return };
        for slot in self.slots.iter_mut().take(self.filled) {
            slot[..6].copy_from_slice(&destination);
            slot[6..12].copy_from_slice(&source);
        }
    }

    /// What stands before the IP header of its frames.
    pub(super) fn link(&self) -> Link {
        self.templates.link
    }

    /// The frames in order.
    pub(crate) fn frames(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.rows(0).map(|(_, frame)| frame)
    }

    /// Targets and frames in order, without the first `skip`.
    pub(super) fn rows(&self, skip: usize) -> impl ExactSizeIterator<Item = (SocketAddr, &[u8])> {
        let slots = self.slots.get(skip..self.filled).unwrap_or_default();
        let targets = self.targets.get(skip..self.filled).unwrap_or_default();
        slots.iter().zip(targets).map(|(slot, &(target, length))| {
            // A length comes from the template, which never writes more than a slot.
            (target, slot.get(..usize::from(length)).unwrap_or(slot))
        })
    }

    /// The target of frame `index`.
    pub(super) fn target(&self, index: usize) -> Option<SocketAddr> {
        self.targets.get(index).filter(|_| index < self.filled).map(|row| row.0)
    }

    /// Removes the first `count` frames.
    pub(super) fn remove_first(&mut self, count: usize) {
        let count = count.min(self.filled);
        if count < self.filled {
            self.slots.copy_within(count..self.filled, 0);
            self.targets.copy_within(count..self.filled, 0);
        }
        self.filled -= count;
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use nightlatch_scope::Scope;

    use super::*;

    fn path() -> Path {
        Path {
            device: None,
            link: Link::Bare,
            source_v4: Some(Ipv4Addr::new(192, 0, 2, 1)),
            source_v6: None,
            next_hop: None,
            other_sources: vec![(
                "127.0.1.0".parse().unwrap(),
                "127.0.1.255".parse().unwrap(),
                "192.0.2.2".parse().unwrap(),
            )],
        }
    }

    fn target(text: &str) -> AuthorizedTarget {
        Scope::loopback_only().authorize(text.parse().unwrap()).unwrap()
    }

    #[test]
    fn it_fills_and_what_was_sent_goes() {
        let mut batch = Batch::new(&path(), 3);
        for port in 1..=3 {
            assert!(batch.push(target("127.0.0.1:80"), port, 7));
        }
        assert!(!batch.push(target("127.0.0.1:80"), 4, 7));
        batch.remove_first(2);
        assert_eq!(batch.len(), 1);
        let frames: Vec<_> = batch.frames().collect();
        assert_eq!(frames[0][20..22], [0, 3]);
        assert!(batch.push(target("127.0.0.1:80"), 5, 7));
        batch.remove_first(9);
        assert!(batch.is_empty());
    }

    #[test]
    fn ranges_have_their_own_source_and_a_family_without_one_is_counted() {
        let mut batch = Batch::new(&path(), 4);
        assert!(batch.push(target("127.0.0.255:80"), 1, 1));
        assert!(batch.push(target("127.0.1.9:80"), 1, 1));
        assert!(batch.push(target("127.0.2.0:80"), 1, 1));
        assert!(batch.push(target("[::1]:80"), 1, 1));
        let sources: Vec<u8> = batch.frames().map(|frame| frame[15]).collect();
        assert_eq!(sources, [1, 2, 1]);
        assert_eq!((batch.len(), batch.skipped()), (3, 1));
    }
}
