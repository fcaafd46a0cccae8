use std::io::{self, Write};

use clap::Args;
use nightlatch_report::RunView;
use nightlatch_scan::RunRecord;
use nightlatch_untrusted::terminal;

use crate::{exit::Exit, failure::Failure, say::say, session::Session};

/// What was scanned: when, what, under which scope, by whom, and how it ended
#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Runs {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let runs =
            nightlatch_scan::runs(&session.data_dir()?).map_err(|e| Failure::from_error(Exit::World, &e))?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        let mut views = Vec::new();
        for run in runs {
            match run.record {
                Ok(record) if self.json => {
                    super::json_line(&record, &mut out)?;
                }
                Ok(record) => views.push(view(record)),
                Err(error) => {
                    say(format_args!("run {}: {}", terminal(&run.id.0), terminal(&error.to_string())))
                }
            }
        }
        if !self.json {
            nightlatch_report::runs(&views, session.style(), &mut out)?;
        }
        out.flush()?;
        Ok(Exit::Clean)
    }
}

fn view(record: RunRecord) -> RunView {
    let scope =
        record.scope_path.as_ref().map_or("loopback only".to_owned(), |path| path.display().to_string());
    RunView {
        id: record.id.0,
        started: record.started,
        ended: record.ended,
        state: record.state.to_string(),
        by: record.user,
        scope,
        targets: record.asked.join(" "),
        asked: record.tally.done(),
        found: record.tally.open,
    }
}
