//! Audits again whenever a file changes.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    thread,
    time::{Duration, SystemTime},
};

use nightlatch_audit::Baseline;
use nightlatch_collect::file_times;
use nightlatch_finding::audit::Reported;

use super::{Audit, configuration, output};
use crate::{exit::Exit, failure::Failure, say::say, session::Session};

/// How often is looked. Looking at 10,000 files takes about 20 ms.
const INTERVAL: Duration = Duration::from_millis(500);

/// Audits, waits for a change, audits again; ends by Ctrl-C only.
pub(super) fn watch(audit: &Audit, baseline: Option<&Baseline>, session: &Session) -> Result<Exit, Failure> {
    let paths =
        if audit.corpus.paths.is_empty() { vec![PathBuf::from(".")] } else { audit.corpus.paths.clone() };
    if paths.iter().any(|path| path == Path::new("-")) {
        return Err(Failure::usage("standard input cannot be watched").hint("name files or folders"));
    }
    let mut chosen = configuration::settings(audit)?;
    loop {
        let seen = state(audit, &paths);
        match audit.corpus.read(session) {
            Ok(mut corpus) => {
                corpus.pod_templates.clone_from(&chosen.pod_templates);
                let (report, _) = audit.judge(&corpus, &chosen.settings, baseline);
                output::print(audit, Reported::from(&report), &corpus, session)?;
            }
            // A file that is being written may be gone for a moment.
            Err(failure) => failure.print(session.colour_errors()),
        }
        say("waiting for a change; Ctrl-C ends");
        while state(audit, &paths) == seen {
            thread::sleep(INTERVAL);
        }
        match configuration::settings(audit) {
            Ok(new) => chosen = new,
            Err(failure) => failure.print(session.colour_errors()),
        }
    }
}

fn state(audit: &Audit, paths: &[PathBuf]) -> BTreeMap<PathBuf, (SystemTime, u64)> {
    let mut all = paths.to_vec();
    all.extend(configuration::watched_file(audit));
    file_times(&all)
}
