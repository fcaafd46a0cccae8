//! Findings of stored audits: searched, counted, with their history.

use std::io::{self, Write};

use clap::Args;
use nightlatch_control::{BadFindingQuery, Control, FindingFacet, FindingQuery, StoredFinding};
use nightlatch_untrusted::{Text, terminal};

use crate::{exit::Exit, failure::Failure, say::say, session::Session};

/// Search the findings of audits that were stored with `audit --store`
///
/// QUERY holds words, "phrases" and field:value; a leading - or ! negates, commas are or, * stands for anything.
/// Fields: severity (severity:>=high), rule, check, kind, namespace, name, container, file, input, and
/// is:open, is:mended, is:exempt. Without is: only what is open and not exempt matches.
///
/// Examples:
///   nightlatch findings 'severity:>=high namespace:shop'
///   nightlatch findings --facets rule,namespace
///   nightlatch findings 'is:mended input:shop' --json
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Findings {
    /// What to look for; nothing means everything that is open
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// Count by these instead: severity, rule, namespace, kind, input
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', value_parser = facet)]
    facets: Vec<FindingFacet>,
    /// Most findings that are listed
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: u64,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

fn facet(word: &str) -> Result<FindingFacet, String> {
    FindingFacet::ALL.into_iter().find(|facet| facet.as_str() == word).ok_or_else(|| {
        let known: Vec<&str> = FindingFacet::ALL.into_iter().map(FindingFacet::as_str).collect();
        format!("expected one of {}", known.join(", "))
    })
}

impl Findings {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let text = self.query.join(" ");
        let query = FindingQuery::parse(&text).map_err(|BadFindingQuery { message, at }| {
            let column = text.get(..at).map_or(1, |before| before.chars().count() + 1);
            Failure::usage(message).excerpt(super::excerpt(&text, 1, column))
        })?;
        let data = session.data_dir()?;
        if !data.join(nightlatch_control::CONTROL_FILE).is_file() {
            return Err(Failure::usage("no audit was stored here").hint(
                "`nightlatch audit PATH --store NAME` stores one; --data DIR names another data directory",
            ));
        }
        let control = Control::open(&data)?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.facets.is_empty() {
            let (found, total) = control.findings(&query, self.limit, 0)?;
            self.list(&found, session, &mut out)?;
            if session.chatty() && total == 0 {
                let what = if text.is_empty() { "no finding is open" } else { "no finding matches" };
                say(format_args!("{what}; is:mended and is:exempt show the others"));
            }
            if session.chatty() && total > found.len() as u64 {
                say(format_args!("{} of {total} findings; --limit {total} shows all", found.len()));
            }
        } else {
            for facet in &self.facets {
                self.count(*facet, &control.finding_facet(&query, *facet, self.limit)?, &mut out)?;
            }
        }
        out.flush()?;
        Ok(Exit::Clean)
    }

    fn list(&self, found: &[StoredFinding], session: &Session, out: &mut dyn Write) -> Result<(), Failure> {
        let width = session.style().width;
        for stored in found {
            if self.json {
                super::json_line(&as_json(stored), &mut *out)?;
                continue;
            }
            let finding = &stored.finding;
            let subject = &finding.subject;
            let namespace =
                subject.namespace.as_ref().map_or(String::new(), |name| format!("{}/", name.raw()));
            let place = finding
                .location
                .as_ref()
                .map_or(String::new(), |at| format!("  {}:{}", at.file.raw(), at.line));
            let head = format!(
                "{:8} {} {} {namespace}{}{place}",
                finding.severity,
                finding.rule,
                subject.kind.raw(),
                subject.name.raw()
            );
            writeln!(out, "{}", nightlatch_untrusted::terminal_cut(&head, width))?;
            let since = stored.first_seen.strftime("%Y-%m-%d");
            let mended =
                stored.mended.map_or(String::new(), |time| format!(", mended {}", time.strftime("%Y-%m-%d")));
            let line =
                format!("         {} (since {since}{mended}, {})", finding.message.raw(), stored.input.raw());
            writeln!(out, "{}", nightlatch_untrusted::terminal_cut(&line, width))?;
        }
        Ok(())
    }

    fn count(&self, facet: FindingFacet, counts: &[(Text, u64)], out: &mut dyn Write) -> Result<(), Failure> {
        if !self.json {
            writeln!(out, "{}", facet.as_str())?;
        }
        for (value, count) in counts {
            if self.json {
                let line = serde_json::json!({"facet": facet.as_str(), "value": value, "count": count});
                super::json_line(&line, &mut *out)?;
            } else {
                let shown = if value.is_empty() { "(none)".to_owned() } else { terminal(value.raw()) };
                writeln!(out, "{count:>8}  {shown}")?;
            }
        }
        Ok(())
    }
}

fn as_json(stored: &StoredFinding) -> serde_json::Value {
    serde_json::json!({
        "id": stored.id,
        "input": stored.input,
        "first_seen": stored.first_seen,
        "last_seen": stored.last_seen,
        "mended": stored.mended,
        "finding": stored.finding,
    })
}
