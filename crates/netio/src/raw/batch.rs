use std::net::{IpAddr, SocketAddr};

use nightlatch_scope::AuthorizedTarget;
use nightlatch_wire::{Link, SLOT_BYTES, SynTemplate};

use super::{
    Path,
    lane::{LANE_FRAMES, Lane},
};

/// Frames that are ready to be sent.
///
/// Nothing gets in but a SYN to an [`AuthorizedTarget`]; the frame is written here and nowhere else. Room is allocated
/// once.
#[derive(Debug)]
pub struct Batch {
    templates: Templates,
    room: Room,
    skipped: u64,
}

/// Where frames are.
#[derive(Debug)]
enum Room {
    /// In memory of its own, in the order in which they were asked for.
    Own(Own),
    /// Where the kernel sends them from.
    Lane(Lane),
}

#[derive(Debug)]
struct Own {
    slots: Vec<[u8; SLOT_BYTES]>,
    targets: Vec<(SocketAddr, u16)>,
    filled: usize,
}

impl Own {
    #[inline]
    fn push(
        &mut self,
        template: &SynTemplate,
        target: SocketAddr,
        source_port: u16,
        sequence: u32,
    ) -> Option<usize> {
        let (slot, entry) = (self.slots.get_mut(self.filled)?, self.targets.get_mut(self.filled)?);
        let length = template.write(target, source_port, sequence, slot);
        if length > 0 {
            *entry = (target, length as u16);
            self.filled += 1;
        }
        Some(length)
    }
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
        let room =
            Own { slots: vec![[0; SLOT_BYTES]; capacity], targets: vec![(nobody, 0); capacity], filled: 0 };
        Self { templates: Templates::of(path), room: Room::Own(room), skipped: 0 }
    }

    /// An empty batch whose frames are written where the kernel sends them from.
    pub(super) fn in_lane(path: &Path, lane: Lane) -> Self {
        Self { templates: Templates::of(path), room: Room::Lane(lane), skipped: 0 }
    }

    /// Adds a SYN to `target`; `false` when there is no room, and nothing was added.
    ///
    /// A target of a family for which the path has no source is skipped and counted.
    #[inline]
    pub fn push(&mut self, target: AuthorizedTarget, source_port: u16, sequence: u32) -> bool {
        let socket = target.socket();
        let Some(template) = self.templates.find(socket.ip()) else {
            self.skipped += 1;
            return true;
        };
        let pushed = match &mut self.room {
            Room::Own(own) => own.push(template, socket, source_port, sequence),
            Room::Lane(lane) => lane.push(template, socket, source_port, sequence),
        };
        self.skipped += u64::from(pushed == Some(0));
        pushed.is_some()
    }

    /// Frames in it.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.room {
            Room::Own(own) => own.filled,
            Room::Lane(lane) => lane.len(),
        }
    }

    /// True when no frame is in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Frames it has room for in all.
    pub fn capacity(&self) -> usize {
        match &self.room {
            Room::Own(own) => own.slots.len(),
            Room::Lane(_) => LANE_FRAMES,
        }
    }

    /// Targets for which there is no source address, since the batch was made.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Forgets what is in it.
    pub fn clear(&mut self) {
        match &mut self.room {
            Room::Own(own) => own.filled = 0,
            Room::Lane(lane) => lane.clear(),
        }
    }

    /// Frames take `path` from now on, which differs in hardware addresses; those that are in it as well.
    pub(super) fn follow(&mut self, path: &Path) {
        self.templates = Templates::of(path);
        let Link::Ethernet { source, destination, .. } = path.link else { return };
        let mut addresses = [0; 12];
        addresses[..6].copy_from_slice(&destination);
        addresses[6..].copy_from_slice(&source);
        match &mut self.room {
            Room::Own(own) => {
                own.slots.iter_mut().take(own.filled).for_each(|slot| slot[..12].copy_from_slice(&addresses));
            }
            Room::Lane(lane) => lane.begin_with(&addresses),
        }
    }

    /// What stands before the IP header of its frames.
    pub(super) fn link(&self) -> Link {
        self.templates.link
    }

    /// The lane that its frames are in, if they are in one.
    pub(super) fn lane_mut(&mut self) -> Option<&mut Lane> {
        match &mut self.room {
            Room::Own(_) => None,
            Room::Lane(lane) => Some(lane),
        }
    }

    /// The frames: in the order in which they were asked for, but for those in a lane.
    #[cfg(test)]
    pub(super) fn frames(&self) -> Vec<&[u8]> {
        match &self.room {
            Room::Own(_) => self.rows(0).map(|row| row.1).collect(),
            Room::Lane(lane) => lane.frames(),
        }
    }

    /// Targets and frames in order, without the first `skip`; none of a lane.
    pub(super) fn rows(&self, skip: usize) -> impl ExactSizeIterator<Item = (SocketAddr, &[u8])> {
        let (slots, targets) = match &self.room {
            Room::Own(own) => (own.slots.get(skip..own.filled), own.targets.get(skip..own.filled)),
            Room::Lane(_) => (None, None),
        };
        slots.unwrap_or_default().iter().zip(targets.unwrap_or_default()).map(|(slot, &(target, length))| {
            // A length comes from the template, which never writes more than a slot.
            (target, slot.get(..usize::from(length)).unwrap_or(slot))
        })
    }

    /// The target of frame `index`; none of a lane.
    pub(super) fn target(&self, index: usize) -> Option<SocketAddr> {
        match &self.room {
            Room::Own(own) => own.targets.get(index).filter(|_| index < own.filled).map(|row| row.0),
            Room::Lane(_) => None,
        }
    }

    /// Removes the first `count` frames; of a lane none.
    pub(super) fn remove_first(&mut self, count: usize) {
        let Room::Own(own) = &mut self.room else { return };
        let count = count.min(own.filled);
        if count < own.filled {
            own.slots.copy_within(count..own.filled, 0);
            own.targets.copy_within(count..own.filled, 0);
        }
        own.filled -= count;
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
        assert_eq!(batch.frames()[0][20..22], [0, 3]);
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
        let sources: Vec<u8> = batch.frames().iter().map(|frame| frame[15]).collect();
        assert_eq!(sources, [1, 2, 1]);
        assert_eq!((batch.len(), batch.skipped()), (3, 1));
    }
}
