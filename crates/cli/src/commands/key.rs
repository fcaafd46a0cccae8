use std::io::{self, Write};

use clap::{Args, Subcommand};
use jiff::{SignedDuration, Timestamp};
use nightlatch_control::{AuditEntry, Control, ControlError, Key as Listed, KeySpec, Role};
use nightlatch_untrusted::terminal;

use crate::{exit::Exit, failure::Failure, say::say, session::Session};

/// The keys of the server: make one, list them, end one
///
/// A key is shown once, when it is made; the server keeps a salted hash. These commands work while the server runs.
#[derive(Debug, Args)]
pub(crate) struct Key {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a key and print it, once
    Create {
        /// What you call it, such as who has it
        #[arg(long, short, value_name = "TEXT")]
        label: String,
        /// What it allows: viewer reads, analyst keeps alerts, operator starts scans, admin keeps keys
        #[arg(long, short, value_name = "ROLE", default_value = "viewer", value_parser = role)]
        role: Role,
        /// When it ends, such as 90d or 12h; without it, never
        #[arg(long, value_name = "TIME", value_parser = length)]
        expires: Option<SignedDuration>,
        /// Requests a minute [default: as the server is configured]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        requests_per_minute: Option<u32>,
        /// Most records one request may return [default: as the server is configured]
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        results_max: Option<u32>,
        /// As a JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the keys: label, role, when made, when it ends, when last used
    List {
        /// One JSON object for each key
        #[arg(long)]
        json: bool,
    },
    /// End a key now, and the sessions that were begun with it
    Revoke {
        /// The id that `key list` shows
        #[arg(value_name = "ID")]
        id: String,
    },
}

impl Key {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let data = session.data_dir()?;
        match &self.action {
            Action::Create { label, role, expires, requests_per_minute, results_max, json } => {
                let now = Timestamp::now();
                let spec = KeySpec {
                    label: label.clone(),
                    role: *role,
                    expires: expires.map(|expires| now.saturating_add(expires)).transpose().ok().flatten(),
                    requests_per_minute: *requests_per_minute,
                    results_max: *results_max,
                };
                let control = open_or_make(session)?;
                let made = control.create_key(&spec, now)?;
                audit(&control, "key.create", &made.key.id, now)?;
                let mut out = io::stdout().lock();
                if *json {
                    let mut value = serde_json::to_value(&made.key).map_err(|e| Failure::bug(&e))?;
                    value["text"] = made.text.into();
                    super::json_line(&value, &mut out)?;
                } else {
                    writeln!(out, "{}", made.text)?;
                    if session.chatty() {
                        say(format_args!(
                            "this is key {} ({}); it is not shown again, so keep it now",
                            made.key.id, made.key.role
                        ));
                    }
                }
                Ok(Exit::Clean)
            }
            Action::List { json } => {
                let keys = if Control::exists(&data) { Control::open(&data)?.keys()? } else { Vec::new() };
                list(&keys, *json)?;
                if keys.is_empty() && session.chatty() {
                    say(
                        "there is no key; `nightlatch serve` makes the first, `nightlatch key create` others",
                    );
                }
                Ok(Exit::Clean)
            }
            Action::Revoke { id } => {
                if !Control::exists(&data) {
                    return Err(ControlError::Unknown { kind: "key", id: id.clone() }.into());
                }
                let control = Control::open(&data)?;
                let now = Timestamp::now();
                // People paste the whole key as well.
                let id = nightlatch_control::key_id(id).unwrap_or(id);
                let done = control.revoke_key(id, now)?;
                audit(&control, "key.revoke", id, now)?;
                if session.chatty() {
                    let what = if done { "is revoked" } else { "was revoked before" };
                    say(format_args!("key {id} {what}"));
                }
                Ok(Exit::Clean)
            }
        }
    }
}

/// The control database of the data directory; made where there is none.
pub(super) fn open_or_make(session: &Session) -> Result<Control, Failure> {
    let data = session.data_dir()?;
    nightlatch_app::private::make_dir(&data).map_err(|error| {
        Failure::from(error).while_doing(format!("cannot make the data directory {}", data.display()))
    })?;
    Ok(Control::open(&data)?)
}

/// Notes what was done on the machine itself.
pub(super) fn audit(control: &Control, action: &str, object: &str, now: Timestamp) -> Result<(), Failure> {
    Ok(control.audit(&AuditEntry {
        time: now,
        key: None,
        label: super::user(),
        source: "console".to_owned(),
        action: action.to_owned(),
        object: object.to_owned(),
        outcome: "done".to_owned(),
    })?)
}

fn list(keys: &[Listed], json: bool) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if json {
        for key in keys {
            super::json_line(key, &mut out)?;
        }
        return Ok(out.flush()?);
    }
    if keys.is_empty() {
        return Ok(());
    }
    let now = Timestamp::now();
    let day = |time: Option<Timestamp>| {
        time.map_or_else(|| "-".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
    };
    writeln!(
        out,
        "{:<8}  {:<8}  {:<8}  {:<10}  {:<10}  {:<10}  LABEL",
        "ID", "ROLE", "STATE", "MADE", "ENDS", "USED"
    )?;
    for key in keys {
        let state = match (key.revoked, key.is_valid(now)) {
            (Some(_), _) => "revoked",
            (None, true) => "valid",
            (None, false) => "expired",
        };
        let label = nightlatch_untrusted::terminal_cut(&key.label, 20);
        writeln!(
            out,
            "{:<8}  {:<8}  {:<8}  {:<10}  {:<10}  {:<10}  {}",
            terminal(&key.id),
            key.role,
            state,
            day(Some(key.created)),
            day(key.expires),
            day(key.last_used),
            label
        )?;
    }
    Ok(out.flush()?)
}

fn role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|error: nightlatch_control::UnknownRole| error.to_string())
}

fn length(text: &str) -> Result<SignedDuration, String> {
    let wrong = || "expected a length of time such as 90d, 12h or 30m".to_owned();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => return Err(wrong()),
    };
    let seconds = number.parse::<i64>().ok().and_then(|number| number.checked_mul(scale));
    seconds
        .filter(|seconds| (60..=100 * 366 * 86_400).contains(seconds))
        .map(SignedDuration::from_secs)
        .ok_or_else(wrong)
}
