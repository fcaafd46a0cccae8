use std::io;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are left to the rest of the process: the store, logs, the terminal, the runtime.
const RESERVED_MAX: u64 = 512;
/// Counts as unlimited; more sockets than this no scan needs.
const LIMIT_MAX: u64 = 1 << 20;

/// How many file descriptors this process may open.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Descriptors {
    /// The limit now in force, after raising it as far as the system lets an ordinary process.
    pub limit: u64,
    /// The limit that was found.
    pub before: u64,
    /// Open at the moment; 0 where the system does not tell.
    pub open: u64,
    /// What remains for connections, at least 1: the limit without what is open and without a reserve of a
    /// quarter (at most 512) for everything else in the process.
    pub usable: u64,
}

/// Raises the soft limit on file descriptors to the hard one and says what that leaves for connections.
///
/// # Errors
/// When the system refuses to raise a limit within what it grants; the limit is then as before.
pub fn descriptor_budget() -> io::Result<Descriptors> {
    let found = getrlimit(Resource::Nofile);
    let bounded = |limit: Option<u64>| limit.unwrap_or(LIMIT_MAX);
    let before = bounded(found.current);
    let wanted = bounded(found.maximum).clamp(before.min(LIMIT_MAX), LIMIT_MAX);
    let limit = before.max(wanted);
    if limit > before {
        setrlimit(Resource::Nofile, Rlimit { current: Some(limit), maximum: found.maximum })?;
    }
    // One of them is the folder being read.
    let open =
        std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count().saturating_sub(1) as u64);
    let reserve = (limit / 4).min(RESERVED_MAX);
    let usable = limit.saturating_sub(open).saturating_sub(reserve).max(1);
    Ok(Descriptors { limit, before, open, usable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_raised_to_the_hard_one() {
        let budget = descriptor_budget().unwrap();
        let now = getrlimit(Resource::Nofile);
        assert!(budget.limit >= budget.before);
        assert_eq!(now.current.unwrap_or(LIMIT_MAX).min(LIMIT_MAX), budget.limit.min(LIMIT_MAX));
        assert!(budget.usable >= 1 && budget.usable < budget.limit);
        assert_eq!(descriptor_budget().unwrap().limit, budget.limit);
    }
}
