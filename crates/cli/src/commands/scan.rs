use std::{
    io::{self, IsTerminal},
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueHint};
use jiff::Timestamp;
use nightlatch_app::Look;
use nightlatch_asset::{RunId, Severity};
use nightlatch_netio::Pace;
use nightlatch_scan::{Discovery, Doors, Journal, Plan, Start, State, converse::Limit};
use nightlatch_scope::{
    AddressRange, HostName, ListedPort, Refused, Scope, Target, TargetSetBuilder, read_targets,
};
use nightlatch_untrusted::terminal;

use super::scope::ScopeFile;
use crate::{
    catalogue,
    discovery::{self, Finder},
    exit::Exit,
    failure::Failure,
    resolver,
    say::say,
    session::Session,
    survey::{Around, Found, Output, Survey},
    words,
};

/// Find what answers, ask what it is and how far it opens, store it, and show it
///
/// Targets are addresses (192.0.2.1, 2001:db8::1), CIDR blocks, ranges
/// (10.0.0.5-20), host names (all their addresses), host:port, and URLs.
/// Loopback needs no scope; everything else must be listed in the scope file.
///
/// Examples:
///   nightlatch scan 127.0.0.1
///   nightlatch scan 10.20.0.0/16 --exclude 10.20.7.0/24
///   nightlatch scan 10.20.0.0/16 --ports kubernetes,docker,9200,8000-8100
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
    /// Ports: numbers, ranges, and names of products, groups and fingerprints; all for every port
    /// [default: every port of the catalogue]
    #[arg(long, short, value_name = "PORTS")]
    ports: Option<String>,
    /// Go on with a run that was stopped; nothing is asked twice, and its rates hold unless others are given
    #[arg(long, value_name = "RUN", conflicts_with_all = ["targets", "input_list", "ports", "exclude", "exclude_file"])]
    resume: Option<String>,
    #[command(flatten)]
    finder: Finder,
    #[command(flatten)]
    how: How,
    /// Single endpoints that a list of another scanner calls open.
    #[arg(skip)]
    listed: Vec<ListedPort>,
}

/// How a scan is done, whatever is scanned.
#[derive(Clone, Debug, Args)]
pub(crate) struct How {
    /// Addresses, blocks, ranges and names to leave out, separated by commas
    #[arg(long, value_name = "ADDRESSES", value_delimiter = ',')]
    exclude: Vec<String>,
    /// File with addresses, blocks, ranges and names to leave out
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    exclude_file: Vec<PathBuf>,
    #[command(flatten)]
    scope: ScopeFile,
    /// Connections or packets a second, whole scan; max for as many as get through
    /// [default: no bound for connections, 10000 for raw packets]
    #[arg(long, value_name = "N", value_parser = discovery::rate)]
    rate: Option<u32>,
    /// Connections or packets a second to one /24 (IPv4) or /64 (IPv6); loopback is exempt [default: 256]
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
    /// Ask what stands open once more, this many seconds later; what answers differently then is called unknown
    #[arg(long, value_name = "SECONDS", value_parser = recheck_seconds)]
    recheck: Option<f64>,
    /// One JSON object for each observation, as it is found
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Comma-separated values with a header, as found
    #[arg(long)]
    csv: bool,
    /// Exit with code 1 when something this bad or worse is found: info, low, medium, high, critical
    #[arg(long, value_name = "SEVERITY", value_parser = words::severity(), hide_possible_values = true)]
    fail_on: Option<Severity>,
}

/// Connections a second to one network, unless said otherwise.
const RATE_PER_NETWORK_PPS: u32 = 256;
/// Largest list of targets that is read, in bytes.
const LIST_BYTES_MAX: u64 = 256 * 1024 * 1024;

impl Scan {
    /// A scan of nothing but what a list of another scanner calls open.
    ///
    /// - `asked`: where the list comes from, for the record of the run.
    /// - `listed`: at least one.
    pub(super) fn of_list(asked: Vec<String>, listed: Vec<ListedPort>, how: How) -> Self {
        Self {
            targets: asked,
            input_list: Vec::new(),
            ports: None,
            resume: None,
            finder: Finder::default(),
            how,
            listed,
        }
    }

    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let scope = Arc::new(self.how.scope.read(session)?);
        let data = session.data_dir()?;
        let runtime = super::runtime()?;
        let (plan, journal, unresolved) = match &self.resume {
            Some(run) => {
                let id = RunId(run.clone());
                let (journal, plan) =
                    Journal::resume(&data, &id, scope, Timestamp::now()).map_err(journal_failure)?;
                (self.limited(plan), Some(journal), 0)
            }
            None => {
                let (plan, unresolved) = self.plan(scope, &runtime, session)?;
                (self.limited(plan), None, unresolved)
            }
        };
        let pace = self.pace(journal.as_ref());
        let begun = journal.as_ref().map(|journal| journal.record().sweep.clone());
        let finder = match &begun {
            Some(record) => self.finder.resumed(record.as_ref())?,
            None if self.listed.is_empty() => self.finder.clone(),
            // That they are open is known.
            None => self.finder.resumed(None)?,
        };
        let must = begun.flatten().is_some();
        // Later this may be nobody who can read them.
        let around = (!finder.discover_only).then(|| Around::read(&data)).transpose()?;
        // Its threads would still have the rights that this one is about to give up.
        drop(runtime);
        let discovery = finder.open(&plan.targets, pace, must, &data, session)?;
        let sweep = matches!(discovery, Discovery::Sweep(_)).then(|| finder.record(pace.rate_pps));
        let pace = Pace { rate_pps: pace.rate_pps.filter(|rate| *rate != discovery::RATE_MAX), ..pace };
        let runtime = super::runtime()?;
        let survey = Survey {
            session,
            limit: Limit {
                connect: Duration::from_secs_f64(self.how.connect_timeout),
                answer: Duration::from_secs_f64(self.how.timeout),
                endpoint: Duration::from_secs_f64(self.how.endpoint_timeout),
                ..Limit::default()
            },
            pace,
            output: match (self.how.json, self.how.csv) {
                _ if finder.discover_only => Output::Json,
                (true, _) => Output::Json,
                (_, true) => Output::Csv,
                _ => Output::Table,
            },
            look: if self.how.recheck.is_some() { Look::First } else { Look::Only },
            around,
        };
        let scope = plan.scope.clone();
        let start = Start { sweep, ..self.start(pace) };
        if finder.discover_only {
            return Ok(survey.discover(&data, plan, discovery, journal, start, &runtime)?.exit(None));
        }
        let mut found = survey.run(&data, plan, discovery, journal, start, &runtime)?;
        if let Some(after) = self.how.recheck
            && found.state == State::Finished
            && !found.doors.is_empty()
        {
            found = self.look_again(survey, &data, scope, found, Duration::from_secs_f64(after), &runtime)?;
        }
        // A target that was never asked is not clean.
        Ok(match found.exit(self.how.fail_on) {
            Exit::Clean if unresolved > 0 => Exit::World,
            exit => exit,
        })
    }

    /// Asks the open doors of `first` once more, as a run of its own.
    fn look_again(
        &self,
        survey: Survey<'_>,
        data: &Path,
        scope: Arc<Scope>,
        first: Found,
        after: Duration,
        runtime: &tokio::runtime::Runtime,
    ) -> Result<Found, Failure> {
        let (chatty, doors) = (survey.session.chatty(), Arc::new(first.doors));
        if chatty {
            say(format_args!(
                "{} open doors are asked once more in {:.0} s",
                doors.len(),
                after.as_secs_f64()
            ));
        }
        let interrupted = runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(after) => false,
                _ = tokio::signal::ctrl_c() => true,
            }
        });
        if interrupted {
            say("stopped before the second look; what the first one found is kept");
            return Ok(Found { state: State::Stopped, doors: Doors::default(), ..first });
        }
        let mut builder = TargetSetBuilder::default();
        for (socket, name) in doors.targets() {
            let name: Option<HostName> = name.and_then(|name| name.raw().parse().ok());
            builder.add(&as_target(socket, name.as_ref()), &[socket.ip()]);
        }
        let set = builder.build().map_err(|error| Failure::usage(&error))?;
        let targets = scope.admit(&set).map_err(|refused| out_of_scope(&refused))?.targets;
        let plan = self.limited(Plan::new(Arc::new(targets), scope, Plan::random_seed()));
        let start =
            Start { asked: vec![format!("what run {} found open", first.run)], ..self.start(survey.pace) };
        let survey = Survey { look: Look::Second(doors.clone()), ..survey };
        let second = survey.run(data, plan, Discovery::Connect, None, start, runtime)?;
        let (otherwise, silent) = doors.outcome();
        if chatty {
            say(format_args!(
                "second look at {} open doors: {otherwise} answered differently, {silent} not at all",
                doors.len()
            ));
        }
        Ok(Found { worst: first.worst_shut.max(second.worst).max(doors.worst_unanswered()), ..second })
    }

    /// How fast; what the owner of a network agreed to when a run began holds when it goes on.
    fn pace(&self, begun: Option<&Journal>) -> Pace {
        let record = begun.map(Journal::record);
        let usual = record.and_then(|record| record.rate_per_network_pps).or(Some(RATE_PER_NETWORK_PPS));
        let max = record.and_then(|record| record.sweep.as_ref()).is_some_and(|sweep| sweep.rate_max);
        let begun_with =
            if max { Some(discovery::RATE_MAX) } else { record.and_then(|record| record.rate_pps) };
        Pace { rate_pps: self.how.rate.or(begun_with), prefix_pps: self.how.rate_per_network.or(usual) }
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
            sweep: None,
        }
    }

    fn limited(&self, mut plan: Plan) -> Plan {
        plan.concurrency = self.how.concurrency;
        plan.connect_patience = Duration::from_secs_f64(self.how.connect_timeout);
        plan.conversation_limit = Duration::from_secs_f64(self.how.endpoint_timeout + 5.0);
        plan
    }

    fn plan(
        &self,
        scope: Arc<Scope>,
        runtime: &tokio::runtime::Runtime,
        session: &Session,
    ) -> Result<(Plan, usize), Failure> {
        let mut builder = match self.listed.is_empty() {
            true => TargetSetBuilder::new(catalogue::ports(self.ports.as_deref())?),
            false => TargetSetBuilder::default(),
        };
        let targets = self.targets()?;
        let names = resolver::resolve_all(runtime, targets.iter().filter_map(Target::host));
        for port in &self.listed {
            builder.add(&as_target(port.socket, port.name.as_ref()), &[port.socket.ip()]);
        }
        for target in &targets {
            let addresses = target.host().map_or(&[][..], |host| names.addresses(host));
            builder.add(target, addresses);
        }
        for range in self.exclusions(runtime)? {
            builder.exclude(range);
        }
        let set = match builder.build() {
            Ok(set) => set,
            // That nothing is left is then the lesser news.
            Err(nightlatch_scope::TargetSetError::Nothing) if names.failed() > 0 => {
                return Err(names.into_failure());
            }
            Err(error) => return Err(Failure::usage(&error)),
        };
        let admitted = scope.admit(&set).map_err(|refused| out_of_scope(&refused))?;
        names.report();
        if session.chatty() {
            for (name, refused) in &admitted.led_outside {
                say(format_args!(
                    "note: an address of {name} is left out: {}",
                    terminal(&refused.to_string())
                ));
            }
            for (set, why) in
                [(&admitted.excluded, "excluded by the scope"), (&admitted.never_sent, "never sent to")]
            {
                match set.count() {
                    0 => {}
                    1 => say(format_args!("note: 1 address is left out: {why}")),
                    count => say(format_args!("note: {count} addresses are left out: {why}")),
                }
            }
        }
        let seed = match self.finder.is_shared() {
            true => Plan::shared_seed(&admitted.targets),
            false => Plan::random_seed(),
        };
        let plan = Plan::new(Arc::new(admitted.targets), scope, seed);
        Ok((plan, names.failed()))
    }

    fn targets(&self) -> Result<Vec<Target>, Failure> {
        let mut targets = Vec::new();
        // Then the file is all that was named.
        let named = if self.listed.is_empty() { &self.targets[..] } else { &[] };
        for text in named {
            if text == "-" {
                targets.extend(list(Path::new("-"))?);
            } else {
                targets.push(super::target(text)?);
            }
        }
        for file in &self.input_list {
            targets.extend(list(file)?);
        }
        Ok(targets)
    }

    /// What is left out. A name that cannot be resolved ends the scan: nobody would know what must not be asked.
    fn exclusions(&self, runtime: &tokio::runtime::Runtime) -> Result<Vec<AddressRange>, Failure> {
        let mut excluded = Vec::new();
        for text in &self.how.exclude {
            let target = super::target(text.trim()).map_err(|failure| failure.while_doing("--exclude"))?;
            excluded.push((target, format!("--exclude {text}")));
        }
        for file in &self.how.exclude_file {
            excluded.extend(list(file)?.into_iter().map(|target| (target, file.display().to_string())));
        }
        let names = resolver::resolve_all(runtime, excluded.iter().filter_map(|(target, _)| target.host()));
        if names.failed() > 0 {
            return Err(names.into_failure());
        }
        let mut ranges = Vec::new();
        for (target, place) in &excluded {
            match target {
                Target::Range(range) => ranges.push(*range),
                Target::Name { host, port: None } => {
                    ranges.extend(names.addresses(host).iter().copied().map(AddressRange::single));
                }
                _ => {
                    return Err(Failure::usage(format!(
                        "{place}: only addresses, blocks, ranges and names can be excluded, without a port"
                    )));
                }
            }
        }
        Ok(ranges)
    }
}

/// One endpoint, asked by its name where it has one.
fn as_target(socket: SocketAddr, name: Option<&HostName>) -> Target {
    match name.filter(|name| name.as_str().parse::<IpAddr>().is_err()) {
        Some(name) => Target::Name { host: name.clone(), port: Some(socket.port()) },
        None => Target::Endpoint(socket),
    }
}

/// Reads a list of targets from a file or, for `-`, from standard input.
fn list(file: &Path) -> Result<Vec<Target>, Failure> {
    let (text, name) = if file.as_os_str() == "-" {
        if io::stdin().is_terminal() {
            say("reading targets from standard input; end with Ctrl-D");
        }
        let name = Path::new("standard input");
        (super::text(io::stdin().lock(), name, LIST_BYTES_MAX)?, name)
    } else {
        (super::read_text(file, LIST_BYTES_MAX)?, file)
    };
    read_targets(&text, name).map_err(|error| {
        let excerpt = super::excerpt(&text, error.line as usize, error.column as usize);
        Failure::usage(&error).excerpt(excerpt)
    })
}

fn out_of_scope(refused: &Refused) -> Failure {
    let failure = Failure::usage(refused);
    match refused.lines_to_add() {
        Some(lines) => failure.excerpt(format!("\n{}", super::scope::to_add(&lines))),
        None => failure,
    }
}

fn journal_failure(error: nightlatch_scan::JournalError) -> Failure {
    use nightlatch_scan::JournalError as E;
    let exit = match &error {
        E::Refused(refused) => return out_of_scope(refused),
        E::Unknown { .. } | E::Finished { .. } => Exit::Usage,
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

fn recheck_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=86_400.0).contains(&value) => Ok(value),
        _ => Err("expected seconds, from 0 to 86400".to_owned()),
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "expected a number from 1".to_owned())
}
