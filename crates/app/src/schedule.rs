//! Schedules: what is scanned again and again, when, and when not.

mod blackout;
mod every;

pub use blackout::Blackout;
pub use every::Every;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use nightlatch_asset::RunId;
use nightlatch_control::Kept;
use serde::{Deserialize, Serialize};

use crate::{App, AppError, Origin, RunSpec};

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 64;

/// What is scanned again and again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Its name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// How often: `"6h"`, `"30m"`, `"1d"`, or a crontab line such as `"30 2 * * mon-fri"`.
    pub every: Every,
    /// Time zone of the crontab line and of the blackouts, such as `Europe/Berlin`.
    #[serde(default = "utc")]
    pub timezone: String,
    /// Addresses, blocks, ranges, names; empty for everything that the scope lists.
    #[serde(default)]
    pub targets: Vec<String>,
    /// Addresses, blocks and ranges to leave out.
    #[serde(default)]
    pub exclude: Vec<String>,
    /// Ports and products, as `nightlatch scan --ports` takes them; absent for every port of the catalogue.
    #[serde(default)]
    pub ports: Option<String>,
    /// Connections a second.
    #[serde(default)]
    pub rate: Option<u32>,
    /// Connections a second to one /24 (IPv4) or /64 (IPv6).
    #[serde(default)]
    pub rate_per_network: Option<u32>,
    /// When nothing is sent: `"mon-fri 08:00-18:00"`, `"22:00-06:00"`. A run that meets one is stopped, and goes on
    /// after it.
    #[serde(default)]
    pub blackout: Vec<Blackout>,
    /// False to leave it in place and not begin it.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}

fn yes() -> bool {
    true
}

impl Kept for Schedule {
    const KIND: &'static str = "schedule";

    fn id(&self) -> &str {
        &self.name
    }
}

/// What became of a schedule so far.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ScheduleState {
    /// The schedule.
    pub name: String,
    /// From when on it counts: when it was first seen.
    pub since: Timestamp,
    /// When it last began a run.
    pub last_begun: Option<Timestamp>,
    /// That run.
    pub last_run: Option<RunId>,
    /// Why the last attempt to begin one failed.
    pub last_error: Option<String>,
}

impl Kept for ScheduleState {
    const KIND: &'static str = "schedule-state";

    fn id(&self) -> &str {
        &self.name
    }
}

/// Steps of the clock that are not worth a word.
const STEP_MAX: SignedDuration = SignedDuration::from_mins(5);

impl ScheduleState {
    /// The state without what is still to come at `now`; none when it is right as it is. A clock that ran ahead when a
    /// run began and was then set right would otherwise keep the schedule silent until that time has come.
    fn set_right(&self, now: Timestamp) -> Option<Self> {
        let is_ahead = |time: Timestamp| time.duration_since(now) > STEP_MAX;
        if !is_ahead(self.since) && !self.last_begun.is_some_and(is_ahead) {
            return None;
        }
        let last_begun = self.last_begun.map(|last| last.min(now));
        Some(Self { since: self.since.min(now), last_begun, ..self.clone() })
    }
}

/// A schedule with what is known about it.
#[derive(Clone, Debug, Serialize)]
pub struct ScheduleStanding {
    /// The schedule.
    pub schedule: Schedule,
    /// Whether it comes from the configuration file, and cannot be changed here.
    pub configured: bool,
    /// What became of it so far.
    pub state: ScheduleState,
    /// When it begins its next run; absent when it is not enabled or never will.
    pub next: Option<Timestamp>,
    /// Whether a blackout holds it at the moment.
    pub blackout: bool,
}

impl Schedule {
    /// Checks what a type cannot say.
    ///
    /// # Errors
    /// [`AppError::Invalid`] with what is wrong.
    pub fn check(&self, app: &App) -> Result<(), AppError> {
        self.check_itself()?;
        self.spec().check(&app.scope(), app.catalogue())
    }

    /// As [`Schedule::check`], without looking at scope and fingerprints.
    ///
    /// # Errors
    /// As [`Schedule::check`].
    pub fn check_itself(&self) -> Result<(), AppError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || !self.name.chars().all(plain) {
            return Err(AppError::Invalid(format!(
                "the name of a schedule has 1 to {NAME_BYTES_MAX} letters, digits, `-`, `_` or `.`"
            )));
        }
        let zone = self.zone()?;
        self.every.check(&zone)
    }

    /// What it scans.
    pub fn spec(&self) -> RunSpec {
        RunSpec {
            targets: self.targets.clone(),
            exclude: self.exclude.clone(),
            ports: self.ports.clone(),
            rate: self.rate,
            rate_per_network: self.rate_per_network,
        }
    }

    /// When it is due after it last began, or after it was first seen. A time that has passed is due now, once,
    /// however many were missed.
    ///
    /// # Errors
    /// [`AppError::Invalid`] when the time zone is not known.
    pub fn next(&self, state: &ScheduleState) -> Result<Option<Timestamp>, AppError> {
        if !self.enabled {
            return Ok(None);
        }
        Ok(self.every.next(state.last_begun, state.since, &self.zone()?))
    }

    /// Whether nothing may be sent at `now`.
    ///
    /// # Errors
    /// As [`Schedule::next`].
    pub fn is_blacked_out(&self, now: Timestamp) -> Result<bool, AppError> {
        let zoned = now.to_zoned(self.zone()?);
        Ok(self.blackout.iter().any(|blackout| blackout.covers(&zoned)))
    }

    fn zone(&self) -> Result<TimeZone, AppError> {
        TimeZone::get(&self.timezone).map_err(|_| {
            AppError::Invalid(format!(
                "`{}` is no time zone, expected a name such as Europe/Berlin or UTC",
                nightlatch_untrusted::terminal_cut(&self.timezone, 40)
            ))
        })
    }
}

impl App {
    /// All schedules: those of the configuration file, then those made by people.
    ///
    /// # Errors
    /// When the control database cannot be read.
    pub fn schedules(&self) -> Result<Vec<ScheduleStanding>, AppError> {
        let now = Timestamp::now();
        let configured = self.settings().schedules.iter().cloned().map(|schedule| (schedule, true));
        let made = self.control().all::<Schedule>()?.into_iter();
        let hidden = |name: &str| self.settings().schedules.iter().any(|known| known.name == name);
        let made = made.filter(|schedule| !hidden(&schedule.name)).map(|schedule| (schedule, false));
        configured
            .chain(made)
            .map(|(schedule, configured)| {
                let state = match self.control().get::<ScheduleState>(&schedule.name)? {
                    Some(state) => match state.set_right(now) {
                        None => state,
                        Some(state) => {
                            self.control().put(&state, now)?;
                            state
                        }
                    },
                    None => {
                        let state = ScheduleState {
                            name: schedule.name.clone(),
                            since: now,
                            ..ScheduleState::default()
                        };
                        self.control().put(&state, now)?;
                        state
                    }
                };
                let next = schedule.next(&state)?;
                let blackout = schedule.is_blacked_out(now)?;
                Ok(ScheduleStanding { schedule, configured, state, next, blackout })
            })
            .collect()
    }

    /// Keeps a schedule that somebody made.
    ///
    /// # Errors
    /// [`AppError::Invalid`] with what is wrong, [`AppError::Conflict`] for a name of the configuration file.
    pub fn keep_schedule(&self, schedule: &Schedule) -> Result<(), AppError> {
        schedule.check(self)?;
        if self.settings().schedules.iter().any(|known| known.name == schedule.name) {
            return Err(AppError::Conflict(format!(
                "schedule `{}` stands in nightlatch.toml; change it there",
                schedule.name
            )));
        }
        Ok(self.control().put(schedule, Timestamp::now())?)
    }

    /// Forgets a schedule that somebody made; its runs stay.
    ///
    /// # Errors
    /// [`AppError::Unknown`], [`AppError::Conflict`] for one of the configuration file.
    pub fn forget_schedule(&self, name: &str) -> Result<(), AppError> {
        if self.settings().schedules.iter().any(|known| known.name == name) {
            return Err(AppError::Conflict(format!(
                "schedule `{name}` stands in nightlatch.toml; remove it there"
            )));
        }
        if !self.control().remove::<Schedule>(name)? {
            return Err(AppError::Unknown { kind: "schedule", id: name.to_owned() });
        }
        self.control().remove::<ScheduleState>(name)?;
        Ok(())
    }

    /// Begins what is due, stops what meets a blackout, and goes on with what a blackout stopped.
    pub(crate) async fn keep_schedules(self: &Arc<Self>) -> Result<(), AppError> {
        let now = Timestamp::now();
        let app = self.clone();
        let standings = self.blocking(move || app.schedules()).await??;
        let live = self.live_runs();
        for standing in standings {
            let name = &standing.schedule.name;
            let origin = Origin::Schedule(name.clone());
            let mine: Vec<_> = live.iter().filter(|run| run.origin == origin).collect();
            if standing.blackout {
                mine.iter().for_each(|run| self.pause_run(&run.id));
                continue;
            }
            if !mine.is_empty() {
                // A run that takes longer than its schedule is not begun twice.
                continue;
            }
            let paused = self.paused_runs(name)?;
            if let Some(run) = paused.first() {
                if let Err(error) = self.resume_run(run, origin).await {
                    tracing::warn!(schedule = %name, run = %run, error = %error, "a run cannot be gone on with");
                    self.forget_paused(run)?;
                }
                continue;
            }
            if standing.next.is_some_and(|next| next <= now) {
                self.begin_scheduled(&standing, origin, now).await?;
            }
        }
        Ok(())
    }

    async fn begin_scheduled(
        self: &Arc<Self>,
        standing: &ScheduleStanding,
        origin: Origin,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let name = &standing.schedule.name;
        let begun = self.start_run(&standing.schedule.spec(), origin, &format!("schedule {name}")).await;
        let mut state = standing.state.clone();
        state.last_begun = Some(now);
        match begun {
            Ok(run) => {
                tracing::info!(schedule = %name, run = %run, "a scheduled run begins");
                state.last_run = Some(run);
                state.last_error = None;
            }
            Err(error) => {
                tracing::error!(schedule = %name, error = %error, "a scheduled run cannot begin");
                state.last_error = Some(error.to_string());
            }
        }
        Ok(self.control().put(&state, now)?)
    }
}

/// How often schedules are looked at.
pub(crate) const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(every: &str) -> Schedule {
        serde_json::from_value(serde_json::json!({ "name": "s", "every": every })).unwrap()
    }

    #[test]
    fn a_clock_that_jumps_neither_silences_a_schedule_nor_begins_it_twice() {
        let begun = |last: &str| ScheduleState {
            name: "s".into(),
            since: at("2026-01-01T00:00:00Z"),
            last_begun: Some(at(last)),
            ..ScheduleState::default()
        };
        for (every, last, now, next) in [
            // The clock was four years ahead when it last began.
            ("6h", "2030-01-01T00:00:00Z", "2026-11-26T12:00:00Z", "2026-11-26T18:00:00Z"),
            ("0 12 * * *", "2030-01-01T12:00:00Z", "2026-11-26T12:00:00Z", "2026-11-27T12:00:00Z"),
            // A small step back is none: noon does not come twice.
            ("0 12 * * *", "2026-11-26T12:00:02Z", "2026-11-26T11:59:58Z", "2026-11-27T12:00:00Z"),
            ("6h", "2026-11-26T12:00:02Z", "2026-11-26T11:59:58Z", "2026-11-26T18:00:02Z"),
            // A jump forward, or a long time off, is due at once, and once.
            ("6h", "2026-11-20T00:00:00Z", "2026-11-26T12:00:00Z", "2026-11-20T06:00:00Z"),
        ] {
            let (state, now) = (begun(last), at(now));
            let state = state.set_right(now).unwrap_or(state);
            assert_eq!(
                schedule(every).next(&state).unwrap(),
                Some(at(next)),
                "{every} after {last} at {now}"
            );
        }
    }

    #[test]
    fn what_was_seen_first_in_a_wrong_future_counts_from_now() {
        let now = at("2026-11-26T12:00:00Z");
        let state = ScheduleState { since: at("2031-01-01T00:00:00Z"), ..ScheduleState::default() };
        let state = state.set_right(now).unwrap();
        assert_eq!(schedule("1d").next(&state).unwrap(), Some(now), "the first is due at once");
        assert!(state.set_right(now).is_none(), "once is enough");
    }
}
