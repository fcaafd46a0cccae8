//! Lists of words, one a line in `words/`: what names and values are made of.

use std::{collections::HashSet, sync::LazyLock};

/// What `pass` may be glued to.
pub(crate) static PASS_OF: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words/pass-of.txt").lines().collect());

/// Words after the noun that change nothing.
pub(crate) static NEUTRAL: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words/neutral.txt").lines().collect());

/// Words after the noun that make the value something else: a place, a name, a measure, a switch.
pub(crate) static SUFFIXES_OF_OTHERS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words/suffixes-of-others.txt").lines().collect());

/// Words before the noun that make the value something else.
pub(crate) static PREFIXES_OF_OTHERS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words/prefixes-of-others.txt").lines().collect());

/// Words right before `token` that make it something else than a secret.
pub(crate) static TOKENS_OF_OTHERS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words/tokens-of-others.txt").lines().collect());

/// Words right before `secret` that make it the name of an object.
pub(crate) static SECRETS_OF_OTHERS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words/secrets-of-others.txt").lines().collect());

/// Words right before `key` that make it a secret.
pub(crate) static SECRET_KEYS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words/secret-keys.txt").lines().collect());

/// Words right before `key` that may make it one.
pub(crate) static RANDOM_KEYS: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words/random-keys.txt").lines().collect());

/// Passwords that products ship with and people never change.
pub(crate) static WELL_KNOWN: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words/well-known.txt").lines().collect());

/// Words that say there is no value.
pub(crate) static NOTHING: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words/nothing.txt").lines().collect());

/// Words about passwords and how they are kept, which are not passwords.
pub(crate) static ABOUT: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("words/about.txt").lines().collect());

/// Words that stand-ins contain, letters and digits only.
pub(crate) static STAND_INS: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("words/stand-ins.txt").lines().collect());

/// How stand-ins begin.
pub(crate) static STAND_IN_STARTS: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("words/stand-in-starts.txt").lines().collect());

/// How references begin, in lower case.
pub(crate) static REFERENCES: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("words/references.txt").lines().collect());

/// Endings of file names.
pub(crate) static ENDINGS_OF_FILES: LazyLock<Vec<&str>> =
    LazyLock::new(|| include_str!("words/endings-of-files.txt").lines().collect());
