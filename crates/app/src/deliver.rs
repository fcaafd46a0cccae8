//! The dispatcher: takes messages from the list, sends them, and notes how it went.

use std::{sync::Arc, time::Duration};

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
/// How often the list is looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);

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
            for delivery in due {
                let app = self.clone();
                sending.spawn(async move { app.deliver(delivery).await });
            }
            while let Some(done) = sending.join_next().await {
                done.map_err(|_| AppError::Bug)??;
            }
        }
    }

    async fn deliver(self: Arc<Self>, delivery: Delivery) -> Result<(), AppError> {
        let app = self.clone();
        let id = delivery.notifier.clone();
        let notifier = self.blocking(move || app.notifier(&id)).await??;
        let message = serde_json::from_str::<Message>(&delivery.body);
        let result = match (notifier, message) {
            (Some(notifier), Ok(message)) => Some(self.channels().send(&notifier, &message).await),
            (None, _) | (_, Err(_)) => None,
        };
        let app = self.clone();
        self.blocking(move || app.note_delivery(&delivery, result)).await?
    }

    fn note_delivery(
        &self,
        delivery: &Delivery,
        result: Option<Result<Sent, NotifyError>>,
    ) -> Result<(), AppError> {
        let now = Timestamp::now();
        let error = match result {
            Some(Ok(_)) => {
                tracing::info!(delivery = delivery.id, alert = %delivery.alert, notifier = %delivery.notifier,
                    "a message was delivered");
                return Ok(self.control().delivered(delivery.id, now)?);
            }
            Some(Err(error)) => error,
            None => {
                let why = "the notifier is not there any more";
                return Ok(self.control().delivery_failed(delivery.id, now, None, why)?);
            }
        };
        let age = now.duration_since(delivery.created).unsigned_abs();
        let due = match retry::next(delivery.attempts + 1, age, &error, random_share()) {
            Next::After(wait) => SignedDuration::try_from(wait).ok().map(|wait| now + wait),
            Next::Dead => None,
        };
        let why = error.to_string();
        tracing::warn!(delivery = delivery.id, alert = %delivery.alert, notifier = %delivery.notifier, why,
            again = due.is_some(), "a message was not delivered");
        Ok(self.control().delivery_failed(delivery.id, now, due, &why)?)
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

/// From 0 to 1; without randomness the later time.
fn random_share() -> f64 {
    let mut byte = [0; 1];
    match getrandom::fill(&mut byte) {
        Ok(()) => f64::from(byte[0]) / 255.0,
        Err(_) => 1.0,
    }
}
