use std::io::{self, Write};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use nightlatch_alert::{Alert as Definition, Message, Notifier};
use nightlatch_control::{Control, ControlError};
use nightlatch_notify::Channels;
use nightlatch_untrusted::{terminal, terminal_cut};
use serde_json::json;

use crate::{config::Config, exit::Exit, failure::Failure, say::say, session::Session};

/// The alerts of the server: list them, try whether their messages arrive
///
/// Alerts are made in the pages of `nightlatch serve`, by its API, or with `shodan alert create`.
#[derive(Debug, Args)]
pub(crate) struct Alert {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the alerts
    List {
        /// One JSON object for each alert
        #[arg(long)]
        json: bool,
    },
    /// Send a test message to every notifier of an alert, now; exit code 3 when one does not take it
    Test {
        /// The id that `alert list` shows
        #[arg(value_name = "ID")]
        id: String,
        /// One JSON object for each notifier
        #[arg(long)]
        json: bool,
    },
}

impl Alert {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let data = session.data_dir()?;
        match &self.action {
            Action::List { json } => {
                let alerts: Vec<Definition> =
                    if Control::exists(&data) { Control::open(&data)?.all()? } else { Vec::new() };
                list(&alerts, *json)?;
                if alerts.is_empty() && session.chatty() {
                    say("there is no alert; make one in the pages of `nightlatch serve`");
                }
                Ok(Exit::Clean)
            }
            Action::Test { id, json } => {
                let unknown = || ControlError::Unknown { kind: "alert", id: id.clone() };
                if !Control::exists(&data) {
                    return Err(unknown().into());
                }
                let control = Control::open(&data)?;
                let alert = control.get::<Definition>(id)?.ok_or_else(unknown)?;
                let channels = Channels::new(&Config::read(&data)?.notify)
                    .map_err(|error| Failure::from_error(Exit::Usage, &error))?;
                test(&alert, &control, &channels, *json)
            }
        }
    }
}

fn list(alerts: &[Definition], json: bool) -> Result<(), Failure> {
    let now = Timestamp::now();
    let mut out = io::BufWriter::new(io::stdout().lock());
    if json {
        for alert in alerts {
            super::json_line(&alert.shape(now, &[]), &mut out)?;
        }
        return Ok(out.flush()?);
    }
    if alerts.is_empty() {
        return Ok(());
    }
    writeln!(out, "{:<16}  {:<8}  {:<9}  {:<24}  TRIGGERS", "ID", "STATE", "NOTIFIERS", "NAME")?;
    for alert in alerts {
        let state = if alert.expired(now) { "expired" } else { "on" };
        let triggers: Vec<&str> = alert.triggers.keys().map(|trigger| trigger.as_str()).collect();
        writeln!(
            out,
            "{:<16}  {:<8}  {:>9}  {:<24}  {}",
            alert.id.as_str(),
            state,
            alert.notifiers.len(),
            terminal_cut(alert.name.raw(), 24),
            terminal_cut(&triggers.join(","), 13)
        )?;
    }
    Ok(out.flush()?)
}

fn test(alert: &Definition, control: &Control, channels: &Channels, json: bool) -> Result<Exit, Failure> {
    if alert.notifiers.is_empty() {
        return Err(Failure::usage(format!("alert {} has no notifier: nobody would be told", alert.id))
            .hint("add one in the pages, or with the API"));
    }
    let message = Message::test(alert, Timestamp::now());
    let runtime = super::runtime()?;
    let mut out = io::stdout().lock();
    let mut failed = false;
    for id in &alert.notifiers {
        let known = channels.default_notifier().filter(|default| default.id == *id);
        let notifier = match known {
            Some(notifier) => Some(notifier),
            None => control.get::<Notifier>(id)?,
        };
        let answer = match &notifier {
            None => Err("it is not there any more".to_owned()),
            Some(notifier) => {
                runtime.block_on(channels.send(notifier, &message)).map_err(|error| error.to_string())
            }
        };
        failed |= answer.is_err();
        let provider = notifier.as_ref().map_or("unknown", |notifier| notifier.provider.as_str());
        match answer {
            Ok(sent) if json => {
                let value =
                    json!({"notifier": id, "provider": provider, "delivered": true, "answer": sent.answer});
                super::json_line(&value, &mut out)?;
            }
            Err(why) if json => {
                let value = json!({"notifier": id, "provider": provider, "delivered": false, "answer": why});
                super::json_line(&value, &mut out)?;
            }
            Ok(sent) => {
                writeln!(out, "{} ({provider}): delivered, {}", terminal(id), terminal(&sent.answer))?
            }
            Err(why) => writeln!(out, "{} ({provider}): NOT delivered, {}", terminal(id), terminal(&why))?,
        }
    }
    Ok(if failed { Exit::World } else { Exit::Clean })
}
