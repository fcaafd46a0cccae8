use std::{
    fs,
    io::{self, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use clap::{Args, ValueHint};
use nightlatch_asset::Record;
use nightlatch_banner::{Writer, to_banner};
use nightlatch_store::{Selection, Snapshot};
use nightlatch_untrusted::json;

use super::question;
use crate::{exit::Exit, failure::Failure, say::say, session::Session};

/// Write what matches a query to a file of gzip'ed JSON lines
///
/// One banner a line, in the shape that Shodan's own command line reads with `parse` and `convert`.
/// Example: nightlatch export 'exposure:>=readable' open.json.gz
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Words, "phrases", field:value, -negation; '' or '*' for everything
    query: String,
    /// File to write, .json.gz; - for standard output (plain JSON lines)
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Every observation ever stored, not just the newest of each endpoint
    #[arg(long)]
    history: bool,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

impl Export {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let selection = question::selection(&self.query, self.history, false, session)?;
        let snapshot = session.snapshot()?;
        if self.file.as_os_str() == "-" {
            let mut out = io::BufWriter::new(io::stdout().lock());
            each_record(&*snapshot, &selection, &mut |record| {
                json::to_writer(&mut out, &to_banner(record)).map_err(io::Error::from)?;
                writeln!(out)
            })?;
            out.flush()?;
            return Ok(Exit::Clean);
        }
        if self.file.exists() && !self.force {
            return Err(Failure::usage(format!("{} exists already", self.file.display()))
                .hint("--force replaces it, or name another file"));
        }
        let lines = write_file(&self.place()?, &*snapshot, &selection)?;
        if session.chatty() {
            say(format_args!("{lines} observations written to {}", self.file.display()));
        }
        Ok(Exit::Clean)
    }

    /// Where the file really is: what a link points to is replaced, not the link, and no device ever.
    fn place(&self) -> Result<PathBuf, Failure> {
        match fs::metadata(&self.file) {
            Ok(found) if found.is_file() => fs::canonicalize(&self.file)
                .map_err(|e| Failure::from(e).while_doing(format!("cannot write {}", self.file.display()))),
            Ok(_) => Err(Failure::usage(format!("{} is not a file", self.file.display()))
                .hint("- writes to standard output")),
            // It is made; why it cannot be is said when that fails.
            Err(_) => Ok(self.file.clone()),
        }
    }
}

/// Writes beside the file and renames, so that a full disk leaves no half of a file.
fn write_file(path: &Path, snapshot: &dyn Snapshot, selection: &Selection) -> Result<u64, Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".part-{}", std::process::id()));
    let part = PathBuf::from(name);
    let failed = |e: io::Error| Failure::from(e).while_doing(format!("cannot write {}", path.display()));
    let result = (|| {
        let file = fs::File::create_new(&part).map_err(failed)?;
        let mut writer = Writer::new(io::BufWriter::new(file));
        each_record(snapshot, selection, &mut |record| writer.write(record))
            .map_err(|e| e.while_doing(format!("cannot write {}", path.display())))?;
        let (buffered, lines) = writer.finish().map_err(failed)?;
        let file = buffered.into_inner().map_err(|e| failed(e.into_error()))?;
        file.sync_all().map_err(failed)?;
        fs::rename(&part, path).map_err(failed)?;
        Ok(lines)
    })();
    if result.is_err() {
        // The error that matters is already on its way.
        let _ = fs::remove_file(&part);
    }
    result
}

/// Hands each record to `write` until that fails.
fn each_record(
    snapshot: &dyn Snapshot,
    selection: &Selection,
    write: &mut dyn FnMut(&Record) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut failed = None;
    snapshot.export(selection, &mut |record| match write(&record) {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => {
            failed = Some(error);
            ControlFlow::Break(())
        }
    })?;
    failed.map_or(Ok(()), |error| Err(error.into()))
}
