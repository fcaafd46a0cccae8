//! Everything that one caller may do.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use nightlatch_manifest::Corpus;
use nightlatch_rbac::{Authorizer, Right, Target, User};
use serde_json::{Value, json};

use super::{
    input::{Caller, Input, warn_of_slips},
    page::{Page, grant_json, grant_lines},
};
use crate::{exit::Exit, failure::Failure, say::say, session::Session};

/// Everything that somebody may do, merged, with the rules it comes from
///
/// Example:
///   nightlatch rbac can-list --as system:serviceaccount:web:api rbac/
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CanList {
    #[command(flatten)]
    caller: Caller,
    /// As a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    input: Input,
}

impl CanList {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        run(&self.input, self.input.corpus.paths.clone(), &self.caller.user()?, self.json, session)
    }
}

pub(super) fn run(
    input: &Input,
    paths: Vec<PathBuf>,
    user: &User,
    as_json: bool,
    session: &Session,
) -> Result<Exit, Failure> {
    let corpus = input.read_paths(paths, session)?;
    let authorizer = input.authorizer(&corpus, session);
    warn_of_slips(None, input.namespace(), Some(user), (&corpus, &authorizer), session);
    let (mut rights, is_whole) = authorizer.rights_of(user);
    if let Some(wanted) = input.namespace() {
        rights.retain(|right| right.namespace.as_deref().is_none_or(|own| own == wanted));
    }
    if !is_whole {
        say("warning: there are so many rights that some were left out");
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    if as_json {
        let list: Vec<Value> = rights.iter().map(|right| right_json(right, &authorizer, &corpus)).collect();
        let all = json!({
            "user": user.name, "groups": user.groups, "superuser": Authorizer::is_superuser(user), "rights": list,
        });
        super::super::json_line(&all, &mut out)?;
    } else {
        text(&rights, user, &authorizer, &corpus, &mut Page::new(&mut out, session.style()))?;
    }
    out.flush()?;
    Ok(Exit::Clean)
}

fn right_json(right: &Right, authorizer: &Authorizer, corpus: &Corpus) -> Value {
    let target = match &right.target {
        Target::Resource { resource, group, names } => {
            json!({"resource": resource, "group": group, "names": names})
        }
        Target::Path(path) => json!({"path": path}),
    };
    let through: Vec<Value> =
        right.through.iter().map(|&grant| grant_json(authorizer, corpus, grant)).collect();
    json!({"namespace": right.namespace, "on": target, "verbs": right.verbs, "through": through})
}

/// Rules named below a scope before the rest is counted.
const SOURCES_SHOWN: usize = 12;

fn text(
    rights: &[Right],
    user: &User,
    authorizer: &Authorizer,
    corpus: &Corpus,
    page: &mut Page<'_>,
) -> io::Result<()> {
    if Authorizer::is_superuser(user) {
        page.text("", "everything: system:masters is above all rules", 0)?;
    }
    if rights.is_empty() {
        page.text("", &format!("no rule lets {} do anything", super::can_i::who(user)), 0)?;
    }
    for scope in rights.chunk_by(|a, b| a.namespace == b.namespace) {
        let Some(first) = scope.first() else { continue };
        page.head(&match first.namespace.as_deref() {
            None => "In the whole cluster".to_owned(),
            Some("") => "In a namespace that the file does not name".to_owned(),
            Some(namespace) => format!("In namespace {namespace}"),
        })?;
        for right in scope {
            let what = match &right.target {
                Target::Resource { resource, group, names } => {
                    let group = if group.is_empty() { String::new() } else { format!(".{group}") };
                    let names =
                        if names.is_empty() { String::new() } else { format!(" [{}]", names.join(" ")) };
                    format!("{resource}{group}{names}")
                }
                Target::Path(path) => path.clone(),
            };
            page.text("  ", &format!("{what}: {}", right.verbs.join(" ")), 6)?;
        }
        let mut sources: Vec<(String, String)> = Vec::new();
        for grant in scope.iter().flat_map(|right| &right.through) {
            for (text, at) in grant_lines(authorizer, corpus, *grant) {
                // The rules themselves are what stands above.
                let text = text.split(" rule ").next().unwrap_or_default().to_owned();
                if !sources.iter().any(|(own, _)| *own == text) {
                    sources.push((text, at));
                }
            }
        }
        page.text("  ", "through", 4)?;
        for (text, at) in sources.iter().take(SOURCES_SHOWN) {
            page.placed("    ", text, at, 6)?;
        }
        if sources.len() > SOURCES_SHOWN {
            page.text("    ", &format!("and {} more; --json lists all", sources.len() - SOURCES_SHOWN), 6)?;
        }
    }
    Ok(())
}
