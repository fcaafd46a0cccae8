//! YAML as the API server reads it, against our reader: the same values from the same bytes.

use std::{thread, time::Duration};

use libtest_mimic::Failed;
use nightlatch_e2e::lab::{Answer, Api, Lab, Session, Setup};
use nightlatch_manifest::{Corpus, DiagnosticKind, Input, Kind, Node};
use nightlatch_untrusted::Text;
use serde_json::{Value, json};

use crate::{Case, Needs, estate::Dice};

const DOCUMENTS: &str = "/apis/lab.example.org/v1/namespaces/default/documents";
const GENERATED: usize = 3_000;
const SEED: u64 = 20_261_126;
const SHOWN_MAX: usize = 16;

pub(super) const CASES: &[Case] = &[Case { name: "yaml/same-values", needs: Needs::Lab, run: same_values }];

/// Scalars that readers of YAML disagree about.
const SCALARS: &str = "y Y yes Yes YES yEs n N no No on On ON off true True TRUE tRue false null Null NULL nULL ~ \
    0 -0 +1 007 0o17 0O17 08 0x1F 0xg 0b101 1_000 _1 1__0 1. .5 1.5 -1.5e3 1e3 1E+3 1e400 -1e-400 .inf -.inf .Inf .NaN .nan \
    9223372036854775807 9223372036854775808 -9223372036854775808 18446744073709551615 99999999999999999999 \
    1:30 190:20:30 2001-01-01 2001-01-01T00:00:00Z 12e03 0.0.0 1.2.3 = << < > @a `a` a@b a#b a:b :a -a - \
    'true' \"true\" '1' '' \"\" 'a''b' \"a\\u00e9\\n\\x41\" \"\\/\" !!str !!str=1 0.1 100000000000000000000.5 1e1000 -a- ?a";

/// What is read differently, and why it stays so.
const KNOWN: [(&str, &str); 1] =
    [("\n    a: !!binary aGk=\n", "the server decodes what is tagged as binary")];
/// One in so many documents may be refused by us, with a diagnostic, though the server reads it: what stands directly
/// before a comment, and a byte order mark within a document.
const REFUSED_SHARE: usize = 200;

/// Whole values of the field, with what stands behind the key.
const SHAPES: [&str; 47] = [
    "\n    a: &x {b: 1}\n    d:\n      b: 3\n      <<: *x\n",
    "\n    a: &x {b: 1}\n    c: &y {b: 2, e: 1}\n    d:\n      <<: [*x, *y]\n      e: 3\n",
    " |\n    a\n    b\n",
    " |-\n    a\n    b\n\n",
    " |+\n    a\n\n",
    " >\n    a\n    b\n\n    c\n      d\n    e\n",
    " >-\n    a\n\n",
    " |2\n      a\n",
    " |\n\n\n    a\n",
    " a\n    b\n    c\n",
    " 'a\n    b'\n",
    " \"a\\\n    b\"\n",
    " \"a\n\n    b\"\n",
    " [a, b, [c], {d: e}]\n",
    " [a, b,]\n",
    " {a: 1, b}\n",
    " {a: , b: ~}\n",
    " {\"a\":1,'b':2}\n",
    " {a: 1, a: 2}\n",
    "\n    a: 1\n    a: 2\n",
    "\n  - a\n  - b\n",
    "\n    - a\n    -\n    - - b\n      - c\n    - d: 1\n      e: 2\n",
    "\n    ? a\n    : b\n",
    "\n    ? [a]\n    : b\n",
    "\n    1: a\n    true: b\n    1.5: c\n    null: d\n    yes: e\n",
    "\n    a: &x {b: 1}\n    c: *x\n",
    "\n    a: &x {b: 1, c: 2}\n    d:\n      <<: *x\n      c: 3\n",
    "\n    a: &x {b: 1}\n    e: &y {b: 2, f: 3}\n    d:\n      <<: [*x, *y]\n",
    "\n    a: &x 1\n    d: *y\n",
    "\n    a: !!str 1\n    b: !!int \"1\"\n    c: !!float 1\n    d: !custom 1\n",
    "\n    a: b # c\n    d: 'e' # f\n    g: h#i\n",
    "\n    a:\tb\n",
    "\n\ta: b\n",
    "\n    a: b\n   c: d\n",
    "\n    a: b: c\n",
    "\n    a: 'b\n",
    "\n    a: [b\n",
    "\n    a: {b: c]\n",
    "\n    \"a b\": 1\n    'c': 2\n    d e: 3\n",
    "\n    a: %b\n",
    "\n    a: \u{feff}b\n",
    "\n    a: \u{1f600}\n    \u{e9}: 1\n",
    "\n    a: \"\\ud83d\\ude00\"\n",
    "\n    a: \"\\U0001F600\"\n",
    "\r\n    a: 1\r\n    b: |\r\n      x\r\n      y\r\n",
    "\n    -a: 1\n    -: 2\n",
    " {a: {b: [c, {d: [e]}]}, f: [g, [h, [i]]]}\n",
];

/// Pieces of which documents are thrown together.
const PIECES: [&str; 44] = [
    "a", "b", "1", "1.5", "true", "yes", "~", "'c'", "\"d\"", "\"e\\n\"", " ", "  ", "\n", "\n  ", "\n    ",
    "\n      ", ":", ": ", "- ", "-", "? ", "[", "]", "{", "}", ", ", ",", "&x ", "*x", "<<: ", "!!str ",
    "|", ">", "|-", ">+", "#", " # c", "'", "\"", "...", "\t", "0x1f", "=", "null",
];

fn same_values() -> Result<(), Failed> {
    let lab = Lab::start(&Setup::default());
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "documents.lab.example.org"},
        "spec": {
            "group": "lab.example.org", "scope": "Namespaced",
            "names": {"plural": "documents", "singular": "document", "kind": "Document"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}],
        },
    });
    let admin = lab.admin();
    admin.post("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", &definition).done();
    ready(&admin)?;
    let mut session = admin.connect()?;
    let mut values: Vec<String> = SCALARS.split_whitespace().map(|word| format!(" {word}\n")).collect();
    values.extend(SHAPES.map(str::to_owned));
    let mut dice = Dice(SEED);
    values.extend((0..GENERATED).map(|_| thrown(&mut dice)));
    let known = KNOWN.iter().map(|(value, _)| (*value).to_owned());
    let (mut stored, mut refused, mut named, mut wrong) = (0, 0, 0, Vec::new());
    for (at, value) in known.chain(values.iter().cloned()).enumerate() {
        let value = &value;
        // It hangs up after some refusals.
        let Ok(answer) = post(&mut session, value).or_else(|_| {
            session = admin.connect()?;
            post(&mut session, value)
        }) else {
            session = admin.connect()?;
            refused += 1;
            continue;
        };
        match compare(&answer, value) {
            Verdict::Same if at < KNOWN.len() => wrong.push(format!("no longer read differently: {value}")),
            Verdict::Differs(_) if at < KNOWN.len() => {}
            Verdict::Same => stored += 1,
            Verdict::Named => named += 1,
            Verdict::Refused => refused += 1,
            Verdict::Differs(why) => wrong.push(why),
        }
    }
    println!(
        "yaml: {} documents: {stored} read alike, {refused} refused by the server, {named} by us",
        values.len()
    );
    if named > values.len() / REFUSED_SHARE {
        wrong.push(format!("{named} documents are refused that the server reads"));
    }
    if wrong.is_empty() {
        return Ok(());
    }
    let shown = wrong.iter().take(SHOWN_MAX).cloned().collect::<Vec<_>>().join("\n\n");
    Err(format!("{} of {} documents are read differently:\n{shown}", wrong.len(), values.len()).into())
}

/// The path of a new kind is served a moment after the kind is there.
fn ready(admin: &Api) -> Result<(), Failed> {
    for _ in 0..400 {
        if post(&mut admin.connect()?, " 1\n").is_ok_and(|answer| answer.status == 201) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(50));
    }
    Err("the kind of the documents is not served".into())
}

fn document(value: &str) -> String {
    format!(
        "apiVersion: lab.example.org/v1\nkind: Document\nmetadata:\n  name: a\nspec:\n  before: 1\n  value:{value}\
         after:\n  whole: true\n"
    )
}

fn thrown(dice: &mut Dice) -> String {
    let pieces: String = (0..=dice.below(12)).map(|_| dice.one(&PIECES)).collect();
    format!(" {pieces}\n")
}

enum Verdict {
    Same,
    /// The server reads it, and we say that we cannot.
    Named,
    Refused,
    Differs(String),
}

fn post(session: &mut Session, value: &str) -> std::io::Result<Answer> {
    session.send("POST", &format!("{DOCUMENTS}?dryRun=All"), "application/yaml", &document(value))
}

fn compare(answer: &Answer, value: &str) -> Verdict {
    let text = document(value);
    if answer.status != 201 {
        return Verdict::Refused;
    }
    let input = Input { name: Text::from("a.yaml"), bytes: text.clone().into_bytes() };
    let corpus = Corpus::read([input]);
    let parts = ["spec", "after"];
    let server: Vec<Value> = parts.iter().map(|part| answer.json[part].clone()).collect();
    let own = corpus.documents.first().map(|document| {
        parts.map(|part| document.root().get_raw(part).map_or(Value::Null, value_of)).to_vec()
    });
    let unread = corpus.diagnostics.iter().any(|diagnostic| diagnostic.kind == DiagnosticKind::Error);
    let alike =
        own.as_ref().is_some_and(|own| own.iter().zip(&server).all(|(own, server)| same(own, server)));
    if alike && !unread {
        return Verdict::Same;
    }
    if unread {
        return Verdict::Named;
    }
    Verdict::Differs(format!(
        "{text:?}\n  server: {}\n  own:    {}\n  {:?}",
        Value::from(server),
        own.map_or(Value::Null, Value::from),
        corpus.diagnostics
    ))
}

/// Equal, numbers by their value: 1e3 is 1000.
fn same(own: &Value, server: &Value) -> bool {
    match (own, server) {
        (Value::Number(own), Value::Number(server)) => own.as_f64() == server.as_f64(),
        (Value::Array(own), Value::Array(server)) => {
            own.len() == server.len() && own.iter().zip(server).all(|(own, server)| same(own, server))
        }
        (Value::Object(own), Value::Object(server)) => {
            let agrees =
                |(key, value): (&String, &Value)| server.get(key).is_some_and(|server| same(value, server));
            own.len() == server.len() && own.iter().all(agrees)
        }
        _ => own == server,
    }
}

/// A node as JSON has it.
fn value_of(node: Node<'_>) -> Value {
    match node.kind() {
        Kind::Null => Value::Null,
        Kind::Bool => node.as_bool().map_or(Value::Null, Value::from),
        Kind::Int => node.as_int().map_or_else(|| json!(node.as_float()), Value::from),
        Kind::Float => json!(node.as_float()),
        Kind::String => json!(node.as_str()),
        Kind::Sequence => node.items().map(value_of).collect(),
        Kind::Mapping => Value::Object(
            node.entries().map(|(key, value)| (key.text().to_owned(), value_of(value))).collect(),
        ),
    }
}
