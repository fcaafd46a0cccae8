use std::io;

use clap::Args;
use clap_complete::Shell;

use crate::{exit::Exit, failure::Failure, session::Session};

/// Print the completion script of a shell
///
/// Example: nightlatch completions bash > /etc/bash_completion.d/nightlatch
#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self, _: &Session) -> Result<Exit, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut crate::command_tree(), "nightlatch", &mut script);
        io::Write::write_all(&mut io::stdout().lock(), &script)?;
        Ok(Exit::Clean)
    }
}
