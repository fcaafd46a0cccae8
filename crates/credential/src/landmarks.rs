//! Credentials with a landmark in their middle or in front: what is looked for, and how it is read.

use crate::{Confidence, Detection, Kind, entropy};

/// A fixed text (compared without case) and the reader of what stands around it.
pub(crate) struct Landmark {
    pub(crate) text: &'static str,
    /// Reads around the byte at which the landmark begins.
    pub(crate) read: fn(&str, usize) -> Option<Detection>,
}

pub(crate) const LANDMARKS: &[Landmark] = &[
    Landmark { text: "Q~", read: azure_client_secret },
    Landmark { text: "AZDO", read: azure_devops },
    Landmark { text: ".atlasv1.", read: terraform },
    Landmark { text: "NRAL", read: new_relic_license },
    Landmark { text: ":AA", read: telegram },
    Landmark { text: "-us", read: mailchimp },
    Landmark { text: "sig=", read: azure_sas },
    Landmark { text: "hooks.slack.com/", read: slack_webhook },
    Landmark { text: "/api/webhooks/", read: discord_webhook },
    Landmark { text: ".office.com/webhookb2/", read: teams_webhook },
    Landmark { text: "$2a$", read: bcrypt },
    Landmark { text: "$2b$", read: bcrypt },
    Landmark { text: "$2y$", read: bcrypt },
    Landmark { text: "$1$", read: crypt },
    Landmark { text: "$5$", read: crypt },
    Landmark { text: "$6$", read: crypt },
    Landmark { text: "$y$", read: crypt },
    Landmark { text: "$apr1$", read: crypt },
    Landmark { text: "$argon2", read: argon2 },
    Landmark { text: "{SSHA", read: ldap_hash },
    Landmark { text: "pbkdf2_sha256$", read: crypt },
];

/// How many bytes before `at` are of the alphabet, counted to `max + 1`.
fn run_before(text: &str, at: usize, max: usize, alphabet: fn(u8) -> bool) -> usize {
    text.as_bytes()[..at].iter().rev().take(max + 1).take_while(|b| alphabet(**b)).count()
}

/// How many bytes from `at` on are of the alphabet, counted to `max + 1`.
fn run_after(text: &str, at: usize, max: usize, alphabet: fn(u8) -> bool) -> usize {
    let bytes = text.as_bytes().get(at..).unwrap_or(&[]);
    bytes.iter().take(max + 1).take_while(|b| alphabet(**b)).count()
}

fn word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}
fn hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}
fn digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}
fn azure(byte: u8) -> bool {
    word(byte) || matches!(byte, b'.' | b'~')
}
fn crypt_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'/' | b'$' | b'=' | b',' | b'+')
}

fn has(text: &str, at: usize, exact: &str) -> bool {
    text.as_bytes().get(at..).is_some_and(|rest| rest.starts_with(exact.as_bytes()))
}

fn found(kind: Kind, text: &str, start: usize, end: usize, confidence: Confidence) -> Option<Detection> {
    text.get(start..end).map(|_| Detection::new(kind, text, start..end, confidence))
}

/// Three characters, a digit, `Q~`, 31 to 34 characters.
fn azure_client_secret(text: &str, at: usize) -> Option<Detection> {
    if !has(text, at, "Q~")
        || run_before(text, at, 4, azure) != 4
        || !text.as_bytes()[at - 1].is_ascii_digit()
    {
        return None;
    }
    let after = run_after(text, at + 2, 34, azure);
    let body = text.get(at - 4..at + 2 + after)?;
    ((31..=34).contains(&after) && entropy::bits_per_byte(body) > 3.5)
        .then(|| found(Kind::AzureClientSecret, text, at - 4, at + 2 + after, Confidence::High))?
}

/// 76 letters and digits, `AZDO`, 4 more.
fn azure_devops(text: &str, at: usize) -> Option<Detection> {
    let alnum = |b: u8| b.is_ascii_alphanumeric();
    let before = run_before(text, at, 76, alnum);
    let after = run_after(text, at, 8, alnum);
    (has(text, at, "AZDO") && before == 76 && after == 8)
        .then(|| found(Kind::AzureDevopsToken, text, at - 76, at + 8, Confidence::High))?
}

/// 14 characters, `.atlasv1.`, 60 to 70 characters.
fn terraform(text: &str, at: usize) -> Option<Detection> {
    let before = run_before(text, at, 14, |b| b.is_ascii_alphanumeric());
    let after = run_after(text, at + 9, 70, |b| word(b) || b == b'=');
    (has(text, at, ".atlasv1.") && before == 14 && (60..=70).contains(&after))
        .then(|| found(Kind::TerraformToken, text, at - 14, at + 9 + after, Confidence::High))?
}

/// 36 hexadecimal digits before `NRAL`.
fn new_relic_license(text: &str, at: usize) -> Option<Detection> {
    let before = run_before(text, at, 36, hex);
    let ends = run_after(text, at + 4, 1, word) == 0;
    (has(text, at, "NRAL") && before == 36 && ends)
        .then(|| found(Kind::NewRelicKey, text, at - 36, at + 4, Confidence::High))?
}

/// 8 to 10 digits, a colon, 35 characters that begin with `AA`.
fn telegram(text: &str, at: usize) -> Option<Detection> {
    if !has(text, at, ":AA") {
        return None;
    }
    let before = run_before(text, at, 10, digit);
    let after = run_after(text, at + 1, 35, word);
    let body = text.get(at + 1..at + 1 + after)?;
    let clean =
        at == before || !word(text.as_bytes()[at - before - 1]) || text[..at - before].ends_with("bot");
    ((8..=10).contains(&before) && after == 35 && clean && entropy::distinct(body.as_bytes()) > 8)
        .then(|| found(Kind::TelegramToken, text, at - before, at + 36, Confidence::High))?
}

/// 32 hexadecimal digits before `-us` and a number.
fn mailchimp(text: &str, at: usize) -> Option<Detection> {
    let before = run_before(text, at, 32, |b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let digits = run_after(text, at + 3, 2, digit);
    let body = text.get(at.checked_sub(32)?..at)?;
    (has(text, at, "-us") && before == 32 && (1..=2).contains(&digits) && entropy::is_random(body))
        .then(|| found(Kind::MailchimpKey, text, at - 32, at + 3 + digits, Confidence::High))?
}

/// The signature of a shared access signature: base64 of 32 bytes, percent-encoded, beside a version and an expiry.
fn azure_sas(text: &str, at: usize) -> Option<Detection> {
    let before = text.as_bytes().get(at.checked_sub(1)?)?;
    if !matches!(before, b'&' | b'?' | b';' | b' ') {
        return None;
    }
    let after =
        run_after(text, at + 4, 120, |b| b.is_ascii_alphanumeric() || matches!(b, b'%' | b'+' | b'/' | b'='));
    let signature = text.get(at + 4..at + 4 + after)?;
    let ends = signature.ends_with("%3D") || signature.ends_with("%3d") || signature.ends_with('=');
    if after < 43 || !ends {
        return None;
    }
    let from = crate::pem::floor(text, at.saturating_sub(400));
    let to = crate::pem::floor(text, (at + 400).min(text.len()));
    let around = &text[from..to];
    let is_sas = ["sv=", "se=", "SharedAccessSignature", "sr="].iter().any(|mark| around.contains(mark));
    is_sas.then(|| found(Kind::AzureSas, text, at + 4, at + 4 + after, Confidence::High))?
}

/// `https://hooks.slack.com/services/T.../B.../` and 24 characters; workflows have a longer form.
fn slack_webhook(text: &str, at: usize) -> Option<Detection> {
    let after = run_after(text, at, 200, |b| word(b) || matches!(b, b'.' | b'/'));
    let parts: Vec<&str> = text.get(at..at + after)?.split('/').collect();
    let [_, route, team, hook, rest @ ..] = parts.as_slice() else { return None };
    let known = matches!(*route, "services" | "workflows" | "triggers");
    let drawn = rest.last()?;
    let fits =
        team.len() >= 9 && hook.len() >= 9 && drawn.len() >= 20 && entropy::distinct(drawn.as_bytes()) > 6;
    (known && fits).then(|| found(Kind::SlackWebhook, text, at, at + after, Confidence::High))?
}

/// `discord.com/api/webhooks/`, a number, 60 characters or more.
fn discord_webhook(text: &str, at: usize) -> Option<Detection> {
    let host = &text[crate::pem::floor(text, at.saturating_sub(20))..at];
    let start = at + "/api/webhooks/".len();
    let id = run_after(text, start, 20, digit);
    let secret = run_after(text, start + id + 1, 100, word);
    let is_discord = host.ends_with("discord.com") || host.ends_with("discordapp.com");
    let fits = (17..=20).contains(&id) && secret >= 60 && has(text, start + id, "/");
    (is_discord && fits)
        .then(|| found(Kind::DiscordWebhook, text, start, start + id + 1 + secret, Confidence::High))?
}

/// Two identifiers and 32 hexadecimal digits between slashes.
fn teams_webhook(text: &str, at: usize) -> Option<Detection> {
    let after = run_after(text, at, 300, |b| word(b) || matches!(b, b'.' | b'/' | b'@'));
    let address = text.get(at..at + after)?;
    let drawn = address.split('/').nth(4)?;
    (address.contains("/IncomingWebhook/") && drawn.len() == 32 && drawn.bytes().all(hex))
        .then(|| found(Kind::TeamsWebhook, text, at, at + after, Confidence::High))?
}

/// `$2b$`, a cost, `$`, 53 characters.
fn bcrypt(text: &str, at: usize) -> Option<Detection> {
    let after = run_after(text, at, 60, crypt_byte);
    let hash = text.get(at..at + after)?;
    (after == 60 && hash.as_bytes().get(6) == Some(&b'$') && entropy::distinct(hash.as_bytes()) > 16)
        .then(|| hash_found(text, at, after))
}

/// `$id$salt$digest` of crypt(5), and Django's form.
fn crypt(text: &str, at: usize) -> Option<Detection> {
    let after = run_after(text, at, 250, crypt_byte);
    let hash = text.get(at..at + after)?;
    let (_, rest) = hash.trim_start_matches('$').split_once('$')?;
    let (salt, digest) = rest.rsplit_once('$')?;
    let starts = at == 0 || !text.as_bytes()[at - 1].is_ascii_alphanumeric();
    (starts && !salt.is_empty() && digest.len() >= 22 && entropy::distinct(digest.as_bytes()) > 10)
        .then(|| hash_found(text, at, after))
}

fn argon2(text: &str, at: usize) -> Option<Detection> {
    let after = run_after(text, at, 300, |b| crypt_byte(b) || b == b'-');
    let hash = text.get(at..at + after)?;
    (hash.matches('$').count() >= 4 && hash.contains("m=") && after > 60).then(|| hash_found(text, at, after))
}

/// `{SSHA}` and its relatives of LDAP, RFC 2307.
fn ldap_hash(text: &str, at: usize) -> Option<Detection> {
    let end = text.as_bytes().get(at..)?.iter().take(10).position(|&b| b == b'}')?;
    let after =
        run_after(text, at + end + 1, 200, |b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
    (end <= 8 && after >= 28).then(|| hash_found(text, at, end + 1 + after))
}

fn hash_found(text: &str, at: usize, length: usize) -> Detection {
    Detection::new(Kind::PasswordHash, text, at..at + length, Confidence::Low)
}
