//! Bytes become documents.

mod decode;
mod detect;
mod env;
mod json;
mod lines;
mod pem;
mod toml;
mod unit;
pub(crate) mod yaml;

pub(crate) use self::yaml::resolve::resolve;

use std::sync::Arc;

use nightlatch_untrusted::Text;

use self::detect::Shape;
use crate::{
    Corpus, Diagnostic, DiagnosticKind, Document, Format, Input, NodeId, Source, SourceId, Span, TreeBuilder,
    classify::classify,
};

/// At most so many diagnostics of one kind per source; the last one says how many more there are.
const DIAGNOSTICS_MAX: usize = 50;

/// What bounds the reading.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Longer inputs are refused. At most 4 GiB less one, whatever is set.
    pub bytes_max: usize,
    /// Documents with more nodes are refused.
    pub nodes_max: usize,
    /// Documents nested deeper are refused.
    pub depth_max: u32,
    /// Documents whose aliases stand for more nodes are refused.
    pub expanded_max: u64,
}

impl Default for Limits {
    /// 256 MB, 16 million nodes, 512 levels, a million nodes by aliases.
    fn default() -> Self {
        Self { bytes_max: 256 << 20, nodes_max: 16_000_000, depth_max: 512, expanded_max: 1_000_000 }
    }
}

impl Corpus {
    /// Reads every input, in order, within the default limits.
    pub fn read(inputs: impl IntoIterator<Item = Input>) -> Self {
        Self::read_within(inputs, &Limits::default())
    }

    /// Reads every input, in order.
    pub fn read_within(inputs: impl IntoIterator<Item = Input>, limits: &Limits) -> Self {
        let mut corpus = Self::default();
        for input in inputs {
            corpus.add(input, limits);
        }
        corpus
    }

    /// Reads one more input: decides by its content, and where that leaves it open by its name, what it is written
    /// in, and adds its text, its documents and what could not be read.
    pub fn add(&mut self, input: Input, limits: &Limits) -> SourceId {
        let id = SourceId(self.sources.len() as u32);
        let Input { name, bytes } = input;
        let (text, problem) = match decode::decode(bytes, limits.bytes_max.min(u32::MAX as usize - 1)) {
            Ok(text) => (text, None),
            Err((text, span, message)) => (text, Some((span, message))),
        };
        let text: Arc<str> = text.into();
        self.sources.push(Source::new(name.clone(), Arc::clone(&text)));
        let first = self.documents.len();
        let mut out = Out {
            source: id,
            text: &text,
            limits,
            name: &name,
            first,
            errors: 0,
            warnings: 0,
            documents: &mut self.documents,
            diagnostics: &mut self.diagnostics,
        };
        match problem {
            Some((at, message)) => out.error(at, &message),
            None => out.read(),
        }
        out.sum_up();
        id
    }
}

/// Reads one YAML value from a text of our own; nothing when it is none.
pub(crate) fn value(text: &str) -> Option<Document> {
    let mut corpus = Corpus::read([Input { name: Text::new("-.yaml"), bytes: text.as_bytes().to_vec() }]);
    let is_one = corpus.documents.len() == 1 && corpus.diagnostics.is_empty();
    corpus.documents.pop().filter(|_| is_one)
}

/// Where the readers of one source put what they find.
pub(crate) struct Out<'r> {
    pub(crate) source: SourceId,
    pub(crate) text: &'r Arc<str>,
    pub(crate) limits: &'r Limits,
    name: &'r Text,
    /// How many documents there were before this source.
    first: usize,
    errors: usize,
    warnings: usize,
    documents: &'r mut Vec<Document>,
    diagnostics: &'r mut Vec<Diagnostic>,
}

impl Out<'_> {
    fn read(&mut self) {
        let start = if self.text.starts_with('\u{FEFF}') { '\u{FEFF}'.len_utf8() } else { 0 };
        let body = &self.text[start..];
        match detect::detect(self.name.raw(), body) {
            Shape::Binary => self.warning(
                yaml::point(start),
                "not text: a zero byte in a file that is no list of command lines; skipped",
            ),
            Shape::Json => {
                let name = match self.name.raw() {
                    name if detect::has_json_name(name) => json::Name::Json,
                    name if detect::has_yaml_name(name) => json::Name::Yaml,
                    _ => json::Name::Open,
                };
                if !json::read(self, start, name) {
                    yaml::read(self, start);
                }
            }
            Shape::Yaml => yaml::read(self, start),
            Shape::Toml => toml::read(self, start),
            Shape::Unit => unit::read(self, start),
            Shape::Env => env::read(self, start),
            Shape::Files => lines::files(self, start),
            Shape::Processes => lines::processes(self, start),
            Shape::Arguments => lines::arguments(self, start),
            Shape::Certificates => pem::read(self, start),
        }
    }

    /// The last part of the input's name.
    fn file_name(&self) -> String {
        self.name.raw().rsplit(['/', '\\']).next().unwrap_or_default().to_owned()
    }

    /// How much there is, for [`Out::back_to`].
    fn mark(&self) -> (usize, usize, usize, usize) {
        (self.documents.len(), self.diagnostics.len(), self.errors, self.warnings)
    }

    /// Forgets what came after a mark.
    fn back_to(&mut self, (documents, diagnostics, errors, warnings): (usize, usize, usize, usize)) {
        self.documents.truncate(documents);
        self.diagnostics.truncate(diagnostics);
        self.errors = errors;
        self.warnings = warnings;
    }

    /// A builder for the next document.
    pub(crate) fn builder(&self, format: Format) -> TreeBuilder {
        let index = (self.documents.len() - self.first) as u32;
        TreeBuilder::new(self.source, index, format, Arc::clone(self.text))
    }

    pub(crate) fn push(&mut self, document: Option<Document>) {
        self.documents.extend(document.map(|mut document| {
            document.what = classify(document.root(), document.format, self.name.raw());
            document
        }));
    }

    /// Notes what hides a document.
    pub(crate) fn error(&mut self, at: usize, message: &str) {
        self.errors += 1;
        if self.errors <= DIAGNOSTICS_MAX {
            self.note(DiagnosticKind::Error, yaml::point(at), message);
        }
    }

    /// Notes what is worth knowing.
    pub(crate) fn warning(&mut self, span: Span, message: &str) {
        self.warnings += 1;
        if self.warnings <= DIAGNOSTICS_MAX {
            self.note(DiagnosticKind::Warning, span, message);
        }
    }

    /// Warns of keys that lost against a later one.
    pub(crate) fn repeated_keys(&mut self, tree: &TreeBuilder, lost: &[NodeId]) {
        for &id in lost {
            let key = tree.node(id);
            let message = format!("`{}` is given again further down; the last one counts", key.text());
            self.warning(key.span(), &message);
        }
    }

    fn note(&mut self, kind: DiagnosticKind, span: Span, message: &str) {
        let at = Some((self.source, span));
        self.diagnostics.push(Diagnostic { kind, at, name: self.name.clone(), message: Text::new(message) });
    }

    /// Says how many diagnostics were left out.
    fn sum_up(&mut self) {
        for (kind, count, what) in [
            (DiagnosticKind::Error, self.errors, "parts of this file that cannot be read"),
            (DiagnosticKind::Warning, self.warnings, "warnings for this file"),
        ] {
            if count > DIAGNOSTICS_MAX {
                let message = format!("{} more {what}", count - DIAGNOSTICS_MAX);
                self.note(kind, yaml::point(0), &message);
            }
        }
    }
}
