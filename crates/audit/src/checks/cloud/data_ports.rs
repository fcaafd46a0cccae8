//! The ports of data stores.

use nightlatch_netpol::{PortSet, Protocol};

/// Databases, caches, search engines and coordinators, over TCP; and memcached over UDP.
const TCP: [u16; 26] = [
    1433, 1521, 2181, 3306, 4333, 5432, 5433, 5984, 6379, 6380, 7000, 7001, 7199, 8086, 8123, 8529, 9000,
    9042, 9092, 9160, 9200, 9300, 11_211, 27_017, 27_018, 27_019,
];

/// All of them.
pub(super) fn all() -> PortSet {
    TCP.into_iter()
        .map(|port| PortSet::port(Protocol::Tcp, port))
        .fold(PortSet::port(Protocol::Udp, 11_211), |all, port| all.union(&port))
}
