use std::fmt;

use crate::{
    AddressRange, AddressSet, HostName, OutOfScope, Scope, TargetSet, TargetSetError,
    out_of_scope::lines_for, reserved::sendable,
};

/// The part of a set that the scope allows, and what was left out without a refusal.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// What may be scanned.
    pub targets: TargetSet,
    /// Addresses left out because the scope excludes them.
    pub excluded: AddressSet,
    /// Addresses left out because they are never sent to.
    pub never_sent: AddressSet,
    /// Addresses of names that lead outside, while others of the same name are inside.
    pub led_outside: Vec<(HostName, OutOfScope)>,
}

/// Targets that the scope does not allow. Nothing was sent.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Refused {
    /// The refusals, at most a few; never empty.
    pub reasons: Vec<OutOfScope>,
    /// How many more there are.
    pub more: usize,
    to_add: Vec<AddressRange>,
}

/// Most networks that are spelt out to be added; who needs more has a list of their own to start from.
const NETS_MAX: usize = 256;
/// Most refusals that are told one by one.
const REASONS_MAX: usize = 8;

impl Refused {
    fn new(scope: &Scope, ranges: &AddressSet) -> Self {
        let reasons = ranges.ranges().take(REASONS_MAX).map(|range| scope.refusal(*range)).collect();
        let mut to_add = Vec::new();
        for refusal in ranges.ranges().map(|range| scope.refusal(*range)) {
            to_add.extend(refusal.nets_to_add());
            if to_add.len() > NETS_MAX {
                to_add.clear();
                break;
            }
        }
        Self { reasons, more: ranges.ranges().len().saturating_sub(REASONS_MAX), to_add }
    }

    /// One block for the scope file that lists all that was refused for want of one, once the owner has agreed;
    /// `None` when no line would help, or it would be too long to read.
    pub fn lines_to_add(&self) -> Option<String> {
        (!self.to_add.is_empty()).then(|| lines_for(&self.to_add))
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, reason) in self.reasons.iter().enumerate() {
            let gap = if index > 0 { "\n" } else { "" };
            write!(f, "{gap}{reason}")?;
        }
        match self.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more"),
        }
    }
}

impl Scope {
    /// Why `ranges` are refused; they are in no part allowed.
    pub fn refuse(&self, ranges: &AddressSet) -> Refused {
        Refused::new(self, ranges)
    }

    /// Judges a whole scan before its first packet.
    ///
    /// One address that no block lists refuses it all. Excluded and reserved addresses inside an allowed
    /// block are left out and reported; so are the addresses of a name that lead outside, as long as another
    /// of the same name is inside.
    ///
    /// # Errors
    /// Which targets are refused, and why.
    pub fn admit(&self, asked: &TargetSet) -> Result<Admitted, Refused> {
        let mut parts = asked.parts().clone();
        let mut outside: Vec<AddressRange> = Vec::new();
        let mut led_outside = Vec::new();
        let mut dropped: Vec<AddressRange> = Vec::new();

        for name in &mut parts.names {
            let (inside, away) = name.addresses.iter().partition(|ip| self.allowed().contains(**ip));
            name.addresses = inside;
            let away: std::collections::BTreeSet<_> = away;
            if name.addresses.is_empty() {
                outside.extend(away.into_iter().map(AddressRange::single));
            } else {
                let refusals = away.into_iter().map(|ip| self.refusal(AddressRange::single(ip)));
                led_outside.extend(refusals.map(|refusal| (name.host.clone(), refusal)));
            }
        }
        let refused_endpoints: Vec<_> =
            parts.endpoints.iter().filter(|socket| !self.allowed().contains(socket.ip())).copied().collect();
        for socket in refused_endpoints {
            parts.endpoints.remove(&socket);
            outside.push(AddressRange::single(socket.ip()));
        }
        let rest = parts.ranges.subtract(self.allowed());
        parts.ranges = parts.ranges.intersect(self.allowed());
        dropped.extend(rest.ranges());

        // A single endpoint or name that is excluded was meant, so it is refused; an excluded part of a
        // block is what exclusions are for.
        let dropped = AddressSet::from(dropped);
        let never_sent = dropped.subtract(sendable());
        let excluded = dropped.intersect(self.excluded()).subtract(&never_sent);
        let not_listed = dropped.subtract(&never_sent).subtract(&excluded);
        let outside = AddressSet::from(outside).union(&not_listed);
        if !outside.is_empty() {
            return Err(Refused::new(self, &outside));
        }
        match TargetSet::try_from(parts) {
            Ok(targets) => Ok(Admitted { targets, excluded, never_sent, led_outside }),
            Err(TargetSetError::Nothing) => Err(Refused::new(self, &dropped)),
            // A part of a set is no larger than the set; only emptiness is new.
            Err(_) => Err(Refused::new(self, &asked.all_addresses())),
        }
    }
}
