use std::{
    collections::BTreeSet,
    io::{self, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use nightlatch_app::{Look, Schedule};
use nightlatch_netio::Pace;
use nightlatch_replay::{DEMO_NETWORK, demo_street};
use nightlatch_scan::{Discovery, Plan, Start, converse::Limit};
use nightlatch_scope::{PortSet, Scope, TargetSetBuilder};
use nightlatch_untrusted::terminal;

use super::serve::{Log, Ready};
use crate::{
    config::Config,
    exit::Exit,
    failure::Failure,
    say::say,
    session::{Session, shell_word},
    survey::{Output, Survey},
};

/// Open a street of recorded services on this machine, scan it, and show what to try next
///
/// The services listen on 127.77.0.0/24 for as long as the demo runs and answer what real servers answered when they
/// were recorded. The scan is an ordinary one; what it finds is kept in a data directory of its own.
///
/// With --serve the street stays open and the server's pages and API run on what was found, until Ctrl-C; the street is
/// scanned again every few minutes, so that there is something to watch.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep the street open and serve the pages and the API on it
    #[arg(long)]
    serve: bool,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT", requires = "serve")]
    listen: Option<SocketAddr>,
}

/// Searches to try, with what they show.
const SEARCHES: [(&str, &str); 3] = [
    ("search 'exposure:>=readable'", "every door that opens"),
    (
        "search 'product:Kubernetes -exposure:auth-required' --fields ip,port,version,exposure",
        "API servers that talk to strangers",
    ),
    ("stats --facets product,exposure,severity", "the street, counted"),
];

impl Demo {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let street = demo_street().map_err(|e| Failure::from_error(Exit::World, &e))?;
        let ports: BTreeSet<u16> =
            street.endpoints().iter().map(|resident| resident.address.port()).collect();
        let ports: PortSet = ports.into_iter().collect();
        let [a, b, c] = DEMO_NETWORK;
        let houses = street.endpoints().len();
        let range = format!("{a}.{b}.{c}.1-{houses}");
        let mut builder = TargetSetBuilder::new(ports);
        builder.add(&range.parse().map_err(|e| Failure::bug(format!("{range}: {e}")))?, &[]);
        let targets = builder.build().map_err(|e| Failure::bug(&e))?;
        let data = demo_dir(session)?;
        if session.chatty() {
            say(format_args!(
                "opened a street of {houses} services on {a}.{b}.{c}.0/24; scanning it as any other network"
            ));
        }
        let plan = Plan::new(Arc::new(targets), Arc::new(Scope::loopback_only()), Plan::random_seed());
        let survey = Survey {
            session,
            limit: Limit::default(),
            pace: Pace::default(),
            output: Output::Table,
            look: Look::Only,
            around: None,
        };
        let start = Start {
            command: std::env::args().collect(),
            asked: vec![range.clone()],
            user: super::user(),
            ..Start::default()
        };
        let found = survey.run(&data, plan, Discovery::Connect, None, start, &super::runtime()?)?;
        if self.serve {
            return self.serve(session, &data, &range);
        }
        drop(street);
        next_steps(&data)?;
        Ok(found.exit(None))
    }
}

impl Demo {
    /// Serves what was found for as long as the street is open.
    fn serve(&self, session: &Session, data: &Path, range: &str) -> Result<Exit, Failure> {
        let mut config = Config::read(data)?;
        if let Some(listen) = self.listen {
            config.server.listen = listen;
        }
        if config.schedule.is_empty() {
            config.schedule.push(Schedule {
                name: "street".to_owned(),
                every: AGAIN.parse().map_err(Failure::bug)?,
                timezone: "UTC".to_owned(),
                targets: vec![range.to_owned()],
                exclude: Vec::new(),
                ports: None,
                rate: None,
                rate_per_network: None,
                blackout: Vec::new(),
                enabled: true,
            });
        }
        let ready = Ready::open(data, config, Scope::loopback_only())?;
        super::runtime()?.block_on(ready.serve(session, Log::or_usual(None)))
    }
}

/// How often the street is scanned while it is served.
const AGAIN: &str = "5m";

/// A directory beside the ordinary one, so that a demo never mixes with real data.
fn demo_dir(session: &Session) -> Result<PathBuf, Failure> {
    if session.names_data_dir() {
        return session.data_dir();
    }
    let mut name = session.data_dir()?.into_os_string();
    name.push("-demo");
    Ok(name.into())
}

fn next_steps(data: &Path) -> Result<(), Failure> {
    let program = std::env::args().next().unwrap_or_else(|| "nightlatch".to_owned());
    let mut out = io::stdout().lock();
    writeln!(out, "\ntry next:")?;
    for (search, shows) in SEARCHES {
        writeln!(out, "  # {shows}")?;
        let (program, data) = (shell_word(&program), shell_word(&data.display().to_string()));
        writeln!(out, "  {} --data {} {search}", terminal(&program), terminal(&data))?;
    }
    Ok(())
}
