//! Patches: shown, and written when told to.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use nightlatch_audit::{Settings, audit};
use nightlatch_finding::audit::{AuditFinding, Replacement};
use nightlatch_manifest::{Corpus, Input, diff};
use nightlatch_untrusted::Text;

use super::{Audit, flushed};
use crate::{
    commands::write_whole, exit::Exit, failure::Failure, say::say, session::Session, words::counted,
};

/// Rounds of mending: what one round inserts the next may build on.
const ROUNDS_MAX: usize = 8;

/// Mends what can be mended, shows the difference, and writes it when told to.
pub(super) fn fix(
    args: &Audit,
    corpus: Corpus,
    settings: &Settings,
    session: &Session,
) -> Result<Exit, Failure> {
    let before: BTreeMap<String, std::sync::Arc<str>> =
        corpus.sources.iter().map(|source| (source.name.raw().to_owned(), source.text.clone())).collect();
    let (view, namespace, templates) = (corpus.view, corpus.namespace.clone(), corpus.pod_templates.clone());
    let mut corpus = corpus;
    let mut mended = 0;
    let mut left = 0;
    for _ in 0..ROUNDS_MAX {
        let report = audit(&corpus, settings);
        let counted: Vec<&AuditFinding> =
            report.findings.iter().filter(|finding| finding.suppressed.is_none()).collect();
        left = counted.len();
        let (edits, count) = chosen(&counted);
        if count == 0 {
            break;
        }
        mended += count;
        let inputs: Vec<Input> = corpus
            .sources
            .iter()
            .map(|source| Input {
                name: source.name.clone(),
                bytes: match edits.get(source.name.raw()) {
                    Some(edits) => applied(&source.text, edits).into_bytes(),
                    None => source.text.as_bytes().to_vec(),
                },
            })
            .collect();
        corpus = Corpus::read(inputs);
        corpus.set_patches_aside();
        corpus.view = view;
        corpus.namespace.clone_from(&namespace);
        corpus.pod_templates.clone_from(&templates);
    }
    let changed: Vec<(&str, &str, &str)> = corpus
        .sources
        .iter()
        .filter_map(|source| {
            let old = before.get(source.name.raw())?;
            (**old != *source.text).then_some((source.name.raw(), &**old, &*source.text))
        })
        .collect();
    flushed(|out| {
        for (name, old, new) in &changed {
            for line in diff(name, old, new).lines() {
                writeln!(out, "{}", nightlatch_untrusted::terminal(line))?;
            }
        }
        Ok(())
    })?;
    if args.write {
        for (name, _, new) in &changed {
            if *name == "-" || !Path::new(name).is_file() {
                say(format_args!(
                    "note: {} is no file; its patch was only shown",
                    nightlatch_untrusted::terminal(name)
                ));
                continue;
            }
            write_whole(Path::new(name), new.as_bytes())?;
        }
    }
    if session.chatty() {
        let done = if args.write { "mended" } else { "can be mended; --write does it" };
        let person = if left == 1 { "1 needs a person".to_owned() } else { format!("{left} need a person") };
        say(format_args!(
            "{} in {} {done}; {person}",
            counted(mended, "finding"),
            counted(changed.len(), "file")
        ));
    }
    Ok(Exit::Clean)
}

/// The edits of this round by file, and how many findings they mend. Of edits that touch the same bytes the first wins;
/// the others come in the next round, on the new text.
fn chosen(findings: &[&AuditFinding]) -> (HashMap<String, Vec<Replacement>>, usize) {
    let mut by_file: HashMap<String, Vec<Replacement>> = HashMap::new();
    let mut count = 0;
    for finding in findings {
        let Some(fix) = finding.fix.as_ref().filter(|fix| !fix.edits.is_empty()) else { continue };
        let free = fix.edits.iter().all(|edit| {
            by_file.get(edit.file.raw()).is_none_or(|taken| taken.iter().all(|other| !touches(edit, other)))
        });
        if !free {
            continue;
        }
        count += 1;
        for edit in &fix.edits {
            by_file.entry(edit.file.raw().to_owned()).or_default().push(edit.clone());
        }
    }
    (by_file, count)
}

fn touches(a: &Replacement, b: &Replacement) -> bool {
    a.start <= b.end && b.start <= a.end
}

fn applied(text: &str, edits: &[Replacement]) -> String {
    let mut sorted: Vec<&Replacement> = edits.iter().collect();
    sorted.sort_by_key(|edit| (edit.start, edit.end));
    let mut out = String::with_capacity(text.len() + 256);
    let mut at = 0;
    for edit in sorted {
        let (start, end) = (edit.start as usize, edit.end as usize);
        let Some(before) = text.get(at..start) else { continue };
        out.push_str(before);
        out.push_str(Text::raw(&edit.text));
        at = end;
    }
    out.push_str(text.get(at..).unwrap_or(""));
    out
}
