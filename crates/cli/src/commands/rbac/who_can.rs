//! Who may do one thing?

use std::io::{self, Write};

use clap::Args;
use nightlatch_rbac::Resources;
use serde_json::json;

use super::{
    input::Input,
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
        let who = authorizer.who_can(&question.attributes());
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
        if who.is_empty() {
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
        page.text("", group, 0)?;
        out.flush()?;
        Ok(Exit::Clean)
    }
}
