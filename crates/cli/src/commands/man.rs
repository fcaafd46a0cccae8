use std::{fs, path::PathBuf};

use clap::{Args, ValueHint};

use crate::{exit::Exit, failure::Failure, session::Session};

/// Write the man pages into a directory
///
/// Example: nightlatch man /usr/local/share/man/man1
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Directory to write to; made if missing
    #[arg(value_hint = ValueHint::DirPath)]
    dir: PathBuf,
}

impl Man {
    pub(crate) fn run(&self, _: &Session) -> Result<Exit, Failure> {
        let failed =
            |e: std::io::Error| Failure::from(e).while_doing(format!("cannot write {}", self.dir.display()));
        fs::create_dir_all(&self.dir).map_err(failed)?;
        clap_mangen::generate_to(crate::command_tree(), &self.dir).map_err(failed)?;
        Ok(Exit::Clean)
    }
}
