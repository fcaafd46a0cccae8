//! The search: one pass of an automaton over the text, and a reader for whatever it stops at.

use std::{ops::Range, sync::LazyLock};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::{
    Confidence, Detection, Kind, address, assignment, entropy, jwt,
    landmarks::LANDMARKS,
    name::{self, Name, Promise},
    pem,
    shapes::{self, SHAPES},
    value::{self, Strength},
};

/// What the automaton stopped at.
#[derive(Clone, Copy, Debug)]
enum Hit {
    Shape(usize),
    Landmark(usize),
    Pem,
    PemBase64,
    JsonWebToken,
    Auths,
    Address,
    Dsn,
    Basic,
    Bearer,
    IdentifiedBy,
    Name,
}

/// Parts of names that may promise a credential.
const NAME_PARTS: &[&str] =
    &["pass", "pwd", "secret", "token", "key", "auth", "credential", "creds", "cookie", "salt"];

struct Automaton {
    search: AhoCorasick,
    hits: Vec<Hit>,
}

static AUTOMATON: LazyLock<Automaton> = LazyLock::new(|| {
    let mut patterns: Vec<&str> = Vec::new();
    let mut hits = Vec::new();
    let mut add = |pattern, hit| {
        patterns.push(pattern);
        hits.push(hit);
    };
    SHAPES.iter().enumerate().for_each(|(index, shape)| add(shape.start, Hit::Shape(index)));
    LANDMARKS.iter().enumerate().for_each(|(index, mark)| add(mark.text, Hit::Landmark(index)));
    jwt::AUTHS_BASE64.iter().for_each(|start| add(start, Hit::Auths));
    NAME_PARTS.iter().for_each(|part| add(part, Hit::Name));
    for (pattern, hit) in [
        (pem::BEGIN, Hit::Pem),
        (pem::BEGIN_BASE64, Hit::PemBase64),
        ("eyJ", Hit::JsonWebToken),
        ("://", Hit::Address),
        ("@tcp(", Hit::Dsn),
        ("@unix(", Hit::Dsn),
        ("basic ", Hit::Basic),
        ("bearer ", Hit::Bearer),
        ("identified by ", Hit::IdentifiedBy),
    ] {
        add(pattern, hit);
    }
    let search = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::DFA))
        .build(&patterns)
        .expect("a few hundred short patterns make an automaton");
    Automaton { search, hits }
});

/// Endings of files in a programming language: what is not in quotes there is code.
const CODE: &[&str] = &[
    "py",
    "js",
    "mjs",
    "cjs",
    "ts",
    "tsx",
    "jsx",
    "go",
    "java",
    "rb",
    "lua",
    "php",
    "pl",
    "c",
    "h",
    "cc",
    "cpp",
    "rs",
    "pm",
    "pod",
    "pyi",
    "groovy",
    "kt",
    "scala",
    "cs",
    "swift",
    "tf",
    "hcl",
    "rego",
    "cue",
    "jsonnet",
    "libsonnet",
    "vue",
    "tpl",
    "gotmpl",
    "html",
];

/// Finds the credentials in a text of any notation. See [`crate::scan_text`].
pub(crate) fn scan(text: &str, file_name: Option<&str>) -> Vec<Detection> {
    let ending = file_name.and_then(|name| name.rsplit_once('.')).map(|(_, ending)| ending);
    let is_code = ending.is_some_and(|ending| CODE.iter().any(|code| ending.eq_ignore_ascii_case(code)));
    let mut scanner = Scanner { text, is_code, names_from: 0, found: Vec::new() };
    let automaton = &*AUTOMATON;
    for found in automaton.search.find_overlapping_iter(text) {
        scanner.visit(automaton.hits[found.pattern().as_usize()], found.start());
        if scanner.found.len() >= FOUND_MAX {
            break;
        }
    }
    settle(scanner.found)
}

/// More than this many credentials in one text are a list of them: the rest is not named one by one.
const FOUND_MAX: usize = 10_000;

struct Scanner<'t> {
    text: &'t str,
    is_code: bool,
    /// Names and values before this byte were read.
    names_from: usize,
    found: Vec<Detection>,
}

impl Scanner<'_> {
    fn visit(&mut self, hit: Hit, at: usize) {
        let text = self.text;
        let found = match hit {
            Hit::Shape(index) => shapes::read(&SHAPES[index], text, at),
            Hit::Landmark(index) => (LANDMARKS[index].read)(text, at),
            Hit::Pem => self.pem(at),
            Hit::PemBase64 => pem::read_base64(text, at),
            Hit::JsonWebToken => jwt::read(text, at),
            Hit::Auths => jwt::read_auths(text, at),
            Hit::Address => address::read(text, at),
            Hit::Dsn => address::read_dsn(text, at),
            Hit::Basic => address::read_basic(text, at),
            Hit::Bearer => address::read_bearer(text, at),
            Hit::IdentifiedBy => self.identified_by(at),
            Hit::Name => return self.name(at),
        };
        let Some(found) = found else { return };
        if found.kind == Kind::AwsAccessKeyId {
            self.found.extend(aws_secret_beside(text, &found.span));
        }
        self.found.push(found);
    }

    /// A key of a Google Cloud service account is a private key in a JSON object that says so.
    fn pem(&self, at: usize) -> Option<Detection> {
        let mut found = pem::read(self.text, at)?;
        let from = pem::floor(self.text, at.saturating_sub(600));
        let to = pem::floor(self.text, (found.span.end + 600).min(self.text.len()));
        let around = &self.text[from..to];
        if around.contains("private_key_id")
            || around.contains("service_account") && around.contains("client_email")
        {
            found.kind = Kind::GcpServiceAccountKey;
        }
        Some(found)
    }

    /// `IDENTIFIED BY 'password'` of SQL.
    fn identified_by(&self, at: usize) -> Option<Detection> {
        let start = at + "identified by ".len();
        let rest = pem::clip(self.text.get(start..)?, assignment::VALUE_BYTES_MAX);
        let quote = rest.chars().next().filter(|c| *c == '\'')?;
        let end = rest[1..].find([quote, '\n'])? + 1;
        let value = &rest[1..end];
        Some(generic(self.text, start + 1..start + end, value::password(value)?))
    }

    /// A name that may promise a credential: read the whole of it, then what follows.
    fn name(&mut self, at: usize) {
        if at < self.names_from {
            return;
        }
        let bytes = self.text.as_bytes();
        let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
        // To the left a slash belongs to the name: `checksum/secret` is no secret.
        let behind = bytes[self.names_from..at].iter().rev().take(name::NAME_BYTES_MAX);
        let before = behind.take_while(|b| is_name(b) || **b == b'/').count();
        let after = bytes[at..].iter().take_while(|b| is_name(b)).count();
        let span = at - before..at + after;
        self.names_from = span.end;
        let span = without_escape(bytes, span);
        if is_variable(bytes, &span) {
            return;
        }
        let Some(known) = self.text.get(span.clone()).and_then(name::judge) else { return };
        let Some(assigned) = assignment::value_of(self.text, &span) else { return };
        if !assigned.is_quoted && !assigned.begins_line {
            self.names_from = self.names_from.max(assigned.span.end);
        }
        if let Some(mut found) = self.assigned(&known, &span, &assigned) {
            found.name = Some(span);
            self.found.push(found);
        }
    }

    fn assigned(
        &self,
        known: &Name,
        name: &Range<usize>,
        assigned: &assignment::Assigned,
    ) -> Option<Detection> {
        let text = self.text;
        let value = text.get(assigned.span.clone())?;
        if !assigned.is_quoted {
            let next = text.as_bytes().get(assigned.span.end);
            let is_call = value.contains('(') && (self.is_code || is_call(value)) || next == Some(&b'(');
            let is_code = self.is_code
                || is_call
                || value::is_dotted_identifier(value)
                || value.contains("::")
                || value.contains("->");
            let is_argument =
                !assigned.begins_line && text.get(name.clone()).is_some_and(|name| name.ends_with(value));
            let is_read = value.starts_with('$') && value[1..].starts_with(|c: char| c.is_ascii_alphabetic());
            let is_word = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase());
            let is_flag =
                text.as_bytes()[assigned.span.start - 1] == b' ' && text[name.clone()].starts_with('-');
            let is_sentence =
                is_flag && is_word(value) && value::password(value) != Some(Strength::WellKnown);
            if is_code || is_argument || is_read || is_sentence || is_prose(text, name, assigned) {
                return None;
            }
        }
        judge(text, known, assigned.span.clone())
    }
}

/// True for `${NAME` and `"$NAME"`: the name is read there, not given a value.
fn is_variable(bytes: &[u8], name: &Range<usize>) -> bool {
    let before = &bytes[..name.start];
    before.ends_with(b"${") || (before.ends_with(b"$") && matches!(bytes.get(name.end), Some(b'"' | b'\'')))
}

/// `read(`, `os.getenv(`: an identifier, then a parenthesis.
fn is_call(value: &str) -> bool {
    let Some((before, _)) = value.split_once('(') else { return false };
    !before.is_empty() && before.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':'))
}

/// A colon in the middle of a sentence: `set the token: once`. Only values of some substance count there.
fn is_prose(text: &str, name: &Range<usize>, assigned: &assignment::Assigned) -> bool {
    if assigned.begins_line || text.as_bytes()[..assigned.span.start].last() != Some(&b' ') {
        return false;
    }
    let between = &text[name.end..assigned.span.start];
    let value = &text[assigned.span.clone()];
    between.trim() == ":" && value.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'.' | b'-' | b'_'))
}

/// Leaves out the letter of an escaped `\n` or `\t` in front of a name.
fn without_escape(bytes: &[u8], span: Range<usize>) -> Range<usize> {
    let escaped = span.start > 0 && bytes[span.start - 1] == b'\\' && span.len() > 1;
    let letter = matches!(bytes.get(span.start), Some(b'n' | b't' | b'r'));
    if escaped && letter { span.start + 1..span.end } else { span }
}

/// Judges the value at `span` behind a name that promises something.
pub(crate) fn judge(text: &str, name: &Name, span: Range<usize>) -> Option<Detection> {
    let value = text.get(span.clone())?;
    if value.len() > assignment::VALUE_BYTES_MAX {
        return None;
    }
    if let Some(default) = default_of(value) {
        return judge(text, name, span.start + default.start..span.start + default.end);
    }
    if let Some(found) = vendor(text, name, span.clone(), value) {
        return Some(found);
    }
    match name.promise {
        Promise::Password => Some(generic(text, span, value::password(value)?)),
        Promise::Secret => {
            // `CLIENT_SECRET: client-secret` says nothing.
            if name.squeezed.ends_with(&name::squeeze(value)) {
                return None;
            }
            let strength = value::secret(value, !name.is_variable)?;
            let confidence = if strength == Strength::Random { Confidence::High } else { Confidence::Low };
            Some(Detection::new(Kind::Secret, text, span, confidence))
        }
        Promise::Random => {
            (entropy::is_random(value) && value.len() >= 16 && !value::is_something_else(value))
                .then(|| Detection::new(Kind::Secret, text, span, Confidence::Medium))
        }
        Promise::Login => {
            jwt::basic_pair(value).map(|_| Detection::new(Kind::RegistryAuth, text, span, Confidence::High))
        }
    }
}

fn generic(text: &str, span: Range<usize>, strength: Strength) -> Detection {
    let (kind, confidence) = match strength {
        Strength::WellKnown => (Kind::WeakPassword, Confidence::Medium),
        Strength::Plain => (Kind::Password, Confidence::Medium),
        Strength::Random => (Kind::Password, Confidence::High),
    };
    Detection::new(kind, text, span, confidence)
}

/// Secrets whose shape alone says little, and the name the rest.
fn vendor(text: &str, name: &Name, span: Range<usize>, value: &str) -> Option<Detection> {
    let is_base64 = value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='));
    if !is_base64 || value::is_placeholder(value) {
        return None;
    }
    let kind = match value.len() {
        40 if name.is_aws && entropy::is_random(value) => Kind::AwsSecretKey,
        88 if name.is_account_key && value.ends_with("==") => Kind::AzureStorageKey,
        _ => return None,
    };
    Some(Detection::new(kind, text, span, Confidence::High))
}

/// The literal in `${NAME:-literal}`, `${NAME-literal}`, `${NAME:=literal}` (shell, Compose) and `${name:literal}`
/// (Spring), when the value is nothing else.
fn default_of(value: &str) -> Option<Range<usize>> {
    let inside = value.strip_prefix("${")?.strip_suffix('}')?;
    if inside.contains(['{', '}', '$']) {
        return None;
    }
    let end = inside.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.')))?;
    let name = &inside[..end];
    let rest = &inside[end..];
    let skip = match rest.as_bytes() {
        [b':', b'-' | b'=', ..] => 2,
        [b'-' | b'=', ..] => 1,
        [b':', b'?' | b'+', ..] => return None,
        [b':', ..] if !SCHEMES.contains(&name.to_ascii_lowercase().as_str()) => 1,
        _ => return None,
    };
    let start = 2 + end + skip;
    (start + 1 < value.len()).then(|| start..value.len() - 1)
}

/// Words before the colon of `${...:...}` that fetch a value from elsewhere.
const SCHEMES: &[&str] = &[
    "env", "file", "vault", "ssm", "secret", "secrets", "sys", "sops", "aws", "gcp", "kms", "base64", "cf",
    "self", "opt", "param",
];

/// 40 characters of base64 within sight of an access key id are its secret.
fn aws_secret_beside(text: &str, id: &Range<usize>) -> Option<Detection> {
    let from = pem::floor(text, id.end);
    let window = pem::clip(text.get(from..)?, 200);
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let bytes = window.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let run = bytes[at..].iter().take_while(|b| is_part(b)).count();
        let value = &window[at..at + run];
        let is_digest = value.bytes().all(|b| b.is_ascii_hexdigit());
        if run == 40
            && !is_digest
            && entropy::is_random(value)
            && !value.to_ascii_lowercase().contains("example")
        {
            return Some(Detection::new(
                Kind::AwsSecretKey,
                text,
                from + at..from + at + run,
                Confidence::High,
            ));
        }
        at += run.max(1);
        at = (at..=bytes.len()).find(|&at| window.is_char_boundary(at)).unwrap_or(bytes.len());
    }
    None
}

/// Of detections that overlap the better one stays: a shape before a name, the surer, the longer.
pub(crate) fn settle(mut found: Vec<Detection>) -> Vec<Detection> {
    found.sort_by_key(|one| (one.span.start, one.span.end));
    let mut kept: Vec<Detection> = Vec::with_capacity(found.len());
    for one in found {
        match kept.last_mut() {
            Some(last) if last.span.end > one.span.start => {
                if rank(&one) > rank(last) {
                    let name = last.name.take();
                    *last = one;
                    last.name = last.name.take().or(name);
                } else if last.name.is_none() {
                    last.name = one.name;
                }
            }
            _ => kept.push(one),
        }
    }
    kept
}

fn rank(one: &Detection) -> (bool, bool, Confidence, usize) {
    let is_bearer = matches!(one.kind, Kind::BearerToken | Kind::UrlPassword);
    (!one.kind.is_generic(), !is_bearer, one.confidence, one.span.len())
}
