//! The street that `nightlatch demo` scans: every state of the exposure ladder, open doors beside locked ones.

use std::net::{Ipv4Addr, SocketAddr};

use nightlatch_asset::Exposure::{self, AuthRequired, Controllable, Limited, Readable, Unknown};

use crate::{House, Recording, Street, StreetError};

/// The street lies on `127.77.0.0/24`; house number N is the last octet.
pub const DEMO_NETWORK: [u8; 3] = [127, 77, 0];

/// A line of the street plan: recording, its text, recorded port, names on the certificate, and what a scan should say.
struct Plot {
    name: &'static str,
    text: &'static str,
    port: u16,
    names: &'static [&'static str],
    label: &'static str,
    product: &'static str,
    exposure: Exposure,
}

macro_rules! plot {
    ($name:literal : $port:literal $(as $names:ident)?, $label:literal => $product:literal $exposure:ident) => {
        Plot {
            name: $name,
            text: include_str!(concat!("../../../recordings/", $name, ".json")),
            port: $port,
            names: plot!(@names $($names)?),
            label: $label,
            product: $product,
            exposure: $exposure,
        }
    };
    (@names) => {
        &["localhost"]
    };
    (@names $names:ident) => {
        $names
    };
}

/// Names that kubeadm puts on an API server's certificate.
const APISERVER: &[&str] = &[
    "kube-apiserver",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "10.96.0.1",
];
/// Names on the certificate that a kubelet makes for itself.
const KUBELET: &[&str] = &["node-1"];

/// The street plan. House numbers follow the order here, from 1.
const PLAN: &[Plot] = &[
    plot!("openshift-kube-apiserver-1.36/anonymous-cluster-admin": 6443 as APISERVER, "API server, strangers are cluster-admin" => "Kubernetes" Controllable),
    plot!("openshift-kube-apiserver-1.36/anonymous-read-pods": 6443 as APISERVER, "API server, strangers may list pods" => "Kubernetes" Readable),
    plot!("openshift-kube-apiserver-1.36/anonymous-default-rbac": 6443 as APISERVER, "API server as installed" => "Kubernetes" Limited),
    plot!("kubernetes-apiserver-1.20/anonymous-auth-false": 6443 as APISERVER, "API server, strangers refused" => "Kubernetes" AuthRequired),
    plot!("openshift-kubelet-1.36/anonymous-always-allow": 10250 as KUBELET, "kubelet open to everybody" => "Kubernetes kubelet" Controllable),
    plot!("openshift-kubelet-1.36/no-anonymous-webhook": 10250 as KUBELET, "kubelet as kubeadm sets it up" => "Kubernetes kubelet" AuthRequired),
    plot!("etcd/open-v3": 2379, "etcd without users" => "etcd" Controllable),
    plot!("docker/open": 2375, "Docker Engine without a lock" => "Docker" Controllable),
    plot!("docker/tlsverify": 2376, "Docker Engine behind client certificates" => "" Unknown),
    plot!("docker-registry/open": 5000, "registry open to everybody" => "Docker Registry" Readable),
    plot!("docker-registry/htpasswd": 5000, "registry with passwords" => "Docker Registry" AuthRequired),
    plot!("redis/open": 6379, "Redis without a password" => "Redis" Readable),
    plot!("redis/requirepass": 6379, "Redis with a password" => "Redis" AuthRequired),
    plot!("memcached/open": 11211, "Memcached" => "Memcached" Controllable),
    plot!("mariadb/password": 3306, "MariaDB login" => "MariaDB" Limited),
    plot!("mariadb/host-not-allowed": 3306, "MariaDB, this host not allowed" => "MariaDB" AuthRequired),
    plot!("postgresql/scram": 5432, "PostgreSQL login" => "PostgreSQL" Limited),
    plot!("zookeeper/4lw-all": 2181, "ZooKeeper, all words allowed" => "ZooKeeper" Readable),
    plot!("prometheus/open": 9090, "Prometheus without a lock" => "Prometheus" Readable),
    plot!("rabbitmq/default": 5672, "RabbitMQ login" => "RabbitMQ" Limited),
    plot!("nginx/default": 8080, "a web site, none of the above" => "" Unknown),
];

/// Opens the demo street. Every house is on an address of its own and, where the port is free, on the port it was recorded on.
pub fn demo_street() -> Result<Street, StreetError> {
    let mut houses = Vec::with_capacity(PLAN.len());
    for (number, plot) in (1..=u8::MAX).zip(PLAN) {
        let [a, b, c] = DEMO_NETWORK;
        let recording = Recording::read(plot.name, plot.text)?;
        let recorded = recording.port(Some(plot.port)).or_else(|_| recording.port(None))?.number;
        let address = SocketAddr::from((Ipv4Addr::new(a, b, c, number), plot.port));
        let house = House::on_port(&recording, Some(recorded), address)?;
        houses.push(house.certified_for(plot.names).expecting(plot.label, plot.product, plot.exposure));
    }
    Street::open(houses)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_street_opens_whole_and_shows_every_state() {
        let street = demo_street().unwrap();
        assert_eq!(street.endpoints().len(), PLAN.len());
        let states: BTreeSet<_> =
            street.endpoints().iter().map(|r| r.expected.clone().unwrap().exposure).collect();
        assert_eq!(states.len(), Exposure::ALL.len());
        let addresses: BTreeSet<_> = street.endpoints().iter().map(|resident| resident.address).collect();
        assert_eq!(addresses.len(), PLAN.len());
        for resident in street.endpoints() {
            assert!(resident.address.ip().is_loopback(), "{resident:?}");
            std::net::TcpStream::connect(resident.address).unwrap();
        }
    }
}
