use std::{collections::BTreeMap, fmt};

use nightlatch_asset::Text;
use serde::{Deserialize, Serialize};

use crate::{NotifierShape, word::one_spelling};

/// Longest value of an argument, in bytes.
pub const ARGUMENT_BYTES_MAX: usize = 2_048;
/// Longest description, in bytes.
const DESCRIPTION_BYTES_MAX: usize = 200;
/// Most addresses of one mail.
const MAIL_ADDRESSES_MAX: usize = 20;
/// Shortest secret that a webhook is signed with, in bytes.
const SECRET_BYTES_MIN: usize = 16;
/// What stands for a secret that is not shown.
const HIDDEN: &str = "(hidden)";

/// Where messages can go.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Provider {
    /// A request to an address of the user's.
    Webhook,
    /// A chat that takes Slack's incoming webhooks.
    Slack,
    /// A mail.
    Email,
    /// PagerDuty, Events API v2.
    Pagerduty,
    /// A collector of logs, RFC 5424 over TLS.
    Syslog,
    /// A file in the directory that the configuration names.
    File,
    /// A chat of Telegram, by a bot.
    Telegram,
}

/// What the catalogue says about a provider.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProviderInfo {
    /// The provider.
    pub provider: Provider,
    /// The one name, as in Shodan's API.
    pub name: &'static str,
    /// Arguments without which nothing can be sent.
    pub required: &'static [&'static str],
    /// Arguments that may be left out.
    pub optional: &'static [&'static str],
    /// Arguments that are never shown in full.
    pub secret: &'static [&'static str],
    /// One sentence for people.
    pub description: &'static str,
}

impl Provider {
    /// All providers.
    pub const ALL: [Self; 7] =
        [Self::Webhook, Self::Slack, Self::Email, Self::Pagerduty, Self::Syslog, Self::File, Self::Telegram];

    /// Every provider with its arguments, in the order of [`Provider`].
    pub const CATALOGUE: [ProviderInfo; 7] = [
        ProviderInfo {
            provider: Self::Webhook,
            name: "webhook",
            required: &["url"],
            optional: &["secret"],
            secret: &["url", "secret"],
            description: "Posts the banner as JSON to an address; signed when there is a secret.",
        },
        ProviderInfo {
            provider: Self::Slack,
            name: "slack",
            required: &["webhook_url"],
            optional: &[],
            secret: &["webhook_url"],
            description: "Writes into a channel of Slack, or of a chat that takes Slack's webhooks.",
        },
        ProviderInfo {
            provider: Self::Email,
            name: "email",
            required: &["to"],
            optional: &[],
            secret: &[],
            description: "Sends a mail; several addresses are separated by commas.",
        },
        ProviderInfo {
            provider: Self::Pagerduty,
            name: "pagerduty",
            required: &["routing_key"],
            optional: &[],
            secret: &["routing_key"],
            description: "Triggers an incident at PagerDuty (Events API v2).",
        },
        ProviderInfo {
            provider: Self::Syslog,
            name: "syslog",
            required: &[],
            optional: &[],
            secret: &[],
            description: "Sends to the collector of logs that the configuration names, over TLS.",
        },
        ProviderInfo {
            provider: Self::File,
            name: "file",
            required: &["name"],
            optional: &[],
            secret: &[],
            description: "Appends one line of JSON to a file in the directory that the configuration names.",
        },
        ProviderInfo {
            provider: Self::Telegram,
            name: "telegram",
            required: &["chat_id", "token"],
            optional: &[],
            secret: &["token"],
            description: "Writes into a chat of Telegram, by a bot of yours.",
        },
    ];

    /// What the catalogue says about it.
    pub const fn info(self) -> &'static ProviderInfo {
        &Self::CATALOGUE[self as usize]
    }

    /// The one spelling.
    pub const fn as_str(self) -> &'static str {
        self.info().name
    }
}

one_spelling!(Provider, "provider");

/// Arguments of a notifier by name. Some are secrets: `Debug` shows names only, and what is shown to people comes
/// from [`Notifier::shape`].
#[derive(Clone, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Args(BTreeMap<String, String>);

impl Args {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Args {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Args {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// One way to reach somebody.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Notifier {
    /// Its identifier: letters and digits, or `default`.
    pub id: String,
    /// Where it sends.
    pub provider: Provider,
    /// What somebody wrote about it.
    #[serde(default)]
    pub description: Text,
    /// Its arguments.
    #[serde(default)]
    pub args: Args,
}

/// Why a notifier was refused. Values are not repeated: they may be secrets.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum NotifierError {
    /// An argument is missing.
    #[error("provider `{provider}` needs the argument `{argument}`")]
    Missing {
        /// The provider.
        provider: Provider,
        /// The argument.
        argument: &'static str,
    },
    /// An argument that the provider does not have.
    #[error("provider `{provider}` has no argument `{}`; it takes {}", nightlatch_untrusted::terminal_cut(.argument, 40), taken(*.provider))]
    Unknown {
        /// The provider.
        provider: Provider,
        /// The argument as given.
        argument: String,
    },
    /// A value of the wrong shape.
    #[error("the argument `{argument}` of provider `{provider}` {why}")]
    Value {
        /// The provider.
        provider: Provider,
        /// The argument.
        argument: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The description is too long.
    #[error("a description has at most {DESCRIPTION_BYTES_MAX} bytes")]
    Description,
}

fn taken(provider: Provider) -> String {
    let info = provider.info();
    let names = [info.required, info.optional].concat();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl Notifier {
    /// Checks the arguments against the catalogue.
    ///
    /// # Errors
    /// [`NotifierError`] with the first argument that is wrong; it never repeats a value.
    pub fn check(&self) -> Result<(), NotifierError> {
        let provider = self.provider;
        let info = provider.info();
        if self.description.raw().len() > DESCRIPTION_BYTES_MAX {
            return Err(NotifierError::Description);
        }
        for argument in info.required {
            if self.args.get(argument).is_none_or(|value| value.trim().is_empty()) {
                return Err(NotifierError::Missing { provider, argument });
            }
        }
        for (name, value) in self.args.iter() {
            let known = [info.required, info.optional].concat();
            let Some(argument) = known.into_iter().find(|known| *known == name) else {
                return Err(NotifierError::Unknown { provider, argument: name.chars().take(64).collect() });
            };
            if let Some(why) = wrong_with(provider, argument, value) {
                return Err(NotifierError::Value { provider, argument, why });
            }
        }
        Ok(())
    }

    /// The notifier in the shape of Shodan's API, without its secrets: of an address, scheme and host stay.
    pub fn shape(&self) -> NotifierShape {
        let secret = self.provider.info().secret;
        let shown = |(name, value): (&str, &str)| {
            let value = if secret.contains(&name) { hidden(value) } else { value.to_owned() };
            (name.to_owned(), value)
        };
        NotifierShape {
            id: self.id.clone(),
            provider: self.provider,
            description: self.description.clone(),
            args: self.args.iter().map(shown).collect(),
        }
    }
}

/// A secret as it may be shown: of an address, what stands before its path.
fn hidden(value: &str) -> String {
    let Some((scheme, rest)) = value.split_once("://") else { return HIDDEN.to_owned() };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}/{HIDDEN}")
}

/// What is wrong with a value, as far as its text tells.
fn wrong_with(provider: Provider, argument: &str, value: &str) -> Option<&'static str> {
    if value.len() > ARGUMENT_BYTES_MAX {
        return Some("is longer than 2048 bytes");
    }
    if value.chars().any(nightlatch_untrusted::is_dangerous) {
        return Some("holds a control character");
    }
    match (provider, argument) {
        (Provider::Webhook, "url") | (Provider::Slack, "webhook_url") => wrong_with_url(value),
        (Provider::Webhook, "secret") if value.len() < SECRET_BYTES_MIN => Some("is shorter than 16 bytes"),
        (Provider::Email, "to") => wrong_with_addresses(value),
        (Provider::Pagerduty, "routing_key") => {
            let right = value.len() <= 64 && value.bytes().all(|b| b.is_ascii_alphanumeric());
            (!right).then_some("is not a key of letters and digits")
        }
        (Provider::File, "name") => wrong_with_file_name(value),
        (Provider::Telegram, "token") => {
            let right = value.split_once(':').is_some_and(|(bot, secret)| {
                !bot.is_empty()
                    && bot.bytes().all(|b| b.is_ascii_digit())
                    && !secret.is_empty()
                    && secret.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
            });
            (!right || value.len() > 100).then_some("is no token of a bot such as 123456:ABC-def")
        }
        (Provider::Telegram, "chat_id") => {
            let number = value.strip_prefix('-').unwrap_or(value);
            let name = value.strip_prefix('@').unwrap_or_default();
            let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
            let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            (!(is_number || is_name) || value.len() > 64).then_some("is no number or @name of a chat")
        }
        _ => None,
    }
}

fn wrong_with_url(value: &str) -> Option<&'static str> {
    let Some(rest) = value.strip_prefix("https://").or_else(|| value.strip_prefix("http://")) else {
        return Some("does not begin with https:// or http://");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Some("names no host");
    }
    if authority.contains('@') {
        return Some("holds a user name or password, which belongs elsewhere");
    }
    (value.contains([' ', '\\', '"', '<', '>']) || !value.is_ascii())
        .then_some("holds a character that no address holds")
}

fn wrong_with_addresses(value: &str) -> Option<&'static str> {
    let addresses: Vec<&str> = value.split(',').map(str::trim).collect();
    if addresses.len() > MAIL_ADDRESSES_MAX {
        return Some("has more than 20 addresses");
    }
    let right = |address: &&str| {
        let plain = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~.-".contains(c);
        address.rsplit_once('@').is_some_and(|(local, domain)| {
            !local.is_empty()
                && local.len() <= 64
                && !domain.is_empty()
                && domain.len() <= 255
                && local.chars().all(plain)
                && domain.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '.')
        })
    };
    (!addresses.iter().all(right)).then_some("is no mail address such as soc@example.com")
}

fn wrong_with_file_name(value: &str) -> Option<&'static str> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    let right = value.len() <= 100 && !value.starts_with(['.', '-']) && value.bytes().all(plain);
    (!right).then_some("is no plain file name of letters, digits, dots, dashes and underscores")
}

#[cfg(test)]
mod tests;
