use std::{
    fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};
use nightlatch_asset::Observation;
use nightlatch_store::Ingested;
use nightlatch_untrusted::terminal;
use serde_json::json;

use super::port_lists::PortLists;
use crate::{exit::Exit, failure::Failure, say::say, session::Session};

/// Take in files of JSON lines: our own exports, or downloads of Shodan's command line; or scan what a list calls open
///
/// A line that cannot be read is reported with its number and left out; the others are stored, and the exit
/// code is 2. What is stored already stays as it is, so a file may be imported twice; what is older than what
/// is known takes its place in the history.
///
/// With masscan, zmap or nmap the files are lists of open ports, which are scanned: those, and nothing else. A file
/// of one of these names is ./masscan.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Import {
    #[command(subcommand)]
    list: Option<PortLists>,
    /// Files, gzip'ed or plain; - for standard input
    #[arg(required = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// What came of it as a JSON object
    #[arg(long)]
    json: bool,
}

/// Observations handed to the store at once.
const BATCH: usize = 5_000;
/// Bad lines reported one by one; the rest are counted.
const REPORTS_MAX: u64 = 20;

impl Import {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        if let Some(list) = &self.list {
            return list.run(session);
        }
        for file in self.files.iter().filter(|f| f.as_os_str() != "-") {
            fs::metadata(file).map_err(|e| unreadable(file, e))?;
        }
        let mut store = session.writer()?;
        let mut total = Ingested::default();
        let mut bad = 0;
        for file in &self.files {
            if file.as_os_str() == "-" {
                if io::stdin().is_terminal() && session.chatty() {
                    say("reading JSON lines from standard input");
                }
                self.one("standard input", io::stdin().lock(), &mut *store, &mut total, &mut bad)?;
            } else {
                let input = fs::File::open(file).map_err(|e| unreadable(file, e))?;
                self.one(&file.display().to_string(), input, &mut *store, &mut total, &mut bad)?;
            }
        }
        store.commit()?;
        if self.json {
            let line = json!({ "stored": total.stored, "unchanged": total.sightings,
                "known_already": total.repeated, "new_endpoints": total.new_endpoints, "left_out": bad });
            super::json_line(&line, &mut io::stdout().lock())?;
        } else if session.chatty() {
            if bad > REPORTS_MAX {
                say(format_args!("and {} more lines that cannot be read", bad - REPORTS_MAX));
            }
            say(format_args!(
                "{} stored, {} unchanged, {} known already; endpoints not known before: {}; lines left out: {bad}",
                total.stored, total.sightings, total.repeated, total.new_endpoints
            ));
        }
        Ok(if bad > 0 { Exit::Usage } else { Exit::Clean })
    }

    fn one(
        &self,
        name: &str,
        input: impl io::Read,
        store: &mut dyn nightlatch_store::Store,
        total: &mut Ingested,
        bad: &mut u64,
    ) -> Result<(), Failure> {
        let reader = nightlatch_banner::Reader::new(input).map_err(|e| unreadable(Path::new(name), e))?;
        let mut batch: Vec<Observation> = Vec::with_capacity(BATCH);
        for line in reader {
            match line {
                Ok(observation) => batch.push(observation),
                Err(error) => {
                    *bad += 1;
                    if *bad <= REPORTS_MAX {
                        say(format_args!("{}: {}", terminal(name), terminal(&in_full(&error))));
                    }
                    if error.is_fatal() {
                        say(format_args!("{}: the rest of it is not read", terminal(name)));
                        break;
                    }
                }
            }
            if batch.len() >= BATCH {
                store_batch(store, &mut batch, total)?;
            }
        }
        store_batch(store, &mut batch, total)?;
        Ok(())
    }
}

/// Stores a batch, oldest first: an unchanged answer that is met in order of time is stored once.
fn store_batch(
    store: &mut dyn nightlatch_store::Store,
    batch: &mut Vec<Observation>,
    total: &mut Ingested,
) -> Result<(), Failure> {
    batch.sort_by_key(|observation| observation.time);
    add(total, store.ingest(batch)?);
    batch.clear();
    Ok(())
}

/// An error with its reasons on one line.
fn in_full(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn add(total: &mut Ingested, more: Ingested) {
    total.stored += more.stored;
    total.sightings += more.sightings;
    total.new_endpoints += more.new_endpoints;
    total.repeated += more.repeated;
}

fn unreadable(file: &Path, error: io::Error) -> Failure {
    let mut failure = Failure::from(error).while_doing(format!("cannot read {}", file.display()));
    failure.exit = Exit::Usage;
    failure
}
