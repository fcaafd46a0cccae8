//! May one caller do one thing?

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::Args;
use nightlatch_manifest::Corpus;
use nightlatch_rbac::{Authorizer, Decision, Doubt, Grant, Resources, SubjectKind, User};
use serde_json::{Value, json};

use super::{
    input::{Caller, Input, unread, warn_of_slips},
    list,
    page::{Page, anchored, grant_json, grant_lines},
    question::Question,
};
use crate::{exit::Exit, failure::Failure, session::Session, words::counted};

/// May somebody do something; exit code 1 when not, as kubectl's
///
/// Examples:
///   nightlatch rbac can-i create pods/exec -n web --as jane rbac/
///   nightlatch rbac can-i get secrets/db -n web --as system:serviceaccount:web:api rbac/
///   nightlatch rbac can-i get /metrics --as-group system:monitoring rbac/
///   nightlatch rbac can-i --list -n web --as jane --as-group dev rbac/
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct CanI {
    /// The verb
    verb: Option<String>,
    /// The resource (TYPE, TYPE/NAME, TYPE/SUBRESOURCE) or a path (/metrics)
    what: Option<String>,
    #[command(flatten)]
    caller: Caller,
    /// The subresource, where it is not written behind the resource
    #[arg(long, value_name = "NAME")]
    subresource: Option<String>,
    /// List everything that may be done instead
    #[arg(long)]
    list: bool,
    /// As a JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    input: Input,
}

impl CanI {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let user = self.caller.user()?;
        if self.list {
            // There is no question, so all words are paths.
            let words = [&self.verb, &self.what].into_iter().flatten().map(PathBuf::from);
            let paths = words.chain(self.input.corpus.paths.iter().cloned()).collect();
            return list::run(&self.input, paths, &user, self.json, session);
        }
        let (Some(verb), Some(what)) = (&self.verb, &self.what) else {
            return Err(Failure::usage("a verb and a resource are needed")
                .hint("for example: nightlatch rbac can-i create pods -n web --as jane rbac/"));
        };
        let corpus = self.input.read(session)?;
        let authorizer = self.input.authorizer(&corpus, session);
        let resources = Resources::of(&corpus);
        let namespace = self.input.namespace();
        let question =
            Question::read(verb, what, self.subresource.as_deref(), namespace, &resources, session)?;
        warn_of_slips(Some(verb), namespace, Some(&user), (&corpus, &authorizer), session);
        let decision = authorizer.authorize(&user, &question.attributes());
        let answer = Answer { authorizer: &authorizer, corpus: &corpus, user: &user, question: &question };
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            super::super::json_line(&answer.json(&decision), &mut out)?;
        } else {
            answer.text(&decision, &mut Page::new(&mut out, session.style()))?;
        }
        out.flush()?;
        Ok(if decision.is_allowed() { Exit::Clean } else { Exit::Findings })
    }
}

struct Answer<'a> {
    authorizer: &'a Authorizer,
    corpus: &'a Corpus,
    user: &'a User,
    question: &'a Question,
}

impl Answer<'_> {
    fn text(&self, decision: &Decision, page: &mut Page<'_>) -> io::Result<()> {
        page.text("", word(decision), 0)?;
        match decision.grant() {
            Some(Grant::Rule(grant)) => {
                for (text, at) in grant_lines(self.authorizer, self.corpus, *grant) {
                    page.placed("  ", &text, &at, 4)?;
                }
            }
            Some(Grant::Superuser) => page.text("  ", "system:masters is above all rules", 4)?,
            Some(Grant::AlwaysAllow) => {
                page.text("  ", "the API server allows everything to everybody", 4)?
            }
            Some(Grant::Node(why)) => page.text("  ", &format!("the Node authoriser: {why}"), 4)?,
            None => {
                page.text("  ", &format!("no rule lets {} {}", who(self.user), self.question.describe()), 4)?
            }
        }
        if let Some(why) = doubt(decision) {
            page.text("  ", why, 4)?;
        }
        if decision.grant().is_none() {
            for (text, at) in self.missing_roles() {
                page.placed("  ", &text, &at, 4)?;
            }
            let unread = unread(self.corpus);
            if unread > 0 {
                let parts = counted(unread, "part");
                page.text(
                    "  ",
                    &format!("{parts} of the input could not be read, and may say otherwise"),
                    4,
                )?;
            }
        }
        Ok(())
    }

    fn json(&self, decision: &Decision) -> Value {
        let grant = match decision.grant() {
            Some(Grant::Rule(grant)) => grant_json(self.authorizer, self.corpus, *grant),
            _ => Value::Null,
        };
        let by = match decision.grant() {
            Some(Grant::Rule(_)) => "rbac",
            Some(Grant::Superuser) => "superuser",
            Some(Grant::AlwaysAllow) => "always-allow",
            Some(Grant::Node(_)) => "node",
            None => "nobody",
        };
        let asked = self.question.attributes();
        let missing: Vec<Value> =
            self.missing_roles().into_iter().map(|(text, at)| json!({"what": text, "at": at})).collect();
        json!({
            "allowed": decision.is_allowed(),
            "decision": word(decision),
            "by": by,
            "doubt": doubt(decision),
            "unread": unread(self.corpus),
            "user": self.user.name,
            "groups": self.user.groups,
            "question": {
                "verb": asked.verb, "group": asked.group, "resource": asked.resource,
                "subresource": asked.subresource, "namespace": asked.namespace, "name": asked.name, "path": asked.path,
            },
            "grant": grant,
            "missing_roles": if decision.grant().is_none() { missing } else { Vec::new() },
        })
    }

    /// Bindings of the caller whose role the input does not hold: what they give is not known.
    fn missing_roles(&self) -> Vec<(String, String)> {
        let namespace = self.question.attributes().namespace;
        let policy = self.authorizer.policy();
        let names_caller = |subject: &nightlatch_rbac::Subject| match subject.kind {
            SubjectKind::Group => self.user.has_group(&subject.name),
            SubjectKind::User => subject.name == self.user.name,
            SubjectKind::ServiceAccount => {
                self.user.name == nightlatch_rbac::user::account_name(&subject.namespace, &subject.name)
            }
            SubjectKind::Unknown => false,
        };
        let bindings = policy.bindings.iter().zip(0..).filter(|(binding, number)| {
            self.authorizer.role_of(*number).is_none()
                && binding.namespace.as_deref().is_none_or(|own| own == namespace)
                && binding.subjects.iter().any(names_caller)
        });
        let line = |(binding, _): (&nightlatch_rbac::Binding, u32)| {
            let text = format!(
                "{} gives {} {}, which the input does not hold",
                binding.describe(),
                binding.role_kind,
                binding.role_name
            );
            (text, anchored(self.corpus, binding.role_at))
        };
        bindings.map(line).collect()
    }
}

/// The caller in words.
pub(crate) fn who(user: &User) -> String {
    let name = if user.name.is_empty() { "a user" } else { &user.name };
    match user.groups.as_slice() {
        [] => name.to_owned(),
        groups => format!("{name} (in {})", groups.join(", ")),
    }
}

fn word(decision: &Decision) -> &'static str {
    match decision {
        Decision::Allow(_) | Decision::UnknownMayDeny(..) => "yes",
        Decision::Deny => "no",
        Decision::UnknownMayAllow(_) => "unknown",
    }
}

fn doubt(decision: &Decision) -> Option<&'static str> {
    match decision {
        Decision::UnknownMayAllow(Doubt::Webhook) => {
            Some("a webhook authoriser is asked too, and may allow it")
        }
        Decision::UnknownMayAllow(Doubt::Abac) => Some("an ABAC policy file is asked too, and may allow it"),
        Decision::UnknownMayAllow(Doubt::Node) => {
            Some("it is allowed if a pod on the node refers to the object, which the input does not show")
        }
        Decision::UnknownMayDeny(..) => Some("a webhook authoriser is asked first, and may deny it"),
        Decision::Allow(_) | Decision::Deny => None,
    }
}
