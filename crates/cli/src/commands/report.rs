//! Reports for people and for other programs, of what is stored.

mod output;

use std::{
    collections::BTreeMap,
    io::{self, Write},
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use nightlatch_asset::{Field, Record, Text, Timestamp};
use nightlatch_query::Expr;
use nightlatch_report::{
    Sarif, StyleSource, cef, ecs, is_open,
    landscape::{self, Landscape},
    owner::{self, About, OwnerReport, OwnerReports},
    shadowserver::{self, Shadowserver, Split},
};
use nightlatch_store::{Selection, Snapshot, View};
use nightlatch_untrusted::terminal;

use self::output::{Destination, Files};
use super::{question, scope::ScopeFile};
use crate::{exit::Exit, failure::Failure, say::say, session::Session};

/// Reports: for each owner, for other tools, of the whole landscape
///
/// Each report is of the newest observation of every endpoint that matches QUERY.
///
/// Examples:
///   nightlatch report owner --owner 'Shop team' --output shop.html
///   nightlatch report shadowserver --since 24h --output /var/spool/reports/
///   nightlatch report sarif 'severity:>=high' --output open.sarif
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Report {
    #[command(subcommand)]
    kind: Kind,
}

#[derive(Debug, Subcommand)]
enum Kind {
    /// What is open, since when, how bad, the evidence, and how to shut it
    ///
    /// One document for all owners, or, when DIR is a directory, one file for each.
    /// Formats: html, markdown, json, csv.
    #[command(verbatim_doc_comment)]
    Owner {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        target: Target,
    },
    /// CSV files in the shape of Shadowserver's reports, for IntelMQ and others
    ///
    /// One file for each type: YYYY-MM-DD-TYPE-IDENTIFIER.csv, times UTC.
    #[command(verbatim_doc_comment)]
    Shadowserver {
        #[command(flatten)]
        chosen: Chosen,
        /// Directory to write to; made when it is missing
        #[arg(long, short, value_name = "DIR", value_hint = ValueHint::DirPath)]
        output: PathBuf,
        /// Replace files that exist
        #[arg(long)]
        force: bool,
        /// Whose networks these are: the last part of each file's name
        #[arg(long, value_name = "WORD", default_value = "nightlatch")]
        identifier: String,
        /// A file for each network: scope for the blocks of the scope file, or a prefix such as /24 or /24,/48
        #[arg(long, value_name = "NETWORKS")]
        split: Option<String>,
        /// Also scan_http and scan_ssl: everything that answers, for information
        #[arg(long)]
        information: bool,
        #[command(flatten)]
        scope: ScopeFile,
    },
    /// Panels by product, how many take anybody in, where, how bad, since when
    ///
    /// Formats: html, markdown, json.
    Landscape {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        form: Form,
        #[command(flatten)]
        target: Target,
    },
    /// What is open as SARIF 2.1.0, for code scanning pages
    Sarif {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        target: Target,
    },
    /// What is open as documents of the Elastic Common Schema, one a line
    Ecs {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        target: Target,
        /// Also what is not open
        #[arg(long)]
        all: bool,
    },
    /// What is open as lines of the Common Event Format
    Cef {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        target: Target,
        /// Also what is not open
        #[arg(long)]
        all: bool,
    },
}

/// Which services a report is about.
#[derive(Debug, Args)]
struct Chosen {
    /// Words, "phrases", field:value, -negation, OR, parentheses; nothing means everything
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// Only what this owner answers for, by the name in the scope file; '' for what nobody does
    #[arg(long, value_name = "NAME")]
    owner: Option<String>,
    /// Only what was seen since then: 24h, 7d, 2026-09-01
    #[arg(long, value_name = "WHEN")]
    since: Option<String>,
}

/// The format of a document.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Format {
    /// A page that is a file of its own
    Html,
    /// Markdown
    Markdown,
    /// One JSON document
    Json,
    /// Comma-separated values with a header
    Csv,
}

#[derive(Debug, Args)]
struct Form {
    /// Format [default: by the ending of the file, else markdown]
    #[arg(long, short, value_name = "FORMAT")]
    format: Option<Format>,
}

/// Where a document goes.
#[derive(Debug, Args)]
struct Target {
    /// File to write; - for standard output
    #[arg(long, short, value_name = "FILE", default_value = "-", value_hint = ValueHint::AnyPath)]
    output: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

impl Report {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        match &self.kind {
            Kind::Owner { chosen, form, target } => owners(chosen, form, target, session),
            Kind::Shadowserver { chosen, output, force, identifier, split, information, scope } => {
                let split =
                    split.as_deref().map_or(Ok(Split::None), |split| split_by(split, scope, session))?;
                let reports =
                    Shadowserver::new(Timestamp::now(), identifier, split).with_information(*information);
                shadowserver(chosen, &reports, Files::new(output, *force)?, session)
            }
            Kind::Landscape { chosen, form, target } => the_landscape(chosen, form, target, session),
            Kind::Sarif { chosen, target } => sarif(chosen, target, session),
            Kind::Ecs { chosen, target, all } => lines(chosen, target, *all, ecs, session),
            Kind::Cef { chosen, target, all } => lines(chosen, target, *all, cef, session),
        }?;
        Ok(Exit::Clean)
    }
}

impl Chosen {
    /// Hands every record that is meant to `take`, until that fails.
    fn each(
        &self,
        session: &Session,
        snapshot: &dyn Snapshot,
        take: &mut dyn FnMut(&Record) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut selection = question::selection(&self.query.join(" "), false, false, session)?;
        if selection.view == View::History {
            return Err(Failure::usage("a report is of how things are: `history:true` does not fit")
                .hint("`nightlatch search history:true` shows what was"));
        }
        if let Some(since) = &self.since {
            selection.expr = Expr::And(vec![selection.expr, since_when(since)?]);
        }
        let mut failed = None;
        let mut met = false;
        snapshot.export(&selection, &mut |record| {
            if !self.is_owned(&record) {
                return ControlFlow::Continue(());
            }
            met = true;
            match take(&record) {
                Ok(()) => ControlFlow::Continue(()),
                Err(failure) => {
                    failed = Some(failure);
                    ControlFlow::Break(())
                }
            }
        })?;
        if let Some(failure) = failed {
            return Err(failure);
        }
        if !met && session.chatty() {
            self.tell_that_nothing_is_there(snapshot)?;
        }
        Ok(())
    }

    fn is_owned(&self, record: &Record) -> bool {
        let owner = record.observation.owner.as_ref().map_or("", Text::raw);
        self.owner.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(owner))
    }

    /// The owners that there are, where one was named that there is not.
    fn tell_that_nothing_is_there(&self, snapshot: &dyn Snapshot) -> Result<(), Failure> {
        let Some(wanted) = &self.owner else {
            say("nothing matches");
            return Ok(());
        };
        let all = Selection { expr: Expr::All, view: View::Latest };
        let owners = snapshot.facet(&all, Field::Owner, 20)?;
        let names: Vec<String> = owners.buckets.iter().map(|bucket| terminal(&bucket.value)).collect();
        let known = match names.is_empty() {
            true => "no service has an owner: the scope file names them".to_owned(),
            false => format!("owners: {}", names.join(", ")),
        };
        say(format_args!("nothing of owner `{}` matches; {known}", terminal(wanted)));
        Ok(())
    }

    fn about(&self) -> About {
        let mut query = self.query.join(" ");
        for (name, value) in [("owner", &self.owner), ("since", &self.since)] {
            if let Some(value) = value {
                let gap = if query.is_empty() { "" } else { " " };
                query.push_str(&format!("{gap}--{name} '{value}'"));
            }
        }
        About { generated: Timestamp::now(), query: query.into() }
    }
}

/// `last_seen` at or after a time, in the words of the query language.
fn since_when(text: &str) -> Result<Expr, Failure> {
    let is_word = text.chars().all(|c| c.is_ascii_alphanumeric() || "-:.+/".contains(c)) && !text.is_empty();
    let parsed = is_word.then(|| nightlatch_query::parse(&format!("after:{text}"), Timestamp::now()));
    match parsed {
        Some(Ok(parsed)) => Ok(parsed.expr),
        _ => Err(Failure::usage(format!("--since `{text}`: not a time"))
            .hint("write 24h, 7d, 2026-09-01 or 2026-09-01T12:00:00Z")),
    }
}

impl Form {
    fn of(&self, output: &Path) -> Format {
        let ending =
            output.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
        let by_ending = match ending.as_str() {
            "html" | "htm" => Format::Html,
            "json" => Format::Json,
            "csv" => Format::Csv,
            _ => Format::Markdown,
        };
        self.format.unwrap_or(by_ending)
    }
}

impl Format {
    const fn ending(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Markdown => "md",
            Self::Json => "json",
            Self::Csv => "csv",
        }
    }
}

fn owners(chosen: &Chosen, form: &Form, target: &Target, session: &Session) -> Result<(), Failure> {
    let directory = output::is_directory(&target.output);
    let format = if directory { form.format.unwrap_or(Format::Html) } else { form.of(&target.output) };
    let snapshot = session.snapshot()?;
    let mut gathered = OwnerReports::new();
    if let Some(owner) = &chosen.owner {
        let known = owner_as_written(owner, &*snapshot)?;
        gathered = gathered.with_owner(Some(known).filter(|name| !name.is_empty()).map(Text::from));
    }
    chosen.each(session, &*snapshot, &mut |record| {
        gathered.add(record);
        Ok(())
    })?;
    if gathered.further_owners() > 0 {
        say(format_args!("warning: {} services of further owners are left out", gathered.further_owners()));
    }
    let reports = gathered.finish();
    let about = chosen.about();
    if !directory {
        let destination = Destination::open(&target.output, target.force)?;
        return destination.write(session, |out| write_owners(&reports, format, &about, out));
    }
    let mut files = Files::new(&target.output, target.force)?;
    let mut names: BTreeMap<String, u32> = BTreeMap::new();
    for report in &reports {
        let slug = output::file_word(report.name());
        let number = names.entry(slug.clone()).or_default();
        *number += 1;
        let suffix = if *number > 1 { format!("-{number}") } else { String::new() };
        let mut bytes = Vec::new();
        write_owners(std::slice::from_ref(report), format, &about, &mut bytes)?;
        files.append(&format!("owner-{slug}{suffix}.{}", format.ending()), "", &bytes)?;
    }
    files.finish(session)
}

/// The owner's name as the store has it, where only upper and lower case differ.
fn owner_as_written(owner: &str, snapshot: &dyn Snapshot) -> Result<String, Failure> {
    let all = Selection { expr: Expr::All, view: View::Latest };
    let owners = snapshot.facet(&all, Field::Owner, 10_000)?;
    let found =
        owners.buckets.into_iter().map(|bucket| bucket.value).find(|name| name.eq_ignore_ascii_case(owner));
    Ok(found.unwrap_or_else(|| owner.to_owned()))
}

fn write_owners(
    reports: &[OwnerReport],
    format: Format,
    about: &About,
    out: &mut dyn Write,
) -> io::Result<()> {
    match format {
        Format::Html => owner::html(reports, about, StyleSource::Inline, out),
        Format::Markdown => owner::markdown(reports, about, out),
        Format::Json => owner::json(reports, about, out),
        Format::Csv => owner::csv(reports, out),
    }
}

fn the_landscape(chosen: &Chosen, form: &Form, target: &Target, session: &Session) -> Result<(), Failure> {
    let format = form.of(&target.output);
    if format == Format::Csv {
        return Err(Failure::usage("the landscape is not a table").hint("--format html, markdown or json"));
    }
    let destination = Destination::open(&target.output, target.force)?;
    let mut counted = Landscape::new();
    let snapshot = session.snapshot()?;
    chosen.each(session, &*snapshot, &mut |record| {
        counted.add(record);
        Ok(())
    })?;
    let about = chosen.about();
    destination.write(session, |out| match format {
        Format::Html => landscape::html(&counted, &about, StyleSource::Inline, out),
        Format::Json => landscape::json(&counted, &about, out),
        _ => landscape::markdown(&counted, &about, out),
    })
}

fn sarif(chosen: &Chosen, target: &Target, session: &Session) -> Result<(), Failure> {
    let snapshot = session.snapshot()?;
    Destination::open(&target.output, target.force)?.write_failing(session, |out| {
        let mut log = Sarif::new(out)?;
        chosen.each(session, &*snapshot, &mut |record| Ok(log.write(record)?))?;
        log.finish(Timestamp::now())?;
        Ok(())
    })
}

fn lines(
    chosen: &Chosen,
    target: &Target,
    all: bool,
    line: fn(&Record, &mut dyn Write) -> io::Result<()>,
    session: &Session,
) -> Result<(), Failure> {
    let snapshot = session.snapshot()?;
    Destination::open(&target.output, target.force)?.write_failing(session, |out| {
        chosen.each(session, &*snapshot, &mut |record| {
            if all || is_open(record) {
                line(record, out)?;
            }
            Ok(())
        })
    })
}

fn shadowserver(
    chosen: &Chosen,
    reports: &Shadowserver,
    mut files: Files,
    session: &Session,
) -> Result<(), Failure> {
    let snapshot = session.snapshot()?;
    chosen.each(session, &*snapshot, &mut |record| {
        for row in reports.rows(record) {
            files.append(&row.file, &shadowserver::header(row.kind), row.line.as_bytes())?;
        }
        Ok(())
    })?;
    files.finish(session)
}

/// Reads `scope`, `/24` or `/24,/48`.
fn split_by(text: &str, scope: &ScopeFile, session: &Session) -> Result<Split, Failure> {
    if text == "scope" {
        let place = scope.place(session)?;
        let scope = scope.read(session)?;
        if scope.blocks().is_empty() {
            return Err(Failure::usage(format!("--split scope: {} names no block", place.display()))
                .hint("write the blocks there, or split by a prefix such as /24"));
        }
        let nets = scope.blocks().iter().flat_map(|block| &block.nets);
        let blocks = nets.filter_map(|net| Some((net.first(), u8::try_from(net.prefix()?).ok()?)));
        return Ok(Split::Blocks(blocks.collect()));
    }
    let bits = |part: &str, most: u8| {
        part.trim().strip_prefix('/')?.parse::<u8>().ok().filter(|bits| (1..=most).contains(bits))
    };
    let (four, six) = text.split_once(',').unwrap_or((text, "/48"));
    match (bits(four, 32), bits(six, 128)) {
        (Some(four), Some(six)) => Ok(Split::Prefix(four, six)),
        _ => Err(Failure::usage(format!("--split `{}`: not a way to split", terminal(text)))
            .hint("write scope, /24, or /24,/48 for IPv4 and IPv6")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_options_are_read_or_refused() {
        for good in ["24h", "7d", "2026-09-01", "2026-09-01T12:00:00Z"] {
            assert!(since_when(good).is_ok(), "{good}");
        }
        for bad in ["", "yesterday", "7d OR port:1", "7d)", "\u{1b}[31m"] {
            assert!(since_when(bad).is_err(), "{bad:?}");
        }
        let form = Form { format: None };
        for (name, expected) in [
            ("-", Format::Markdown),
            ("a.HTML", Format::Html),
            ("a.csv", Format::Csv),
            ("a.b.json", Format::Json),
        ] {
            assert_eq!(form.of(Path::new(name)), expected, "{name}");
        }
    }
}
