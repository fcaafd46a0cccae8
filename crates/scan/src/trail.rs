//! How far a sweep was a moment ago.

use std::{collections::VecDeque, time::Duration};

use nightlatch_discovery::Nanos;

/// With one probe for each target, an answer that was on its way when the scan was killed has to be asked for again: what
/// is called done is what was done so long ago.
const ANSWER_MAX: Duration = Duration::from_millis(800);

/// Where a run that is killed goes on: below it everything was handed to the kernel, and its answers have had their time.
///
/// With several probes for each target the last of them comes a second after the first: that is time enough.
#[derive(Debug)]
pub(crate) struct Trail {
    delay: Nanos,
    marks: VecDeque<(Nanos, u64)>,
}

impl Trail {
    /// - `probes`: for each target.
    pub(crate) fn new(probes: u8) -> Self {
        let delay = if probes > 1 { 0 } else { ANSWER_MAX.as_nanos() as Nanos };
        Self { delay, marks: VecDeque::new() }
    }

    /// Below `low` everything has left. Returns what may be called done; `None` when nothing new is.
    pub(crate) fn mark(&mut self, low: u64, now: Nanos) -> Option<u64> {
        self.marks.push_back((now, low));
        let mut done = None;
        while let Some((_, low)) = self.marks.pop_front_if(|(time, _)| *time + self.delay <= now) {
            done = Some(low);
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_just_left_is_done_later() {
        let second = 1_000_000_000;
        let mut one = Trail::new(1);
        assert_eq!(one.mark(5, 0), None);
        assert_eq!(one.mark(9, second / 2), None);
        assert_eq!(one.mark(12, second), Some(5));
        assert_eq!(one.mark(13, second + 1), None);
        assert_eq!(one.mark(40, 3 * second), Some(13));
        let mut two = Trail::new(2);
        assert_eq!((two.mark(5, 0), two.mark(6, 1)), (Some(5), Some(6)));
    }
}
