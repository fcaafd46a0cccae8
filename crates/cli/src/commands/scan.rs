use std::{
    io::{self, IsTerminal, Read},
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueHint};
use jiff::Timestamp;
use nightlatch_asset::{RunId, Severity};
use nightlatch_netio::{Pace, resolve};
use nightlatch_scan::{Journal, Plan, Start, converse::Limit};
use nightlatch_scope::{AddressRange, Scope, Target, TargetSetBuilder, read_targets};

use super::scope::ScopeFile;
use crate::{
    catalogue,
    exit::Exit,
    failure::Failure,
    say::say,
    session::Session,
    survey::{Output, Survey},
};

/// Find what answers, ask what it is and how far it opens, store it, and show it
///
/// Targets are addresses (192.0.2.1, 2001:db8::1), CIDR blocks, ranges (10.0.0.5-20), host names (all their
/// addresses), host:port, and URLs. Loopback needs no scope; everything else must be listed in the scope file.
/// Examples:
///   nightlatch scan 127.0.0.1
///   nightlatch scan 10.20.0.0/16 --exclude 10.20.7.0/24 --ports kubernetes,docker,9200,8000-8100
///   nightlatch scan -iL hosts.txt --rate 500 --json > found.ndjson
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Scan {
    /// What to scan
    #[arg(value_name = "TARGET", required_unless_present_any = ["input_list", "resume"])]
    targets: Vec<String>,
    /// File with targets, also -iL; - for standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    input_list: Vec<PathBuf>,
    /// Addresses, blocks and ranges to leave out, separated by commas
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    exclude: Vec<String>,
    /// File with addresses, blocks and ranges to leave out
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    exclude_file: Vec<PathBuf>,
    /// Ports: numbers, ranges, and names of products, groups and fingerprints; all for every port
    /// [default: every port of the catalogue]
    #[arg(long, short, value_name = "PORTS")]
    ports: Option<String>,
    #[command(flatten)]
    scope: ScopeFile,
    /// Connections a second, whole scan
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Connections a second to one /24 (IPv4) or /64 (IPv6); loopback is exempt [default: 256]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate_per_network: Option<u32>,
    /// Seconds that a connection may take
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0, value_parser = seconds)]
    connect_timeout: f64,
    /// Seconds that one answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0, value_parser = seconds)]
    timeout: f64,
    /// Seconds that all questions to one endpoint may take together
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0, value_parser = seconds)]
    endpoint_timeout: f64,
    /// Endpoints asked at a time; fewer where file descriptors are short
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = at_least_one)]
    concurrency: usize,
    /// Go on with a run that was stopped; nothing is asked twice, and its rates hold unless others are given
    #[arg(long, value_name = "RUN", conflicts_with_all = ["targets", "input_list", "ports", "exclude", "exclude_file"])]
    resume: Option<String>,
    /// One JSON object for each observation, as it is found
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Comma-separated values with a header, as found
    #[arg(long)]
    csv: bool,
    /// Exit with code 1 when something this bad or worse is found: info, low, medium, high, critical
    #[arg(long, value_name = "SEVERITY")]
    fail_on: Option<Severity>,
}

/// Connections a second to one network, unless said otherwise.
const RATE_PER_NETWORK_PPS: u32 = 256;
/// Largest list of targets that is read, in bytes.
const LIST_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// How long one name may take to resolve.
const RESOLVE_PATIENCE: Duration = Duration::from_secs(10);

impl Scan {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let scope = Arc::new(self.scope.read(session)?);
        let catalogue = catalogue::embedded()?;
        let data = session.data_dir()?;
        let runtime = super::runtime()?;
        let (plan, journal) = match &self.resume {
            Some(run) => {
                let id = RunId(run.clone());
                let (journal, plan) =
                    Journal::resume(&data, &id, scope, Timestamp::now()).map_err(journal_failure)?;
                (self.limited(plan), Some(journal))
            }
            None => (self.limited(self.plan(scope, &catalogue, &runtime, session)?), None),
        };
        let pace = self.pace(journal.as_ref());
        let survey = Survey {
            session,
            catalogue,
            limit: Limit {
                connect: Duration::from_secs_f64(self.connect_timeout),
                answer: Duration::from_secs_f64(self.timeout),
                endpoint: Duration::from_secs_f64(self.endpoint_timeout),
                ..Limit::default()
            },
            pace,
            output: match (self.json, self.csv) {
                (true, _) => Output::Json,
                (_, true) => Output::Csv,
                _ => Output::Table,
            },
        };
        let found = survey.run(&data, plan, journal, self.start(pace), &runtime)?;
        Ok(found.exit(self.fail_on))
    }

    /// How fast; what the owner of a network agreed to when a run began holds when it goes on.
    fn pace(&self, begun: Option<&Journal>) -> Pace {
        let record = begun.map(Journal::record);
        let usual = record.and_then(|record| record.rate_per_network_pps).or(Some(RATE_PER_NETWORK_PPS));
        Pace {
            rate_pps: self.rate.or(record.and_then(|record| record.rate_pps)),
            prefix_pps: self.rate_per_network.or(usual),
        }
    }

    fn start(&self, pace: Pace) -> Start {
        let mut asked = self.targets.clone();
        asked.extend(self.input_list.iter().map(|path| format!("-iL {}", path.display())));
        Start {
            command: std::env::args().collect(),
            asked,
            user: super::user(),
            rate_pps: pace.rate_pps,
            rate_per_network_pps: pace.prefix_pps,
        }
    }

    fn limited(&self, mut plan: Plan) -> Plan {
        plan.concurrency = self.concurrency;
        plan.connect_patience = Duration::from_secs_f64(self.connect_timeout);
        plan.conversation_limit = Duration::from_secs_f64(self.endpoint_timeout + 5.0);
        plan
    }

    fn plan(
        &self,
        scope: Arc<Scope>,
        catalogue: &nightlatch_fingerprint::Catalogue,
        runtime: &tokio::runtime::Runtime,
        session: &Session,
    ) -> Result<Plan, Failure> {
        let mut builder = TargetSetBuilder::new(catalogue::ports(self.ports.as_deref(), catalogue)?);
        for target in self.targets()? {
            let addresses = match &target {
                Target::Name { host, .. } => addresses(runtime, host.as_str())?,
                _ => Vec::new(),
            };
            builder.add(&target, &addresses);
        }
        for range in self.exclusions()? {
            builder.exclude(range);
        }
        let set = builder.build().map_err(|e| Failure::usage(&e))?;
        let admitted = scope.admit(&set).map_err(|refused| Failure::usage(&refused))?;
        if session.chatty() {
            for (name, refused) in &admitted.led_outside {
                say(format_args!(
                    "note: an address of {name} is left out: {}",
                    nightlatch_untrusted::terminal(&refused.to_string())
                ));
            }
            for (set, why) in
                [(&admitted.excluded, "excluded by the scope"), (&admitted.never_sent, "never sent to")]
            {
                if !set.is_empty() {
                    say(format_args!("note: {} addresses are left out: {why}", set.count()));
                }
            }
        }
        Ok(Plan::new(Arc::new(admitted.targets), scope, Plan::random_seed()))
    }

    fn targets(&self) -> Result<Vec<Target>, Failure> {
        let mut targets = Vec::new();
        for text in &self.targets {
            if text == "-" {
                targets.extend(list(Path::new("-"))?);
                continue;
            }
            targets.push(text.parse().map_err(|error: nightlatch_scope::TargetSyntax| {
                Failure::usage(format!("target `{text}`: {error}")).excerpt(super::excerpt(
                    text,
                    1,
                    error.at + 1,
                ))
            })?);
        }
        for file in &self.input_list {
            targets.extend(list(file)?);
        }
        Ok(targets)
    }

    fn exclusions(&self) -> Result<Vec<AddressRange>, Failure> {
        let mut ranges = Vec::new();
        for text in &self.exclude {
            ranges.push(
                text.trim().parse().map_err(|error| Failure::usage(format!("--exclude {text}: {error}")))?,
            );
        }
        for file in &self.exclude_file {
            for target in list(file)? {
                match target {
                    Target::Range(range) => ranges.push(range),
                    _ => {
                        return Err(Failure::usage(format!(
                            "{}: only addresses, blocks and ranges can be excluded",
                            file.display()
                        )));
                    }
                }
            }
        }
        Ok(ranges)
    }
}

/// Reads a list of targets from a file or, for `-`, from standard input.
fn list(file: &Path) -> Result<Vec<Target>, Failure> {
    let (text, name) = if file.as_os_str() == "-" {
        if io::stdin().is_terminal() {
            say("reading targets from standard input; end with Ctrl-D");
        }
        let mut text = String::new();
        io::stdin()
            .lock()
            .take(LIST_BYTES_MAX)
            .read_to_string(&mut text)
            .map_err(|e| Failure::from(e).while_doing("cannot read targets from standard input"))?;
        (text, Path::new("standard input"))
    } else {
        (super::read_text(file, LIST_BYTES_MAX)?, file)
    };
    read_targets(&text, name).map_err(|error| {
        let excerpt = super::excerpt(&text, error.line as usize, error.column as usize);
        Failure::usage(&error).excerpt(excerpt)
    })
}

fn addresses(runtime: &tokio::runtime::Runtime, host: &str) -> Result<Vec<IpAddr>, Failure> {
    runtime
        .block_on(resolve(host, RESOLVE_PATIENCE))
        .map_err(|error| Failure::from_error(Exit::World, &error))
}

fn journal_failure(error: nightlatch_scan::JournalError) -> Failure {
    use nightlatch_scan::JournalError as E;
    let exit = match &error {
        E::Unknown { .. } | E::Finished { .. } | E::Refused(_) => Exit::Usage,
        _ => Exit::World,
    };
    let failure = Failure::from_error(exit, &error);
    match error {
        E::Unknown { .. } => failure.hint("`nightlatch runs` lists them"),
        _ => failure,
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.05..=3600.0).contains(&value) => Ok(value),
        _ => Err("expected seconds, from 0.05 to 3600".to_owned()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "expected a number from 1".to_owned())
}
