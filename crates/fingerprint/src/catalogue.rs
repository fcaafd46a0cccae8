use std::{fmt, sync::Arc, sync::LazyLock};

use serde::Deserialize;

use crate::{
    compile,
    error::FingerprintError,
    judge::Judge,
    model::{Compiled, Fingerprint, What},
    session::{Context, Session},
};

mod embedded {
    use super::Embedded;
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

pub(crate) use embedded::SERVERS;

/// A fingerprint folder that was embedded by the build script.
pub(crate) struct Embedded {
    path: &'static str,
    text: &'static str,
    side_files: &'static [(&'static str, &'static [u8])],
}

/// The text of one fingerprint file.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Path, for messages; its last folder is the identifier: `fingerprints/etcd/fingerprint.toml`.
    pub path: &'a str,
    /// The file's text.
    pub text: &'a str,
    /// Names relative to the folder (`examples/open.http`) and contents.
    pub side_files: &'a [(&'a str, &'a [u8])],
}

/// What fingerprints may refer to beside themselves.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Names of the binary conversations that the probe can hold.
    pub dialogues: &'a [&'a str],
    /// Whether the sources are the whole catalogue, so that `overlaps` and `refines` must name one of them.
    pub complete: bool,
}

impl<'a> Known<'a> {
    /// With these dialogues, and the whole catalogue.
    pub const fn dialogues(dialogues: &'a [&'a str]) -> Self {
        Self { dialogues, complete: true }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Vocabulary {
    groups: toml::Table,
}

static GROUPS: LazyLock<Vec<String>> = LazyLock::new(|| {
    // A test reads the embedded file; a broken one leaves no group, and every fingerprint is refused.
    let vocabulary = toml::from_str::<Vocabulary>(embedded::VOCABULARY);
    vocabulary.map_or_else(|_| Vec::new(), |vocabulary| vocabulary.groups.keys().cloned().collect())
});

/// Compiled fingerprints, ready to plan and judge. Cheap to clone.
#[derive(Clone)]
pub struct Catalogue {
    pub(crate) compiled: Arc<Compiled>,
}

impl fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Catalogue").field("fingerprints", &self.compiled.fingerprints.len()).finish()
    }
}

/// One fingerprint, as `list` and `show` print it.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a>(pub(crate) &'a Fingerprint);

impl<'a> Entry<'a> {
    /// Identifier.
    pub fn id(self) -> &'a str {
        &self.0.id
    }

    /// What it is, for people.
    pub fn name(self) -> &'a str {
        &self.0.file.name
    }

    /// The name people search for.
    pub fn product(self) -> &'a str {
        &self.0.product
    }

    /// A word of the vocabulary.
    pub fn group(self) -> &'a str {
        self.0.file.group.get()
    }

    /// Severity class, `A` to `E`.
    pub fn class(self) -> String {
        format!("{:?}", self.0.file.class)
    }

    /// `draft`, `reviewed` or `proven`.
    pub fn status(self) -> String {
        format!("{:?}", self.0.file.status).to_lowercase()
    }

    /// Ports on which it is asked for first, sorted, each once.
    pub fn ports(self) -> Vec<u16> {
        let mut ports: Vec<_> = self.0.file.ports.iter().map(|entry| entry.port).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Former identifiers.
    pub fn aliases(self) -> &'a [String] {
        &self.0.file.aliases
    }

    /// Those that may identify beside it, whoever of the two declared it.
    pub fn kin(self) -> impl Iterator<Item = &'a str> {
        self.0.kin.iter().map(String::as_str)
    }

    /// The file's text, as written.
    pub fn text(self) -> &'a str {
        &self.0.text
    }

    /// Weaknesses, techniques, benchmark sections and documents it refers to.
    pub fn references(self) -> impl Iterator<Item = &'a str> {
        let references = &self.0.file.references;
        let lists = [&references.cwe, &references.attack, &references.cis, &references.docs];
        lists.into_iter().flatten().map(String::as_str)
    }

    /// How to shut the door: one line, then steps.
    pub fn remediation(self) -> (&'a str, &'a [String]) {
        (&self.0.file.remediation.summary, &self.0.file.remediation.steps)
    }
}

impl Catalogue {
    /// Compiles fingerprint files.
    ///
    /// # Errors
    /// Everything that is wrong with any of them, with file, line and column.
    pub fn compile(sources: &[Source<'_>], known: &Known<'_>) -> Result<Self, Vec<FingerprintError>> {
        compile::all(sources, known, &GROUPS).map(|compiled| Self { compiled: Arc::new(compiled) })
    }

    /// The texts of the fingerprints that come with the program, sorted.
    pub fn embedded_sources() -> Vec<Source<'static>> {
        let source =
            |file: &Embedded| Source { path: file.path, text: file.text, side_files: file.side_files };
        embedded::FILES.iter().map(source).collect()
    }

    /// The fingerprints that come with the program.
    ///
    /// # Errors
    /// As [`compile`](Self::compile): a dialogue that the probe does not know, say.
    pub fn embedded(dialogues: &[&str]) -> Result<Self, Vec<FingerprintError>> {
        Self::compile(&Self::embedded_sources(), &Known::dialogues(dialogues))
    }

    /// The global negative corpus: names and raw responses that no fingerprint may take for its product.
    pub fn negatives() -> &'static [(&'static str, &'static [u8])] {
        embedded::NEGATIVES
    }

    /// All fingerprints, sorted by identifier.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        self.compiled.fingerprints.iter().map(Entry)
    }

    /// The fingerprint with this identifier or alias.
    pub fn entry(&self, id: &str) -> Option<Entry<'_>> {
        self.entries().find(|entry| entry.id() == id || entry.aliases().iter().any(|alias| alias == id))
    }

    /// The dialogues that fingerprints name, each once, in the order of the fingerprints.
    pub fn dialogues(&self) -> Vec<&str> {
        let names = self.compiled.asks.iter().filter_map(|ask| match &ask.what {
            What::Dialogue(name) => Some(name.as_str()),
            What::Http { .. } => None,
        });
        names.collect()
    }

    /// The ports that fingerprints list, sorted, each once.
    pub fn ports(&self) -> Vec<u16> {
        let mut ports: Vec<_> = self.entries().flat_map(Entry::ports).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    /// Begins a conversation with one port over one scheme.
    pub fn session(&self, context: Context) -> Session {
        Session::new(Arc::clone(&self.compiled), Judge::new(context))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_vocabulary_is_readable() {
        assert!(super::GROUPS.contains(&"kubernetes".to_owned()));
    }
}
