//! Who may do what, without asking a cluster.

mod can_i;
mod changes;
mod input;
mod list;
pub(crate) mod page;
mod question;
mod risky;
mod suggest;
mod who_can;

use clap::{Args, Subcommand};

use crate::{exit::Exit, failure::Failure, session::Session};

/// Who may do what in a cluster, from its roles and bindings alone; no cluster is asked
///
/// The answer is the API server's own: matching, scopes, aggregated roles, implicit groups and the group above all rules
/// are decided as it decides them, and each answer says which line of which file it rests on. Roles and bindings that every
/// cluster starts with are assumed when the input holds none of them.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Rbac {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    CanI(can_i::CanI),
    WhoCan(who_can::WhoCan),
    CanList(list::CanList),
    Risky(risky::Risky),
    Diff(changes::Diff),
    Suggest(suggest::Suggest),
}

impl Rbac {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        match &self.action {
            Action::CanI(command) => command.run(session),
            Action::WhoCan(command) => command.run(session),
            Action::CanList(command) => command.run(session),
            Action::Risky(command) => command.run(session),
            Action::Diff(command) => command.run(session),
            Action::Suggest(command) => command.run(session),
        }
    }
}
