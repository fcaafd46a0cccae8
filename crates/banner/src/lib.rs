//! Observations as gzip'ed JSON lines in Shodan's banner shape: what `export` writes and `import` reads.
//!
//! Shodan's own words keep their meaning, so that its command line reads our files; what only we know
//! stands in one extra object, `nightlatch`, and makes the way back exact:
//! `from_banner(to_banner(record)) == record.observation`. A banner without that object is somebody
//! else's: it is read as far as it goes, and its exposure is `unknown`.
//!
//! Source of the shape: Shodan's Datapedia and what the `shodan` command line 1.31 reads.

mod certificate;
mod file;
mod lenient;
mod read;
mod shape;
mod write;

pub use file::{BLANK_LINES_MAX, FileError, LINE_BYTES_MAX, Reader, SKIPPED_BYTES_MAX, Writer};
pub use read::{BannerError, DEPTH_MAX, from_banner};
pub use shape::{
    Banner, BannerCloud, Cert, CertFingerprint, CertPublicKey, Cipher, EmptyPart, HttpFavicon, HttpPart,
    Location, Own, OwnHttp, OwnTls, SCHEMA, ShodanOptions, ShodanPart, SslPart,
};
pub use write::to_banner;

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
