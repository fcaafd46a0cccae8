//! Every real product in every variant: how it is started, what it shows by itself, and what a scan has to say.

mod docker;
mod docker_registry;
mod etcd;
mod mariadb;
mod memcached;
mod nginx;
mod postgresql;
mod prometheus;
mod rabbitmq;
mod redis;
mod zookeeper;

use std::{net::SocketAddr, process::Command, time::Duration};

use nightlatch_asset::Exposure;

use crate::server::{Server, command_as, run_to_end};

/// A bcrypt hash that belongs to no account in use; the servers only need one that is well-formed.
const BCRYPT_HASH: &str = "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i";

/// One way to start one product.
#[derive(Clone, Debug)]
pub struct Variant {
    /// `product/variant`.
    pub name: &'static str,
    /// What the machine must offer.
    pub requires: Requires,
    /// Starts it and waits until it serves.
    pub start: fn() -> Server,
    /// Looks at it without the scanner: panics unless the server is in the state that its name says.
    pub shows: fn(&Server),
    /// What a scan has to say, port by port.
    pub doors: &'static [Door],
}

/// What a variant needs beyond its Debian package.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Requires {
    /// Nothing.
    Nothing,
    /// Root, and a kernel that lets root make namespaces and mounts.
    Containers,
}

/// One port of a started server and the verdict on it.
#[derive(Clone, Debug)]
pub struct Door {
    /// Where it is.
    pub at: fn(&Server) -> SocketAddr,
    /// The product, as its fingerprint names it; absent: no product of the catalogue may be named.
    pub product: Option<&'static str>,
    /// Where the true version comes from.
    pub version: Version,
    /// The state, with the requests that need nobody's consent.
    pub exposure: Exposure,
    /// The state where the scope allows questions spelt as POST; absent: the same.
    pub with_questions: Option<Exposure>,
}

/// Where the version that a scan has to find comes from.
#[derive(Clone, Copy, Debug)]
pub enum Version {
    /// The installed program says it: its name and the argument to ask with.
    Program(&'static str, &'static str),
    /// The installed Debian package has it.
    Package(&'static str),
    /// A stranger is not told, so a scan must not claim one.
    NotTold,
}

impl Door {
    const fn new(product: &'static str, version: Version, exposure: Exposure) -> Self {
        Self { at: |server| server.address, product: Some(product), version, exposure, with_questions: None }
    }

    /// A port on which nothing of the catalogue may be found.
    const fn nobody() -> Self {
        Self {
            at: |server| server.address,
            product: None,
            version: Version::NotTold,
            exposure: Exposure::Unknown,
            with_questions: None,
        }
    }
}

impl Version {
    /// The number, such as `3.4.23`; `None` when a stranger is not told.
    pub fn installed(self) -> Option<String> {
        let limit = Duration::from_secs(30);
        let text = match self {
            Self::Program(program, argument) => {
                let mut command = command_as(None, program);
                command.arg(argument);
                run_to_end(command, limit)
            }
            Self::Package(package) => {
                let mut command = Command::new("dpkg-query");
                command.args(["--show", "--showformat=${source:Upstream-Version}", package]);
                run_to_end(command, limit)
            }
            Self::NotTold => return None,
        };
        Some(first_version(&text).unwrap_or_else(|| panic!("{self:?} says no version: {text}")))
    }
}

/// The first run of digits and dots that looks like a version.
fn first_version(text: &str) -> Option<String> {
    text.split(|c: char| !c.is_ascii_digit() && c != '.')
        .map(|word| word.trim_matches('.'))
        .find(|word| word.split('.').count() >= 2 && word.split('.').all(|part| !part.is_empty()))
        .map(str::to_owned)
}

/// All variants of all products.
pub fn all() -> Vec<Variant> {
    [
        docker::VARIANTS,
        docker_registry::VARIANTS,
        etcd::VARIANTS,
        mariadb::VARIANTS,
        memcached::VARIANTS,
        nginx::VARIANTS,
        postgresql::VARIANTS,
        prometheus::VARIANTS,
        rabbitmq::VARIANTS,
        redis::VARIANTS,
        zookeeper::VARIANTS,
    ]
    .concat()
}

/// Whether `answer` contains `words`.
fn says(answer: &[u8], words: &str) -> bool {
    String::from_utf8_lossy(answer).contains(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_programs_print() {
        for (text, version) in [
            ("etcd Version: 3.4.23\nGit SHA: x", "3.4.23"),
            ("mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu", "10.11.19"),
            ("Docker version 20.10.24+dfsg1, build 5d6db84", "20.10.24"),
            ("memcached 1.6.18", "1.6.18"),
        ] {
            assert_eq!(first_version(text).as_deref(), Some(version), "{text}");
        }
        assert_eq!(first_version("no number here, not even 7."), None);
    }

    #[test]
    fn names_are_unique_and_every_product_is_there() {
        let all = all();
        for product in [
            "docker",
            "docker-registry",
            "etcd",
            "mariadb",
            "memcached",
            "nginx",
            "postgresql",
            "prometheus",
            "rabbitmq",
            "redis",
            "zookeeper",
        ] {
            let variants = all.iter().filter(|v| v.name.split('/').next() == Some(product)).count();
            assert!(variants > 0, "{product} is never started");
        }
        let mut names: Vec<_> = all.iter().map(|variant| variant.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len());
    }
}
