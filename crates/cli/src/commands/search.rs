use std::io::{self, Write};

use clap::{Args, ValueEnum};
use nightlatch_store::Sort;

use super::question::Question;
use crate::{exit::Exit, failure::Failure, say::say, session::Session, words::FieldName};

/// How rows are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Order {
    /// Newest observation first
    Newest,
    /// Oldest observation first
    Oldest,
    /// By address and port
    Address,
    /// Worst first
    Severity,
}

impl From<Order> for Sort {
    fn from(order: Order) -> Self {
        match order {
            Order::Newest => Self::Newest,
            Order::Oldest => Self::Oldest,
            Order::Address => Self::Address,
            Order::Severity => Self::Severity,
        }
    }
}

/// Search what was found
///
/// Words and phrases search the response; field:value filters; values of one
/// filter separated by commas are alternatives; - negates; OR and parentheses
/// combine.
///
/// Examples:
///   nightlatch search 'exposure:>=readable'
///   nightlatch search 'product:etcd,Redis -port:6379 net:10.0.0.0/8'
///   nightlatch search '"docker cluster" after:7d' --fields ip_str,port,product
#[derive(Debug, Args)]
#[command(verbatim_doc_comment, after_long_help = super::field_help())]
pub(crate) struct Search {
    #[command(flatten)]
    question: Question,
    /// Columns to print, by field name, separated by commas
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', value_parser = FieldName { facets: false }, hide_possible_values = true)]
    fields: Vec<String>,
    /// Rows at most; 0 for all
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: usize,
    /// Rows to leave out at the start
    #[arg(long, default_value_t = 0, value_name = "N")]
    skip: usize,
    /// Order of rows
    #[arg(long, default_value = "severity", value_name = "ORDER")]
    sort: Order,
    /// One JSON object a line
    #[arg(long, conflicts_with_all = ["csv", "fields"])]
    json: bool,
    /// Comma-separated values with a header
    #[arg(long)]
    csv: bool,
}

impl Search {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let fields = super::fields_named(&self.fields)?;
        let selection = self.question.selection(session)?;
        let snapshot = session.snapshot()?;
        let total = snapshot.count(&selection)?;
        let limit = if self.limit == 0 { usize::MAX } else { self.limit };
        let mut rows = snapshot.search(&selection, self.sort.into(), self.skip, limit)?;
        let mut out = io::BufWriter::new(io::stdout().lock());
        let is_table = !self.json && !self.csv && fields.is_empty();
        if is_table && self.sort == Order::Severity {
            // A finer order inside the page, so that what is alike stands together.
            nightlatch_report::worst_first(&mut rows);
        }
        match (self.json, self.csv, fields.is_empty()) {
            (true, ..) => nightlatch_report::ndjson(&rows, &mut out)?,
            (_, true, true) => nightlatch_report::csv(&rows, &mut out)?,
            (_, true, false) => nightlatch_report::csv_of(&rows, &fields, &mut out)?,
            (_, false, false) => nightlatch_report::fields(&rows, &fields, "\t", &mut out)?,
            _ if rows.is_empty() => {}
            _ => nightlatch_report::table(&rows, session.style(), &mut out)?,
        }
        out.flush()?;
        if session.chatty() {
            self.tell_the_rest(rows.len() as u64, total);
        }
        Ok(Exit::Clean)
    }

    /// What is not shown, and how to see it.
    fn tell_the_rest(&self, shown: u64, total: u64) {
        let skipped = self.skip as u64;
        let last = skipped.saturating_add(shown);
        match (total, shown) {
            (0, _) => say("nothing matches; --explain says how the query was understood"),
            (_, 0) => say(format_args!("none of {total} shown: --skip {skipped} leaves them all out")),
            _ if last < total => {
                say(format_args!("{shown} of {total} shown; --limit 0 shows all, --skip {last} goes on"));
            }
            _ if skipped > 0 => say(format_args!("the last {shown} of {total} shown")),
            _ => {}
        }
    }
}
