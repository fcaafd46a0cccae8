//! How open ports are found: by raw packets where that may be done and makes sense, by connecting otherwise.

use std::{
    io::{BufWriter, Write},
    num::NonZero,
    path::Path,
    time::Duration,
};

use clap::Args;
use nightlatch_netio::{
    Pace,
    raw::{self, DropRule, Ring, Routes, SenderKind},
};
use nightlatch_scan::{Discovery, Hit, HitSink, Shard, SweepPlan, SweepRate, SweepRecord, Wire};
use nightlatch_scope::{Family, TargetSet};

use crate::{failure::Failure, privileges::GoOn, say::say, session::Session};

/// How open ports are found.
#[derive(Clone, Debug, Args)]
pub(crate) struct Finder {
    /// How packets are sent: auto, connect (no raw packets), ip, packet, xdp, live [default: auto]
    #[arg(long, value_name = "KIND", value_parser = how, help_heading = "Raw packets")]
    sender: Option<How>,
    /// Probes that a silent target gets, a second or more apart
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8), help_heading = "Raw packets")]
    probes: u8,
    /// Seconds that answers are waited for after the last probe [default: 3]
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Raw packets")]
    cooldown: Option<f64>,
    /// Seconds after which nothing more is sent; the run can then be resumed
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Raw packets")]
    max_duration: Option<f64>,
    /// Only part I of N of the targets; machines that share a scan name the same targets, ports and N
    #[arg(long, value_name = "I/N", conflicts_with = "resume", help_heading = "Raw packets")]
    shard: Option<Shard>,
    /// Ask nothing of open ports: one JSON object for each, as it is found, and nothing is stored
    #[arg(long, conflicts_with_all = ["csv", "recheck", "resume"], help_heading = "Raw packets")]
    pub(crate) discover_only: bool,
    /// Who a scan that root starts goes on as, once its sockets are open; root to stay it, without its rights
    /// [default: the owner of the data directory, who called sudo, or nobody]
    #[arg(long, value_name = "NAME", help_heading = "Raw packets")]
    user: Option<String>,
}

/// What `--sender` can say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum How {
    Connect,
    Raw(SenderKind),
}

fn how(text: &str) -> Result<How, String> {
    match text {
        "connect" => Ok(How::Connect),
        kind => kind.parse().map(How::Raw).map_err(|_| {
            let names = SenderKind::NAMES.map(|(name, _)| name).join(", ");
            format!("expected connect, {names}")
        }),
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..=31_536_000.0).contains(&value) => Ok(value),
        _ => Err("expected seconds, from 0 to a year".to_owned()),
    }
}

/// Seconds that answers are waited for, unless said otherwise.
const COOLDOWN_SECONDS: f64 = 3.0;
/// Packets a second, unless said otherwise.
const RATE_PPS: u64 = 10_000;
/// From this rate on there are threads that only send: half of what one takes through the kernel.
const THREADS_FROM_PPS: u64 = 200_000;
/// Most of them.
const THREADS_MAX: usize = 4;
/// What `--rate max` is kept as.
pub(crate) const RATE_MAX: u32 = u32::MAX;

/// Reads `--rate`.
pub(crate) fn rate(text: &str) -> Result<u32, String> {
    match text {
        "max" => Ok(RATE_MAX),
        text => {
            text.parse().ok().filter(|n| *n > 0).ok_or_else(|| "expected a number from 1, or max".to_owned())
        }
    }
}

impl Default for Finder {
    fn default() -> Self {
        Self {
            sender: None,
            probes: 2,
            cooldown: None,
            max_duration: None,
            shard: None,
            discover_only: false,
            user: None,
        }
    }
}

impl Finder {
    /// The finder of a run that is resumed: as it began.
    pub(crate) fn resumed(&self, record: Option<&SweepRecord>) -> Result<Self, Failure> {
        let Some(record) = record else { return Ok(Self { sender: Some(How::Connect), ..self.clone() }) };
        if self.sender == Some(How::Connect) {
            return Err(Failure::usage("the run was begun with raw packets and cannot go on by connecting"));
        }
        let shard =
            record.shard.parse().map_err(|error| Failure::usage(format!("the run's shard: {error}")))?;
        let sender = record.sender.as_deref().map(how).transpose();
        let sender = sender.map_err(|error| Failure::usage(format!("the run's sender: {error}")))?;
        Ok(Self {
            sender: self.sender.or(sender),
            cooldown: self.cooldown.or(record.cooldown_ms.map(|ms| ms as f64 / 1000.0)),
            shard: Some(shard),
            probes: record.probes,
            discover_only: record.discover_only,
            ..self.clone()
        })
    }

    /// Whether this is a part of a scan that others do the rest of.
    pub(crate) fn is_shared(&self) -> bool {
        self.shard.is_some_and(|shard| !shard.is_whole())
    }

    /// What a record of the run says about it.
    ///
    /// - `rate`: what `--rate` says.
    pub(crate) fn record(&self, rate: Option<u32>) -> SweepRecord {
        let sender = self.sender.and_then(|how| match how {
            How::Connect | How::Raw(SenderKind::Auto) => None,
            How::Raw(kind) => Some(kind.to_string()),
        });
        SweepRecord {
            sender,
            rate_max: rate == Some(RATE_MAX),
            cooldown_ms: self.cooldown.map(|seconds| (seconds * 1000.0) as u64),
            shard: self.shard.unwrap_or(Shard::WHOLE).to_string(),
            probes: self.probes,
            discover_only: self.discover_only,
        }
    }

    /// Opens what is needed, tells what was chosen and why, and gives up the rights that only that needed: the calling
    /// thread, which must be the only one, is an ordinary user's from then on.
    ///
    /// - `must`: raw packets and nothing else, because the run began with them.
    pub(crate) fn open(
        &self,
        targets: &TargetSet,
        pace: Pace,
        must: bool,
        data: &Path,
        session: &Session,
    ) -> Result<Discovery, Failure> {
        let tell = |text: &dyn std::fmt::Display| {
            if session.chatty() {
                say(text);
            }
        };
        let go_on = GoOn::decide(self.user.as_deref(), data)?;
        let discovery = self.find(targets, pace, must, go_on.user(), &tell)?;
        if let Some(told) = go_on.go_on(data, matches!(discovery, Discovery::Sweep(_)))? {
            tell(&told);
        }
        Ok(discovery)
    }

    /// Opens what is needed.
    ///
    /// - `user`: who the process is about to become.
    fn find(
        &self,
        targets: &TargetSet,
        pace: Pace,
        must: bool,
        user: Option<&raw::User>,
        tell: &dyn Fn(&dyn std::fmt::Display),
    ) -> Result<Discovery, Failure> {
        let how = self.sender.unwrap_or(How::Raw(SenderKind::Auto));
        let must = must || self.is_shared() || self.discover_only || how != How::Raw(SenderKind::Auto);
        let kind = match how {
            How::Connect if self.is_shared() || self.discover_only => {
                return Err(Failure::usage(
                    "--shard and --discover-only need raw packets; leave --sender connect out",
                ));
            }
            How::Connect => return Ok(Discovery::Connect),
            How::Raw(kind) => kind,
        };
        let rate = match pace.rate_pps {
            Some(RATE_MAX) => SweepRate::Search,
            Some(rate) => SweepRate::Fixed(rate.into()),
            None => SweepRate::Fixed(RATE_PPS),
        };
        let wire = match wire(kind, threads(rate), targets, user, tell) {
            Ok(wire) => wire,
            Err(why) if must => return Err(Failure::world(why.text)),
            Err(why) => {
                if !why.is_usual {
                    tell(&format_args!("discovery: by connecting to each port, because {}", why.text));
                }
                return Ok(Discovery::Connect);
            }
        };
        Ok(Discovery::Sweep(Box::new(SweepPlan {
            wire,
            rate,
            per_network_pps: pace.prefix_pps,
            probes: self.probes,
            cooldown: Duration::from_secs_f64(self.cooldown.unwrap_or(COOLDOWN_SECONDS)),
            shard: self.shard.unwrap_or(Shard::WHOLE),
            max_duration: self.max_duration.map(Duration::from_secs_f64),
            only: self.discover_only.then(|| HitSink(Box::new(print_hits))),
        })))
    }
}

/// Threads that send at `rate`: none where the one that says what is sent does it beside.
fn threads(rate: SweepRate) -> usize {
    match rate {
        SweepRate::Fixed(rate) if rate < THREADS_FROM_PPS => 0,
        _ => std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX),
    }
}

/// Why raw packets are not used.
struct Not {
    text: String,
    /// Nothing anybody wonders about.
    is_usual: bool,
}

impl Not {
    fn because(error: impl std::error::Error) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        Self { text, is_usual: false }
    }
}

/// Opens sockets for raw packets to `targets`.
///
/// - `threads`: that send beside the one that says what is sent.
/// - `tell`: hears in sentences what was chosen, and what is about to be set before it is.
fn wire(
    kind: SenderKind,
    threads: usize,
    targets: &TargetSet,
    user: Option<&raw::User>,
    tell: &dyn Fn(&dyn std::fmt::Display),
) -> Result<Wire, Not> {
    let addresses = targets.all_addresses();
    let routes = Routes::read().map_err(Not::because)?;
    let own = routes.own(&addresses);
    if let Some(first) = own.ranges().next() {
        let text = format!("{} is an address of this machine", first.first());
        return Err(Not { text, is_usual: addresses.ranges().all(|range| range.first().is_loopback()) });
    }
    if !raw::rights().net_raw {
        let denied =
            raw::RawError::Denied { wanted: "sending raw packets".to_owned(), capability: "CAP_NET_RAW" };
        return Err(Not::because(denied));
    }
    let route = routes.path_for(&addresses).map_err(Not::because)?;
    let source_ports = raw::source_ports().map_err(Not::because)?;
    let ports = source_ports.range();
    let drop_rule = if raw::rights().net_admin {
        tell(&DropRule::describe(&ports));
        DropRule::set(ports.clone()).map_err(|error| tell(&format_args!("note: {error}"))).ok()
    } else {
        tell(&"note: without CAP_NET_ADMIN no rule keeps this machine's TCP from resetting what answers");
        None
    };
    let has = |family| addresses.ranges().any(|range| range.family() == family);
    let device = route.path().device.as_ref().map(|device| device.index);
    let ring =
        Ring::open(device, ports, has(Family::V4), has(Family::V6), Ring::BYTES).map_err(Not::because)?;
    let (sender, why) = raw::Sender::open_with(kind, &route, threads, user).map_err(Not::because)?;
    tell(&format_args!("discovery: SYN packets, sender {why}"));
    if let Some(note) = sender.note() {
        tell(&format_args!("note: {note}"));
    }
    let sources = route.path().sources();
    let watch = raw::WayWatch::open(addresses, &route, sender.kind());
    let watch =
        watch.map_err(|error| tell(&format_args!("note: changes of routes are not noticed: {error}"))).ok();
    Ok(Wire { sender, ring, drop_rule, sources, source_ports, watch })
}

/// Open ports as lines of JSON. There may be a million a second: they are written by hand.
fn print_hits(hits: &[Hit]) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for Hit { target, time, .. } in hits {
        let (ip, port) = (target.ip(), target.port());
        writeln!(out, r#"{{"ip":"{ip}","port":{port},"transport":"tcp","state":"open","time":"{time}"}}"#)?;
    }
    out.flush()
}
