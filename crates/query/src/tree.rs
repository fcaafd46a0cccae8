use std::net::IpAddr;

use nightlatch_asset::{Field, Timestamp};

/// A resolved query. Every name is a known field, every value has the type of its field.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// Everything.
    All,
    /// All of them; never empty.
    And(Vec<Expr>),
    /// At least one of them; never empty.
    Or(Vec<Expr>),
    /// Everything but this.
    Not(Box<Expr>),
    /// One filter.
    Match(Match),
}

/// One filter: records in which some value of `field` passes some of `tests`.
#[derive(Clone, Debug, PartialEq)]
pub struct Match {
    /// The field looked at.
    pub field: Field,
    /// Alternatives; never empty.
    pub tests: Vec<Test>,
}

/// What one value must be like. Strings in here are folded by `nightlatch_asset::token::fold` already.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// There is a value at all.
    Exists,
    /// The whole value, upper and lower case alike (keyword fields, and text fields with `=`).
    Whole(String),
    /// The whole value, by wildcards (keyword fields, and text patterns that hold punctuation).
    WholePattern(Pattern),
    /// These words in a row, as `nightlatch_asset::token::words` cuts them (text fields); never empty.
    Phrase(Vec<String>),
    /// One word, by wildcards (text fields).
    WordPattern(Pattern),
    /// A number between both bounds, inclusive (number fields; ladder fields by index).
    Number {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// An address inside a block; host bits are zero, IPv4-mapped addresses are IPv4.
    Net {
        /// First address of the block.
        address: IpAddr,
        /// Prefix length.
        prefix: u8,
    },
    /// A time, `from` inclusive, `until` exclusive; at least one is given.
    Date {
        /// Earliest.
        from: Option<Timestamp>,
        /// First time that is too late.
        until: Option<Timestamp>,
    },
    /// A truth value.
    Flag(bool),
    /// A place.
    Geo(Area),
}

/// A glob: `*` is any run of characters, also none; `?` is one character.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Pattern {
    /// Folded text with its wildcards; a literal `*`, `?` or `\` is preceded by `\`.
    pub glob: String,
}

/// A part of the Earth's surface.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Area {
    /// Within `km` kilometres of a point, on a sphere of 6,371 km radius.
    Around {
        /// Degrees north.
        latitude: f64,
        /// Degrees east.
        longitude: f64,
        /// Radius in kilometres.
        km: f64,
    },
    /// Inside a box, borders included; `left > right` crosses the date line.
    Box {
        /// Northern border.
        top: f64,
        /// Western border.
        left: f64,
        /// Southern border.
        bottom: f64,
        /// Eastern border.
        right: f64,
    },
}
