//! What may be scanned, what shall be scanned, and in which order.
//!
//! - [`Scope`] is the file in which the operator says which blocks they are authorised to scan. It alone makes
//!   an [`AuthorizedTarget`], the only type the network layer sends to.
//! - [`Target`] is what a person writes on a command line or in a list; [`TargetSet`] is what many of them come
//!   to: every endpoint once, never materialised. [`read_ports`] reads the lists of open ports of other scanners.
//! - [`Shuffled`] is the order in which a set is walked: a keyed permutation that needs no memory.
//!
//! Pure: no socket, file, clock or name lookup. Whoever reads files and resolves names hands in the result.

mod address_range;
mod address_set;
mod admit;
mod explain;
mod order;
mod out_of_scope;
mod port_list;
mod port_set;
mod reserved;
mod scope_error;
mod scope_file;
mod scope_map;
mod target;
mod target_list;
mod target_set;

pub use address_range::{AddressRange, AddressSyntax, Family};
pub use address_set::AddressSet;
pub use admit::{Admitted, Refused};
pub use explain::{Explanation, MatchingBlock};
pub use order::{ORDER_VERSION, Shuffled};
pub use out_of_scope::{OutOfScope, Reason};
pub use port_list::{ListedPort, PORT_LIST_BYTES_MAX, PortList, PortListError, Tool, read_ports};
pub use port_set::{PortNames, PortSet, PortSyntax};
pub use reserved::never_sent;
pub use scope_error::ScopeError;
pub use scope_map::{AuthorizedTarget, Block, Permissions, Scope, template};
pub use target::{HostName, Target, TargetSyntax};
pub use target_list::{TARGETS_MAX, TargetListError, read_targets};
pub use target_set::{TargetSet, TargetSetBuilder, TargetSetError};

#[cfg(test)]
mod tests;
