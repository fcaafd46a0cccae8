//! The shape of a fingerprint file, exactly as written: what [`serde`] reads and the JSON Schema is made from.
//!
//! Meaning (known words, safe paths, reachable rules) is checked by `compile`.

use std::{collections::BTreeMap, ops::Range};

use schemars::JsonSchema;
use serde::Deserialize;

/// A value with the place where it stands in the file.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub(crate) struct At<T>(pub(crate) toml::Spanned<T>);

impl<T> At<T> {
    pub(crate) fn get(&self) -> &T {
        self.0.get_ref()
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }

    pub(crate) fn span(&self) -> Range<usize> {
        self.0.span()
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// A fingerprint: what to ask, what identifies the product, how far each answer opens the door.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Nightlatch fingerprint")]
pub(crate) struct File {
    /// Version of this format.
    pub(crate) schema: u32,
    /// Identifier; equal to the folder's name.
    pub(crate) id: At<String>,
    /// What it is, for people.
    pub(crate) name: String,
    /// The name people search for; left out: `name`.
    pub(crate) product: Option<String>,
    /// A word of `fingerprints/vocabulary.toml`.
    pub(crate) group: At<String>,
    /// Severity class.
    pub(crate) class: ClassWord,
    /// How well the facts are founded.
    pub(crate) status: StatusWord,
    /// Ports on which this product is asked for first.
    pub(crate) ports: Vec<PortEntry>,
    /// CPE 2.3 names, with `{version}`.
    #[serde(default)]
    pub(crate) cpe: Vec<String>,
    /// Former identifiers.
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    /// Identifiers that may identify on the same endpoint.
    #[serde(default)]
    pub(crate) overlaps: Vec<At<String>>,
    /// Identifiers of which this product is a special form.
    #[serde(default)]
    pub(crate) refines: Vec<At<String>>,
    /// Whether to ask on unlisted ports as well.
    #[serde(default = "yes")]
    pub(crate) sweep: bool,
    /// Which versions get no more fixes.
    pub(crate) end_of_life: Option<EndOfLife>,
    /// Values inherited by every request.
    #[serde(default)]
    pub(crate) defaults: Defaults,
    /// What to ask.
    #[serde(default)]
    pub(crate) request: Vec<At<RequestEntry>>,
    /// Cheap signs that make the engine ask early.
    #[serde(default)]
    pub(crate) hint: Vec<At<HintEntry>>,
    /// What identifies the product.
    pub(crate) identity: Vec<At<IdentityEntry>>,
    /// How far the door opens; first match wins.
    pub(crate) state: Vec<At<StateEntry>>,
    /// Side observations.
    #[serde(default)]
    pub(crate) finding: Vec<At<FindingEntry>>,
    /// What may be kept.
    #[serde(default)]
    pub(crate) extract: Vec<At<ExtractEntry>>,
    /// Severities other than the class's, by state.
    #[serde(default)]
    pub(crate) severity: BTreeMap<String, At<String>>,
    /// Where this is written down.
    pub(crate) references: References,
    /// How to shut the door.
    pub(crate) remediation: Remediation,
    /// Examples, which are the tests.
    #[serde(default)]
    pub(crate) example: Vec<At<ExampleEntry>>,
}

fn yes() -> bool {
    true
}

/// Severity class.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
pub(crate) enum ClassWord {
    /// Runs code.
    A,
    /// Secrets and coordination.
    B,
    /// Data.
    C,
    /// Gateway or its administration.
    D,
    /// Observability and user interfaces.
    E,
}

/// How well the facts are founded.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StatusWord {
    /// From documents.
    Draft,
    /// Checked against the product's source.
    Reviewed,
    /// Recorded from a running instance.
    Proven,
}

/// A port on which the product is asked for first.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PortEntry {
    /// Port number.
    pub(crate) port: u16,
    /// With or without TLS; left out: both.
    pub(crate) tls: Option<bool>,
}

/// Which versions get no more fixes.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EndOfLife {
    /// Versions below this one.
    pub(crate) before: Option<String>,
    /// The whole product.
    #[serde(default)]
    pub(crate) all: bool,
    /// Year and month when that was true.
    pub(crate) as_of: String,
}

/// Values inherited by every request.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Defaults {
    /// HTTP method.
    pub(crate) method: Option<MethodWord>,
    /// `Accept` header.
    pub(crate) accept: Option<String>,
    /// Bytes of body to read at most.
    pub(crate) max_body: Option<u32>,
    /// Only `false` is allowed.
    pub(crate) follow_redirects: Option<bool>,
}

/// HTTP method.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum MethodWord {
    /// The ordinary one.
    #[default]
    Get,
    /// Head only.
    Head,
    /// Class T3 only.
    Post,
}

/// Request class.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd)]
pub(crate) enum RequestClassWord {
    /// Fixed metadata.
    T1,
    /// Counts, empty sets and permission answers.
    T2,
    /// A question spelt POST.
    T3,
}

/// One request.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestEntry {
    /// Referred to by `on`.
    pub(crate) id: At<String>,
    /// What it may do at most.
    pub(crate) class: RequestClassWord,
    /// Path and query, with `{nonce}`.
    pub(crate) path: Option<At<String>>,
    /// HTTP method.
    pub(crate) method: Option<MethodWord>,
    /// `Accept` header.
    pub(crate) accept: Option<String>,
    /// Body, sent as JSON.
    #[schemars(with = "Option<serde_json::Map<String, serde_json::Value>>")]
    pub(crate) json_body: Option<toml::Table>,
    /// Bytes of body to read at most.
    pub(crate) max_body: Option<u32>,
    /// Predicates that must all hold before it is asked.
    #[serde(default)]
    pub(crate) when: Vec<At<PredicateEntry>>,
    /// Option that the scope must have switched on.
    pub(crate) opt_in: Option<String>,
    /// Any status is this product's answer to "may I?".
    #[serde(default)]
    pub(crate) permission: bool,
    /// The product answers unknown paths with this same page.
    #[serde(default)]
    pub(crate) catch_all: bool,
    /// Name of a binary conversation, instead of `path`.
    pub(crate) dialogue: Option<At<String>>,
}

/// A cheap sign.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HintEntry {
    /// All of these hold.
    #[serde(default)]
    pub(crate) all: Vec<At<PredicateEntry>>,
    /// One of these holds.
    #[serde(default)]
    pub(crate) any: Vec<At<PredicateEntry>>,
    /// None of these holds.
    #[serde(default)]
    pub(crate) none: Vec<At<PredicateEntry>>,
}

/// A group of markers.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdentityEntry {
    /// Name of the group.
    pub(crate) name: String,
    /// No other product answers like this.
    #[serde(default)]
    pub(crate) certain: bool,
    /// Where the markers are.
    pub(crate) layer: LayerWord,
    /// All of these hold.
    #[serde(default)]
    pub(crate) all: Vec<At<PredicateEntry>>,
    /// One of these holds.
    #[serde(default)]
    pub(crate) any: Vec<At<PredicateEntry>>,
    /// None of these holds.
    #[serde(default)]
    pub(crate) none: Vec<At<PredicateEntry>>,
    /// First version seen with it.
    #[expect(dead_code, reason = "for people and for `fingerprint show`, which prints the file")]
    pub(crate) since: Option<String>,
    /// Last version seen with it.
    #[expect(dead_code, reason = "for people and for `fingerprint show`, which prints the file")]
    pub(crate) until: Option<String>,
}

/// Where a marker is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LayerWord {
    /// Certificate or handshake.
    Tls,
    /// Header of a response.
    Header,
    /// Body of a response.
    Body,
    /// Title of a page.
    Title,
    /// Icon of a page.
    Favicon,
    /// What the peer says unasked.
    Greeting,
    /// A binary conversation.
    Dialogue,
}

/// A rule that gives a state.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StateEntry {
    /// The state.
    pub(crate) is: StateWord,
    /// For `controllable`: how it is known.
    pub(crate) proof: Option<ProofWord>,
    /// One sentence, lower case, without a full stop.
    pub(crate) why: String,
    /// Lowers the confidence.
    pub(crate) confidence: Option<ConfidenceWord>,
    /// Instead of the table.
    pub(crate) severity: Option<At<String>>,
    /// Modifiers.
    #[serde(default)]
    pub(crate) tags: Vec<At<String>>,
    /// All of these hold.
    #[serde(default)]
    pub(crate) all: Vec<At<PredicateEntry>>,
    /// One of these holds.
    #[serde(default)]
    pub(crate) any: Vec<At<PredicateEntry>>,
    /// None of these holds.
    #[serde(default)]
    pub(crate) none: Vec<At<PredicateEntry>>,
}

/// How far the door opens.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum StateWord {
    /// Every informative request is refused in the product's own words.
    AuthRequired,
    /// Health, version or a login page only.
    Limited,
    /// What the product holds can be read.
    Readable,
    /// A stranger could change or run things.
    Controllable,
}

/// How `controllable` is known.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ProofWord {
    /// The product said what we may do.
    Proven,
    /// No gate exists; `why` says so.
    Inferred,
}

/// How sure.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ConfidenceWord {
    /// A weak marker.
    Low,
    /// Two markers.
    Medium,
    /// A certain marker.
    High,
}

/// A side observation.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct FindingEntry {
    /// Named after the problem.
    pub(crate) id: At<String>,
    /// Its own severity.
    pub(crate) severity: At<String>,
    /// One sentence.
    #[serde(default)]
    pub(crate) title: String,
    /// All of these hold.
    #[serde(default)]
    pub(crate) all: Vec<At<PredicateEntry>>,
    /// One of these holds.
    #[serde(default)]
    pub(crate) any: Vec<At<PredicateEntry>>,
    /// None of these holds.
    #[serde(default)]
    pub(crate) none: Vec<At<PredicateEntry>>,
}

/// One fact that may be kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExtractEntry {
    /// The fact's name.
    pub(crate) name: At<String>,
    /// The request it is read from.
    pub(crate) on: Option<At<String>>,
    /// JSON pointer.
    pub(crate) json: Option<At<String>>,
    /// Header name, lower case.
    pub(crate) header: Option<At<String>>,
    /// From the body, by `matches`.
    #[serde(default)]
    pub(crate) body: bool,
    /// From the title.
    #[serde(default)]
    pub(crate) title: bool,
    /// From the leaf certificate.
    pub(crate) tls: Option<TlsPart>,
    /// JSON pointer to an array or object whose members are counted.
    pub(crate) count: Option<At<String>>,
    /// JSON pointer to a number that is added to the count.
    pub(crate) plus: Option<At<String>>,
    /// Regular expression; the first group, or the whole match.
    pub(crate) matches: Option<At<String>>,
    /// What may be kept of it.
    pub(crate) keep: KeepWord,
}

/// A part of the leaf certificate.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TlsPart {
    /// Issuer name.
    Issuer,
    /// Subject name.
    Subject,
    /// Alternative names.
    San,
}

/// What may be kept of a value.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum KeepWord {
    /// Words and numbers that name nobody.
    Plain,
    /// A number.
    Count,
    /// A name, hashed so that two can be compared.
    KeyedHash,
    /// Looked at and thrown away.
    Drop,
}

/// Where this is written down.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct References {
    /// Weaknesses.
    pub(crate) cwe: Vec<String>,
    /// ATT&CK techniques.
    pub(crate) attack: Vec<String>,
    /// CIS benchmark sections, with the benchmark's version.
    #[serde(default)]
    pub(crate) cis: Vec<String>,
    /// Names of documents.
    pub(crate) docs: Vec<String>,
}

/// How to shut the door.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Remediation {
    /// One line.
    pub(crate) summary: String,
    /// Steps.
    pub(crate) steps: Vec<String>,
}

/// One predicate: a subject and a comparison.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PredicateEntry {
    /// The request whose answer is looked at.
    pub(crate) on: Option<String>,
    /// HTTP status codes.
    pub(crate) status: Option<Vec<u16>>,
    /// Header name, lower case.
    pub(crate) header: Option<String>,
    /// JSON pointer.
    pub(crate) json: Option<String>,
    /// Regular expression over the body.
    pub(crate) body: Option<String>,
    /// Regular expression over the HTML title.
    pub(crate) title: Option<String>,
    /// Regular expression over `Location`.
    pub(crate) location: Option<String>,
    /// Media type or types.
    pub(crate) media_type: Option<OneOrMany<String>>,
    /// Hashes of an icon.
    pub(crate) favicon_mmh3: Option<Vec<i32>>,
    /// Bytes, hexadecimal.
    pub(crate) bytes: Option<String>,
    /// With `bytes`: where they begin.
    pub(crate) offset: Option<u32>,
    /// With `bytes`: which bits count, hexadecimal.
    pub(crate) mask: Option<String>,
    /// Whether there was a usable answer.
    pub(crate) answered: Option<bool>,
    /// Kinds of failure.
    pub(crate) failed: Option<OneOrMany<String>>,
    /// Name of an analyser.
    pub(crate) analyse: Option<String>,
    /// With `analyse = "k8s-rules"`: verb and resource.
    pub(crate) grants: Option<String>,
    /// With `analyse = "prom-flags"`: name of a flag.
    pub(crate) enabled: Option<String>,
    /// One of these is an alternative name of the leaf certificate.
    pub(crate) tls_san_any: Option<Vec<String>>,
    /// Regular expression over the issuer name.
    pub(crate) tls_issuer: Option<String>,
    /// Regular expression over the subject name.
    pub(crate) tls_subject: Option<String>,
    /// Whether a client certificate is asked for.
    pub(crate) tls_client_cert: Option<OneOrMany<String>>,
    /// Negotiated application protocol.
    pub(crate) tls_alpn: Option<OneOrMany<String>>,
    /// `http` or `https`.
    pub(crate) scheme: Option<String>,
    /// Regular expression over what the peer said unasked.
    pub(crate) greeting: Option<String>,
    /// Whether the product, or one identity group, is identified.
    pub(crate) identity: Option<BoolOrName>,
    /// Version is this or higher.
    pub(crate) version_from: Option<String>,
    /// Version is lower.
    pub(crate) version_below: Option<String>,
    /// Port numbers.
    pub(crate) port: Option<Vec<u16>>,
    /// Comparison: equal to this.
    #[schemars(with = "Option<serde_json::Value>")]
    pub(crate) equals: Option<toml::Value>,
    /// Comparison: equal to one of these.
    #[schemars(with = "Option<Vec<serde_json::Value>>")]
    pub(crate) one_of: Option<Vec<toml::Value>>,
    /// Comparison: regular expression.
    pub(crate) matches: Option<String>,
    /// Comparison: type of the JSON value.
    pub(crate) is: Option<String>,
    /// Comparison: present or absent.
    pub(crate) exists: Option<bool>,
    /// Comparison: number not below.
    pub(crate) min: Option<f64>,
    /// Comparison: number not above.
    pub(crate) max: Option<f64>,
    /// Comparison: equal to the HTTP status.
    pub(crate) equals_status: Option<bool>,
    /// Comparison: an object with all these keys.
    pub(crate) has_keys: Option<Vec<String>>,
    /// Comparison: an array with a string that matches.
    pub(crate) any_matches: Option<String>,
    /// Comparison: not fewer members or characters.
    pub(crate) length_min: Option<u32>,
    /// Comparison: not more members or characters.
    pub(crate) length_max: Option<u32>,
    /// Why it stays although no example needs it.
    pub(crate) justified: Option<String>,
}

/// One value or a list.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum OneOrMany<T> {
    /// One.
    One(T),
    /// Several.
    Many(Vec<T>),
}

impl<T: Clone> OneOrMany<T> {
    pub(crate) fn to_vec(&self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one.clone()],
            Self::Many(many) => many.clone(),
        }
    }
}

/// `true`, or the name of an identity group.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum BoolOrName {
    /// The product is identified, or not.
    Bool(bool),
    /// This group holds.
    Name(String),
}

/// An example.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExampleEntry {
    /// What it shows.
    pub(crate) name: String,
    /// Whether the product must be identified.
    pub(crate) kind: ExampleKind,
    /// Where it comes from.
    #[expect(dead_code, reason = "for people and for `fingerprint show`, which prints the file")]
    pub(crate) origin: String,
    /// Version of the instance it was recorded from.
    pub(crate) recorded: Option<String>,
    /// Scheme.
    #[serde(default)]
    pub(crate) scheme: SchemeWord,
    /// Port; left out: the first of the product's.
    pub(crate) port: Option<u16>,
    /// TLS facts.
    pub(crate) tls: Option<ExampleTls>,
    /// Whether T3 questions are allowed.
    #[serde(default = "yes")]
    pub(crate) t3: bool,
    /// Options that the scope has switched on; left out: all.
    pub(crate) opt_ins: Option<Vec<String>>,
    /// What the peer says unasked.
    #[serde(default)]
    pub(crate) greeting: String,
    /// What the verdict must be.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub(crate) expect: toml::Table,
    /// Strings that must not appear in the serialised verdict.
    #[serde(default)]
    pub(crate) absent: Vec<String>,
    /// The answer to each request, by its identifier.
    #[serde(default)]
    pub(crate) exchange: BTreeMap<String, At<String>>,
}

/// What an example is for.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum ExampleKind {
    /// The product.
    Positive,
    /// Another product or page.
    Negative,
    /// Shares markers, must stay silent.
    Trap,
}

/// Scheme of an example.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SchemeWord {
    /// Without TLS.
    #[default]
    Http,
    /// With TLS.
    Https,
}

/// TLS facts of an example.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExampleTls {
    /// Alternative names.
    #[serde(default)]
    pub(crate) san: Vec<String>,
    /// Issuer name.
    #[serde(default)]
    pub(crate) issuer: String,
    /// Subject name.
    #[serde(default)]
    pub(crate) subject: String,
    /// Whether a client certificate is asked for.
    pub(crate) client_cert: Option<String>,
    /// Negotiated application protocol.
    pub(crate) alpn: Option<String>,
}
