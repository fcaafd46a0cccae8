//! Who can reach whom.

mod changes;
mod draw;
mod explain;
mod input;
mod isolate;
mod matrix;
mod picture;
mod reach;
mod suggest;
mod who_can_reach;

use clap::{Args, Subcommand};

use crate::{exit::Exit, failure::Failure, session::Session};

/// Who can reach whom in a cluster, from its policies alone; nothing is sent
///
/// Knows NetworkPolicy, AdminNetworkPolicy, BaselineAdminNetworkPolicy and ClusterNetworkPolicy, named ports and ranges, blocks
/// of addresses, host-network pods, Services and ways in from outside. Each answer says which rule of which file it rests on.
/// What manifests cannot show is said to depend on it; policies of Cilium, Calico or Antrea make an answer unknown.
///
/// Pods are named as NAME, NAMESPACE/NAME, NAMESPACE/KIND/NAME, NAMESPACE/* or by labels (app=web); `internet`, an address and a
/// CIDR block stand for what is outside.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Net {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    Reach(reach::Reach),
    WhoCanReach(who_can_reach::WhoCanReach),
    Matrix(matrix::Matrix),
    Isolate(isolate::Isolate),
    Diff(changes::Diff),
    Suggest(suggest::Suggest),
}

impl Net {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        match &self.action {
            Action::Reach(command) => command.run(session),
            Action::WhoCanReach(command) => command.run(session),
            Action::Matrix(command) => command.run(session),
            Action::Isolate(command) => command.run(session),
            Action::Diff(command) => command.run(session),
            Action::Suggest(command) => command.run(session),
        }
    }
}
