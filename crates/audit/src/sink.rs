//! What a check says: what broke, what held, what cannot be known.

use std::{borrow::Cow, collections::BTreeSet};

use nightlatch_finding::Severity;
use nightlatch_manifest::{Document, Node, Object};

use crate::kept::Kept;

/// What a finding is about.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Top of it: pointers, fingerprints and annotations are relative to it.
    pub root: Node<'a>,
    /// `apiVersion`; empty for what is no Kubernetes object.
    pub api_version: &'a str,
    /// `kind`, or what it is (`ComposeService`).
    pub kind: &'a str,
    /// Namespace; nothing when none is said.
    pub namespace: Option<&'a str>,
    /// Name.
    pub name: &'a str,
    /// The container, when the finding is about one.
    pub container: Option<&'a str>,
    /// Further node whose annotations exempt as well: the metadata of a pod template.
    pub template: Option<Node<'a>>,
}

impl<'a> Subject<'a> {
    /// A Kubernetes object.
    pub fn object(object: &Object<'a>) -> Self {
        Self {
            root: object.root,
            api_version: object.api_version,
            kind: object.kind,
            namespace: object.namespace,
            name: object.name,
            container: None,
            template: None,
        }
    }

    /// Something that is no Kubernetes object: a Compose service, a daemon's configuration, a unit.
    pub fn other(root: Node<'a>, kind: &'a str, name: &'a str) -> Self {
        Self { root, api_version: "", kind, namespace: None, name, container: None, template: None }
    }

    /// A whole document, named after nothing but its place.
    pub fn document(document: &'a Document, kind: &'a str, name: &'a str) -> Self {
        Self::other(document.root(), kind, name)
    }

    /// The same, of one container.
    pub fn container(self, name: &'a str) -> Self {
        Self { container: Some(name), ..self }
    }

    /// The same, exempt by annotations of this metadata too.
    pub fn with_template(self, metadata: Option<Node<'a>>) -> Self {
        Self { template: metadata, ..self }
    }
}

/// Where a finding points.
#[derive(Clone, Copy, Debug)]
pub enum At<'a> {
    /// A value that is there.
    Value(Node<'a>),
    /// A dotted path below a node that is there, of which at least the last key is not. The report points at the deepest
    /// part that exists.
    Missing(Node<'a>, &'a str),
}

/// A change that mends a finding.
#[derive(Clone, Debug)]
pub enum Change<'a> {
    /// Puts a scalar or flow value (YAML text) in the place of a value.
    Set(Node<'a>, Words),
    /// Takes a value and its key, or a list item, away.
    Remove(Node<'a>),
    /// Gives the dotted path below a mapping a value (YAML text, one line), making what is missing on the way.
    SetPath(Node<'a>, Words, Words),
    /// Adds an element (YAML text, one line) to a list.
    Append(Node<'a>, Words),
}

/// Words of a check: most are constants, and thousands of findings share them.
pub type Words = Cow<'static, str>;

/// One finding, as a check makes it.
#[derive(Clone, Debug)]
pub struct Found<'a> {
    pub(crate) subject: Subject<'a>,
    pub(crate) at: At<'a>,
    pub(crate) message: Words,
    pub(crate) severity: Option<Severity>,
    pub(crate) changes: Vec<Change<'a>>,
    /// What most findings do not have: thousands are kept at once.
    more: Option<Box<More<'a>>>,
}

/// What few findings have.
#[derive(Clone, Debug, Default)]
struct More<'a> {
    related: Vec<(String, Option<Node<'a>>)>,
    fix_text: Option<Words>,
    cause: Option<Words>,
}

impl<'a> Found<'a> {
    /// A finding at a value that is there. `message`: what is wrong here, in one sentence without a full stop at its end
    /// being needed; never holds a secret.
    pub fn new(subject: Subject<'a>, at: Node<'a>, message: impl Into<Words>) -> Self {
        Self::at(subject, At::Value(at), message)
    }

    /// A finding about a value that is absent: the dotted `path` below `parent`.
    pub fn missing(subject: Subject<'a>, parent: Node<'a>, path: &'a str, message: impl Into<Words>) -> Self {
        Self::at(subject, At::Missing(parent, path), message)
    }

    /// A finding anywhere.
    pub fn at(subject: Subject<'a>, at: At<'a>, message: impl Into<Words>) -> Self {
        Self { subject, at, message: message.into(), severity: None, changes: Vec::new(), more: None }
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let place = |at: &At<'a>| match at {
            At::Value(node) => (std::ptr::from_ref(node.document()), node.id(), ""),
            At::Missing(node, path) => (std::ptr::from_ref(node.document()), node.id(), *path),
        };
        place(&self.at) == place(&other.at)
            && self.message == other.message
            && self.cause_or_empty() == other.cause_or_empty()
            && (self.subject.name, self.subject.container) == (other.subject.name, other.subject.container)
    }

    /// Judges this case otherwise than the rule's severity. A configured severity still wins.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = Some(severity);
        self
    }

    /// Adds a line of evidence, with its place when it has one.
    pub fn related(mut self, message: impl Into<String>, at: Option<Node<'a>>) -> Self {
        self.add_related(message.into(), at);
        self
    }

    pub(crate) fn add_related(&mut self, message: String, at: Option<Node<'a>>) {
        let related = &mut self.more().related;
        if related.is_empty() {
            related.reserve_exact(1);
        }
        related.push((message, at));
    }

    /// Says how to mend this case; without it the rule's remediation is shown.
    pub fn fix_text(mut self, text: impl Into<Words>) -> Self {
        self.more().fix_text = Some(text.into());
        self
    }

    /// Adds a change that mends it; several are made together.
    pub fn change(mut self, change: Change<'a>) -> Self {
        // One is the rule, and thousands of findings are kept at once.
        if self.changes.is_empty() {
            self.changes.reserve_exact(1);
        }
        self.changes.push(change);
        self
    }

    /// Names what it is about within the subject (`volume:data`), so that a rule that hides this one does so for the same
    /// thing only. Without it: the container, or the object.
    pub fn cause(mut self, cause: impl Into<Words>) -> Self {
        self.more().cause = Some(cause.into());
        self
    }

    fn more(&mut self) -> &mut More<'a> {
        self.more.get_or_insert_default()
    }

    /// The lines of evidence.
    pub(crate) fn evidence(&self) -> &[(String, Option<Node<'a>>)] {
        self.more.as_ref().map_or(&[], |more| &more.related)
    }

    /// How to mend it, when it says so itself.
    pub(crate) fn own_fix_text(&self) -> Option<&Words> {
        self.more.as_ref()?.fix_text.as_ref()
    }

    /// What it is about within the subject; empty for the container, or the object.
    pub(crate) fn cause_or_empty(&self) -> &str {
        self.more.as_ref().and_then(|more| more.cause.as_deref()).unwrap_or("")
    }
}

/// Takes what one check says about one input.
#[derive(Debug, Default)]
pub struct Sink<'a> {
    pub(crate) found: Kept<'a>,
    pub(crate) passed: u32,
    pub(crate) unknown: u32,
    pub(crate) why_unknown: BTreeSet<String>,
    /// False when nobody will ask how to mend what is found.
    keeps_changes: bool,
}

/// Reasons kept for each rule.
const REASONS_MAX: usize = 5;

impl<'a> Sink<'a> {
    /// Takes what a check says; its changes too, when somebody will ask for them.
    pub(crate) fn keeping(changes: bool) -> Self {
        Self { keeps_changes: changes, ..Self::default() }
    }

    /// Something breaks the rule. What was just said of the same place is not said again: a script starts a program in
    /// three branches, three replicas share one template.
    pub fn fail(&mut self, mut found: Found<'a>) {
        if self.found.last().is_some_and(|last| last.says_the_same(&found)) {
            return;
        }
        if !self.keeps_changes {
            found.changes = Vec::new();
        }
        self.found.push(found);
    }

    /// Something that the rule is about holds.
    pub fn pass(&mut self) {
        self.passed = self.passed.saturating_add(1);
    }

    /// Something that the rule is about cannot be judged from the input. `why`: a short clause without foreign text.
    pub fn unknown(&mut self, why: &str) {
        self.unknown = self.unknown.saturating_add(1);
        if self.why_unknown.len() < REASONS_MAX && !self.why_unknown.contains(why) {
            self.why_unknown.insert(why.to_owned());
        }
    }
}
