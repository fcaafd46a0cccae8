use std::{fs, io, ops::RangeInclusive, process};

use super::{
    RawError,
    netlink::{Message, Netlink},
    nft,
};

/// What the names of our tables begin with.
const PREFIX: &str = "nightlatch-syn-";
const TABLES_MAX: usize = 65_536;

/// Keeps this machine's own TCP from answering replies to our probes with RST, which would take the targets' half-open
/// connections down and tell of a connection that never was.
///
/// It is an nftables table of our own. From Linux 5.12 on the kernel removes it when the process ends, however it does; on
/// older ones dropping this value does, and after a crash the next start ([`DropRule::clean_up`]). Needs CAP_NET_ADMIN.
#[derive(Debug)]
pub struct DropRule {
    netlink: Netlink,
    table: String,
}

impl DropRule {
    /// What [`DropRule::set`] is about to do, in a sentence.
    pub fn describe(ports: &RangeInclusive<u16>) -> String {
        let table = own_table();
        let (first, last) = (ports.start(), ports.end());
        format!(
            "nftables table `inet {table}`: replies to our source ports {first}-{last} are dropped before this \
             machine's TCP would reset them, and what leaves from these ports is not tracked; removed at exit"
        )
    }

    /// Sets the rule for our source `ports`, and removes what earlier processes left.
    ///
    /// # Errors
    /// A missing right, a kernel without nftables, or the system's own.
    pub fn set(ports: RangeInclusive<u16>) -> Result<Self, RawError> {
        let wanted = "keeping this machine's own TCP from answering (an nftables rule)";
        let fail = |source: io::Error| match source.raw_os_error() {
            Some(libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EINVAL | libc::ENOENT) => {
                RawError::Unsupported {
                    wanted: wanted.to_owned(),
                    why: format!("the kernel has no nftables for `inet` ({source})"),
                }
            }
            _ => RawError::of(wanted, "CAP_NET_ADMIN", source),
        };
        // What cannot be cleaned up does no harm beyond what it did already.
        let _ = Self::clean_up();
        let mut netlink = Netlink::open(libc::NETLINK_NETFILTER).map_err(fail)?;
        let table = own_table();
        // The owner flag is not known before Linux 5.12, and `notrack` is a module of its own.
        let attempts = [(nft::OWNER, true), (nft::OWNER, false), (0, true), (0, false)];
        let mut refused = None;
        for (flags, untracked) in attempts {
            match netlink.change(&nft::make(&table, &ports, flags, untracked)) {
                Ok(()) => return Ok(Self { netlink, table }),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(fail(error)),
                Err(error) => refused = Some(error),
            }
        }
        Err(fail(refused.unwrap_or_else(|| io::ErrorKind::Unsupported.into())))
    }

    /// The table's name, in the family `inet`.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// Removes tables that processes which are gone have left, and says how many.
    ///
    /// # Errors
    /// A missing right, or the system's own.
    pub fn clean_up() -> io::Result<usize> {
        let mut netlink = Netlink::open(libc::NETLINK_NETFILTER)?;
        let mut bodies = Vec::new();
        netlink.dump(&nft::list(), &mut bodies, TABLES_MAX)?;
        let left = bodies.iter().filter_map(|body| nft::table(body)).filter(|(name, flags)| {
            // An owner is alive by definition.
            flags & nft::OWNER == 0 && Owner::of(name).is_some_and(|owner| !owner.lives())
        });
        let mut count = 0;
        for (name, _) in left {
            match netlink.change(&nft::remove(&name)) {
                Ok(()) => count += 1,
                // Somebody else was faster.
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}

impl Drop for DropRule {
    fn drop(&mut self) {
        // Where the right is gone by now, closing the socket has the kernel do it.
        let messages: Vec<Message> = nft::remove(&self.table);
        let _ = self.netlink.change(&messages);
    }
}

/// The process that a table belongs to: its number, and when it started (numbers are used again).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Owner {
    process: u32,
    started: u64,
}

impl Owner {
    fn of(table: &str) -> Option<Self> {
        let (process, started) = table.strip_prefix(PREFIX)?.split_once('-')?;
        Some(Self { process: process.parse().ok()?, started: started.parse().ok()? })
    }

    fn lives(self) -> bool {
        started(self.process) == Some(self.started)
    }
}

fn own_table() -> String {
    let process = process::id();
    format!("{PREFIX}{process}-{}", started(process).unwrap_or(0))
}

/// When a process started, in ticks since boot (`proc_pid_stat(5)`, field 22); `None` when there is none.
fn started(process: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name in parentheses, with anything inside.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_told_from_their_tables() {
        let own = Owner::of(&own_table()).unwrap();
        assert!(own.lives() && own.started > 0);
        assert!(!Owner { started: own.started + 1, ..own }.lives());
        assert!(!Owner { process: u32::MAX, started: 5 }.lives());
        for other in ["filter", "nightlatch-syn-", "nightlatch-syn-x-1", "nightlatch-syn-1"] {
            assert_eq!(Owner::of(other), None, "{other}");
        }
    }
}
