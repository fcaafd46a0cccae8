//! From the resolved query to queries of the engine, exact in every case.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Bound,
    sync::{Arc, Mutex, PoisonError},
};

use nightlatch_asset::{Field, Timestamp, token};
use nightlatch_query::{Expr, Match, Pattern, Test};
use nightlatch_store::StoreError;
use tantivy::{
    DocId, TantivyError, Term,
    columnar::StrColumn,
    query::{AllQuery, BooleanQuery, EmptyQuery, ExistsQuery, PhraseQuery, Query, RangeQuery, TermQuery},
    schema::{Field as Column, IndexRecordOption},
};

use crate::{
    except::Except,
    failure::engine_error,
    glob::Glob,
    history::History,
    moment::Moment,
    places::{block, geo},
    predicate::predicate,
    record::RecordColumns,
    schema::{Kept, LAYOUT, Presence, column},
    stored_reader::StoredReader,
    terms::AnyTerm,
    tokens::whole_term,
};

/// Different values a wildcard may stand for.
pub(crate) const EXPANSIONS_MAX: usize = 10_000;
/// Different numbers up to which a range is answered by their postings instead of the column.
const NUMBERS_MAX: usize = 256;

type Compiled = Result<Box<dyn Query>, StoreError>;

/// Compiles queries for one moment.
pub(crate) struct Compiler<'a> {
    moment: &'a Moment,
}

impl<'a> Compiler<'a> {
    pub(crate) fn new(moment: &'a Moment) -> Self {
        Self { moment }
    }

    /// The query that finds exactly what [`nightlatch_query::matches`] says of the records.
    pub(crate) fn expr(&self, expr: &Expr) -> Compiled {
        Ok(match expr {
            Expr::All => Box::new(AllQuery),
            Expr::Not(_) => self.all_of(std::slice::from_ref(expr))?,
            Expr::And(parts) => self.all_of(parts)?,
            Expr::Or(parts) => any_of(parts.iter().map(|part| self.expr(part)).collect::<Result<_, _>>()?),
            Expr::Match(filter) => self.filter(filter)?,
        })
    }

    fn all_of(&self, parts: &[Expr]) -> Compiled {
        let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
        for part in parts {
            match part {
                Expr::Not(inner) => unwanted.push(self.expr(inner)?),
                Expr::All => {}
                _ => wanted.push(self.expr(part)?),
            }
        }
        let base: Box<dyn Query> = match wanted.len() {
            0 => Box::new(AllQuery),
            1 => wanted.remove(0),
            _ => Box::new(BooleanQuery::intersection(wanted)),
        };
        Ok(if unwanted.is_empty() { base } else { Box::new(Except::new(base, unwanted)) })
    }

    fn filter(&self, filter: &Match) -> Compiled {
        let tests = filter.tests.iter().map(|test| self.test(filter.field, test));
        Ok(any_of(tests.collect::<Result<_, _>>()?))
    }

    fn test(&self, field: Field, test: &Test) -> Compiled {
        if *test == Test::Exists {
            return Ok(exists(field));
        }
        let (name, kept) = LAYOUT.kept(field);
        Ok(match (kept, test) {
            (Kept::Keyword { index }, Test::Whole(whole)) => {
                term(Term::from_field_text(index, &whole_term(whole)))
            }
            (Kept::Keyword { index }, Test::WholePattern(pattern)) => self.term_pattern(index, pattern)?,
            (Kept::Text { index, .. }, Test::Phrase(words)) => phrase(index, words),
            (Kept::Text { index, .. }, Test::WordPattern(pattern)) => self.term_pattern(index, pattern)?,
            (Kept::Text { index, column }, Test::Whole(whole)) => {
                let candidates = ascii_words(whole);
                let fits: Fits = {
                    let whole = whole.clone();
                    Arc::new(move |text: &str| token::fold(text) == whole)
                };
                narrowed(index, &candidates, self.value_test(field, name, column, fits))
            }
            (Kept::Text { index, column }, Test::WholePattern(pattern)) => {
                let glob = Glob::new(pattern);
                let candidates = glob.words();
                if column {
                    self.check_column_expansions(name, pattern, &glob)?;
                }
                let fits: Fits = Arc::new(move |text: &str| glob.matches(&token::fold(text)));
                narrowed(index, &candidates, self.value_test(field, name, column, fits))
            }
            (Kept::Number { index }, Test::Number { min, max }) => self.numbers(index, *min, *max)?,
            (Kept::Scattered { index }, Test::Number { min, max }) => between(index, *min, *max),
            (Kept::Number { index }, Test::Flag(flag)) => term(Term::from_field_i64(index, i64::from(*flag))),
            (Kept::Seconds, Test::Date { from, until }) => seconds(name, *from, *until),
            (Kept::Beside, Test::Date { from, until }) => self.date(field, *from, *until),
            (Kept::Beside, Test::Net { address, prefix }) => block(*address, *prefix),
            (Kept::Beside, Test::Geo(area)) => geo(*area),
            // The parser builds no other pair; the meaning of such a tree is "no value passes".
            _ => Box::new(EmptyQuery),
        })
    }

    /// All terms of `index` that `pattern` stands for.
    fn term_pattern(&self, index: Column, pattern: &Pattern) -> Compiled {
        let glob = Glob::new(pattern);
        let mut found: BTreeSet<Vec<u8>> = BTreeSet::new();
        for segment in self.moment.segments() {
            let inverted = segment.inverted_index(index).map_err(self.engine())?;
            let mut stream =
                inverted.terms().range().ge(glob.prefix().as_bytes()).into_stream().map_err(self.io())?;
            while stream.advance() {
                let Ok(term) = std::str::from_utf8(stream.key()) else { continue };
                if !term.starts_with(glob.prefix()) {
                    break;
                }
                if glob.matches(term) && !found.contains(stream.key()) {
                    found.insert(stream.key().to_vec());
                    if found.len() > EXPANSIONS_MAX {
                        return Err(too_broad(pattern));
                    }
                }
            }
        }
        Ok(Box::new(AnyTerm::new(index, found.into_iter().collect())))
    }

    /// Refuses a pattern that stands for too many whole values of a text field.
    fn check_column_expansions(&self, name: &str, pattern: &Pattern, glob: &Glob) -> Result<(), StoreError> {
        let mut found: BTreeSet<String> = BTreeSet::new();
        for segment in self.moment.segments() {
            let Some(column) = segment.fast_fields().str(name).map_err(self.engine())? else { continue };
            let mut stream = column.dictionary().stream().map_err(self.io())?;
            while stream.advance() {
                let Ok(value) = std::str::from_utf8(stream.key()) else { continue };
                let folded = token::fold(value);
                if glob.matches(&folded) {
                    found.insert(folded);
                    if found.len() > EXPANSIONS_MAX {
                        return Err(too_broad(pattern));
                    }
                }
            }
        }
        Ok(())
    }

    /// Documents in which some value of a text field fits, value by value.
    fn value_test(&self, field: Field, name: &str, column: bool, fits: Fits) -> Box<dyn Query> {
        if column { column_test(name, fits) } else { self.stored_test(field, fits) }
    }

    fn stored_test(&self, field: Field, fits: Fits) -> Box<dyn Query> {
        predicate(move |segment| {
            let fits = fits.clone();
            let stored = StoredReader::open(segment)?;
            Ok(move |doc: DocId| stored.any_text(doc, field, &*fits))
        })
    }

    fn numbers(&self, index: Column, min: i64, max: i64) -> Compiled {
        if min > max {
            return Ok(Box::new(EmptyQuery));
        }
        let (low, high) = (Term::from_field_i64(index, min), Term::from_field_i64(index, max));
        let mut found: BTreeSet<Vec<u8>> = BTreeSet::new();
        for segment in self.moment.segments() {
            let inverted = segment.inverted_index(index).map_err(self.engine())?;
            let range =
                inverted.terms().range().ge(low.serialized_value_bytes()).le(high.serialized_value_bytes());
            let mut stream = range.into_stream().map_err(self.io())?;
            while stream.advance() {
                found.insert(stream.key().to_vec());
                if found.len() > NUMBERS_MAX {
                    return Ok(between(index, min, max));
                }
            }
        }
        Ok(Box::new(AnyTerm::new(index, found.into_iter().collect())))
    }

    fn date(&self, field: Field, from: Option<Timestamp>, until: Option<Timestamp>) -> Box<dyn Query> {
        let history = self.moment.history();
        match field {
            Field::Time => seconds(column::SECONDS, from, until),
            Field::LastSeen if history.sightings() == 0 => seconds(column::SECONDS, from, until),
            Field::FirstSeen => later_known(history, from, until, |history, columns, doc| {
                Some(columns.first_seen(doc, history)?.as_second())
            }),
            Field::LastSeen => later_known(history, from, until, move |history, columns, doc| {
                let written = columns.seconds(doc)?;
                // What is new enough need not have been seen again.
                if until.is_none() && from.is_some_and(|from| written >= from.as_second()) {
                    return Some(written);
                }
                let seen = history.seen(columns.oid(doc)?);
                Some(seen.map_or(written, |seen| seen.last.as_second().max(written)))
            }),
            _ => Box::new(EmptyQuery),
        }
    }

    fn engine(&self) -> impl FnOnce(TantivyError) -> StoreError {
        engine_error(self.moment.path())
    }

    fn io(&self) -> impl FnOnce(std::io::Error) -> StoreError {
        let fail = self.engine();
        move |error| fail(error.into())
    }
}

type Fits = Arc<dyn Fn(&str) -> bool + Send + Sync>;

fn too_broad(pattern: &Pattern) -> StoreError {
    StoreError::TooBroad { glob: pattern.glob.clone(), max: EXPANSIONS_MAX }
}

fn any_of(mut queries: Vec<Box<dyn Query>>) -> Box<dyn Query> {
    if queries.len() == 1 { queries.remove(0) } else { Box::new(BooleanQuery::union(queries)) }
}

fn term(term: Term) -> Box<dyn Query> {
    Box::new(TermQuery::new(term, IndexRecordOption::Basic))
}

fn exists(field: Field) -> Box<dyn Query> {
    match LAYOUT.presence(field) {
        Presence::Always => Box::new(AllQuery),
        Presence::Column => Box::new(ExistsQuery::new(LAYOUT.kept(field).0.to_owned(), false)),
        Presence::Term => term(Term::from_field_u64(LAYOUT.has, field as u64)),
    }
}

fn phrase(index: Column, words: &[String]) -> Box<dyn Query> {
    let terms: Vec<_> = words.iter().map(|word| Term::from_field_text(index, word)).collect();
    match terms.as_slice() {
        [] => Box::new(EmptyQuery),
        [one] => term(one.clone()),
        _ => Box::new(PhraseQuery::new(terms)),
    }
}

/// Words that a value equal to `whole` must hold. Lower-casing a whole text can move the ends of non-ASCII words.
fn ascii_words(whole: &str) -> Vec<String> {
    if whole.is_ascii() { token::words(whole).collect() } else { Vec::new() }
}

/// Documents that hold all of `words` and pass `exact`.
fn narrowed(index: Column, words: &[String], exact: Box<dyn Query>) -> Box<dyn Query> {
    if words.is_empty() {
        return exact;
    }
    let words: BTreeSet<_> = words.iter().collect();
    let mut all: Vec<_> = words.into_iter().map(|word| term(Term::from_field_text(index, word))).collect();
    all.push(exact);
    Box::new(BooleanQuery::intersection(all))
}

fn between(index: Column, min: i64, max: i64) -> Box<dyn Query> {
    if min > max {
        return Box::new(EmptyQuery);
    }
    let bound = |value| Bound::Included(Term::from_field_i64(index, value));
    Box::new(RangeQuery::new(bound(min), bound(max)))
}

fn seconds(name: &str, from: Option<Timestamp>, until: Option<Timestamp>) -> Box<dyn Query> {
    let Ok(field) = LAYOUT.schema.get_field(name) else { return Box::new(EmptyQuery) };
    let bound = |time: Timestamp| Term::from_field_i64(field, time.as_second());
    let from = from.map_or(Bound::Unbounded, |time| Bound::Included(bound(time)));
    let until = until.map_or(Bound::Unbounded, |time| Bound::Excluded(bound(time)));
    if (&from, &until) == (&Bound::Unbounded, &Bound::Unbounded) {
        return Box::new(AllQuery);
    }
    Box::new(RangeQuery::new(from, until))
}

/// As [`seconds`], of a time that what happened later may have changed.
fn later_known(
    history: &Arc<History>,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
    second: impl Fn(&History, &RecordColumns, DocId) -> Option<i64> + Copy + Send + Sync + 'static,
) -> Box<dyn Query> {
    let history = history.clone();
    predicate(move |segment| {
        let (history, columns) = (history.clone(), RecordColumns::open(segment)?);
        Ok(move |doc: DocId| {
            second(&history, &columns, doc).is_some_and(|second| {
                from.is_none_or(|from| second >= from.as_second())
                    && until.is_none_or(|until| second < until.as_second())
            })
        })
    })
}

/// Documents in which some value of the column `name` fits; each value is looked at once a segment.
fn column_test(name: &str, fits: Fits) -> Box<dyn Query> {
    let name = name.to_owned();
    predicate(move |segment| {
        let fits = fits.clone();
        let column: Option<StrColumn> = segment.fast_fields().str(&name)?;
        let known: Mutex<HashMap<u64, bool>> = Mutex::default();
        Ok(move |doc: DocId| {
            let Some(column) = &column else { return false };
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            column.term_ords(doc).any(|ord| {
                *known.entry(ord).or_insert_with(|| {
                    let mut text = String::new();
                    column.ord_to_str(ord, &mut text).unwrap_or(false) && fits(&text)
                })
            })
        })
    })
}
