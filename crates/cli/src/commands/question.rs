//! A query on the command line: parsed, explained, and turned into a selection.

use clap::Args;
use nightlatch_asset::Timestamp;
use nightlatch_query::Parsed;
use nightlatch_store::{Selection, View};
use nightlatch_untrusted::terminal;

use crate::{failure::Failure, say::say, session::Session};

/// The query and how it is read.
#[derive(Debug, Args)]
pub(crate) struct Question {
    /// Words, "phrases", field:value, -negation, OR, parentheses; nothing means everything
    ///
    /// Several arguments are joined by blanks. `nightlatch search --help` names the fields.
    #[arg(value_name = "QUERY")]
    query: Vec<String>,
    /// Ask every observation ever stored, not just the newest of each endpoint
    #[arg(long)]
    history: bool,
    /// Say on standard error how the query was understood
    #[arg(long)]
    explain: bool,
}

impl Question {
    /// Parses the query; warnings and the explanation go to standard error.
    pub(crate) fn selection(&self, session: &Session) -> Result<Selection, Failure> {
        selection(&self.query.join(" "), self.history, self.explain, session)
    }
}

/// Parses `text` and decides on the view.
pub(crate) fn selection(
    text: &str,
    history: bool,
    explain: bool,
    session: &Session,
) -> Result<Selection, Failure> {
    let parsed = parse(text)?;
    if session.chatty() {
        for warning in &parsed.warnings {
            say(format_args!("warning: {}", terminal(&warning.message)));
        }
    }
    let view = if parsed.history.unwrap_or(history) { View::History } else { View::Latest };
    if explain {
        let view = if view == View::History { "every observation" } else { "newest of each endpoint" };
        say(format_args!("query: {}\nview: {view}", terminal(&nightlatch_query::print(&parsed.expr))));
    }
    Ok(Selection { expr: parsed.expr, view })
}

fn parse(text: &str) -> Result<Parsed, Failure> {
    nightlatch_query::parse(text, Timestamp::now()).map_err(|error| {
        let drawn = error.render(text);
        let (message, place) = drawn.split_once('\n').unwrap_or((&drawn, ""));
        Failure::usage(message).excerpt(place.to_owned())
    })
}
