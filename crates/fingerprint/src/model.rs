//! Compiled fingerprints: words resolved, expressions compiled, equal requests shared.

use std::collections::BTreeSet;

use nightlatch_asset::{ClientCertificate, Confidence, Exposure, Proof, RequestClass, Severity};
use regex::Regex;
use serde_json::Value;

use crate::{
    analyse::Analyser,
    file::{File, KeepWord, LayerWord, TlsPart},
};

/// Index of a shared question in [`Compiled::asks`].
pub(crate) type Slot = usize;

/// The canary, `GET /<nonce>`.
pub(crate) const CANARY: Slot = 0;
/// `GET /` with the default `Accept`.
pub(crate) const ROOT: Slot = 1;

/// All fingerprints and the questions they share.
#[derive(Debug, Default)]
pub(crate) struct Compiled {
    /// Sorted by identifier.
    pub(crate) fingerprints: Vec<Fingerprint>,
    /// Each asked at most once in a session.
    pub(crate) asks: Vec<Ask>,
    /// What is usual on each listed port.
    pub(crate) habits: std::collections::HashMap<u16, crate::Habits>,
}

/// One question, as it is sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Ask {
    pub(crate) class: RequestClass,
    pub(crate) what: What,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum What {
    Http {
        method: Method,
        /// With `{nonce}`.
        path: String,
        accept: String,
        body: Option<String>,
        body_bytes_max: u32,
    },
    Dialogue(String),
}

/// HTTP method of a question.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Method {
    /// Head and body.
    Get,
    /// Head only.
    Head,
    /// A question that the protocol spells as POST; class T3 only.
    Post,
}

impl Method {
    /// As it goes over the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
        }
    }
}

#[derive(Debug)]
pub(crate) struct Fingerprint {
    pub(crate) id: String,
    pub(crate) product: String,
    /// Those that may identify beside this one.
    pub(crate) kin: BTreeSet<String>,
    pub(crate) refines: BTreeSet<String>,
    pub(crate) requests: Vec<Request>,
    pub(crate) hints: Vec<Rule>,
    /// What hints and identity look at; the canary and a client certificate concern everybody.
    pub(crate) looks_at: Vec<Slot>,
    pub(crate) identities: Vec<Identity>,
    pub(crate) states: Vec<State>,
    pub(crate) findings: Vec<FindingRule>,
    pub(crate) extracts: Vec<Extract>,
    /// By state: auth-required, limited, readable, controllable.
    pub(crate) severity: [Severity; 4],
    /// Class A, B or C: a password sent in the clear raises the severity.
    pub(crate) raise_plaintext: bool,
    /// The file as written: head, examples, references.
    pub(crate) file: File,
    /// The text of the file, for `show`.
    pub(crate) text: String,
    /// The path of the file.
    pub(crate) path: String,
    pub(crate) side_files: Vec<(String, Vec<u8>)>,
}

#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) id: String,
    pub(crate) slot: Slot,
    pub(crate) class: RequestClass,
    pub(crate) when: Vec<Predicate>,
    pub(crate) opt_in: Option<String>,
    pub(crate) permission: bool,
    pub(crate) catch_all: bool,
    pub(crate) dialogue: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Rule {
    pub(crate) all: Vec<Predicate>,
    pub(crate) any: Vec<Predicate>,
    pub(crate) none: Vec<Predicate>,
}

impl Rule {
    pub(crate) fn predicates(&self) -> impl Iterator<Item = &Predicate> {
        self.all.iter().chain(&self.any).chain(&self.none)
    }
}

#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) certain: bool,
    pub(crate) layer: LayerWord,
    pub(crate) rule: Rule,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) is: Exposure,
    pub(crate) proof: Option<Proof>,
    pub(crate) why: String,
    pub(crate) confidence: Option<Confidence>,
    pub(crate) severity: Option<Severity>,
    pub(crate) tags: Vec<String>,
    pub(crate) rule: Rule,
}

#[derive(Debug)]
pub(crate) struct FindingRule {
    pub(crate) id: String,
    pub(crate) severity: Severity,
    pub(crate) title: String,
    pub(crate) rule: Rule,
}

#[derive(Debug)]
pub(crate) struct Extract {
    pub(crate) name: String,
    pub(crate) from: Origin,
    pub(crate) matches: Option<Regex>,
    pub(crate) keep: KeepWord,
}

#[derive(Debug)]
pub(crate) enum Origin {
    Json(Target, String),
    Header(Target, String),
    Body(Target),
    Title(Target),
    Count { target: Target, pointer: String, plus: Option<String> },
    Tls(TlsPart),
}

/// What a predicate looks at: the canary, or one of the fingerprint's requests.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Target {
    Canary,
    Request(usize),
}

#[derive(Debug)]
pub(crate) enum Predicate {
    On(Target, Look),
    SanAny(Vec<String>),
    Issuer(Regex),
    Subject(Regex),
    ClientCertificate(Vec<ClientCertificate>),
    Alpn(Vec<String>),
    /// True for TLS.
    Scheme(bool),
    Greeting(Regex),
    Identified(bool),
    Group(usize),
    VersionFrom(Vec<u64>),
    VersionBelow(Vec<u64>),
    Port(Vec<u16>),
}

#[derive(Debug)]
pub(crate) enum Look {
    Status(Vec<u16>),
    Header(String, Vec<Compare>),
    Json(String, Vec<Compare>),
    Body(Regex),
    Title(Regex),
    Location(Regex),
    MediaType(Vec<String>),
    Favicon(Vec<i32>),
    Bytes { offset: usize, bytes: Vec<u8>, mask: Option<Vec<u8>> },
    Answered(bool),
    Failed(Vec<FailureWord>),
    Analyse(Analyser, String),
}

#[derive(Debug)]
pub(crate) enum Compare {
    Exists(bool),
    Equals(Value),
    OneOf(Vec<Value>),
    Matches(Regex),
    Is(JsonType),
    Min(f64),
    Max(f64),
    EqualsStatus,
    HasKeys(Vec<String>),
    AnyMatches(Regex),
    LengthMin(usize),
    LengthMax(usize),
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub(crate) enum $name { $($variant),* }

        impl $name {
            pub(crate) const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant)),*];
        }
    };
}

words! {
    /// Type of a JSON value.
    JsonType {
        String "string", Number "number", Integer "integer", Boolean "boolean", Array "array", Object "object", Null "null",
    }
}

words! {
    /// Kind of a failure.
    FailureWord {
        Refused "refused", Timeout "timeout", Reset "reset", Closed "closed", Tls "tls",
        ClientCertificate "client-certificate", Foreign "foreign",
    }
}

/// Numbers of a version, for comparison: `v1.20.4-eks` gives 1, 20, 4.
pub(crate) fn version_numbers(text: &str) -> Vec<u64> {
    let start = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    text[start..]
        .split('.')
        .map_while(|part| {
            let digits: String = part.chars().take_while(char::is_ascii_digit).take(18).collect();
            digits.parse().ok()
        })
        .take(6)
        .collect()
}
