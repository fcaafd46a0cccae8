//! From a file as written to a fingerprint that can be asked and judged; everything wrong is reported at once.

mod predicate;
mod requests;
mod rules;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

pub(crate) use rules::is_marker;

use nightlatch_asset::{Severity, nearest};
use regex::{Regex, RegexBuilder};

use crate::{
    catalogue::{Known, Source},
    error::{Fault, FingerprintError, line_and_column},
    file::{ClassWord, ExampleKind, File, StatusWord},
    model::{Ask, CANARY, Compiled, Fingerprint, Method, Predicate, Rule, Slot, Target, What},
};

/// Compiled size of one regular expression, in bytes; larger ones are refused.
const PATTERN_BYTES_MAX: usize = 1 << 20;
/// `Accept` of every request that names none: JSON where there is a choice, anything otherwise.
pub(crate) const DEFAULT_ACCEPT: &str = "application/json, */*;q=0.5";
/// Bytes of body read for fixed metadata (T1).
pub(crate) const BODY_BYTES_MAX_T1: u32 = 64 * 1024;
/// Bytes of body read for counts, permission answers and questions (T2, T3).
pub(crate) const BODY_BYTES_MAX_T2: u32 = 256 * 1024;

/// What is known while one file is compiled.
pub(crate) struct Scribe<'a> {
    source: &'a Source<'a>,
    known: &'a Known<'a>,
    groups: &'a [String],
    errors: Vec<FingerprintError>,
}

impl Scribe<'_> {
    fn report(&mut self, span: Range<usize>, fault: Fault) {
        let (line, column) = line_and_column(self.source.text, span.start);
        self.errors.push(FingerprintError { path: self.source.path.to_owned(), line, column, span, fault });
    }

    fn rule(&mut self, span: Range<usize>, reason: impl Into<String>) {
        self.report(span, Fault::Rule { reason: reason.into() });
    }

    /// Finds `word` in a closed list, or reports it with the nearest known one.
    fn word<T: Copy>(
        &mut self,
        what: &'static str,
        word: &str,
        span: Range<usize>,
        list: &[(&str, T)],
    ) -> Option<T> {
        if let Some((_, value)) = list.iter().find(|(name, _)| *name == word) {
            return Some(*value);
        }
        let nearest = nearest(word, list.iter().map(|(name, _)| *name)).map(str::to_owned);
        let expected = match list {
            [] => "nothing: none is known".to_owned(),
            list => format!("one of {}", list.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")),
        };
        self.report(span, Fault::UnknownWord { what, word: word.to_owned(), nearest, expected });
        None
    }

    fn pattern(&mut self, pattern: &str, span: Range<usize>) -> Option<Regex> {
        match RegexBuilder::new(pattern).size_limit(PATTERN_BYTES_MAX).build() {
            Ok(regex) => Some(regex),
            Err(error) => {
                let reason = error.to_string().lines().last().unwrap_or_default().trim().to_owned();
                self.report(span, Fault::Pattern { pattern: pattern.to_owned(), reason });
                None
            }
        }
    }

    fn severity(&mut self, word: &str, span: Range<usize>) -> Option<Severity> {
        let list: Vec<_> = Severity::ALL.iter().map(|severity| (severity.as_str(), *severity)).collect();
        self.word("severity", word, span, &list)
    }
}

/// Compiles all sources into one catalogue.
pub(crate) fn all(
    sources: &[Source<'_>],
    known: &Known<'_>,
    groups: &[String],
) -> Result<Compiled, Vec<FingerprintError>> {
    let mut compiled =
        Compiled { fingerprints: Vec::new(), asks: vec![canary(), root()], habits: Default::default() };
    let mut errors = Vec::new();
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for source in sources {
        let mut scribe = Scribe { source, known, groups, errors: Vec::new() };
        if let Some(fingerprint) = one(&mut scribe, &mut compiled.asks) {
            let span = fingerprint.file.id.span();
            if ids.insert(fingerprint.id.clone(), source.path.to_owned()).is_some() {
                scribe.report(span, Fault::Duplicate { what: "fingerprint", word: fingerprint.id.clone() });
            }
            compiled.fingerprints.push(fingerprint);
        }
        errors.append(&mut scribe.errors);
    }
    compiled.fingerprints.sort_by(|a, b| a.id.cmp(&b.id));
    if known.complete {
        check_kin(sources, &compiled, known, groups, &mut errors);
    }
    spread_kin(&mut compiled);
    compiled.habits = crate::habits::habits(&compiled.fingerprints);
    if errors.is_empty() { Ok(compiled) } else { Err(errors) }
}

/// Compiles one changed file alone: for asking what a predicate is good for. `None` when the loader refuses it.
pub(crate) fn alone(fingerprint: &Fingerprint, file: File) -> Option<Compiled> {
    let requests = fingerprint.file.request.iter();
    let dialogues: Vec<&str> =
        requests.filter_map(|r| Some(r.get().dialogue.as_ref()?.get().as_str())).collect();
    let side_files: Vec<(&str, &[u8])> =
        fingerprint.side_files.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
    let source = Source { path: &fingerprint.path, text: &fingerprint.text, side_files: &side_files };
    let known = Known { dialogues: &dialogues, complete: false };
    let mut asks = vec![canary(), root()];
    let groups = [file.group.get().clone()];
    let mut scribe = Scribe { source: &source, known: &known, groups: &groups, errors: Vec::new() };
    let fingerprints = vec![built(&mut scribe, file, &mut asks)];
    let habits = crate::habits::habits(&fingerprints);
    scribe.errors.is_empty().then_some(Compiled { fingerprints, asks, habits })
}

fn canary() -> Ask {
    http("/{nonce}")
}

fn root() -> Ask {
    http("/")
}

fn http(path: &str) -> Ask {
    Ask {
        class: nightlatch_asset::RequestClass::T1,
        what: What::Http {
            method: Method::Get,
            path: path.to_owned(),
            accept: DEFAULT_ACCEPT.to_owned(),
            body: None,
            body_bytes_max: BODY_BYTES_MAX_T1,
        },
    }
}

fn one(scribe: &mut Scribe<'_>, asks: &mut Vec<Ask>) -> Option<Fingerprint> {
    let file = match toml::from_str::<File>(scribe.source.text) {
        Ok(file) => file,
        Err(error) => {
            let span = error.span().unwrap_or(0..0);
            let fault = shape(error.message());
            scribe.report(span, fault);
            return None;
        }
    };
    Some(built(scribe, file, asks))
}

/// Compiles a file that has the right shape.
fn built(scribe: &mut Scribe<'_>, file: File, asks: &mut Vec<Ask>) -> Fingerprint {
    head(scribe, &file);
    let mut parts = requests::all(scribe, &file, asks);
    rules::check_names(scribe, &file, &parts);
    let identities = rules::identities(scribe, &file, &parts);
    parts.groups = identities.iter().map(|identity| identity.name.clone()).collect();
    requests::conditions(scribe, &file, &mut parts);
    let hints = rules::hints(scribe, &file, &parts);
    let states = rules::states(scribe, &file, &parts);
    let findings = rules::findings(scribe, &file, &parts);
    let extracts = rules::extracts(scribe, &file, &parts);
    rules::check_proofs(scribe, &file, &parts, &states);
    examples(scribe, &file, &parts);
    let severity = severities(scribe, &file);
    let looks_at = looks_at(&parts, hints.iter().chain(identities.iter().map(|identity| &identity.rule)));
    let kin = file.overlaps.iter().chain(&file.refines).map(|id| id.get().clone()).collect();
    Fingerprint {
        id: file.id.get().clone(),
        product: file.product.clone().unwrap_or_else(|| file.name.clone()),
        kin,
        refines: file.refines.iter().map(|id| id.get().clone()).collect(),
        requests: parts.requests,
        hints,
        looks_at,
        identities,
        states,
        findings,
        extracts,
        severity,
        raise_plaintext: matches!(file.class, ClassWord::A | ClassWord::B | ClassWord::C),
        text: scribe.source.text.to_owned(),
        path: scribe.source.path.to_owned(),
        side_files: scribe.source.side_files.iter().map(|(n, b)| ((*n).to_owned(), b.to_vec())).collect(),
        file,
    }
}

/// The questions that rules look at, each once; the canary always, because it decides what is an answer at all.
fn looks_at<'r>(parts: &requests::Parts, rules: impl Iterator<Item = &'r Rule>) -> Vec<Slot> {
    let targets = rules.flat_map(Rule::predicates).filter_map(|predicate| match predicate {
        Predicate::On(Target::Request(at), _) => parts.requests.get(*at).map(|request| request.slot),
        _ => None,
    });
    targets.chain([CANARY]).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Turns what the TOML reader says into a fault; the names it expected give the nearest one.
fn shape(message: &str) -> Fault {
    let quoted: Vec<_> = message.split('`').skip(1).step_by(2).collect();
    let nearest = match quoted.split_first() {
        Some((unknown, known)) if message.starts_with("unknown") => {
            nearest(unknown, known.iter().copied()).map(str::to_owned)
        }
        _ => None,
    };
    let message = match &nearest {
        Some(_) => message.split(", expected").next().unwrap_or(message).to_owned(),
        None => message.trim_end().replace('\n', " "),
    };
    Fault::Shape { message, nearest }
}

fn head(scribe: &mut Scribe<'_>, file: &File) {
    let id = file.id.get();
    let span = file.id.span();
    if file.schema != 1 {
        scribe.rule(0..6, format!("`schema` is 1, not {}", file.schema));
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    if id.is_empty() || id.len() > 64 || !id.chars().all(plain) {
        scribe.rule(span.clone(), "`id` is 1 to 64 lower-case letters, digits, `-` and `.`");
        return;
    }
    let folder = scribe.source.path.rsplit(['/', '\\']).nth(1).unwrap_or(id);
    if folder != id {
        scribe.rule(span, format!("`id` is the folder's name, `{folder}`"));
    }
    let groups: Vec<_> = scribe.groups.iter().map(|group| (group.as_str(), ())).collect();
    scribe.word("group", file.group.get(), file.group.span(), &groups);
    if file.defaults.follow_redirects == Some(true) {
        scribe.rule(0..0, "`follow_redirects` may only be `false`: redirects are never followed");
    }
    if let Some(end) = &file.end_of_life
        && end.all == end.before.is_some()
    {
        scribe.rule(0..0, "`end_of_life` has either `before` or `all = true`");
    }
}

fn severities(scribe: &mut Scribe<'_>, file: &File) -> [Severity; 4] {
    use Severity::{Critical, High, Info, Low, Medium};
    let mut table = match file.class {
        ClassWord::A | ClassWord::B | ClassWord::D => [Info, Low, High, Critical],
        ClassWord::C => [Low, Low, High, Critical],
        ClassWord::E => [Info, Info, Medium, High],
    };
    let states: [(&str, usize); 4] =
        [("auth-required", 0), ("limited", 1), ("readable", 2), ("controllable", 3)];
    for (state, word) in &file.severity {
        let at = scribe.word("state", state, word.span(), &states);
        if let (Some(at), Some(severity)) = (at, scribe.severity(word.get(), word.span())) {
            table[at] = severity;
        }
    }
    table
}

fn examples(scribe: &mut Scribe<'_>, file: &File, parts: &requests::Parts) {
    let mut recorded = false;
    for example in &file.example {
        let entry = example.get();
        recorded |= entry.recorded.is_some() && entry.kind == ExampleKind::Positive;
        for (id, exchange) in &entry.exchange {
            let known: Vec<_> = parts.ids.keys().map(|id| (id.as_str(), ())).collect();
            scribe.word("request", id, exchange.span(), &known);
            if let Err(reason) = crate::exchange::read(exchange.get(), scribe.source.side_files) {
                scribe.rule(exchange.span(), reason);
            }
        }
        if !matches!(entry.expect.get("identity"), Some(toml::Value::Boolean(_))) {
            scribe.rule(example.span(), "`expect` says whether `identity` is true or false");
        }
    }
    if file.status == StatusWord::Proven && !recorded {
        scribe.rule(file.id.span(), "`status = \"proven\"` needs a positive example with `recorded`");
    }
}

/// `overlaps` and `refines` name fingerprints that exist.
fn check_kin(
    sources: &[Source<'_>],
    compiled: &Compiled,
    known: &Known<'_>,
    groups: &[String],
    errors: &mut Vec<FingerprintError>,
) {
    let ids: Vec<_> = compiled.fingerprints.iter().map(|f| (f.id.as_str(), ())).collect();
    for fingerprint in &compiled.fingerprints {
        let Some(source) = sources.iter().find(|source| source.path == fingerprint.path) else { continue };
        let mut scribe = Scribe { source, known, groups, errors: Vec::new() };
        for id in fingerprint.file.overlaps.iter().chain(&fingerprint.file.refines) {
            scribe.word("fingerprint", id.get(), id.span(), &ids);
        }
        errors.append(&mut scribe.errors);
    }
}

/// Kinship is mutual, whoever declared it.
fn spread_kin(compiled: &mut Compiled) {
    let pairs: BTreeSet<(String, String)> = compiled
        .fingerprints
        .iter()
        .flat_map(|f| f.kin.iter().map(|other| (other.clone(), f.id.clone())))
        .collect();
    for fingerprint in &mut compiled.fingerprints {
        let mine = pairs.iter().filter(|(of, _)| *of == fingerprint.id).map(|(_, by)| by.clone());
        fingerprint.kin.extend(mine);
    }
}

#[cfg(test)]
mod tests;
