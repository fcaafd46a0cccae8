//! When to try again: a pure function of what happened so far.

use std::time::Duration;

use crate::NotifyError;

/// Most tries of one delivery.
pub const TRIES_MAX: u32 = 20;
/// How long a delivery is tried, from its first try.
pub const AGE_MAX: Duration = Duration::from_secs(3 * 86_400);
/// Wait after the first failure; it doubles each time.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// Longest wait of our own.
const WAIT_MAX: Duration = Duration::from_secs(6 * 3_600);
/// Longest wait that a receiver may ask for.
const ASKED_MAX: Duration = Duration::from_secs(24 * 3_600);

/// What to do with a delivery that failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
    /// Try again after this long.
    After(Duration),
    /// Put it on the list of what could not be delivered.
    Dead,
}

/// What follows a failed try.
///
/// - `tries`: how often it was tried so far, 1 or more;
/// - `age`: time since the first try;
/// - `error`: how the last try ended;
/// - `jitter`: a random number from 0 to 1, so that deliveries that failed together do not come back together.
///
/// The wait is half to all of 30 s, 1 min, 2 min ... at most 6 h, and never less than the receiver asked for (at most
/// a day).
pub fn next(tries: u32, age: Duration, error: &NotifyError, jitter: f64) -> Next {
    if !error.may_pass() || tries >= TRIES_MAX {
        return Next::Dead;
    }
    let doublings = tries.saturating_sub(1).min(30);
    let full = FIRST_WAIT.saturating_mul(1 << doublings).min(WAIT_MAX);
    let jitter = if jitter.is_finite() { jitter.clamp(0.0, 1.0) } else { 1.0 };
    let own = full.mul_f64(0.5 + jitter / 2.0);
    let wait = own.max(error.retry_after().unwrap_or_default().min(ASKED_MAX));
    if age.saturating_add(wait) > AGE_MAX { Next::Dead } else { Next::After(wait) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn busy(retry_after: Option<u64>) -> NotifyError {
        let retry_after = retry_after.map(Duration::from_secs);
        NotifyError::Busy { host: "hooks.example.com".into(), status: 503, retry_after }
    }

    #[track_caller]
    fn check(tries: u32, age_s: u64, retry_after: Option<u64>, jitter: f64, expected: Option<u64>) {
        let expected = expected.map_or(Next::Dead, |s| Next::After(Duration::from_secs(s)));
        assert_eq!(next(tries, Duration::from_secs(age_s), &busy(retry_after), jitter), expected);
    }

    #[test]
    fn waits_double_up_to_six_hours_and_end_after_three_days() {
        check(1, 0, None, 1.0, Some(30));
        check(1, 0, None, 0.0, Some(15));
        check(2, 30, None, 1.0, Some(60));
        check(5, 900, None, 1.0, Some(480));
        check(11, 40_000, None, 1.0, Some(21_600));
        check(19, 200_000, None, 1.0, Some(21_600));
        check(20, 200_000, None, 1.0, None);
        check(15, 3 * 86_400 - 21_600, None, 1.0, Some(21_600));
        check(15, 3 * 86_400 - 21_599, None, 1.0, None);
        check(u32::MAX, 0, None, 1.0, None);
        check(0, 0, None, 1.0, Some(30));
    }

    #[test]
    fn the_receiver_may_ask_for_more_time_but_not_for_ever() {
        check(1, 0, Some(300), 1.0, Some(300));
        check(1, 0, Some(1), 1.0, Some(30));
        check(1, 0, Some(u64::MAX), 1.0, Some(86_400));
    }

    #[test]
    fn what_cannot_get_better_is_not_tried_again() {
        let gone = NotifyError::Rejected { host: "hooks.example.com".into(), status: 410 };
        assert_eq!(next(1, Duration::ZERO, &gone, 0.5), Next::Dead);
    }

    /// A receiver that is down for two days still gets its messages.
    #[test]
    fn two_days_of_silence_are_survived() {
        let (mut age, mut tries) = (Duration::ZERO, 1);
        while let Next::After(wait) = next(tries, age, &busy(None), 0.0) {
            age += wait;
            tries += 1;
        }
        assert!(age > Duration::from_secs(86_400), "{age:?}");
        let (mut age, mut tries) = (Duration::ZERO, 1);
        while let Next::After(wait) = next(tries, age, &busy(None), 1.0) {
            age += wait;
            tries += 1;
        }
        assert!(age > Duration::from_secs(2 * 86_400), "{age:?}");
    }

    proptest! {
        #[test]
        fn waits_are_bounded_whatever_comes_in(tries: u32, age: u64, retry_after: Option<u64>, jitter: f64) {
            if let Next::After(wait) = next(tries, Duration::from_secs(age), &busy(retry_after), jitter) {
                prop_assert!(wait >= FIRST_WAIT / 2 && wait <= ASKED_MAX);
                prop_assert!(tries < TRIES_MAX && age <= AGE_MAX.as_secs());
            }
        }
    }
}
