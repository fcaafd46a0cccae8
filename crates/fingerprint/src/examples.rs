//! Runs the examples of fingerprints: what they expect, what they reach, what they must not reveal.

use std::collections::{BTreeMap, BTreeSet};

use nightlatch_asset::{Answer, BodyEnd, Certificate, ClientCertificate, HttpAnswer, Text, Timestamp, Tls};
use serde_json::Value;

use crate::{
    catalogue::Catalogue,
    exchange,
    file::{ExampleEntry, ExampleKind, ExampleTls, SchemeWord},
    judge::Judged,
    model::{CANARY, Fingerprint},
    session::{Context, Question, QuestionKind, Scheme},
};

/// What running the examples of one fingerprint showed.
#[derive(Clone, Debug)]
pub struct Report {
    /// Identifier.
    pub fingerprint: String,
    /// One for each example, in the order of the file.
    pub outcomes: Vec<Outcome>,
    /// What is wrong with the examples as a whole: a state rule that none reaches, too few negatives.
    pub problems: Vec<String>,
}

/// What running one example showed.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its name.
    pub example: String,
    /// What it is for.
    pub kind: ExampleKind,
    /// What differs from what it expects; empty when it passes.
    pub problems: Vec<String>,
    /// The verdict.
    pub judged: Judged,
    /// How many questions the planner asked.
    pub questions: usize,
}

impl Report {
    /// Everything passed.
    pub fn passed(&self) -> bool {
        self.problems.is_empty() && self.outcomes.iter().all(|outcome| outcome.problems.is_empty())
    }
}

/// Strings put into every object and header of an example: none may come out again.
const SEEDS: [&str; 2] = ["seeded-pa55word", "seeded.person@example.org"];
/// Examples of kind negative or trap that a fingerprint needs.
const NEGATIVES_MIN: usize = 2;

/// Runs all examples of `only` (an identifier), or of all fingerprints.
pub fn run(catalogue: &Catalogue, only: Option<&str>) -> Vec<Report> {
    let mut taken = taken_negatives(catalogue);
    let all = catalogue.compiled.fingerprints.iter().filter(|f| only.is_none_or(|id| f.id == id));
    let mut reports: Vec<_> = all.map(|f| report(catalogue, f)).collect();
    for report in &mut reports {
        report.problems.extend(taken.remove(&report.fingerprint).unwrap_or_default());
    }
    reports
}

/// Reads a recorded raw response: CRLF or LF, chunks put together; `None` when it is no HTTP response.
///
/// - `end`: how the body ended, as far as the recording tells.
pub fn response(raw: &[u8], end: BodyEnd) -> Option<HttpAnswer> {
    if raw.starts_with(b"HTTP/") { exchange::http(raw, end) } else { None }
}

fn report(catalogue: &Catalogue, fingerprint: &Fingerprint) -> Report {
    let examples = || fingerprint.file.example.iter().map(|example| example.get());
    let outcomes: Vec<_> = examples().map(|example| outcome(catalogue, fingerprint, example)).collect();
    let mut problems = Vec::new();
    let mine = |outcome: &&Outcome| {
        outcome.judged.verdict.fingerprint.as_ref().is_some_and(|id| id.raw() == fingerprint.id)
    };
    let rules: BTreeSet<_> = outcomes.iter().filter(mine).map(|o| o.judged.verdict.rule.clone()).collect();
    for (at, state) in fingerprint.states.iter().enumerate() {
        if !rules.contains(&format!("state[{at}]")) {
            problems.push(format!("no example reaches state[{at}] ({}: {})", state.is, state.why));
        }
    }
    let found =
        |id: &str| outcomes.iter().filter(mine).any(|o| o.judged.verdict.findings.iter().any(|f| f.id == id));
    for finding in fingerprint.findings.iter().filter(|finding| !found(&finding.id)) {
        problems.push(format!("no example has the finding `{}`", finding.id));
    }
    let count = |kinds: &[ExampleKind]| examples().filter(|example| kinds.contains(&example.kind)).count();
    if count(&[ExampleKind::Negative, ExampleKind::Trap]) < NEGATIVES_MIN {
        problems.push(format!("fewer than {NEGATIVES_MIN} examples that must stay silent"));
    }
    if count(&[ExampleKind::Trap]) == 0 {
        problems.push("no trap: an example that shares markers and must stay silent".to_owned());
    }
    Report { fingerprint: fingerprint.id.clone(), outcomes, problems }
}

/// True when every example of the only fingerprint still gives what it expects, and each state rule and finding is
/// still reached: for asking what a predicate is good for.
pub(crate) fn still_passes(catalogue: &Catalogue) -> bool {
    let Some(fingerprint) = catalogue.compiled.fingerprints.first() else { return false };
    let mut reached = BTreeSet::new();
    for example in &fingerprint.file.example {
        let answers = answers(catalogue, fingerprint, example.get());
        let replay = catalogue
            .converse(context(fingerprint, example.get()), |question| answers.get(&key(question)).cloned());
        if !mismatches(fingerprint, example.get(), &replay.judged).is_empty() {
            return false;
        }
        reached.insert(replay.judged.verdict.rule);
    }
    let states = 0..fingerprint.states.len();
    states.map(|at| format!("state[{at}]")).all(|rule| reached.contains(&rule))
        && taken_negatives(catalogue).is_empty()
}

fn outcome(catalogue: &Catalogue, fingerprint: &Fingerprint, example: &ExampleEntry) -> Outcome {
    let answers = answers(catalogue, fingerprint, example);
    let replay =
        catalogue.converse(context(fingerprint, example), |question| answers.get(&key(question)).cloned());
    let mut problems = mismatches(fingerprint, example, &replay.judged);
    let everybody =
        catalogue.interrogate(context(fingerprint, example), |question| answers.get(&key(question)).cloned());
    problems.extend(confusions(fingerprint, example, &everybody));
    problems.extend(leaks(catalogue, fingerprint, example, &answers));
    Outcome {
        example: example.name.clone(),
        kind: example.kind,
        problems,
        judged: replay.judged,
        questions: replay.questions.len(),
    }
}

/// Method and path of an HTTP question, name of a dialogue: requests that differ in `Accept` get one answer.
fn key(question: &Question) -> String {
    match &question.kind {
        QuestionKind::Http { .. } => question.asked.clone(),
        QuestionKind::Dialogue { name } => format!("dialogue {name}"),
    }
}

fn answers(
    catalogue: &Catalogue,
    fingerprint: &Fingerprint,
    example: &ExampleEntry,
) -> BTreeMap<String, Answer> {
    let compiled = &catalogue.compiled;
    let asked = |slot: usize| crate::judge::asked(compiled, slot);
    let mut answers = BTreeMap::new();
    for (id, exchange) in &example.exchange {
        let request = fingerprint.requests.iter().find(|request| request.id == *id);
        let slot = request.map_or(CANARY, |request| request.slot);
        // Checked by the loader.
        if let Ok(answer) = exchange::read(exchange.get(), &fingerprint.side_files) {
            answers.insert(asked(slot), answer);
        }
    }
    if answers.values().any(|answer| matches!(answer, Answer::Http(_))) {
        let nothing =
            exchange::http(b"HTTP/1.1 404 Not Found\r\n\r\n", BodyEnd::Complete).unwrap_or_default();
        answers.entry(asked(CANARY)).or_insert(Answer::Http(nothing));
    }
    answers
}

fn context(fingerprint: &Fingerprint, example: &ExampleEntry) -> Context {
    let scheme = match example.scheme {
        SchemeWord::Http => Scheme::Plain,
        SchemeWord::Https => Scheme::Tls,
    };
    let first = fingerprint
        .file
        .ports
        .iter()
        .find(|entry| entry.tls.is_none_or(|tls| tls == (scheme == Scheme::Tls)));
    let port =
        example.port.or(first.or(fingerprint.file.ports.first()).map(|entry| entry.port)).unwrap_or(80);
    let all = fingerprint.requests.iter().filter_map(|request| request.opt_in.clone());
    Context {
        tls: example.tls.as_ref().map(tls).or_else(|| (scheme == Scheme::Tls).then(Tls::default)),
        greeting: example.greeting.clone().into_bytes(),
        t3: example.t3,
        opt_ins: example.opt_ins.clone().map_or_else(|| all.collect(), BTreeSet::from_iter),
        hash_key: [7; 32],
        ..Context::new(port, scheme, *b"\x01\x23\x45\x67\x89\xab\xcd\xef")
    }
}

fn tls(example: &ExampleTls) -> Tls {
    let client_certificate = match example.client_cert.as_deref() {
        Some("requested") => ClientCertificate::Requested,
        Some("required") => ClientCertificate::Required,
        _ => ClientCertificate::NotRequested,
    };
    Tls {
        version: Text::from("TLSv1.3"),
        alpn: example.alpn.as_deref().map(Text::from),
        client_certificate,
        chain: vec![certificate(example)],
        ..Tls::default()
    }
}

fn certificate(example: &ExampleTls) -> Certificate {
    let common_name = |name: &str| name.rsplit("CN=").next().filter(|_| name.contains("CN=")).map(Text::from);
    Certificate {
        subject: Text::from(example.subject.as_str()),
        subject_cn: common_name(&example.subject),
        issuer: Text::from(example.issuer.as_str()),
        issuer_cn: common_name(&example.issuer),
        sans: example.san.iter().map(|san| Text::from(san.as_str())).collect(),
        serial: Text::from("01"),
        not_before: Timestamp::UNIX_EPOCH,
        not_after: Timestamp::MAX,
        signature_algorithm: Text::default(),
        key_type: Text::from("rsa"),
        key_bits: 2048,
        sha256: Text::default(),
        sha1: Text::default(),
        self_signed: !example.subject.is_empty() && example.subject == example.issuer,
    }
}

fn mismatches(fingerprint: &Fingerprint, example: &ExampleEntry, judged: &Judged) -> Vec<String> {
    let verdict = &judged.verdict;
    let decided = verdict.fingerprint.as_ref().map(Text::raw);
    let identified = decided == Some(fingerprint.id.as_str());
    let expected = example.expect.get("identity").and_then(toml::Value::as_bool).unwrap_or(true);
    if (example.kind == ExampleKind::Positive) != expected {
        return vec!["`identity = true` belongs to kind positive, and only to it".to_owned()];
    }
    if identified != expected {
        return vec![format!(
            "identified as {}, expected {}",
            decided.unwrap_or("nothing"),
            if expected { &fingerprint.id } else { "something else or nothing" }
        )];
    }
    let mut problems = Vec::new();
    for (name, wanted) in example.expect.iter().filter(|(name, _)| expected && *name != "identity") {
        if let Some(problem) = mismatch(name, wanted, judged) {
            problems.push(problem);
        }
    }
    problems
}

fn mismatch(name: &str, wanted: &toml::Value, judged: &Judged) -> Option<String> {
    let verdict = &judged.verdict;
    let list = |items: Vec<String>| {
        let wanted: Vec<_> =
            wanted.as_array().into_iter().flatten().filter_map(toml::Value::as_str).collect();
        (items.iter().map(String::as_str).eq(wanted.iter().copied()), items.join(", "))
    };
    let words = |is: String| (wanted.as_str() == Some(&is), is);
    let text = |is: Option<&Text>| {
        let is = is.map(|text| text.raw().to_owned()).unwrap_or_default();
        let same = match wanted {
            toml::Value::Boolean(true) => !is.is_empty(),
            toml::Value::Boolean(false) => is.is_empty(),
            toml::Value::String(text) => *text == is,
            other => other.to_string() == is,
        };
        (same, is)
    };
    let (same, is) = match name {
        "state" => words(verdict.exposure.to_string()),
        "proof" => words(verdict.proof.map(|proof| proof.to_string()).unwrap_or_default()),
        "confidence" => words(verdict.confidence.to_string()),
        "severity" => words(verdict.severity.to_string()),
        "product" => text(verdict.product.as_ref()),
        "version" => text(verdict.version.as_ref()),
        "os" => text(judged.os.as_ref()),
        "findings" => list(verdict.findings.iter().map(|finding| finding.id.clone()).collect()),
        "tags" => {
            let wanted: Vec<_> =
                wanted.as_array().into_iter().flatten().filter_map(toml::Value::as_str).collect();
            let is: Vec<_> = judged.tags.iter().map(Text::raw).collect();
            (wanted.iter().all(|tag| is.contains(tag)), is.join(", "))
        }
        fact => text(verdict.facts.get(fact)),
    };
    (!same).then(|| format!("{name} is `{is}` ({}), expected {wanted}", verdict.rule))
}

/// Other products that these answers satisfy.
fn confusions(fingerprint: &Fingerprint, example: &ExampleEntry, everybody: &Judged) -> Vec<String> {
    let identified = everybody.candidates.iter().filter(|candidate| candidate.identified);
    let wrong = identified.filter(|candidate| match example.kind {
        ExampleKind::Positive => {
            candidate.fingerprint != fingerprint.id && !fingerprint.kin.contains(&candidate.fingerprint)
        }
        _ => candidate.fingerprint == fingerprint.id,
    });
    wrong
        .map(|candidate| {
            format!("these answers also satisfy {} ({})", candidate.fingerprint, candidate.groups.join(", "))
        })
        .collect()
}

/// Puts seeds into every answer and looks for them, and for `absent`, in the serialised verdict.
fn leaks(
    catalogue: &Catalogue,
    fingerprint: &Fingerprint,
    example: &ExampleEntry,
    answers: &BTreeMap<String, Answer>,
) -> Vec<String> {
    let seeded: BTreeMap<_, _> =
        answers.iter().map(|(key, answer)| (key.clone(), seed(answer.clone()))).collect();
    let replay =
        catalogue.converse(context(fingerprint, example), |question| seeded.get(&key(question)).cloned());
    let verdict = serde_json::to_string(&replay.judged.verdict).unwrap_or_default();
    let secrets = SEEDS.into_iter().chain(example.absent.iter().map(String::as_str));
    secrets
        .filter(|secret| verdict.contains(secret))
        .map(|secret| format!("`{secret}` appears in the verdict"))
        .collect()
}

fn seed(answer: Answer) -> Answer {
    match answer {
        Answer::Http(mut http) => {
            if let Ok(mut document) = serde_json::from_slice::<Value>(&http.body) {
                seed_objects(&mut document);
                http.body = document.to_string().into_bytes();
            }
            http.headers.push(("x-seed".to_owned(), Text::from(SEEDS.join(" "))));
            Answer::Http(http)
        }
        Answer::Dialogue(mut dialogue) => {
            seed_objects(&mut dialogue.facts);
            dialogue.text = Text::from(format!("{} {}", dialogue.text.raw(), SEEDS.join(" ")));
            Answer::Dialogue(dialogue)
        }
        failed @ Answer::Failed(_) => failed,
    }
}

fn seed_objects(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(seed_objects);
            members.insert("zz_seed".to_owned(), Value::from(SEEDS.join(" ")));
        }
        Value::Array(items) => items.iter_mut().for_each(seed_objects),
        _ => {}
    }
}

/// Servers that answer everything with one page of the global negative corpus, with and without a canary that
/// differs: which fingerprints take which page for their product.
fn taken_negatives(catalogue: &Catalogue) -> BTreeMap<String, BTreeSet<String>> {
    let mut taken: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, raw) in Catalogue::negatives() {
        for (canary_differs, scheme) in [(false, Scheme::Plain), (true, Scheme::Plain), (true, Scheme::Tls)] {
            let tls = (scheme == Scheme::Tls).then(Tls::default);
            let context = Context { tls, t3: true, ..Context::new(443, scheme, [0x5a; 8]) };
            let judged =
                catalogue.interrogate(context, |question| negative_answer(raw, question, canary_differs));
            for candidate in judged.candidates.into_iter().filter(|candidate| candidate.identified) {
                let problem =
                    format!("fingerprints/negative/{name} is taken for it ({})", candidate.groups.join(", "));
                taken.entry(candidate.fingerprint).or_default().insert(problem);
            }
        }
    }
    taken
}

/// The page for this question; `{path}` in it becomes what was asked for.
pub(crate) fn negative_answer(raw: &[u8], question: &Question, canary_differs: bool) -> Option<Answer> {
    let QuestionKind::Http { path, .. } = &question.kind else { return None };
    if raw.is_empty() {
        return Some(Answer::Failed(nightlatch_asset::Failure::Closed));
    }
    if canary_differs && question.id == crate::QuestionId::CANARY {
        return Some(Answer::Http(exchange::http(b"HTTP/1.1 404 Not Found\r\n\r\n", BodyEnd::Complete)?));
    }
    let answer = if raw.windows(6).any(|window| window == b"{path}") {
        exchange::http(String::from_utf8_lossy(raw).replace("{path}", path).as_bytes(), BodyEnd::Complete)
    } else {
        exchange::http(raw, BodyEnd::Complete)
    };
    Some(
        answer.map_or_else(|| Answer::Failed(nightlatch_asset::Failure::Foreign(raw.to_vec())), Answer::Http),
    )
}
