//! The addresses of host names that people name as targets.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use nightlatch_netio::ResolveError;
use nightlatch_scope::HostName;
use tokio::runtime::Runtime;

use crate::{exit::Exit, failure::Failure, say::say};

/// Names without an address that are told one by one.
const REPORTS_MAX: usize = 8;

/// What became of names.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    asked: usize,
    addresses: BTreeMap<String, Vec<IpAddr>>,
    failed: Vec<ResolveError>,
}

/// Resolves each name once, several at a time.
pub(crate) fn resolve_all<'h>(runtime: &Runtime, hosts: impl Iterator<Item = &'h HostName>) -> Resolved {
    let names: BTreeSet<&str> = hosts.map(HostName::as_str).collect();
    let asked = names.len();
    let (addresses, failed) = runtime.block_on(nightlatch_app::resolve_names(names.into_iter()));
    Resolved { asked, addresses, failed }
}

impl Resolved {
    /// The addresses of `host`; none when it has none.
    pub(crate) fn addresses(&self, host: &HostName) -> &[IpAddr] {
        self.addresses.get(host.as_str()).map_or(&[], Vec::as_slice)
    }

    /// How many names have no address.
    pub(crate) fn failed(&self) -> usize {
        self.asked - self.addresses.len()
    }

    /// Tells which names are not scanned. An old list has names that are gone; they do not keep the others from
    /// being looked at, nor are they passed over in silence.
    pub(crate) fn report(&self) {
        for error in self.failed.iter().take(REPORTS_MAX) {
            say(format_args!("not scanned: {error}"));
        }
        let more = self.failed().saturating_sub(REPORTS_MAX);
        if more > 0 {
            say(format_args!("not scanned: {more} more names without an address"));
        }
    }

    /// The failure of who has nothing else to do.
    pub(crate) fn into_failure(self) -> Failure {
        let more = self.failed().saturating_sub(1);
        let failure = match self.failed.first() {
            Some(error) => Failure::from_error(Exit::World, error),
            None => Failure::world("no name has an address"),
        };
        match more {
            0 => failure,
            more => failure.hint(format!("{more} more names have no address either")),
        }
    }
}
