use std::{
    io::{self, Write},
    net::IpAddr,
};

use clap::Args;
use nightlatch_store::View;

use crate::{exit::Exit, failure::Failure, session::Session};

/// Everything known about one address
#[derive(Debug, Args)]
pub(crate) struct Host {
    /// IPv4 or IPv6 address
    ip: IpAddr,
    /// Also what was seen before
    #[arg(long)]
    history: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Host {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let view = if self.history { View::History } else { View::Latest };
        let records = session.snapshot()?.host(self.ip.to_canonical(), view)?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            nightlatch_report::ndjson(&records, &mut out)?;
        } else if records.is_empty() {
            // Word for word what programs look for in the answer of Shodan's API.
            writeln!(out, "No information available for that IP.")?;
        } else {
            nightlatch_report::host(&records, session.style(), &mut out)?;
        }
        out.flush()?;
        Ok(Exit::Clean)
    }
}
