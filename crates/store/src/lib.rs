//! What a storage backend must do, and what is true of every backend.
//!
//! A [`Store`] takes observations; a [`Snapshot`] answers questions about one moment. All answers of one
//! snapshot agree: the count of a query is the number of rows of its search, the number of lines of its
//! export, and the sum over the facet of a field that every record has, also while a scan writes.
//!
//! # One endpoint over time
//! An endpoint is (address, port, transport). Its **newest** record is the one with `latest` set. A further
//! observation of the endpoint is, in this order:
//! 1. a *sighting* of the newest record, when their [`content_key`]s are equal: `times_seen` grows by one and
//!    `last_seen` becomes the later of both times;
//! 2. the new newest record, when it is not older than the newest record's `last_seen`;
//! 3. *late* otherwise: stored as history, never the newest.
//!
//! `first_seen` of every record of an endpoint is the earliest time of any of its observations, sightings and
//! late ones included. A record's id is greater than that of every record stored before it.

#[cfg(feature = "conformance")]
pub mod conformance;
mod content;
mod memory;
mod shown;
#[cfg(feature = "conformance")]
pub mod synthetic;

pub use content::content_key;
pub use memory::MemoryStore;
pub use shown::{facet_value, order, step_label};

use std::net::IpAddr;
use std::ops::ControlFlow;
use std::path::PathBuf;

use nightlatch_asset::{Field, Observation, Record};
use nightlatch_query::Expr;

/// Which observations a question is about.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum View {
    /// The newest observation of every endpoint.
    #[default]
    Latest,
    /// Every observation ever stored.
    History,
}

/// A query and the view it is asked of.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection {
    /// The query.
    pub expr: Expr,
    /// The view.
    pub view: View,
}

/// Order of rows. Ties are broken by record id, newest first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Sort {
    /// Newest observation first.
    #[default]
    Newest,
    /// Oldest observation first.
    Oldest,
    /// By address and port, IPv4 before IPv6.
    Address,
    /// Worst severity first, then highest exposure, then newest.
    Severity,
}

/// One value of a facet and how many records have it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Bucket {
    /// The value as it is shown (keywords and text as stored, ladders as their word, numbers in decimal).
    pub value: String,
    /// Records with this value.
    pub count: u64,
}

/// A field counted by value: exact, never an estimate.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Facet {
    /// The most frequent values, most frequent first, ties by value.
    pub buckets: Vec<Bucket>,
    /// Distinct values in all.
    pub distinct: u64,
    /// Sum of the counts that are not in `buckets`.
    pub other: u64,
    /// Records that have no value of the field.
    pub missing: u64,
    /// Records that match the query.
    pub total: u64,
}

/// Width of a step of a histogram over time, UTC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Step {
    /// 60 minutes.
    Hour,
    /// Calendar day.
    Day,
    /// Calendar month.
    Month,
}

/// Receipt for a batch: everything in it survives a crash from now on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ingested {
    /// New documents written.
    pub stored: u64,
    /// Unchanged re-observations, written as sightings.
    pub sightings: u64,
    /// Records whose endpoint had never been seen.
    pub new_endpoints: u64,
    /// Observations that are stored already, and changed nothing.
    pub repeated: u64,
}

/// What a store holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// Observations stored, all views.
    pub observations: u64,
    /// Endpoints.
    pub endpoints: u64,
    /// Sightings beside the observations.
    pub sightings: u64,
    /// Bytes on disk; 0 in memory.
    pub bytes: u64,
}

/// Why a store refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process writes to the same directory.
    #[error("{path} is being written to by process {pid}; wait for it, or search without writing")]
    Locked {
        /// The data directory.
        path: PathBuf,
        /// Process id of the holder, 0 when it could not be read.
        pid: u32,
    },
    /// The directory was written by a newer version.
    #[error("{path} has format {found}, this version reads formats up to {known}; use a newer nightlatch")]
    Newer {
        /// The data directory.
        path: PathBuf,
        /// Format version found.
        found: u32,
        /// Newest format this version knows.
        known: u32,
    },
    /// There is no store at the place.
    #[error("{path} holds no nightlatch data; scan something first, or name another directory with --data")]
    Absent {
        /// The data directory.
        path: PathBuf,
    },
    /// A wildcard names too many different words.
    #[error("`{glob}` stands for more than {max} different values; write more characters before the `*`")]
    TooBroad {
        /// The wildcard.
        glob: String,
        /// The limit.
        max: usize,
    },
    /// The field cannot be counted by value.
    #[error("`{field}` cannot be used as a facet", field = field.name())]
    NotAFacet {
        /// The field.
        field: Field,
    },
    /// What is on disk does not hold together.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The operating system refused.
    #[error("cannot {what} {path}")]
    Io {
        /// The operation, such as `write`.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// The search engine below refused.
    #[error("search engine: {0}")]
    Engine(String),
}

/// Takes observations. One writer at a time.
pub trait Store: Send {
    /// Stores a batch, in order. When it returns, the batch survives a crash of the process.
    ///
    /// An observation whose content is unchanged since the last one of its endpoint (everything but
    /// `time`, `run` and volatile response headers) becomes a sighting of that one. One that says what the
    /// store knows already, as its endpoint is known to have given the same answer at that time, changes
    /// nothing: a file may be imported twice.
    ///
    /// # Errors
    /// Nothing of the batch, or a prefix of it, is stored; what was acknowledged before stays readable.
    fn ingest(&mut self, batch: &[Observation]) -> Result<Ingested, StoreError>;

    /// Everything acknowledged up to now, frozen.
    ///
    /// # Errors
    /// When the data cannot be opened.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, StoreError>;

    /// Puts everything acknowledged where every reader finds it, other processes included. Done from time to time
    /// anyway; whoever ends asks for it, to be told when it fails.
    ///
    /// # Errors
    /// When it cannot be written. Nothing is lost: it is tried again by the next that writes.
    fn commit(&mut self) -> Result<(), StoreError>;
}

/// Answers about one moment. Cheap to ask many times; safe to share between threads.
pub trait Snapshot: Send + Sync {
    /// Number of records selected.
    ///
    /// # Errors
    /// [`StoreError::TooBroad`], or what reading the data reports; so for all below.
    fn count(&self, selection: &Selection) -> Result<u64, StoreError>;

    /// Rows `skip..skip + limit` in the order `sort`.
    ///
    /// # Errors
    /// As [`Snapshot::count`].
    fn search(
        &self,
        selection: &Selection,
        sort: Sort,
        skip: usize,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// Counts `field` by value; the `size` most frequent are returned, the rest summed up.
    ///
    /// # Errors
    /// [`StoreError::NotAFacet`], and as [`Snapshot::count`].
    fn facet(&self, selection: &Selection, field: Field, size: usize) -> Result<Facet, StoreError>;

    /// Counts records by the time they were seen: start of step (RFC 3339 date or time) and count,
    /// in order of time, without empty steps.
    ///
    /// # Errors
    /// As [`Snapshot::count`].
    fn histogram(&self, selection: &Selection, step: Step) -> Result<Vec<Bucket>, StoreError>;

    /// Distinct addresses among the records selected, exact.
    ///
    /// # Errors
    /// As [`Snapshot::count`].
    fn distinct_hosts(&self, selection: &Selection) -> Result<u64, StoreError>;

    /// All records of one address, by port, newest first within a port.
    ///
    /// # Errors
    /// As [`Snapshot::count`].
    fn host(&self, ip: IpAddr, view: View) -> Result<Vec<Record>, StoreError>;

    /// The records stored after the one with identifier `id`, in the order they were stored, at most `limit`: how
    /// whoever follows the book reads on. With `id` 0, from the first.
    ///
    /// # Errors
    /// When the data cannot be read.
    fn after(&self, id: u64, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// The greatest identifier of a record, 0 when there is none.
    fn last_id(&self) -> u64;

    /// Hands every record selected to `sink`, in no particular order, until it breaks off.
    ///
    /// # Errors
    /// As [`Snapshot::count`].
    fn export(
        &self,
        selection: &Selection,
        sink: &mut dyn FnMut(Record) -> ControlFlow<()>,
    ) -> Result<(), StoreError>;

    /// What the store holds.
    ///
    /// # Errors
    /// When the data cannot be read.
    fn status(&self) -> Result<Status, StoreError>;
}
