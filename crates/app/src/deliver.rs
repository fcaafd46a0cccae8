//! The dispatcher: takes messages from the list, sends them, and notes how it went.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use nightlatch_alert::{Alert, Message, Notifier};
use nightlatch_control::{Delivery, DeliveryState};
use nightlatch_notify::{
    NotifyError, Sent,
    retry::{self, Next},
};
use tokio::task::JoinSet;

use crate::{App, AppError};

/// Messages sent at a time.
const AT_ONCE: u32 = 16;
/// The longest time that usually lies between two tries.
const BETWEEN_TRIES: Duration = Duration::from_secs(6 * 3_600);
/// How often the list is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How a try ended; none when there was nobody to send to.
type Tried = Option<Result<Sent, NotifyError>>;

/// Tries whose end could not be written down, such as on a full disk, by the number of the delivery. They are only
/// noted later, not made again: a receiver would get the same message every second.
#[derive(Default)]
pub(crate) struct Unnoted(Mutex<HashMap<i64, Tried>>);

impl Unnoted {
    fn take(&self, id: i64) -> Option<Tried> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&id)
    }

    fn keep(&self, id: i64, tried: Tried) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id, tried);
    }
}

impl App {
    /// Sends everything that is due.
    pub(crate) async fn deliver_once(self: &Arc<Self>) -> Result<(), AppError> {
        loop {
            let app = self.clone();
            let due =
                self.blocking(move || app.control().due_deliveries(Timestamp::now(), AT_ONCE)).await??;
            if due.is_empty() {
                return Ok(());
            }
            let mut sending = JoinSet::new();
            let mut failed = Ok(());
            for delivery in due {
                let app = self.clone();
                sending.spawn(async move { app.deliver(delivery).await });
            }
            // One that cannot be noted does not break off the others.
            while let Some(done) = sending.join_next().await {
                failed = done.unwrap_or(Err(AppError::Bug)).and(failed);
            }
            failed?;
        }
    }

    async fn deliver(self: Arc<Self>, delivery: Delivery) -> Result<(), AppError> {
        let tried = match self.unnoted.take(delivery.id) {
            Some(tried) => tried,
            None => self.try_once(&delivery).await?,
        };
        let app = self.clone();
        let noted = move || {
            let noted = app.note_delivery(&delivery, &tried);
            if noted.is_err() {
                app.unnoted.keep(delivery.id, tried);
            }
            noted
        };
        self.blocking(noted).await?
    }

    async fn try_once(self: &Arc<Self>, delivery: &Delivery) -> Result<Tried, AppError> {
        let app = self.clone();
        let id = delivery.notifier.clone();
        let notifier = self.blocking(move || app.notifier(&id)).await??;
        let message = serde_json::from_str::<Message>(&delivery.body);
        Ok(match (notifier, message) {
            (Some(notifier), Ok(message)) => Some(self.channels().send(&notifier, &message).await),
            (None, _) | (_, Err(_)) => None,
        })
    }

    fn note_delivery(&self, delivery: &Delivery, tried: &Tried) -> Result<(), AppError> {
        let now = Timestamp::now();
        let error = match tried {
            Some(Ok(_)) => {
                self.control().delivered(delivery.id, now)?;
                tracing::info!(delivery = delivery.id, alert = %delivery.alert, notifier = %delivery.notifier,
                    "a message was delivered");
                return Ok(());
            }
            Some(Err(error)) => error,
            None => {
                let why = "the notifier is not there any more";
                return Ok(self.control().delivery_failed(delivery.id, now, None, why)?);
            }
        };
        let tries = delivery.attempts + 1;
        let due = match retry::next(tries, age(delivery.created, now, tries), error, random_share()) {
            Next::After(wait) => SignedDuration::try_from(wait).ok().map(|wait| now + wait),
            Next::Dead => None,
        };
        let why = error.to_string();
        self.control().delivery_failed(delivery.id, now, due, &why)?;
        tracing::warn!(delivery = delivery.id, alert = %delivery.alert, notifier = %delivery.notifier, why,
            again = due.is_some(), "a message was not delivered");
        Ok(())
    }

    /// A notifier by its id, `default` of the configuration included.
    ///
    /// # Errors
    /// When the control database cannot be read.
    pub fn notifier(&self, id: &str) -> Result<Option<Notifier>, AppError> {
        if let Some(default) = self.channels().default_notifier().filter(|default| default.id == id) {
            return Ok(Some(default));
        }
        Ok(self.control().get::<Notifier>(id)?)
    }

    /// All notifiers, that of the configuration first.
    ///
    /// # Errors
    /// When the control database cannot be read.
    pub fn notifiers(&self) -> Result<Vec<Notifier>, AppError> {
        let mut all: Vec<Notifier> = self.channels().default_notifier().into_iter().collect();
        all.extend(self.control().all::<Notifier>()?);
        Ok(all)
    }

    /// Sends a test message of an alert to each of its notifiers, once, now. What each answered, by notifier.
    ///
    /// # Errors
    /// [`AppError::Unknown`] when there is no such alert, [`AppError::Invalid`] when it has no notifier.
    pub async fn test_alert(
        self: &Arc<Self>,
        id: &str,
    ) -> Result<Vec<(Notifier, Result<Sent, NotifyError>)>, AppError> {
        let (app, name) = (self.clone(), id.to_owned());
        let alert = self.blocking(move || app.control().get::<Alert>(&name)).await??;
        let alert = alert.ok_or_else(|| AppError::Unknown { kind: "alert", id: id.to_owned() })?;
        if alert.notifiers.is_empty() {
            return Err(AppError::Invalid(format!("alert `{id}` has no notifier: nobody would be told")));
        }
        let message = Message::test(&alert, Timestamp::now());
        let mut answers = Vec::new();
        for notifier in &alert.notifiers {
            let (app, name) = (self.clone(), notifier.clone());
            if let Some(notifier) = self.blocking(move || app.notifier(&name)).await?? {
                let answer = self.channels().send(&notifier, &message).await;
                answers.push((notifier, answer));
            }
        }
        Ok(answers)
    }

    /// What could not be delivered, newest first.
    ///
    /// # Errors
    /// When the control database cannot be read.
    pub fn dead_letters(&self, limit: u32) -> Result<Vec<Delivery>, AppError> {
        Ok(self.control().deliveries(Some(DeliveryState::Dead), None, limit)?)
    }
}

/// For how long a message has been tried: not the time for which the server was off or the clock was wrong, as far as
/// the number of tries shows it.
fn age(created: Timestamp, now: Timestamp, tries: u32) -> Duration {
    let age = Duration::try_from(now.duration_since(created)).unwrap_or_default();
    age.min(BETWEEN_TRIES.saturating_mul(tries))
}

/// From 0 to 1; without randomness the later time.
fn random_share() -> f64 {
    let mut byte = [0; 1];
    match getrandom::fill(&mut byte) {
        Ok(()) => f64::from(byte[0]) / 255.0,
        Err(_) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_clock_that_jumps_nor_a_server_that_was_off_makes_a_message_old() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-11-26T12:00:00Z");
        for (created, tries, hours) in [
            ("2026-11-26T10:00:00Z", 1, 2),
            ("2030-01-01T00:00:00Z", 3, 0),
            ("2026-11-01T00:00:00Z", 1, 6),
            ("2026-11-01T00:00:00Z", 20, 120),
        ] {
            assert_eq!(
                age(at(created), now, tries).as_secs() / 3_600,
                hours,
                "{created}, tried {tries} times"
            );
        }
    }
}
