//! The ports of data stores.

use nightlatch_netpol::{PortSet, Protocol};

use crate::checks::exposure::product::data_ports;

/// Belongs to the platform, which has a check of its own.
const ETCD: [u16; 2] = [2379, 2380];

/// All of them over TCP, and memcached, which answers to forged senders, over UDP.
pub(super) fn all() -> PortSet {
    data_ports()
        .filter(|port| !ETCD.contains(port))
        .map(|port| PortSet::port(Protocol::Tcp, port))
        .fold(PortSet::port(Protocol::Udp, 11_211), |all, port| all.union(&port))
}
