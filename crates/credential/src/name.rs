//! What the name of a value promises about it.

use std::borrow::Cow;

use crate::words::{
    NEUTRAL, PASS_OF, PREFIXES_OF_OTHERS, RANDOM_KEYS, SECRET_KEYS, SECRETS_OF_OTHERS, SUFFIXES_OF_OTHERS,
    TOKENS_OF_OTHERS,
};

/// How much a name alone says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Promise {
    /// A password: every literal that can be one is.
    Password,
    /// A key, token or secret: a literal of some substance is one.
    Secret,
    /// Could be one: only a value that looks drawn at random counts.
    Random,
    /// `auth` of a registry login: only the base64 of `user:password` counts.
    Login,
}

/// What is known of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Name {
    pub(crate) promise: Promise,
    /// Written like an environment variable (`DB_PASSWORD`), whose value is never the name of an object.
    pub(crate) is_variable: bool,
    /// Speaks of AWS.
    pub(crate) is_aws: bool,
    /// Speaks of an Azure account.
    pub(crate) is_account_key: bool,
    /// The name in small letters and digits only.
    pub(crate) squeezed: String,
}

/// Small letters and digits only.
pub(crate) fn squeeze(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Names longer than this are text, not names.
pub(crate) const NAME_BYTES_MAX: usize = 128;

/// Judges a name; nothing when it promises no credential.
///
/// The last word that names a secret decides, and only words that change nothing may follow it: `DB_PASSWORD_PROD`
/// is a password, `PASSWORD_FILE`, `password_min_length`, `secretName`, `tokenizer` and `server-tokens` are not.
pub(crate) fn judge(name: &str) -> Option<Name> {
    if name.len() > NAME_BYTES_MAX || !may_hold_noun(name) {
        return None;
    }
    let words = words(name);
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    let at = words.iter().rposition(|word| is_noun(word))?;
    let after = &words[at + 1..];
    if after.iter().any(|word| !is_neutral(word) && SUFFIXES_OF_OTHERS.contains(word)) {
        return None;
    }
    let before = &words[..at];
    let mut promise = promise_of(words[at], before)?;
    if before.iter().any(|word| PREFIXES_OF_OTHERS.contains(word)) {
        return None;
    }
    if after.iter().any(|word| !is_neutral(word)) && promise != Promise::Login {
        promise = Promise::Random;
    }
    Some(Name {
        promise,
        is_variable: !name.bytes().any(|b| b.is_ascii_lowercase()),
        is_aws: words.iter().any(|word| word.contains("aws")),
        squeezed: squeeze(name),
        is_account_key: words[at] == "key"
            && matches!(before.last(), Some(&"account" | &"access" | &"storage")),
    })
}

fn promise_of(noun: &str, before: &[&str]) -> Option<Promise> {
    let previous = before.last().copied().unwrap_or("");
    match noun {
        "password" | "passwd" | "passphrase" | "passwort" | "passcode" | "pass" | "requirepass"
        | "masterauth" => Some(Promise::Password),
        // The working directory of a shell.
        "pwd" => (!matches!(previous, "" | "old" | "init" | "orig")).then_some(Promise::Password),
        "token" => (!TOKENS_OF_OTHERS.contains(previous)).then_some(Promise::Secret),
        "secret" if previous.is_empty() => Some(Promise::Random),
        "secret" => (!SECRETS_OF_OTHERS.contains(previous)).then_some(Promise::Secret),
        "key" if SECRET_KEYS.contains(previous) => Some(Promise::Secret),
        "key" if RANDOM_KEYS.contains(previous) => Some(Promise::Random),
        "cookie" => (previous == "erlang").then_some(Promise::Secret),
        "credential" | "credentials" | "creds" | "salt" | "pat" => Some(Promise::Random),
        "auth" => Some(Promise::Login),
        _ => None,
    }
}

/// Splits at punctuation, at a change of case, and where two known words are written as one; all in lower case.
fn words(name: &str) -> Vec<Cow<'_, str>> {
    let mut found = Vec::new();
    for part in name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        let bytes = part.as_bytes();
        let mut start = 0;
        for at in 1..bytes.len() {
            let (a, b) = (bytes[at - 1], bytes[at]);
            let next_is_lower = bytes.get(at + 1).is_some_and(u8::is_ascii_lowercase);
            let up =
                b.is_ascii_uppercase() && (a.is_ascii_lowercase() || a.is_ascii_digit() || next_is_lower);
            let digit =
                b.is_ascii_digit() && !a.is_ascii_digit() && is_noun(&part[start..at].to_ascii_lowercase());
            if up || digit {
                push(&part[start..at], &mut found);
                start = at;
            }
        }
        push(&part[start..], &mut found);
    }
    found
}

fn push<'a>(word: &'a str, found: &mut Vec<Cow<'a, str>>) {
    let word = word.to_ascii_lowercase();
    if is_noun(&word) {
        found.push(word.into());
        return;
    }
    for (ending, parts) in GLUED {
        let Some(rest) = word.strip_suffix(ending) else { continue };
        if rest == "by" || rest == "com" || rest == "tres" {
            break;
        }
        if *ending == "pass" && !PASS_OF.contains(&rest) {
            break;
        }
        if !rest.is_empty() {
            found.push(rest.to_owned().into());
        }
        found.extend(parts.iter().map(|&part| Cow::Borrowed(part)));
        return;
    }
    found.push(word.into());
}

/// False when no word of the name can be a noun: most names are told by this, without being taken apart.
fn may_hold_noun(name: &str) -> bool {
    name.as_bytes().windows(3).any(|bytes| {
        let lower = [bytes[0] | 0x20, bytes[1] | 0x20, bytes[2] | 0x20];
        NOUN_STARTS.contains(&&lower)
    })
}

/// What every noun, and every word written as one with a noun, has in it.
const NOUN_STARTS: &[&[u8; 3]] =
    &[b"pas", b"pwd", b"tok", b"sec", b"key", b"coo", b"cre", b"sal", b"aut", b"pat"];

fn is_noun(word: &str) -> bool {
    NOUNS.contains(&word)
}

/// Words after the noun that change nothing.
fn is_neutral(word: &str) -> bool {
    word.bytes().all(|b| b.is_ascii_digit()) || NEUTRAL.contains(&word)
}

/// Names of secrets.
const NOUNS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "passcode",
    "pass",
    "pwd",
    "requirepass",
    "masterauth",
    "token",
    "secret",
    "key",
    "cookie",
    "credential",
    "credentials",
    "creds",
    "salt",
    "auth",
    "pat",
];

/// Endings of words written as one, longest first where one ends in another, and what they mean.
const GLUED: &[(&str, &[&str])] = &[
    ("password", &["password"]),
    ("passwd", &["password"]),
    ("passphrase", &["passphrase"]),
    ("passwort", &["password"]),
    ("secretaccesskey", &["secret", "access", "key"]),
    ("secretkey", &["secret", "key"]),
    ("accesskey", &["access", "key"]),
    ("apikey", &["api", "key"]),
    ("privatekey", &["private", "key"]),
    ("authkey", &["auth", "key"]),
    ("signingkey", &["signing", "key"]),
    ("encryptionkey", &["encryption", "key"]),
    ("masterkey", &["master", "key"]),
    ("accountkey", &["account", "key"]),
    ("sharedkey", &["shared", "key"]),
    ("accesstoken", &["access", "token"]),
    ("apitoken", &["api", "token"]),
    ("authtoken", &["auth", "token"]),
    ("refreshtoken", &["refresh", "token"]),
    ("bottoken", &["bot", "token"]),
    ("clientsecret", &["client", "secret"]),
    ("appsecret", &["app", "secret"]),
    ("jwtsecret", &["jwt", "secret"]),
    ("pwd", &["pwd"]),
    ("pass", &["pass"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let promise = |name: &str| judge(name).map(|name| name.promise);
        for name in [
            "DB_PASSWORD",
            "dbPassword",
            "PGPASSWORD",
            "spring.datasource.password",
            "MYSQL_PWD",
            "smtpPass",
            "DB_PASSWORD_PROD",
            "requirepass",
            "keystore-password",
            "passwd",
            "redisPassword",
            "PASSWORD1",
            "--db-password",
        ] {
            assert_eq!(promise(name), Some(Promise::Password), "{name}");
        }
        for name in [
            "API_KEY",
            "apiKey",
            "CLIENT_SECRET",
            "authToken",
            "JWT_SECRET",
            "SECRET_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "GITHUB_TOKEN",
            "token",
            "RABBITMQ_ERLANG_COOKIE",
            "X-API-Key",
            "secretKey",
            "_authToken",
        ] {
            let found = promise(name);
            assert!(matches!(found, Some(Promise::Secret | Promise::Random)), "{name} {found:?}");
        }
        for name in [
            "PASSWORD_FILE",
            "password_min_length",
            "secretName",
            "tokenizer",
            "server-tokens",
            "admin_email",
            "token_ttl",
            "PWD",
            "OLDPWD",
            "bypass",
            "compass",
            "primary_key",
            "publicKey",
            "public_key",
            "SECRET_ARN",
            "imagePullSecret",
            "topologyKey",
            "secretKeyRef",
            "automountServiceAccountToken",
            "next_page_token",
            "API_KEY_ID",
            "monkey",
            "passwordPolicy",
            "tokenUrl",
            "author",
            "oauth",
            "keyboard",
            "tokens",
            "MAX_TOKENS",
            "existingSecret",
            "existingSecretPasswordKey",
            "sortKey",
            "tokenReview",
        ] {
            assert_eq!(promise(name).filter(|p| *p != Promise::Login), None, "{name}");
        }
    }

    #[test]
    fn every_word_that_names_a_secret_passes_the_first_look() {
        for word in NOUNS.iter().copied().chain(GLUED.iter().map(|&(ending, _)| ending)) {
            assert!(may_hold_noun(word), "{word}");
            assert!(may_hold_noun(&format!("my_{}", word.to_ascii_uppercase())), "{word}");
        }
        for word in ["", "pa", "DATABASE_HOST", "replicas", "LOG_LEVEL"] {
            assert!(!may_hold_noun(word), "{word}");
        }
    }
}
