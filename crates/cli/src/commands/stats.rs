use std::io::{self, Write};

use clap::{Args, ValueEnum};
use nightlatch_asset::{Field, nearest};
use nightlatch_report::{Bar, FacetView};
use nightlatch_store::{Bucket, Facet, Step};
use serde_json::json;

use super::question::Question;
use crate::{exit::Exit, failure::Failure, session::Session, words::FieldName};

/// Width of a step over time.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Width {
    Hour,
    Day,
    Month,
}

/// Count by value: which products, countries, owners ...
///
/// Example: nightlatch stats --facets country:5,org,product 'exposure:>=readable'
#[derive(Debug, Args)]
#[command(after_long_help = super::facet_help())]
pub(crate) struct Stats {
    #[command(flatten)]
    question: Question,
    /// Fields to count by, each with how many values to show: country:5,org,product
    #[arg(long, value_name = "FIELDS", value_delimiter = ',', default_value = "exposure,product,severity",
        value_parser = FieldName { facets: true }, hide_possible_values = true)]
    facets: Vec<String>,
    /// Also count by time seen
    #[arg(long, value_name = "STEP")]
    over_time: Option<Width>,
    /// As a JSON object
    #[arg(long)]
    json: bool,
}

/// Values shown where the command line names no number.
const SIZE_DEFAULT: usize = 10;
/// Most values of one facet.
const SIZE_MAX: usize = 100_000;

impl Stats {
    pub(crate) fn run(&self, session: &Session) -> Result<Exit, Failure> {
        let wanted = self.facets.iter().map(|f| facet_named(f)).collect::<Result<Vec<_>, _>>()?;
        let selection = self.question.selection(session)?;
        let snapshot = session.snapshot()?;
        let mut facets: Vec<(&str, Facet)> = Vec::new();
        for (field, size) in wanted {
            facets.push((field.name(), snapshot.facet(&selection, field, size)?));
        }
        let total = snapshot.count(&selection)?;
        if let Some(width) = self.over_time {
            let step = match width {
                Width::Hour => Step::Hour,
                Width::Day => Step::Day,
                Width::Month => Step::Month,
            };
            let buckets = snapshot.histogram(&selection, step)?;
            let distinct = buckets.len() as u64;
            facets.push(("time", Facet { buckets, distinct, total, ..Facet::default() }));
        }
        let mut out = io::BufWriter::new(io::stdout().lock());
        if self.json {
            super::json_line(&as_json(total, &facets), &mut out)?;
        } else {
            nightlatch_report::facets(&views(facets), session.style(), &mut out)?;
        }
        out.flush()?;
        Ok(Exit::Clean)
    }
}

fn views(facets: Vec<(&str, Facet)>) -> Vec<FacetView> {
    let bar = |bucket: Bucket| Bar { value: bucket.value, count: bucket.count };
    let view = |(name, facet): (&str, Facet)| FacetView {
        name: name.to_owned(),
        bars: facet.buckets.into_iter().map(bar).collect(),
        distinct: facet.distinct,
        other: facet.other,
        missing: facet.missing,
    };
    facets.into_iter().map(view).collect()
}

/// The shape of Shodan's search answer: `total`, and `facets` with `value` and `count`.
fn as_json(total: u64, facets: &[(&str, Facet)]) -> serde_json::Value {
    let facets: serde_json::Map<_, _> = facets
        .iter()
        .map(|(name, facet)| {
            let buckets: Vec<_> =
                facet.buckets.iter().map(|b| json!({"value": b.value, "count": b.count})).collect();
            (
                (*name).to_owned(),
                json!({"values": buckets, "distinct": facet.distinct, "other": facet.other, "missing": facet.missing}),
            )
        })
        .collect();
    json!({"total": total, "facets": facets})
}

/// Reads `country:5`.
fn facet_named(text: &str) -> Result<(Field, usize), Failure> {
    let (name, size) = match text.trim().rsplit_once(':') {
        Some((name, size)) => {
            let size = size.parse().ok().filter(|s| (1..=SIZE_MAX).contains(s)).ok_or_else(|| {
                Failure::usage(format!(
                    "facet `{text}`: expected a number from 1 to {SIZE_MAX} after the colon"
                ))
            })?;
            (name, size)
        }
        None => (text.trim(), SIZE_DEFAULT),
    };
    let field = super::field_named(name)?;
    if field.info().facet {
        return Ok((field, size));
    }
    let known = nightlatch_asset::CATALOGUE.iter().filter(|i| i.facet).map(|i| i.name);
    let failure = Failure::usage(format!("`{name}` cannot be counted by value"));
    if field == Field::Time {
        return Err(failure.hint("--over-time hour, day or month counts by it"));
    }
    Err(match nearest(name, known) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("`nightlatch stats --help` says what can be"),
    })
}
