//! What a value is: a literal, or a stand-in, a reference, a path, a number.

use crate::{
    entropy,
    words::{ABOUT, ENDINGS_OF_FILES, NOTHING, REFERENCES, STAND_IN_STARTS, STAND_INS, WELL_KNOWN},
};

/// What a literal behind a sensitive name is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Strength {
    /// In every list of default passwords.
    WellKnown,
    /// Written by a person.
    Plain,
    /// Drawn at random.
    Random,
}

/// Judges a value behind the name of a password; nothing when it cannot be one.
pub(crate) fn password(value: &str) -> Option<Strength> {
    if is_well_known(value) {
        return Some(Strength::WellKnown);
    }
    if value.len() < 3 || is_something_else(value) || is_word_about_passwords(value) {
        return None;
    }
    if value.chars().any(char::is_whitespace) || (!value.is_ascii() && value.chars().all(char::is_alphabetic))
    {
        return None;
    }
    Some(if entropy::is_random(value) { Strength::Random } else { Strength::Plain })
}

/// Judges a value behind the name of a key, token or secret. `may_be_reference`: in fields of that name people also
/// write the name of an object, so words joined by dashes do not count.
pub(crate) fn secret(value: &str, may_be_reference: bool) -> Option<Strength> {
    if value.len() < 8
        || is_something_else(value)
        || value.chars().any(char::is_whitespace)
        || !value.is_ascii()
    {
        return None;
    }
    if entropy::is_random(value) {
        return Some(Strength::Random);
    }
    let bytes = value.as_bytes();
    let mut classes = [false; 4];
    bytes.iter().for_each(|&byte| classes[entropy::class(byte) as usize] = true);
    let has_digit_or_case = classes[2] || (classes[0] && classes[1]);
    let mixed = classes.iter().filter(|&&is| is).count() >= 2 || bytes.len() >= 20;
    let is_identifier = is_dotted_identifier(value) || is_camel_words(value);
    if !mixed || is_identifier || (may_be_reference && (!has_digit_or_case || is_object_name(value))) {
        return None;
    }
    Some(Strength::Plain)
}

/// True for everything that stands where a secret would, and is none: nothing, a stand-in, a reference, a path, a
/// boolean, a number, an address.
pub(crate) fn is_something_else(value: &str) -> bool {
    is_placeholder(value) || is_reference(value) || is_path(value) || is_number(value) || is_address(value)
}

/// True for stand-ins: empty, `<your-token>`, `REPLACE_ME`, `xxxx`, `***`, `...example...`, words such as `none`.
pub(crate) fn is_placeholder(value: &str) -> bool {
    let lower = value.trim().to_ascii_lowercase();
    let bytes = lower.as_bytes();
    if bytes.is_empty() || NOTHING.contains(lower.as_str()) || is_wrapped(bytes) {
        return true;
    }
    if bytes.iter().all(|b| matches!(b, b'*' | b'x' | b'.' | b'-' | b'_' | b'#' | b'?' | b'=' | b'/' | b':'))
    {
        return true;
    }
    if bytes.len() >= 4 && entropy::distinct(bytes) == 1 {
        return true;
    }
    let squeezed: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    STAND_INS.iter().any(|word| squeezed.contains(word))
        || STAND_IN_STARTS.iter().any(|word| lower.starts_with(word))
        || is_named_constant(value)
        || PUBLISHED.iter().any(|start| value.starts_with(start))
}

/// `<...>`, `[...]`, `{...}`, `%...%`, `__...__`, `@...@`: filled in later by somebody else.
fn is_wrapped(bytes: &[u8]) -> bool {
    matches!(
        (bytes.first(), bytes.last()),
        (Some(b'<'), Some(b'>'))
            | (Some(b'['), Some(b']'))
            | (Some(b'{'), Some(b'}'))
            | (Some(b'('), Some(b')'))
    ) || (bytes.len() > 2 && matches!((bytes[0], bytes[bytes.len() - 1]), (b'%', b'%') | (b'@', b'@')))
        || (bytes.len() > 4 && bytes.starts_with(b"__") && bytes.ends_with(b"__"))
}

/// `DB_PASSWORD` as a value names a variable.
fn is_named_constant(value: &str) -> bool {
    value.contains('_')
        && value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && !entropy::is_random(value)
        && value.bytes().next().is_some_and(|b| b.is_ascii_uppercase())
}

/// True for values that point to where the secret is, or that were made unreadable on purpose.
pub(crate) fn is_reference(value: &str) -> bool {
    let value = value.trim();
    let lower = value.get(..value.len().min(64)).unwrap_or(value).to_ascii_lowercase();
    value.contains("$(")
        || value.contains("${")
        || value.contains("{{")
        || value.contains("{%")
        || value.contains("<%")
        || value.contains("%(")
        || value.contains("#{")
        || is_shell_variable(value)
        || is_bound_parameter(value)
        || REFERENCES.iter().any(|start| lower.starts_with(start))
        || (value.len() > 200 && value.starts_with("AgA") || value.starts_with("AgB") && value.len() > 200)
}

/// `:name` of SQL.
fn is_bound_parameter(value: &str) -> bool {
    value
        .strip_prefix(':')
        .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
}

/// `$NAME`, and `$1`.
fn is_shell_variable(value: &str) -> bool {
    let Some(name) = value.strip_prefix('$') else { return false };
    !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.'))
        && (name.bytes().next().is_some_and(|b| b.is_ascii_digit() && name.len() == 1)
            || (name.bytes().any(|b| b.is_ascii_alphabetic())
                && !name.contains('$')
                && !entropy::is_random(name)))
}

/// True for files and folders: a leading `/`, `./` or `~`, a drive, a known ending, words between slashes.
pub(crate) fn is_path(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let bytes = value.as_bytes();
    if value.starts_with("./")
        || value.starts_with("../")
        || value.starts_with("~/")
        || lower.starts_with("file:")
    {
        return true;
    }
    if bytes.len() > 2
        && bytes[1] == b':'
        && matches!(bytes[2], b'\\' | b'/')
        && bytes[0].is_ascii_alphabetic()
    {
        return true;
    }
    let parts = value.trim_matches('/').split('/');
    let is_name = |part: &str| {
        part.bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'*' | b':' | b'@'))
            && !entropy::is_random(part)
    };
    if value.contains('/') && !value.contains(['+', '=']) && parts.clone().all(is_name) {
        return true;
    }
    ENDINGS_OF_FILES.iter().any(|ending| lower.ends_with(ending)) && !lower.contains(char::is_whitespace)
}

/// True for numbers, booleans, versions, sizes, spans of time and dates.
pub(crate) fn is_number(value: &str) -> bool {
    let bytes = value.as_bytes();
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return false;
    }
    if bytes
        .iter()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b',' | b':' | b'/' | b' ' | b'_'))
    {
        return true;
    }
    let units = [
        "ms", "us", "ns", "s", "m", "h", "d", "w", "y", "ki", "mi", "gi", "ti", "kb", "mb", "gb", "k", "g",
        "b", "bit", "bits", "bytes", "min", "sec", "days", "%",
    ];
    let lower = value.to_ascii_lowercase();
    let letters_at = lower.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(lower.len());
    if letters_at > 0 && units.contains(&lower[letters_at..].trim()) {
        return true;
    }
    // 1h30m0s
    lower.starts_with(|c: char| c.is_ascii_digit())
        && lower.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'h' | b'm' | b's' | b'd'))
        && lower.ends_with(['h', 'm', 's', 'd'])
        && digits * 2 >= bytes.len()
        && bytes.len() <= 12
}

/// True for host names with a port, addresses without a password, and mail addresses.
fn is_address(value: &str) -> bool {
    if value.contains("://") {
        return true; // A password in it is found as such.
    }
    if let Some((host, port)) = value.rsplit_once(':')
        && !port.is_empty()
        && port.len() <= 5
        && port.bytes().all(|b| b.is_ascii_digit())
        && host.contains('.')
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))
    {
        return true;
    }
    let Some((user, host)) = value.split_once('@') else {
        return value.ends_with(".svc") || value.contains(".svc.");
    };
    let is_name = |text: &str| {
        text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'+'))
    };
    let top = host.rsplit('.').next().unwrap_or("");
    is_name(user)
        && is_name(host)
        && host.contains('.')
        && (2..=6).contains(&top.len())
        && top.bytes().all(|b| b.is_ascii_lowercase())
}

/// `com.example.Class`, `request.headers.token`: three or more words around dots, or two that are plainly code.
pub(crate) fn is_dotted_identifier(value: &str) -> bool {
    let parts: Vec<&str> = value.split('.').collect();
    let is_word = |part: &&str| {
        part.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !entropy::is_random(part)
    };
    parts.len() >= 2 && parts.iter().all(is_word)
}

/// `ServiceAccountToken`, `getAccessToken`: words of letters only.
fn is_camel_words(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphabetic()) && !entropy::is_random(value)
}

/// The name of a Kubernetes object: lower-case words around dashes, perhaps with short numbers.
fn is_object_name(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'))
        && value.contains(['-', '.', '_'])
        && value.split(['-', '.', '_']).all(|part| !entropy::is_random(part))
}

/// What people write where the password is asked for, shown or described.
fn is_word_about_passwords(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    matches!(value, "Password" | "PASSWORD" | "Passwort" | "Secret" | "Token")
        || ABOUT.contains(lower.as_str())
}

/// True for passwords that stand in every list of defaults, with or without digits and signs at their end.
fn is_well_known(value: &str) -> bool {
    if matches!(value, "Password" | "PASSWORD" | "Secret" | "SECRET" | "Test" | "Admin") || value.len() > 40 {
        return false; // Labels.
    }
    let lower = value.to_ascii_lowercase();
    if is_wrapped(value.as_bytes()) || is_named_constant(value) && !lower.starts_with("change") {
        return false;
    }
    if WELL_KNOWN.contains(lower.as_str()) {
        return true;
    }
    if !value.is_ascii() || lower.contains(char::is_whitespace) {
        return false;
    }
    let squeezed: String = lower.chars().filter(|c| !matches!(c, '-' | '_' | '.')).collect();
    let spelled: String =
        squeezed.replace('@', "a").replace("p4ss", "pass").replace('0', "o").replace('$', "s");
    let bare = |text: &str| {
        text.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '!' | '#' | '*' | '?')).to_owned()
    };
    [squeezed, spelled]
        .iter()
        .any(|text| WELL_KNOWN.contains(&bare(text).as_str()) || WELL_KNOWN.contains(text.as_str()))
}

/// How keys begin that their issuer prints in its documentation: the storage emulator of Azure.
const PUBLISHED: &[&str] = &["Eby8vdM02xNOcqFlqUwJPLlmEtlCDX"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_password() {
        for value in [
            "changeme",
            "ChangeMe123!",
            "admin",
            "P@ssw0rd",
            "s3cr3t",
            "my-secret-pw",
            "123456",
            "hunter22",
            "Tr0ub4dor&3",
            "q7Zp2Lm9Xc4Vb1Nk",
            "change-me",
        ] {
            assert!(password(value).is_some(), "{value}");
        }
        for value in [
            "",
            "true",
            "no",
            "3306",
            "15m",
            "1h30m",
            "/etc/secret/password",
            "$(DB_PASSWORD)",
            "${DB_PASSWORD}",
            "$DB_PASSWORD",
            "{{ .Values.password }}",
            "<password>",
            "REPLACE_ME",
            "your-password",
            "xxxxxxxx",
            "********",
            "ENC[AES256_GCM,data:abc]",
            "vault:secret/data/db#password",
            "arn:aws:secretsmanager:eu-west-1:1:secret:x",
            "DB_PASSWORD",
            "Password",
            "string",
            "Enter your password",
            "/run/secrets/db",
            "password.txt",
        ] {
            assert!(password(value).is_none(), "{value}");
        }
    }

    #[test]
    fn what_is_a_secret() {
        for value in ["q7Zp2Lm9Xc4Vb1Nk", "Sup3rSecretValue", "my-super-secret-jwt-key"] {
            assert!(secret(value, false).is_some(), "{value}");
        }
        for value in [
            "my-super-secret-jwt-key",
            "oidc-client-secret",
            "kube-system/token",
            "default-token-abc12",
            "kubernetes",
            "com.example.Token",
            "ServiceAccountToken",
        ] {
            assert!(secret(value, true).is_none(), "{value}");
        }
    }
}
