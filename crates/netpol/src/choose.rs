//! How people name pods and addresses.

use std::net::IpAddr;

use crate::{AddressSet, Cidr, Network, Party, Selector};

/// What somebody named.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Chosen {
    /// Pods, by their indices; never empty.
    Pods(Vec<usize>),
    /// Addresses outside.
    Addresses(AddressSet),
}

impl Chosen {
    /// The ends of connections that it stands for.
    pub fn parties(&self) -> Vec<Party> {
        match self {
            Self::Pods(pods) => pods.iter().map(|&pod| Party::Pod(pod)).collect(),
            Self::Addresses(addresses) => vec![Party::Addresses(addresses.clone())],
        }
    }
}

/// Nothing has that name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NotChosen {
    /// No pod fits.
    #[error("no workload or pod is called `{asked}`")]
    Nobody {
        /// What was asked for.
        asked: String,
        /// The most similar name, if any is.
        nearest: Option<String>,
    },
    /// The text is no selector.
    #[error("{0}")]
    Selector(String),
}

impl Network {
    /// Finds what somebody means by `internet`, an address, a CIDR block, a label selector (`app=web`), `NAME`,
    /// `NAMESPACE/NAME`, `NAMESPACE/*` or `NAMESPACE/KIND/NAME`.
    ///
    /// # Errors
    /// When nothing is called so.
    pub fn choose(&self, text: &str) -> Result<Chosen, NotChosen> {
        let text = text.trim();
        if text == "internet" {
            return Ok(Chosen::Addresses(AddressSet::internet()));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(self.address(address));
        }
        if let Ok(cidr) = text.parse::<Cidr>() {
            return Ok(Chosen::Addresses(cidr.into()));
        }
        let fits: Vec<usize> = if text.contains(['=', '!', '(']) {
            let selector = Selector::parse(text).map_err(NotChosen::Selector)?;
            self.pods_where(|at| selector.matches(&self.pods[at].labels))
        } else {
            let parts: Vec<&str> = text.split('/').collect();
            self.pods_where(|at| self.is_called(at, &parts))
        };
        if fits.is_empty() {
            return Err(NotChosen::Nobody { asked: text.to_owned(), nearest: self.nearest(text) });
        }
        Ok(Chosen::Pods(fits))
    }

    /// A pod by its name as people write it: `NAMESPACE/NAME`, or `NAME` when it names no namespace.
    pub fn pod_name(&self, pod: usize) -> String {
        let Some(pod) = self.pods.get(pod) else { return String::new() };
        if pod.namespace.is_empty() {
            pod.name.to_string()
        } else {
            format!("{}/{}", pod.namespace, pod.name)
        }
    }

    fn pods_where(&self, fits: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.pods.len()).filter(|&at| fits(at)).collect()
    }

    fn address(&self, address: IpAddr) -> Chosen {
        let pods = self.pods_where(|at| self.pods[at].addresses.contains(&address));
        if pods.is_empty() { Chosen::Addresses(address.into()) } else { Chosen::Pods(pods) }
    }

    fn is_called(&self, at: usize, parts: &[&str]) -> bool {
        let pod = &self.pods[at];
        let name =
            |wanted: &str| wanted == "*" || *pod.name == *wanted || pod.replica_of.as_deref() == Some(wanted);
        match *parts {
            [wanted] => name(wanted),
            [namespace, wanted] => *pod.namespace == *namespace && name(wanted),
            [namespace, kind, wanted] => {
                *pod.namespace == *namespace && is_kind(&pod.kind, kind) && name(wanted)
            }
            _ => false,
        }
    }

    fn nearest(&self, text: &str) -> Option<String> {
        let wanted = text.rsplit('/').next().unwrap_or(text);
        let distance = |at: &usize| edits(&self.pods[*at].name, wanted);
        let at = (0..self.pods.len().min(NAMES_MAX)).min_by_key(distance)?;
        (distance(&at) * 3 <= wanted.len().max(3)).then(|| self.pod_name(at))
    }
}

/// Names compared when nothing fits.
const NAMES_MAX: usize = 5_000;

fn is_kind(kind: &str, wanted: &str) -> bool {
    const SHORT: &[(&str, &str)] = &[
        ("deploy", "Deployment"),
        ("sts", "StatefulSet"),
        ("ds", "DaemonSet"),
        ("po", "Pod"),
        ("rs", "ReplicaSet"),
        ("cj", "CronJob"),
    ];
    let full =
        SHORT.iter().find(|(short, _)| short.eq_ignore_ascii_case(wanted)).map_or(wanted, |(_, full)| full);
    kind.eq_ignore_ascii_case(full)
        || full.len() == kind.len() + 1
            && full.ends_with('s')
            && full[..kind.len()].eq_ignore_ascii_case(kind)
}

/// How many letters must be put in, left out, changed, or swapped with their neighbour; of the first 64 bytes.
fn edits(a: &str, b: &str) -> usize {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let (a, b) = (&a[..a.len().min(64)], &b[..b.len().min(64)]);
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut least = (row[j] + usize::from(x != y)).min(next[j] + 1).min(row[j + 1] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}
