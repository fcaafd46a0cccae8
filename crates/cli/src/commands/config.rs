use std::{io, path::PathBuf};

use clap::{Args, Subcommand, ValueHint};
use nightlatch_app::private;
use nightlatch_notify::Channels;
use serde_json::json;

use crate::{
    catalogue, config::Config as Configuration, exit::Exit, failure::Failure, say::say, session::Session,
};

/// The configuration file: check it before the server meets it
#[derive(Debug, Args)]
pub(crate) struct Config {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write a configuration file with every setting, its meaning and its usual value
    Init {
        /// Configuration file [default: nightlatch.toml in the data directory]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        config: Option<PathBuf>,
    },
    /// Read the file and the environment, and everything they name; exit code 2 with the first mistake
    Check {
        /// Configuration file [default: nightlatch.toml in the data directory]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        config: Option<PathBuf>,
        /// As a JSON object
        #[arg(long)]
        json: bool,
    },
}

impl Config {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        match &self.action {
            Action::Init { config } => init(session, config.clone()),
            Action::Check { config, json } => Self::check(session, config.as_ref(), *json),
        }
    }

    fn check(session: &Session, config: Option<&PathBuf>, json: bool) -> Result<Exit, Failure> {
        let data = session.data_dir()?;
        let path = config.cloned().unwrap_or_else(|| Configuration::path(&data));
        let read = Configuration::read_file(&path, config.is_some())?;
        let catalogue = catalogue::embedded()?;
        let scope = super::scope::ScopeFile::default().read(session)?;
        check(&read, &scope, &catalogue)?;
        let there = path.exists();
        if json {
            let value = json!({
                "file": path.display().to_string(), "exists": there,
                "listen": read.server.listen.to_string(), "schedules": read.schedule.len(),
            });
            super::json_line(&value, &mut io::stdout().lock())?;
        } else if there {
            say(format_args!("{}: ok", path.display()));
        } else {
            say(format_args!("{} does not exist: everything is as usual", path.display()));
        }
        Ok(Exit::Clean)
    }
}

fn init(session: &Session, path: Option<PathBuf>) -> Result<Exit, Failure> {
    let path = match path {
        Some(path) => path,
        None => {
            let data = session.data_dir()?;
            private::make_dir(&data)?;
            Configuration::path(&data)
        }
    };
    let failed = |error: io::Error| {
        let exists = error.kind() == io::ErrorKind::AlreadyExists;
        let failure = Failure::from(error).while_doing(format!("cannot write {}", path.display()));
        if exists { failure.hint("it is there already, and stays as it is") } else { failure }
    };
    private::create_whole(&path, crate::config::TEMPLATE.as_bytes()).map_err(failed)?;
    if session.chatty() {
        say(format_args!("wrote {}; edit it, then `nightlatch config check`", path.display()));
    }
    Ok(Exit::Clean)
}

/// Everything that can be wrong without a server running.
pub(super) fn check(
    config: &Configuration,
    scope: &nightlatch_scope::Scope,
    catalogue: &nightlatch_fingerprint::Catalogue,
) -> Result<Channels, Failure> {
    config.server.check().map_err(|error| {
        Failure::from_error(Exit::Usage, &error).while_doing("[server] of the configuration")
    })?;
    let channels = Channels::new(&config.notify).map_err(|error| {
        Failure::from_error(Exit::Usage, &error).while_doing("[notify] of the configuration")
    })?;
    config.names.resolver()?;
    config.enricher()?;
    let mut names = std::collections::BTreeSet::new();
    for schedule in &config.schedule {
        let place =
            || format!("schedule `{}` of the configuration", nightlatch_untrusted::terminal(&schedule.name));
        let checked = schedule.check_itself().and_then(|()| schedule.spec().check(scope, catalogue));
        checked.map_err(|error| Failure::from_error(Exit::Usage, &error).while_doing(place()))?;
        if !names.insert(&schedule.name) {
            return Err(Failure::usage(format!("{}: the name is given twice", place())));
        }
    }
    Ok(channels)
}
