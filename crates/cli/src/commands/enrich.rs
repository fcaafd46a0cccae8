use std::io::{self, Write};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use nightlatch_untrusted::terminal;
use serde_json::json;

use crate::{config::Config, exit::Exit, failure::Failure, session::Session};

/// The files that say where an address is and whose: what is loaded, and how old it is
///
/// Name them in nightlatch.toml in the data directory:
///   [enrich]
///   geo = ["GeoLite2-City.mmdb"]
///   asn = ["GeoLite2-ASN.mmdb"]
///   cloud = [{ provider = "aws", file = "ip-ranges.json" }]
///   [names]
///   resolver = "system"     # ask for PTR names; off when left out
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Enrich {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Say which files are loaded, what they hold and how old they are
    Status {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        /// Read every record of every database
        #[arg(long)]
        verify: bool,
    },
}

impl Enrich {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let Action::Status { json, verify } = &self.action;
        let enricher = Config::read(&session.data_dir()?)?.enricher()?;
        if *verify {
            enricher.verify().map_err(|e| Failure::from_error(Exit::Usage, &e))?;
        }
        let loaded = enricher.status(Timestamp::now());
        let mut out = io::BufWriter::new(io::stdout().lock());
        if *json {
            for file in &loaded {
                let built = file.built.as_ref().map(|(at, _)| at.to_string());
                let days = file.age.map(|age| age.as_hours() / 24);
                let line = json!({ "path": file.path, "kind": file.kind.to_string(), "records": file.records,
                    "built": built, "age_days": days });
                super::json_line(&line, &mut out)?;
            }
        } else if loaded.is_empty() {
            writeln!(out, "no files are named; country, network and cloud stay empty")?;
            writeln!(out, "name some in {}", session.data_dir()?.join("nightlatch.toml").display())?;
        }
        if !json {
            for file in &loaded {
                let age = match (&file.built, file.age) {
                    (Some((built, _)), Some(age)) => {
                        format!("made {}, {} days old", built.strftime("%Y-%m-%d"), age.as_hours() / 24)
                    }
                    _ => "age unknown".to_owned(),
                };
                writeln!(out, "{}", terminal(&file.path.display().to_string()))?;
                writeln!(out, "  {}, {} records, {age}", terminal(&file.kind.to_string()), file.records)?;
            }
            writeln!(out, "registrable domains: {}", nightlatch_enrich::SUFFIX_LIST)?;
        }
        out.flush()?;
        Ok(Exit::Clean)
    }
}
