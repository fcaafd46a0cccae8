//! What somebody asks to be scanned, and the plan that comes of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use nightlatch_fingerprint::Catalogue;
use nightlatch_netio::{ResolveError, resolve};
use nightlatch_scan::Plan;
use nightlatch_scope::{AddressRange, AddressSet, PortSet, Scope, Target, TargetSetBuilder, TargetSetError};
use nightlatch_untrusted::terminal_cut;
use serde::{Deserialize, Serialize};

use crate::{AppError, ports::port_names};

/// Most targets of one request, and most of them names: each is asked of the resolver.
pub const TARGETS_MAX: usize = 100_000;
const NAMES_MAX: usize = 1_000;
/// How long one name may take to resolve, and names asked for at a time.
const PATIENCE: Duration = Duration::from_secs(10);
const ASKED_AT_ONCE: usize = 32;
/// Longest target that is repeated in an error, in columns.
const SHOWN_MAX: usize = 80;

/// What is to be scanned, how, and how fast.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RunSpec {
    /// Addresses, blocks, ranges, host names, `host:port`, URLs; empty for everything that the scope lists.
    pub targets: Vec<String>,
    /// Addresses, blocks and ranges to leave out.
    pub exclude: Vec<String>,
    /// Ports as `nightlatch scan --ports` takes them: numbers, ranges, products; absent for every port of the
    /// catalogue.
    pub ports: Option<String>,
    /// Connections a second, whole run.
    pub rate: Option<u32>,
    /// Connections a second to one /24 (IPv4) or /64 (IPv6).
    pub rate_per_network: Option<u32>,
}

impl RunSpec {
    /// Resolves names, and has the scope judge the whole before the first packet.
    ///
    /// # Errors
    /// [`AppError::Invalid`] naming what cannot be read, [`AppError::OutOfScope`] naming what may not be scanned.
    pub async fn plan(&self, scope: Arc<Scope>, catalogue: &Catalogue) -> Result<Plan, AppError> {
        self.check_rates()?;
        let ports = self.ports(catalogue)?;
        let targets = self.read_targets(&scope)?;
        let addresses = resolve_all(&targets).await?;
        let exclude = self.exclusions()?;
        let set = {
            let mut builder = TargetSetBuilder::new(ports);
            for target in &targets {
                let of_name = target.host().and_then(|host| addresses.get(host.as_str()));
                builder.add(target, of_name.map_or(&[][..], Vec::as_slice));
            }
            for range in exclude {
                builder.exclude(range);
            }
            match builder.build() {
                Ok(set) => set,
                Err(TargetSetError::Nothing) => {
                    return Err(AppError::Invalid("there is nothing to scan: no target is left".to_owned()));
                }
                Err(error) => return Err(AppError::Invalid(error.to_string())),
            }
        };
        let admitted = scope.admit(&set).map_err(|refused| AppError::OutOfScope(refused.to_string()))?;
        Ok(Plan::new(Arc::new(admitted.targets), scope, Plan::random_seed()))
    }

    /// Checks what can be checked without asking a resolver.
    ///
    /// # Errors
    /// As [`RunSpec::plan`].
    pub fn check(&self, scope: &Scope, catalogue: &Catalogue) -> Result<(), AppError> {
        self.ports(catalogue)?;
        self.exclusions()?;
        self.check_rates()?;
        self.read_targets(scope).map(drop)
    }

    fn check_rates(&self) -> Result<(), AppError> {
        if self.rate == Some(0) || self.rate_per_network == Some(0) {
            return Err(AppError::Invalid("a rate is at least 1 a second".to_owned()));
        }
        Ok(())
    }

    fn ports(&self, catalogue: &Catalogue) -> Result<PortSet, AppError> {
        PortSet::parse(self.ports.as_deref().unwrap_or("default"), &port_names(catalogue))
            .map_err(|error| AppError::Invalid(format!("ports: {error}")))
    }

    fn read_targets(&self, scope: &Scope) -> Result<Vec<Target>, AppError> {
        if self.targets.len() > TARGETS_MAX {
            return Err(AppError::Invalid(format!("a run has at most {TARGETS_MAX} targets")));
        }
        if self.targets.is_empty() {
            // Loopback is always allowed and never meant by "everything".
            let listed = scope.allowed().subtract(&loopback());
            let everything: Vec<Target> = listed.ranges().map(|range| Target::Range(*range)).collect();
            if everything.is_empty() {
                return Err(AppError::Invalid(
                    "no targets are named, and the scope lists no range; fill in scope.toml".to_owned(),
                ));
            }
            return Ok(everything);
        }
        self.targets.iter().map(|text| read_target(text)).collect()
    }

    fn exclusions(&self) -> Result<Vec<AddressRange>, AppError> {
        let read = |text: &String| match read_target(text)? {
            Target::Range(range) => Ok(range),
            _ => Err(AppError::Invalid(format!(
                "exclude: `{}` is no address, block or range",
                terminal_cut(text, SHOWN_MAX)
            ))),
        };
        self.exclude.iter().map(read).collect()
    }
}

fn loopback() -> AddressSet {
    let v4 = AddressRange::cidr(Ipv4Addr::LOCALHOST.into(), 8);
    v4.into_iter().chain([AddressRange::single(Ipv6Addr::LOCALHOST.into())]).collect()
}

fn read_target(text: &str) -> Result<Target, AppError> {
    text.trim().parse().map_err(|error: nightlatch_scope::TargetSyntax| {
        // What stands before an `@` can be a password.
        let shown = text.rsplit_once('@').map_or(text, |(_, rest)| rest);
        AppError::Invalid(format!("target `{}`: {error}", terminal_cut(shown, SHOWN_MAX)))
    })
}

/// The addresses of the names among `targets`, all of which must have some.
async fn resolve_all(targets: &[Target]) -> Result<BTreeMap<String, Vec<IpAddr>>, AppError> {
    let names: BTreeSet<&str> = targets.iter().filter_map(Target::host).map(|host| host.as_str()).collect();
    if names.len() > NAMES_MAX {
        return Err(AppError::Invalid(format!("a run has at most {NAMES_MAX} host names")));
    }
    let asked = names.len();
    let (found, failed) = resolve_names(names.into_iter()).await;
    match failed.first() {
        None if found.len() == asked => Ok(found),
        None => Err(AppError::Bug),
        Some(error) => Err(AppError::Invalid(error.to_string())),
    }
}

/// Resolves each name, several at a time: the addresses by name, and why others have none.
pub async fn resolve_names(
    names: impl Iterator<Item = &str>,
) -> (BTreeMap<String, Vec<IpAddr>>, Vec<ResolveError>) {
    let mut waiting = names.map(str::to_owned).collect::<Vec<_>>().into_iter();
    let (mut found, mut failed) = (BTreeMap::new(), Vec::new());
    let mut asking = tokio::task::JoinSet::new();
    loop {
        while asking.len() < ASKED_AT_ONCE
            && let Some(name) = waiting.next()
        {
            asking.spawn(async move {
                let answer = resolve(&name, PATIENCE).await;
                (name, answer)
            });
        }
        match asking.join_next().await {
            None => return (found, failed),
            Some(Ok((name, Ok(addresses)))) => {
                found.insert(name, addresses);
            }
            Some(Ok((_, Err(error)))) => failed.push(error),
            // A task that panicked has been reported by the hook; its name has no address.
            Some(Err(_)) => {}
        }
    }
}
