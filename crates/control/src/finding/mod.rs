//! Findings of audits: kept by input and fingerprint, so that one that is seen again is the same one, and one that is no
//! more seen is mended.

mod query;

use std::{collections::HashMap, path::Path};

use jiff::Timestamp;
use nightlatch_finding::audit::{AuditFinding, AuditReport};
use nightlatch_untrusted::Text;
use rusqlite::{ToSql, params_from_iter};

pub use query::{BadFindingQuery, FindingQuery};

use crate::{Control, ControlError, micros, time};

/// What storing an audit changed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct StoredAudit {
    /// Findings that were not there, or had been mended.
    pub new: u64,
    /// Findings that were there before.
    pub again: u64,
    /// Findings that are no more.
    pub mended: u64,
}

/// A finding with its history.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredFinding {
    /// Its number in the database.
    pub id: i64,
    /// What was audited, as the user calls it.
    pub input: Text,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it was last seen.
    pub last_seen: Timestamp,
    /// When an audit of the same input saw it no more.
    pub mended: Option<Timestamp>,
    /// The finding as it was last seen.
    pub finding: AuditFinding,
}

/// What findings can be counted by.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum FindingFacet {
    /// Identifier of the rule.
    Rule,
    /// Severity, worst first.
    Severity,
    /// Kind of the object.
    Kind,
    /// Namespace of the object.
    Namespace,
    /// What was audited.
    Input,
}

impl FindingFacet {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Severity, Self::Rule, Self::Namespace, Self::Kind, Self::Input];

    /// The word, which is also the field of a query.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rule => "rule",
            Self::Severity => "severity",
            Self::Kind => "kind",
            Self::Namespace => "namespace",
            Self::Input => "input",
        }
    }
}

impl Control {
    /// Keeps what an audit of `input` found, and marks as mended what earlier audits of it found and this one did not.
    ///
    /// # Errors
    /// When the database cannot be written; then nothing is changed.
    pub fn store_audit(
        &self,
        input: &str,
        report: &AuditReport,
        now: Timestamp,
    ) -> Result<StoredAudit, ControlError> {
        let mut stored = StoredAudit::default();
        let mut numbers: HashMap<&str, i64> = HashMap::new();
        let now = micros(now);
        self.transaction(|t| {
            let connection = &t.inner;
            let sql = |error| ControlError::sql(t.path, error);
            let mut before: HashMap<(String, i64), (i64, bool)> = HashMap::new();
            {
                let mut statement = connection
                    .prepare("SELECT fingerprint, number, id, mended IS NULL FROM finding WHERE input = ?1")
                    .map_err(sql)?;
                let rows = statement
                    .query_map([input], |row| {
                        Ok(((row.get::<_, String>(0)?, row.get::<_, i64>(1)?), (row.get(2)?, row.get(3)?)))
                    })
                    .map_err(sql)?;
                for row in rows {
                    let (key, value) = row.map_err(sql)?;
                    before.insert(key, value);
                }
            }
            for finding in &report.findings {
                // One object may stand in several files: the same fingerprint, told apart by a number.
                let number = numbers.entry(&finding.fingerprint).or_default();
                let key = (finding.fingerprint.clone(), *number);
                *number += 1;
                let body = serde_json::to_string(finding).map_err(|error| damaged(t.path, &finding.rule, &error))?;
                match before.remove(&key) {
                    Some((_, true)) => stored.again += 1,
                    _ => stored.new += 1,
                }
                let subject = &finding.subject;
                let text = |text: &Option<Text>| text.as_ref().map_or("", Text::raw).to_owned();
                let file = finding.location.as_ref().map_or("", |at| at.file.raw());
                let words = words_of(finding, input);
                connection
                    .prepare_cached(
                        "INSERT INTO finding (input, fingerprint, number, rule, name, severity, kind, namespace, object,
                         container, file, exempt, words, first_seen, last_seen, mended, body)
                         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14, NULL, ?15)
                         ON CONFLICT (input, fingerprint, number) DO UPDATE SET severity = ?6, file = ?11, exempt = ?12,
                         words = ?13, last_seen = ?14, mended = NULL, body = ?15",
                    )
                    .and_then(|mut statement| {
                        statement.execute(rusqlite::params![
                            input,
                            key.0,
                            key.1,
                            finding.rule,
                            finding.name,
                            finding.severity as i64,
                            subject.kind.raw(),
                            text(&subject.namespace),
                            subject.name.raw(),
                            text(&subject.container),
                            file,
                            finding.suppressed.is_some(),
                            words,
                            now,
                            body,
                        ])
                    })
                    .map_err(sql)?;
            }
            for (id, _) in before.into_values().filter(|(_, is_open)| *is_open) {
                stored.mended += 1;
                connection
                    .prepare_cached("UPDATE finding SET mended = ?2 WHERE id = ?1")
                    .and_then(|mut statement| statement.execute([id, now]))
                    .map_err(sql)?;
            }
            Ok(())
        })?;
        Ok(stored)
    }

    /// Findings that match, worst first, and how many there are in all.
    ///
    /// - `limit`, `offset`: which part of them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn findings(
        &self,
        query: &FindingQuery,
        limit: u64,
        offset: u64,
    ) -> Result<(Vec<StoredFinding>, u64), ControlError> {
        let (condition, values) = query.as_sql();
        let total: i64 = self
            .lock()
            .prepare(&format!("SELECT count(*) FROM finding WHERE {condition}"))
            .and_then(|mut statement| statement.query_row(params_from_iter(&values), |row| row.get(0)))
            .map_err(|e| self.sql(e))?;
        let found = self.findings_where(&condition, &values, limit, offset)?;
        Ok((found, u64::try_from(total).unwrap_or_default()))
    }

    /// The finding of this number; none when there is no such one.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn finding(&self, id: i64) -> Result<Option<StoredFinding>, ControlError> {
        Ok(self.findings_where("id = ?", &[Box::new(id)], 1, 0)?.pop())
    }

    fn findings_where(
        &self,
        condition: &str,
        values: &[Value],
        limit: u64,
        offset: u64,
    ) -> Result<Vec<StoredFinding>, ControlError> {
        let connection = self.lock();
        let mut statement = connection
            .prepare(&format!(
                "SELECT id, input, first_seen, last_seen, mended, body FROM finding WHERE {condition}
                 ORDER BY severity DESC, rule, id LIMIT {limit} OFFSET {offset}"
            ))
            .map_err(|e| self.sql(e))?;
        let rows = statement
            .query_map(params_from_iter(values), |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, i64>(2)?,
                    row.get::<_, i64>(3)?,
                    row.get::<_, Option<i64>>(4)?,
                    row.get::<_, String>(5)?,
                ))
            })
            .map_err(|e| self.sql(e))?;
        let mut found = Vec::new();
        for row in rows {
            let (id, input, first, last, mended, body) = row.map_err(|e| self.sql(e))?;
            found.push(StoredFinding {
                id,
                input: Text::new(input),
                first_seen: time(first),
                last_seen: time(last),
                mended: mended.map(time),
                finding: serde_json::from_str(&body)
                    .map_err(|error| damaged(&self.path, &id.to_string(), &error))?,
            });
        }
        Ok(found)
    }

    /// Findings that match, counted by a facet, most first; severities worst first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn finding_facet(
        &self,
        query: &FindingQuery,
        facet: FindingFacet,
        limit: u64,
    ) -> Result<Vec<(Text, u64)>, ControlError> {
        let (condition, values) = query.as_sql();
        let column = facet.as_str();
        let order = if facet == FindingFacet::Severity { "severity DESC" } else { "count(*) DESC, 1" };
        let connection = self.lock();
        let mut statement = connection
            .prepare(&format!(
                "SELECT {column}, count(*) FROM finding WHERE {condition} GROUP BY {column} ORDER BY {order} LIMIT {limit}"
            ))
            .map_err(|e| self.sql(e))?;
        let rows = statement
            .query_map(params_from_iter(&values), |row| {
                let value = match row.get_ref(0)? {
                    rusqlite::types::ValueRef::Integer(number) => query::severity_word(number).to_owned(),
                    other => other.as_str().unwrap_or("").to_owned(),
                };
                Ok((Text::new(value), row.get::<_, i64>(1)?))
            })
            .map_err(|e| self.sql(e))?;
        rows.map(|row| row.map(|(value, count)| (value, u64::try_from(count).unwrap_or_default())))
            .collect::<Result<_, _>>()
            .map_err(|e| self.sql(e))
    }
}

/// What words are looked for in: everything that is shown, in lower case.
fn words_of(finding: &AuditFinding, input: &str) -> String {
    let subject = &finding.subject;
    let text = |text: &Option<Text>| text.as_ref().map_or("", Text::raw).to_owned();
    [
        &*finding.rule,
        &finding.name,
        subject.kind.raw(),
        &text(&subject.namespace),
        subject.name.raw(),
        &text(&subject.container),
        finding.location.as_ref().map_or("", |at| at.file.raw()),
        finding.message.raw(),
        input,
    ]
    .join("\n")
    .to_lowercase()
}

fn damaged(path: &Path, what: &str, error: &serde_json::Error) -> ControlError {
    ControlError::Damaged { path: path.to_owned(), what: format!("finding `{what}`: {error}") }
}

type Value = Box<dyn ToSql>;

#[cfg(test)]
mod tests;
