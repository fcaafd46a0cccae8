//! What differs between two inputs.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Args, ValueHint};
use nightlatch_netpol::{AddressSet, Changed, Difference, Engine, PortSet, difference};
use serde_json::{Value, json};

use super::{super::rbac::page::Page, input::Input};
use crate::{exit::Exit, failure::Failure, session::Session};

/// Which connections two inputs allow differently; exit code 1 when any
///
/// Examples:
///   nightlatch net diff before/ after/
///   git worktree add /tmp/main main && nightlatch net diff /tmp/main/deploy deploy
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, override_usage = "nightlatch net diff [OPTIONS] BEFORE AFTER")]
pub(crate) struct Diff {
    /// The file or folder before
    #[arg(value_name = "BEFORE", value_hint = ValueHint::AnyPath)]
    before: PathBuf,
    #[command(flatten)]
    input: Input,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

impl Diff {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        if self.input.corpus.paths.is_empty() {
            return Err(
                Failure::usage("there is nothing to compare with").hint("nightlatch net diff BEFORE AFTER")
            );
        }
        let (_, old) = self.input.read_paths(vec![self.before.clone()], session)?;
        let (_, new) = self.input.read(session)?;
        let (before, after) = (Engine::new(&old), Engine::new(&new));
        let found = difference(&before, &after);
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            super::super::json_line(&as_json(&before, &after, &found), &mut out)?;
        } else {
            text(&before, &after, &found, &mut Page::new(&mut out, session.style()))?;
        }
        out.flush()?;
        Ok(if found.is_empty() { Exit::Clean } else { Exit::Findings })
    }
}

fn text(before: &Engine<'_>, after: &Engine<'_>, found: &Difference, page: &mut Page<'_>) -> io::Result<()> {
    if found.is_empty() {
        return page.text("", "every connection is allowed as before", 0);
    }
    for (sign, engine, pods) in [("- ", before, &found.removed), ("+ ", after, &found.added)] {
        for &pod in pods {
            page.text(sign, &format!("workload {}", engine.network().pod_name(pod)), 4)?;
        }
    }
    for changed in &found.changed {
        let sign = match (changed.before.is_empty(), changed.after.is_empty()) {
            (true, _) => "+ ",
            (_, true) => "- ",
            _ => "~ ",
        };
        let (from, to) = ends(after, changed, |pod| match found.alike.get(&pod) {
            Some(count) => format!(" (and {} like it)", count - 1),
            None => String::new(),
        });
        page.text(
            sign,
            &format!("{from} -> {to}: {} before, {} now", ports(&changed.before), ports(&changed.after)),
            4,
        )?;
    }
    if found.left_out > 0 {
        page.text("", &format!("and {} more", found.left_out), 0)?;
    }
    Ok(())
}

/// Both ends in words; `more` says what is added to the name of a pod.
fn ends(after: &Engine<'_>, changed: &Changed, more: impl Fn(usize) -> String) -> (String, String) {
    let outside = || match &changed.addresses {
        all if *all == AddressSet::all() => "every address".to_owned(),
        some => some.to_string(),
    };
    let name = |pod: Option<usize>| {
        pod.map_or_else(outside, |pod| format!("{}{}", after.network().pod_name(pod), more(pod)))
    };
    (name(changed.source), name(changed.destination))
}

fn ports(ports: &PortSet) -> String {
    if ports.is_all() { "every port".to_owned() } else { ports.to_string() }
}

fn as_json(before: &Engine<'_>, after: &Engine<'_>, found: &Difference) -> Value {
    let names = |engine: &Engine<'_>, pods: &[usize]| {
        pods.iter().map(|&pod| engine.network().pod_name(pod)).collect::<Vec<_>>()
    };
    let one = |changed: &Changed| {
        let (from, to) = ends(after, changed, |_| String::new());
        let alike = |pod: Option<usize>| pod.map(|pod| found.alike.get(&pod).copied().unwrap_or(1));
        json!({"from": from, "to": to, "from_pods": alike(changed.source), "to_pods": alike(changed.destination), "before": changed.before.to_string(), "after": changed.after.to_string()})
    };
    json!({
        "removed": names(before, &found.removed),
        "added": names(after, &found.added),
        "changed": found.changed.iter().map(one).collect::<Vec<_>>(),
        "left_out": found.left_out,
    })
}
