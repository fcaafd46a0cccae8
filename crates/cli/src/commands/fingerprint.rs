use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueHint};
use nightlatch_asset::nearest;
use nightlatch_fingerprint::{Catalogue, Entry, Known, Source, examples, lint};
use nightlatch_untrusted::terminal;
use serde_json::json;

use crate::{
    catalogue::{dialogue_names, embedded, refused},
    exit::Exit,
    failure::Failure,
    session::Session,
};

/// The files that say what identifies a product and how its answers are judged
#[derive(Debug, Args)]
pub(crate) struct Fingerprint {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the fingerprints that the program carries
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print one fingerprint
    Show {
        /// Its identifier
        id: String,
        /// As a JSON object
        #[arg(long)]
        json: bool,
    },
    /// Run the examples of fingerprints
    Test {
        /// Identifiers, or folders with a fingerprint.toml; nothing means all that the program carries
        #[arg(value_hint = ValueHint::DirPath)]
        which: Vec<String>,
        /// One JSON object for each fingerprint
        #[arg(long)]
        json: bool,
    },
    /// Say what a fingerprint could do without, and what it lacks
    Lint {
        /// Identifiers, or folders with a fingerprint.toml; nothing means all that the program carries
        #[arg(value_hint = ValueHint::DirPath)]
        which: Vec<String>,
        /// One JSON object for each warning
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of fingerprint files, for editors
    Schema,
}

/// Largest fingerprint or side file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

impl Fingerprint {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let mut out = io::BufWriter::new(io::stdout().lock());
        let exit = match &self.action {
            Action::List { json } => list(*json, session, &mut out)?,
            Action::Show { id, json } => show(id, *json, &mut out)?,
            Action::Test { which, json } => test(which, *json, &mut out)?,
            Action::Lint { which, json } => lint_all(which, *json, &mut out)?,
            Action::Schema => {
                writeln!(out, "{:#}", nightlatch_fingerprint::schema())?;
                Exit::Clean
            }
        };
        out.flush()?;
        Ok(exit)
    }
}

fn list(json: bool, session: &Session, out: &mut dyn Write) -> Result<Exit, Failure> {
    let catalogue = embedded()?;
    for entry in catalogue.entries() {
        if json {
            let line = json!({ "id": entry.id(), "name": entry.name(), "product": entry.product(), "group": entry.group(),
                "class": entry.class(), "status": entry.status(), "ports": entry.ports() });
            super::json_line(&line, out)?;
        } else {
            let head = format!("{:<28} {:<8} ", entry.id(), entry.status());
            let ports: Vec<String> = entry.ports().iter().map(u16::to_string).collect();
            let width = session.style().width.saturating_sub(head.len()).max(20);
            let rest = format!("{}  {}", entry.name(), ports.join(","));
            writeln!(out, "{head}{}", nightlatch_untrusted::terminal_cut(&rest, width))?;
        }
    }
    Ok(Exit::Clean)
}

fn show(id: &str, json: bool, out: &mut dyn Write) -> Result<Exit, Failure> {
    let catalogue = embedded()?;
    let text = find(&catalogue, id)?.text();
    if json {
        let parsed: serde_json::Value = toml::from_str(text).map_err(|error| Failure::bug(&error))?;
        super::json_line(&parsed, out)?;
    } else {
        writeln!(out, "{}", text.trim_end())?;
    }
    Ok(Exit::Clean)
}

fn find<'c>(catalogue: &'c Catalogue, id: &str) -> Result<Entry<'c>, Failure> {
    catalogue.entry(id).ok_or_else(|| {
        let failure = Failure::usage(format!("there is no fingerprint `{id}`"));
        match nearest(id, catalogue.entries().map(|entry| entry.id())) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint("`nightlatch fingerprint list` lists them"),
        }
    })
}

fn test(which: &[String], json: bool, out: &mut dyn Write) -> Result<Exit, Failure> {
    let (mut passed, mut failed) = (0, 0);
    each(which, &mut |catalogue, only| {
        for report in examples::run(catalogue, only) {
            let problems: Vec<String> = report
                .outcomes
                .iter()
                .flat_map(|outcome| outcome.problems.iter().map(move |p| format!("{}: {p}", outcome.example)))
                .chain(report.problems.iter().cloned())
                .collect();
            *(if problems.is_empty() { &mut passed } else { &mut failed }) += 1;
            if json {
                let line = json!({ "fingerprint": report.fingerprint, "passed": problems.is_empty(),
                    "examples": report.outcomes.len(), "problems": problems });
                super::json_line(&line, out)?;
            } else if problems.is_empty() {
                writeln!(out, "ok    {} ({} examples)", report.fingerprint, report.outcomes.len())?;
            } else {
                writeln!(out, "FAIL  {}", report.fingerprint)?;
                for problem in problems {
                    writeln!(out, "      {}", terminal(&problem))?;
                }
            }
        }
        Ok(())
    })?;
    if !json {
        writeln!(out, "{passed} passed, {failed} failed")?;
    }
    Ok(if failed > 0 { Exit::Findings } else { Exit::Clean })
}

fn lint_all(which: &[String], json: bool, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut warnings = 0;
    each(which, &mut |catalogue, only| {
        for warning in lint::run(catalogue, only) {
            warnings += 1;
            if json {
                let line = json!({ "path": warning.path, "line": warning.line, "column": warning.column,
                    "message": warning.message });
                super::json_line(&line, out)?;
                continue;
            }
            writeln!(
                out,
                "{}:{}:{}: {}",
                terminal(&warning.path),
                warning.line,
                warning.column,
                terminal(&warning.message)
            )?;
        }
        Ok(())
    })?;
    if !json {
        let noun = if warnings == 1 { "warning" } else { "warnings" };
        writeln!(out, "{warnings} {noun}")?;
    }
    Ok(if warnings > 0 { Exit::Findings } else { Exit::Clean })
}

/// What is done with a catalogue, for one fingerprint or for all.
type Work<'w> = dyn FnMut(&Catalogue, Option<&str>) -> Result<(), Failure> + 'w;

/// Calls `work` for everything named: with the program's own catalogue for identifiers, with a catalogue that holds
/// the folder's file in its place for folders.
fn each(which: &[String], work: &mut Work<'_>) -> Result<(), Failure> {
    if which.is_empty() {
        return work(&embedded()?, None);
    }
    for name in which {
        if name.contains('/') || Path::new(name).join("fingerprint.toml").exists() {
            let folder = Folder::read(Path::new(name))?;
            work(&folder.catalogue()?, Some(&folder.id))?;
        } else {
            let catalogue = embedded()?;
            let id = find(&catalogue, name)?.id().to_owned();
            work(&catalogue, Some(&id))?;
        }
    }
    Ok(())
}

/// A fingerprint folder on disk.
struct Folder {
    id: String,
    path: String,
    text: String,
    side_files: Vec<(String, Vec<u8>)>,
}

impl Folder {
    fn read(dir: &Path) -> Result<Self, Failure> {
        let file = if dir.is_dir() { dir.join("fingerprint.toml") } else { dir.to_owned() };
        let folder = file.parent().unwrap_or(dir).to_owned();
        let text = super::read_text(&file, FILE_BYTES_MAX)?;
        let canonical = fs::canonicalize(&folder)
            .map_err(|e| Failure::from(e).while_doing(format!("cannot read {}", folder.display())))?;
        let id = canonical.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let mut side_files = Vec::new();
        let examples: PathBuf = folder.join("examples");
        if examples.is_dir() {
            let unreadable =
                |e: io::Error| Failure::from(e).while_doing(format!("cannot read {}", examples.display()));
            for entry in fs::read_dir(&examples).map_err(unreadable)? {
                let path = entry.map_err(unreadable)?.path();
                let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
                let size = fs::metadata(&path).map_err(unreadable)?.len();
                if size > FILE_BYTES_MAX {
                    return Err(Failure::usage(format!(
                        "{} is larger than {FILE_BYTES_MAX} bytes",
                        path.display()
                    )));
                }
                side_files.push((format!("examples/{name}"), fs::read(&path).map_err(unreadable)?));
            }
        }
        Ok(Self { id, path: file.display().to_string(), text, side_files })
    }

    /// The program's own fingerprints, with this one in place of its namesake.
    fn catalogue(&self) -> Result<Catalogue, Failure> {
        let side: Vec<(&str, &[u8])> =
            self.side_files.iter().map(|(n, b)| (n.as_str(), b.as_slice())).collect();
        let mut sources: Vec<Source<'_>> = Catalogue::embedded_sources();
        let namesake = format!("{}/fingerprint.toml", self.id);
        sources.retain(|source| !source.path.ends_with(&namesake));
        sources.push(Source { path: &self.path, text: &self.text, side_files: &side });
        Catalogue::compile(&sources, &Known::dialogues(&dialogue_names())).map_err(|errors| refused(&errors))
    }
}

/// The reference page of all fingerprints.
pub(crate) fn reference() -> String {
    let mut text =
        String::from("# Fingerprints\n\nWritten by `nightlatch reference` from `fingerprints/`.\n\n");
    let Ok(catalogue) = embedded() else { return text };
    text.push_str(
        "| id | name | product | class | status | ports |\n| --- | --- | --- | --- | --- | --- |\n",
    );
    for entry in catalogue.entries() {
        let ports: Vec<String> = entry.ports().iter().map(u16::to_string).collect();
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            entry.id(),
            entry.name(),
            entry.product(),
            entry.class(),
            entry.status(),
            ports.join(", ")
        ));
    }
    for entry in catalogue.entries() {
        let (summary, steps) = entry.remediation();
        text.push_str(&format!("\n## {}\n\n{summary}\n\n", entry.name()));
        for step in steps {
            text.push_str(&format!("1. {step}\n"));
        }
        let references: Vec<&str> = entry.references().collect();
        text.push_str(&format!("\nReferences: {}\n", references.join("; ")));
    }
    text
}
