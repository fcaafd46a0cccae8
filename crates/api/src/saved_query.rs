//! Queries that people keep, beside those that come with the program.

use nightlatch_asset::{Text, Timestamp};
use nightlatch_control::Kept;
use serde::{Deserialize, Serialize};

use crate::{question, trouble::Trouble};

/// Longest title and description, in bytes.
const TEXT_BYTES_MAX: usize = 500;
/// Most tags, and the longest one in bytes.
const TAGS_MAX: usize = 20;
const TAG_BYTES_MAX: usize = 50;

/// A query that somebody kept, for everybody with a key.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct SavedQuery {
    /// Its name: letters and digits.
    pub id: String,
    /// Whose it is; empty for those that come with the program.
    pub owner_key: String,
    /// What it is called.
    pub title: Text,
    /// What it is for.
    pub description: Text,
    /// The query.
    pub query: String,
    /// Words to find it by.
    pub tags: Vec<Text>,
    /// When it was kept.
    pub created: Timestamp,
}

impl Kept for SavedQuery {
    const KIND: &'static str = "saved-query";

    fn id(&self) -> &str {
        &self.id
    }
}

impl SavedQuery {
    pub(crate) fn check(&self, now: Timestamp) -> Result<(), Trouble> {
        let long = |text: &Text, max| text.raw().len() > max;
        if self.title.is_empty() || long(&self.title, TEXT_BYTES_MAX) {
            return Err(Trouble::bad_value("title", format!("must have 1 to {TEXT_BYTES_MAX} bytes")));
        }
        if long(&self.description, TEXT_BYTES_MAX) {
            return Err(Trouble::bad_value("description", format!("has more than {TEXT_BYTES_MAX} bytes")));
        }
        if self.tags.len() > TAGS_MAX || self.tags.iter().any(|tag| long(tag, TAG_BYTES_MAX)) {
            return Err(Trouble::bad_value(
                "tags",
                format!("are at most {TAGS_MAX} of {TAG_BYTES_MAX} bytes"),
            ));
        }
        question::selection("query", &self.query, now).map(drop)
    }

    /// Whether all `words`, in lower case, are in its title, description, query or tags.
    pub(crate) fn mentions(&self, words: &[String]) -> bool {
        let texts = [self.title.raw(), self.description.raw(), &self.query].into_iter();
        let all: Vec<&str> = texts.chain(self.tags.iter().map(Text::raw)).collect();
        let all = all.join("\n").to_lowercase();
        words.iter().all(|word| all.contains(word))
    }
}

/// Title, description, query, tags.
const BUILT_IN: [(&str, &str, &str, &[&str]); 10] = [
    (
        "Kubernetes API servers that let strangers in",
        "The anonymous user may read or change things.",
        "product:Kubernetes exposure:>=readable",
        &["kubernetes", "exposed"],
    ),
    (
        "Docker engines without authentication",
        "Whoever asks controls the machine.",
        "fingerprint:docker-engine exposure:controllable",
        &["docker", "exposed"],
    ),
    (
        "etcd that answers strangers",
        "Its keys hold the secrets of a cluster.",
        "product:etcd exposure:>=readable",
        &["etcd", "exposed"],
    ),
    (
        "Elasticsearch with open indices",
        "Everything that was indexed can be read.",
        "product:Elasticsearch exposure:>=readable",
        &["elasticsearch", "database", "exposed"],
    ),
    (
        "Databases without authentication",
        "Data services that strangers can read.",
        "tag:database exposure:>=readable",
        &["database", "exposed"],
    ),
    (
        "Newly exposed this week",
        "First seen in the last seven days, and open.",
        "first_seen:>=7d exposure:>=readable",
        &["new", "exposed"],
    ),
    ("The worst", "Critical severity, wherever it is.", "severity:critical", &["exposed"]),
    (
        "Expired certificates",
        "The certificate had ended when it was seen.",
        "ssl.cert.expired:true",
        &["tls"],
    ),
    (
        "Old TLS",
        "The best that was agreed on is TLS 1.1 or older.",
        "ssl.version:TLSv1,TLSv1.1,SSLv3",
        &["tls"],
    ),
    ("Dashboards", "Consoles by their titles.", "http.title:dashboard OR http.title:console", &["console"]),
];

/// The queries that come with the program, oldest first.
pub(crate) fn built_in() -> Vec<SavedQuery> {
    let made =
        |(number, (title, description, query, tags)): (usize, &(&str, &str, &str, &[&str]))| SavedQuery {
            id: format!("builtin{number:02}"),
            owner_key: String::new(),
            title: Text::from(*title),
            description: Text::from(*description),
            query: (*query).to_owned(),
            tags: tags.iter().map(|tag| Text::from(*tag)).collect(),
            // When they were written, so that their order never changes.
            created: Timestamp::from_second(1_790_000_000 + number as i64).unwrap_or_default(),
        };
    BUILT_IN.iter().enumerate().map(made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_the_program_can_be_asked() {
        for query in built_in() {
            query.check(query.created).unwrap();
        }
        assert!(built_in().iter().any(|query| query.mentions(&["etcd".to_owned(), "secrets".to_owned()])));
    }

    #[test]
    fn mistakes_are_refused() {
        let good = built_in().remove(0);
        let now = good.created;
        let with = |change: fn(&mut SavedQuery)| {
            let mut query = good.clone();
            change(&mut query);
            query.check(now).unwrap_err().about.unwrap()
        };
        assert_eq!(with(|query| query.title = Text::default()), "title");
        assert_eq!(with(|query| query.description = "x".repeat(501).into()), "description");
        assert_eq!(with(|query| query.query = "nosuch:1".into()), "query");
        assert_eq!(with(|query| query.query = " ".into()), "query");
        assert_eq!(with(|query| query.tags = vec!["x".into(); 21]), "tags");
    }
}
