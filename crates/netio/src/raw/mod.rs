//! Packets without a connection: raw sockets, the way a packet takes, the ring in which answers arrive, and the rights
//! that all of this needs.
//!
//! - [`Routes`] says by which device and next hop a set of targets is reached, and from which address.
//! - [`WayWatch`] says when that is no longer so.
//! - [`Sender`] sends the frames of a [`Batch`]; a batch takes an
//!   [`AuthorizedTarget`](nightlatch_scope::AuthorizedTarget) and nothing else.
//! - [`Ring`] receives; a filter in the kernel lets through what can be an answer.
//! - [`DropRule`] keeps this machine's own TCP from answering in our name.
//! - [`rights`], [`drop_capabilities`], [`User`] and [`restrict_sender`]: what the process may do, and giving it up.
//!
//! Threads here block, and every wait has a limit. This is the one folder of the workspace with unsafe code: the kernel's
//! rings, batches of messages and filters are handed over as pointers, which no safe interface does as fast.
#![allow(unsafe_code, reason = "sendmmsg, mmap of packet rings and socket filters take pointers")]

mod batch;
mod block;
mod bpf;
mod crew;
mod drop_rule;
mod error;
#[cfg(any(test, feature = "lab"))]
mod far_end;
#[cfg(test)]
mod fast_tests;
mod features;
mod filter;
mod lane;
mod live;
mod live_run;
mod mapping;
mod messages;
mod netlink;
mod nft;
mod packet;
mod path;
mod restrict;
mod rights;
mod ring;
mod routes;
mod sender;
mod source_ports;
mod through_ip;
mod user;
mod watch;
mod xdp;

pub use batch::Batch;
#[doc(hidden)]
pub use block::walk_any;
pub use drop_rule::DropRule;
pub use error::RawError;
#[cfg(any(test, feature = "lab"))]
pub use far_end::FarEnd;
pub use path::{Device, Path, Route};
pub use restrict::restrict_sender;
pub use rights::{Rights, drop_capabilities, rights};
pub use ring::Ring;
pub use routes::{RouteError, Routes};
pub use sender::{Sender, SenderKind, Unsent};
pub use source_ports::{SourcePorts, source_ports};
pub use user::User;
pub use watch::{Way, WayWatch};
