//! Rights gained and lost.

use std::io::{self, Write};

use clap::Args;
use nightlatch_manifest::Corpus;
use nightlatch_rbac::{Authorizer, Rule, RuleGrant, diff, risk::show_rule};
use serde_json::{Value, json};

use super::{
    input::Input,
    page::{Page, grant_json, grant_lines},
};
use crate::{exit::Exit, failure::Failure, session::Session};

/// Rights that subjects gained and lost between two inputs, whatever changed in the text
///
/// Takes two paths: as it was, and as it is. A right that is granted in another way afterwards (another binding, a broader rule) is no change.
///
/// Example:
///   nightlatch rbac diff old/ new/ --exit-code
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Diff {
    /// Exit code 1 when somebody gained a right
    #[arg(long)]
    exit_code: bool,
    /// As a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    input: Input,
}

impl Diff {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let [old, new] = self.input.corpus.paths.as_slice() else {
            return Err(Failure::usage("two paths are needed: as it was, and as it is")
                .hint("for example: nightlatch rbac diff old/ new/"));
        };
        let old_corpus = self.input.read_paths(vec![old.clone()], session)?;
        let new_corpus = self.input.read_paths(vec![new.clone()], session)?;
        let old = Side::new(&self.input, &old_corpus, session);
        let new = Side::new(&self.input, &new_corpus, session);
        let changes = diff(&old.authorizer, &new.authorizer);
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            let list: Vec<Value> = changes
                .iter()
                .map(|change| {
                    json!({
                        "subject": change.subject,
                        "namespace": change.namespace,
                        "gained": change.gained,
                        "gained_by": new.json(&change.gained_by),
                        "lost": change.lost,
                        "lost_by": old.json(&change.lost_by),
                    })
                })
                .collect();
            super::super::json_line(&json!({"changes": list}), &mut out)?;
        } else {
            let page = &mut Page::new(&mut out, session.style());
            if changes.is_empty() {
                page.text("", "nobody gained or lost a right", 0)?;
            }
            for change in &changes {
                let scope = match change.namespace.as_deref() {
                    None => "in the whole cluster".to_owned(),
                    Some("") => "in a namespace that the file does not name".to_owned(),
                    Some(namespace) => format!("in namespace {namespace}"),
                };
                page.head(&format!("{} {scope}", change.subject.describe()))?;
                new.text("+ ", &change.gained, &change.gained_by, page)?;
                old.text("- ", &change.lost, &change.lost_by, page)?;
            }
        }
        out.flush()?;
        let gained = changes.iter().any(|change| !change.gained.is_empty());
        Ok(if gained && self.exit_code { Exit::Findings } else { Exit::Clean })
    }
}

struct Side<'a> {
    authorizer: Authorizer,
    corpus: &'a Corpus,
}

impl<'a> Side<'a> {
    fn new(input: &Input, corpus: &'a Corpus, session: &Session) -> Self {
        Self { authorizer: input.authorizer(corpus, session), corpus }
    }

    fn json(&self, grants: &[RuleGrant]) -> Vec<Value> {
        grants.iter().map(|&grant| grant_json(&self.authorizer, self.corpus, grant)).collect()
    }

    fn text(&self, sign: &str, rules: &[Rule], by: &[RuleGrant], page: &mut Page<'_>) -> io::Result<()> {
        for rule in rules {
            page.text(&format!("  {sign}"), &show_rule(rule), 6)?;
        }
        for grant in by {
            for (text, at) in grant_lines(&self.authorizer, self.corpus, *grant) {
                page.placed("      ", text.split(" rule ").next().unwrap_or_default(), &at, 8)?;
            }
        }
        Ok(())
    }
}
