//! Rules in order, the first that matches decides.

use crate::{Action, Certainty, PortSet};

/// What a rule of a cluster policy says about one connection: what it does, on which ports, and whether it is certain
/// that the other end is one of its peers.
pub(crate) type Event<'a> = (Action, &'a PortSet, bool);

/// The ports that a tier lets through.
///
/// - `events`: the rules that concern the connection, in order;
/// - `fallback`: what holds for ports that no rule decides, and that are passed on.
pub(crate) fn tier<'a>(
    events: impl Iterator<Item = Event<'a>>,
    fallback: &PortSet,
    certainty: Certainty,
) -> PortSet {
    let cautious = certainty == Certainty::Sure;
    let (mut open, mut allowed, mut passed) = (PortSet::all(), PortSet::empty(), PortSet::empty());
    let mut doubtful = PortSet::empty();
    for (action, ports, certain) in events {
        let hit = open.intersection(ports);
        // Counting cautiously, a doubtful denial denies; counting hopefully, a doubtful permission permits.
        let counts = match action {
            Action::Allow => certain || !cautious,
            Action::Deny => certain || cautious,
            Action::Pass => certain,
        };
        match action {
            _ if !counts => {}
            Action::Allow => allowed = allowed.union(&hit),
            Action::Pass => passed = passed.union(&hit),
            Action::Deny => {}
        }
        if counts {
            open = open.minus(&hit);
        } else if action == Action::Pass {
            doubtful = doubtful.union(&hit);
        }
    }
    let result = allowed.union(&open.union(&passed).intersection(fallback));
    // Whether a doubtful Pass holds or not: cautiously both must let through, hopefully one is enough.
    match cautious {
        true => result.minus(&doubtful.minus(fallback)),
        false => result.union(&doubtful.intersection(fallback)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Protocol;

    #[test]
    fn a_doubtful_pass_counts_both_ways() {
        let (web, none) = (PortSet::port(Protocol::Tcp, 80), PortSet::empty());
        let pass_then = |second| [(Action::Pass, &web, false), (second, &web, true)].into_iter();
        let check = |second, certainty, fallback: &PortSet, expected| {
            let allowed = tier(pass_then(second), fallback, certainty).contains(Protocol::Tcp, 80);
            assert_eq!(allowed, expected, "{second:?} {certainty:?} {fallback}");
        };
        check(Action::Allow, Certainty::Sure, &none, false);
        check(Action::Allow, Certainty::Possible, &none, true);
        check(Action::Deny, Certainty::Sure, &web, false);
        check(Action::Deny, Certainty::Possible, &web, true);
        check(Action::Deny, Certainty::Possible, &none, false);
        check(Action::Allow, Certainty::Sure, &web, true);
    }
}
