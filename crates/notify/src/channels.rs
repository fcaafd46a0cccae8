use std::fmt;

use nightlatch_alert::{Message, Notifier, Provider};

use crate::{
    NotifyError, Secret, Settings, SettingsError, address::Policy, email, email::Email, file::Files,
    http::Http, pagerduty, slack, syslog::Syslog, telegram, tls::client_config, webhook,
};

/// The ways that the configuration offers, ready to be used from many tasks.
#[derive(Clone)]
pub struct Channels {
    settings: Settings,
    http: Http,
    webhook_secret: Option<Secret>,
    email: Option<Email>,
    syslog: Option<Syslog>,
    files: Option<Files>,
}

/// A message that was delivered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sent {
    /// How the receiver answered, in a few words without secrets, such as `204 from hooks.example.com`.
    pub answer: String,
}

impl Channels {
    /// Checks the settings, and reads the files and variables that they name. Nothing is dialled.
    ///
    /// # Errors
    /// [`SettingsError`] with the first setting that cannot be used.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        Self::with_environment(settings, &|name| std::env::var(name).ok())
    }

    /// As [`Channels::new`], with another environment.
    ///
    /// # Errors
    /// As [`Channels::new`].
    pub fn with_environment(
        settings: &Settings,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, SettingsError> {
        let webhook = &settings.webhook;
        let tls = client_config("notify.webhook.ca_file", webhook.ca_file.as_deref())?;
        let http = Http::new(tls, Policy::new(&webhook.allow));
        // A private address that is refused today may be allowed tomorrow; a text that is no address may not.
        for (setting, url) in [
            ("notify.pagerduty.base_url", &settings.pagerduty.base_url),
            ("notify.telegram.base_url", &settings.telegram.base_url),
        ] {
            if let Err(NotifyError::Config(why)) = http.read_url(url) {
                return Err(SettingsError::Value { setting, why: format!("is wrong: {why}") });
            }
        }
        let smtp = settings.smtp.as_ref();
        if smtp.and_then(|smtp| smtp.default_to.as_deref()).is_some_and(|to| email::receivers(to).is_err()) {
            let why = "is no mail address, or several separated by commas".to_owned();
            return Err(SettingsError::Value { setting: "notify.smtp.default_to", why });
        }
        Ok(Self {
            webhook_secret: Secret::from_settings(
                ("notify.webhook.secret_file", "notify.webhook.secret_env"),
                webhook.secret_file.as_deref(),
                webhook.secret_env.as_deref(),
                environment,
            )?,
            email: smtp.map(|smtp| Email::new(smtp, environment)).transpose()?,
            syslog: settings.syslog.as_ref().map(Syslog::new).transpose()?,
            files: settings.file.as_ref().map(|file| Files::new(&file.directory)).transpose()?,
            settings: settings.clone(),
            http,
        })
    }

    /// The providers that can be used, in the order of the catalogue. What is not here is not to be listed.
    pub fn providers(&self) -> impl Iterator<Item = Provider> {
        Provider::ALL.into_iter().filter(|provider| self.offers(*provider))
    }

    /// Whether the configuration offers `provider`.
    pub fn offers(&self, provider: Provider) -> bool {
        match provider {
            Provider::Webhook | Provider::Slack | Provider::Pagerduty | Provider::Telegram => true,
            Provider::Email => self.email.is_some(),
            Provider::Syslog => self.syslog.is_some(),
            Provider::File => self.files.is_some(),
        }
    }

    /// The notifier `default`, a mail, where the configuration says to whom.
    pub fn default_notifier(&self) -> Option<Notifier> {
        let to = self.settings.smtp.as_ref()?.default_to.clone()?;
        Some(Notifier {
            id: "default".to_owned(),
            provider: Provider::Email,
            description: "the receivers that the configuration names".into(),
            args: [("to", to)].into_iter().collect(),
        })
    }

    /// Checks a notifier before it is kept: its arguments, whether the provider is offered, and whether its address
    /// is one that would be refused anyhow.
    ///
    /// # Errors
    /// [`NotifyError`] with a text for whoever typed it; no value is repeated.
    pub fn check(&self, notifier: &Notifier) -> Result<(), NotifyError> {
        if !self.offers(notifier.provider) {
            return Err(NotifyError::NotConfigured(notifier.provider));
        }
        notifier.check().map_err(|e| NotifyError::Config(e.to_string()))?;
        let argument = |name| notifier.args.get(name).unwrap_or_default();
        match notifier.provider {
            Provider::Webhook => self.http.read_url(argument("url")).map(drop),
            Provider::Slack => self.http.read_url(argument("webhook_url")).map(drop),
            Provider::Email => email::receivers(argument("to")).map(drop),
            Provider::Pagerduty | Provider::Syslog | Provider::File | Provider::Telegram => Ok(()),
        }
    }

    /// Tries once to deliver `message`; ends within 30 seconds.
    ///
    /// # Errors
    /// [`NotifyError`]; [`crate::retry::next`] says what follows.
    pub async fn send(&self, notifier: &Notifier, message: &Message) -> Result<Sent, NotifyError> {
        // What was kept before a rule existed, or edited by hand, is held to it as well.
        notifier.check().map_err(|e| NotifyError::Config(e.to_string()))?;
        let args = &notifier.args;
        let absent = || NotifyError::NotConfigured(notifier.provider);
        let answer = match notifier.provider {
            Provider::Webhook => webhook::send(&self.http, args, self.webhook_secret.as_ref(), message).await,
            Provider::Slack => slack::send(&self.http, args, message).await,
            Provider::Pagerduty => pagerduty::send(&self.http, &self.settings.pagerduty, args, message).await,
            Provider::Telegram => telegram::send(&self.http, &self.settings.telegram, args, message).await,
            Provider::Email => self.email.as_ref().ok_or_else(absent)?.send(args, message).await,
            Provider::Syslog => self.syslog.as_ref().ok_or_else(absent)?.send(message).await,
            Provider::File => self.files.as_ref().ok_or_else(absent)?.send(args, message).await,
        };
        answer.map(|answer| Sent { answer })
    }

    /// The same with another limit of time for requests, for tests of slow receivers.
    #[cfg(test)]
    pub(crate) fn within(self, limit: std::time::Duration) -> Self {
        Self { http: self.http.within(limit), ..self }
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.providers().map(Provider::as_str)).finish()
    }
}

#[cfg(test)]
mod tests;
