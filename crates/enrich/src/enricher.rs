use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, civil::Date, tz::TimeZone};
use nightlatch_asset::{Network, Observation, Place, Text, Timestamp};

use crate::ranges::RangeFile;
use crate::{Config, DATABASE_BYTES_MAX, Database, EnrichError, RANGES_BYTES_MAX, Ranges, domains_of};

/// Knows what the files know. Cheap to share between threads; nothing changes after [`Enricher::open`].
#[derive(Debug, Default)]
pub struct Enricher {
    databases: Vec<Database>,
    ranges: Ranges,
    range_files: Vec<(PathBuf, RangeFile, Option<Timestamp>)>,
}

/// What a file holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FileKind {
    /// A MaxMind-format database, with what it calls itself; neutralised for a terminal.
    Database(String),
    /// A range file, with the format recognised.
    Ranges(&'static str),
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database(name) => write!(f, "database {name}"),
            Self::Ranges(format) => write!(f, "ranges of {format}"),
        }
    }
}

/// Where the age of a file is from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Dating {
    /// The file says when it was made.
    Content,
    /// The publisher wrote it into the file's name: Microsoft, `ServiceTags_Public_20260921.json`.
    FileName,
    /// The file system says when it was written.
    FileTime,
}

/// One loaded file, for `enrich status`.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The file.
    pub path: PathBuf,
    /// What it holds.
    pub kind: FileKind,
    /// Blocks of a range file; nodes of the search tree of a database.
    pub records: u64,
    /// When it was made, and who says so; absent when nobody does.
    pub built: Option<(Timestamp, Dating)>,
    /// How long ago that was; never negative.
    pub age: Option<SignedDuration>,
    /// Lookups that met a damaged part of the file since it was opened.
    pub damaged: u64,
}

impl Enricher {
    /// Reads all files of `config`.
    ///
    /// # Errors
    /// [`EnrichError`], for the first file that cannot be used.
    pub fn open(config: &Config) -> Result<Self, EnrichError> {
        let mut enricher = Self::default();
        for path in config.geo.iter().chain(&config.asn) {
            // A file that holds places and networks may be named twice; it is read once.
            if enricher.databases.iter().any(|database| database.path() == path) {
                continue;
            }
            let (bytes, _) = read(path, DATABASE_BYTES_MAX)?;
            let packed = compression(&bytes);
            let database = Database::from_bytes(path, bytes).map_err(|e| compressed(path, packed, e))?;
            enricher.databases.push(database);
        }
        for cloud in &config.cloud {
            let (bytes, written) = read(&cloud.file, RANGES_BYTES_MAX)?;
            let file = enricher.ranges.add(&cloud.provider, &bytes).map_err(|source| {
                let error = EnrichError::Ranges { path: cloud.file.clone(), source };
                compressed(&cloud.file, compression(&bytes), error)
            })?;
            enricher.range_files.push((cloud.file.clone(), file, written));
        }
        enricher.ranges.seal();
        Ok(enricher)
    }

    /// Fills in place, network and cloud (with the tag `cloud`) from the files, and the domains of the
    /// host names. What is there already stays.
    pub fn enrich(&self, observation: &mut Observation) {
        let (place, network) = self.locate(observation);
        observation.place = observation.place.take().or(place);
        observation.network = observation.network.take().or(network);
        if observation.cloud.is_none() {
            observation.cloud = self.ranges.lookup(observation.ip);
        }
        if observation.cloud.is_some() {
            observation.tags.insert(Text::from("cloud"));
        }
        if observation.domains.is_empty() {
            observation.domains = domains_of(&observation.hostnames);
        }
    }

    /// Each field from the first file that knows it.
    fn locate(&self, observation: &Observation) -> (Option<Place>, Option<Network>) {
        let (mut place, mut network) = (Place::default(), Network::default());
        for (found, net) in self.databases.iter().filter_map(|database| database.lookup(observation.ip)) {
            fill_place(&mut place, found);
            network.asn = network.asn.or(net.asn);
            network.org = network.org.or(net.org);
            network.isp = network.isp.or(net.isp);
        }
        ((place != Place::default()).then_some(place), (network != Network::default()).then_some(network))
    }

    /// What is loaded and how old it is at `now`, in order of configuration.
    pub fn status(&self, now: Timestamp) -> Vec<Loaded> {
        let databases = self.databases.iter().map(|database| {
            let built = database.built().map(|built| (built, Dating::Content));
            Loaded {
                path: database.path().to_owned(),
                kind: FileKind::Database(database.kind()),
                records: database.nodes(),
                built,
                age: age(built, now),
                damaged: database.damaged(),
            }
        });
        let ranges = self.range_files.iter().map(|(path, file, written)| {
            let by_file = written.map(|written| (written, Dating::FileTime));
            let by_name = dated_by_name(path, file.format).map(|made| (made, Dating::FileName));
            let built = file.built.map(|built| (built, Dating::Content)).or(by_name).or(by_file);
            Loaded {
                path: path.clone(),
                kind: FileKind::Ranges(file.format),
                records: file.blocks,
                built,
                age: age(built, now),
                damaged: 0,
            }
        });
        databases.chain(ranges).collect()
    }

    /// Reads every database from end to end and checks that it holds together; seconds for a large one.
    ///
    /// # Errors
    /// [`EnrichError::Database`], for the first damaged file.
    pub fn verify(&self) -> Result<(), EnrichError> {
        self.databases.iter().try_for_each(Database::verify)
    }
}

/// A position is taken over whole: latitude of one file and longitude of another would be a third place.
fn fill_place(place: &mut Place, found: Place) {
    if place.latitude.is_none() && place.longitude.is_none() {
        (place.latitude, place.longitude) = (found.latitude, found.longitude);
    }
    let pairs = [
        (&mut place.country_code, found.country_code),
        (&mut place.country_name, found.country_name),
        (&mut place.region, found.region),
        (&mut place.city, found.city),
        (&mut place.postal, found.postal),
    ];
    for (slot, value) in pairs {
        if slot.is_none() {
            *slot = value;
        }
    }
}

/// The date at the end of the name of a file of service tags; of other files it would be anybody's.
fn dated_by_name(path: &Path, format: &str) -> Option<Timestamp> {
    let (_, date) = path.file_stem()?.to_str()?.rsplit_once('_')?;
    if format != "azure" || date.len() != 8 {
        return None;
    }
    let date = Date::strptime("%Y%m%d", date).ok()?;
    TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()
}

fn age(built: Option<(Timestamp, Dating)>, now: Timestamp) -> Option<SignedDuration> {
    built.map(|(built, _)| now.duration_since(built).max(SignedDuration::ZERO))
}

/// The bytes of a file, and when it was written.
fn read(path: &Path, bytes_max: u64) -> Result<(Vec<u8>, Option<Timestamp>), EnrichError> {
    let failed = |source| EnrichError::Read { path: path.to_owned(), source };
    let too_large = |bytes| EnrichError::TooLarge { path: path.to_owned(), bytes, bytes_max };
    // Asked before it is opened: opening a pipe waits for somebody to write into it, and a device never ends.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(EnrichError::NoFile { path: path.to_owned() });
    }
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if metadata.len() > bytes_max {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    // The file may grow meanwhile; the reading itself is bounded.
    file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > bytes_max {
        return Err(too_large(bytes.len() as u64));
    }
    let written = metadata.modified().ok().and_then(|time| Timestamp::try_from(time).ok());
    Ok((bytes, written))
}

/// The better reason why a file cannot be read: it is packed. Asked only then, so that chance cannot refuse a
/// sound file.
fn compressed(path: &Path, packed: Option<&'static str>, error: EnrichError) -> EnrichError {
    packed.map_or(error, |format| EnrichError::Compressed { path: path.to_owned(), format })
}

/// What a file is packed with, by its first bytes; providers offer `.mmdb.gz`, `.tar.gz` and `.zip`.
fn compression(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x1f, 0x8b, ..] => Some("gzip"),
        [b'P', b'K', 3, 4, ..] => Some("zip"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some("xz"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [b'B', b'Z', b'h', ..] => Some("bzip2"),
        _ => None,
    }
}
