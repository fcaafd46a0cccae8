//! Who may do one thing?

use std::io::{self, Write};

use clap::Args;
use nightlatch_rbac::{
    Resources, WhoCan as Who,
    defaults::{Comparison, compare_binding},
};
use serde_json::json;

use super::{
    input::{Input, warn_of_slips},
    page::{Page, grant_json, grant_lines},
    question::Question,
};
use crate::{exit::Exit, failure::Failure, session::Session};

/// Everyone whom a binding lets do something, and through what
///
/// Without -n a namespaced resource is asked about everywhere: who may in one namespace only is listed with it.
///
/// Examples:
///   nightlatch rbac who-can get secrets rbac/
///   nightlatch rbac who-can create pods/exec -n web rbac/
///   nightlatch rbac who-can escalate clusterroles rbac/
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct WhoCan {
    /// The verb
    verb: String,
    /// The resource (TYPE, TYPE/NAME, TYPE/SUBRESOURCE) or a path (/metrics)
    what: String,
    /// The subresource, where it is not written behind the resource
    #[arg(long, value_name = "NAME")]
    subresource: Option<String>,
    /// List those too who may by what every cluster ships with
    #[arg(long)]
    all: bool,
    /// As a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    input: Input,
}

impl WhoCan {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let corpus = self.input.read(session)?;
        let authorizer = self.input.authorizer(&corpus, session);
        let resources = Resources::of(&corpus);
        let sub = self.subresource.as_deref();
        let namespace = self.input.namespace();
        let question = Question::read(&self.verb, &self.what, sub, namespace, &resources, session)?;
        warn_of_slips(Some(&self.verb), namespace, None, (&corpus, &authorizer), session);
        let is_shipped = |one: &Who| {
            let binding = authorizer.policy().bindings.get(one.grant.binding as usize);
            binding.is_some_and(|own| own.claims_default && compare_binding(own) == Comparison::AsShipped)
        };
        let who = authorizer.who_can(&question.attributes());
        let (shipped, who): (Vec<_>, Vec<_>) =
            who.into_iter().partition(|one| !self.all && !self.json && is_shipped(one));
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            let list: Vec<_> = who
                .iter()
                .map(|one| {
                    json!({
                        "subject": one.subject,
                        "namespace": one.namespace,
                        "grant": grant_json(&authorizer, &corpus, one.grant),
                    })
                })
                .collect();
            super::super::json_line(&json!({"question": question.describe(), "who": list}), &mut out)?;
            out.flush()?;
            return Ok(Exit::Clean);
        }
        let mut page = Page::new(&mut out, session.style());
        let group = "Group system:masters, which is above all rules, may anyway";
        if who.is_empty() && shipped.is_empty() {
            page.text("", &format!("no binding lets anybody {}", question.describe()), 0)?;
        }
        for of_subject in who.chunk_by(|a, b| a.subject == b.subject) {
            let Some(first) = of_subject.first() else { continue };
            page.head(&first.subject.describe())?;
            for one in of_subject {
                let scope = match one.namespace.as_deref() {
                    None => "in the whole cluster".to_owned(),
                    Some("") => "in a namespace that the file does not name".to_owned(),
                    Some(namespace) => format!("in namespace {namespace}"),
                };
                page.text("  ", &scope, 2)?;
                for (text, at) in grant_lines(&authorizer, &corpus, one.grant) {
                    page.placed("    ", &text, &at, 6)?;
                }
            }
        }
        if !shipped.is_empty() {
            let mut names: Vec<String> = shipped.iter().map(|one| one.subject.describe()).collect();
            names.dedup();
            let few = names.iter().take(6).cloned().collect::<Vec<_>>().join(", ");
            let more = if names.len() > 6 { format!(" and {} more", names.len() - 6) } else { String::new() };
            page.text("", &format!("By what every cluster ships with (--all says how): {few}{more}"), 2)?;
        }
        page.text("", group, 0)?;
        out.flush()?;
        Ok(Exit::Clean)
    }
}
