//! What the questions are asked of, and who asks them.

use std::path::PathBuf;

use clap::Args;
use nightlatch_manifest::{Corpus, DiagnosticKind};
use nightlatch_rbac::{Assume, Authorizer, Options, SubjectKind, User, defaults};

use super::super::corpus::CorpusArgs;
use crate::{failure::Failure, say::say, session::Session, words::nearest};

/// Options of all questions: what is read and how.
#[derive(Clone, Debug, Args)]
pub(crate) struct Input {
    #[command(flatten)]
    pub(crate) corpus: CorpusArgs,
    /// Assume the roles and bindings that clusters start with even if the input holds some of them
    #[arg(long, help_heading = "Input", conflicts_with = "no_defaults")]
    defaults: bool,
    /// Assume nothing: what is not in the input does not exist
    #[arg(long, help_heading = "Input")]
    no_defaults: bool,
    /// The version of the cluster, such as 1.29 [default: the newest]
    #[arg(long, value_name = "VERSION", help_heading = "Input", value_parser = minor)]
    kubernetes_version: Option<u32>,
}

/// Diagnostics that are told one by one.
const DIAGNOSTICS_SHOWN: usize = 5;

/// Reads `1.29`, `v1.29`, `1.29.3` or `29`.
fn minor(text: &str) -> Result<u32, String> {
    let wrong = || format!("`{text}` is no version: expected 1.29");
    let plain = text.strip_prefix('v').unwrap_or(text);
    let number = match plain.strip_prefix("1.") {
        Some(rest) => rest.split('.').next().unwrap_or_default(),
        None => plain,
    };
    number.parse().ok().filter(|minor| *minor < 1000).ok_or_else(wrong)
}

impl Input {
    /// Reads what the command line names; what could not be read is told.
    pub(crate) fn read(&self, session: &Session) -> Result<Corpus, Failure> {
        self.corpus.check_paths()?;
        let corpus = self.corpus.read(session)?;
        tell(&corpus, session);
        if corpus.documents.is_empty() && unread(&corpus) > 0 {
            return Err(Failure::usage("nothing of the input could be read"));
        }
        Ok(corpus)
    }

    /// The same of other files and folders.
    pub(crate) fn read_paths(&self, paths: Vec<PathBuf>, session: &Session) -> Result<Corpus, Failure> {
        let input = Self { corpus: CorpusArgs { paths, ..self.corpus.clone() }, ..self.clone() };
        input.read(session)
    }

    /// The namespace that is asked about.
    pub(crate) fn namespace(&self) -> Option<&str> {
        self.corpus.namespace.as_deref()
    }

    /// The authoriser of a corpus.
    pub(crate) fn authorizer(&self, corpus: &Corpus, session: &Session) -> Authorizer {
        let assume = match (self.defaults, self.no_defaults) {
            (true, _) => Assume::Always,
            (_, true) => Assume::Never,
            _ => Assume::WhenAbsent,
        };
        let authorizer = Authorizer::with(
            corpus,
            Options { assume, minor: self.kubernetes_version.unwrap_or(defaults::NEWEST) },
        );
        let is_rbac =
            |kind: &str| ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"].contains(&kind);
        if session.chatty() && !corpus.objects().any(|object| is_rbac(object.kind)) {
            say("warning: the input holds no role and no binding");
        }
        if authorizer.is_cut() && session.chatty() {
            say("warning: there are so many aggregated roles that some of their rules were left out");
        }
        authorizer
    }
}

/// Verbs of the API server and its authorisers.
const VERBS: [&str; 22] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "use",
    "bind",
    "escalate",
    "impersonate",
    "approve",
    "sign",
    "attest",
    "connect",
    "proxy",
    "head",
    "options",
    "post",
    "put",
    "*",
];

/// How many parts of the input could not be read.
pub(crate) fn unread(corpus: &Corpus) -> usize {
    corpus.diagnostics.iter().filter(|one| one.kind == DiagnosticKind::Error).count()
}

/// Warns of words that look like a slip of the finger: nothing in the input is called so, and something almost is.
pub(crate) fn warn_of_slips(
    verb: Option<&str>,
    namespace: Option<&str>,
    user: Option<&User>,
    (corpus, authorizer): (&Corpus, &Authorizer),
    session: &Session,
) {
    if !session.chatty() {
        return;
    }
    let warn = |what: &str, word: &str, known: Vec<&str>| {
        if let Some(near) = nearest(word, known.iter().copied()).filter(|_| !known.contains(&word)) {
            say(format_args!("warning: the input knows no {what} {word}; did you mean {near}?"));
        }
    };
    let bindings = &authorizer.policy().bindings;
    if let Some(verb) = verb {
        warn("verb", verb, VERBS.to_vec());
    }
    if let Some(namespace) = namespace {
        let mut known = Vec::new();
        for object in corpus.objects() {
            match object.root.at("metadata.namespace").and_then(|node| node.as_str()) {
                _ if object.kind == "Namespace" => known.push(object.name),
                Some(own) => known.push(own),
                // It is in the namespace that is asked about, whatever that is called.
                None if ["Role", "RoleBinding"].contains(&object.kind) => known.push(namespace),
                None => {}
            }
        }
        warn("namespace", namespace, known);
    }
    if let Some(user) = user.filter(|user| !user.name.is_empty()) {
        let names: Vec<String> = bindings
            .iter()
            .flat_map(|binding| &binding.subjects)
            .filter_map(|subject| match subject.kind {
                SubjectKind::User => Some(subject.name.to_string()),
                SubjectKind::ServiceAccount => {
                    Some(nightlatch_rbac::user::account_name(&subject.namespace, &subject.name))
                }
                SubjectKind::Group | SubjectKind::Unknown => None,
            })
            .collect();
        warn("user", &user.name, names.iter().map(String::as_str).collect());
    }
}

fn tell(corpus: &Corpus, session: &Session) {
    let errors = || corpus.diagnostics.iter().filter(|one| one.kind == DiagnosticKind::Error);
    for diagnostic in errors().take(DIAGNOSTICS_SHOWN) {
        let place = match diagnostic.at {
            Some((source, span)) => super::page::place(corpus, source, span.start),
            None => diagnostic.name.raw().to_owned(),
        };
        say(format_args!("warning: {place}: {}", diagnostic.message.raw()));
    }
    let more = errors().count().saturating_sub(DIAGNOSTICS_SHOWN);
    if more > 0 && session.chatty() {
        say(format_args!("warning: {more} more could not be read; nightlatch audit lists all"));
    }
}

/// Who asks, in kubectl's words.
#[derive(Clone, Debug, Args)]
pub(crate) struct Caller {
    /// The user or service account (system:serviceaccount:NAMESPACE:NAME) that asks
    #[arg(long = "as", value_name = "USER")]
    pub(crate) user: Option<String>,
    /// A group the user is in; may be repeated. With it the groups are exactly those, and system:authenticated
    #[arg(long = "as-group", value_name = "GROUP")]
    pub(crate) groups: Vec<String>,
}

impl Caller {
    /// The caller; a mistake when nobody is named, because there is no cluster that knows who runs the command.
    pub(crate) fn user(&self) -> Result<User, Failure> {
        let name = match &self.user {
            Some(name) => name.clone(),
            None if !self.groups.is_empty() => String::new(),
            None => {
                return Err(Failure::usage("nobody is named who asks")
                    .hint("add --as USER, --as system:serviceaccount:NAMESPACE:NAME or --as-group GROUP"));
            }
        };
        // Kubelets and bootstrap tokens bring their groups; those that are given are the authority.
        Ok(if self.groups.is_empty() {
            User::real(name)
        } else {
            User::impersonated(name, self.groups.clone())
        })
    }
}
