use std::io::{self, Write};

use clap::Args;

use super::question::Question;
use crate::{exit::Exit, failure::Failure, session::Session};

/// Count what matches a query
///
/// Example: nightlatch count 'product:Kubernetes exposure:controllable'
#[derive(Debug, Args)]
pub(crate) struct Count {
    #[command(flatten)]
    question: Question,
    /// Count addresses, not services
    #[arg(long)]
    hosts: bool,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

impl Count {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let selection = self.question.selection(session)?;
        let snapshot = session.snapshot()?;
        let total =
            if self.hosts { snapshot.distinct_hosts(&selection)? } else { snapshot.count(&selection)? };
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{{\"total\":{total}}}")?;
        } else {
            writeln!(out, "{total}")?;
        }
        Ok(Exit::Clean)
    }
}
